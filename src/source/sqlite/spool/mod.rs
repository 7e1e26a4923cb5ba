//! The buffer between the process that holds a read transaction and the thread that stores its pages. The
//! thread reads straight from that process, until it has been away for too long in all:
//! then a thread reads on in its stead, into memory and an unlinked temporary file, so that no
//! transaction waits for a slow repository.

use crate::error::{Attempt, Error, Kind, Result};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the stand-in sleeps at least while a thread reads.
const STEP: Duration = Duration::from_millis(50);

/// How much a spool takes, and when.
#[derive(Clone, Debug)]
pub struct SpoolLimits {
    /// Bytes in memory.
    pub memory: usize,
    /// Bytes in the temporary file; at most half of what is free there is used.
    pub file: u64,
    /// How long nobody may read, in all, before the spool begins to.
    pub patience: Duration,
    /// The folder of the temporary file.
    pub folder: PathBuf,
}

/// Where the bytes come from.
pub(super) trait Intake: Send {
    /// The outcome, reported at the end.
    type Outcome: Send;

    /// Fills the front of `to`, never empty, as far as one read goes.
    fn read(&mut self, to: &mut [u8]) -> Taken<Self::Outcome>;
}

/// What came out.
#[derive(Debug)]
pub(super) enum Taken<T> {
    /// So many bytes, not zero.
    Bytes(usize),
    /// Everything was taken before.
    End(T),
}

/// The queue. One thread takes, another stands in for it.
pub(super) struct Spool<I: Intake> {
    limits: SpoolLimits,
    state: Mutex<State<I>>,
    moved: Condvar,
}

struct State<I: Intake> {
    /// Absent while a thread reads from it, and after its end.
    intake: Option<I>,
    /// Since when nobody takes, while that is so.
    away: Option<Instant>,
    /// How long nobody took before that, in all.
    waited: Duration,
    /// Older than anything in the file.
    memory: VecDeque<Vec<u8>>,
    /// Bytes of the first buffer that were taken already.
    front: usize,
    /// Bytes in all buffers of `memory`.
    held: usize,
    /// Emptied buffers, for use again.
    spare: Vec<Vec<u8>>,
    file: Overflow,
    end: Option<I::Outcome>,
    abandoned: bool,
}

/// The temporary file: `taken..written` is waiting in it.
#[derive(Default)]
struct Overflow {
    file: Option<Arc<File>>,
    room: Option<u64>,
    written: u64,
    taken: u64,
}

/// Where the next buffer goes.
enum Way {
    Memory,
    File,
    Nowhere,
}

impl<I: Intake> Spool<I> {
    pub(super) fn new(intake: I, limits: SpoolLimits) -> Self {
        let state = State {
            intake: Some(intake),
            away: Some(Instant::now()),
            waited: Duration::ZERO,
            memory: VecDeque::new(),
            front: 0,
            held: 0,
            spare: Vec::new(),
            file: Overflow::default(),
            end: None,
            abandoned: false,
        };
        Spool { limits, state: Mutex::new(state), moved: Condvar::new() }
    }

    /// Fills the front of `to` with what is there, or straight from the intake.
    pub(super) fn take(&self, to: &mut [u8]) -> Result<Taken<I::Outcome>> {
        let mut state = self.state.lock();
        state.come_back();
        let taken = loop {
            let got = state.take_memory(to);
            if got > 0 {
                self.moved.notify_all();
                break Taken::Bytes(got);
            }
            if let Some((file, offset, waiting)) = state.file.waiting() {
                drop(state);
                let got = self.take_file(&file, offset, waiting, to)?;
                state = self.state.lock();
                break Taken::Bytes(got);
            }
            if let Some(outcome) = state.end.take() {
                break Taken::End(outcome);
            }
            if state.abandoned {
                return Err(Error::new(Kind::Failed, "read", "a spool").because("it has ended"));
            }
            if let Some(mut intake) = state.intake.take() {
                drop(state);
                let taken = intake.read(to);
                state = self.state.lock();
                if matches!(taken, Taken::Bytes(_)) {
                    state.intake = Some(intake);
                }
                break taken;
            }
            self.moved.wait(&mut state);
        };
        state.away = Some(Instant::now());
        if state.patience(&self.limits).is_zero() {
            self.moved.notify_all();
        }
        Ok(taken)
    }

    /// Stands in for the taker once patience is at its end; returns when all is read.
    pub(super) fn stand_in(&self, step: usize) {
        while let Some(mut intake) = self.turn() {
            let mut bytes = self.state.lock().spare.pop().unwrap_or_default();
            bytes.resize(step, 0);
            match intake.read(&mut bytes) {
                Taken::Bytes(got) => {
                    bytes.truncate(got);
                    if !self.put(bytes) {
                        return;
                    }
                    self.state.lock().intake = Some(intake);
                }
                Taken::End(outcome) => self.state.lock().end = Some(outcome),
            }
            self.moved.notify_all();
        }
    }

    /// Nobody will take anything any more.
    pub(super) fn abandon(&self) {
        self.state.lock().abandoned = true;
        self.moved.notify_all();
    }

    /// Whether the file was ever begun.
    #[cfg(test)]
    fn spilled(&self) -> bool {
        self.state.lock().file.file.is_some()
    }

    /// Waits until it is time to stand in; none at the end.
    fn turn(&self) -> Option<I> {
        let mut state = self.state.lock();
        loop {
            if state.abandoned || state.end.is_some() {
                return None;
            }
            let patience = state.patience(&self.limits);
            if patience.is_zero()
                && let Some(intake) = state.intake.take()
            {
                return Some(intake);
            }
            self.moved.wait_for(&mut state, patience.max(STEP));
        }
    }

    /// Adds `bytes` behind all others; false once nobody will take them.
    fn put(&self, bytes: Vec<u8>) -> bool {
        loop {
            match self.way(bytes.len()) {
                Way::Nowhere => return false,
                Way::Memory => {
                    self.state.lock().keep(bytes);
                    return true;
                }
                Way::File => match self.spill(&bytes) {
                    Ok(()) => {
                        let mut state = self.state.lock();
                        state.file.written += length(&bytes);
                        state.reuse(bytes);
                        return true;
                    }
                    // A full disk is no loss: the intake waits from now on.
                    Err(_) => self.state.lock().file.room = Some(0),
                },
            }
        }
    }

    /// Where a buffer of `length` bytes goes, once there is room for it: into memory if there is
    /// room and no older bytes wait in the file, else into the file.
    fn way(&self, length: usize) -> Way {
        let mut state = self.state.lock();
        loop {
            if state.abandoned {
                return Way::Nowhere;
            }
            if state.file.waiting().is_none() {
                state.file.rewind();
                if state.held == 0 || state.held + length <= self.limits.memory {
                    return Way::Memory;
                }
            }
            let room = state.file.room.unwrap_or(self.limits.file);
            if state.file.written.saturating_add(to_u64(length)) <= room {
                return Way::File;
            }
            self.moved.wait(&mut state);
        }
    }

    /// Writes `bytes` behind what stands in the file. Only the stand-in comes here, and
    /// the taking one never reads past `written`, so the state need not be locked meanwhile.
    fn spill(&self, bytes: &[u8]) -> Result<()> {
        let (file, at) = {
            let state = self.state.lock();
            (state.file.file.clone(), state.file.written)
        };
        let file = match file {
            Some(file) => file,
            None => self.begin_file()?,
        };
        file.write_all_at(bytes, at).attempt("write", "a temporary file")
    }

    fn begin_file(&self) -> Result<Arc<File>> {
        let folder = &self.limits.folder;
        let file = tempfile::tempfile_in(folder)
            .attempt("create a temporary file in", folder.display())?;
        let free = rustix::fs::fstatvfs(&file)
            .map_err(std::io::Error::from)
            .attempt("examine", folder.display())?;
        let half = free.f_bavail.saturating_mul(free.f_frsize) / 2;
        let file = Arc::new(file);
        let mut state = self.state.lock();
        state.file.room = Some(half.min(self.limits.file));
        state.file.file = Some(file.clone());
        Ok(file)
    }

    fn take_file(&self, file: &File, offset: u64, waiting: u64, to: &mut [u8]) -> Result<usize> {
        let most = usize::try_from(waiting).unwrap_or(usize::MAX).min(to.len());
        let to = to.get_mut(..most).unwrap_or_default();
        file.read_exact_at(to, offset).attempt("read", "a temporary file")?;
        self.state.lock().file.taken += length(to);
        self.moved.notify_all();
        Ok(most)
    }
}

impl<I: Intake> State<I> {
    fn come_back(&mut self) {
        let away = self.away.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.waited = self.waited.saturating_add(away);
    }

    /// How much longer nobody may take.
    fn patience(&self, limits: &SpoolLimits) -> Duration {
        let away = self.away.map_or(Duration::ZERO, |since| since.elapsed());
        limits.patience.saturating_sub(self.waited).saturating_sub(away)
    }

    /// Adds bytes behind those in memory. What a pipe gives may be far less than a buffer has
    /// room for: then they share one.
    fn keep(&mut self, bytes: Vec<u8>) {
        self.held += bytes.len();
        match self.memory.back_mut() {
            Some(last) if bytes.len() <= last.capacity() - last.len() => {
                last.extend_from_slice(&bytes);
                self.reuse(bytes);
            }
            _ => self.memory.push_back(bytes),
        }
    }

    /// Moves what fits from the buffers in memory.
    fn take_memory(&mut self, to: &mut [u8]) -> usize {
        let mut got = 0;
        while let Some(first) = self.memory.front() {
            let rest = first.get(self.front..).unwrap_or_default();
            let most = rest.len().min(to.len() - got);
            let (Some(from), Some(into)) = (rest.get(..most), to.get_mut(got..got + most)) else {
                break;
            };
            into.copy_from_slice(from);
            got += most;
            if most < rest.len() {
                self.front += most;
                break;
            }
            self.front = 0;
            if let Some(emptied) = self.memory.pop_front() {
                self.held -= emptied.len();
                self.reuse(emptied);
            }
        }
        got
    }

    fn reuse(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < 2 {
            self.spare.push(buffer);
        }
    }
}

impl Overflow {
    /// The file, where to read, and how many bytes wait there, if any do.
    fn waiting(&self) -> Option<(Arc<File>, u64, u64)> {
        let waiting = self.written - self.taken;
        let file = self.file.as_ref().filter(|_| waiting > 0)?;
        Some((file.clone(), self.taken, waiting))
    }

    /// Begins again at the front once everything was taken.
    fn rewind(&mut self) {
        self.written = 0;
        self.taken = 0;
    }
}

fn length(bytes: &[u8]) -> u64 {
    to_u64(bytes.len())
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
