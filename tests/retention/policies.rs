//! Policies on repositories whose snapshots say whatever they like: forged and jumping times, damaged
//! and incomplete parts, series that end.

use super::{policy, time};
use crate::common::forge::Forger;
use crate::common::memory::Tree;
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::env::Time;
use icecore::error::{Kind, Result};
use icecore::format::note::{About, Note, Remark};
use icecore::format::snapshot::{Outcome, Part, Snapshot};
use icecore::id::{NoteId, SeriesId, SnapshotId};
use icecore::monitor::Silent;
use icecore::ops::forget::{forget, plan, plan_by_policy};
use icecore::ops::select::{Filter, SAFETY_TAG};
use jiff::tz::TimeZone;
use std::cell::Cell;

/// A repository with snapshots that are written by hand, on a day of which all know.
struct Scene {
    repo: TempRepo,
    like: Snapshot,
    made: Cell<u8>,
}

/// The day before the clock's, which is a Friday.
const YESTERDAY: &str = "2027-01-14";

impl Scene {
    fn new(seed: u64) -> Self {
        let mut repo = TempRepo::new(seed);
        let mut tree = Tree::default();
        tree.put("a", vec![1; 500]);
        let like = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        // Snapshots that are written by hand name no predecessors.
        repo.damaged = true;
        repo.backend.delete(&Handle::snapshot(like.id)).unwrap();
        Scene { repo, like, made: Cell::new(0) }
    }

    /// Adds the next snapshot of a series, which says that it was made on a day.
    fn add(&self, day: &str, change: impl FnOnce(&mut Snapshot)) -> SnapshotId {
        self.made.set(self.made.get() + 1);
        let id = SnapshotId([self.made.get(); 16]);
        let sequence = u64::from(self.made.get());
        let mut snapshot = Snapshot { id, sequence, started: time(day), ..self.like.clone() };
        change(&mut snapshot);
        let outcome = Outcome::Snapshot(Box::new(snapshot));
        Forger::new(&self.repo).record(&Handle::snapshot(id), &outcome);
        id
    }

    fn days<const N: usize>(&self, days: [&str; N]) -> [SnapshotId; N] {
        days.map(|day| self.add(day, |_| {}))
    }

    /// What a policy leaves, applied to each host, oldest first.
    fn after(&self, rules: &str) -> Result<Vec<SnapshotId>> {
        self.after_with(rules, false)
    }

    fn after_with(&self, rules: &str, force: bool) -> Result<Vec<SnapshotId>> {
        let repository = &self.repo.repository;
        let host = |snapshot: &Snapshot| snapshot.host.clone();
        let (zone, filter) = (TimeZone::UTC, Filter::default());
        let planned = plan_by_policy(repository, &policy(rules), &zone, &filter, host, force)?;
        let mut keep: Vec<_> = planned.plan.keep.keys().map(|key| key.id).collect();
        keep.sort_unstable();
        forget(repository, &planned.plan, &Silent).unwrap();
        let all = repository.snapshots(|error| panic!("{error}")).unwrap();
        let left = all.keys().filter(|key| !all.is_given_up(key.id)).count();
        assert_eq!(left, keep.len());
        Ok(keep)
    }
}

/// Snapshots of the future push out no other, under any rule, and stay until somebody names them or
/// their time has come.
#[test]
fn snapshots_of_the_future_push_nobody_out() {
    for rules in ["last 2", "daily 2", "within 1d", "min 2", "yearly 1, daily 2"] {
        let scene = Scene::new(720);
        let honest = scene.days(["2027-01-12", "2027-01-13", "2027-01-14"]);
        let future = scene.days(["2028-01-01", "2029-01-01", "2030-01-01"]);
        let expected = [&honest[1..], &future].concat();
        assert_eq!(scene.after(rules).unwrap(), expected, "{rules}");
    }
}

/// A snapshot that claims a day before its predecessor's takes no place there; a clock that was
/// ahead for a while makes no later snapshot doubtful, now or once its time has come.
#[test]
fn clocks_that_jumped_push_nobody_out() {
    let scene = Scene::new(721);
    let old = scene.days(["2026-12-01", "2026-12-02", "2026-12-03"]);
    let back = scene.add("2026-12-01T23:00:00Z", |_| {});
    let new = scene.days(["2026-12-04"]);
    let all = [&old[..], &[back], &new].concat();
    assert_eq!(scene.after("daily 9").unwrap(), all, "the first of December is the honest one");

    let scene = Scene::new(722);
    scene.days(["2026-12-01", "2026-12-02"]);
    let ahead = scene.add("2027-01-10", |_| {});
    let after = scene.days(["2026-12-03", "2026-12-04", YESTERDAY]);
    let expected = [&[ahead], &after[1..]].concat();
    assert_eq!(scene.after("last 2").unwrap(), expected);
    assert_eq!(scene.after("daily 2").unwrap(), expected);
}

/// In a group of several series a snapshot whose time cannot be right pushes out none of another
/// series by way of those that follow it.
#[test]
fn doubtful_times_lift_nobody() {
    for rules in ["last 3", "daily 3"] {
        let scene = Scene::new(729);
        let of = |series: u8, day: &str| {
            let series = SeriesId([series; 16]);
            scene.add(day, |snapshot| snapshot.series = series)
        };
        let old = ["2026-12-01", "2026-12-02"].map(|day| of(1, day));
        let ahead = of(1, "2027-01-10");
        let after = ["2026-12-03", "2026-12-04", "2026-12-05"].map(|day| of(1, day));
        let other = ["2027-01-01", "2027-01-02"].map(|day| of(2, day));
        let kept = scene.after(rules).unwrap();
        assert_eq!(kept, [ahead, after[2], other[0], other[1]], "{rules} {old:?}");
    }
}

/// However many damaged or incomplete snapshots follow, the last good one stays, by a policy and by
/// its id; once there is a good one again, it goes.
#[test]
fn what_is_damaged_pushes_no_good_one_out() {
    let damaged = |snapshot: &mut Snapshot| snapshot.parts[0].tainted = 1;
    let incomplete = |snapshot: &mut Snapshot| snapshot.parts[0].incomplete = true;
    for (number, spoil) in [damaged as fn(&mut Snapshot), incomplete].into_iter().enumerate() {
        let scene = Scene::new(723 + number as u64);
        let good = scene.days(["2027-01-01", "2027-01-02"]);
        let bad = ["2027-01-03", "2027-01-04", "2027-01-05"].map(|day| scene.add(day, spoil));
        assert_eq!(scene.after("last 1").unwrap(), [good[1], bad[2]]);
        let named = [good[1].to_string()];
        let refused =
            plan(&scene.repo.repository, &named, &Filter::default(), false).err().unwrap();
        assert_eq!(refused.kind(), Kind::Refused);
        let again = scene.days(["2027-01-06"]);
        assert_eq!(scene.after("last 1").unwrap(), again);
    }
}

/// A host that is gone keeps what it had within the age, counted from its own last snapshot. A
/// policy that keeps nothing of a series is refused, and does it only with force.
#[test]
fn series_do_not_end_by_themselves() {
    let scene = Scene::new(725);
    let gone = |snapshot: &mut Snapshot| {
        snapshot.host = "gone".into();
        snapshot.series = SeriesId([9; 16]);
    };
    let theirs = ["2024-01-01", "2024-03-01", "2024-03-05"].map(|day| scene.add(day, gone));
    let ours = scene.days(["2026-01-01", "2027-01-13"]);
    assert_eq!(scene.after("within 7d").unwrap(), [theirs[1], theirs[2], ours[1]]);

    let tags = icecore::ops::retention::Policy::new([], &["release".parse().unwrap()]).unwrap();
    scene.add(YESTERDAY, |snapshot| snapshot.tags = ["release".to_owned()].into());
    let (zone, filter) = (TimeZone::UTC, Filter::default());
    let plan = |force| plan_by_policy(&scene.repo.repository, &tags, &zone, &filter, |_| (), force);
    let refused = plan(false).err().unwrap();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.to_string().contains("keeps no snapshot of /data from gone"), "{refused}");
    assert_eq!(plan(true).unwrap().plan.keep.len(), 1);
    assert_eq!(scene.repo.repository.snapshots(|error| panic!("{error}")).unwrap().len(), 4);
}

/// Snapshots of a job that say what it is count as one series with those from before there was such a document, in
/// either order; they push these out at last, as newer ones of the same series do.
#[test]
fn what_a_job_is_makes_no_series_of_its_own() {
    let documented = |snapshot: &mut Snapshot| {
        let mut part = Part { path: b"/icecore".to_vec(), ..snapshot.parts[0].clone() };
        part.root.name = b"icecore".to_vec();
        snapshot.parts.push(part);
        snapshot.series = SeriesId([8; 16]);
    };
    let bare = |_: &mut Snapshot| {};
    for (seed, before, after) in
        [(727, bare as fn(&mut Snapshot), documented as fn(&mut Snapshot)), (728, documented, bare)]
    {
        let scene = Scene::new(seed);
        let old = ["2027-01-01", "2027-01-02", "2027-01-03"].map(|day| scene.add(day, before));
        let new = ["2027-01-04", "2027-01-05"].map(|day| scene.add(day, after));
        let kept = scene.after("within 3d").unwrap();
        assert_eq!(kept, [old[1], old[2], new[0], new[1]]);
        assert_eq!(scene.after("last 3").unwrap(), [old[2], new[0], new[1]]);
        let kept = scene.after("last 1").unwrap();
        // Where it is said no more, the last that says it stays.
        let last = (seed == 728).then_some(old[2]);
        assert_eq!(kept, last.into_iter().chain([new[1]]).collect::<Vec<_>>());
    }
}

/// The last snapshot of a source stays although a policy by host has no room for it, unless that is
/// forced; what the filter leaves out is not touched.
#[test]
fn the_last_of_a_source_stays() {
    let scene = Scene::new(726);
    let other = |snapshot: &mut Snapshot| snapshot.parts[0].path = b"/other/data".to_vec();
    let others = ["2027-01-01", "2027-01-02"].map(|day| scene.add(day, other));
    let ours = scene.days(["2027-01-03", "2027-01-04"]);
    let filter = Filter { hosts: vec!["nobody".into()], ..Filter::default() };
    let (zone, rules) = (TimeZone::UTC, policy("last 1"));
    let none =
        plan_by_policy(&scene.repo.repository, &rules, &zone, &filter, |_| (), false).unwrap();
    assert!(none.groups.is_empty() && none.plan.forget.is_empty());
    assert_eq!(scene.after("last 1").unwrap(), [others[1], ours[1]]);
    assert_eq!(scene.after_with("last 1", true).unwrap(), [ours[1]]);
}

/// What was saved before a restore is counted by itself: it takes no place of others, and is not what
/// is left of a source.
#[test]
fn safety_snapshots_are_counted_apart() {
    let scene = Scene::new(727);
    let safety = |snapshot: &mut Snapshot| snapshot.tags = [SAFETY_TAG.to_owned()].into();
    let ours = scene.days(["2027-01-03T08:00:00Z"]);
    let saved = ["2027-01-03T09:00:00Z", "2027-01-03T10:00:00Z"].map(|day| scene.add(day, safety));
    assert_eq!(scene.after("daily 1").unwrap(), [ours[0], saved[1]]);
    let named = [ours[0].to_string()];
    let refused = plan(&scene.repo.repository, &named, &Filter::default(), false).err().unwrap();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(
        plan(&scene.repo.repository, &[saved[1].to_string()], &Filter::default(), false).is_ok()
    );
}

/// While a note cannot be read, which may be a hold, no policy gives anything up without force; a
/// note that says something else is no matter.
#[test]
fn unreadable_notes_may_be_holds() {
    let scene = Scene::new(728);
    scene.days(["2027-01-03", "2027-01-04"]);
    let note = |byte: u8| Handle::note(NoteId([byte; 16]));
    let remark = Remark { snapshot: SnapshotId([1; 16]), topic: "x".into(), text: "y".into() };
    let about = About::Snapshot(remark);
    Forger::new(&scene.repo).record(&note(1), &Note { id: NoteId([1; 16]), at: Time(0), about });
    scene.days([YESTERDAY]);
    assert_eq!(scene.after("last 2").unwrap().len(), 2);
    scene.repo.backend.put_new(&note(2), b"rot").unwrap();
    let refused = scene.after("last 1").unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    assert_eq!(scene.after_with("last 1", true).unwrap().len(), 1);
}
