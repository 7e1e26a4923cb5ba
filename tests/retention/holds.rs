//! Holds: a snapshot that is held stays, however it is to be given up.

use super::policy;
use crate::common::meanwhile::Meanwhile;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::{Backend, Handle};
use icecore::env::Time;
use icecore::error::{Kind, Result};
use icecore::id::{NoteId, SnapshotId};
use icecore::limits::CLOCK_TOLERANCE;
use icecore::monitor::Silent;
use icecore::ops::forget::{ForgetReport, forget, plan, plan_by_policy};
use icecore::ops::select::Filter;
use icecore::repo::Repository;
use jiff::tz::TimeZone;
use std::sync::{Arc, Mutex};

/// A repository with snapshots of one source, oldest first.
fn of(count: u8, seed: u64) -> (TempRepo, Vec<SnapshotId>) {
    let repo = TempRepo::new(seed);
    let ids = (0..count).map(|byte| {
        let mut tree = Tree::default();
        tree.put("a", vec![byte; 500]);
        repo.backup(vec![tree.source("/data")]).unwrap().snapshot.id
    });
    let ids = ids.collect();
    (repo, ids)
}

fn give_up(repository: &Repository, id: SnapshotId, force: bool) -> Result<ForgetReport> {
    let plan = plan(repository, &[id.to_string()], &Filter::default(), force)?;
    forget(repository, &plan, &Silent)
}

fn by_policy(repo: &TempRepo, rules: &str) -> Result<ForgetReport> {
    let zone = TimeZone::UTC;
    let filter = Filter::default();
    let planned = plan_by_policy(&repo.repository, &policy(rules), &zone, &filter, |_| (), false)?;
    forget(&repo.repository, &planned.plan, &Silent)
}

fn live(repo: &TempRepo) -> Vec<SnapshotId> {
    let snapshots = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    snapshots.keys().rev().map(|key| key.id).collect()
}

/// A held snapshot is given up neither by its id, forced or not, nor by a policy; others are. Once
/// released, it goes.
#[test]
fn what_is_held_stays_until_it_is_released() {
    let (repo, ids) = of(4, 700);
    let hold = repo.repository.hold(ids[0], "audit", None).unwrap().id;
    for force in [false, true] {
        let refused = give_up(&repo.repository, ids[0], force).unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
        assert!(refused.to_string().contains("held: audit"), "{refused}");
        assert!(refused.hint_text().unwrap().contains("icecore release"));
    }
    assert_eq!(by_policy(&repo, "last 1").unwrap().forgotten, 2);
    assert_eq!(live(&repo), [ids[0], ids[3]]);
    repo.repository.release([hold].into()).unwrap();
    assert_eq!(by_policy(&repo, "last 1").unwrap().forgotten, 1);
    assert_eq!(live(&repo), [ids[3]]);
}

/// A hold with an end holds until then, also by a clock that is ahead as far as clocks may be, and
/// no longer.
#[test]
fn a_hold_ends_by_itself() {
    let (repo, ids) = of(2, 701);
    let until = Time(repo.env.now().0 + 100 * Time::SECOND);
    repo.repository.hold(ids[0], "audit", Some(until)).unwrap();
    repo.clock.advance(100 + CLOCK_TOLERANCE / Time::SECOND - 1);
    assert!(give_up(&repo.repository, ids[0], false).is_err());
    repo.clock.advance(1);
    assert!(repo.repository.holds().unwrap().of(ids[0]).is_empty());
    give_up(&repo.repository, ids[0], false).unwrap();
}

/// Holds of several hosts stand beside each other: releasing one leaves the others, also one that
/// was put after the other host had looked.
#[test]
fn holds_of_several_hosts_are_ended_one_by_one() {
    let (repo, ids) = of(2, 702);
    let other = repo.reopen().unwrap();
    let first = repo.repository.hold(ids[0], "audit", None).unwrap().id;
    let seen: Vec<_> = repo.repository.holds().unwrap().of(ids[0]).to_vec();
    repo.clock.advance(1);
    let second = other.hold(ids[0], "law suit", None).unwrap().id;
    assert_eq!(seen.iter().map(|hold| hold.id).collect::<Vec<_>>(), [first]);
    repo.repository.release([first].into()).unwrap();
    let left: Vec<_> = other.holds().unwrap().of(ids[0]).iter().map(|hold| hold.id).collect();
    assert_eq!(left, [second]);
    assert!(give_up(&other, ids[0], true).is_err());
}

/// A snapshot whose mark and hold are both there counts as live as long as the hold lasts.
#[test]
fn a_held_snapshot_is_live_marked_or_not() {
    let (repo, ids) = of(2, 703);
    let hold = repo.repository.hold(ids[0], "audit", None).unwrap().id;
    let all = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let key = *all.keys().find(|key| key.id == ids[0]).unwrap();
    assert!(!repo.repository.forget(&key).unwrap(), "its object stays");
    assert_eq!(live(&repo), ids);
    assert!(repo.check().is_healthy());
    repo.repository.release([hold].into()).unwrap();
    assert_eq!(live(&repo), ids[1..]);
}

/// What was given up and is only held counts as kept nowhere: the last one besides it is refused, by its id
/// and by a policy, takes no place under a rule, and stays when the hold ends.
#[test]
fn what_goes_with_its_hold_is_not_kept() {
    let (repo, ids) = of(3, 704);
    let hold = repo.repository.hold(ids[2], "audit", None).unwrap().id;
    let all = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let key = *all.keys().find(|key| key.id == ids[2]).unwrap();
    repo.repository.mark_forgotten(&key).unwrap();
    let all = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let given_up: Vec<_> = all.keys().filter(|key| all.is_given_up(key.id)).collect();
    assert_eq!(given_up, [&key]);
    assert_eq!(by_policy(&repo, "last 1").unwrap().forgotten, 1);
    assert_eq!(live(&repo), ids[1..]);
    let refused = give_up(&repo.repository, ids[1], false).unwrap_err();
    assert!(refused.to_string().contains("last"), "{refused}");
    repo.repository.release([hold].into()).unwrap();
    assert_eq!(live(&repo), [ids[1]]);
}

/// A hold that comes after the mark is withdrawn with the refusal; beside the hold of somebody else
/// it is put, and says that the snapshot was given up.
#[test]
fn a_hold_that_comes_too_late_leaves_nothing() {
    let (repo, ids) = of(2, 705);
    let all = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    let key = *all.keys().find(|key| key.id == ids[0]).unwrap();
    let first = repo.repository.hold(ids[0], "audit", None).unwrap();
    assert!(!first.given_up);
    repo.repository.mark_forgotten(&key).unwrap();
    let second = repo.repository.hold(ids[0], "law suit", None).unwrap();
    assert!(second.given_up);
    assert_eq!(repo.repository.holds().unwrap().of(ids[0]).len(), 2);
    repo.repository.release([first.id, second.id].into()).unwrap();
    let refused = repo.repository.hold(ids[0], "too late", None).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert_eq!(live(&repo), ids[1..]);
    assert!(repo.repository.holds().unwrap().of(ids[0]).is_empty());
}

/// While a note cannot be read, which may be a hold, a snapshot is given up by its id with force
/// alone, and then stays as long as the note cannot be read.
#[test]
fn an_unreadable_note_holds_what_is_given_up() {
    let (repo, ids) = of(2, 706);
    let note = Handle::note(NoteId([9; 16]));
    repo.backend.put_new(&note, b"rot").unwrap();
    let refused = give_up(&repo.repository, ids[0], false).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.hint_text().unwrap().contains("icecore check"), "{refused}");
    let plan = plan(&repo.repository, &[ids[0].to_string()], &Filter::default(), true).unwrap();
    assert_eq!(plan.unread_notes.len(), 1);
    let report = forget(&repo.repository, &plan, &Silent).unwrap();
    assert_eq!((report.forgotten, report.held), (0, 1));
    assert_eq!(live(&repo), ids);
    repo.backend.delete(&note).unwrap();
    assert_eq!(live(&repo), ids[1..]);
}

/// Whichever call of a forget a hold comes before: a hold that was put without complaint keeps its
/// snapshot.
#[test]
fn a_hold_that_is_put_keeps_its_snapshot() {
    for at in 0.. {
        let (repo, ids) = of(2, 710 + at);
        let (held, done) = (ids[0], Arc::new(Mutex::new(None)));
        let (store, env, tell) = (repo.backend.clone(), repo.env.clone(), done.clone());
        let racing = Meanwhile::new(&repo.backend, at, move || {
            let repository = Repository::open(store, env, &secret()).unwrap();
            *tell.lock().unwrap() = Some(repository.hold(held, "audit", None));
        });
        let acting: Arc<dyn Backend> = racing.clone();
        let repository = Repository::open(acting, repo.env.clone(), &secret()).unwrap();
        let forgot = give_up(&repository, held, false);
        if !racing.has_happened() {
            assert!(at > 20, "only {at} calls");
            return;
        }
        let hold = done.lock().unwrap().take().unwrap();
        let is_there = live(&repo).contains(&held);
        assert!(hold.is_err() || is_there, "before call {at}: {hold:?} {forgot:?}");
        let has_mark = repo.backend.size(&Handle::forgotten(held)).is_ok();
        assert!(is_there || has_mark, "before call {at}");
    }
}
