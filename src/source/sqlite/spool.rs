//! A bounded queue of bytes between the process that holds a read transaction and whoever stores
//! its pages: in memory, and on into an unlinked temporary file once the reader has been held up
//! for too long, so that no transaction waits for a slow repository.

use crate::error::{Attempt, Error, Kind, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much a spool takes, and when.
#[derive(Clone, Debug)]
pub struct SpoolLimits {
    /// Bytes in memory.
    pub memory: usize,
    /// Bytes in the temporary file; at most half of what is free there is used.
    pub file: u64,
    /// How long the writer may wait in all before the file is begun.
    pub patience: Duration,
    /// The folder of the temporary file.
    pub folder: PathBuf,
}

/// The queue, with the outcome `T` at its end. One thread puts, one takes.
pub(super) struct Spool<T> {
    limits: SpoolLimits,
    state: Mutex<State<T>>,
    moved: Condvar,
}

struct State<T> {
    /// Older than anything in the file.
    memory: VecDeque<Vec<u8>>,
    /// Bytes of the first buffer that were taken already.
    front: usize,
    /// Bytes in all buffers of `memory`.
    held: usize,
    /// Emptied buffers, for use again.
    spare: Vec<Vec<u8>>,
    file: Overflow,
    waited: Duration,
    end: Option<T>,
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

/// What came out of a spool.
#[derive(Debug)]
pub(super) enum Taken<T> {
    /// So many bytes, not zero.
    Bytes(usize),
    /// Everything was taken before.
    End(T),
}

/// Where the next buffer goes.
enum Way {
    Memory,
    File,
    Nowhere,
}

impl<T> Spool<T> {
    pub(super) fn new(limits: SpoolLimits) -> Self {
        let state = State {
            memory: VecDeque::new(),
            front: 0,
            held: 0,
            spare: Vec::new(),
            file: Overflow::default(),
            waited: Duration::ZERO,
            end: None,
            abandoned: false,
        };
        Spool { limits, state: Mutex::new(state), moved: Condvar::new() }
    }

    /// An empty buffer to fill and [`put`](Spool::put).
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Adds `bytes` behind all others; false once nobody will take them.
    pub(super) fn put(&self, bytes: Vec<u8>) -> bool {
        loop {
            match self.way(bytes.len()) {
                Way::Nowhere => return false,
                Way::Memory => {
                    let mut state = self.lock();
                    state.held += bytes.len();
                    state.memory.push_back(bytes);
                    self.moved.notify_all();
                    return true;
                }
                Way::File => match self.spill(&bytes) {
                    Ok(()) => {
                        let mut state = self.lock();
                        state.file.written += length(&bytes);
                        state.reuse(bytes);
                        self.moved.notify_all();
                        return true;
                    }
                    // A full disk is no loss: the writer waits from now on.
                    Err(_) => self.lock().file.room = Some(0),
                },
            }
        }
    }

    /// Ends the queue, or breaks it off, with its outcome.
    pub(super) fn end(&self, outcome: T) {
        self.lock().end = Some(outcome);
        self.moved.notify_all();
    }

    /// Nobody will take anything any more.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.moved.notify_all();
    }

    /// Fills the front of `to` with what is there, waiting only if nothing is.
    pub(super) fn take(&self, to: &mut [u8]) -> Result<Taken<T>> {
        let mut state = self.lock();
        loop {
            let got = state.take_memory(to);
            if got > 0 {
                self.moved.notify_all();
                return Ok(Taken::Bytes(got));
            }
            if let Some((file, offset, waiting)) = state.file.waiting() {
                drop(state);
                return self.take_file(&file, offset, waiting, to);
            }
            if let Some(outcome) = state.end.take() {
                return Ok(Taken::End(outcome));
            }
            if state.abandoned {
                return Err(Error::new(Kind::Failed, "read", "a spool").because("it has ended"));
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the file was ever begun.
    #[cfg(test)]
    fn spilled(&self) -> bool {
        self.lock().file.file.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a buffer of `length` bytes goes, once there is room for it: into the file if older
    /// bytes wait there, into memory if there is room, into the file when patience is at its end.
    fn way(&self, length: usize) -> Way {
        let mut state = self.lock();
        loop {
            if state.abandoned {
                return Way::Nowhere;
            }
            let behind_file = state.file.waiting().is_some();
            if !behind_file {
                state.file.rewind();
                if state.held == 0 || state.held + length <= self.limits.memory {
                    return Way::Memory;
                }
            }
            let impatient = state.waited >= self.limits.patience;
            let room = state.file.room.unwrap_or(self.limits.file);
            let fits = state.file.written.saturating_add(to_u64(length)) <= room;
            if fits && (behind_file || impatient) {
                return Way::File;
            }
            let since = Instant::now();
            let rest = self.limits.patience.saturating_sub(state.waited);
            let rest = if fits { rest } else { Duration::MAX };
            state = self.wait(state, rest);
            state.waited = state.waited.saturating_add(since.elapsed());
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        limit: Duration,
    ) -> MutexGuard<'a, State<T>> {
        match self.moved.wait_timeout(state, limit) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// Writes `bytes` behind what stands in the file. Only the putting thread comes here, and
    /// the taking one never reads past `written`, so the state need not be locked meanwhile.
    fn spill(&self, bytes: &[u8]) -> Result<()> {
        let (file, at) = {
            let state = self.lock();
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
        let mut state = self.lock();
        state.file.room = Some(half.min(self.limits.file));
        state.file.file = Some(file.clone());
        Ok(file)
    }

    fn take_file(&self, file: &File, offset: u64, waiting: u64, to: &mut [u8]) -> Result<Taken<T>> {
        let most = usize::try_from(waiting).unwrap_or(usize::MAX).min(to.len());
        let to = to.get_mut(..most).unwrap_or_default();
        file.read_exact_at(to, offset).attempt("read", "a temporary file")?;
        self.lock().file.taken += length(to);
        self.moved.notify_all();
        Ok(Taken::Bytes(most))
    }
}

impl<T> State<T> {
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
mod tests {
    use super::*;

    fn limits(patience: Duration, file: u64) -> SpoolLimits {
        SpoolLimits { memory: 4000, file, patience, folder: std::env::temp_dir() }
    }

    /// Bytes whose value tells their place.
    fn piece(number: usize, length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from((number * 31 + at * 7) % 251).unwrap()).collect()
    }

    /// Takes everything, at most `step` bytes at once.
    fn take_all(spool: &Spool<&'static str>, step: usize) -> (Vec<u8>, &'static str) {
        let mut all = Vec::new();
        let mut buffer = vec![0; step];
        loop {
            match spool.take(&mut buffer).unwrap() {
                Taken::Bytes(got) => all.extend_from_slice(&buffer[..got]),
                Taken::End(end) => return (all, end),
            }
        }
    }

    /// A writer without patience is never held up: all goes into the file, and comes out in
    /// order.
    #[test]
    fn without_patience_the_file_takes_what_memory_cannot() {
        let spool = Spool::new(limits(Duration::ZERO, u64::MAX));
        let mut expected = Vec::new();
        for number in 0..100 {
            let bytes = piece(number, 1000);
            expected.extend_from_slice(&bytes);
            assert!(spool.put(bytes));
        }
        spool.end("done");
        assert!(spool.spilled());
        assert_eq!(take_all(&spool, 777), (expected, "done"));
    }

    /// What fits into memory, and what a quick consumer takes, never touches a file.
    #[test]
    fn the_fast_path_writes_no_file() {
        let spool = Spool::new(limits(Duration::MAX, u64::MAX));
        let mut expected = Vec::new();
        let all = std::thread::scope(|scope| {
            let taking = scope.spawn(|| take_all(&spool, 1500));
            for number in 0..1000 {
                let bytes = piece(number, 1000);
                expected.extend_from_slice(&bytes);
                assert!(spool.put(bytes));
            }
            spool.end("done");
            taking.join().unwrap()
        });
        assert!(!spool.spilled());
        assert_eq!(all, (expected, "done"));
    }

    /// Where the file is full, or cannot be made, the writer waits instead, and nothing is lost:
    /// memory, file and memory again keep the order.
    #[test]
    fn a_full_file_makes_the_writer_wait() {
        let nowhere = SpoolLimits {
            folder: PathBuf::from("/nonexistent"),
            ..limits(Duration::ZERO, u64::MAX)
        };
        for limits in [limits(Duration::ZERO, 5000), limits(Duration::ZERO, 0), nowhere] {
            let spool = Spool::new(limits);
            let mut expected = Vec::new();
            let all = std::thread::scope(|scope| {
                let taking = scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    take_all(&spool, 300)
                });
                for number in 0..200 {
                    let bytes = piece(number, 1000);
                    expected.extend_from_slice(&bytes);
                    assert!(spool.put(bytes));
                }
                spool.end("done");
                taking.join().unwrap()
            });
            assert_eq!(all, (expected, "done"));
        }
    }

    /// A writer that waits is freed when the consumer goes away.
    #[test]
    fn an_abandoned_spool_frees_the_writer() {
        let spool = Spool::<()>::new(limits(Duration::MAX, 0));
        std::thread::scope(|scope| {
            let putting = scope.spawn(|| (0..10).all(|number| spool.put(piece(number, 1000))));
            std::thread::sleep(Duration::from_millis(20));
            spool.abandon();
            assert!(!putting.join().unwrap());
        });
    }
}
