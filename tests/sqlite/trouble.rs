//! What cannot be captured, or only tainted.

use super::{
    capture, capture_with, facts_of, failure, make, reader, reader_as_nobody, reader_with,
};
use crate::common::program::{PROGRAM, program};
use icecore::error::Kind;
use icecore::source::sqlite::{SqliteOptions, SqliteReader, Verify};
use std::fs::Permissions;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::Duration;
use tempfile::TempDir;

/// A file that is no database despite its name, a folder, and nothing at all are clear errors
/// that name the path.
#[test]
fn what_is_no_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("no.db");
    std::fs::write(&path, "just text, and long enough for a header ".repeat(20)).unwrap();
    let error = failure(&path);
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert!(error.to_string().contains("no.db"), "{error}");
    std::fs::write(&path, [&b"SQLite format 3\0"[..], &[7; 5000]].concat()).unwrap();
    assert_eq!(failure(&path).kind(), Kind::InvalidInput);
    assert_eq!(failure(folder.path()).kind(), Kind::InvalidInput);
    assert_eq!(failure(&folder.path().join("none.db")).kind(), Kind::NotFound);
}

/// A database under an exclusive lock is an error of kind `Locked` that names it; an unreadable
/// one is `Denied`.
#[test]
fn what_cannot_be_read_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("held.db");
    let database = make(&path, "delete", 4096, 10);
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let reader = reader().with_busy_wait(Duration::from_millis(200));
    let error = capture_with(&reader, &path).unwrap_err();
    assert_eq!(error.kind(), Kind::Locked, "{error}");
    assert!(error.to_string().contains("held.db"), "{error}");
    drop(database);
    let Some(stranger) = reader_as_nobody(folder.path()) else { return };
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = capture_with(&stranger, &path).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

/// A damaged database is stored, and tainted when a check was asked for.
#[test]
fn damage_taints() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 5000));
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xaa; 4096], 20 * 4096).unwrap();
    let (bytes, proof) = capture(&path);
    assert_eq!(proof.taint, None);
    assert!(bytes == std::fs::read(&path).unwrap());
    for verify in [Verify::Quick, Verify::Full] {
        let options = SqliteOptions { verify, ..SqliteOptions::default() };
        let (bytes, proof) = capture_with(&reader_with(options), &path).unwrap();
        assert!(bytes == std::fs::read(&path).unwrap());
        assert!(proof.taint.is_some());
        assert_eq!(facts_of(&proof).verified, None);
    }
}

const COMPLAINS: &str = "echo no memory left >&2; exit 3";

/// A child that dies, is cut off, or talks nonsense is an error, never a short database; what it
/// complained of last is told.
#[test]
fn a_dying_child_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 5000));
    let icecore = PROGRAM;
    for body in [
        "exit 0".to_owned(),
        "kill -9 $$".to_owned(),
        "echo nonsense".to_owned(),
        format!("{icecore} \"$@\" | head -c 450000"),
        format!("{icecore} \"$@\" | head -c 40"),
        format!("{icecore} \"$@\"; exit 3"),
        COMPLAINS.to_owned(),
    ] {
        let script = folder.path().join("child");
        std::fs::write(&script, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let reader = SqliteReader::new(script, SqliteOptions::default());
        let error = capture_with(&reader, &path).expect_err(&body);
        assert!(error.to_string().contains("a.db"), "{error}");
        assert_eq!(error.to_string().contains("no memory left"), body == COMPLAINS, "{error}");
    }
}

/// A database whose schema SQLite cannot read is stored with every page as it is, and tainted:
/// whatever is broken in it, and whatever else was asked for.
#[test]
fn a_broken_schema_is_stored_and_taints() {
    let broken: [(&str, &[u8], u64); 5] = [
        ("the type of the schema's first page", &[0xaa], 100),
        ("all of the schema's first page", &[0xaa; 3996], 100),
        ("the schema's format", &[0, 0, 0, 9], 44),
        ("the encoding of text", &[0, 0, 0, 7], 56),
        ("the statement of the table", b"CREATE TRIBLE", 0),
    ];
    for (what, bytes, at) in broken {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        drop(make(&path, "delete", 4096, 2000));
        let content = std::fs::read(&path).unwrap();
        let statement = content.windows(12).position(|part| part == b"CREATE TABLE").unwrap();
        let at = if at == 0 { statement as u64 } else { at };
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(bytes, at).unwrap();
        for verify in [Verify::No, Verify::Full] {
            let options = SqliteOptions { verify, row_counts: true, force: false };
            let (bytes, proof) = capture_with(&reader_with(options), &path)
                .unwrap_or_else(|error| panic!("{what}, {verify:?}: {error}"));
            let facts = facts_of(&proof);
            // The backup interface writes counters into the header of its copy.
            let own = if facts.method == "backup" { 100 } else { 0 };
            assert!(bytes[own..] == std::fs::read(&path).unwrap()[own..], "{what}");
            assert!(proof.taint.is_some(), "{what}");
            assert_eq!((facts.page_size, facts.verified), (4096, None), "{what}");
        }
    }
}

/// Pages that get lost between child and parent, at the front, in the middle or at the end, are an
/// error although the child's proof arrives.
#[test]
fn lost_pages_are_noticed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 50_000));
    let child = program().arg("sqlite-read").arg(&path).output().unwrap();
    let mut frames: Vec<&[u8]> = Vec::new();
    let mut rest = child.stdout.as_slice();
    while let [_, length @ .., _] = rest
        && let Some(length) = length.first_chunk::<4>()
    {
        let (frame, after) = rest.split_at(5 + u32::from_le_bytes(*length) as usize);
        frames.push(frame);
        rest = after;
    }
    assert!(frames.len() > 5, "{} frames", frames.len());
    let script = folder.path().join("child");
    let said = folder.path().join("said");
    let text = format!("#!/bin/sh\nexec cat {}\n", said.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let reader = SqliteReader::new(script, SqliteOptions::default());
    std::fs::write(&said, frames.concat()).unwrap();
    assert!(capture_with(&reader, &path).unwrap().0 == capture(&path).0);
    // The first frame begins, the last one proves.
    for lost in [1, 2, frames.len() - 2] {
        let mut left = frames.clone();
        left.remove(lost);
        std::fs::write(&said, left.concat()).unwrap();
        let error = capture_with(&reader, &path).expect_err(&format!("frame {lost}"));
        assert!(error.to_string().contains("a.db"), "{error}");
    }
}
