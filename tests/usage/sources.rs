//! Sources from lists, what is left out, and what is named while it is done.

use crate::common::cli::{Cli, stderr, stdout};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn listed(cli: &Cli) -> Vec<String> {
    let folder = cli.text("");
    let said = cli.says(&["ls", "latest"]);
    let paths = said.lines().filter_map(|line| line.strip_prefix(&folder));
    paths.map(str::to_owned).collect()
}

/// A list names paths and patterns with remarks between, a verbatim one paths as they are, a raw
/// one any bytes; `-` is standard input, and what fits nothing is an error.
#[test]
fn sources_come_from_lists() {
    let cli = Cli::new();
    for name in ["one.txt", "two.txt", "a[1].txt", " # odd", "three"] {
        fs::write(cli.path(name), name).unwrap();
    }
    fs::write(cli.path("list"), "# what we save\n\n  *.txt  \nsr*/s?b\na[1].txt\n").unwrap();
    cli.run(&["backup", "three", "--files-from", "list"]).success();
    let expected = ["a[1].txt", "one.txt", "src", "src/sub", "src/sub/b", "three", "two.txt"];
    let mut found = listed(&cli);
    found.sort();
    assert_eq!(found, expected);

    fs::write(cli.path("verbatim"), "a[1].txt\n # odd\n").unwrap();
    cli.run(&["backup", "--files-from-verbatim", "verbatim"]).success();
    assert_eq!(listed(&cli), [" # odd", "a[1].txt"]);

    let name = Path::new(std::ffi::OsStr::from_bytes(b"x\n\xff"));
    fs::write(cli.folder().join(name), "raw").unwrap();
    let mut command = cli.command();
    command.args(["--key-file", "key", "backup", "--files-from-raw", "-"]);
    command.write_stdin(&b"one.txt\0x\n\xff\0"[..]).assert().success();
    assert_eq!(listed(&cli), ["one.txt", "x\\n\\xff"]);

    fs::write(cli.path("list"), "*.nosuch\n").unwrap();
    let said = stderr(&cli.run(&["backup", "three", "--files-from", "list"]).code(1));
    assert!(said.contains("nothing fits"), "{said}");
    cli.run(&["backup", "three", "--files-from", "nolist"]).code(1);
    fs::write(cli.path("list"), "\n# nothing\n").unwrap();
    let said = stderr(&cli.run(&["backup", "--files-from", "list"]).code(1));
    assert!(said.contains("no source was named"), "{said}");
}

/// Large and small letters are the same where that is asked for, in backup and in restore; caches
/// keep nothing but their tag, if it is a real one.
#[test]
fn more_is_left_out() {
    let cli = Cli::new();
    fs::create_dir_all(cli.path("src/cache")).unwrap();
    fs::create_dir_all(cli.path("src/nocache")).unwrap();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# by a test\n";
    for (name, text) in [
        ("src/x.TMP", ""),
        ("src/y.Bak", ""),
        ("src/cache/CACHEDIR.TAG", tag),
        ("src/cache/big", "big"),
        ("src/nocache/CACHEDIR.TAG", "no"),
        ("src/nocache/kept", "kept"),
    ] {
        fs::write(cli.path(name), text).unwrap();
    }
    fs::write(cli.path("patterns"), "# any case\n*.BAK\n").unwrap();
    let args = ["backup", "src", "--exclude-caches", "--iexclude", "*.tmp"];
    cli.run(&[&args[..], &["--iexclude-file", "patterns"]].concat()).success();
    let found = listed(&cli);
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
        let from = format!("latest:{}", cli.text("src"));
        let said = cli.run(&[&["restore", &from, "-t", name], args].concat()).success();
        (cli.path(name), stdout(&said))
    };
    let (only, said) = restore("only", &["--iinclude", "KEPT", "-v"]);
    assert!(only.join("nocache/kept").exists() && !only.join("a").exists());
    assert!(said.contains(&format!("restored {} (4 B)\n", cli.text("src/nocache/kept"))), "{said}");
    let (but, said) = restore("but", &["--iexclude", "NoCache"]);
    assert!(!but.join("nocache").exists() && but.join("a").exists());
    assert!(!said.contains("/src/"), "nobody asked for names: {said}");
}

/// A place that is named twice, or lies in a folder that is named, is captured once, with the
/// folder; where the folder leaves it out, or has it behind a link, or it is of another kind, the
/// backup is refused.
#[test]
fn places_within_others_are_captured_once() {
    let cli = Cli::new();
    fs::create_dir(cli.path("real")).unwrap();
    fs::write(cli.path("real/x"), "x").unwrap();
    std::os::unix::fs::symlink("../real", cli.path("src/away")).unwrap();
    let all = cli.json(&["backup", "src"]).pop().unwrap()["total_files_processed"].clone();
    for sources in [&["src", "src/sub"][..], &["src/sub/b", "src", "src/sub"], &["src", "src"]] {
        let summary = cli.json(&[&["backup"], sources].concat()).pop().unwrap();
        assert_eq!(summary["total_files_processed"], all, "{sources:?}");
        let parts = cli.json(&["snapshots", "latest"]).pop().unwrap()["paths"].clone();
        assert_eq!(parts.as_array().unwrap().len(), 1, "{sources:?}");
    }
    for sources in
        [&["src", "src/away"][..], &["src", "src/sub", "-e", "sub"], &["src", "sqlite:src/a"]]
    {
        let said = stderr(&cli.run(&[&["backup"], sources].concat()).code(1));
        assert!(said.contains("it lies within"), "{sources:?}: {said}");
    }
}

/// A stream that holds nothing is refused, from standard input and from a command, unless it is
/// said that it may.
#[test]
fn an_empty_stream_is_refused() {
    let cli = Cli::new();
    let backup = |more: &[&str]| {
        let mut command = cli.command();
        command.args(["--key-file", "key", "backup"]).args(more);
        command.write_stdin("").assert()
    };
    let said = stderr(&backup(&["--stdin"]).code(1));
    assert!(said.contains("no data came") && said.contains("--allow-empty"), "{said}");
    backup(&["--stdin-from-command", "--", "true"]).code(1);
    backup(&["--stdin", "--allow-empty"]).success();
    backup(&["--stdin-from-command", "--allow-empty", "--", "true"]).success();
}

/// A flag for PostgreSQL servers is refused by its name where none is a source.
#[test]
fn flags_of_servers_need_a_server() {
    let cli = Cli::new();
    let flags = [
        &["--database", "app"][..],
        &["--exclude-table", "t"],
        &["--dump-format", "custom"],
        &["--no-globals"],
        &["--pg-command", "docker exec db"],
    ];
    for flag in flags {
        for sources in [&["src"][..], &["--stdin"], &["--stdin-from-command", "--", "true"]] {
            let said = stderr(&cli.run(&[&["backup"], flag, sources].concat()).code(1));
            assert!(said.contains(flag[0]) && said.contains("postgres-dump:"), "{flag:?}: {said}");
        }
    }
}

/// `init` takes no folder that is in use, and says so; what file systems and desktops put into any
/// folder is nothing. A repository of restic's is named as one, by whichever verb.
#[test]
fn a_repository_gets_a_folder_of_its_own() {
    let cli = Cli::bare();
    let init = || cli.command().args(["init", "--new-key-file", "key"]).assert();
    fs::create_dir_all(cli.path("repo/photos")).unwrap();
    let said = stderr(&init().code(1));
    assert!(said.contains("photos") && said.contains("empty folder"), "{said}");
    assert!(!cli.path("key").exists() && !cli.path("repo/keys").exists());
    fs::remove_dir(cli.path("repo/photos")).unwrap();
    for folder in ["data", "keys", "snapshots"] {
        fs::create_dir(cli.path("repo").join(folder)).unwrap();
    }
    fs::write(cli.path("repo/config"), "sealed").unwrap();
    fs::write(cli.path("key"), [9; 32]).unwrap();
    for verb in [&["init"][..], &["snapshots"], &["backup", "src"]] {
        let said = stderr(&cli.run(verb).code(if verb == ["init"] { 1 } else { 10 }));
        assert!(said.contains("restic"), "{verb:?}: {said}");
    }
    fs::remove_dir_all(cli.path("repo")).unwrap();
    fs::remove_file(cli.path("key")).unwrap();
    fs::create_dir_all(cli.path("repo/lost+found")).unwrap();
    fs::write(cli.path("repo/.directory"), "").unwrap();
    init().success();
    cli.backup();
}
