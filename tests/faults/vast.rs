//! Folders of very many entries, and files that are nearly all hole: bounded memory.

use crate::common::memory::{folder, node};
use crate::common::program::program;
use crate::common::repo::TempRepo;
use icecore::error::Result;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::{PartKind, SourceName};
use icecore::source::{Item, PartProof, Source};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

/// Entries of one folder that are made as they are asked for.
struct Endless {
    next: u64,
    entries: u64,
}

impl Source for Endless {
    fn describe(&self) -> SourceName {
        let path = b"/many".to_vec();
        SourceName { kind: PartKind::Files, path, selection: Default::default() }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        let number = self.next;
        self.next += 1;
        Ok(match number {
            0 => Some(Item::Enter(folder("many"))),
            _ if number <= self.entries => {
                Some(Item::Other(node(&format!("entry {number:012}"), NodeKind::Fifo)))
            }
            _ if number == self.entries + 1 => Some(Item::Leave),
            _ => None,
        })
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof::default())
    }
}

/// A folder of very many entries takes no more memory than one of a few thousand, beside its
/// parent too; `ICECORE_VAST_ENTRIES` says how many.
#[test]
fn very_many_entries() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::vast::very_many_entries_child", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let numbers: Vec<u64> =
        said.lines().filter_map(|line| line.strip_prefix("peak KiB ")?.parse().ok()).collect();
    println!("{numbers:?}");
    let [few, many, again] = numbers[..] else { panic!("{said}") };
    assert!(many < few + (24 << 10), "{few} KiB, then {many} KiB");
    assert!(again < few + (40 << 10), "{few} KiB, beside a parent {again} KiB");
}

/// The process that is measured.
#[test]
#[ignore = "started by very_many_entries"]
fn very_many_entries_child() {
    let many =
        std::env::var("ICECORE_VAST_ENTRIES").map_or(1_000_000, |text| text.parse().unwrap());
    let mut repo = TempRepo::new(40);
    // Its own check would be measured, too.
    repo.damaged = true;
    for entries in [5000, many, many + 1] {
        let report = repo.backup(vec![Box::new(Endless { next: 0, entries })]).unwrap();
        assert_eq!(report.snapshot.summary.items, entries + 1);
        println!("peak KiB {}", peak());
    }
}

/// The most memory that this process ever had, in KiB (proc(5)).
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A file of nearly 16 TiB that is all hole but for a few bytes goes through backup, ls and
/// restore in no time, and comes back as sparse as it was.
#[test]
fn a_vast_file() {
    const SIZE: u64 = 15 << 40;
    const PLACES: [u64; 4] = [0, 1 << 32, (7 << 40) + 12_345, SIZE - 3];
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("src")).unwrap();
    let file = File::create(at("src/vast")).unwrap();
    file.set_len(SIZE).unwrap();
    for place in PLACES {
        file.write_all_at(b"abc", place).unwrap();
    }
    let run = |args: &[&str]| {
        let output = program()
            .args(args)
            .env("ICECORE_REPOSITORY", at("repo"))
            .env("ICECORE_CACHE_DIR", at("cache"))
            .env("ICECORE_KEY_FILE", at("key"))
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let created = program()
        .args(["init", "--new-key-file", "key"])
        .env("ICECORE_REPOSITORY", at("repo"))
        .env("ICECORE_CACHE_DIR", at("cache"))
        .env_remove("ICECORE_KEY_FILE")
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(created.status.success());
    run(&["backup", "src"]);
    run(&["backup", "src"]);
    let source = at("src");
    let listed = run(&["ls", "--json", "latest", source.to_str().unwrap()]);
    assert!(listed.contains(&SIZE.to_string()), "{listed}");
    run(&["restore", &format!("latest:{}", source.display()), "--target", "back"]);
    let back = File::open(at("back/vast")).unwrap();
    let metadata = back.metadata().unwrap();
    assert_eq!(metadata.len(), SIZE);
    assert!(metadata.blocks() < 8192, "{} blocks", metadata.blocks());
    let mut bytes = [0; 3];
    for place in PLACES {
        back.read_exact_at(&mut bytes, place).unwrap();
        assert_eq!(&bytes, b"abc", "at {place}");
        back.read_exact_at(&mut bytes, (place + 100_000).min(SIZE - 6)).unwrap();
        assert_eq!(bytes, [0; 3], "after {place}");
    }
    run(&["check", "--read-data"]);
}
