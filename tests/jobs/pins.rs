//! Services that start again while a database is read whose state was pinned when they stood still.

use super::file::Jobs;
use super::service::{children, is_alive, step};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Child;

/// The service stops and starts when the test says so.
const FILE: &str = r#"
[job.app]
source = "DIR/src"
to = ["one"]
stop = { stop = "touch DIR/at-stop; while ! [ -e DIR/go ]; do sleep 0.02; done", start = "touch DIR/at-start; while ! [ -e DIR/runs ]; do sleep 0.02; done", max_downtime = "10min", timeout = "10min" }
"#;

/// An application with a database, in whose log something stands.
struct App {
    jobs: Jobs,
    database: Connection,
    /// One that comes after it, and is too large to be read beside others.
    next: Connection,
}

/// A run whose service starts, and the process that reads the database, which stands still.
struct Starting {
    run: Child,
    reader: Pid,
}

impl App {
    fn new(file: &str) -> Self {
        let jobs = Jobs::with_one(file);
        fs::create_dir_all(jobs.path("src/data")).unwrap();
        let database = Connection::open(jobs.path("src/data/app.db")).unwrap();
        database
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                 INSERT INTO t (body) SELECT i || hex(randomblob(40)) FROM n;
                 PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t (body) VALUES ('last')",
            )
            .unwrap();
        let next = Connection::open(jobs.path("src/data/next.db")).unwrap();
        next.execute_batch("CREATE TABLE t (b BLOB); INSERT INTO t VALUES (zeroblob(1000000))")
            .unwrap();
        App { jobs, database, next }
    }

    fn mark(&self, name: &str) {
        fs::write(self.jobs.path(name), "").unwrap();
    }

    /// Begins a run, and waits until the service is to start; the database is not read on meanwhile.
    fn starting(&self) -> Starting {
        let run = self.jobs.spawn(&["run", "app"]);
        self.jobs.wait_for("at-stop");
        // The walk waits at the next database until the first one's reader stands still.
        self.next.execute_batch("BEGIN EXCLUSIVE").unwrap();
        self.mark("go");
        let reads = |name| children(&run).into_iter().find(|pid| reads(*pid, name));
        self.jobs.wait_until("the next database's turn", || reads("next.db").is_some());
        let reader = reads("app.db").unwrap();
        kill_process(reader, Signal::STOP).unwrap();
        self.next.execute_batch("COMMIT").unwrap();
        self.jobs.wait_for("at-start");
        Starting { run, reader }
    }

    /// Migrates the database and writes all of it, as services do when they start, which then run.
    fn start(&self) {
        self.database
            .execute_batch(
                "BEGIN IMMEDIATE; ALTER TABLE t ADD COLUMN more TEXT;
                 UPDATE t SET body = 'new', more = hex(randomblob(80));
                 DELETE FROM t WHERE id % 2 = 0; COMMIT; VACUUM;
                 PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .unwrap();
        self.mark("runs");
        let journal = self.jobs.path("state/stopped/app.json");
        self.jobs.wait_until("the service", || !journal.exists());
    }

    fn rows(&self) -> Vec<(i64, String)> {
        rows(&self.database)
    }

    /// The rows of the database in the newest snapshot.
    fn restored(&self) -> Vec<(i64, String)> {
        let mut restore = self.jobs.cli.command();
        restore.arg("-r").arg(self.jobs.path("one")).arg("--key-file");
        restore.arg(self.jobs.path("one.key")).args(["restore", "latest", "--target"]);
        restore.arg(self.jobs.path("out")).assert().success();
        let path = self.jobs.path("src/data/app.db");
        let path = self.jobs.path("out").join(path.strip_prefix("/").unwrap());
        let image = Connection::open(path).unwrap();
        let verdict: String = image.query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
        assert_eq!(verdict, "ok");
        rows(&image)
    }

    fn snapshots(&self) -> usize {
        match self.jobs.of("one", &["snapshots"]).as_slice() {
            [Value::Array(list)] => list.len(),
            lines => lines.len(),
        }
    }
}

/// Whether a process reads the database of this name.
fn reads(process: Pid, name: &str) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero())).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    line.contains("sqlite-read") && line.contains(name)
}

fn rows(database: &Connection) -> Vec<(i64, String)> {
    let mut all = database.prepare("SELECT id, body FROM t ORDER BY id").unwrap();
    let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    all.map(Result::unwrap).collect()
}

/// A service starts, migrates its database and writes all of it, before that is read: neither waits for the other, and
/// the snapshot has what stood in it when the service stood still.
#[test]
fn services_start_before_pinned_databases_are_read() {
    let app = App::new(FILE);
    let before = app.rows();
    let Starting { mut run, reader } = app.starting();
    app.start();
    assert!(run.try_wait().unwrap().is_none() && is_alive(reader));
    kill_process(reader, Signal::CONT).unwrap();
    assert!(run.wait().unwrap().success(), "{}", app.jobs.said());
    assert!(app.restored() == before);
    let report = app.jobs.report();
    assert_eq!((&report["outcome"], &step(&report, "read")["pinned"]), (&"done".into(), &1.into()));
    let name = |step: &Value| step["step"].as_str().unwrap().to_owned();
    let steps: Vec<String> = report["steps"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(steps, ["open", "warm_up", "stop", "read", "read_pinned", "start", "capture"]);
    assert_eq!(step(&report, "start")["because"], "asked");
}

/// A run that is killed while it reads what it has pinned leaves no snapshot, a service that runs, and nobody who
/// reads on.
#[test]
fn a_run_that_dies_while_it_reads_leaves_no_snapshot() {
    let app = App::new(FILE);
    let Starting { mut run, reader } = app.starting();
    run.kill().unwrap();
    run.wait().unwrap();
    app.start();
    kill_process(reader, Signal::CONT).unwrap();
    app.jobs.wait_until("the end of the reading process", || !is_alive(reader));
    assert_eq!(app.snapshots(), 0);
    app.jobs.command(&["run", "app"]).assert().success();
    assert_eq!(app.snapshots(), 1);
    assert!(app.restored() == app.rows());
}

/// Where the reading process dies there is no snapshot, and the service runs.
#[test]
fn a_database_that_cannot_be_read_to_its_end_is_told() {
    let app = App::new(FILE);
    let Starting { mut run, reader } = app.starting();
    app.start();
    kill_process(reader, Signal::KILL).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3), "{}", app.jobs.said());
    let report = app.jobs.report();
    assert_eq!((&report["outcome"], &report["downtime"].is_f64()), (&"incomplete".into(), &true));
    assert_eq!(step(&report, "capture")["failed"], 1);
}

/// A service that does not start in its time fails the run; what was pinned is in the snapshot.
#[test]
fn a_start_that_hangs_keeps_nothing_from_being_read() {
    let start = "touch DIR/at-start; while ! [ -e DIR/runs ]; do sleep 0.02; done";
    let file =
        FILE.replace(start, "sleep 1000").replace(r#"timeout = "10min""#, r#"timeout = "1s""#);
    let app = App::new(&file);
    app.mark("go");
    let said = app.jobs.complains(&["run", "app"]);
    assert!(said.contains("start services"), "{said}");
    let report = app.jobs.report();
    assert_eq!(step(&report, "read_pinned")["outcome"], "done");
    assert_eq!(step(&report, "start")["outcome"], "failed");
    assert!(app.restored() == app.rows());
}
