//! Verbs and flags that restic has: each works, or is answered in a sentence.

use crate::common::cli::{Cli, lines, stderr, stdout};
use icecore::ui::restic::{Answer, FLAGS, ResticWord, VERBS, Value};
use std::fs;
use std::time::{Duration, SystemTime};

/// Every verb of the table is answered: what is not needed with exit code 0, all else with 1, and
/// in both cases with its own sentence alone, whatever follows it.
#[test]
fn every_foreign_verb_is_answered() {
    let cli = Cli::bare();
    for ResticWord { verb, word, answer } in VERBS {
        let said = cli.command().args(*verb).args([word, "--remove-all", "x"]).assert();
        let (code, sentence) = match answer {
            Answer::NotNeeded(_, why) => (0, why),
            Answer::Instead(what) => (1, what),
        };
        let said = stderr(&said.code(code));
        assert!(said.starts_with(&format!("icecore: {word}")), "{said}");
        assert!(said.ends_with(&format!(": {sentence}\n")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// Every flag of the table is answered: one that is not needed with a note, before and after the
/// verb, which is done all the same; any other one by its own sentence instead of a guess.
#[test]
fn every_foreign_flag_is_answered() {
    let cli = Cli::new();
    for ResticWord { verb, word, answer } in FLAGS {
        match answer {
            Answer::NotNeeded(value, why) => {
                let given = match value {
                    Value::None => vec![*word],
                    Value::One => vec![*word, "5"],
                };
                let note = format!("icecore: {word} is not needed: {why}\n");
                let (after, before) = match *verb {
                    None => (
                        [&["key", "list"], &given[..]].concat(),
                        [&given[..], &["key", "list"]].concat(),
                    ),
                    // Only this verb knows it, so it stands behind it.
                    Some("backup") => {
                        let with = [&["backup"], &given[..], &["src"]].concat();
                        (with.clone(), with)
                    }
                    Some(verb) => {
                        let with = [&[verb], &given[..]].concat();
                        (with.clone(), with)
                    }
                };
                for args in [after, before] {
                    let said = cli.run(&args).success();
                    assert_eq!(stderr(&said), note, "{args:?}");
                    assert!(!stdout(&said).is_empty(), "the verb is done: {args:?}");
                }
            }
            Answer::Instead(what) => {
                let verbs = match (*verb, *word) {
                    (Some("key"), _) => vec![vec!["key", "add"]],
                    (Some(verb), _) => vec![vec![verb]],
                    (None, "-c" | "--compact") => vec![vec!["backup"], vec!["forget"]],
                    (None, _) => vec![vec!["backup"], vec!["forget"], vec!["snapshots"]],
                };
                for verb in verbs {
                    let said = stderr(&cli.run(&[&verb[..], &[word, "5"]].concat()).code(1));
                    assert_eq!(said, format!("icecore: {word}: {what}\n"), "{verb:?}");
                }
            }
        }
    }
    let quiet = cli.run(&["-q", "--no-lock", "key", "list", "-q"]).success();
    assert_eq!(stderr(&quiet), "");
    let json = cli.run(&["--json", "--cleanup-cache", "key", "list"]).success();
    assert_eq!(lines(&stderr(&json))[0]["message_type"], "note");
}

/// What is not in the table and is no word of this program is still refused as unknown.
#[test]
fn unknown_words_stay_unknown() {
    let cli = Cli::bare();
    for args in [&["nosuch"][..], &["snapshots", "--nosuch"]] {
        let said = stderr(&cli.command().args(args).assert().code(1));
        assert!(said.starts_with("error: un") && said.contains("nosuch"), "{said}");
    }
}

/// A word that belongs to one verb is as unknown as any other to the rest.
#[test]
fn words_of_one_verb_are_its_own() {
    let cli = Cli::bare();
    for args in [&["backup", "-d", "7"][..], &["restore", "--pack"], &["key", "blob"]] {
        let said = stderr(&cli.command().args(args).assert().code(1));
        assert!(said.starts_with("error: un"), "{args:?}: {said}");
    }
}

/// Verbosity has a number if it is given one, and is as good without; 0 is none.
#[test]
fn verbosity_has_a_number() {
    let cli = Cli::new();
    for (flags, named) in [
        (&["-v"][..], true),
        (&["-vv"], true),
        (&["--verbose"], true),
        (&["--verbose=2"], true),
        (&["-v=2"], true),
        (&["--verbose=0"], false),
        (&[], false),
    ] {
        let said = cli.says(&[&["backup", "--force", "src"], flags].concat());
        assert_eq!(said.contains("src/sub/b"), named, "{flags:?}: {said}");
    }
}

/// Patterns of a restore come from files as well, with their comments left out.
#[test]
fn patterns_of_a_restore_come_from_files() {
    let cli = Cli::new();
    cli.backup();
    fs::write(cli.path("small"), "# what is wanted\n\nb\n").unwrap();
    fs::write(cli.path("large"), "B\n").unwrap();
    for (flag, file, comes) in [
        ("--include-file", "small", ["sub/b"].as_slice()),
        ("--iinclude-file", "large", &["sub/b"]),
        ("--exclude-file", "small", &["a", "link"]),
        ("--iexclude-file", "large", &["a", "link"]),
        ("--exclude-file", "large", &["a", "link", "sub/b"]),
    ] {
        let (target, from) = (format!("out{flag}{file}"), format!("latest:{}", cli.text("src")));
        cli.says(&["restore", &from, "--target", &target, flag, file]);
        for name in ["a", "link", "sub/b"] {
            let there = fs::symlink_metadata(cli.path(&target).join(name)).is_ok();
            assert_eq!(there, comes.contains(&name), "{flag} {file}: {name}");
        }
    }
    let said = stderr(&cli.run(&["restore", "latest", "-t", "x", "--include-file", "no"]).code(1));
    assert!(said.contains("cannot read patterns from no"), "{said}");
}

/// `ls` sorts by what is asked for, and turns the order round; sizes are shown as people read them.
#[test]
fn listings_are_sorted() {
    let cli = Cli::new();
    fs::write(cli.path("src/z.txt"), "1234567").unwrap();
    fs::write(cli.path("src/y.db"), "12").unwrap();
    for (name, seconds) in [("a", 50), ("z.txt", 40), ("y.db", 60), ("sub/b", 10)] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        fs::File::options()
            .write(true)
            .open(cli.path("src").join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    cli.backup();
    let from = cli.text("src");
    let listed = |flags: &[&str]| -> Vec<String> {
        let said = cli.says(&[&["ls", "-R", "latest", &from], flags].concat());
        let names = said.lines().map(|line| line.rsplit('/').next().unwrap().to_owned());
        names.filter(|name| !["link", "sub"].contains(&name.as_str())).collect()
    };
    assert_eq!(listed(&[]), ["a", "b", "y.db", "z.txt"]);
    assert_eq!(listed(&["--reverse"]), ["z.txt", "y.db", "b", "a"]);
    assert_eq!(listed(&["--sort", "name"]), ["a", "b", "y.db", "z.txt"]);
    assert_eq!(listed(&["--sort", "size"]), ["a", "z.txt", "b", "y.db"]);
    assert_eq!(listed(&["--sort", "size", "--reverse"]), ["y.db", "b", "z.txt", "a"]);
    assert_eq!(listed(&["--sort", "time"]), ["y.db", "a", "z.txt", "b"]);
    assert_eq!(listed(&["--sort", "extension"]), ["a", "b", "y.db", "z.txt"]);
    let said = cli.says(&["ls", "-l", "--human-readable", "latest", &from]);
    assert!(said.contains(" 292 KiB ") && !said.contains("300000"), "{said}");
    let said = cli.says(&["find", "-l", "--human-readable", "a"]);
    assert!(said.contains(" 292 KiB "), "{said}");
}

/// `find` begins with the newest snapshot, or with the oldest if that is wanted.
#[test]
fn finds_begin_at_either_end() {
    let cli = Cli::new();
    let (first, second) = (cli.backup(), cli.backup());
    let found = |flags: &[&str]| -> Vec<String> {
        let lines = cli.json(&[&["find", "b"], flags].concat());
        lines.iter().map(|line| line["snapshot"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(&[]), [second.clone(), first.clone()]);
    assert_eq!(found(&["-R"]), [first, second]);
}

/// What was not captured has no time, owner or mode of its own: a folder above the sources.
#[test]
fn folders_above_the_sources_have_no_time() {
    let cli = Cli::new();
    cli.backup();
    let said = cli.says(&["ls", "-l", "latest"]);
    assert!(!said.contains("1970"), "{said}");
    let above = said.lines().next().unwrap();
    assert!(above.split_whitespace().take(5).eq(["d?????????", "-", "-", "-", "-"]), "{said}");
    let json = cli.json(&["ls", "latest"]);
    assert!(json[1]["mtime"].is_null() && json[1]["mode"].is_null(), "{}", json[1]);
    assert_eq!(json[1]["type"], "dir");
    assert!(json.last().unwrap()["mtime"].is_string(), "{json:?}");
}

/// `version` heeds `--json`.
#[test]
fn the_version_is_a_json_line_too() {
    let said =
        lines(&stdout(&Cli::bare().command().args(["version", "--json"]).assert().success()));
    assert_eq!(said[0]["message_type"], "version");
    assert_eq!(said[0]["version"], env!("CARGO_PKG_VERSION"));
}

/// `version` and `help` are verbs, the manual is printed or written, and names every verb.
#[test]
fn help_is_at_hand() {
    let cli = Cli::bare();
    let said = |args: &[&str]| stdout(&cli.command().args(args).assert().success());
    assert_eq!(said(&["version"]), concat!("icecore ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(said(&["help", "backup"]), said(&["backup", "--help"]));
    assert!(said(&["man"]).contains(".TH icecore 1"));
    said(&["man", "pages"]);
    for verb in ["backup", "restore", "key-add", "man"] {
        let page = fs::read_to_string(cli.path(&format!("pages/icecore-{verb}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS"), "{verb}: {page}");
    }
    let page = fs::read_to_string(cli.path("pages/icecore.1")).unwrap();
    assert!(!page.contains("retry") && page.contains("EXTRA"), "hidden flags, exit codes: {page}");
}

/// A store on another machine is said not to be supported yet, and no password is repeated; nor is one
/// of a database that is named as another program would.
#[test]
fn other_places_are_not_supported_yet() {
    let cli = Cli::new();
    for place in ["swift:c:/x", "smb://u:secret@h/x", "rest:https://u:secret@h/", "rclone:r:x"] {
        for verb in [&["init", "--new-key-file", "k"][..], &["snapshots"], &["backup", "src"]] {
            let said = stderr(&cli.run(&[&["-r", place], verb].concat()).code(1));
            assert!(
                said.contains("not supported yet") && said.contains("hint: a folder that"),
                "{said}"
            );
            assert!(!said.contains("secret"), "{said}");
        }
    }
    assert!(!cli.path("k").exists());
    for (source, hint) in [
        ("postgres://u:secret@h/db", "postgres-dump:"),
        ("postgresql:///db", "postgres-dump:"),
        ("mysql://u:secret@h/db", "--stdin-from-command"),
        ("ftp://h/x", "sources lie on this machine"),
    ] {
        let said = stderr(&cli.run(&["backup", source]).code(1));
        assert!(said.contains("hint: ") && said.contains(hint), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    fs::write(cli.path("mysql:dump"), "a file all the same").unwrap();
    cli.run(&["backup", "mysql:dump"]).success();
}

/// Compression is named by words or numbers; without any the same bytes are stored whole and raw.
#[test]
fn compression_has_words() {
    let stored = |level: &str| {
        let cli = Cli::new();
        let said = cli.json(&["backup", "src", "--compression", level]);
        said.last().unwrap()["whole"]["stored"].as_u64().unwrap()
    };
    let off = stored("off");
    assert!(off >= 300_000, "{off}");
    for level in ["auto", "fastest", "better", "max", "-7", "19"] {
        assert!(stored(level) < off / 10, "{level}");
    }
    let cli = Cli::new();
    let said = stderr(&cli.run(&["backup", "src", "--compression", "huge"]).code(1));
    assert!(said.contains("off, fastest, auto"), "{said}");
}
