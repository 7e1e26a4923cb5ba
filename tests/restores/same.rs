//! What is the same file: the same link group and the same content.

use crate::common::cli::Cli;
use crate::common::target::{directory, names, node, open};
use icecore::format::content::{Content, Piece};
use icecore::format::directory::{LinkGroup, Node, NodeKind};
use icecore::sink::files::{FilesSink, Overwrite};
use icecore::sink::{Placed, Sink};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const GROUP: LinkGroup = LinkGroup { device: 1, inode: 2, born: None };

/// A file of `length` zeros that had several names.
fn named(name: &str, length: u64) -> Node {
    let content = Content::inline(1, &[Piece::Hole { length }]);
    let mut node = node(name, NodeKind::File { content, database: None });
    node.meta.link_group = Some(GROUP);
    node
}

fn put(target: &mut FilesSink, node: &Node) {
    let NodeKind::File { content, .. } = &node.kind else { panic!() };
    if let Placed::Write(sink) = target.file(node, content.length, &mut |_| false).unwrap() {
        sink.finish(node).unwrap();
    }
}

fn inode(folder: &Path, name: &str) -> u64 {
    fs::metadata(folder.join(name)).unwrap().ino()
}

/// Names of one group are joined where their content is the same, in other folders, too; where an
/// inode was given to another file in between, both files come back. Equal files that were no links
/// stay two, and so do names of one inode number made at different times.
#[test]
fn the_same_group_and_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = open(dir.path(), Overwrite::Never);
    put(&mut target, &named("a", 5));
    put(&mut target, &named("b", 6));
    target.enter(&directory("c")).unwrap();
    put(&mut target, &named("a", 5));
    put(&mut target, &named("b", 6));
    target.leave().unwrap();
    let mut no_link = named("d", 5);
    no_link.meta.link_group = None;
    put(&mut target, &no_link);
    let mut later = named("e", 5);
    let born = Some(icecore::format::directory::FileTime(1, 0));
    later.meta.link_group = Some(LinkGroup { born, ..GROUP });
    put(&mut target, &later);
    let mut pipe = node("f", NodeKind::Fifo);
    pipe.meta.link_group = Some(GROUP);
    target.other(&pipe).unwrap();
    target.finish().unwrap();
    let at = |name: &str| inode(dir.path(), name);
    assert_eq!((at("a"), at("b")), (at("c/a"), at("c/b")));
    let mut different = vec![at("a"), at("b"), at("d"), at("e"), at("f")];
    different.dedup();
    assert_eq!(different.len(), 5);
    assert_eq!(names(dir.path()), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(fs::metadata(dir.path().join("b")).unwrap().len(), 6);
}

/// Through the program: links within a part and across parts are joined again; where a pattern
/// leaves out the first name, the next one becomes the file.
#[test]
fn links_across_parts_and_past_patterns() {
    let cli = Cli::new();
    fs::create_dir(cli.path("two")).unwrap();
    fs::hard_link(cli.path("src/a"), cli.path("src/b")).unwrap();
    fs::hard_link(cli.path("src/a"), cli.path("two/c")).unwrap();
    fs::write(cli.path("two/equal"), fs::read(cli.path("src/a")).unwrap()).unwrap();
    cli.run(&["backup", "src", "two"]).success();
    let restored = |out: &str, patterns: &[&str]| {
        let args = [&["restore", "latest", "--verify", "-t", out], patterns].concat();
        cli.run(&args).success();
        cli.path(out).join(cli.text("").trim_start_matches('/'))
    };
    let all = restored("all", &[]);
    assert_eq!(inode(&all, "src/a"), inode(&all, "src/b"));
    assert_eq!(inode(&all, "src/a"), inode(&all, "two/c"));
    assert_ne!(inode(&all, "src/a"), inode(&all, "two/equal"));
    let some = restored("some", &["--exclude", "a"]);
    assert!(!some.join("src/a").exists());
    assert_eq!(inode(&some, "src/b"), inode(&some, "two/c"));
    assert_eq!(fs::read(some.join("src/b")).unwrap(), fs::read(cli.path("src/a")).unwrap());
}

/// Where a file is kept because it is unchanged, its further names that are gone lead to it again. Where
/// it is newer they get the content that was captured, and `--verify` counts nothing as wrong that was
/// kept for being newer.
#[test]
fn further_names_lead_to_what_was_kept() {
    let cli = Cli::new();
    fs::hard_link(cli.path("src/a"), cli.path("src/sub/c")).unwrap();
    cli.run(&["backup", "src"]).success();
    let latest = format!("latest:{}", cli.text("src"));
    let restore = ["restore", &latest, "--verify", "-t", "out"];
    let run = |options: &[&str]| cli.run(&[&restore[..], options].concat());
    run(&[]).success();
    let out = cli.path("out");
    let captured = fs::read(cli.path("src/a")).unwrap();
    for (overwrite, newer) in [("if-changed", false), ("if-newer", false), ("if-newer", true)] {
        fs::remove_file(out.join("sub/c")).unwrap();
        if newer {
            fs::write(out.join("a"), "written since").unwrap();
        }
        run(&["--overwrite", overwrite]).success();
        assert_eq!(inode(&out, "a") == inode(&out, "sub/c"), !newer, "{overwrite}");
        let kept = fs::read(out.join("a")).unwrap();
        assert_eq!(kept == b"written since", newer, "{overwrite}");
        assert!(fs::read(out.join("sub/c")).unwrap() == captured, "{overwrite}");
    }
    // What was not kept for being newer, and is wrong, is still found.
    let (file, before) = (out.join("sub/b"), fs::metadata(cli.path("src/sub/b")).unwrap());
    fs::write(&file, "peed\n").unwrap();
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    run(&["--overwrite", "if-newer"]).failure();
}
