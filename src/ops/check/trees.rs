//! Trees: every node reads, every chunk is there; what is not is named with all that it touches.

use super::members::Member;
use super::tainted::Marks;
use super::{CheckReport, FINDINGS_MOST, Finding, Touched};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::directory::Node;
use crate::format::snapshot::{Outcome, Snapshot};
use crate::id::{ChunkId, SnapshotId};
use crate::limits::PLACES_FREE;
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::path::is_within;
use crate::ops::reach::{Loss, Reach, Seen, Visitor};
use crate::ops::tree::{self, Entries, PathEntry};
use crate::repo::{Index, Reader, SnapshotKey};
use std::collections::{HashMap, hash_map};

pub(super) fn check(
    reader: &Reader<'_>,
    snapshots: Vec<Member>,
    index: &Index,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<()> {
    let mut reach = Reach::new(reader);
    let mut trees = Trees { index, monitor, report, snapshot: None, said: HashMap::new() };
    let mut marks = Marks::default();
    monitor.begin("check trees", None);
    // The others are read once more, so that no more than one of them is in memory, and what is fetched ahead.
    let others = snapshots.iter().filter(|member| member.held.is_none());
    let others: Vec<SnapshotId> = others.map(|member| member.key.id).collect();
    let mut others = reader.repository().outcomes(&others);
    for Member { key: SnapshotKey { id, .. }, held, .. } in snapshots {
        let snapshot = match held {
            Some(snapshot) => Ok(Some(snapshot)),
            None => match others.next() {
                Some((_, Ok((Outcome::Snapshot(snapshot), _)))) => Ok(Some(snapshot)),
                Some((_, Err(error))) => Err(error),
                _ => Ok(None),
            },
        };
        match snapshot {
            Ok(Some(snapshot)) => {
                marks.add(&snapshot);
                trees.snapshot(&mut reach, &snapshot)?;
            }
            Ok(None) => {}
            // It was given up meanwhile.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => {
                let error = error.within("check the snapshot", id);
                trees.report.found(monitor, Finding::object(Handle::snapshot(id), error));
            }
        }
    }
    monitor.end();
    trees.report.tainted = marks.finish();
    Ok(())
}

struct Trees<'a> {
    index: &'a Index,
    monitor: &'a dyn Monitor,
    report: &'a mut CheckReport,
    /// The one being walked, and the paths of its parts.
    snapshot: Option<(SnapshotId, Vec<Vec<u8>>)>,
    /// What was said once already, and where it stands among the findings.
    said: HashMap<String, Option<usize>>,
}

impl Trees<'_> {
    fn snapshot(&mut self, reach: &mut Reach<'_, Entries>, snapshot: &Snapshot) -> Result<()> {
        let parts = snapshot.parts.iter().map(|part| part.path.clone());
        self.snapshot = Some((snapshot.id, parts.collect()));
        let seen = reach.snapshot(snapshot, self)?;
        if let Err(error) = accounted(reach, snapshot, seen) {
            let finding = Finding::object(Handle::snapshot(snapshot.id), error);
            self.report.found(self.monitor, finding.unaccounted());
        }
        Ok(())
    }
}

/// Whether a snapshot has the entries that it says, and no more than anybody can restore.
fn accounted(reach: &Reach<'_, Entries>, snapshot: &Snapshot, seen: Seen<Entries>) -> Result<()> {
    let Entries(entries) = seen.sum;
    let most = snapshot.summary.items;
    // Files that could not be read were counted before that was known.
    let fewest = most.saturating_sub(snapshot.summary.failed);
    if entries > most || (seen.well && entries < fewest) {
        let reason = format!("it has {entries} entries and says {most}");
        return Err(Error::damaged("account for snapshot", snapshot.id.short(), reason));
    }
    if entries > PLACES_FREE {
        let whole = PathEntry { path: b"/".to_vec(), entry: tree::root(snapshot) };
        tree::count(reach.reader(), &whole)
            .map_err(|error| error.within("account for snapshot", snapshot.id.short()))?;
    }
    Ok(())
}

impl Visitor for Trees<'_> {
    type Sum = Entries;

    fn entry(&mut self, _: &[u8], _: &Node) -> Result<Entries> {
        go_on(self.monitor, "check")?;
        self.monitor.count(Counter::Items, 1);
        Ok(Entries(1))
    }

    fn chunk(&mut self, id: &ChunkId, length: u64) -> Result<()> {
        let place = self.index.find(BlobKind::Data, id);
        let place = place.ok_or_else(|| Error::damaged("find chunk", id, "it is lost"))?;
        if u64::from(place.plain) != length {
            return Err(Error::damaged("account for chunk", id, "it has another length"));
        }
        Ok(())
    }

    fn trouble(&mut self, path: &[u8], trouble: Loss) -> Result<Entries> {
        let Some((snapshot, parts)) = &self.snapshot else { return Ok(Entries(0)) };
        let touched = Touched { snapshot: *snapshot, path: path.to_vec() };
        // What could not be looked at may be well.
        if !trouble.error.kind().says_nothing() {
            self.report.touches(&touched);
        }
        let Loss { chunk, error, .. } = trouble;
        match self.said.entry(error.to_string()) {
            hash_map::Entry::Occupied(said) => {
                let finding = said.get().and_then(|at| self.report.findings.get_mut(at));
                finding.map(|finding| finding.touch(&touched));
            }
            hash_map::Entry::Vacant(said) => {
                let part = parts.iter().find(|part| is_within(path, part));
                let subject = format!("{}:{}", snapshot.short(), String::from_utf8_lossy(path));
                let error = error.within("restore", subject);
                let part = part.map(Vec::as_slice).unwrap_or_default();
                let finding = Finding::path(&touched, part, chunk, error);
                said.insert(self.report.found(self.monitor, finding));
            }
        }
        Ok(Entries(0))
    }

    /// To name all that is touched, as long as names are kept.
    fn looks_again(&self) -> bool {
        self.report.touched.len() < FINDINGS_MOST
    }
}
