//! A simulation: the real operations on a store in memory that behaves as badly as a store may. One seed
//! decides the data, who is at work, whose request comes next, what goes wrong on the way, and what all
//! clocks say; so that each seed does the same every time. After every operation every promise is looked
//! at: what was reported is there with every byte, and what was given up is gone.
//!
//! One request at a time is made, of all actors together; a process reads and uploads nothing beside what
//! else it does, in a pool of one thread.
//!
//! `ICECORE_SIM_SEEDS=10000..99999 cargo test --locked --test all -- sim::seeds --nocapture` runs other seeds
//! than those of every run, about a hundred a second on two cores; of a single one it prints the log.

mod actor;
mod client;
mod promises;
mod run;
mod scheduler;
mod weather;
mod world;

use run::{Ran, Threads, run};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seeds that are run where no others are asked for.
const SEEDS: Range<u64> = 0..10_000;

fn asked_for() -> Range<u64> {
    let Ok(text) = std::env::var("ICECORE_SIM_SEEDS") else { return SEEDS };
    let (first, end) = text.split_once("..").expect("ICECORE_SIM_SEEDS is a range, as 0..100");
    first.parse().unwrap()..end.parse().unwrap()
}

/// Whatever a seed has in store, all promises are kept; and in the end, with everybody gone, what nobody
/// needs is given back.
#[test]
fn seeds_keep_all_promises() {
    let (seeds, begun) = (asked_for(), Instant::now());
    let next = AtomicU64::new(seeds.start);
    let broken: Mutex<Vec<(u64, String, Vec<String>)>> = Mutex::default();
    let requests = AtomicU64::new(0);
    let worker = || {
        let mut threads = Threads::default();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end || broken.lock().unwrap().len() >= 10 {
                return;
            }
            let Ran { log, broken: what } = run(seed, &mut threads);
            requests.fetch_add(log.len() as u64, Ordering::SeqCst);
            if let Some(what) = what {
                broken.lock().unwrap().push((seed, what, log));
            } else if seeds.end - seeds.start == 1 {
                println!("{}", log.join("\n"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    println!("{} requests, {:.1?}", requests.into_inner(), begun.elapsed());
    let mut broken = broken.into_inner().unwrap();
    broken.sort();
    let Some((seed, _, log)) = broken.first() else { return };
    let from = if seeds.end - seeds.start == 1 { 0 } else { log.len().saturating_sub(40) };
    println!("{}", log[from..].join("\n"));
    let all: Vec<String> = broken.iter().map(|(seed, what, _)| format!("{seed}: {what}")).collect();
    panic!(
        "{}\nreplay: ICECORE_SIM_SEEDS={seed}..{} cargo test --locked --test all -- \
         sim::seeds --nocapture",
        all.join("\n"),
        seed + 1
    );
}

/// The same seed makes the same requests with the same bytes in the same order, on any threads.
#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(seed, &mut Threads::default()).log);
        assert!(first.len() > 100, "seed {seed}: {} requests", first.len());
        let differs = first.iter().zip(&second).position(|(a, b)| a != b);
        if let Some(at) = differs {
            panic!("seed {seed} at {at}:\n{}\n{}", first[at], second[at]);
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}
