//! What no writer makes of a snapshot, although its record decodes (chapter 8).

use super::directory::bad_name;
use super::snapshot::{Part, Snapshot};
use crate::limits::{DIRECTORY_DEPTH_MAX, SNAPSHOT_ELEMENTS_MAX, TAINTS_MAX};

/// Why no writer makes such a snapshot, if so.
pub fn of_snapshot(snapshot: &Snapshot) -> Option<&'static str> {
    if elements(snapshot) > SNAPSHOT_ELEMENTS_MAX {
        return Some("it has too many elements");
    }
    if snapshot.sequence == 0 {
        return Some("its number in its series is 0");
    }
    let missing = snapshot.missing.iter().map(|missing| missing.path.as_slice());
    snapshot
        .parts
        .iter()
        .find_map(of_part)
        .or_else(|| missing.map(components).find_map(Result::err))
        .or_else(|| overlap(snapshot))
}

/// Whatever takes more memory than its bytes.
fn elements(snapshot: &Snapshot) -> usize {
    let in_parts = snapshot.parts.iter().map(|part| {
        part.selection.len() + part.parents.len() + part.facts.len() + part.taints.len() + 1
    });
    let missing = snapshot.missing.iter().map(|missing| missing.selection.len() + 1);
    let others = snapshot.tags.len() + snapshot.labels.len() + snapshot.warnings.len();
    in_parts.chain(missing).sum::<usize>() + others
}

fn of_part(part: &Part) -> Option<&'static str> {
    let names = match components(&part.path) {
        Ok(names) => names,
        Err(reason) => return Some(reason),
    };
    if names.last().copied().unwrap_or_default() != part.root.name {
        return Some("the root of a part has another name than its path");
    }
    if part.taints.len() > TAINTS_MAX {
        return Some("a part names too many damaged entries");
    }
    part.root.bad_target()
}

/// The names that a part's path is made of; none of `/`.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let Some(below) = path.strip_prefix(b"/") else { return Err("the path of a part is relative") };
    if below.is_empty() {
        return Ok(Vec::new());
    }
    let names = || below.split(|byte| *byte == b'/');
    if names().nth(DIRECTORY_DEPTH_MAX).is_some() {
        return Err("a part is nested too deeply");
    }
    names().find_map(bad_name).map_or_else(|| Ok(names().collect()), Err)
}

/// No part stands within another, or at the same place.
fn overlap(snapshot: &Snapshot) -> Option<&'static str> {
    let mut places: Vec<Vec<&[u8]>> =
        snapshot.parts.iter().filter_map(|part| components(&part.path).ok()).collect();
    // What begins with a path comes right after it.
    places.sort();
    let mut pairs = places.iter().zip(places.iter().skip(1));
    pairs.any(|(outer, inner)| inner.starts_with(outer)).then_some("a part lies within another")
}
