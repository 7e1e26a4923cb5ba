//! Writers that are processes of their own and do to a database whatever SQLite allows, while it is
//! captured again and again. `ICECORE_SQLITE_SEEDS=FIRST..END` runs other seeds than the few here.

use super::{capture_with, open_image, reader, stubborn_reader};
use crate::common::chance::Chance;
use icecore::error::Kind;
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Every capture is sound, holds one committed state to the last row, and none older than what
/// was committed before it began: under checkpoints of each kind, resets of the log, changes of
/// journal mode and page size, VACUUM, growth and shrinking, replacement by rename, writers that
/// are killed, and a -shm that is lost.
#[test]
fn captures_are_states_that_were_committed() {
    let seeds = match std::env::var("ICECORE_SQLITE_SEEDS") {
        Err(_) => 0..4,
        Ok(range) => {
            let (first, end) = range.split_once("..").expect("FIRST..END");
            first.parse().unwrap()..end.parse().unwrap()
        }
    };
    let mut told = [0; 5];
    for seed in seeds {
        for (sum, one) in told.iter_mut().zip(one_seed(seed)) {
            *sum += one;
        }
    }
    let [captures, locked, changed, recovered, commits] = told;
    println!(
        "{captures} captures after {commits} commits; {locked} refused, {changed} replaced, \
         {recovered} recovered"
    );
    assert!(captures >= 4 * locked && commits >= captures, "{told:?}");
}

/// Captures, refusals, databases that were replaced meanwhile, captures of recovered copies, and
/// the last commit that was seen.
fn one_seed(seed: u64) -> [u64; 5] {
    let mut chance = Chance::new(seed ^ 0x5eed);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    make(&path, &mut chance);
    let mut writer = Writer::start(&path, seed, 0);
    let mut told = [0; 5];
    for round in 1..=5 {
        std::thread::sleep(Duration::from_micros(chance.number() % 30_000));
        let killed = chance.below(4) == 0;
        if killed {
            writer.kill();
            if chance.below(2) == 0 {
                // Nobody has it open: its loss must cost nothing.
                let _ = fs::remove_file(folder.path().join("a.db-shm"));
            }
        }
        let known = writer.committed.load(Ordering::SeqCst);
        let reader = if chance.below(3) == 0 { stubborn_reader() } else { reader() };
        match capture_with(&reader, &path) {
            Ok((bytes, proof)) => {
                told[0] += 1;
                told[2] += u64::from(proof.changed.is_some());
                told[3] += u64::from(format!("{proof:?}").contains("recovered"));
                assert_eq!(proof.taint, None, "seed {seed}, round {round}");
                let (_folder, image) = open_image(&bytes);
                let found = state_of(&image).unwrap_or_else(|wrong| {
                    panic!("seed {seed}, round {round}: {wrong}");
                });
                told[4] = found.unsigned_abs();
                assert!(found >= known, "seed {seed}, round {round}: {found} before {known}");
            }
            Err(error) => {
                let fine = error.kind() == Kind::Locked && !killed;
                assert!(fine, "seed {seed}, round {round}: {error}");
                told[1] += 1;
            }
        }
        if killed {
            writer = Writer::start(&path, seed, round);
        }
    }
    writer.kill();
    let live = Connection::open(&path).unwrap();
    state_of(&live).unwrap_or_else(|wrong| panic!("seed {seed}: the writers' own: {wrong}"));
    told
}

fn make(path: &Path, chance: &mut Chance) {
    let database = Connection::open(path).unwrap();
    let page_size = 512 << chance.below(8);
    let mode = ["wal", "delete", "truncate", "persist"][chance.below(4)];
    let vacuum = chance.below(3);
    database
        .execute_batch(&format!(
            "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {vacuum};
             PRAGMA journal_mode = {mode};
             BEGIN;
             CREATE TABLE log (id INTEGER PRIMARY KEY, body BLOB, mark INTEGER);
             CREATE INDEX by_mark ON log (mark);
             CREATE TABLE state (counter INTEGER, rows INTEGER, marks INTEGER);
             INSERT INTO state VALUES (0, 0, 0);
             COMMIT"
        ))
        .unwrap();
    write(&database, 300, 900, chance).unwrap();
}

/// Adds rows and says so, in one transaction.
fn write(
    database: &Connection,
    rows: usize,
    most: usize,
    chance: &mut Chance,
) -> rusqlite::Result<()> {
    database.execute_batch("BEGIN IMMEDIATE")?;
    let seed = i64::try_from(chance.number() >> 2).unwrap();
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO log (body, mark) SELECT randomblob(1 + (?2 + i * 7919) % ?3), 0 FROM n",
        (i64::try_from(rows).unwrap(), seed, i64::try_from(most).unwrap()),
    )?;
    finish(database)
}

/// Marks new rows by their content, brings the state up to date, and commits.
fn finish(database: &Connection) -> rusqlite::Result<()> {
    database.execute_batch(
        "UPDATE log SET mark = id * 31 + length(body) * 7 + unicode(hex(substr(body, 1, 1)))
             WHERE mark = 0;
         UPDATE state SET counter = counter + 1, rows = (SELECT count(*) FROM log),
             marks = (SELECT coalesce(sum(mark), 0) FROM log);
         COMMIT",
    )
}

/// The counter of a database whose rows are what its state says, or what is wrong.
fn state_of(database: &Connection) -> Result<i64, String> {
    let wrong = |error: rusqlite::Error| error.to_string();
    let row = |query: &str| {
        database
            .query_row(query, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .map_err(wrong)
    };
    let said = row("SELECT rows, marks FROM state")?;
    let content = "id * 31 + length(body) * 7 + unicode(hex(substr(body, 1, 1)))";
    let found = row(&format!("SELECT count(*), coalesce(sum({content}), 0) FROM log NOT INDEXED"))?;
    let indexed =
        row("SELECT count(*), coalesce(sum(mark), 0) FROM log INDEXED BY by_mark WHERE mark > 0")?;
    if found != said || indexed != said {
        return Err(format!("{said:?} was said, {found:?} is there, {indexed:?} in the index"));
    }
    Ok(row("SELECT counter, 0 FROM state")?.0)
}

/// A process that writes until it is killed, and tells what it has committed.
struct Writer {
    child: Child,
    committed: Arc<AtomicI64>,
    listener: Option<std::thread::JoinHandle<()>>,
}

const WRITER: &str = "ICECORE_TEST_SQLITE_WRITER";

impl Writer {
    fn start(path: &Path, seed: u64, round: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::seeds::a_writer", "--ignored", "--nocapture"])
            .env(WRITER, path)
            .env("ICECORE_TEST_SEED", (seed * 100 + round).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let committed = Arc::new(AtomicI64::new(0));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = committed.clone();
        let listener = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(number) = line.strip_prefix("committed ") {
                    heard.store(number.parse().unwrap(), Ordering::SeqCst);
                }
            }
        });
        Writer { child, committed, listener: Some(listener) }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "the writer ended by itself");
        self.listener.take().unwrap().join().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test of its own: the writing process of the test above.
#[test]
#[ignore = "the process that another test starts"]
fn a_writer() {
    let Some(path) = std::env::var_os(WRITER).map(PathBuf::from) else { return };
    let seed = std::env::var("ICECORE_TEST_SEED").unwrap().parse().unwrap();
    let mut chance = Chance::new(seed);
    let mut database = connect(&path, &mut chance);
    loop {
        match step(&database, &path, &mut chance) {
            Ok(true) => {}
            // Another file stands there now.
            Ok(false) => database = connect(&path, &mut chance),
            Err(rusqlite::Error::SqliteFailure(cause, _))
                if matches!(
                    cause.code,
                    rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked
                ) =>
            {
                let _ = database.execute_batch("ROLLBACK");
            }
            Err(error) => panic!("{error}"),
        }
        let counter = database.query_row("SELECT counter FROM state", [], |row| row.get(0));
        if let Ok::<i64, _>(counter) = counter {
            println!("committed {counter}");
        }
    }
}

fn connect(path: &Path, chance: &mut Chance) -> Connection {
    let database = Connection::open(path).unwrap();
    database.busy_timeout(Duration::from_millis(300)).unwrap();
    let (cache, auto) = (10 + chance.below(100), [0, 5, 1000][chance.below(3)]);
    let settings = format!(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = {cache}; PRAGMA wal_autocheckpoint = {auto}"
    );
    database.execute_batch(&settings).unwrap();
    database
}

/// Does one thing; false if the connection is to be made anew.
fn step(database: &Connection, path: &Path, chance: &mut Chance) -> rusqlite::Result<bool> {
    match chance.below(16) {
        0..=4 => write(database, 1 + chance.below(30), 1500, chance)?,
        5 => write(database, 200, 5000, chance)?,
        6 | 7 => {
            database.execute_batch("BEGIN IMMEDIATE")?;
            let (of, rest) = (2 + chance.below(4), chance.below(2));
            database.execute_batch(&format!("DELETE FROM log WHERE id % {of} = {rest}"))?;
            finish(database)?;
        }
        8 => {
            database.execute_batch(
                "BEGIN IMMEDIATE; UPDATE log SET body = randomblob(2000), mark = 0; ROLLBACK",
            )?;
        }
        9 => {
            database.execute_batch("BEGIN IMMEDIATE; UPDATE log SET body = randomblob(50 + id % 900), mark = 0 WHERE id % 3 = 0")?;
            finish(database)?;
        }
        10 | 11 => {
            let kind = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][chance.below(4)];
            database.execute_batch(&format!("PRAGMA wal_checkpoint({kind})"))?;
        }
        12 => database.execute_batch("VACUUM")?,
        13 => {
            let mode = ["wal", "delete", "truncate", "persist"][chance.below(4)];
            database.execute_batch(&format!("PRAGMA journal_mode = {mode}"))?;
        }
        14 => {
            let page_size = 512 << chance.below(8);
            database.execute_batch(&format!(
                "PRAGMA journal_mode = delete; PRAGMA page_size = {page_size}; VACUUM"
            ))?;
        }
        _ => {
            // By the book: nothing may stand beside a database that another takes the place of.
            let mode: String =
                database.query_row("PRAGMA journal_mode = delete", [], |row| row.get(0))?;
            let new = path.with_extension("new");
            let _ = fs::remove_file(&new);
            if mode == "delete" {
                database.execute("VACUUM INTO ?1", [new.to_str().unwrap()])?;
                fs::rename(&new, path).unwrap();
                return Ok(false);
            }
        }
    }
    Ok(true)
}
