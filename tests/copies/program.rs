//! `mirror` as people use it.

use crate::common::cli::{Cli, lines, stderr, stdout};
use std::fs;

/// Mirrors to two places without any password; each restores, and a later run adds what is new.
#[test]
fn a_repository_is_mirrored_to_two_places() {
    let cli = Cli::new();
    cli.backup();
    let mirror = |args: &[&str]| cli.command().arg("mirror").args(args).assert();
    let shown = stdout(&mirror(&["one", "two", "--dry-run"]).success());
    assert!(shown.contains("one: would copy 2 packs"), "{shown}");
    assert!(!cli.path("one").exists() && !cli.path("two").exists());
    let said = stdout(&mirror(&["one", "two"]).success());
    for place in ["one: copied 2 packs", "two: copied 2 packs"] {
        assert!(said.contains(place), "{said}");
    }
    let again = stdout(&mirror(&["one", "two"]).success());
    assert_eq!(again, "one: has everything already\ntwo: has everything already\n");
    fs::write(cli.path("src/a"), "news").unwrap();
    let id = cli.backup();
    let said = stdout(&mirror(&["--json", "one"]).success());
    let said = lines(&said).pop().unwrap();
    assert_eq!(said["message_type"], "mirror");
    let target = &said["targets"][0];
    assert_eq!((&target["target"], &target["error"]), (&"one".into(), &serde_json::Value::Null));
    assert!(target["objects_copied"].as_u64() >= Some(3), "{target}");
    cli.says(&["--repo", "one", "restore", &id, "--target", &cli.text("back")]);
    let name = fs::read_dir(cli.path("back")).unwrap().count();
    assert!(name > 0);
    cli.says(&["--repo", "one", "--state-dir", "elsewhere", "check", "--read-data"]);
    assert_eq!(stdout(&mirror(&["--quiet", "one", "two"]).success()), "");
}

/// A place that is no mirror is refused by its name, and the others are completed; the exit code is 1.
/// The source itself, and a place that is named twice, are refused before anything is done.
#[test]
fn wrong_places_are_named() {
    let cli = Cli::new();
    cli.backup();
    fs::create_dir(cli.path("full")).unwrap();
    fs::write(cli.path("full/letter"), "dear").unwrap();
    let mirror = |args: &[&str]| cli.command().arg("mirror").args(args).assert();
    let refused = mirror(&["full", "good"]).code(1);
    assert!(stderr(&refused).contains("it holds something else: letter"), "{refused}");
    assert!(stderr(&refused).contains("of 2 targets, 1 failed"), "{refused}");
    assert!(stdout(&refused).contains("good: copied"), "{refused}");
    assert_eq!(fs::read_dir(cli.path("full")).unwrap().count(), 1);
    assert!(stderr(&mirror(&["good", "./good"]).code(1)).contains("named twice"));
    std::os::unix::fs::symlink("repo", cli.path("alias")).unwrap();
    for same in ["repo", "./repo/", "alias", "repo/below", "alias/packs/x", "../././."] {
        let same = same.replace("../././.", &cli.text("src/../repo"));
        let refused = mirror(&[&same]).code(1);
        assert!(stderr(&refused).contains("is the repository itself"), "{same}: {refused}");
    }
    cli.command().arg("mirror").assert().code(1);
    let missing = cli.command().args(["--repo", "nowhere", "mirror", "good"]).assert();
    missing.code(10);
}

/// `--delete` asks for the password, and deletes what `forget --prune` took from the repository; without it
/// everything stays. Damage in the source ends with 3, deletes nothing, and the rest is copied.
#[test]
fn deletion_follows_on_demand() {
    let cli = Cli::new();
    let mut chance = crate::common::chance::Chance::new(3);
    let mut back_up = || {
        fs::write(cli.path("src/a"), chance.noise(300_000)).unwrap();
        cli.backup()
    };
    let ids = [back_up(), back_up(), back_up()];
    cli.command().args(["mirror", "one"]).assert().success();
    cli.says(&["forget", &ids[1], "--prune"]);
    cli.command().args(["mirror", "one"]).assert().success();
    let refused = cli.command().args(["mirror", "one", "--delete"]).assert().failure();
    assert!(stderr(&refused).contains("password"), "{refused}");
    let shown = cli.says(&["mirror", "one", "--delete", "--dry-run"]);
    assert!(shown.contains("one: would delete"), "{shown}");
    let packs = |place: &str| walk(&cli.path(&format!("{place}/packs")));
    let before = packs("one");
    assert!(before.len() > packs("repo").len());
    let said = cli.says(&["mirror", "one", "--delete"]);
    assert!(said.contains("one: deleted"), "{said}");
    assert_eq!(packs("one"), packs("repo"));
    cli.says(&["--repo", "one", "--state-dir", "elsewhere", "check", "--read-data"]);

    back_up();
    let news = packs("repo").into_iter().find(|pack| !packs("one").contains(pack)).unwrap();
    let path = cli.path(&format!("repo/packs/{}/{news}", &news[..2]));
    let mut bytes = fs::read(&path).unwrap();
    bytes[50] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let damaged = cli.run(&["mirror", "one", "--delete"]).code(3);
    assert!(stderr(&damaged).contains(&news), "{damaged}");
    assert!(!stdout(&damaged).contains("deleted"), "{damaged}");
    assert!(stderr(&damaged).contains("nothing is deleted in one"), "{damaged}");
}

/// The names of all files beneath a folder.
fn walk(folder: &std::path::Path) -> std::collections::BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path()).into_iter().collect::<Vec<_>>(),
            false => vec![entry.file_name().to_str().unwrap().to_owned()],
        })
        .collect()
}
