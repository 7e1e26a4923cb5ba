//! `prune` as people use it.

use crate::common::cli::{Cli, stderr, stdout};
use std::fs;

/// A repository with three snapshots of files that have nothing in common; their ids.
pub fn three(cli: &Cli) -> Vec<String> {
    let mut chance = crate::common::chance::Chance::new(1);
    let back_up = |_| {
        fs::write(cli.path("src/a"), chance.noise(300_000)).unwrap();
        cli.backup()
    };
    (0..3).map(back_up).collect()
}

fn size(cli: &Cli) -> u64 {
    let said = cli.json(&["stats"]);
    said.last().unwrap()["total_bytes"].as_u64().unwrap_or_else(|| {
        fn of(path: &std::path::Path) -> u64 {
            let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
            entries
                .map(|entry| match entry.file_type().unwrap().is_dir() {
                    true => of(&entry.path()),
                    false => entry.metadata().unwrap().len(),
                })
                .sum()
        }
        of(&cli.path("repo/packs"))
    })
}

/// The plan is shown and nothing done; then it is done, as it was said, and the next finds nothing.
#[test]
fn the_room_of_what_was_forgotten_comes_back() {
    let cli = Cli::new();
    let ids = three(&cli);
    cli.says(&["forget", &ids[0]]);
    let before = size(&cli);
    let shown = cli.says(&["prune", "--dry-run"]);
    assert!(shown.contains("written anew, with the"), "{shown}");
    assert!(shown.contains("would give back about"), "{shown}");
    assert_eq!(size(&cli), before);
    let done = cli.says(&["prune"]);
    assert!(done.contains("deleted") && done.contains("gave back"), "{done}");
    assert!(size(&cli) + 300_000 <= before, "{} {before}", size(&cli));
    cli.says(&["check", "--read-data"]);
    let said = cli.json(&["forget", &ids[1], "--prune"]);
    let last = said.last().unwrap();
    assert_eq!(last["message_type"], "prune");
    assert!(last["packs_deleted"]["bytes"].as_u64().unwrap() >= 300_000, "{last}");
    cli.says(&["check", "--read-data"]);
    cli.says(&["restore", "latest", "--target", &cli.text("back")]);
    let again = cli.json(&["prune"]);
    assert_eq!(again[again.len() - 1]["packs_deleted"]["count"], 0);
    assert_eq!(cli.says(&["--quiet", "prune"]), "");
}

/// What would be won once snapshots are given up is shown before they are, and is what is then won.
#[test]
fn forgetting_and_pruning_are_shown_together() {
    let cli = Cli::new();
    let ids = three(&cli);
    let before = size(&cli);
    let shown = cli.says(&["forget", &ids[0], "--prune", "--dry-run"]);
    for words in ["would forget 1 snapshot", "would give back about"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let planned = |args: &[&str]| cli.json(args).pop().unwrap()["plan"].clone();
    let alone = planned(&["prune", "--dry-run"]);
    let policy = planned(&["forget", "--keep-last", "2", "--prune", "--dry-run"]);
    let named = planned(&["forget", &ids[0], "--prune", "--dry-run"]);
    assert_eq!(alone["bytes_won"], 0);
    assert!(named["bytes_won"].as_u64() >= Some(290_000), "{named}");
    assert_eq!((cli.json(&["snapshots"]).len() >= 3, size(&cli)), (true, before));
    assert_eq!(policy, named);
    assert_eq!(planned(&["forget", &ids[0], "--prune"]), named);
}

/// A writer at work is waited for: it is named, the exit code is 3, nothing is deleted; once it is
/// given up, the next prune goes on.
#[test]
fn who_is_waited_for_is_said() {
    let cli = Cli::new();
    let ids = three(&cli);
    cli.says(&["forget", &ids[0]]);
    let repository = {
        let location: icecore::backend::Location = cli.text("repo").parse().unwrap();
        let key = icecore::crypto::Secret::KeyFile(key(&cli).into());
        let store = std::sync::Arc::from(location.open().unwrap());
        icecore::repo::Repository::open(store, icecore::env::Env::real(), &key).unwrap()
    };
    let options = icecore::repo::WriterOptions {
        verb: "backup".into(),
        host: "elsewhere".into(),
        tool: "test".into(),
    };
    let id = repository.register(options).unwrap().id();
    let waits = cli.run(&["prune"]).code(3);
    let told = stderr(&waits);
    for word in ["collection 1 waits for `backup` of elsewhere", "last heard of", "goes on"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(stdout(&waits).contains("deleted 0 packs"), "{}", stdout(&waits));
    let json = cli.run(&["--json", "prune", "--wait", "1s"]).code(3);
    let last = crate::common::cli::lines(&stdout(&json)).pop().unwrap();
    assert_eq!(last["waits"]["writers"][0]["id"], id.to_string(), "{last}");
    cli.says(&["forget", "--writer", &id.to_string()]);
    assert!(cli.json(&["prune"]).pop().unwrap()["packs_deleted"]["count"].as_u64() > Some(0));
    cli.says(&["check", "--read-data"]);
    // One that is said to be silent at once is given up by the prune itself.
    cli.says(&["forget", &ids[1]]);
    let options = icecore::repo::WriterOptions {
        verb: "backup".into(),
        host: "elsewhere".into(),
        tool: "test".into(),
    };
    let second = repository.register(options).unwrap().id();
    let gone = cli.run(&["prune", "--give-up-after", "0s"]).success();
    assert!(stderr(&gone).contains(&second.to_string()), "{}", stderr(&gone));
}

fn key(cli: &Cli) -> [u8; 32] {
    let text = fs::read(cli.path("key")).unwrap();
    text.as_slice().try_into().unwrap()
}
