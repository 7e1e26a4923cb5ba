//! The newest snapshot that was made by a time.

use super::time;
use crate::common::cli::{Cli, stderr};
use crate::common::forge::{Forger, snapshot};
use crate::common::memory::node;
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::error::{Kind, Result};
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::{Outcome, Snapshot};
use icecore::id::{SeriesId, SnapshotId};
use icecore::ops::select::{Filter, SAFETY_TAG, SnapshotPath, find};

/// Adds snapshots of one series, numbered from one, with these times and tags.
fn series(repo: &mut TempRepo, series: u8, times: &[(&str, Option<&str>)]) {
    repo.damaged = true;
    for (sequence, (day, tag)) in (1..).zip(times) {
        let id = SnapshotId([series * 16 + sequence; 16]);
        let made = Snapshot {
            series: SeriesId([series; 16]),
            sequence: sequence.into(),
            started: time(day),
            tags: tag.iter().map(|tag| (*tag).to_owned()).collect(),
            ..snapshot(id, "/x", node("x", NodeKind::Fifo), 1)
        };
        let outcome = Outcome::Snapshot(Box::new(made));
        Forger::new(repo).record(&Handle::snapshot(id), &outcome);
    }
}

/// The number of the snapshot that a name means: its series times 16, and its place there.
fn found(repo: &TempRepo, name: &str) -> Result<u8> {
    let stored = find(&repo.repository, name, &Filter::default(), |error| panic!("{error}"))?;
    Ok(stored.snapshot.id.0[0])
}

/// `latest@TIME` is the newest snapshot that was made by then, in any series, `~N` goes on from
/// there, and what was saved before a restore is passed over.
#[test]
fn the_newest_before_a_moment_is_found() {
    let mut repo = TempRepo::new(740);
    series(&mut repo, 1, &[("2026-01-01", None), ("2026-01-03", None), ("2026-01-05", None)]);
    series(&mut repo, 2, &[("2026-01-02", None), ("2026-01-04", Some(SAFETY_TAG))]);
    for (name, number) in [
        ("latest", 0x13),
        ("latest@2026-01-06T00:00:00Z", 0x13),
        ("latest@2026-01-05T12:00:00Z", 0x13),
        ("latest@2026-01-05T11:59:59Z", 0x12),
        ("latest@2026-01-03T00:00:00Z", 0x21),
        ("latest@2026-01-03T14:00:00+02:00", 0x12),
        ("latest@2026-01-03T07:00[America/New_York]", 0x12),
        ("latest@2026-01-03T06:59[America/New_York]", 0x21),
        ("latest@2026-01-06T00:00:00Z~1", 0x12),
        ("latest@2026-01-06T00:00:00Z~2", 0x21),
    ] {
        assert_eq!(found(&repo, name).unwrap(), number, "{name}");
    }
    for (name, kind, reason) in [
        ("latest@2026-01-01T00:00:00Z", Kind::NotFound, "none of them was made by"),
        ("latest@2026-01-06T00:00:00Z~9", Kind::NotFound, "none of them"),
        ("latest@2026-01-03T07:00[No/Where]", Kind::InvalidInput, "cannot understand the time"),
        ("latest@yesterday", Kind::InvalidInput, "cannot understand the time \"yesterday\""),
        ("latest@", Kind::InvalidInput, "time"),
        ("latest~x", Kind::NotFound, "matches none"),
        ("latest1", Kind::NotFound, "matches none"),
    ] {
        let error = found(&repo, name).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
}

/// A snapshot whose clock was wrong is not taken for one of the time that it claims.
#[test]
fn times_that_cannot_be_right_choose_nothing() {
    let mut repo = TempRepo::new(741);
    let days = ["2026-01-01", "2026-01-02", "1970-01-01", "2026-01-03", "2031-01-01", "2026-01-04"];
    series(&mut repo, 1, &days.map(|day| (day, None)));
    assert_eq!(found(&repo, "latest@2026-01-02T13:00:00Z").unwrap(), 0x12);
    assert_eq!(found(&repo, "latest@2026-01-03T13:00:00Z").unwrap(), 0x14);
    assert_eq!(found(&repo, "latest@2032-01-01T00:00:00Z").unwrap(), 0x16);
}

/// A path follows a time, in which there are colons, too.
#[test]
fn paths_follow_times() {
    for (text, name, path) in [
        ("latest@2026-01-02 10:00:/srv/a:b", "latest@2026-01-02 10:00", Some("/srv/a:b")),
        ("latest@2026-01-02T10:00:00+02:00", "latest@2026-01-02T10:00:00+02:00", None),
        ("latest@2026-01-02:/x", "latest@2026-01-02", Some("/x")),
        ("latest:x", "latest", Some("x")),
    ] {
        let read = SnapshotPath::from(text.as_bytes());
        assert_eq!(read.snapshot, name);
        assert_eq!(read.path.as_deref(), path.map(str::as_bytes), "{text}");
    }
    let at = |name: &str| SnapshotPath::from(name.as_bytes()).made_by("2026-01-02");
    assert_eq!(at("latest~1:/x").unwrap().snapshot, "latest@2026-01-02~1");
    assert_eq!(at("abcd").unwrap_err().kind(), Kind::InvalidInput);
    assert_eq!(at("latest@2026-01-01").unwrap_err().kind(), Kind::InvalidInput);
}

/// `restore --at` brings back what was there then, with or without a path, and every verb that takes
/// a snapshot takes `latest@TIME`. A restore names the snapshot, its time, host and sources.
#[test]
fn the_program_goes_back_to_a_moment() {
    let cli = Cli::new();
    cli.backup();
    let first = cli.json(&["snapshots"])[0]["time"].as_str().unwrap().to_owned();
    std::fs::write(cli.path("src/a"), "new").unwrap();
    cli.backup();
    let then = format!("latest@{first}");
    let id = cli.json(&["snapshots"])[0]["id"].as_str().unwrap().to_owned();
    let said = cli.says(&["restore", "--at", &first, "--target", "old"]);
    assert!(said.starts_with(&format!("snapshot {} of ", &id[..8])), "{said}");
    let newest = cli.json(&["snapshots"])[1]["id"].as_str().unwrap().to_owned();
    let said = cli.says(&["restore", "latest", "--target", "newest"]);
    assert!(said.starts_with(&format!("snapshot {} of ", &newest[..8])), "{said}");
    let words: Vec<&str> = said.split_whitespace().collect();
    assert!(words.contains(&cli.text("src").as_str()), "{said}");
    let said = cli.json(&["restore", "--at", &first, "--target", "other"]);
    assert_eq!(said.last().unwrap()["snapshot_id"], id.as_str());
    let below = |folder: &str| cli.path(folder).join(cli.text("src/a").trim_start_matches('/'));
    assert_eq!(std::fs::read(below("old")).unwrap().len(), 300_000);
    let from = format!("latest:{}", cli.text("src/sub"));
    cli.run(&["restore", &from, "--at", &first, "--target", "part"]).success();
    assert_eq!(std::fs::read(cli.path("part/b")).unwrap(), b"deep\n");
    assert_eq!(cli.says(&["dump", &then, &cli.text("src/a")]).len(), 300_000);
    assert_eq!(cli.says(&["dump", &format!("{then}:{}", cli.text("src/a"))]).len(), 300_000);
    assert_eq!(cli.json(&["snapshots", &then]).len(), 1);
    cli.run(&["ls", &then]).success();
    cli.run(&["find", "b", "--snapshot", &then]).success();
    assert!(cli.says(&["diff", &then, "latest"]).contains("src/a"));
    let said = stderr(&cli.run(&["restore", "--at", "soon", "--target", "x"]).code(1));
    assert!(
        said.contains("cannot understand the time \"soon\"") && said.contains("hint"),
        "{said}"
    );
    let said = stderr(&cli.run(&["restore", "--at", "2001-01-01", "--target", "x"]).code(1));
    assert!(said.contains("none of them was made by 2001-01-01 00:00:00"), "{said}");
    cli.run(&["restore", "--target", "x"]).code(1);
    assert!(!cli.path("x").exists());
}
