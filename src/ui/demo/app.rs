//! A small application: an SQLite database that is written all the time, and a folder of uploads.

use crate::error::{Attempt, Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rows of the database when it is new.
const ITEMS: u64 = 150_000;
/// Uploads when it is new.
const UPLOADS: u64 = 40;
/// What changes in an hour, besides what the live writer does.
const HOURLY: u64 = 300;

/// The application, its writer at work.
pub(super) struct SampleApp {
    folder: PathBuf,
    random: Random,
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    writer: Option<JoinHandle<Result<()>>>,
}

/// Turns an SQLite error into ours.
pub(super) trait Sql<T> {
    fn sql(self, attempted: &str) -> Result<T>;
}

impl<T> Sql<T> for rusqlite::Result<T> {
    fn sql(self, attempted: &str) -> Result<T> {
        self.map_err(|cause| {
            Error::new(Kind::Failed, attempted, "the demo database").caused_by(cause)
        })
    }
}

impl SampleApp {
    /// Makes the database and the uploads, and starts to write.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let uploads = folder.join("uploads");
        std::fs::create_dir_all(&uploads).attempt("make", uploads.display())?;
        let mut random = Random(0x1ce_c0de);
        fill(&mut open(folder)?, &mut random)?;
        let stop = Arc::new(AtomicBool::new(false));
        let commits = Arc::new(AtomicU64::new(0));
        let writer = std::thread::spawn({
            let (folder, stop, commits) = (folder.to_owned(), stop.clone(), commits.clone());
            move || write_on(&folder, &stop, &commits)
        });
        let folder = folder.to_owned();
        let mut app = SampleApp { folder, random, stop, commits, writer: Some(writer) };
        for _ in 0..UPLOADS {
            app.upload()?;
        }
        Ok(app)
    }

    /// An hour's work: rows changed and added, a few uploads. Returns the rows.
    pub(super) fn work_an_hour(&mut self) -> Result<u64> {
        let mut connection = open(&self.folder)?;
        let transaction = begin(&mut connection)?;
        for _ in 0..HOURLY {
            let id = self.random.below(ITEMS);
            update(&transaction, id, &mut self.random)?;
            insert(&transaction, &mut self.random)?;
        }
        transaction.commit().sql("commit to")?;
        for _ in 0..3 {
            self.upload()?;
        }
        Ok(2 * HOURLY)
    }

    /// Transactions that the live writer has committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Stops the writer; its error, if it had one.
    pub(super) fn stop(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Error::new(Kind::Failed, "run", "the demo's writer")),
            None => Ok(()),
        }
    }

    fn upload(&mut self) -> Result<()> {
        let number = self.random.next();
        let path = self.folder.join("uploads").join(format!("{number:016x}.jpg"));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&number.to_le_bytes());
        let length = 20_000 + usize::try_from(self.random.below(60_000)).unwrap_or(0);
        let mut bytes = vec![0; length];
        hasher.finalize_xof().fill(&mut bytes);
        std::fs::write(&path, bytes).attempt("write", path.display())
    }
}

impl Drop for SampleApp {
    fn drop(&mut self) {
        // The demo has failed already if there is still a writer to stop.
        drop(self.join());
    }
}

/// The database's name within the application's folder.
pub(super) const DATABASE: &str = "app.db";

fn open(folder: &Path) -> Result<Connection> {
    let connection = Connection::open(folder.join(DATABASE)).sql("open")?;
    connection.busy_timeout(Duration::from_secs(30)).sql("open")?;
    connection.pragma_update(None, "journal_mode", "wal").sql("open")?;
    connection.pragma_update(None, "synchronous", "normal").sql("open")?;
    Ok(connection)
}

fn begin(connection: &mut Connection) -> Result<rusqlite::Transaction<'_>> {
    let immediate = rusqlite::TransactionBehavior::Immediate;
    connection.transaction_with_behavior(immediate).sql("begin a transaction in")
}

fn fill(connection: &mut Connection, random: &mut Random) -> Result<()> {
    connection
        .execute_batch(
            "create table items(id integer primary key, tag text, owner int, notes text, price int);
             create index items_owner on items(owner);
             create table state(id integer primary key check (id = 0), digest int);
             insert into state values(0, 0);",
        )
        .sql("make")?;
    let transaction = begin(connection)?;
    for _ in 0..ITEMS {
        insert(&transaction, random)?;
    }
    transaction.commit().sql("commit to")
}

/// Writes small transactions until told to stop.
fn write_on(folder: &Path, stop: &AtomicBool, commits: &AtomicU64) -> Result<()> {
    let mut connection = open(folder)?;
    let mut random = Random(7);
    while !stop.load(Ordering::SeqCst) {
        let transaction = begin(&mut connection)?;
        let id = random.below(200);
        update(&transaction, id, &mut random)?;
        transaction.commit().sql("commit to")?;
        commits.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Every change keeps `state.digest`, the exclusive or of the digests of all rows, in the same
/// transaction: whatever moment is captured, the rows must agree with it.
fn update(transaction: &Connection, id: u64, random: &mut Random) -> Result<()> {
    let before = row_digest(transaction, id)?;
    transaction
        .prepare_cached("update items set notes = ?, price = ? where id = ?")
        .and_then(|mut update| update.execute(params![random.text(), random.small(), as_sql(id)]))
        .sql("update")?;
    change_digest(transaction, before ^ row_digest(transaction, id)?)
}

fn insert(transaction: &Connection, random: &mut Random) -> Result<()> {
    let tag = format!("T{:08}", random.below(100_000_000));
    let owner = as_sql(random.below(5_000));
    transaction
        .prepare_cached("insert into items(tag, owner, notes, price) values(?, ?, ?, ?)")
        .and_then(|mut insert| insert.execute(params![tag, owner, random.text(), random.small()]))
        .sql("insert into")?;
    let id = u64::try_from(transaction.last_insert_rowid()).unwrap_or(0);
    change_digest(transaction, row_digest(transaction, id)?)
}

fn change_digest(transaction: &Connection, change: i64) -> Result<()> {
    transaction
        .prepare_cached("update state set digest = (digest | ?1) - (digest & ?1)")
        .and_then(|mut update| update.execute([change]))
        .sql("update")
        .map(drop)
}

fn row_digest(connection: &Connection, id: u64) -> Result<i64> {
    connection
        .prepare_cached("select id, tag, owner, notes, price from items where id = ?")
        .and_then(|mut select| select.query_row([as_sql(id)], digest_of).optional())
        .sql("read")
        .map(Option::unwrap_or_default)
}

/// 63 bits of the BLAKE3 of a row.
pub(super) fn digest_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<i64> {
    let mut hasher = blake3::Hasher::new();
    for column in 0..5 {
        match row.get_ref(column)? {
            rusqlite::types::ValueRef::Integer(number) => hasher.update(&number.to_le_bytes()),
            rusqlite::types::ValueRef::Text(text) => hasher.update(text),
            _ => hasher.update(b"?"),
        };
        hasher.update(b"|");
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    Ok(i64::from_le_bytes([a, b, c, d, e, f, g, h & 0x7f]))
}

fn as_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A small generator (splitmix64): the demonstration is the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn small(&mut self) -> i64 {
        as_sql(self.below(100_000))
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 16] = [
            "in use", "spare", "lost", "retired", "checked", "by hand", "room", "second", "floor",
            "north", "south", "serial", "unknown", "repaired", "twice", "ordered",
        ];
        let length = 4 + self.below(20);
        let word = |random: &mut Random| {
            let at = usize::try_from(random.below(16)).unwrap_or(0);
            format!("{} {:x}", WORDS.get(at).copied().unwrap_or_default(), random.below(1 << 16))
        };
        (0..length).map(|_| word(self)).collect::<Vec<_>>().join(", ")
    }
}
