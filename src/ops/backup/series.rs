//! The series that a snapshot continues, and what is odd about its past.

use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::gc::Position;
use crate::format::snapshot::{Part, SeriesName, SourceName};
use crate::id::SeriesId;
use crate::limits::{CLOCK_TOLERANCE, RECENT};
use crate::repo::{Repository, StoredSnapshot};
use crate::source::Description;

/// A series, and where it stands.
pub(super) struct Series {
    pub(super) id: SeriesId,
    name: SeriesName,
    newest: Option<Position>,
}

impl Series {
    /// The series of these sources, among all snapshots.
    pub(super) fn find(
        repository: &Repository,
        host: &str,
        sources: &[Description],
        all: &[StoredSnapshot],
    ) -> Result<Self> {
        let source = |source: &Description| {
            let (path, selection) = (source.path.clone(), source.selection.clone());
            SourceName { kind: source.kind, path, selection }
        };
        let sources = sources.iter().map(source).collect();
        let name = SeriesName { host: host.to_owned(), sources };
        let id = repository.ids().of_series(&name)?;
        let live = all.iter().map(|stored| Position {
            series: stored.snapshot.series,
            sequence: stored.snapshot.sequence,
            hash: Some(stored.hash),
        });
        let mut trouble = None;
        let forgotten = repository.forgotten(|error| remember(&mut trouble, error))?;
        refuse(trouble)?;
        // It goes on after its last member, also where that one was given up.
        let given_up = forgotten.iter().filter_map(|mark| mark.position);
        let members = live.chain(given_up).filter(|position| position.series == id);
        let newest = members.max_by_key(|position| position.sequence);
        Ok(Series { id, name, newest })
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.newest.map_or(1, |newest| newest.sequence.saturating_add(1))
    }

    pub(super) fn previous_hash(&self) -> Option<[u8; 32]> {
        self.newest.and_then(|newest| newest.hash)
    }

    /// Its newest snapshot that was not given up.
    pub(super) fn last<'s>(&self, all: &'s [StoredSnapshot]) -> Option<&'s StoredSnapshot> {
        let members = all.iter().filter(|stored| stored.snapshot.series == self.id);
        members.max_by_key(|stored| stored.snapshot.sequence)
    }

    /// What the user should know of it: a name that will not last, a past under another name, a
    /// clock that is wrong.
    pub(super) fn warnings(&self, all: &[StoredSnapshot], now: Time) -> Vec<String> {
        [self.passing_name(), self.other_name(all, now), self.future(all, now)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn passing_name(&self) -> Option<String> {
        let host = &self.name.host;
        is_of_container(host).then(|| {
            format!(
                "{host:?} looks like the name that a container gets anew at each start, which \
                 begins a new series each time: name the host with --host NAME or ICECORE_HOST"
            )
        })
    }

    fn other_name(&self, all: &[StoredSnapshot], now: Time) -> Option<String> {
        if self.newest.is_some() {
            return None;
        }
        let recent = |stored: &&StoredSnapshot| {
            now.0.saturating_sub(stored.snapshot.started.0) < RECENT
                && stored.snapshot.host != self.name.host
                && stored.snapshot.sources() == self.name.sources
        };
        let other = &all.iter().find(recent)?.snapshot;
        let name = if is_of_container(&other.host) { "NAME" } else { &other.host };
        Some(format!(
            "host {:?} is new; the same sources were saved as of host {:?} at {}: if that is the \
             same machine, name it with --host {name} or ICECORE_HOST, so that their series goes on",
            self.name.host, other.host, other.started
        ))
    }

    fn future(&self, all: &[StoredSnapshot], now: Time) -> Option<String> {
        let last = &self.last(all)?.snapshot;
        (last.started.0 > now.0.saturating_add(CLOCK_TOLERANCE)).then(|| {
            format!(
                "snapshot {} says that it was made at {}, which is in the future: was that clock \
                 wrong, or is this one?",
                last.id.short(),
                last.started
            )
        })
    }
}

/// Whether a name looks like those that containers get at each start.
fn is_of_container(host: &str) -> bool {
    let digit = |letter: u8| letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter);
    host.len() == 12 && host.bytes().all(digit)
}

/// Every snapshot, the newest first. What is damaged, newer than this program or just being
/// deleted can be no parent, and `check` is where it is reported. But a store that only fails for
/// a moment must not break the series.
pub(super) fn snapshots(repository: &Repository) -> Result<Vec<StoredSnapshot>> {
    let mut trouble = None;
    let all = repository.snapshots(|error| remember(&mut trouble, error))?;
    refuse(trouble)?;
    Ok(all)
}

fn remember(trouble: &mut Option<Error>, error: Error) {
    if !matches!(error.kind(), Kind::Damaged | Kind::Unsupported | Kind::NotFound) {
        *trouble = Some(error);
    }
}

fn refuse(trouble: Option<Error>) -> Result<()> {
    trouble.map_or(Ok(()), |error| Err(error.within("find", "the snapshot to go on from")))
}

/// The part of this source in the newest snapshot of this host that has it.
pub(super) fn newest(all: &[StoredSnapshot], host: &str, source: &Description) -> Option<Part> {
    let own = all.iter().filter(|stored| stored.snapshot.host == host);
    let is_it = |part: &&Part| {
        part.kind == source.kind && part.path == source.path && part.selection == source.selection
    };
    own.flat_map(|stored| &stored.snapshot.parts).find(is_it).cloned()
}
