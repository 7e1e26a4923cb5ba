//! The index at scale: a synthetic one of many entries, opened without and with a local cache, each in
//! a process of its own: `cargo bench --bench index -- [--entries N] [--segments N]`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use icecore::backend::{Backend, Handle, Local};
use icecore::crypto::{Secret, object, slot};
use icecore::env::Env;
use icecore::format::index::{IndexEntry, PackRow, SegmentBuilder};
use icecore::format::pack::Salt;
use icecore::format::{BlobKind, Codec};
use icecore::id::{ChunkId, PackId};
use icecore::repo::{Index, InitOptions, Repository};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// Chunks of a pack: 64 KiB each in 16 MiB.
const OF_PACK: u64 = 256;
/// Of so many entries one is a delta of one base.
const DELTAS: u64 = 4;
const LOOKUPS: u64 = 200_000;

fn main() {
    let entries = argument("--entries").unwrap_or(16_000_000);
    let segments = argument("--segments").unwrap_or(entries.div_ceil(1 << 18));
    if let Some(folder) = text("--part") {
        let folder = Path::new(&folder);
        return match text("--do").as_deref() {
            Some("fill") => measure("make the repository", || fill(folder, entries, segments)),
            Some("cold") => cold(folder, entries),
            _ => warm(folder, entries),
        };
    }
    println!("{entries} entries in {segments} segments");
    let scratch = tempfile::tempdir().unwrap();
    for part in ["fill", "cold", "warm"] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.arg("--part").arg(scratch.path()).args(["--do", part]);
        program.args(["--entries", &entries.to_string(), "--segments", &segments.to_string()]);
        assert!(program.status().unwrap().success());
    }
}

fn store(folder: &Path) -> Arc<dyn Backend> {
    Arc::new(Local::create(folder.join("repo")).unwrap())
}

fn secret() -> Secret {
    Secret::KeyFile([7; 32].into())
}

fn open(folder: &Path) -> Repository {
    let repository = Repository::open(store(folder), Env::real(), &secret()).unwrap();
    repository.with_cache(&folder.join("cache"))
}

/// The first open of a machine: everything is read from the store, and the cache is made.
fn cold(folder: &Path, entries: u64) {
    let repository = open(folder);
    drop(measure("open, nothing cached", || repository.load_index().unwrap()));
    say("... peak of memory", memory("VmHWM:") as f64 / MIB, "MiB");
    let stored = bytes_of(&folder.join("cache")) as f64;
    say("the cache on disk", stored / entries as f64, "bytes an entry");
}

/// Every later one.
fn warm(folder: &Path, entries: u64) {
    let repository = open(folder);
    let before = memory("RssAnon:");
    let index = measure("open, cached", || repository.load_index().unwrap());
    let held = memory("RssAnon:").saturating_sub(before) as f64;
    say("... memory besides that of files", held / entries as f64, "bytes an entry");
    let step = usize::try_from((entries / LOOKUPS).max(1)).unwrap();
    rate("found, all over", LOOKUPS.min(entries), || look(&index, (0..entries).step_by(step)));
    rate("found, once more", LOOKUPS.min(entries), || look(&index, (0..entries).step_by(step)));
    rate("not there", LOOKUPS, || look(&index, entries..entries + LOOKUPS));
    let held = memory("RssAnon:").saturating_sub(before) as f64;
    say("... memory besides that of files", held / entries as f64, "bytes an entry");
    rate("one pass in the order of ids", entries, || index.in_order().count());
    rate("one pass that counts by pack", entries, || index.entries_by_pack().len());
    rate("all entries pack by pack", entries, || {
        let packs: Vec<_> = index.entries_by_pack().into_iter().collect();
        let mut rows = 0;
        index
            .each_pack(&packs, &mut |_, of_pack| {
                rows += of_pack.len();
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        rows
    });
    say("... peak of memory", memory("VmHWM:") as f64 / MIB, "MiB");
}

const MIB: f64 = (1 << 20) as f64;

fn say(what: &str, figure: f64, unit: &str) {
    println!("{what:<34} {figure:>9.2} {unit}");
}

fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn argument(name: &str) -> Option<u64> {
    text(name).map(|number| number.parse().unwrap())
}

/// Ids as hashes are: all over the place, each the same every time.
fn id(number: u64) -> ChunkId {
    ChunkId(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn fill(folder: &Path, entries: u64, segments: u64) {
    let (store, secret, options) = (store(folder), secret(), InitOptions::default());
    let repository = Repository::init(store.clone(), Env::real(), &secret, &options).unwrap();
    let slot = repository.slot();
    let wrapped = store.get(&Handle::key(slot), None).unwrap();
    let keys = slot::unwrap(&wrapped, slot, &secret, repository.config().repository).unwrap();
    let each = entries.div_ceil(segments);
    for first in (0..entries).step_by(each as usize) {
        let numbers = first..(first + each).min(entries);
        let payload = segment(numbers).encode().unwrap();
        let salt = *blake3::hash(&first.to_be_bytes()).as_bytes();
        let repository = repository.config().repository;
        let (id, bytes) = object::seal_index(&keys, repository, &salt, 0, &payload).unwrap();
        store.put_new(&Handle::index(id), &bytes).unwrap();
    }
}

fn segment(numbers: std::ops::Range<u64>) -> SegmentBuilder {
    let packs = numbers.start / OF_PACK..numbers.end.div_ceil(OF_PACK);
    let first_pack = packs.start;
    let row = |number: u64| PackRow {
        id: PackId(id(1 << 63 | number).0),
        size: 1 << 24,
        kind: BlobKind::Data,
    };
    let entry = |number: u64| {
        let bases = match number % DELTAS {
            0 => vec![id((number / 2) | 1).base()],
            _ => Vec::new(),
        };
        IndexEntry {
            id: id(number),
            pack: (number / OF_PACK - first_pack) as u32,
            offset: (number % OF_PACK) as u32 * 60_000,
            stored: 50_000,
            plain: 65_000,
            salt: 0,
            codec: if bases.is_empty() { Codec::Zstd } else { Codec::Delta },
            depth: u8::from(!bases.is_empty()),
            bases,
        }
    };
    SegmentBuilder {
        generation: 0,
        salts: vec![Salt { epoch: 0, bytes: [1; 32] }],
        packs: packs.map(row).collect(),
        entries: numbers.map(entry).collect(),
    }
}

fn look(index: &Index, numbers: impl Iterator<Item = u64>) -> usize {
    numbers.filter(|number| index.find(BlobKind::Data, &id(*number)).is_some()).count()
}

fn measure<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (start, cpu) = (Instant::now(), processor());
    let done = work();
    println!(
        "{what:<34} {:>9.3} s, processor {:.3} s",
        start.elapsed().as_secs_f64(),
        processor() - cpu
    );
    done
}

fn rate(what: &str, count: u64, work: impl FnOnce() -> usize) {
    let (start, cpu) = (Instant::now(), processor());
    let found = work();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), processor() - cpu);
    println!(
        "{what:<34} {:>9.0} /s of processor time; {found} in {wall:.3} s, processor {cpu:.3} s",
        count as f64 / cpu
    );
}

/// Seconds of this process, in user and system mode.
fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Bytes of this process, by a name of the kernel's.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            facts if facts.is_dir() => bytes_of(&entry.path()),
            facts => facts.len(),
        })
        .sum()
}
