//! A disk in memory that can lose its power. What was synced stays; of the rest, names come and
//! go one by one, and content is torn at sectors.

use super::{Disk, DiskEntry};
use crate::env::{Env, Time};
use crate::error::Result;
use parking_lot::{Mutex, MutexGuard};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Bytes that are written whole or not at all.
const SECTOR: usize = 512;

/// A handle on such a disk; clones share it.
#[derive(Clone, Debug)]
pub struct CrashDisk(Arc<Mutex<State>>);

/// An open file of a [`CrashDisk`].
#[derive(Debug)]
pub struct CrashFile(u64);

#[derive(Debug)]
struct State {
    files: BTreeMap<u64, Image<Vec<u8>>>,
    folders: BTreeMap<u64, Image<BTreeMap<String, Node>>>,
    next: u64,
    calls: u64,
    power_ends: Option<u64>,
    space: usize,
}

/// What programs see, and what is sure to be there after a crash.
#[derive(Clone, Debug, Default)]
struct Image<T> {
    now: T,
    synced: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(u64),
    Folder(u64),
}

const ROOT: u64 = 0;

impl Default for CrashDisk {
    fn default() -> Self {
        CrashDisk::new()
    }
}

impl CrashDisk {
    /// An empty disk.
    pub fn new() -> Self {
        let folders = BTreeMap::from([(ROOT, Image::default())]);
        let state = State {
            files: BTreeMap::new(),
            folders,
            next: 1,
            calls: 0,
            power_ends: None,
            space: usize::MAX,
        };
        CrashDisk(Arc::new(Mutex::new(state)))
    }

    /// After so many more calls every call fails.
    pub fn power_off_after(&self, calls: u64) {
        let mut state = self.state();
        state.power_ends = Some(state.calls.saturating_add(calls));
    }

    /// From now on all files together have at most so many bytes; writing more fails as full.
    pub fn limit_space(&self, bytes: usize) {
        self.state().space = bytes;
    }

    /// Calls so far, the failed ones too.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The disk as it might be found after a crash at this moment. `seed` decides what becomes
    /// of everything that was not synced: by its remainder by 9 it is lost, kept, or by chance
    /// either, for names and for content apart.
    pub fn crash(&self, seed: u64) -> Result<CrashDisk> {
        let state = self.state();
        let (chance, _) = Env::seeded(seed, Time(0));
        let name_stays = |random: u8| stays(seed % 3, random);
        let sector_stays = |random: u8| stays(seed / 3 % 3, random);
        let mut found = State {
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            next: state.next,
            calls: 0,
            power_ends: None,
            space: state.space,
        };
        for (id, folder) in &state.folders {
            let mut names = BTreeMap::new();
            for name in folder.now.keys().chain(folder.synced.keys()).collect::<BTreeSet<_>>() {
                let [random] = chance.random()?;
                let side = if name_stays(random) { &folder.now } else { &folder.synced };
                if let Some(node) = side.get(name) {
                    names.insert(name.clone(), *node);
                }
            }
            found.folders.insert(*id, Image { now: names.clone(), synced: names });
        }
        for (id, file) in &state.files {
            let [random] = chance.random()?;
            let length = if sector_stays(random) { file.now.len() } else { file.synced.len() };
            let mut bytes = Vec::with_capacity(length);
            for at in (0..length).step_by(SECTOR) {
                let [random] = chance.random()?;
                let side = if sector_stays(random) { &file.now } else { &file.synced };
                let old = side.iter().skip(at).copied().chain(std::iter::repeat(0));
                bytes.extend(old.take(SECTOR.min(length - at)));
            }
            found.files.insert(*id, Image { now: bytes.clone(), synced: bytes });
        }
        Ok(CrashDisk(Arc::new(Mutex::new(found))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// The state for one more call, while there is power.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        match state.power_ends {
            Some(end) if state.calls > end => Err(Errno::IO.into()),
            _ => Ok(state),
        }
    }
}

/// Whether a change survives: never, always, or by chance.
fn stays(mode: u64, random: u8) -> bool {
    match mode {
        0 => false,
        1 => true,
        _ => random.is_multiple_of(2),
    }
}

impl State {
    fn find(&self, path: &str) -> io::Result<Node> {
        let mut node = Node::Folder(ROOT);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let Node::Folder(id) = node else { return Err(Errno::NOTDIR.into()) };
            let names = &self.folders.get(&id).ok_or(Errno::IO)?.now;
            node = *names.get(part).ok_or(Errno::NOENT)?;
        }
        Ok(node)
    }

    fn folder(&mut self, path: &str) -> io::Result<&mut Image<BTreeMap<String, Node>>> {
        let Node::Folder(id) = self.find(path)? else { return Err(Errno::NOTDIR.into()) };
        Ok(self.folders.get_mut(&id).ok_or(Errno::IO)?)
    }

    /// The names beside `path`, and its own name.
    fn beside<'p>(&mut self, path: &'p str) -> io::Result<(&mut BTreeMap<String, Node>, &'p str)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((&mut self.folder(folder)?.now, name))
    }

    fn add(&mut self, path: &str, node: Node) -> io::Result<()> {
        let (names, name) = self.beside(path)?;
        if names.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        names.insert(name.to_owned(), node);
        Ok(())
    }

    fn take(&mut self, path: &str) -> io::Result<Node> {
        let node = self.find(path)?;
        let Node::File(_) = node else { return Err(Errno::ISDIR.into()) };
        let (names, name) = self.beside(path)?;
        names.remove(name);
        Ok(node)
    }

    /// Bytes of all files that have a name.
    fn used(&self) -> usize {
        let nodes = self.folders.values().flat_map(|folder| folder.now.values());
        let named: BTreeSet<u64> = nodes
            .filter_map(|node| match node {
                Node::File(id) => Some(*id),
                Node::Folder(_) => None,
            })
            .collect();
        named.iter().filter_map(|id| self.files.get(id)).map(|file| file.now.len()).sum()
    }

    fn new_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Disk for CrashDisk {
    type File = CrashFile;

    fn describe(&self) -> String {
        "crash disk".to_owned()
    }

    fn create(&self, path: &str) -> io::Result<CrashFile> {
        let mut state = self.call()?;
        let id = state.new_id();
        state.add(path, Node::File(id))?;
        state.files.insert(id, Image::default());
        Ok(CrashFile(id))
    }

    fn write(&self, file: &mut CrashFile, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.call()?;
        let fits = bytes.len().min(state.space.saturating_sub(state.used()));
        if fits == 0 && !bytes.is_empty() {
            return Err(Errno::NOSPC.into());
        }
        let image = state.files.get_mut(&file.0).ok_or(Errno::BADF)?;
        image.now.extend(bytes.iter().take(fits));
        Ok(fits)
    }

    fn sync(&self, file: &mut CrashFile) -> io::Result<()> {
        let mut state = self.call()?;
        let image = state.files.get_mut(&file.0).ok_or(Errno::BADF)?;
        image.synced.clone_from(&image.now);
        Ok(())
    }

    fn open(&self, path: &str) -> io::Result<CrashFile> {
        match self.call()?.find(path)? {
            Node::File(id) => Ok(CrashFile(id)),
            Node::Folder(_) => Err(Errno::ISDIR.into()),
        }
    }

    fn size(&self, file: &CrashFile) -> io::Result<u64> {
        Ok(self.call()?.files.get(&file.0).ok_or(Errno::BADF)?.now.len() as u64)
    }

    fn read_at(&self, file: &CrashFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.call()?;
        let bytes = &state.files.get(&file.0).ok_or(Errno::BADF)?.now;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let node = state.find(from)?;
        state.add(to, node)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let node = state.find(from)?;
        state.add(to, node)?;
        state.take(from).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let node = state.take(from)?;
        let (names, name) = state.beside(to)?;
        names.insert(name.to_owned(), node);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.call()?.take(path).map(drop)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let id = state.new_id();
        state.add(path, Node::Folder(id))?;
        state.folders.insert(id, Image::default());
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut state = self.call()?;
        let image = state.folder(path)?;
        image.synced.clone_from(&image.now);
        Ok(())
    }

    fn entries(&self, path: &str) -> io::Result<Vec<DiskEntry>> {
        let mut state = self.call()?;
        let names = state.folder(path)?.now.clone();
        let size_of = |node: Node| match node {
            Node::File(id) => state.files.get(&id).map(|file| file.now.len() as u64),
            Node::Folder(_) => None,
        };
        Ok(names
            .into_iter()
            .map(|(name, node)| DiskEntry { name, size: size_of(node), modified: 0 })
            .collect())
    }
}
