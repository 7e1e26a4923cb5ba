//! Retention and holds as people use them: what is said, what is refused, and exit codes.

use crate::common::cli::{Cli, lines, stderr, stdout};
use serde_json::{Value, json};
use std::fs;

fn ids(cli: &Cli) -> Vec<String> {
    let listed = cli.json(&["snapshots"]);
    listed.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

/// The table says of each snapshot why it stays or goes; a rehearsal gives nothing up; then just
/// those go, and the JSON lines say the same.
#[test]
fn each_snapshot_has_its_reason() {
    let cli = Cli::new();
    let made = [(); 3].map(|()| cli.backup());
    cli.run(&["tag", "--add", "release", &made[0]]).success();
    let args = ["forget", "--keep-last", "1", "--keep-tag", "release"];
    let said = cli.says(&[&args[..], &["--dry-run"]].concat());
    for (id, fate) in [
        (&made[0], "keep    tag release"),
        (&made[1], "forget  beyond last 1"),
        (&made[2], "keep    last"),
    ] {
        let line = said.lines().find(|line| line.starts_with(&id[..8])).unwrap();
        assert!(line.ends_with(fate), "{said}");
    }
    assert!(said.contains("would forget 1 snapshot, keep 2"), "{said}");
    assert_eq!(ids(&cli), made);
    let lines = cli.json(&args);
    let fates: Vec<_> =
        lines.iter().map(|line| (line["message_type"].clone(), line["reasons"].clone())).collect();
    assert_eq!(
        fates,
        [
            (json!("keep"), json!(["tag release"])),
            (json!("forget"), json!(["beyond last 1"])),
            (json!("keep"), json!(["last"])),
            (json!("summary"), Value::Null),
        ]
    );
    assert_eq!((&lines[3]["forgotten"], &lines[3]["kept"]), (&json!(1), &json!(2)));
    assert_eq!(ids(&cli), [made[0].clone(), made[2].clone()]);
    assert_eq!(cli.run(&["-q", "forget", "--keep-last", "1"]).get_output().stdout, b"");
}

/// Clumsy hands lose nothing: each of these ends with a message that names what is wrong, and exit
/// code 1.
#[test]
fn clumsy_hands_lose_nothing() {
    let cli = Cli::new();
    let made = [cli.backup(), cli.backup()];
    for (args, words) in [
        (&[][..], "no rule says which to keep"),
        (&["--group-by", "host"], "no rule says which to keep"),
        (&["--keep-last", "0"], "keeps nothing"),
        (&["--keep-daily", "0", "--keep-min", "0"], "keeps nothing"),
        (&["--keep-tag", "nosuch"], "keeps no snapshot of"),
        (&["--keep-tag", "prod,"], "one of them is empty"),
        (&["--keep-last", "1", "--tag", ",a"], "one of them is empty"),
        (&["--keep-last", "-1"], "neither how many to keep, nor `unlimited`"),
        (&["--keep-last", "many"], "neither how many to keep, nor `unlimited`"),
        (&["--keep-within", "5min"], "units are"),
        (&["--keep-within", "10s"], "'s' is no unit"),
        (&["--keep-within", "14"], "14 of what?"),
        (&["--policy", "nosuch"], "two-weeks"),
        (&["--keep-last", "1", "--time-zone", "Nowhere/No"], "cannot find the time zone"),
        (&["latest", "--keep-last", "1"], "rules say which to keep as well"),
        (&["--writer", "x", "--keep-last", "1"], "rules say which to keep as well"),
        (&["latest", "latest~1"], "last snapshot"),
    ] {
        let said = stderr(&cli.run(&[&["forget"], args].concat()).code(1));
        assert!(said.contains(words), "{args:?}: {said}");
        assert_eq!(ids(&cli), made, "{args:?}");
    }
    let said = stderr(&cli.run(&["forget", "--keep-last", "1", "--host", "nosuch"]).success());
    assert!(said.contains("no snapshot passes the filters"), "{said}");
    cli.run(&["forget", "--keep-last", "unlimited", "--keep-within-daily", "unlimited"]).success();
    assert_eq!(ids(&cli), made);
    cli.run(&["forget", "--keep-tag", "nosuch", "--force"]).success();
    assert!(ids(&cli).is_empty());
}

/// Groups are made by what is asked for, and a policy has a name.
#[test]
fn groups_and_names_are_chosen() {
    let cli = Cli::new();
    for host in ["one", "two"] {
        for _ in 0..2 {
            cli.run(&["backup", "src", "--host", host]).success();
        }
    }
    let kept = |args: &[&str]| {
        let said = cli.json(&[&["forget", "-n"], args].concat());
        said.last().unwrap()["kept"].as_u64().unwrap()
    };
    assert_eq!(kept(&["-l", "1"]), 2);
    // Together there is no room for one of each host.
    for by in ["paths", ""] {
        let said = stderr(&cli.run(&["forget", "-l", "1", "--group-by", by]).code(1));
        assert!(said.contains("from one") && said.contains("--keep-min 1"), "{said}");
        assert_eq!(kept(&["-l", "1", "--group-by", by, "--keep-min", "1"]), 2);
    }
    assert!(cli.says(&["forget", "-n", "-l", "4", "--group-by", ""]).contains("all snapshots:"));
    assert_eq!(cli.json(&["snapshots", "--latest", "1", "--group-by", ""]).len(), 1);
    assert_eq!(kept(&["-l", "1", "--group-by", "paths", "--force"]), 1);
    assert_eq!(kept(&["-l", "1", "--host", "one"]), 3);
    assert_eq!(kept(&["--policy", "two-weeks"]), 4);
    assert_eq!(kept(&["--policy", "yearly-forever", "--time-zone", "Asia/Tokyo"]), 4);
    let help = cli.says(&["help", "forget"]);
    for name in ["yearly-forever", "seven-years", "two-weeks"] {
        assert!(help.contains(name), "{help}");
    }
    assert_eq!(ids(&cli).len(), 4);
}

/// A snapshot is held for a reason, which lists and refusals name; it is released by its name, or
/// where several hold it by the hold's.
#[test]
fn snapshots_are_held_and_released() {
    let cli = Cli::new();
    let made = [(); 3].map(|()| cli.backup());
    let hold = |args: &[&str]| {
        let said = cli.json(&[&["hold", &made[0]], args].concat());
        said[0]["hold_id"].as_str().unwrap().to_owned()
    };
    let first = hold(&["--reason", "audit", "--until", "2199-01-01"]);
    let second = hold(&["--reason", "law suit"]);
    let table = cli.says(&["snapshots"]);
    assert!(table.contains("audit (until 2199-01-01 00:00:00)"), "{table}");
    let listed = cli.json(&["snapshots", &made[0]]);
    assert_eq!(listed[0]["holds"][0]["reason"], "audit");
    assert_eq!(listed[0]["holds"][1]["id"], second.as_str());
    let said = stderr(&cli.run(&["forget", &made[0], "--force"]).code(1));
    assert!(said.contains("held") && said.contains("icecore release"), "{said}");
    let said = cli.says(&["forget", "--keep-last", "1"]);
    assert!(said.contains("held: law suit"), "{said}");
    assert_eq!(ids(&cli), [made[0].clone(), made[2].clone()]);

    let said = stderr(&cli.run(&["release", &made[0]]).code(1));
    assert!(said.contains("held 2 times") && said.contains(&first), "{said}");
    cli.run(&["release", &made[0], "--hold", "xyz"]).code(1);
    cli.run(&["release", &made[0], "--hold", &first]).success();
    assert!(cli.says(&["release", &made[0]]).contains("law suit"));
    assert!(stderr(&cli.run(&["release", &made[0]]).code(1)).contains("nobody holds it"));
    assert_eq!(cli.json(&["snapshots", &made[0]])[0]["holds"], Value::Null);
    for args in [
        &["--reason", " "][..],
        &["--reason", "x", "--until", "2001-01-01"],
        &["--reason", "x", "--until", "2199-01-01T00:00[No/Where]"],
        &[],
    ] {
        cli.run(&[&["hold", "latest"], args].concat()).code(1);
    }
    cli.run(&["forget", &made[0]]).success();
    cli.run(&["check"]).success();
}

/// Spaces after a comma are no part of a tag.
#[test]
fn tags_are_trimmed() {
    let cli = Cli::new();
    let made = [(); 3].map(|()| cli.backup());
    cli.run(&["tag", "--add", "a", "--add", "b", &made[0]]).success();
    cli.run(&["forget", "--keep-last", "1", "--keep-tag", "a, b"]).success();
    assert_eq!(ids(&cli), [made[0].clone(), made[2].clone()]);
    assert_eq!(cli.json(&["snapshots", "--tag", "b, a"]).len(), 1);
}

/// Where a note cannot be read, all who show or override holds say so and end with exit code 3; what is
/// forced stays, is not counted as forgotten, and is listed as given up.
#[test]
fn notes_that_cannot_be_read_are_told() {
    let cli = Cli::new();
    let made = [cli.backup(), cli.backup()];
    cli.run(&["hold", &made[0], "--reason", "audit"]).success();
    let notes = cli.path("repo/notes");
    let note = fs::read_dir(&notes).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&note).unwrap();
    let rot = || {
        fs::remove_file(&note).unwrap();
        fs::write(&note, &bytes[..bytes.len() - 1]).unwrap();
    };
    rot();
    assert!(stderr(&cli.run(&["snapshots"]).code(3)).contains("notes/"));
    let said = stderr(&cli.run(&["forget", &made[0]]).code(1));
    assert!(said.contains("a note cannot be read") && said.contains("icecore check"), "{said}");
    let forced = cli.run(&["forget", &made[0], "--force", "--json"]).code(3);
    assert!(stderr(&forced).contains("notes/"), "{}", stderr(&forced));
    let said = lines(&stdout(&forced));
    let summary = said.last().unwrap();
    let numbers = ["forgotten", "kept", "held_meanwhile"].map(|name| &summary[name]);
    assert_eq!(numbers, [&json!(0), &json!(2), &json!(1)]);
    let listed = lines(&stdout(&cli.run(&["snapshots", "--json"]).code(3)));
    assert_eq!((listed.len(), &listed[0]["given_up"]), (2, &json!(true)));

    fs::remove_file(&note).unwrap();
    fs::write(&note, &bytes).unwrap();
    assert!(cli.says(&["snapshots"]).contains("given up, goes with its last hold"));
    let said = stderr(&cli.run(&["hold", &made[0], "--reason", "law suit"]).success());
    assert!(said.contains("given up"), "{said}");
    let said = stderr(&cli.run(&["release", &made[0], "--all"]).code(1));
    assert!(said.contains("goes with its last hold") && said.contains("--force"), "{said}");
    cli.run(&["release", &made[0], "--all", "--force"]).success();
    assert_eq!(ids(&cli), made[1..]);
}
