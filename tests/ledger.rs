//! The ledger: what was verified longest ago is read first, by whichever host, and nothing is forgotten.

use crate::common::cli::Cli;
use crate::common::forge::Forger;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use crate::common::stores::copy_into;
use icecore::backend::{Backend, Bytes, Capabilities, Handle, Listed, Memory, Put};
use icecore::env::{Clock, Env, ManualClock, Random, Time};
use icecore::error::{Error, Kind, Result};
use icecore::format::note::{About, Note, Run, Verified};
use icecore::format::{ObjectKind, record};
use icecore::forward;
use icecore::id::{NoteId, PackPrefix};
use icecore::limits::{LEDGER_NOTES, NOTE_HOST_MAX, NOTE_VERIFIED_MAX, RECORD_MAX};
use icecore::monitor::{Counter, Monitor, Silent};
use icecore::ops::check::{Budget, CheckOptions, CheckReport, Coverage, ReadData, check, coverage};
use icecore::repo::Repository;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A repository of many small packs, a few of each backup.
fn furnished(seed: u64, backups: u8) -> TempRepo {
    let repo = TempRepo::new(seed);
    let mut tree = Tree::default();
    for round in 0..backups {
        tree.put(&format!("file-{round}"), vec![round; 20_000]);
        repo.backup(vec![tree.source("/data")]).unwrap();
    }
    repo
}

fn oldest(budget: Option<Budget>) -> ReadData {
    ReadData::Oldest { budget, before: None }
}

fn run(repository: &Repository, read_data: ReadData) -> CheckReport {
    let report = check(repository, CheckOptions { read_data }, &Silent).unwrap();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    report
}

fn covered(repo: &TempRepo) -> Coverage {
    coverage(&repo.repository, None).unwrap()
}

fn notes(store: &dyn Backend) -> usize {
    store.list(ObjectKind::Note).unwrap().len()
}

/// Randomness of another host.
struct Counted(AtomicU64);

impl Random for Counted {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(buffer);
        Ok(())
    }
}

/// The same repository as another host opens it, whose clock is this one's.
fn elsewhere(repo: &TempRepo) -> Repository {
    let clock: Arc<dyn Clock> = repo.clock.clone();
    let env = Env::new(clock, Arc::new(Counted(AtomicU64::new(0))));
    Repository::open(repo.backend.clone(), env, &secret()).unwrap()
}

/// Two hosts by turns, each with a fifth of the whole as its budget: after five runs everything was
/// read exactly once; then what was read longest ago is read again.
#[test]
fn coverage_grows_from_any_host() {
    let repo = furnished(900, 12);
    let other = elsewhere(&repo);
    let all = covered(&repo).all;
    assert_eq!(covered(&repo).never, all);
    assert!(all.packs >= 20, "{all:?}");
    let budget = oldest(Some(Budget::Bytes(all.bytes.div_ceil(5))));
    let mut read = 0;
    for round in 0..5 {
        repo.clock.advance(86_400);
        let never = covered(&repo).never;
        let host = if round % 2 == 0 { &repo.repository } else { &other };
        let report = run(host, budget);
        let now = covered(&repo).never;
        assert_eq!(never.packs - now.packs, report.packs_read.min(never.packs), "round {round}");
        read += report.packs_read;
    }
    let whole = covered(&repo);
    assert_eq!(whole.never.packs, 0);
    assert_eq!(whole.hosts.len(), 2);
    assert!(read < all.packs + 5, "no more than what crosses a budget is read twice: {read}");
    assert_eq!(whole.whole(), whole.oldest);
    assert!(whole.within[0].packs < all.packs && whole.within[1] == all, "{whole:?}");
    for _ in 0..5 {
        repo.clock.advance(86_400);
        run(&other, budget);
    }
    assert!(covered(&repo).oldest > whole.oldest);
}

/// With room for one pack, each run reads that which was read longest ago: every pack once in each
/// round. The many notes of so many runs become few.
#[test]
fn the_oldest_is_first_and_notes_stay_few() {
    let repo = furnished(901, 10);
    let all = covered(&repo).all.packs;
    for round in 0..3 {
        let mut last = None;
        for at in 1..=all {
            repo.clock.advance(60);
            assert_eq!(run(&repo.repository, oldest(Some(Budget::Bytes(1)))).packs_read, 1);
            let now = covered(&repo);
            match round {
                0 => assert_eq!(now.never.packs, all - at),
                _ => assert!(now.oldest > last, "another than the oldest was read"),
            }
            last = now.oldest;
        }
        // Those that hold, and a withdrawal for each merge.
        let merges = (round + 1) * all as usize / LEDGER_NOTES;
        assert!(notes(&*repo.backend) < 2 * LEDGER_NOTES + merges, "{}", notes(&*repo.backend));
    }
    assert_eq!(covered(&repo).hosts.len(), 1);
}

/// Lets time pass with every pack, and wants to stop after so many.
struct Slow {
    clock: Arc<ManualClock>,
    seconds: i64,
    stop_after: u64,
    read: AtomicU64,
}

impl Slow {
    fn new(repo: &TempRepo, seconds: i64, stop_after: u64) -> Self {
        Slow { clock: repo.clock.clone(), seconds, stop_after, read: AtomicU64::new(0) }
    }
}

impl Monitor for Slow {
    fn begin(&self, _: &str, _: Option<(Counter, u64)>) {}
    fn count(&self, counter: Counter, _: u64) {
        if counter == Counter::Bytes {
            self.clock.advance(self.seconds);
            self.read.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn trouble(&self, _: &Error) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn stop_requested(&self) -> bool {
        self.read.load(Ordering::SeqCst) >= self.stop_after
    }
}

/// A budget of time ends reading when the time is over, never before one pack was read; what was not
/// reached is first the next time.
#[test]
fn a_budget_of_time_is_kept() {
    let repo = furnished(902, 8);
    let all = covered(&repo).all.packs;
    let within = |seconds| {
        let budget = Budget::Time(Duration::from_secs(seconds));
        let options = CheckOptions { read_data: oldest(Some(budget)) };
        let report = check(&repo.repository, options, &Slow::new(&repo, 10, u64::MAX)).unwrap();
        assert!(report.is_healthy(), "{:#?}", report.findings);
        assert_eq!(report.packs, all, "the others are looked at, too");
        report.packs_read
    };
    assert_eq!(within(25), 3);
    assert_eq!(within(0), 1);
    assert_eq!(covered(&repo).never.packs, all - 4);
    while covered(&repo).never.packs > 0 {
        within(25);
    }
    assert_eq!(within(100_000), all);
}

/// Only what nobody has verified since a moment is read, where that is asked for.
#[test]
fn what_was_read_lately_is_left_out() {
    let repo = furnished(903, 6);
    let all = covered(&repo).all.packs;
    run(&repo.repository, oldest(Some(Budget::Bytes(1))));
    repo.clock.advance(10 * 86_400);
    run(&repo.repository, oldest(Some(Budget::Bytes(1))));
    let day = Time(repo.env.now().0 - 86_400 * Time::SECOND);
    let late = ReadData::Oldest { budget: None, before: Some(day) };
    assert_eq!(coverage(&repo.repository, Some(day)).unwrap().overdue.packs, all - 1);
    assert_eq!(run(&repo.repository, late).packs_read, all - 1);
    assert_eq!(run(&repo.repository, late).packs_read, 0);
}

/// A long check that is stopped has noted what it had read.
#[test]
fn a_stopped_check_keeps_what_it_read() {
    let repo = furnished(904, 6);
    let options = CheckOptions { read_data: ReadData::All };
    let stopped = check(&repo.repository, options, &Slow::new(&repo, 400, 5));
    assert_eq!(stopped.unwrap_err().kind(), Kind::Interrupted);
    let now = covered(&repo);
    assert_eq!(now.all.packs - now.never.packs, 5);
    assert!(notes(&*repo.backend) > 1, "noted on the way");
}

/// Takes so many notes and no more.
struct FewNotes {
    inner: Arc<Memory>,
    left: AtomicU64,
}

impl Backend for FewNotes {
    forward!([inner] get size list_pages delete_all);

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let less = |left: u64| left.checked_sub(1);
        if handle.kind() == ObjectKind::Note
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err()
        {
            return Err(Error::new(Kind::Unavailable, "write", handle));
        }
        self.inner.put_shared(handle, bytes)
    }
}

/// Stopped at any note of a merge, the ledger says the same as without, and the next merge ends it.
#[test]
fn a_merge_may_stop_anywhere() {
    let repo = furnished(905, 8);
    let one = oldest(Some(Budget::Bytes(1)));
    for _ in 1..LEDGER_NOTES {
        repo.clock.advance(60);
        run(&repo.repository, one);
    }
    assert_eq!(notes(&*repo.backend), LEDGER_NOTES - 1);
    repo.clock.advance(60);
    let read: Vec<u64> = (0..4)
        .map(|left| {
            let inner = Arc::new(Memory::new());
            copy_into(&*repo.backend, &*inner);
            let store = Arc::new(FewNotes { inner: inner.clone(), left: AtomicU64::new(left) });
            let (env, clock) = Env::seeded(906, repo.env.now());
            let repository = Repository::open(store.clone(), env, &secret()).unwrap();
            run(&repository, one);
            let now = coverage(&repository, None).unwrap();
            store.left.store(u64::MAX, Ordering::SeqCst);
            clock.advance(60);
            run(&repository, one);
            let later = coverage(&repository, None).unwrap();
            assert_eq!(now.never.packs, later.never.packs + 1);
            assert!(notes(&*inner) <= 4, "{left}: {}", notes(&*inner));
            now.never.packs
        })
        .collect();
    let known = covered(&repo).never.packs;
    assert_eq!(read, [known, known - 1, known - 1, known - 1]);
}

fn forged(repo: &TempRepo, number: u8, at: Time, packs: BTreeSet<PackPrefix>) {
    let id = NoteId([number; 16]);
    let run = Run { sound: packs, ..Run::new("forger", at) };
    let about = About::Verified(Verified { runs: vec![run] });
    Forger::new(repo).record(&Handle::note(id), &Note { id, at, about });
}

/// A claim of the future counts for nothing, packs that are gone fall out, and a note that cannot be
/// read costs itself.
#[test]
fn forged_notes_cost_themselves() {
    let mut repo = furnished(907, 4);
    let all = repo.backend.list(ObjectKind::Pack).unwrap();
    let all: BTreeSet<PackPrefix> =
        all.iter().filter_map(|pack| Some(pack.handle.pack_id()?.prefix())).collect();
    let future = Time(repo.env.now().0 + 86_400 * Time::SECOND);
    forged(&repo, 100, future, all.clone());
    assert_eq!(covered(&repo).never.packs, all.len() as u64);
    for number in 0..LEDGER_NOTES as u8 {
        forged(&repo, number, Time(5), [PackPrefix([number; 8])].into());
    }
    run(&repo.repository, oldest(Some(Budget::Bytes(1))));
    // One that was merged, and the withdrawal of the others.
    assert_eq!(notes(&*repo.backend), 2);
    assert_eq!(repo.repository.ledger().unwrap().readings().len(), 1);
    assert_eq!(covered(&repo).never.packs, all.len() as u64 - 1);
    Forger::new(&repo).object(&Handle::note(NoteId([200; 16])), b"no record");
    repo.damaged = true;
    let options = CheckOptions { read_data: ReadData::All };
    assert_eq!(check(&repo.repository, options, &Silent).unwrap().errors, 1);
    assert_eq!(covered(&repo).never.packs, 0);
}

/// A pack that is damaged is in the ledger as that, and comes again when it is its turn.
#[test]
fn damage_is_in_the_ledger() {
    let mut repo = furnished(908, 3);
    repo.damaged = true;
    let Listed { handle, .. } = repo.backend.list(ObjectKind::Pack).unwrap().remove(0);
    let mut bytes = repo.backend.get(&handle, None).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    repo.backend.delete(&handle).unwrap();
    repo.backend.put_new(&handle, &bytes).unwrap();
    assert!(!repo.check().is_healthy());
    let now = covered(&repo);
    assert_eq!((now.damaged.packs, now.never.packs), (1, 0));
}

/// The largest note is a record, whatever runs its packs are of: a million packs are 16 of them.
#[test]
fn the_largest_note_is_a_record() {
    let runs = (0..NOTE_VERIFIED_MAX as u64).map(|number| Run {
        sound: [PackPrefix(number.to_be_bytes())].into(),
        ..Run::new(&"h".repeat(NOTE_HOST_MAX), Time(i64::MAX))
    });
    let about = About::Verified(Verified { runs: runs.collect() });
    let note = Note { id: NoteId([1; 16]), at: Time(i64::MAX), about };
    let largest = record::encode(&note).unwrap();
    assert!(largest.len() < RECORD_MAX * 9 / 10, "{}", largest.len());
    let run = Run {
        sound: (0..NOTE_VERIFIED_MAX as u64)
            .map(|number| PackPrefix(number.to_be_bytes()))
            .collect(),
        ..Run::new("host", Time(0))
    };
    let usual =
        record::encode(&Note { about: About::Verified(Verified { runs: vec![run] }), ..note });
    assert!(usual.unwrap().len() < NOTE_VERIFIED_MAX * 8 + 200);
}

/// Packs stand in a note one behind the other and ascending: another order, one twice, or a part of one
/// is damage.
#[test]
fn a_note_has_one_form() {
    let sound = [PackPrefix([1; 8]), PackPrefix([2; 8])].into();
    let run = Run { sound, ..Run::new("host", Time(0)) };
    let about = About::Verified(Verified { runs: vec![run] });
    let bytes = record::encode(&Note { id: NoteId([7; 16]), at: Time(0), about }).unwrap();
    assert!(record::decode::<Note>(&bytes, "it").is_ok());
    let at = bytes.windows(16).position(|part| part == [[1; 8], [2; 8]].concat()).unwrap();
    let edited = |length: u8, packs: &[u8]| {
        [&bytes[..at - 1], &[0x40 + length], packs, &bytes[at + 16..]].concat()
    };
    for packs in [[[2; 8], [1; 8]].concat(), [[1; 8], [1; 8]].concat(), vec![1; 15]] {
        let error = record::decode::<Note>(&edited(packs.len() as u8, &packs), "it").unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{error}");
    }
}

/// The program: a budget, what is overdue, and the status, in text and JSON; what makes no sense is
/// refused.
#[test]
fn the_program_tells_what_was_verified() {
    let cli = Cli::new();
    cli.backup();
    let status = |cli: &Cli| cli.json(&["check", "--status"]).pop().unwrap();
    let before = status(&cli);
    assert_eq!(before["never"], before["all"]);
    assert!(before["whole_since"].is_null());
    cli.run(&["check", "--status", "--older-than", "1d"]).code(3);
    assert!(cli.says(&["check", "--read-data", "--budget", "1"]).contains("read back 1 pack "));
    assert_eq!(status(&cli)["within"][0]["packs"], 1);
    cli.says(&["check", "--read-data", "--budget", "10min", "--older-than", "30d"]);
    let after = status(&cli);
    assert_eq!(after["never"]["packs"], 0);
    assert!(after["whole_since"].is_string());
    let said = cli.says(&["check", "--status", "--older-than", "1d"]);
    assert!(said.contains("everything was verified since"), "{said}");
    for wrong in [&["--budget", "1G"][..], &["--older-than", "1d"], &["--status", "--read-data"]] {
        cli.run(&[&["check"], wrong].concat()).code(1);
    }
}
