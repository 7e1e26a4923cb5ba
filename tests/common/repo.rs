//! A repository in memory that checks itself when dropped.

use icecore::backend::testing::{Manners, Remote};
use icecore::backend::{Backend, Memory, Retry};
use icecore::crypto::Secret;
use icecore::env::{Env, ManualClock, Time};
use icecore::error::Result;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::backup::{BackupOptions, BackupReport, backup};
use icecore::ops::check::{CheckOptions, CheckReport, ReadData, check};
use icecore::ops::tree::{self, Entry};
use icecore::repo::{InitOptions, Reader, Repository};
use icecore::source::Source;
use icecore::stream::ContentReader;
use std::cell::Cell;
use std::sync::Arc;
use zeroize::Zeroizing;

pub struct TempRepo {
    pub backend: Arc<dyn Backend>,
    pub env: Env,
    pub clock: Arc<ManualClock>,
    pub repository: Repository,
    /// Set by tests that damage it.
    pub damaged: bool,
}

thread_local! {
    /// How the stores of new repositories behave, if they are remote ones.
    static REMOTE: Cell<Option<Manners>> = const { Cell::new(None) };
}

/// Runs a test whose repositories lie in remote stores, in which requests that fail are repeated.
pub fn on_remote_stores(manners: Manners, test: impl FnOnce()) {
    REMOTE.set(Some(manners));
    test();
    REMOTE.set(None);
}

fn new_store(seed: u64) -> Arc<dyn Backend> {
    let memory = Arc::new(Memory::new());
    let Some(manners) = REMOTE.get() else { return memory };
    let (env, _) = Env::seeded(seed, Time(0));
    Arc::new(Retry::new(Remote::new(memory, manners, env.clone(), seed), env))
}

pub fn secret() -> Secret {
    Secret::KeyFile(Zeroizing::new([9; 32]))
}

pub fn options() -> BackupOptions {
    BackupOptions {
        host: "host".into(),
        user: "user".into(),
        tool: "test".into(),
        ..BackupOptions::default()
    }
}

impl TempRepo {
    pub fn new(seed: u64) -> Self {
        Self::over(new_store(seed), seed)
    }

    pub fn over(backend: Arc<dyn Backend>, seed: u64) -> Self {
        let (env, clock) = Env::seeded(seed, Time(1_800_000_000 * Time::SECOND));
        let capabilities = backend.capabilities();
        let options = InitOptions { capabilities, ..Default::default() };
        let repository =
            Repository::init(backend.clone(), env.clone(), &secret(), &options).unwrap();
        TempRepo { backend, env, clock, repository, damaged: false }
    }

    pub fn reopen(&self) -> Result<Repository> {
        Repository::open(self.backend.clone(), self.env.clone(), &secret())
    }

    pub fn backup(&self, sources: Vec<Box<dyn Source>>) -> Result<BackupReport> {
        self.backup_with(sources, |_| {})
    }

    /// The same with other options.
    pub fn backup_with(
        &self,
        sources: Vec<Box<dyn Source>>,
        edit: impl FnOnce(&mut BackupOptions),
    ) -> Result<BackupReport> {
        self.clock.advance(3600);
        let mut options = options();
        edit(&mut options);
        backup(&self.repository, sources, &options, &Silent)
    }

    /// Everything read back and accounted for.
    pub fn check(&self) -> CheckReport {
        let options = CheckOptions { read_data: ReadData::All };
        check(&self.reopen().unwrap(), options, &Silent).unwrap()
    }

    /// The bytes of one file of a snapshot.
    pub fn read(&self, snapshot: &Snapshot, path: &str) -> Result<Vec<u8>> {
        Self::read_from(&self.repository, snapshot, path)
    }

    /// The same of any repository.
    pub fn read_from(repository: &Repository, snapshot: &Snapshot, path: &str) -> Result<Vec<u8>> {
        content(&Reader::new(repository, &repository.load_index()?), snapshot, path)
    }
}

/// The content of a file of a snapshot, through an index that was read before.
pub fn content(reader: &Reader<'_>, snapshot: &Snapshot, path: &str) -> Result<Vec<u8>> {
    let found = tree::find(reader, snapshot, path.as_bytes())?;
    let Entry::Node(node) = found.entry else { panic!("{path} is no node") };
    let NodeKind::File { content, .. } = &node.kind else { panic!("{path} is no file") };
    let mut bytes = Vec::new();
    let mut told = 0;
    ContentReader::new(reader, content, path)?.copy(&mut bytes, &mut |length| {
        told += length;
        Ok(())
    })?;
    assert_eq!(told, bytes.len() as u64);
    Ok(bytes)
}

impl Drop for TempRepo {
    /// Whatever a test did, the repository must be sound in the end, unless the test fails or
    /// has damaged it on purpose.
    fn drop(&mut self) {
        if !self.damaged && !std::thread::panicking() {
            let report = self.check();
            assert!(report.is_healthy(), "{:#?}", report.findings);
        }
    }
}
