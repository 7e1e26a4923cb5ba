//! Which of the sources that were named are captured.

use crate::error::{Error, Kind, Result};
use crate::format::snapshot::PartKind;
use crate::format::snapshot::SourceName;
use crate::limits::SOURCES_MAX;
use crate::ops::path::is_within;
use crate::source::Source;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a backup captures.
#[derive(Default)]
pub struct Wanted {
    /// The sources, in the order in which they were named.
    pub(super) sources: Vec<Box<dyn Source>>,
    /// Why each of the others is left out.
    pub(super) warnings: Vec<String>,
}

impl Wanted {
    /// Asks each source that was named.
    ///
    /// One that cannot be captured at all ends the backup here, before anything is written, or
    /// stays if the others are to be kept: its trouble is told when its turn comes.
    pub fn of(named: Vec<Box<dyn Source>>, keep_going: bool) -> Result<Self> {
        let mut wanted = Wanted::default();
        for mut source in named {
            match source.left_out() {
                Ok(Some(reason)) => wanted.warnings.push(reason),
                Err(error) if !keep_going => return Err(error),
                _ => wanted.sources.push(source),
            }
        }
        wanted.leave_out_covered();
        let places = wanted.names();
        refuse_too_many(&places)?;
        refuse_overlap(&places)?;
        if wanted.sources.is_empty() && !wanted.warnings.is_empty() {
            let reason = wanted.warnings.join("; ");
            return Err(Error::new(Kind::Refused, "back up", "nothing").because(reason));
        }
        Ok(wanted)
    }

    /// The sources, and why each of the others is left out.
    pub fn into_parts(self) -> (Vec<Box<dyn Source>>, Vec<String>) {
        (self.sources, self.warnings)
    }

    /// What each source is, and where it stands in the snapshot.
    pub(super) fn names(&self) -> Vec<SourceName> {
        self.sources.iter().map(|source| source.describe()).collect()
    }

    /// Files and folders that another source captures anyhow are captured there alone.
    fn leave_out_covered(&mut self) {
        let mut by_path: HashMap<Vec<u8>, usize> = HashMap::new();
        let places = self.names();
        for (at, place) in places.iter().enumerate().filter(|(_, it)| it.kind == PartKind::Files) {
            by_path.entry(place.path.clone()).or_insert(at);
        }
        let is_covered = |at: usize, place: &SourceName| {
            let mut outer =
                Path::new(OsStr::from_bytes(&place.path)).ancestors().filter_map(|it| {
                    let source = by_path.get(it.as_os_str().as_bytes()).filter(|it| **it != at)?;
                    self.sources.get(*source)
                });
            place.kind == PartKind::Files && outer.any(|outer| outer.covers(&place.path))
        };
        let covered: Vec<bool> =
            places.iter().enumerate().map(|(at, place)| is_covered(at, place)).collect();
        let mut covered = covered.into_iter();
        self.sources.retain(|_| !covered.next().unwrap_or(false));
    }
}

/// Each source is a part of the snapshot's record, which has a bound.
fn refuse_too_many(descriptions: &[SourceName]) -> Result<()> {
    if descriptions.len() <= SOURCES_MAX {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidInput, "back up", format!("{} sources", descriptions.len()))
        .because(format!("one snapshot takes {SOURCES_MAX}"))
        .hint("name the folders that hold them, and leave the rest out with `--exclude`"))
}

/// Two sources at one place, or one within the other, would be captured twice.
fn refuse_overlap(descriptions: &[SourceName]) -> Result<()> {
    for (at, inner) in descriptions.iter().enumerate() {
        let path = String::from_utf8_lossy(&inner.path);
        for outer in descriptions.iter().enumerate().filter(|(other, _)| *other != at) {
            let outer = &outer.1.path;
            if is_within(&inner.path, outer) {
                let reason = match inner.path == *outer {
                    true => "it was named twice".to_owned(),
                    false => format!("it lies within {}", String::from_utf8_lossy(outer)),
                };
                return Err(Error::new(Kind::InvalidInput, "back up", path).because(reason).hint(
                    "name each place once: databases in a folder are captured as databases, and what a \
                     folder leaves out, or has behind a link, is a source only without the folder",
                ));
            }
        }
    }
    Ok(())
}
