//! The series that a snapshot continues, and what is odd about its past.

use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::gc::{Forgotten, Position};
use crate::format::snapshot::{SeriesName, Snapshot, SourceName};
use crate::id::SeriesId;
use crate::limits::{CLOCK_TOLERANCE, RECENT};
use crate::repo::{Repository, SnapshotKey, Snapshots};

/// A series, and where it stands.
pub(super) struct Series {
    pub(super) id: SeriesId,
    name: SeriesName,
    newest: Option<Position>,
    /// The newest snapshot of the same sources under another host's name, if that may be this one.
    other: Option<(String, Time)>,
}

impl Series {
    /// The series of these sources, among all snapshots.
    pub(super) fn find(
        repository: &Repository,
        host: &str,
        sources: &[SourceName],
        all: &Snapshots<'_>,
        marks: &[Forgotten],
    ) -> Result<Self> {
        let sources = sources.iter().cloned().collect();
        let name = SeriesName { host: host.to_owned(), sources, original: None, origin: None };
        let id = repository.ids().of_series(&name)?;
        let live = all.keys().map(|key| Position {
            series: key.series,
            sequence: key.sequence,
            hash: Some(key.hash),
        });
        // It goes on after its last member, also where that one was given up.
        let given_up = marks.iter().filter_map(|mark| mark.position);
        let members = live.chain(given_up).filter(|position| position.series == id);
        let newest = members.max_by_key(|position| position.sequence);
        Ok(Series { id, name, newest, other: None })
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.newest.map_or(1, |newest| newest.sequence.saturating_add(1))
    }

    pub(super) fn previous_hash(&self) -> Option<[u8; 32]> {
        self.newest.and_then(|newest| newest.hash)
    }

    /// Its newest snapshot that was not given up.
    pub(super) fn last<'s>(&self, all: &'s Snapshots<'_>) -> Option<&'s SnapshotKey> {
        let members = all.keys().filter(|key| key.series == self.id);
        members.max_by_key(|key| key.sequence)
    }

    /// Looks whether a snapshot, each older than the one before it, may be of this host under
    /// another name.
    pub(super) fn compare(&mut self, snapshot: &Snapshot, now: Time) {
        let is_recent = now.0.saturating_sub(snapshot.started.0) < RECENT;
        let is_first = self.newest.is_none() && self.other.is_none();
        let is_other = snapshot.host != self.name.host;
        if is_first && is_recent && is_other && snapshot.sources() == self.name.sources {
            self.other = Some((snapshot.host.clone(), snapshot.started));
        }
    }

    /// What the user should know of it: a name that will not last, a past under another name, a
    /// clock that is wrong.
    pub(super) fn warnings(&self, all: &Snapshots<'_>, now: Time) -> Vec<String> {
        [self.passing_name(), self.other_name(), self.future(all, now)]
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

    fn other_name(&self) -> Option<String> {
        let (host, started) = self.other.as_ref()?;
        let name = if is_of_container(host) { "NAME" } else { host };
        Some(format!(
            "host {:?} is new; the same sources were saved as of host {host:?} at {started}: if \
             that is the same machine, name it with --host {name} or ICECORE_HOST, so that their \
             series goes on",
            self.name.host
        ))
    }

    fn future(&self, all: &Snapshots<'_>, now: Time) -> Option<String> {
        let last = self.last(all)?;
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

/// The error, if a backup cannot go round it.
pub(super) fn refused(error: Error) -> Option<Error> {
    let passed_over = matches!(error.kind(), Kind::Damaged | Kind::Unsupported | Kind::NotFound);
    (!passed_over).then(|| error.within("find", "the snapshot to go on from"))
}
