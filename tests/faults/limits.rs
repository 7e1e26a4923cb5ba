//! Memory, open files and file sizes that run out under the whole program, by `ulimit`.

use crate::common::chance::Chance;
use crate::common::program::PROGRAM;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A repository on disk with one snapshot of `src`, which has changed since.
struct Bench {
    dir: TempDir,
}

/// What `restore` must bring back.
const FILES: [(&str, usize); 4] =
    [("large", 4 << 20), ("middle", 300_000), ("sub/small", 2000), ("empty", 0)];

impl Bench {
    fn new() -> Self {
        let bench = Bench { dir: TempDir::new().unwrap() };
        fs::create_dir_all(bench.path("src/sub")).unwrap();
        for (number, (name, length)) in FILES.into_iter().enumerate() {
            let bytes = Chance::new(number as u64).noise(length);
            fs::write(bench.path("src").join(name), bytes).unwrap();
        }
        let database = rusqlite::Connection::open(bench.path("src/a.db")).unwrap();
        database
            .execute_batch(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                 INSERT INTO t SELECT i, randomblob(3000) FROM n",
            )
            .unwrap();
        drop(database);
        bench.runs(&["init", "--new-key-file", "key"]);
        bench.runs(&["backup", "src"]);
        let mut large = fs::read(bench.path("src/large")).unwrap();
        large.iter_mut().step_by(1 << 16).for_each(|byte| *byte ^= 1);
        fs::write(bench.path("src/large"), large).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with these arguments, under limits that a shell sets.
    fn run(&self, limits: &str, args: &[&str]) -> Output {
        let secret: &[&str] = if args[0] == "init" { &[] } else { &["--key-file", "key"] };
        Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; {limits} exec \"$0\" \"$@\"")])
            .arg(PROGRAM)
            .args(secret)
            .args(args)
            .env("ICECORE_REPOSITORY", self.path("repo"))
            .env("ICECORE_STATE_DIR", self.path("state"))
            .env("ICECORE_CACHE_DIR", "")
            .env("TMPDIR", self.dir.path())
            .env("RAYON_NUM_THREADS", "2")
            .env("RUST_BACKTRACE", "0")
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    fn runs(&self, args: &[&str]) {
        let output = self.run("", args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    }

    /// A copy of it all, so that each attempt finds the same.
    fn copied(&self) -> Bench {
        let dir = TempDir::new().unwrap();
        let from = self.dir.path().join(".");
        let done = Command::new("cp").arg("-a").arg(from).arg(dir.path()).status().unwrap();
        assert!(done.success());
        Bench { dir }
    }

    fn snapshots(&self) -> usize {
        let output = self.run("", &["snapshots", "--json"]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap().lines().count()
    }

    /// The newest snapshot is what stands in `src`, and the whole repository reads back.
    fn is_whole(&self, what: &str) {
        let output = self.run("", &["check", "--read-data"]);
        assert!(output.status.success(), "{what}: {}", said(&output));
        let target = self.path("back");
        let source = self.path("src");
        let which = format!("latest:{}", source.display());
        let output = self.run("", &["restore", &which, "--target", "back"]);
        assert!(output.status.success(), "{what}: {}", said(&output));
        for (name, _) in FILES.iter().chain([&("a.db", 0)]) {
            let same = fs::read(target.join(name)).unwrap() == fs::read(source.join(name)).unwrap();
            assert!(same, "{what}: {name}");
        }
        fs::remove_dir_all(target).unwrap();
    }
}

fn said(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Tries a backup under one limit after another. A panic is a fault; so is a success that does
/// not restore, and a failure that the next backup does not get over. Gives how many failed and
/// how many succeeded.
fn sweep(limits: impl IntoIterator<Item = String>, abort: bool) -> (u32, u32) {
    let bench = Bench::new();
    let (mut failed, mut done) = (0, 0);
    for limit in limits {
        let bench = bench.copied();
        let output = bench.run(&format!("{limit} || exit 77;"), &["backup", "src"]);
        let what = format!("{limit}: {}", said(&output));
        let code = output.status.code();
        let aborted = abort && (output.status.signal() == Some(6) || code == Some(134));
        // Where memory is gone before a thread runs at all, the standard library panics, and aborts.
        assert!(aborted || !what.contains("panicked"), "{what}");
        assert!(matches!(code, Some(0 | 1 | 3)) || aborted, "{what}");
        assert_eq!(
            bench.snapshots(),
            2 - usize::from(code != Some(0) && code != Some(3)),
            "{what}"
        );
        match code {
            Some(0) => done += 1,
            _ => {
                failed += 1;
                assert!(!output.stderr.is_empty(), "{what}");
                bench.runs(&["backup", "src"]);
            }
        }
        bench.is_whole(&what);
        if done > 0 {
            break;
        }
    }
    (failed, done)
}

/// Whatever memory there is, a backup succeeds and restores, or fails before it commits, with the
/// repository whole and the next backup as good as any.
#[test]
fn memory_that_runs_out() {
    let bench = Bench { dir: TempDir::new().unwrap() };
    let limit = |mebibytes: u32| format!("ulimit -v {}", mebibytes << 10);
    // Below this the system cannot even load the program.
    let starts = |mebibytes: &u32| {
        bench.run(&format!("{};", limit(*mebibytes)), &["--version"]).status.success()
    };
    let least = (8..400).step_by(4).find(starts).unwrap();
    let more = [0, 4, 8, 16, 24, 32, 48, 80, 200, 1000, 4000];
    let (failed, done) = sweep(more.map(|more| limit(least + more)), true);
    assert!(failed > 1 && done > 0, "{failed} failed, {done} succeeded");
}

/// The same with open files: never a panic, never a snapshot that hides what it could not open.
#[test]
fn open_files_that_run_out() {
    let limits = (4..30).map(|limit| format!("ulimit -n {limit}"));
    let (failed, done) = sweep(limits, true);
    assert!(failed > 0 && done > 0, "{failed} failed, {done} succeeded");
}

/// The same with the length of every file that is written, which stands for a disk that is full:
/// the repository's first, the spool's and the temporary folder's with it.
#[test]
fn files_that_cannot_grow() {
    let limits = [0, 1, 8, 100, 1000, 4000, 40_000].map(|limit| format!("ulimit -f {limit}"));
    let (failed, done) = sweep(limits, false);
    assert!(failed > 2 && done > 0, "{failed} failed, {done} succeeded");
}

/// A spool that cannot grow makes the reader of the database wait, and loses nothing: more pages
/// than memory and file together take, of a database that holds its writers up.
#[test]
fn a_spool_that_cannot_grow() {
    let bench = Bench::new();
    make_large(&bench.path("src/a.db"));
    // 512-byte blocks: no file above 18 MiB, while no pack is larger.
    let output = bench.run("ulimit -f 36864;", &["backup", "src"]);
    assert!(output.status.success(), "{}", said(&output));
    bench.is_whole("a small spool");
}

fn make_large(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch(
            "PRAGMA synchronous = OFF;
             WITH RECURSIVE n(i) AS (SELECT 301 UNION ALL SELECT i + 1 FROM n WHERE i < 14000)
             INSERT INTO t SELECT i, randomblob(3500) FROM n",
        )
        .unwrap();
}
