//! A transaction that is held open beside a dump: it lends the dump its snapshot, and describes
//! the database as the dump finds it.

use super::facts;
use crate::error::{Error, Kind, Result};
use crate::format::database::PostgresFacts;
use crate::postgres::{Client, Settings};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// What a dump has to know before it starts.
pub(super) struct Lent {
    /// The id of the snapshot, if there is one to lend.
    pub(super) snapshot: Option<String>,
    /// The settings that lead to the very same server.
    pub(super) settings: Settings,
}

/// A session at work on a thread of its own.
pub(super) struct Held {
    /// Dropped to let the transaction go.
    hold: Sender<()>,
    thread: JoinHandle<Result<PostgresFacts>>,
}

impl Held {
    /// Opens the transaction and begins to gather facts.
    pub(super) fn start(settings: &Settings, row_counts: bool, lend: bool) -> Result<(Held, Lent)> {
        let settings = settings.clone();
        let (hold, held) = channel();
        let (lent, take) = channel();
        let thread =
            std::thread::spawn(move || hold_open(&settings, row_counts, lend, &lent, &held));
        match take.recv() {
            Ok(lent) => Ok((Held { hold, thread }, lent)),
            // It ended before it had anything to lend.
            Err(_) => match join(thread) {
                Err(error) => Err(error),
                Ok(_) => Err(Error::new(Kind::Failed, "open", "a PostgreSQL session")),
            },
        }
    }

    /// The dump is over: the transaction ends once the facts are known.
    pub(super) fn finish(self) -> Result<PostgresFacts> {
        drop(self.hold);
        join(self.thread)
    }
}

fn join(thread: JoinHandle<Result<PostgresFacts>>) -> Result<PostgresFacts> {
    thread.join().unwrap_or_else(|_| {
        Err(Error::new(Kind::Failed, "describe", "a PostgreSQL database")
            .because("its session panicked"))
    })
}

fn hold_open(
    settings: &Settings,
    row_counts: bool,
    lend: bool,
    lent: &Sender<Lent>,
    held: &Receiver<()>,
) -> Result<PostgresFacts> {
    let mut client = Client::connect(settings)?;
    let moment = Moment::begin(&mut client, lend)?;
    let settings = client.settings().clone();
    let exact = moment.snapshot.is_some();
    if lent.send(Lent { snapshot: moment.snapshot, settings }).is_err() {
        return Ok(PostgresFacts::default());
    }
    let described = facts::describe(&mut client, row_counts);
    // Nothing is ever sent: this waits for the other end to be dropped.
    let _ = held.recv();
    let facts = described?;
    client.execute("COMMIT")?;
    Ok(PostgresFacts { exact, lsn: moment.lsn, ..facts })
}

/// Where a transaction stands.
struct Moment {
    snapshot: Option<String>,
    lsn: Option<String>,
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const LSN: &str = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                   ELSE pg_current_wal_insert_lsn() END";

impl Moment {
    /// Begins the transaction. What a server does not tell, as some managed ones do not, is done
    /// without.
    fn begin(client: &mut Client, lend: bool) -> Result<Self> {
        let snapshot = if lend { "pg_export_snapshot()" } else { "NULL" };
        for lsn in [LSN, "NULL"] {
            client.execute(BEGIN)?;
            match client.query(&format!("SELECT {snapshot}, {lsn}")) {
                Ok(rows) => {
                    let text = |column| rows.first()?.get(column).map(str::to_owned);
                    return Ok(Moment { snapshot: text(0), lsn: text(1) });
                }
                Err(_) => client.execute("ROLLBACK")?,
            }
        }
        client.execute(BEGIN)?;
        Ok(Moment { snapshot: None, lsn: None })
    }
}
