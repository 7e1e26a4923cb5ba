//! Sources from lists, what is left out, and what is named while it is done.

use crate::common::desk::{Desk, stderr, stdout};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn listed(desk: &Desk) -> Vec<String> {
    let folder = desk.text("");
    let said = desk.says(&["ls", "latest"]);
    let paths = said.lines().filter_map(|line| line.strip_prefix(&folder));
    paths.map(str::to_owned).collect()
}

/// A list names paths and patterns with remarks between, a verbatim one paths as they are, a raw
/// one any bytes; `-` is standard input, and what fits nothing is an error.
#[test]
fn sources_come_from_lists() {
    let desk = Desk::new();
    for name in ["one.txt", "two.txt", "a[1].txt", " # odd", "three"] {
        fs::write(desk.path(name), name).unwrap();
    }
    fs::write(desk.path("list"), "# what we save\n\n  *.txt  \nsr*/s?b\na[1].txt\n").unwrap();
    let said = stderr(&desk.run(&["backup", "--files-from", "list"]).code(1));
    assert!(said.contains("a[1].txt"), "named twice, by the pattern and by itself: {said}");
    fs::write(desk.path("list"), "# what we save\n\n  [ot]*.txt  \nsr*/s?b\na[1].txt\n").unwrap();
    desk.run(&["backup", "three", "--files-from", "list"]).success();
    let expected = ["a[1].txt", "one.txt", "src", "src/sub", "src/sub/b", "three", "two.txt"];
    let mut found = listed(&desk);
    found.sort();
    assert_eq!(found, expected);

    fs::write(desk.path("verbatim"), "a[1].txt\n # odd\n").unwrap();
    desk.run(&["backup", "--files-from-verbatim", "verbatim"]).success();
    assert_eq!(listed(&desk), [" # odd", "a[1].txt"]);

    let name = Path::new(std::ffi::OsStr::from_bytes(b"x\n\xff"));
    fs::write(desk.folder().join(name), "raw").unwrap();
    let mut command = desk.command();
    command.args(["--key-file", "key", "backup", "--files-from-raw", "-"]);
    command.write_stdin(&b"one.txt\0x\n\xff\0"[..]).assert().success();
    assert_eq!(listed(&desk), ["one.txt", "x\\n\\xff"]);

    fs::write(desk.path("list"), "*.nosuch\n").unwrap();
    let said = stderr(&desk.run(&["backup", "three", "--files-from", "list"]).code(1));
    assert!(said.contains("nothing fits"), "{said}");
    desk.run(&["backup", "three", "--files-from", "nolist"]).code(1);
    fs::write(desk.path("list"), "\n# nothing\n").unwrap();
    let said = stderr(&desk.run(&["backup", "--files-from", "list"]).code(1));
    assert!(said.contains("no source was named"), "{said}");
}

/// Large and small letters are the same where that is asked for, in backup and in restore; caches
/// keep nothing but their tag, if it is a real one.
#[test]
fn more_is_left_out() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("src/cache")).unwrap();
    fs::create_dir_all(desk.path("src/nocache")).unwrap();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# by a test\n";
    for (name, text) in [
        ("src/x.TMP", ""),
        ("src/y.Bak", ""),
        ("src/cache/CACHEDIR.TAG", tag),
        ("src/cache/big", "big"),
        ("src/nocache/CACHEDIR.TAG", "no"),
        ("src/nocache/kept", "kept"),
    ] {
        fs::write(desk.path(name), text).unwrap();
    }
    fs::write(desk.path("patterns"), "# any case\n*.BAK\n").unwrap();
    let args = ["backup", "src", "--exclude-caches", "--iexclude", "*.tmp"];
    desk.run(&[&args[..], &["--iexclude-file", "patterns"]].concat()).success();
    let found = listed(&desk);
    for (name, kept) in [
        ("src/x.TMP", false),
        ("src/y.Bak", false),
        ("src/cache/CACHEDIR.TAG", true),
        ("src/cache/big", false),
        ("src/nocache/kept", true),
    ] {
        assert_eq!(found.iter().any(|path| path == name), kept, "{name} in {found:?}");
    }

    let restore = |name: &str, args: &[&str]| {
        let from = format!("latest:{}", desk.text("src"));
        let said = desk.run(&[&["restore", &from, "-t", name], args].concat()).success();
        (desk.path(name), stdout(&said))
    };
    let (only, said) = restore("only", &["--iinclude", "KEPT", "-v"]);
    assert!(only.join("nocache/kept").exists() && !only.join("a").exists());
    assert!(
        said.contains(&format!("restored {} (4 B)\n", desk.text("src/nocache/kept"))),
        "{said}"
    );
    let (but, said) = restore("but", &["--iexclude", "NoCache"]);
    assert!(!but.join("nocache").exists() && but.join("a").exists());
    assert!(!said.contains("/src/"), "nobody asked for names: {said}");
}
