//! Sinks: a restore goes into whatever takes it, and some files appear only at its end.

use crate::common::memory::Tree;
use crate::common::repo::TempRepo;
use crate::common::target::{directory, file, names, open, write};
use icecore::error::{Error, Kind, Result};
use icecore::format::directory::{LinkGroup, Node};
use icecore::monitor::Silent;
use icecore::ops::restore::{RestoreOptions, restore_into};
use icecore::repo::Reader;
use icecore::sink::files::{Overwrite, Report};
use icecore::sink::{FileSink, Holds, Placed, Sink};
use icecore::source::files::Excludes;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};

/// What appeared, in order: paths and contents.
type Appeared = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A sink in memory.
#[derive(Default)]
struct MemorySink {
    here: Vec<String>,
    appeared: Appeared,
    held: Appeared,
    /// Entries that it takes until it fails.
    room: Option<usize>,
}

/// A file of it.
struct MemoryFile {
    path: String,
    bytes: Mutex<Vec<u8>>,
    to: Appeared,
}

impl MemorySink {
    fn path_of(&self, name: &[u8]) -> String {
        let name = String::from_utf8(name.to_vec()).unwrap();
        self.here.iter().map(|folder| format!("{folder}/")).chain([name]).collect()
    }

    fn place(&mut self, node: &Node, size: u64, to: Appeared) -> Result<Placed> {
        if let Some(room) = &mut self.room {
            let full = || Error::new(Kind::NoSpace, "write", "memory");
            *room = room.checked_sub(1).ok_or_else(full)?;
        }
        let bytes = Mutex::new(vec![0; usize::try_from(size).unwrap()]);
        Ok(Placed::Write(Box::new(MemoryFile { path: self.path_of(&node.name), bytes, to })))
    }
}

impl FileSink for MemoryFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.bytes.lock().unwrap()[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Node) -> Result<()> {
        let MemoryFile { path, bytes, to } = *self;
        to.lock().unwrap().push((path, bytes.into_inner().unwrap()));
        Ok(())
    }
}

impl Sink for MemorySink {
    fn begin(&mut self, _: &Node) {}

    fn enter(&mut self, node: &Node) -> Result<()> {
        self.pass(&node.name)
    }

    fn pass(&mut self, name: &[u8]) -> Result<()> {
        self.here.push(String::from_utf8(name.to_vec()).unwrap());
        Ok(())
    }

    fn file(&mut self, node: &Node, size: u64, _: &mut Holds<'_>) -> Result<Placed> {
        self.place(node, size, self.appeared.clone())
    }

    fn hold_back(&mut self, node: &Node, size: u64, _: &mut Holds<'_>) -> Result<Placed> {
        self.place(node, size, self.held.clone())
    }

    fn other(&mut self, _: &Node) -> Result<()> {
        Ok(())
    }

    fn settle(&mut self) -> Vec<Error> {
        Vec::new()
    }

    fn leave(&mut self) -> Result<()> {
        self.here.pop();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Report> {
        self.appeared.lock().unwrap().append(&mut self.held.lock().unwrap());
        Ok(Report::default())
    }
}

/// Small files and a large one; the control file stands between them.
fn cluster() -> Tree {
    let mut tree = Tree::default();
    tree.put("base/1", vec![1; 9 << 20]);
    tree.put("global/1260", vec![2; 100]);
    tree.put("global/pg_control", vec![3; 8192]);
    tree.put("postgresql.conf", vec![4; 10]);
    tree
}

fn held_back() -> RestoreOptions {
    RestoreOptions {
        hold_back: Excludes::new(["/c/global/pg_control"]).unwrap(),
        ..Default::default()
    }
}

/// A snapshot goes into a sink that is no folder, whole, and what is held back appears when all
/// else has. A sink that fails in the middle ends the restore, and shows nothing that was held back.
#[test]
fn a_restore_goes_into_any_sink() {
    let repo = TempRepo::new(320);
    let tree = cluster();
    let snapshot = repo.backup(vec![tree.source("/c")]).unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    for room in [None, Some(3)] {
        let sink = MemorySink { room, ..MemorySink::default() };
        let appeared = sink.appeared.clone();
        let done = restore_into(
            &reader,
            &snapshot,
            Some(b"/c"),
            Box::new(sink),
            &mut held_back(),
            &Silent,
        );
        let mut appeared = std::mem::take(&mut *appeared.lock().unwrap());
        if room.is_some() {
            assert_eq!(done.unwrap_err().kind(), Kind::NoSpace);
            assert!(!appeared.iter().any(|(path, _)| path == "global/pg_control"));
            continue;
        }
        assert_eq!(done.unwrap().files, 4);
        assert_eq!(appeared.last().unwrap().0, "global/pg_control");
        appeared.sort();
        let expected = tree.files.keys().map(|path| (path.clone(), tree.bytes(path)));
        assert!(appeared == expected.collect::<Vec<_>>());
    }
}

/// In a folder, what is held back replaces what stands there only when the restore is finished,
/// in the order in which it was placed; if it never is, the old stays and nothing is left over.
#[test]
fn what_is_held_back_appears_last_or_never() {
    for finishes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let control = dir.path().join("global/pg_control");
        fs::create_dir(dir.path().join("global")).unwrap();
        fs::write(&control, "old").unwrap();
        let mut sink = open(dir.path(), Overwrite::Always);
        sink.enter(&directory("global")).unwrap();
        let Placed::Write(held) = sink.hold_back(&file("pg_control"), 3, &mut |_| false).unwrap()
        else {
            panic!()
        };
        let Placed::Write(lost) = sink.hold_back(&file("lost"), 3, &mut |_| false).unwrap() else {
            panic!()
        };
        held.write_at(0, b"new").unwrap();
        held.finish(&file("pg_control")).unwrap();
        drop(lost);
        write(&mut sink, &file("1260"), b"table").unwrap();
        sink.leave().unwrap();
        write(&mut sink, &file("postgresql.conf"), b"conf").unwrap();
        assert_eq!(fs::read(&control).unwrap(), b"old");
        match finishes {
            true => drop(sink.finish().unwrap()),
            false => drop(sink),
        }
        let expected = if finishes { "new" } else { "old" };
        assert_eq!(fs::read_to_string(&control).unwrap(), expected);
        assert_eq!(names(&dir.path().join("global")), ["1260", "pg_control"]);
    }
}

/// A held-back file that is another name of one that is in place already appears at the end as well,
/// linked to it; if the restore never ends, it does not appear.
#[test]
fn a_held_back_name_is_linked_last() {
    for finishes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = open(dir.path(), Overwrite::Never);
        let named = |name: &str| {
            let mut node = file(name);
            node.meta.link_group = Some(LinkGroup { device: 1, inode: 2, born: None });
            node
        };
        write(&mut sink, &named("first"), b"content").unwrap();
        let placed = sink.hold_back(&named("held"), 7, &mut |_| false).unwrap();
        assert!(matches!(placed, Placed::Linked));
        assert_eq!(names(dir.path()), ["first"]);
        match finishes {
            true => drop(sink.finish().unwrap()),
            false => drop(sink),
        }
        let inodes = || names(dir.path()).into_iter().map(|name| dir.path().join(name));
        let inodes: Vec<u64> = inodes().map(|path| fs::metadata(path).unwrap().ino()).collect();
        match finishes {
            true => assert!(matches!(inodes[..], [first, held] if first == held), "{inodes:?}"),
            false => assert_eq!(names(dir.path()), ["first"]),
        }
    }
}
