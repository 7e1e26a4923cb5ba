//! One database as `pg_dump` writes it.

use super::session::Held;
use crate::env::{Running, is_readable};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::{DatabaseFacts, PostgresFacts};
use crate::postgres::{Settings, Tools, tools};
use crate::source::{ByteStream, FileProof, Got};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::ChildStdout;
use std::time::Duration;

/// The form of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DumpFormat {
    /// For `pg_restore`, which can take single objects out of it and work in parallel; not
    /// compressed, since that is done better here.
    #[default]
    Custom,
    /// SQL.
    Plain,
}

impl DumpFormat {
    /// What `pg_dump` calls it, and facts do.
    pub fn name(self) -> &'static str {
        match self {
            DumpFormat::Custom => "custom",
            DumpFormat::Plain => "plain",
        }
    }

    /// How the names of such dumps end.
    pub fn suffix(self) -> &'static str {
        match self {
            DumpFormat::Custom => ".dump",
            DumpFormat::Plain => ".sql",
        }
    }
}

/// A dump that is to be made.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) tools: Tools,
    pub(super) format: DumpFormat,
    pub(super) selection: Vec<String>,
    pub(super) row_counts: bool,
    pub(super) without_snapshot: bool,
}

impl Job {
    /// Starts the dump.
    pub(super) fn open(self) -> Result<Box<dyn ByteStream>> {
        let what = format!("database {:?}", self.name);
        let dump = self.start();
        dump.map(|dump| Box::new(dump) as _).map_err(|error| error.within("dump", what))
    }

    fn start(self) -> Result<Dump> {
        let (held, lent) = Held::start(&self.settings, self.row_counts, !self.without_snapshot)?;
        let mut command = self.tools.connecting("pg_dump", &lent.settings)?;
        command.arg(format!("--format={}", self.format.name()));
        if self.format == DumpFormat::Custom {
            command.arg("--compress=0");
        }
        command.args(&self.selection);
        command.args(lent.snapshot.map(|id| format!("--snapshot={id}")));
        let mut running = tools::start(&mut command)?;
        let output = running.output()?;
        Ok(Dump { job: self, held, running, output, ends: Ends::default() })
    }
}

/// A dump on its way.
struct Dump {
    job: Job,
    output: ChildStdout,
    running: Running,
    held: Held,
    ends: Ends,
}

impl ByteStream for Dump {
    fn is_ready(&self, most: Duration) -> bool {
        is_readable(&self.output, most)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        loop {
            match self.output.read(buffer) {
                Ok(0) => return Ok(Got::End),
                Ok(length) => {
                    self.ends.see(buffer.get(..length).unwrap_or_default());
                    return Ok(Got::Data(length));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                error => return error.map(Got::Data).attempt("read the output of", "pg_dump"),
            }
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        let what = format!("database {:?}", self.job.name);
        self.conclude().map_err(|error| error.within("dump", what))
    }
}

impl Dump {
    /// Whether the program is content, the dump whole, and what the session beside it knows.
    fn conclude(self) -> Result<FileProof> {
        let Dump { job, output, running, held, ends } = self;
        drop(output);
        let (ended, described) = (tools::finish(running), held.finish());
        let (mut warnings, facts) = match (ended, described) {
            // Whose transaction failed had no snapshot to lend any more: that is the reason.
            (Err(error), Err(reason)) if error.to_string().contains("snapshot") => {
                return Err(reason);
            }
            (ended, described) => (ended?, described?),
        };
        ends.check(&job, &facts)?;
        if job.row_counts && facts.tables.is_none() {
            warnings.push("too many tables for their rows to be recorded".to_owned());
        }
        let name = &job.name;
        let warning = (!warnings.is_empty())
            .then(|| format!("dump of database {name:?}: {}", warnings.join(" / ")));
        let facts = PostgresFacts {
            pg_dump: job.tools.version(),
            format: job.format.name().to_owned(),
            selection: job.selection,
            ..facts
        };
        let database = Some(DatabaseFacts::Postgres(Box::new(facts)));
        Ok(FileProof { database, warning, ..FileProof::default() })
    }
}

/// The first and the last bytes of a stream.
#[derive(Default)]
struct Ends {
    first: Vec<u8>,
    last: VecDeque<u8>,
}

/// Enough for the last words of a plain dump, and the line with a random key after them.
const LAST: usize = 512;
/// How a custom dump begins.
const MAGIC: &[u8] = b"PGDMP";
/// How its last piece of data ends: a length of zero, after its sign.
const NO_MORE: [u8; 5] = [0; 5];

impl Ends {
    fn see(&mut self, bytes: &[u8]) {
        let missing = MAGIC.len().saturating_sub(self.first.len());
        self.first.extend(bytes.iter().take(missing));
        self.last.extend(bytes.get(bytes.len().saturating_sub(LAST)..).unwrap_or_default());
        self.last.drain(..self.last.len().saturating_sub(LAST));
    }

    /// Finds a dump cut short by something between, which took its exit status for it.
    fn check(mut self, job: &Job, facts: &PostgresFacts) -> Result<()> {
        let last: &[u8] = self.last.make_contiguous();
        let says = |text: &[u8]| last.windows(text.len()).any(|window| window == text);
        let has_data = facts.objects.contains_key("table") && job.selection.is_empty();
        let whole = match job.format {
            DumpFormat::Plain => says(b"-- PostgreSQL database dump complete"),
            DumpFormat::Custom => self.first == MAGIC && (!has_data || last.ends_with(&NO_MORE)),
        };
        if whole {
            return Ok(());
        }
        Err(Error::new(Kind::SourceChanged, "take", "the output of pg_dump")
            .because("it does not end as a dump does"))
    }
}
