//! `repair` as people use it, on files and a real database of SQLite.

use crate::common::chance::Chance;
use crate::common::cli::{Cli, stderr, stdout};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files, a database, and two snapshots of them.
fn furnished() -> Cli {
    let cli = Cli::new();
    let mut chance = Chance::new(7);
    for number in 0..6 {
        fs::write(cli.path(&format!("src/file{number}")), chance.noise(90_000)).unwrap();
    }
    let database = Connection::open(cli.path("src/shop.db")).unwrap();
    database.execute_batch("CREATE TABLE sale (id INTEGER PRIMARY KEY, what TEXT)").unwrap();
    for _ in 0..2 {
        for _ in 0..400 {
            let what = blake3::hash(&chance.noise(8)).to_string();
            database.execute("INSERT INTO sale (what) VALUES (?1)", [what]).unwrap();
        }
        cli.backup();
    }
    cli
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// The largest pack gets so many wrong bytes, from its middle on.
fn damage(cli: &Cli, wrong: usize) -> PathBuf {
    let mut packs = files(&cli.path("repo/packs"));
    packs.sort_by_key(|pack| fs::metadata(pack).unwrap().len());
    let largest = packs.pop().unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + wrong].iter_mut().for_each(|byte| *byte ^= 1);
    fs::remove_file(&largest).unwrap();
    fs::write(&largest, bytes).unwrap();
    largest
}

/// `latest` restores to what is at the source, and its database is sound.
fn restores(cli: &Cli, target: &str) {
    cli.run(&["restore", "latest:/", "--target", target]).success();
    let source = cli.path("src");
    let restored = cli.path(&format!("{target}{}", source.display()));
    for path in files(&source) {
        let name = path.strip_prefix(&source).unwrap();
        if !name.to_str().unwrap().starts_with("shop.db") {
            assert!(fs::read(restored.join(name)).unwrap() == fs::read(&path).unwrap(), "{name:?}");
        }
    }
    let rows = |path: PathBuf| -> (i64, String) {
        let database = Connection::open(path).unwrap();
        let sound: String = database.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        let all = "SELECT count(*), group_concat(what) FROM (SELECT what FROM sale ORDER BY id)";
        database.query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!(rows(restored.join("shop.db")), rows(source.join("shop.db")));
}

/// A pack is damaged: the check says what to do, the repair saves the rest and names what is lost, and
/// the next backup brings that back although no file has changed.
#[test]
fn damage_is_named_repaired_and_healed() {
    let cli = furnished();
    let pack = damage(&cli, 120_000);
    let checked = cli.run(&["check", "--read-data"]).code(1);
    assert!(stdout(&checked).contains("icecore repair packs"), "{}", stdout(&checked));
    let trial = stdout(&cli.run(&["repair", "packs", "--dry-run"]).code(3));
    assert!(trial.contains("would move into quarantine") && pack.exists(), "{trial}");
    let repaired = cli.run(&["repair", "packs"]).code(3);
    let said = stdout(&repaired);
    assert!(
        said.contains("cannot be restored") && said.contains("moved into quarantine"),
        "{said}"
    );
    assert!(said.contains("lost: chunk") && said.contains("that are whole"), "{said}");
    assert!(stderr(&repaired).contains("--from"), "{}", stderr(&repaired));
    assert!(!pack.exists() && files(&cli.path("repo/quarantine")).len() == 1);
    let saved = cli.path("src/file0");
    let before = fs::metadata(&saved).unwrap().modified().unwrap();
    cli.backup();
    assert_eq!(fs::metadata(&saved).unwrap().modified().unwrap(), before);
    restores(&cli, "out");
    let again = cli.says(&["repair", "packs"]);
    assert!(again.contains("looked at"), "{again}");
    let checked = cli.run(&["check", "--read-data"]);
    let said = stdout(&checked);
    assert!(said.contains("in quarantine, where nothing reads them: 1 damaged object"), "{said}");
}

/// What nobody has any more: a new snapshot has the rest, the original is given up, and then the
/// repository is sound; `snapshots` tells the new one apart.
#[test]
fn what_is_left_becomes_a_snapshot() {
    let cli = furnished();
    damage(&cli, 50_000);
    cli.run(&["check", "--read-data"]).code(1);
    cli.run(&["repair", "packs"]).code(3);
    let said = cli.says(&["repair", "snapshots", "--dry-run"]);
    assert!(said.contains("would save what is left of"), "{said}");
    let said = cli.json(&["repair", "snapshots", "--forget"]);
    let report = said.last().unwrap();
    assert_eq!(report["message_type"], "repair_snapshots");
    let repaired = report["repaired"].as_array().unwrap();
    assert!(!repaired.is_empty() && report["forgotten"] == repaired.len(), "{report}");
    assert!(!repaired[0]["left_out"].as_array().unwrap().is_empty(), "{report}");
    let new = repaired[0]["snapshot_id"].as_str().unwrap();
    let listed = cli.says(&["snapshots"]);
    assert!(listed.contains("(what is left of ") && listed.contains("(incomplete)"), "{listed}");
    let listed = cli.json(&["snapshots", new]);
    assert_eq!(listed[0]["original"], repaired[0]["original"]);
    cli.says(&["check", "--read-data"]);
    cli.run(&["restore", new, "--target", "left"]).success();
    cli.backup();
    restores(&cli, "out");
    cli.says(&["forget", "--keep-last", "1"]);
    cli.says(&["prune"]);
    cli.says(&["check", "--read-data"]);
    restores(&cli, "again");
}

/// A copy of the repository brings everything back, opened by a secret of its own; the secret has to be
/// right, and another repository is refused.
#[test]
fn a_copy_brings_it_back() {
    let cli = furnished();
    let copied =
        Command::new("cp").args(["-r", "repo", "mirror"]).current_dir(cli.folder()).status();
    assert!(copied.unwrap().success());
    cli.command().args(["--repo", "other", "init", "--new-key-file", "key2"]).assert().success();
    damage(&cli, 50_000);
    let from = |place: &str, key: &str| {
        cli.run(&["repair", "packs", "--read-data", "--from", place, "--from-key-file", key])
    };
    from("mirror", "key2").code(12);
    let refused = stderr(&from("other", "key2").code(1));
    assert!(refused.contains("a repository of its own"), "{refused}");
    from("mirror", "key").success();
    cli.says(&["check", "--read-data"]);
    restores(&cli, "out");
}

/// The index is gone: one command brings it back.
#[test]
fn a_lost_index_comes_back() {
    let cli = furnished();
    for segment in files(&cli.path("repo/index")) {
        fs::remove_file(segment).unwrap();
    }
    cli.run(&["check"]).code(1);
    let said = cli.says(&["repair", "index"]);
    assert!(said.contains("indexed"), "{said}");
    cli.says(&["check", "--read-data"]);
    restores(&cli, "out");
    assert!(cli.says(&["repair", "index"]).contains("the index lacks nothing"));
    assert!(cli.says(&["repair", "packs"]).contains("no pack is known to be damaged"));
    assert!(cli.says(&["repair", "snapshots"]).contains("none of them is known to miss anything"));
}
