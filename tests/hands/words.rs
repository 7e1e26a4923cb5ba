//! Verbs and flags that restic has: each works, or is answered in a sentence.

use crate::common::desk::{Desk, lines, stderr, stdout};
use icecore::ui::words::{Answer, FLAGS, VERBS, Value, Word};
use std::fs;

/// Every verb of the table is answered: what is not needed with exit code 0, all else with 1, and
/// in both cases with its own sentence alone, whatever follows it.
#[test]
fn every_foreign_verb_is_answered() {
    let desk = Desk::bare();
    for Word { word, answer } in VERBS {
        let said = desk.command().args([word, "--remove-all", "x"]).assert();
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
    let desk = Desk::new();
    for Word { word, answer } in FLAGS {
        match answer {
            Answer::NotNeeded(value, why) => {
                let given = match value {
                    Value::None => vec![*word],
                    Value::One => vec![*word, "5"],
                };
                for args in [
                    [&["key", "list"], &given[..]].concat(),
                    [&given[..], &["key", "list"]].concat(),
                ] {
                    let said = desk.run(&args).success();
                    let note = format!("icecore: {word} is not needed: {why}\n");
                    assert_eq!(stderr(&said), note, "{args:?}");
                    assert!(stdout(&said).contains("key file"), "{args:?}");
                }
            }
            Answer::Instead(what) => {
                for verb in ["backup", "forget", "snapshots"] {
                    let said = stderr(&desk.run(&[verb, word, "5"]).code(1));
                    assert_eq!(said, format!("icecore: {word}: {what}\n"));
                }
            }
        }
    }
    let quiet = desk.run(&["-q", "--no-lock", "key", "list"]).success();
    assert_eq!(stderr(&quiet), "");
    let json = desk.run(&["--json", "--no-cache", "key", "list"]).success();
    assert_eq!(lines(&stderr(&json))[0]["message_type"], "note");
}

/// What is not in the table and is no word of this program is still refused as unknown.
#[test]
fn unknown_words_stay_unknown() {
    let desk = Desk::bare();
    for args in [&["nosuch"][..], &["snapshots", "--nosuch"]] {
        let said = stderr(&desk.command().args(args).assert().code(1));
        assert!(said.starts_with("error: un") && said.contains("nosuch"), "{said}");
    }
}

/// `version` and `help` are verbs, the manual is printed or written, and names every verb.
#[test]
fn help_is_at_hand() {
    let desk = Desk::bare();
    let said = |args: &[&str]| stdout(&desk.command().args(args).assert().success());
    assert_eq!(said(&["version"]), concat!("icecore ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(said(&["help", "backup"]), said(&["backup", "--help"]));
    assert!(said(&["man"]).contains(".TH icecore 1"));
    said(&["man", "pages"]);
    for verb in ["backup", "restore", "key-add", "man"] {
        let page = fs::read_to_string(desk.path(&format!("pages/icecore-{verb}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS"), "{verb}: {page}");
    }
    let page = fs::read_to_string(desk.path("pages/icecore.1")).unwrap();
    assert!(!page.contains("retry") && page.contains("EXTRA"), "hidden flags, exit codes: {page}");
}

/// A store on another machine is said not to be there yet, and no password is repeated; nor is one
/// of a database that is named as another program would.
#[test]
fn other_places_are_not_there_yet() {
    let desk = Desk::new();
    for place in ["s3:s3.host/bucket", "sftp:u@h:/x", "rest:https://u:secret@h/", "rclone:r:x"] {
        for verb in [&["init", "--new-key-file", "k"][..], &["snapshots"], &["backup", "src"]] {
            let said = stderr(&desk.run(&[&["-r", place], verb].concat()).code(1));
            assert!(
                said.contains("not there yet") && said.contains("hint: a folder that"),
                "{said}"
            );
            assert!(!said.contains("secret"), "{said}");
        }
    }
    assert!(!desk.path("k").exists());
    for (source, hint) in [
        ("postgres://u:secret@h/db", "postgres-dump:"),
        ("postgresql:///db", "postgres-dump:"),
        ("mysql://u:secret@h/db", "--stdin-from-command"),
        ("ftp://h/x", "sources lie on this machine"),
    ] {
        let said = stderr(&desk.run(&["backup", source]).code(1));
        assert!(said.contains("hint: ") && said.contains(hint), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    fs::write(desk.path("mysql:dump"), "a file all the same").unwrap();
    desk.run(&["backup", "mysql:dump"]).success();
}

/// Compression is named by words or numbers; without any the same bytes are stored whole and raw.
#[test]
fn compression_has_words() {
    let stored = |level: &str| {
        let desk = Desk::new();
        let said = desk.json(&["backup", "src", "--compression", level]);
        said.last().unwrap()["whole"]["stored"].as_u64().unwrap()
    };
    let off = stored("off");
    assert!(off >= 300_000, "{off}");
    for level in ["auto", "fastest", "better", "max", "-7", "19"] {
        assert!(stored(level) < off / 10, "{level}");
    }
    let desk = Desk::new();
    let said = stderr(&desk.run(&["backup", "src", "--compression", "huge"]).code(1));
    assert!(said.contains("off, fastest, auto"), "{said}");
}
