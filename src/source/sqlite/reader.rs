//! The parent's side: starts the child that reads a database, and gives on what comes through its
//! pipe.

use super::identity::DatabaseFile;
use super::protocol::{Frame, Hold, Proof, Remote, read_frame};
use super::request::{VERB, Verify};
use super::spool::{Intake, Spool, SpoolLimits, Taken};
use crate::env::{KeepOutput, Running};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::DatabaseFacts;
use crate::format::directory::Scrutiny;
use crate::limits::{
    SPOOL_FILE, SPOOL_MEMORY, SPOOL_PATIENCE, SQLITE_BUSY_WAIT, SQLITE_FRAME_MAX,
    SQLITE_ROLLBACK_LARGE,
};
use crate::source::{ByteStream, FileProof, Got};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of what a child complains of that are kept.
const SAID_KEPT: usize = 4 << 10;

/// What is told of a database that is no longer there when it was read.
const REPLACED: &str = "another file took its name while it was read";

/// How databases are captured.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqliteOptions {
    /// How much each is checked.
    pub verify: Verify,
    /// Whether the rows of each table are counted.
    pub row_counts: bool,
    /// Whether databases on shared file systems are read, too.
    pub force: bool,
}

impl SqliteOptions {
    /// How deeply a capture looks that finds nothing wrong.
    fn scrutiny(&self) -> Scrutiny {
        match self.verify {
            Verify::Full => Scrutiny::Full,
            Verify::Quick => Scrutiny::Quick,
            Verify::No if self.row_counts => Scrutiny::Rows,
            Verify::No => Scrutiny::Open,
        }
    }
}

/// The outcome of opening a database.
pub enum Opened {
    /// It is read.
    Pages(Box<dyn ByteStream>),
    /// SQLite refuses it for what is in it, and this is why: no read of it will ever succeed.
    Refused(String),
}

/// Opens databases, each in a child process of its own.
#[derive(Clone, Debug)]
pub struct SqliteReader {
    program: PathBuf,
    options: SqliteOptions,
    spool: SpoolLimits,
    busy_wait: Duration,
    rollback_large: u64,
    backup_api: bool,
}

impl SqliteReader {
    /// A reader whose children run `program`, an icecore.
    pub fn new(program: PathBuf, options: SqliteOptions) -> Self {
        let spool = SpoolLimits {
            memory: SPOOL_MEMORY,
            file: SPOOL_FILE,
            patience: SPOOL_PATIENCE,
            folder: std::env::temp_dir(),
        };
        SqliteReader {
            program,
            options,
            spool,
            busy_wait: SQLITE_BUSY_WAIT,
            rollback_large: SQLITE_ROLLBACK_LARGE,
            backup_api: false,
        }
    }

    /// A reader whose children run this very program, even after it was replaced on disk.
    ///
    /// # Errors
    /// If the operating system does not tell which program this is.
    pub fn of_this_program(options: SqliteOptions) -> Result<Self> {
        Ok(SqliteReader::new(crate::env::this_program()?, options))
    }

    /// The same with other bounds for what waits between child and repository.
    pub fn with_spool(mut self, spool: SpoolLimits) -> Self {
        self.spool = spool;
        self
    }

    /// The same, but a busy database is waited for so long.
    pub fn with_busy_wait(mut self, wait: Duration) -> Self {
        self.busy_wait = wait;
        self
    }

    /// The same, but databases in rollback mode are remarked on from so many bytes on.
    pub fn with_rollback_large(mut self, bytes: u64) -> Self {
        self.rollback_large = bytes;
        self
    }

    /// The same, reading through SQLite's backup interface as builds without `sqlite_dbpage` do.
    pub fn with_backup_api(mut self) -> Self {
        self.backup_api = true;
        self
    }

    /// The bounds in force.
    pub fn spool(&self) -> &SpoolLimits {
        &self.spool
    }

    /// Begins to read the database that stands at `path` now.
    ///
    /// # Errors
    /// Those of [`SqliteReader::read`], and `InvalidInput` for what SQLite refuses.
    pub fn open(&self, path: &Path) -> Result<Box<dyn ByteStream>> {
        let end = Instant::now() + self.busy_wait;
        loop {
            match self.read(&DatabaseFile::at(path)?) {
                Ok(Opened::Pages(pages)) => return Ok(pages),
                Ok(Opened::Refused(finding)) => {
                    return Err(Error::new(Kind::InvalidInput, "capture", path.display())
                        .because(finding)
                        .hint("back up the folder that it lies in: that stores it as a file"));
                }
                // Another file took its place: then that one is meant.
                Err(error) if error.kind() == Kind::SourceChanged && Instant::now() < end => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins to read the database `file`, as it is now.
    ///
    /// # Errors
    /// `Locked` for an exclusive lock, `Denied` for missing rights, `Refused` for shared file
    /// systems, `Unsupported` for too old an SQLite, `SourceChanged` if another file stands in its
    /// place.
    pub fn read(&self, file: &DatabaseFile) -> Result<Opened> {
        let path = file.path.as_path();
        let mut child = self.spawn(file)?;
        let mut pipe = child.output()?;
        // Larger steps for both sides; without the right to it the pipe stays small.
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, SQLITE_FRAME_MAX);
        let hold = match read_frame(&mut pipe) {
            Ok(Frame::Begin(begin)) => begin.hold,
            Ok(Frame::Refused(finding)) => {
                // It has nothing left to do.
                child.wait()?;
                return Ok(Opened::Refused(finding));
            }
            Ok(Frame::Failure(remote)) => return Err(remote_error(path, remote)),
            Ok(Frame::Nothing) => return Err(death(path, child)),
            Ok(_) => return Err(broken(path, "it does not begin at the beginning")),
            Err(error) => return Err(error.within("capture", path.display())),
        };
        let pages = Pages { pipe, left: 0, bytes: 0 };
        let spool = Arc::new(Spool::new(pages, self.limits_for(hold)));
        let stand_in = {
            let spool = spool.clone();
            std::thread::Builder::new()
                .name("sqlite spool".to_owned())
                .spawn(move || spool.stand_in(SQLITE_FRAME_MAX))
                .attempt("start a thread for", path.display())?
        };
        let path = path.to_owned();
        let remarked = (hold == Hold::Writers).then_some(self.rollback_large);
        Ok(Opened::Pages(Box::new(Reading {
            path,
            child: Some(child),
            spool,
            stand_in: Some(stand_in),
            may_be_pinned: hold != Hold::Writers && !self.options.force,
            is_pinned: false,
            remarked,
            scrutiny: self.options.scrutiny(),
            proof: None,
        })))
    }

    fn spawn(&self, file: &DatabaseFile) -> Result<Running> {
        let path = std::path::absolute(&file.path).attempt("find", file.path.display())?;
        let mut command = crate::env::command(&self.program);
        command.arg(VERB).arg(&path).arg("--file").arg(file.argument());
        command.arg("--scratch").arg(&self.spool.folder);
        command.arg("--busy-wait").arg(self.busy_wait.as_millis().to_string());
        match self.options.verify {
            Verify::No => {}
            Verify::Quick => drop(command.args(["--verify", "quick"])),
            Verify::Full => drop(command.args(["--verify", "full"])),
        }
        let switches = [
            (self.options.row_counts, "--row-counts"),
            (self.options.force, "--force"),
            (self.backup_api, "--backup-api"),
        ];
        command.args(switches.iter().filter(|(on, _)| *on).map(|(_, name)| name));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let what = format!("a process to read {}", path.display());
        Running::start(&mut command, &what, KeepOutput::Last(SAID_KEPT))
    }

    /// A read that blocks writers spools at once; one that blocks nobody never needs to.
    fn limits_for(&self, hold: Hold) -> SpoolLimits {
        let patience = match hold {
            Hold::Nobody => Duration::MAX,
            Hold::Checkpoints => self.spool.patience,
            Hold::Writers => Duration::ZERO,
        };
        SpoolLimits { patience, ..self.spool.clone() }
    }
}

/// How the frames of a child ended.
enum End {
    Proof(Box<Proof>),
    Failure(Remote),
    /// Without a word.
    Cut,
    /// Not understood.
    Garbled(Error),
}

/// The pages that a child sends.
struct Pages {
    pipe: ChildStdout,
    /// Bytes left of the present frame.
    left: usize,
    /// Bytes that came in all.
    bytes: u64,
}

impl Intake for Pages {
    type Outcome = End;

    fn read(&mut self, to: &mut [u8]) -> Taken<End> {
        while self.left == 0 {
            match read_frame(&mut self.pipe) {
                Ok(Frame::Data(length)) => self.left = length,
                other => return Taken::End(self.end(other)),
            }
        }
        let length = self.left.min(to.len());
        loop {
            match self.pipe.read(to.get_mut(..length).unwrap_or_default()) {
                Ok(0) => return Taken::End(End::Cut),
                Ok(got) => {
                    self.left -= got;
                    self.bytes += u64::try_from(got).unwrap_or(u64::MAX);
                    return Taken::Bytes(got);
                }
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => {
                    let error = Error::new(Kind::Failed, "read", "the pipe").caused_by(cause);
                    return Taken::End(End::Garbled(error));
                }
            }
        }
    }
}

impl Pages {
    fn end(&self, frame: Result<Frame>) -> End {
        match frame {
            Ok(Frame::Proof(proof)) if proof.bytes == self.bytes => End::Proof(proof),
            Ok(Frame::Failure(remote)) => End::Failure(remote),
            Ok(Frame::Nothing) => End::Cut,
            Ok(_) => End::Garbled(Error::damaged(
                "understand",
                "the reading process",
                "its frames do not add up",
            )),
            Err(error) => End::Garbled(error),
        }
    }
}

/// A database that is being read.
struct Reading {
    path: PathBuf,
    /// Until its end was seen.
    child: Option<Running>,
    spool: Arc<Spool<Pages>>,
    stand_in: Option<JoinHandle<()>>,
    may_be_pinned: bool,
    is_pinned: bool,
    /// From how many bytes on it is worth a remark that its writers had to wait.
    remarked: Option<u64>,
    scrutiny: Scrutiny,
    proof: Option<Box<Proof>>,
}

impl ByteStream for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        if self.proof.is_some() {
            return Ok(Got::End);
        }
        let taken = self.spool.take(buffer);
        let end = match taken.map_err(|error| error.within("capture", self.path.display()))? {
            Taken::Bytes(got) => return Ok(Got::Data(got)),
            Taken::End(end) => end,
        };
        // From here on the spool must not be waited for again.
        self.spool.abandon();
        match end {
            End::Proof(proof) => {
                self.proof = Some(proof);
                Ok(Got::End)
            }
            End::Failure(remote) => Err(remote_error(&self.path, remote)),
            End::Cut => Err(match self.child.take() {
                Some(child) => death(&self.path, child),
                None => broken(&self.path, "it was read past its end"),
            }),
            End::Garbled(error) => Err(error.within("capture", self.path.display())),
        }
    }

    /// Its state is that of the transaction. In rollback mode every writer would wait for the end of that; on a
    /// shared file system some would not see it.
    fn pin(&mut self) -> bool {
        self.is_pinned = self.may_be_pinned;
        self.is_pinned
    }

    fn finish(mut self: Box<Self>) -> Result<FileProof> {
        let (Some(proof), Some(child)) = (self.proof.take(), self.child.take()) else {
            return Err(broken(&self.path, "it was not read to its end"));
        };
        let ended = child.wait()?;
        if !ended.status.success() {
            return Err(broken(&self.path, &format!("the process that read it: {ended}")));
        }
        // A pinned database may be replaced before it is read: its content is fixed.
        let replaced = proof.is_replaced && !self.is_pinned;
        let large = self.remarked.is_some_and(|bytes| proof.bytes >= bytes);
        Ok(FileProof {
            warning: large.then(|| writers_waited(&self.path)),
            changed: replaced.then(|| REPLACED.to_owned()).or(proof.changed),
            database: Some(DatabaseFacts::Sqlite(Box::new(proof.facts))),
            taint: proof.taint,
            scrutiny: Some(self.scrutiny),
            ..FileProof::default()
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.spool.abandon();
        drop(self.child.take());
        if let Some(stand_in) = self.stand_in.take() {
            // It cannot wait any longer; a panic in it was reported where it happened.
            let _ = stand_in.join();
        }
    }
}

/// The error for a child that ended without a word.
fn death(path: &Path, child: Running) -> Error {
    match child.wait() {
        Ok(ended) => broken(path, &format!("the process that read it ended early: {ended}")),
        Err(error) => error.within("capture", path.display()),
    }
}

fn writers_waited(path: &Path) -> String {
    format!(
        "writers of {} had to wait while it was read; in WAL mode (PRAGMA journal_mode=WAL) they go on",
        path.display()
    )
}

fn broken(path: &Path, reason: &str) -> Error {
    Error::new(Kind::Failed, "capture", path.display()).because(reason)
}

fn remote_error(path: &Path, remote: Remote) -> Error {
    let error = Error::new(remote.kind, "capture", path.display()).because(remote.reason);
    match remote.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
