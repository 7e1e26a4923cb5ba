//! Reads from the store ahead of the decoding thread: as many requests in flight as the store bears, on
//! threads of their own, results in the order asked for, and a bounded number of bytes waiting.

use crate::backend::{Backend, Capabilities, Handle, Listed};
use crate::error::{Error, Kind, Result};
use crate::limits::FETCH_AHEAD;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{Builder, JoinHandle};

/// What is asked of the store.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    handle: Handle,
    range: Option<Range<u64>>,
    /// Bytes that will come, as far as known.
    length: u64,
}

impl Fetch {
    /// A whole object.
    pub(crate) fn listed(object: &Listed) -> Self {
        Fetch { handle: object.handle.clone(), range: None, length: object.size }
    }

    /// A part of an object.
    pub(crate) fn part(handle: Handle, range: Range<u64>) -> Self {
        let length = range.end.saturating_sub(range.start);
        Fetch { handle, range: Some(range), length }
    }
}

/// How ranges are read together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Those of one pack that lie no more bytes apart are one.
    pub(super) gap: u32,
    /// Whether the store is far away.
    pub(super) far: bool,
}

/// Fetches from one store. The threads are started when the first bytes are asked for. They do
/// nothing but read, so a thread that waits for them, of rayon too, waits for the store alone.
/// Where there are none, the asking thread reads.
pub(crate) struct Fetcher {
    backend: Arc<dyn Backend>,
    threads: OnceLock<Threads>,
}

impl Fetcher {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Fetcher { backend, threads: OnceLock::new() }
    }

    /// Fetches all of these, and begins at once.
    pub(crate) fn fetch<I: IntoIterator<Item = Fetch>>(
        &self,
        wanted: I,
    ) -> Fetched<'_, I::IntoIter> {
        let wanted = wanted.into_iter().peekable();
        let waiting = VecDeque::new();
        let mut fetched = Fetched { fetcher: self, wanted, waiting, bytes: 0 };
        fetched.ask();
        fetched
    }

    /// Fetches one.
    pub(crate) fn fetch_one(&self, wanted: Fetch) -> Result<Vec<u8>> {
        self.ask(wanted).take()
    }

    /// Begins to fetch one.
    pub(super) fn ask(&self, wanted: Fetch) -> Answer {
        let (answer, receiver) = sync_channel(1);
        let listens = Arc::new(());
        let job = Job { wanted, answer, listens: Arc::downgrade(&listens) };
        if let Some(job) = self.threads().take(job) {
            job.run(&*self.backend);
        }
        Answer { receiver, _listens: listens }
    }

    /// How the store is best read.
    pub(super) fn reading(&self) -> Reading {
        let Capabilities { read_gap, far, .. } = self.backend.capabilities();
        Reading { gap: read_gap, far }
    }

    fn threads(&self) -> &Threads {
        self.threads.get_or_init(|| Threads::start(&self.backend))
    }
}

/// An answer that will come. Nobody need read for one that is dropped.
#[derive(Debug)]
pub(super) struct Answer {
    receiver: Receiver<Result<Vec<u8>>>,
    _listens: Arc<()>,
}

impl Answer {
    /// Waits for it.
    pub(super) fn take(self) -> Result<Vec<u8>> {
        self.receiver.recv().unwrap_or_else(|_| Err(ended()))
    }
}

/// What was asked for, in order.
pub(crate) struct Fetched<'f, I: Iterator<Item = Fetch>> {
    fetcher: &'f Fetcher,
    wanted: Peekable<I>,
    waiting: VecDeque<(Answer, u64)>,
    /// Bytes that were asked for and not handed out: no more than [`FETCH_AHEAD`], or one request.
    bytes: u64,
}

impl<I: Iterator<Item = Fetch>> Fetched<'_, I> {
    /// The next answer, where the caller knows that there is one.
    pub(crate) fn take_next(&mut self) -> Result<Vec<u8>> {
        self.next().unwrap_or_else(|| Err(ended()))
    }

    fn ask(&mut self) {
        let room = |wanted: &Fetch, bytes: u64| bytes.saturating_add(wanted.length) <= FETCH_AHEAD;
        loop {
            let (first, bytes) = (self.waiting.is_empty(), self.bytes);
            let Some(wanted) = self.wanted.next_if(|wanted| first || room(wanted, bytes)) else {
                return;
            };
            self.bytes = self.bytes.saturating_add(wanted.length);
            let length = wanted.length;
            self.waiting.push_back((self.fetcher.ask(wanted), length));
        }
    }
}

impl<I: Iterator<Item = Fetch>> Iterator for Fetched<'_, I> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        let (answer, length) = self.waiting.pop_front()?;
        let answer = answer.take();
        self.bytes = self.bytes.saturating_sub(length);
        self.ask();
        Some(answer)
    }
}

fn ended() -> Error {
    Error::new(Kind::Failed, "read from", "the store")
        .because("the thread that was to do it ended early")
}

/// One request, and who waits for it.
struct Job {
    wanted: Fetch,
    answer: SyncSender<Result<Vec<u8>>>,
    listens: Weak<()>,
}

/// Those that read.
struct Threads {
    queue: Option<Sender<Job>>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    /// As many as requests are worth having in flight, or as the system allows.
    fn start(backend: &Arc<dyn Backend>) -> Self {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |_| {
            let (backend, jobs) = (Arc::clone(backend), Arc::clone(&jobs));
            let work = move || {
                while let Some(job) = next(&jobs) {
                    job.run(&*backend);
                }
            };
            Builder::new().name("fetch".to_owned()).spawn(work).ok()
        };
        let connections = backend.capabilities().connections;
        Threads { queue: Some(queue), running: (0..connections).map_while(start).collect() }
    }

    /// Takes a job, or gives it back where nobody is there to do it.
    fn take(&self, job: Job) -> Option<Job> {
        match &self.queue {
            Some(queue) if !self.running.is_empty() => queue.send(job).err().map(|back| back.0),
            _ => Some(job),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue = None;
        self.running.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().recv().ok()
}

impl Job {
    fn run(self, backend: &dyn Backend) {
        if self.listens.strong_count() > 0 {
            drop(self.answer.send(backend.get(&self.wanted.handle, self.wanted.range)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Memory;
    use crate::backend::testing::{Manners, Remote};
    use crate::env::Env;
    use crate::id::PackId;
    use rayon::prelude::*;
    use std::time::Duration;

    fn fetcher(connections: usize) -> (Arc<Remote>, Fetcher) {
        let latency = Duration::from_millis(1);
        let manners = Manners { latency, connections, ..Manners::default() };
        let remote = Arc::new(Remote::new(Arc::new(Memory::new()), manners, Env::real(), 1));
        for number in 0..100 {
            remote.put_new(&pack(number), &[number; 100]).unwrap();
        }
        (remote.clone(), Fetcher::new(remote))
    }

    fn pack(number: u8) -> Handle {
        Handle::pack(PackId([number; 32]))
    }

    fn part(number: u8) -> Fetch {
        Fetch::part(pack(number), u64::from(number)..100)
    }

    /// Answers come in the order asked for, an object that is not there among them, and no more
    /// requests are made at once than the store bears, however many threads of rayon wait.
    #[test]
    fn answers_come_in_order() {
        let (remote, fetcher) = fetcher(3);
        (0..8).into_par_iter().for_each(|_| {
            for (number, bytes) in (0..).zip(fetcher.fetch((0..110).map(part))) {
                match bytes {
                    Ok(bytes) => assert_eq!(bytes, vec![number; 100 - usize::from(number)]),
                    Err(error) => {
                        assert!(number >= 100 && error.kind() != Kind::Unavailable, "{error}");
                    }
                }
            }
        });
        assert_eq!(remote.most_in_flight(), 3);
    }

    /// A store that wants no request beside another is asked by the threads that need answers, one after the other.
    #[test]
    fn without_threads_the_asking_thread_reads() {
        let (remote, fetcher) = fetcher(0);
        let fetched = fetcher.fetch((0..100).map(part));
        assert_eq!(fetched.filter(Result::is_ok).count(), 100);
        assert_eq!((remote.most_in_flight(), fetcher.threads().running.len()), (1, 0));
    }

    /// No more bytes are asked for ahead than may wait, but always one request; and who goes away
    /// is not read for.
    #[test]
    fn what_waits_is_bounded() {
        let (remote, fetcher) = fetcher(100);
        let before = remote.requests();
        let large = Fetch { length: FETCH_AHEAD / 2, ..part(1) };
        let larger = Fetch { length: FETCH_AHEAD * 2, ..part(2) };
        let wanted = [&larger, &large, &large, &large].map(Fetch::clone);
        let mut fetched = fetcher.fetch(wanted);
        let asked = |fetched: &Fetched<'_, _>| fetched.waiting.len();
        assert_eq!(asked(&fetched), 1);
        for (answered, waiting) in [(1, 2), (2, 2), (3, 1), (4, 0)] {
            fetched.next().unwrap().unwrap();
            assert_eq!(asked(&fetched), waiting, "after answer {answered}");
        }
        assert!(fetched.next().is_none());
        assert_eq!(remote.requests() - before, 4);

        let (remote, one_by_one) = self::fetcher(1);
        let before = remote.requests();
        drop(one_by_one.fetch((0..100).map(part)));
        one_by_one.fetch_one(part(1)).unwrap();
        assert!(remote.requests() - before < 50, "read for nobody");
    }
}
