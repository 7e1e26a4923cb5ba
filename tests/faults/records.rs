//! Many large records under little memory: the real program, where a shell limits it.

use crate::common::cli::Cli;
use crate::common::forge::{Forger, commit, session, snapshot};
use crate::common::memory::node;
use crate::common::program::program;
use crate::common::repo::TempRepo;
use icecore::backend::{Handle, Local};
use icecore::crypto::Secret;
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::format::content::Content;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::{Outcome, Part, Snapshot};
use icecore::id::SnapshotId;
use icecore::limits::{OUTCOME_MAX, SNAPSHOT_ELEMENTS_MAX};
use icecore::repo::Repository;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Snapshots as large as they may be, with names as short as they may be, are checked, listed,
/// looked through, given up and gone on from in less memory than they take together.
#[test]
fn large_snapshots_are_taken_one_by_one() {
    let cli = Cli::new();
    cli.backup();
    let key = fs::read(cli.path("key")).unwrap();
    let repo = open(&cli, &key);
    let forger = Forger::with(&repo, &Secret::KeyFile(Zeroizing::new(key.try_into().unwrap())));
    for number in 0..12 {
        let large = large(SnapshotId([number + 1; 16]));
        forger.record(&Handle::snapshot(large.id), &Outcome::Snapshot(Box::new(large)));
    }
    fs::create_dir(cli.path("x")).unwrap();
    fs::write(cli.path("x/1"), "1").unwrap();
    let bytes = 12 * OUTCOME_MAX as u64;
    let verbs: [&[&str]; 7] = [
        &["check"],
        &["snapshots"],
        &["snapshots", "--json"],
        &["snapshots", "--latest", "1"],
        &["restore", "latest", "--target", "back", "--dry-run"],
        &["forget", "latest", "--dry-run", "--force"],
        &["backup", "x"],
    ];
    for verb in verbs {
        let peak = peak(&cli, verb);
        assert!(peak << 10 < 2 * bytes, "{verb:?}: {peak} KiB");
    }
}

fn open(cli: &Cli, key: &[u8]) -> TempRepo {
    let (env, clock) = Env::seeded(1, Time(1_900_000_000 * Time::SECOND));
    let secret = Secret::KeyFile(Zeroizing::new(key.try_into().unwrap()));
    let backend = Arc::new(Local::open(cli.path("repo")).unwrap());
    let repository = Repository::open(backend.clone(), env.clone(), &secret).unwrap();
    TempRepo { backend, env, clock, repository, damaged: true }
}

/// Half of the room for texts, and nearly as many elements as there may be.
fn large(id: SnapshotId) -> Snapshot {
    let kind = NodeKind::File { content: Content::default(), database: None };
    let mut large = snapshot(id, "/x", node("x", kind), 1);
    large.tags = (0..SNAPSHOT_ELEMENTS_MAX / 2).map(|number| number.to_string()).collect();
    let part = |number: usize| Part {
        path: format!("/x/{number}").into_bytes(),
        ..large.parts[0].clone()
    };
    large.parts = (0..SNAPSHOT_ELEMENTS_MAX / 16).map(part).collect();
    large.warnings = vec!["w".repeat(OUTCOME_MAX / 4 / 100); 100];
    large
}

/// The most memory that the program had, in KiB, as the system says while it runs.
fn peak(cli: &Cli, verb: &[&str]) -> u64 {
    let mut child = program()
        .args(["--quiet", "--key-file", "key"])
        .args(verb)
        .env("ICECORE_REPOSITORY", cli.path("repo"))
        .current_dir(cli.folder())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        peak = kibibytes.unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    peak
}

/// What is above the bounds is never committed, and is damage where somebody wrote it.
#[test]
fn snapshots_are_bounded() {
    let repo = TempRepo::new(71);
    let many: Vec<String> = (0..=SNAPSHOT_ELEMENTS_MAX).map(|number| number.to_string()).collect();
    let wide = |id| {
        let mut wide = snapshot(id, "/x", node("x", NodeKind::Fifo), 1);
        wide.tags = many.iter().cloned().collect();
        wide
    };
    let error = session(&repo).commit(|id, _| wide(id)).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    let long = |id| {
        let mut long = snapshot(id, "/x", node("x", NodeKind::Fifo), 1);
        long.warnings = vec!["w".repeat(OUTCOME_MAX)];
        long
    };
    let error = session(&repo).commit(|id, _| long(id)).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    let id = SnapshotId([5; 16]);
    Forger::new(&repo).record(&Handle::snapshot(id), &Outcome::Snapshot(Box::new(wide(id))));
    assert_eq!(repo.repository.outcome(id).unwrap_err().kind(), Kind::Damaged);
    let root = node("x", NodeKind::Fifo);
    drop(commit(session(&repo), "/x", root, 1));
    assert_eq!(repo.repository.snapshots(|_| {}).unwrap().len(), 1);
    let mut repo = repo;
    repo.damaged = true;
}
