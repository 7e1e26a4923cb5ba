//! What a capture holds: every page, in its place, and the facts.

use super::{
    capture, capture_with, count, facts_of, insert, make, open_image, reader, reader_with,
};
use icecore::source::SqliteSource;
use icecore::source::sqlite::{SqliteOptions, Verify};
use icecore::source::{Got, Item, Source};
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

/// In both journal modes and with every page size the stream is a sound database with all rows,
/// and, once nothing but the main file is left, that file to the byte.
#[test]
fn every_mode_and_page_size_comes_whole() {
    for mode in ["wal", "delete"] {
        for page_size in (9..=16).map(|bits| 1u32 << bits) {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("a.db");
            let database = make(&path, mode, page_size, 2000);
            let (bytes, proof) = capture(&path);
            let facts = facts_of(&proof);
            assert_eq!((proof.changed, proof.taint), (None, None));
            assert_eq!((facts.page_size, facts.journal_mode.as_str()), (page_size, mode));
            assert_eq!(u64::from(facts.page_count) * u64::from(page_size), bytes.len() as u64);
            assert_eq!(facts.method, "dbpage");
            let (_folder, image) = open_image(&bytes);
            assert_eq!(count(&image, "t"), 2000);
            drop(database);
            assert!(std::fs::read(&path).unwrap() == bytes, "{mode} {page_size}");
        }
    }
}

/// Commits that live in the log alone are captured, and the log is neither checkpointed nor
/// touched.
#[test]
fn commits_in_the_log_alone_are_captured() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "wal", 4096, 10);
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint=0").unwrap();
    let main_before = std::fs::read(&path).unwrap();
    insert(&database, 500);
    let log_before = std::fs::read(folder.path().join("a.db-wal")).unwrap();
    let (bytes, _) = capture(&path);
    assert_eq!(count(&open_image(&bytes).1, "t"), 510);
    assert!(main_before == std::fs::read(&path).unwrap());
    assert!(log_before == std::fs::read(folder.path().join("a.db-wal")).unwrap());
}

/// The source gives one item, a file under its own name without a stamp, and its facts.
#[test]
fn the_source_gives_one_database() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    drop(make(&path, "delete", 4096, 10));
    let options = SqliteOptions { verify: Verify::Full, row_counts: true, force: false };
    let mut source: Box<dyn Source> =
        Box::new(SqliteSource::new(&path, reader_with(options)).unwrap());
    let Some(Item::File(file)) = source.next().unwrap() else { panic!() };
    assert_eq!((file.entry.name.as_slice(), file.stamp), (&b"a.db"[..], None));
    let mut stream = (file.open)().unwrap();
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer).unwrap() != Got::End {}
    let facts = facts_of(&stream.finish().unwrap());
    assert_eq!(facts.verified.as_deref(), Some("full"));
    assert_eq!(facts.row_counts.unwrap()["t"], 10);
    assert!(source.next().unwrap().is_none());
    source.finish().unwrap();
}

/// Past 1 GiB every page comes in its place; the lock-byte page, which belongs to no database,
/// comes as zeros whatever stands in the file.
#[test]
fn a_database_past_the_lock_byte_page_comes_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large.db");
    drop(make(&path, "delete", 65536, 100));
    let page = 65536u64;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let pages = (1u64 << 30) / page + 3;
    file.set_len(pages * page).unwrap();
    file.write_all_at(&u32::try_from(pages).unwrap().to_be_bytes(), 28).unwrap();
    file.write_all_at(&[9; 65536], 1 << 30).unwrap();
    file.write_all_at(&[8; 65536], (1 << 30) + page).unwrap();
    let (bytes, proof) = capture(&path);
    assert_eq!(bytes.len() as u64, pages * page);
    assert_eq!(u64::from(facts_of(&proof).page_count), pages);
    let lock = 1usize << 30;
    assert!(bytes[lock..lock + 65536].iter().all(|byte| *byte == 0));
    assert!(bytes[lock + 65536..lock + 2 * 65536].iter().all(|byte| *byte == 8));
    let mut front = vec![0; 1 << 20];
    file.read_exact_at(&mut front, 0).unwrap();
    assert!(front == bytes[..1 << 20]);
}

/// The way of builds without `sqlite_dbpage` gives a sound image with the same rows.
#[test]
fn the_backup_interface_serves_as_well() {
    for mode in ["wal", "delete"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        let _database = make(&path, mode, 8192, 3000);
        let (bytes, proof) = capture_with(&reader().with_backup_api(), &path).unwrap();
        let facts = facts_of(&proof);
        assert_eq!((facts.method.as_str(), facts.journal_mode.as_str()), ("backup", mode));
        assert_eq!(count(&open_image(&bytes).1, "t"), 3000);
        let (direct, _) = capture(&path);
        assert!(bytes[100..] == direct[100..], "{mode}: they differ past the header");
    }
}

/// What somebody put behind the last page comes back with the database, byte for byte, however the
/// pages are read, and is no page of it; what a log has done away with does not.
#[test]
fn bytes_behind_the_last_page_are_kept() {
    for (mode, more) in [("delete", vec![7; 1000]), ("wal", vec![7; 9000]), ("delete", vec![0; 5])]
    {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.db");
        drop(make(&path, mode, 4096, 300));
        let pages = std::fs::metadata(&path).unwrap().len();
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, &more).unwrap();
        drop(file);
        for reader in [reader(), reader().with_backup_api()] {
            let (bytes, proof) = capture_with(&reader, &path).unwrap();
            let file = std::fs::read(&path).unwrap();
            assert_eq!(bytes.len(), file.len(), "{mode}");
            // The backup interface counts a change in the header.
            assert!(bytes[100..] == file[100..], "{mode}");
            assert_eq!(u64::from(facts_of(&proof).page_count) * 4096, pages, "{mode}");
            assert_eq!(count(&open_image(&bytes).1, "t"), 300);
        }
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let database = make(&path, "wal", 4096, 5000);
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); DELETE FROM t; VACUUM").unwrap();
    let (bytes, proof) = capture(&path);
    assert_eq!(bytes.len() as u64, u64::from(facts_of(&proof).page_count) * 4096);
    assert!((bytes.len() as u64) < std::fs::metadata(&path).unwrap().len());
}

/// A database whose file is cut off within a page comes back as long as it is, and not padded,
/// however its pages are read; that it is damaged is told.
#[test]
fn a_file_that_is_cut_off_comes_back_as_it_is() {
    for (page, end) in [(4096, 100), (4096, 3000), (65536, 100_000), (4096, 4096 * 3 + 1)] {
        for mode in ["delete", "wal"] {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("a.db");
            drop(make(&path, mode, page, 5000));
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(end).unwrap();
            for (reader, exact) in [(reader(), true), (reader().with_backup_api(), false)] {
                let case = format!("{page}, {end}, {mode}, {exact}");
                let (bytes, proof) = capture_with(&reader, &path).unwrap();
                let file = std::fs::read(&path).unwrap();
                assert_eq!(bytes.len() as u64, end, "{case}");
                // The backup interface counts a change in the header.
                let from = if exact { 0 } else { 100 };
                assert!(bytes[from..] == file[from..], "{case}");
                assert!(proof.taint.is_some(), "{case}");
            }
        }
    }
}
