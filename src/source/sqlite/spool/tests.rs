//! The spool over an intake whose every byte tells its place.

use super::*;
use std::sync::mpsc::{Receiver, channel};

fn limits(patience: Duration, file: u64) -> SpoolLimits {
    SpoolLimits { memory: 4000, file, patience, folder: std::env::temp_dir() }
}

/// So many bytes whose value tells their place.
struct Counted {
    at: usize,
    length: usize,
    /// Waited for before each read, if it is there.
    ticks: Option<Receiver<()>>,
}

impl Counted {
    fn of(length: usize) -> Self {
        Counted { at: 0, length, ticks: None }
    }
}

impl Intake for Counted {
    type Outcome = &'static str;

    fn read(&mut self, to: &mut [u8]) -> Taken<&'static str> {
        if let Some(ticks) = &self.ticks {
            let _ = ticks.recv();
        }
        let length = to.len().min(self.length - self.at).min(1000);
        if length == 0 {
            return Taken::End("done");
        }
        to[..length].copy_from_slice(&bytes(self.at, length));
        self.at += length;
        Taken::Bytes(length)
    }
}

fn bytes(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

/// Takes everything, at most `step` bytes at once, with a pause before each.
fn take_all(spool: &Spool<Counted>, step: usize, pause: Duration) -> (Vec<u8>, &'static str) {
    let mut all = Vec::new();
    let mut buffer = vec![0; step];
    loop {
        std::thread::sleep(pause);
        match spool.take(&mut buffer).unwrap() {
            Taken::Bytes(got) => all.extend_from_slice(&buffer[..got]),
            Taken::End(end) => {
                spool.abandon();
                return (all, end);
            }
        }
    }
}

/// Without patience the stand-in reads all at once, while nobody takes: what memory cannot hold
/// goes into the file, and comes out in order.
#[test]
fn without_patience_the_file_takes_what_memory_cannot() {
    let spool = Spool::new(Counted::of(100_000), limits(Duration::ZERO, u64::MAX));
    spool.stand_in(1000);
    assert!(spool.spilled());
    assert_eq!(take_all(&spool, 777, Duration::ZERO), (bytes(0, 100_000), "done"));
}

/// Reads that bring little share a buffer: memory is bounded by the room that is taken up, not by
/// the bytes in it alone.
#[test]
fn small_reads_share_a_buffer() {
    let spool = Spool::new(Counted::of(100_000), limits(Duration::ZERO, u64::MAX));
    spool.stand_in(50_000);
    let room: usize = spool.state.lock().memory.iter().map(Vec::capacity).sum();
    assert_eq!(room, 50_000);
    assert_eq!(take_all(&spool, 777, Duration::ZERO), (bytes(0, 100_000), "done"));
}

/// Who takes in time reads everything itself; nothing touches memory or file.
#[test]
fn the_fast_path_goes_past_the_spool() {
    let spool = Spool::new(Counted::of(1_000_000), limits(Duration::MAX, u64::MAX));
    let all = std::thread::scope(|scope| {
        scope.spawn(|| spool.stand_in(1000));
        take_all(&spool, 1500, Duration::ZERO)
    });
    assert!(!spool.spilled() && spool.state.lock().spare.is_empty());
    assert_eq!(all, (bytes(0, 1_000_000), "done"));
}

/// Who is away too long is stood in for from then on, and the bytes it reads itself, those from
/// memory and those from the file keep their order.
#[test]
fn patience_ends_in_the_middle() {
    let patience = Duration::from_millis(30);
    let spool = Spool::new(Counted::of(100_000), limits(patience, u64::MAX));
    let all = std::thread::scope(|scope| {
        scope.spawn(|| spool.stand_in(1000));
        take_all(&spool, 1300, Duration::from_millis(3))
    });
    assert!(spool.spilled());
    assert_eq!(all, (bytes(0, 100_000), "done"));
}

/// Where the file is full, or cannot be made, the intake waits instead, and nothing is lost:
/// memory, file and memory again keep the order.
#[test]
fn a_full_file_makes_the_intake_wait() {
    let nowhere =
        SpoolLimits { folder: PathBuf::from("/nonexistent"), ..limits(Duration::ZERO, u64::MAX) };
    for limits in [limits(Duration::ZERO, 5000), limits(Duration::ZERO, 0), nowhere] {
        let spool = Spool::new(Counted::of(200_000), limits);
        let all = std::thread::scope(|scope| {
            scope.spawn(|| spool.stand_in(1000));
            std::thread::sleep(Duration::from_millis(20));
            take_all(&spool, 300, Duration::ZERO)
        });
        assert_eq!(all, (bytes(0, 200_000), "done"));
    }
}

/// A stand-in that waits for room is freed when the taker goes away, and so is one that waits
/// for its turn.
#[test]
fn an_abandoned_spool_frees_the_stand_in() {
    for limits in [limits(Duration::ZERO, 0), limits(Duration::MAX, 0)] {
        let spool = Spool::new(Counted::of(100_000), limits);
        std::thread::scope(|scope| {
            let standing = scope.spawn(|| spool.stand_in(1000));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!standing.is_finished());
            spool.abandon();
        });
    }
}

/// While the stand-in is in the middle of a read, the taker waits for what it brings, and
/// does not overtake it.
#[test]
fn nobody_overtakes_a_read_that_is_under_way() {
    let (tick, ticks) = channel();
    let intake = Counted { ticks: Some(ticks), ..Counted::of(50_000) };
    let spool = Spool::new(intake, limits(Duration::ZERO, u64::MAX));
    let all = std::thread::scope(|scope| {
        scope.spawn(|| spool.stand_in(1000));
        scope.spawn(move || {
            for _ in 0..60 {
                std::thread::sleep(Duration::from_millis(1));
                let _ = tick.send(());
            }
        });
        take_all(&spool, 5000, Duration::ZERO)
    });
    assert_eq!(all, (bytes(0, 50_000), "done"));
}
