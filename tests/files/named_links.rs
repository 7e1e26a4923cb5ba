//! Symbolic links that are named as sources.

use crate::common::cli::{Cli, stderr};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What a shell makes of `g/*`: a link to a file or a folder stands for what it leads to, which the
/// backup says; one that leads nowhere, or round in a circle, is captured itself and keeps nothing
/// else from being captured, but the snapshot is incomplete. All of them come back. Within a folder links
/// may lead where they like.
#[test]
fn a_named_link_is_followed_or_kept() {
    let cli = Cli::new();
    fs::create_dir(cli.path("g")).unwrap();
    let links = [
        ("file", "../src/a"),
        ("folder", "../src/sub"),
        ("nowhere", "gone"),
        ("through", "../src/a/beneath"),
        ("round", "round"),
    ];
    for (name, to) in links {
        symlink(to, cli.path("g").join(name)).unwrap();
    }
    let names = links.map(|(name, _)| format!("g/{name}"));
    let named: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..2 {
        let said = stderr(&cli.run(&[&["backup"], &named[..]].concat()).code(3));
        assert!(said.contains(&format!("captured, {}", cli.text("src/a"))), "{said}");
        assert!(said.contains(&format!("captured, {}", cli.text("src/sub"))), "{said}");
        assert_eq!(said.matches("leads nowhere: only the link is captured").count(), 3, "{said}");
    }
    let snapshot = cli.json(&["snapshots", "latest"]).pop().unwrap();
    let incomplete = snapshot["parts"].as_array().unwrap().iter().map(|part| {
        (
            part["path"].as_str().unwrap().to_owned(),
            part["incomplete"].as_bool().unwrap_or_default(),
        )
    });
    for (path, incomplete) in incomplete {
        let leads = ["g/file", "g/folder"].iter().any(|name| path == cli.text(name));
        assert_eq!(incomplete, !leads, "{path}");
    }
    cli.run(&["restore", &format!("latest:{}", cli.text("g")), "-t", "out", "--verify"]).success();
    let out = cli.path("out");
    assert_eq!(fs::read(out.join("file")).unwrap(), fs::read(cli.path("src/a")).unwrap());
    assert!(!out.join("file").is_symlink());
    assert_eq!(fs::read(out.join("folder/b")).unwrap(), b"deep\n");
    for (name, to) in &links[2..] {
        assert_eq!(fs::read_link(out.join(name)).unwrap(), Path::new(to));
    }
    cli.run(&["check", "--read-data"]).success();
    let said = stderr(&cli.run(&["backup", "g"]).success());
    assert!(!said.contains("leads nowhere"), "{said}");
    // What is not there at all ends the backup, as before.
    cli.run(&["backup", "g/none", "src"]).code(1);
    cli.run(&["backup", "g/nowhere/beneath", "src"]).code(1);
}
