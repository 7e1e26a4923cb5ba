//! A check beside backups and forgets: what it sees one moment too early or too late is no damage.

use super::lens::Lens;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, options, secret};
use icecore::backend::{Backend, Handle, Listed, Memory};
use icecore::env::{Env, Time};
use icecore::format::ObjectKind;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::check::{CheckOptions, CheckReport, Cure, Finding, What, Where, check};
use icecore::ops::forget::{forget, plan};
use icecore::ops::select::Filter;
use icecore::repo::Repository;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Checks the store of `repo`, where `meanwhile` changes the listing of snapshots or marks that
/// has this number of all such listings.
fn check_beside(
    store: &Arc<Memory>,
    number: usize,
    meanwhile: impl Fn(&Arc<Memory>, Vec<Listed>) -> Vec<Listed> + Send + Sync + 'static,
) -> CheckReport {
    let (listings, inner) = (AtomicUsize::new(0), store.clone());
    let lens = Lens::new(store.clone(), move |kind, listed| {
        let is_of_chain = matches!(kind, ObjectKind::Snapshot | ObjectKind::Forgotten);
        match is_of_chain && listings.fetch_add(1, Ordering::SeqCst) == number {
            true => meanwhile(&inner, listed),
            false => listed,
        }
    });
    check(&open(Arc::new(lens), 701), CheckOptions::default(), &Silent).unwrap()
}

fn open(store: Arc<dyn Backend>, seed: u64) -> Repository {
    let (env, _) = Env::seeded(seed, Time(2_000_000_000 * Time::SECOND));
    Repository::open(store, env, &secret()).unwrap()
}

fn save(store: &Arc<Memory>, seed: u64) -> Handle {
    let mut tree = Tree::default();
    tree.put("a", seed.to_le_bytes().to_vec());
    let sources = vec![tree.source("/data")];
    let report = backup(&open(store.clone(), seed), sources, &options(), &Silent).unwrap();
    Handle::snapshot(report.snapshot.id)
}

fn give_up(store: &Arc<Memory>, name: &str) {
    let repository = open(store.clone(), 702);
    let plan = plan(&repository, &[name.to_owned()], &Filter::default(), false).unwrap();
    forget(&repository, &plan, &Silent).unwrap();
}

/// Three snapshots of one series.
fn three() -> (TempRepo, Arc<Memory>) {
    let store = Arc::new(Memory::new());
    let repo = TempRepo::over(store.clone(), 700);
    (0..3).for_each(|seed| drop(save(&store, seed)));
    (repo, store)
}

/// Two snapshots are committed while a folder is being listed, and the listing shows the later one
/// only; or one is given up between any two listings: the check finds nothing wrong.
#[test]
fn a_check_beside_others_finds_nothing() {
    for number in 0..5 {
        let (_repo, store) = three();
        let report = check_beside(&store, number, |store, mut listed| {
            let first = save(store, 10);
            let second = save(store, 11);
            let all = store.list(ObjectKind::Snapshot).unwrap();
            if listed.iter().any(|object| all.contains(object)) {
                listed.extend(all.into_iter().filter(|object| object.handle == second));
            }
            assert!(!listed.iter().any(|object| object.handle == first));
            listed
        });
        assert!(report.is_healthy(), "{number}: {:#?}", report.findings);
        for name in ["latest", "latest~1", "latest~2"] {
            let (_repo, store) = three();
            let report = check_beside(&store, number, move |store, listed| {
                give_up(store, name);
                listed
            });
            assert!(report.is_healthy(), "{number} {name}: {:#?}", report.findings);
        }
    }
}

/// A member that is really gone is an alarm, also while others write.
#[test]
fn a_real_gap_is_found_beside_others() {
    let (mut repo, store) = three();
    repo.damaged = true;
    let all = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    store.delete(&Handle::snapshot(all[1].snapshot.id)).unwrap();
    let report = check_beside(&store, 0, |store, listed| {
        save(store, 20);
        listed
    });
    assert_eq!(report.errors, 1, "{:#?}", report.findings);
    let Finding { what, at, cure, error, .. } = &report.findings[0];
    assert_eq!((*what, *cure), (What::Gap, Cure::ForgetGaps));
    assert!(matches!(at, Where::Series { .. }), "{at:?}");
    assert!(error.hint_text().unwrap().contains("without being forgotten"));
}
