//! The bytes of files and commands, and changes while they are read.

use super::{capture, walk};
use crate::common::aloud::not_run;
use icecore::env::Env;
use icecore::source::files::FilesOptions;
use icecore::source::stdin::StreamSource;
use icecore::source::{Got, Item, Source};
use rustix::fs::{CWD, Mode};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// A file that grows, shrinks, is written or vanishes while it is read is noticed, and what was
/// read is never longer than the file was; one that stays is not accused.
#[test]
fn changes_are_noticed() {
    type Change = fn(&Path);
    let changes: [(&str, Change, Option<&str>); 6] = [
        ("nothing", |_| {}, None),
        ("grows", |p| append(p, b"more"), Some("grew")),
        ("shrinks", |p| set_len(p, 1000), Some("shrank")),
        ("is written", |p| fs::write(p, vec![9; 500_000]).unwrap(), Some("written")),
        ("vanishes", |p| fs::remove_file(p).unwrap(), Some("removed")),
        ("is replaced", |p| fs::rename(other(p), p).unwrap(), Some("removed")),
    ];
    for (what, change, expected) in changes {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, vec![5; 500_000]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let mut walked = walk(&path, FilesOptions::default());
        let file = walked.files.remove(Path::new("")).unwrap();
        let mut stream = (file.open)().unwrap();
        let mut buffer = vec![0; 100_000];
        let mut total = match stream.read(&mut buffer).unwrap() {
            Got::Data(length) => length,
            got => panic!("{got:?}"),
        };
        let changing = path.clone();
        std::thread::spawn(move || change(&changing)).join().unwrap();
        while let Got::Data(length) = stream.read(&mut buffer).unwrap() {
            total += length;
        }
        assert!(total <= 500_000, "{what}");
        let proof = stream.finish().unwrap();
        match (expected, proof.changed) {
            (None, None) => {}
            (Some(word), Some(said)) => assert!(said.contains(word), "{what}: {said}"),
            (_, said) => panic!("{what}: {said:?}"),
        }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn set_len(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn other(path: &Path) -> PathBuf {
    let other = path.with_file_name("other");
    fs::write(&other, b"other").unwrap();
    other
}

/// Between the walk and the read a file may go, or become a link or a pipe: an error each time,
/// never another file's bytes and never a hang.
#[test]
fn exchanged_before_the_read() {
    type Change = fn(&Path);
    let changes: [Change; 4] = [
        |_| {},
        |p| symlink("/etc/passwd", p).unwrap(),
        |p| rustix::fs::mkfifoat(CWD, p, Mode::RUSR).unwrap(),
        |p| fs::rename(other(p), p).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"content").unwrap();
        let keep_inode = File::open(&path).unwrap();
        let mut walked = walk(dir.path(), FilesOptions::default());
        fs::remove_file(&path).unwrap();
        change(&path);
        let opened = (walked.files.remove(Path::new("file")).unwrap().open)();
        assert!(opened.is_err(), "change {number}");
        drop(keep_inode);
    }
}

/// A sparse file of 16 TiB is read in no time: its holes are told, not read.
#[test]
fn vast_holes() {
    let dir = TempDir::new().unwrap();
    let file = File::create(dir.path().join("vast")).unwrap();
    let size = 15 << 40;
    if file.set_len(size).is_err() {
        return not_run("vast holes: this file system has no such files");
    }
    file.write_all_at(b"end", size - 3).unwrap();
    let mut walked = walk(dir.path(), FilesOptions::default());
    let captured = capture(walked.files.remove(Path::new("vast")).unwrap()).unwrap();
    assert_eq!(captured.size, size);
    let read: usize = captured.data.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(read <= 1 << 20, "{read} bytes were read");
}

/// Standard output of a command is its content; a failure of the command is an error with what
/// it said, however much was read before.
#[test]
fn commands() {
    let run = |script: &str| {
        let command = ["sh", "-c", script].map(Into::into);
        let mut source = StreamSource::command(b"dump", &command, &Env::real()).unwrap();
        assert_eq!(source.describe().path, b"/dump");
        let Some(Item::File(file)) = source.next().unwrap() else { panic!("no file") };
        assert!(file.stamp.is_none());
        assert!(source.next().unwrap().is_none());
        capture(file)
    };
    let captured = run("printf one; printf two").unwrap();
    let bytes: Vec<u8> = captured.data.into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(bytes, b"onetwo");
    let error = run("echo half; echo 'the disk is gone' >&2; exit 3").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    let error = run("kill -9 $$").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("signal"), "{error}");
    assert!(StreamSource::stdin(b"a/b", &Env::real()).is_err());
}

/// A tree that changes all the time is walked to its end: no panic, no hang, and whatever was
/// captured without complaint has the length that it was said to have.
#[test]
fn a_restless_tree() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let restless = {
        let (root, stop) = (root.clone(), stop.clone());
        std::thread::spawn(move || {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let folder = root.join(format!("d{}", round % 5));
                let _ = fs::create_dir(&folder);
                let _ = fs::write(folder.join("f"), vec![1; round * 37 % 90_000]);
                let _ = symlink("/etc", folder.join("l"));
                if round % 3 == 0 {
                    let _ = fs::remove_dir_all(&folder);
                }
            }
        })
    };
    for _ in 0..200 {
        let walked = walk(&root, FilesOptions::default());
        for (_, file) in walked.files {
            let size = file.stamp.unwrap().size;
            if let Ok(captured) = capture(file)
                && captured.proof.changed.is_none()
            {
                let read: usize = captured.data.iter().map(|(_, bytes)| bytes.len()).sum();
                assert!(read as u64 == captured.size && (size <= 90_000));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    restless.join().unwrap();
}
