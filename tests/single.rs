//! Stores that bear one writer at a time.

use crate::common::chance::Chance;
use crate::common::cli::{Cli, stderr};
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, options, secret};
use icecore::backend::testing::{Fault, Faulty};
use icecore::backend::{Backend, Capabilities, Local, Memory};
use icecore::codec::Level;
use icecore::crypto::Secret;
use icecore::env::{Env, Time};
use icecore::error::Kind;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::repo::{InitOptions, Repository, SessionOptions, WriterOptions};
use std::fs;
use std::sync::{Arc, Barrier};
use std::thread;
use zeroize::Zeroizing;

fn single() -> InitOptions {
    let capabilities = Capabilities { exclusive_create: false, ..Capabilities::default() };
    InitOptions { capabilities, ..InitOptions::default() }
}

fn repository() -> TempRepo {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let (env, clock) = Env::seeded(5, Time(1_800_000_000 * Time::SECOND));
    let repository = Repository::init(backend.clone(), env.clone(), &secret(), &single()).unwrap();
    TempRepo { backend, env, clock, repository, damaged: false }
}

fn writer() -> SessionOptions {
    SessionOptions {
        writer: WriterOptions {
            verb: "backup".into(),
            host: "elsewhere".into(),
            tool: "test".into(),
        },
        level: Level::default(),
        deltas: true,
    }
}

/// A writer is refused while another has no outcome, and let in once it has one: a snapshot, a
/// partial's end, nothing at all, or that it was given up, after which it commits nothing.
#[test]
fn one_writer_at_a_time() {
    let repo = repository();
    let first = repo.repository.begin(writer()).unwrap();
    let id = first.id();
    let error = repo.repository.begin(writer()).err().unwrap();
    assert_eq!(error.kind(), Kind::Locked);
    assert!(error.to_string().contains("elsewhere"), "{error}");
    assert!(error.hint_text().unwrap().contains(&id.to_string()), "{error:?}");
    first.abandon().unwrap();

    let mut tree = Tree::default();
    tree.put("a", vec![1; 100]);
    repo.backup(vec![tree.source("/data")]).unwrap();
    let lost = repo.repository.begin(writer()).unwrap();
    assert_eq!(repo.backup(vec![tree.source("/data")]).unwrap_err().kind(), Kind::Locked);
    repo.repository.fence(lost.id()).unwrap();
    assert_eq!(repo.repository.fence(lost.id()).unwrap_err().kind(), Kind::NotFound);
    let snapshot = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!(repo.repository.fence(snapshot.id).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(lost.abandon().unwrap_err().kind(), Kind::Fenced);

    // What was given up has ended too, although its object is gone.
    let stored = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    for stored in &stored {
        assert!(repo.repository.forget(&stored.key()).unwrap());
    }
    assert!(repo.repository.open_writers().unwrap().is_empty());
    repo.backup(vec![tree.source("/data")]).unwrap();
}

/// A writer that goes on as another after an hour stays the only one, and refuses itself nothing.
#[test]
fn a_long_writer_stays_alone() {
    let repo = repository();
    let mut session = repo.repository.begin(writer()).unwrap();
    let first = session.id();
    repo.clock.advance(2 * 60 * 60);
    session.store(&[]).unwrap();
    assert_ne!(session.id(), first);
    assert_eq!(repo.repository.begin(writer()).err().unwrap().kind(), Kind::Locked);
    session.abandon().unwrap();
    repo.repository.begin(writer()).unwrap().abandon().unwrap();
}

/// A backup that a store fails at any call stands in nobody's way afterwards, unless it is its very
/// outcome that could not be stored.
#[test]
fn a_failed_writer_ends() {
    let (mut failed, mut locked) = (0, 0);
    for call in 0..60 {
        let repo = repository();
        let faulty = Faulty::new(repo.backend.clone(), 1).once(call, Fault::Fails);
        let opened = Repository::open(Arc::new(faulty), repo.env.clone(), &secret());
        let Ok(repository) = opened else { continue };
        let mut tree = Tree::default();
        tree.put("f", Chance::new(call).noise(300_000));
        let source = vec![tree.source("/data")];
        if backup(&repository, source, &options(), &Silent).is_ok() {
            continue;
        }
        failed += 1;
        let next = repo.repository.begin(writer());
        locked += u32::from(next.as_ref().is_err_and(|error| error.kind() == Kind::Locked));
        drop(next.map(|session| session.abandon().unwrap()));
    }
    assert!(failed > 5, "only {failed} failed");
    assert!(locked <= 1, "{locked} of {failed} stand in the way");
}

/// Of writers that begin at the same time at most one is let in, and those that were refused
/// stand in nobody's way.
#[test]
fn of_two_at_once_one_begins_at_most() {
    for _ in 0..20 {
        let repo = repository();
        let start = Barrier::new(4);
        let begun = thread::scope(|scope| {
            let (start, repo) = (&start, &repo);
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        start.wait();
                        repo.repository.begin(writer()).map_err(|error| error.kind())
                    })
                })
                .collect();
            let begun: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(begun.iter().all(|begun| !begun.as_ref().is_err_and(|k| *k != Kind::Locked)));
            begun.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
        });
        assert!(begun.len() <= 1);
        assert_eq!(repo.repository.open_writers().unwrap().len(), begun.len());
        begun.into_iter().for_each(|session| session.abandon().unwrap());
        repo.repository.begin(writer()).unwrap().abandon().unwrap();
    }
}

/// What `init` measured of a store's listings stands in the configuration; where they lag nothing
/// is taken for missing.
#[test]
fn late_listings_are_remembered() {
    let capabilities = Capabilities { list_after_write: false, ..Capabilities::default() };
    let options = InitOptions { capabilities, ..InitOptions::default() };
    let backend = Arc::new(Memory::new());
    let made = Repository::init(backend.clone(), Env::real(), &secret(), &options).unwrap();
    assert!(!made.config().listing_after_write && !made.config().single_writer);
    made.add_slot(&Secret::KeyFile(Zeroizing::new([1; 32])), Default::default(), "").unwrap();
    let opened = Repository::open(backend, Env::real(), &secret()).unwrap();
    assert!(!opened.config().listing_after_write, "lost with a key");
    let error = icecore::ops::forget::gaps(&opened).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
}

/// The program says who writes, exits with 11, and lets the user give up a writer that was stopped.
#[test]
fn a_stopped_writer_is_given_up_by_hand() {
    let cli = Cli::bare();
    fs::write(cli.path("key"), [9; 32]).unwrap();
    let backend = Arc::new(Local::create(cli.path("repo")).unwrap());
    let made = Repository::init(backend, Env::real(), &secret(), &single()).unwrap();
    let stopped = made.begin(writer()).unwrap();
    let id = stopped.id().to_string();
    drop(stopped);
    let said = stderr(&cli.run(&["backup", "src"]).code(11));
    assert!(said.contains(&format!("icecore forget --writer {id}")), "{said}");
    cli.run(&["forget", "--writer", &id, "--dry-run"]).success();
    cli.run(&["backup", "src"]).code(11);
    cli.run(&["forget", "--writer", &id]).success();
    cli.backup();
    cli.run(&["forget", "--writer", &id]).code(1);
    cli.run(&["check"]).success();
}

/// A store that creates nothing exclusively.
struct Careless(Arc<dyn Backend>);

impl Backend for Careless {
    forward!([0] describe put_shared get size list_pages delete_all);

    fn capabilities(&self) -> Capabilities {
        Capabilities { exclusive_create: false, ..self.0.capabilities() }
    }
}

/// A repository for many writers that stands in a store for one by now is read, and not written to.
#[test]
fn a_store_may_become_careless() {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let made =
        Repository::init(backend.clone(), Env::real(), &secret(), &InitOptions::default()).unwrap();
    let mut tree = Tree::default();
    tree.put("a", vec![1; 100]);
    let source = || vec![tree.source("/data")];
    let snapshot = backup(&made, source(), &options(), &Silent).unwrap().snapshot;
    let moved = Repository::open(Arc::new(Careless(backend)), Env::real(), &secret()).unwrap();
    let error = backup(&moved, source(), &options(), &Silent).err().unwrap();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    let error = moved
        .add_slot(&Secret::KeyFile(Zeroizing::new([1; 32])), Default::default(), "")
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    let seen = moved.snapshots(|error| panic!("{error}")).unwrap();
    assert_eq!(
        seen.iter().map(|stored| stored.unwrap().snapshot.id).collect::<Vec<_>>(),
        [snapshot.id]
    );
    backup(&made, source(), &options(), &Silent).unwrap();
}
