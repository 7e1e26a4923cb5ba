//! A SQLite application database that lives hour by hour: users, assets with two secondary
//! indexes, an audit log and blobs.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};

use crate::random::{Random, Words, hex_of};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SEED: u64 = 7;
const START: f64 = 1.7e9;
const STATES: [&str; 4] = ["in use", "spare", "lost", "retired"];
const SCHEMA: &str = "
create table users(id integer primary key, email text unique, name text, created real);
create table assets(id integer primary key, tag text, owner int, model text, serial text,
  state text, notes text, price real, updated real);
create index assets_owner on assets(owner);
create index assets_serial on assets(serial);
create table audit(id integer primary key, at real, actor int, action text, before text, after text);
create index audit_at on audit(at);
create table blobs(id integer primary key, body blob);";

/// Random numbers and words for one step of the series.
struct Maker {
    random: Random,
    words: Words,
}

impl Maker {
    fn new(step: u64) -> Self {
        Self { random: Random::new(SEED, step), words: Words::new() }
    }

    fn text(&mut self, low: u64, high: u64) -> String {
        let count = self.random.between(low, high);
        self.words.text(&mut self.random, count)
    }

    fn note(&mut self, state: &str) -> String {
        format!(r#"{{"state": "{state}", "note": "{}"}}"#, self.text(4, 4))
    }

    fn blob(&mut self) -> Vec<u8> {
        let length = self.random.between(2_000, 60_000);
        self.random.bytes(length as usize)
    }

    /// An asset: evenly from all, or from the few that change all the time.
    fn asset(&mut self, assets: u64, hot: bool) -> u64 {
        let evenly = self.random.below(assets);
        if hot { ((self.random.pareto(0.6) * 50.0) as u64).min(assets - 1) } else { evenly }
    }
}

/// Creates the database; scale 1.0 is about 500 MB.
pub fn start(db: &Path, scale: f64) -> Outcome<()> {
    let sized = |count: f64| (count * scale) as u64;
    let (users, assets) = (sized(50_000.0), sized(800_000.0));
    let mut maker = Maker::new(0);
    let mut connection = open(db)?;
    let work = connection.transaction()?;
    work.execute_batch(SCHEMA)?;
    insert_users(&work, &mut maker, users)?;
    insert_assets(&work, &mut maker, assets, users)?;
    let actions = ["update", "login", "create"];
    for i in 0..sized(1_200_000.0) {
        let action = maker.random.pick(&actions);
        insert_audit(&work, &mut maker, i, START + i as f64, users, action)?;
    }
    for i in 0..sized(3_000.0) {
        insert_blob(&work, &mut maker, i)?;
    }
    work.commit()?;
    close(connection)
}

/// One hour: 2,000 assets updated, half of them hot, 2,000 audit rows, 20 blobs, 100 deletes; of a
/// smaller scale as much less.
pub fn hour(db: &Path, hour: u64, scale: f64) -> Outcome<()> {
    let until = |hour: u64, count: f64| (count * scale * hour as f64) as u64;
    let sized = |count: f64| until(hour, count) - until(hour.saturating_sub(1), count);
    let mut maker = Maker::new(hour);
    let mut connection = open(db)?;
    let work = connection.transaction()?;
    let (users, assets) = (next_id(&work, "users")?, next_id(&work, "assets")?);
    let (audits, blobs) = (next_id(&work, "audit")?, next_id(&work, "blobs")?);
    let now = START + 1_200_000.0 + 3_600.0 * hour as f64;
    for i in 0..sized(2_000.0) {
        let asset = maker.asset(assets, i % 2 == 1);
        update_asset(&work, &mut maker, asset, now + i as f64)?;
        insert_audit(&work, &mut maker, audits + i, now + i as f64, users, "update")?;
    }
    for i in 0..sized(20.0) {
        insert_blob(&work, &mut maker, blobs + i)?;
    }
    for _ in 0..sized(100.0) {
        let asset = maker.asset(assets, false);
        work.execute("delete from assets where id=?", [asset as i64])?;
    }
    work.commit()?;
    close(connection)
}

/// Moves almost every row to another page.
pub fn vacuum(db: &Path) -> Outcome<()> {
    let connection = open(db)?;
    connection.execute_batch("vacuum")?;
    close(connection)
}

/// Every state from 0 to `hours`, each copied into its own folder.
pub fn series(out: &Path, hours: u64, scale: f64, vacuum_last: bool) -> Outcome<()> {
    std::fs::create_dir_all(out)?;
    let live = out.join("live.db");
    let keep = |number: u64| -> Outcome<()> {
        let folder = out.join(format!("d{number}"));
        std::fs::create_dir(&folder)?;
        std::fs::copy(&live, folder.join("live.db"))?;
        Ok(())
    };
    start(&live, scale)?;
    keep(0)?;
    for number in 1..=hours {
        hour(&live, number, 1.0)?;
        if vacuum_last && number == hours {
            vacuum(&live)?;
        }
        keep(number)?;
    }
    std::fs::remove_file(&live)?;
    Ok(())
}

/// Commits small transactions until the time is over; returns how many.
pub fn live_writer(db: &Path, seconds: u64) -> Outcome<u64> {
    let mut connection = open(db)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    let mut maker = Maker::new(u64::MAX);
    let (start, mut commits) = (Instant::now(), 0_u64);
    while start.elapsed() < Duration::from_secs(seconds) {
        let work = connection.transaction()?;
        let (users, assets) = (next_id(&work, "users")?, next_id(&work, "assets")?);
        let (audits, now) = (next_id(&work, "audit")?, START + commits as f64);
        let asset = maker.asset(assets, commits % 2 == 1);
        update_asset(&work, &mut maker, asset, now)?;
        insert_audit(&work, &mut maker, audits, now, users, "update")?;
        work.commit()?;
        commits += 1;
    }
    Ok(commits)
}

fn open(db: &Path) -> Outcome<Connection> {
    let connection = Connection::open(db)?;
    connection.execute_batch("pragma journal_mode=wal; pragma synchronous=off;")?;
    Ok(connection)
}

fn close(connection: Connection) -> Outcome<()> {
    connection.execute_batch("pragma wal_checkpoint(truncate)")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn next_id(work: &Transaction, table: &str) -> Outcome<u64> {
    let last: i64 =
        work.query_row(&format!("select max(id) from {table}"), [], |row| row.get(0))?;
    Ok(last as u64 + 1)
}

fn insert_users(work: &Transaction, maker: &mut Maker, users: u64) -> Outcome<()> {
    let mut insert = work.prepare("insert into users values(?,?,?,?)")?;
    for i in 0..users {
        let email = format!("u{i}@{}.example", maker.text(1, 1));
        insert.execute(params![i as i64, email, maker.text(2, 2), START + i as f64])?;
    }
    Ok(())
}

fn insert_assets(work: &Transaction, maker: &mut Maker, assets: u64, users: u64) -> Outcome<()> {
    let mut insert = work.prepare("insert into assets values(?,?,?,?,?,?,?,?,?)")?;
    for i in 0..assets {
        insert.execute(params![
            i as i64,
            format!("T{i:08}"),
            maker.random.below(users) as i64,
            maker.text(3, 3),
            hex_of(i, 40),
            maker.random.pick(&STATES),
            maker.text(2, 20),
            maker.random.unit() * 1000.0,
            START + i as f64
        ])?;
    }
    Ok(())
}

fn update_asset(work: &Transaction, maker: &mut Maker, id: u64, now: f64) -> Outcome<()> {
    work.prepare_cached("update assets set state=?,notes=?,updated=? where id=?")?
        .execute(params![maker.random.pick(&STATES), maker.text(2, 20), now, id as i64])?;
    Ok(())
}

fn insert_audit(
    work: &Transaction,
    maker: &mut Maker,
    id: u64,
    now: f64,
    users: u64,
    action: &str,
) -> Outcome<()> {
    let actor = maker.random.below(users);
    work.prepare_cached("insert into audit values(?,?,?,?,?,?)")?.execute(params![
        id as i64,
        now,
        actor as i64,
        action,
        maker.note("spare"),
        maker.note("in use")
    ])?;
    Ok(())
}

fn insert_blob(work: &Transaction, maker: &mut Maker, id: u64) -> Outcome<()> {
    work.prepare_cached("insert into blobs values(?,?)")?
        .execute(params![id as i64, maker.blob()])?;
    Ok(())
}
