//! The history of runs, a SQLite database beside the reports. If it is lost or broken it is rebuilt from the
//! reports, and no run fails because of it.

mod file;
mod row;
mod shared;
mod work;

pub use row::{PastRun, RunFilter};
pub use shared::SharedHistory;
pub use work::Work;

use super::report::{self, Fault, Report, Task};
use crate::env::Time;
use crate::env::state::entries;
use crate::error::{Error, Kind, Result};
use crate::limits::CLOCK_TOLERANCE;
use file::Sql;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Runs that are kept of each job that did the same. The last good one of each kind stays beyond that.
const KEPT: i64 = 20_000;

/// Longest report that is taken in again.
const MAX_BYTES: u64 = 16 << 20;

/// The history of runs on this host.
pub struct History {
    connection: Connection,
    file: PathBuf,
    inode: Option<u64>,
    warnings: Vec<String>,
}

impl History {
    /// That of a state folder. A broken one is put aside, and made anew from the reports.
    ///
    /// # Errors
    /// `Unsupported` if a newer version of this program made it; what the disk says.
    pub fn open(state: &Path) -> Result<Self> {
        let opened = file::open(state)?;
        let warnings = opened.put_aside.as_ref().map(|aside| {
            let aside = aside.display();
            format!("the history of runs was broken: it is now {aside}, and was made anew from the reports")
        });
        let history = History {
            warnings: warnings.into_iter().collect(),
            connection: opened.connection,
            inode: inode(&opened.file),
            file: opened.file,
        };
        if opened.is_new {
            history.fill(&report::folder(state))?;
        }
        Ok(history)
    }

    /// Whether what lies there now is still what was opened: another may have put it aside since.
    pub fn is_in_place(&self) -> bool {
        self.inode.is_some() && inode(&self.file) == self.inode
    }

    /// The state folder that it lies in.
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// What was wrong with it, each in a sentence.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// Remembers a run, whose report is the file of this name in the folder of its job.
    ///
    /// # Errors
    /// I/O errors.
    pub fn record(&self, report: &Report, file: Option<&str>) -> Result<()> {
        let attempted = "write to";
        let transaction = self.begin()?;
        insert(&transaction, report, file)?;
        let tasks = row::names_of(&report.all_tasks());
        // `good` of a group's maximum stands in the row that has it.
        let forget = "DELETE FROM runs WHERE run IN \
                (SELECT run FROM runs WHERE job = ?1 AND tasks = ?2 ORDER BY run DESC LIMIT -1 OFFSET ?3) \
             AND run NOT IN (SELECT run FROM \
                (SELECT run, max(good) FROM works WHERE job = ?1 AND good IS NOT NULL GROUP BY repository, task))";
        transaction.execute(forget, params![report.job, tasks, KEPT]).sql(attempted)?;
        transaction.commit().sql(attempted)
    }

    /// Runs, the newest first.
    ///
    /// # Errors
    /// I/O errors.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<PastRun>> {
        let (query, values) = filter.query();
        let mut statement = self.connection.prepare_cached(&query).sql("read")?;
        let rows =
            statement.query_map(rusqlite::params_from_iter(values), PastRun::of).sql("read")?;
        rows.collect::<rusqlite::Result<_>>().sql("read")
    }

    /// The last run of a job that was asked for this.
    ///
    /// # Errors
    /// I/O errors.
    pub fn last_run(&self, job: &str, task: Task) -> Result<Option<PastRun>> {
        let filter = RunFilter { job: Some(job.to_owned()), task: Some(task), most: 1 };
        Ok(self.runs(&filter)?.pop())
    }

    /// The newest that went well by `now` and is worth something: see [`Work::good`]. What a clock that was ahead
    /// has dated after that does not count.
    ///
    /// # Errors
    /// I/O errors.
    pub fn last_good(
        &self,
        job: &str,
        repository: &str,
        task: Task,
        now: Time,
    ) -> Result<Option<Work>> {
        let query = format!(
            "SELECT {} FROM works WHERE job = ?1 AND repository = ?2 AND task = ?3 AND good <= ?4 \
             ORDER BY good DESC, snapshot_id IS NULL, run DESC LIMIT 1",
            row::WORK
        );
        let latest = now.0.saturating_add(CLOCK_TOLERANCE);
        let mut statement = self.connection.prepare_cached(&query).sql("read")?;
        let values = params![job, repository, task.name(), latest];
        statement.query_row(values, row::work).optional().sql("read")
    }

    /// What was done last, well or not.
    ///
    /// # Errors
    /// I/O errors.
    pub fn last_with_figure(
        &self,
        job: &str,
        repository: &str,
        task: Task,
        figure: &str,
    ) -> Result<Option<Work>> {
        let query = format!(
            "SELECT {} FROM works WHERE job = ?1 AND repository = ?2 AND task = ?3
             AND json_extract(figures, '$.' || ?4) IS NOT NULL ORDER BY run DESC LIMIT 1",
            row::WORK
        );
        let mut statement = self.connection.prepare_cached(&query).sql("read")?;
        let about = params![job, repository, task.name(), figure];
        statement.query_row(about, row::work).optional().sql("read")
    }

    /// What was done in a repository for a job since then, the oldest first.
    ///
    /// # Errors
    /// I/O errors.
    pub fn works(&self, job: &str, repository: &str, since: Time) -> Result<Vec<Work>> {
        let query = format!(
            "SELECT {} FROM works WHERE job = ?1 AND repository = ?2 AND started >= ?3 ORDER BY started, run",
            row::WORK
        );
        let mut statement = self.connection.prepare_cached(&query).sql("read")?;
        let rows = statement.query_map(params![job, repository, since.0], row::work).sql("read")?;
        rows.collect::<rusqlite::Result<_>>().sql("read")
    }

    /// Makes the tables, and fills them from the reports that are there, the oldest first; what is none is
    /// passed over.
    fn fill(&self, folder: &Path) -> Result<()> {
        let transaction = self.begin()?;
        transaction.execute_batch(file::SCHEMA).sql("make the tables of")?;
        transaction.pragma_update(None, "user_version", file::FORMAT_VERSION).sql("write to")?;
        for job in entries(folder) {
            for path in entries(&job) {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                if let Some(report) = read(&path) {
                    insert(&transaction, &report, name.as_deref())?;
                }
            }
        }
        transaction.commit().sql("write to")
    }

    /// Others that write are waited for now, and not when it is too late.
    fn begin(&self) -> Result<Transaction<'_>> {
        let immediate = TransactionBehavior::Immediate;
        Transaction::new_unchecked(&self.connection, immediate).sql("write to")
    }
}

fn insert(transaction: &Transaction<'_>, report: &Report, file: Option<&str>) -> Result<()> {
    let attempted = "write to";
    let started = report.moment().ok_or_else(|| {
        Error::new(Kind::InvalidInput, attempted, "the history of runs")
            .because(format!("{:?} is no time", report.started))
    })?;
    let tasks = report.all_tasks();
    let run = params![
        report.job,
        row::names_of(&tasks),
        started.0,
        report.seconds,
        report.outcome.name(),
        report.reason,
        report.snapshot_id,
        report.repository,
        report.downtime,
        report.fault.map(Fault::name),
        file,
    ];
    let statement = "INSERT OR IGNORE INTO runs (job, tasks, started, seconds, outcome, reason, snapshot_id, \
                     repository, downtime, fault, file) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    if transaction.execute(statement, run).sql(attempted)? == 0 {
        // It was among the reports that were taken in just now.
        return Ok(());
    }
    let run = transaction.last_insert_rowid();
    for task in tasks {
        let statement = "INSERT INTO run_tasks (job, task, run) VALUES (?1, ?2, ?3)";
        transaction.execute(statement, params![report.job, task.name(), run]).sql(attempted)?;
    }
    for work in report.works() {
        let figures = serde_json::Value::Object(work.figures).to_string();
        let values = params![
            report.job,
            work.repository,
            work.task.name(),
            run,
            work.started.0,
            work.seconds,
            work.outcome.name(),
            work.good.map(|good| good.0),
            work.snapshot_id,
            figures,
        ];
        let statement = "INSERT INTO works (job, repository, task, run, started, seconds, outcome, good, \
                         snapshot_id, figures) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        transaction.execute(statement, values).sql(attempted)?;
    }
    Ok(())
}

fn inode(path: &Path) -> Option<u64> {
    Some(fs::metadata(path).ok()?.ino())
}

fn read(path: &Path) -> Option<Report> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok().filter(|report: &Report| report.moment().is_some())
}
