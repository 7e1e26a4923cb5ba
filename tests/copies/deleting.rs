//! Deletion in a mirror: what the source gave up and deleted goes, and nothing for being missing there.

use super::{mirrored, objects, past, shown, store, well_mirrored};
use crate::common::repo::secret;
use crate::common::stores::copy;
use crate::prune::{Past, bytes_of};
use crate::repair::of_kind;
use icecore::backend::{Backend, Handle};
use icecore::crypto::{KdfCost, Secret};
use icecore::error::{Kind, Result};
use icecore::format::ObjectKind;
use icecore::monitor::Silent;
use icecore::ops::mirror::{DeleteLimit, delete_given_up};
use icecore::ops::prune::Swept;
use std::sync::Arc;
use zeroize::Zeroizing;

fn delete(past: &Past, target: &Arc<dyn Backend>, limit: DeleteLimit) -> Result<Swept> {
    let (source, env) = (&past.repo.backend, &past.repo.env);
    delete_given_up(&**source, target.clone(), env, &secret(), limit, &Silent)
}

/// Snapshots that were given up, their packs, their segments, and the slot of a removed password go from the
/// mirror once they are gone from the source, which then has the very objects of the source; what
/// the source still has stays.
#[test]
fn what_was_given_up_goes() {
    let mut past = past(41, 5);
    let slot = |byte| Secret::KeyFile(Zeroizing::new([byte; 32]));
    let other = past.repo.repository.add_slot(&slot(5), KdfCost::default(), "old").unwrap();
    let target = store();
    well_mirrored(&past.repo.backend, &target);
    let before = bytes_of(&*target, ObjectKind::Pack);
    past.forget(1);
    past.forget(1);
    assert!(past.repo.repository.remove_slot(other).unwrap());
    well_mirrored(&past.repo.backend, &target);
    // Nothing was decided: the snapshots go, and the slot, and nothing of what they need.
    let swept = delete(&past, &target, DeleteLimit::Half).unwrap();
    assert_eq!((swept.packs.count, swept.records.count), (0, 3), "{swept:?}");
    past.prune();
    well_mirrored(&past.repo.backend, &target);
    let swept = delete(&past, &target, DeleteLimit::Half).unwrap();
    assert!(swept.packs.count > 0 && swept.segments.count > 0, "{swept:?}");
    assert!(bytes_of(&*target, ObjectKind::Pack) < before);
    assert!(objects(&*target) == objects(&*past.repo.backend));
    let source = std::mem::replace(&mut past.repo.backend, target);
    past.is_whole();
    past.repo.backend = source;
}

/// Packs that the source's store retains are not deleted in the mirror: they would be copied again.
#[test]
fn what_the_source_has_stays() {
    let mut past = past(42, 6);
    let target = store();
    let with_packs: Arc<dyn Backend> = copy(&*past.repo.backend);
    (0..3).for_each(|_| past.forget(1));
    past.prune();
    for pack in of_kind(&*with_packs, ObjectKind::Pack) {
        past.repo.backend.put_new(&pack, &with_packs.get(&pack, None).unwrap()).unwrap();
    }
    well_mirrored(&past.repo.backend, &target);
    let swept = delete(&past, &target, DeleteLimit::Half).unwrap();
    assert!(swept.retained.count > 0, "{swept:?}");
    assert!(objects(&*target) == objects(&*past.repo.backend));
}

/// A source that lost its newest snapshots without a word, or everything but its head, or was emptied by
/// hand of its packs, takes nothing from the mirror.
#[test]
fn what_is_missing_in_the_source_stays() {
    let mut past = past(43, 5);
    past.repo.damaged = true;
    past.forget(0);
    past.prune();
    let target = store();
    well_mirrored(&past.repo.backend, &target);
    delete(&past, &target, DeleteLimit::Half).unwrap();
    let (whole, known) = (objects(&*target), shown(&target));
    for kinds in [
        &[ObjectKind::Snapshot][..],
        &[ObjectKind::Pack],
        &[ObjectKind::Index, ObjectKind::Pack, ObjectKind::Snapshot, ObjectKind::Note],
    ] {
        for kind in kinds {
            for handle in of_kind(&*past.repo.backend, *kind).into_iter().skip(1) {
                past.repo.backend.delete(&handle).unwrap();
            }
        }
        // Refused where the mirror has snapshots that the source has not.
        drop(mirrored(&past.repo.backend, &[&target]).unwrap());
        delete(&past, &target, DeleteLimit::All).unwrap();
        assert!(objects(&*target) == whole);
        assert_eq!(shown(&target), known);
    }
}

/// If most snapshots of a mirror were given up, by mistake or by somebody who meant harm, they stay
/// until somebody says that it is meant.
#[test]
fn most_snapshots_go_only_on_demand() {
    let mut past = past(44, 5);
    let target = store();
    well_mirrored(&past.repo.backend, &target);
    (0..3).for_each(|_| past.forget(0));
    past.prune();
    well_mirrored(&past.repo.backend, &target);
    let before = objects(&*target);
    let error = delete(&past, &target, DeleteLimit::Half).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(error.to_string().contains("3 of its 5 snapshots"), "{error}");
    assert!(objects(&*target) == before);
    let swept = delete(&past, &target, DeleteLimit::All).unwrap();
    assert_eq!(swept.records.count, 3, "{swept:?}");
    assert!(objects(&*target) == objects(&*past.repo.backend));
    assert!(target.size(&Handle::config(0)).is_ok());
}
