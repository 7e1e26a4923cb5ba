//! Choosing snapshots: filters, `latest`, `latest~N`, `latest@TIME`, id prefixes, and `SNAP:path`.

use super::path::is_within;
use super::tag_list::TagList;
use super::times::doubtful;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Part, Snapshot, SourceName};
use crate::id::SnapshotId;
use crate::repo::{Repository, Snapshots, StoredSnapshot};
use crate::source::JOB_FOLDER;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Which snapshots are meant. Empty filters let everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The machine is one of these.
    pub hosts: Vec<String>,
    /// All tags of one of these lists must be there.
    pub tags: Vec<TagList>,
    /// Each of these paths is the path of a part, or lies within one.
    pub paths: Vec<Vec<u8>>,
    /// All of these labels are there.
    pub labels: BTreeMap<String, String>,
}

impl Filter {
    /// Whether the filter lets a snapshot pass.
    pub fn passes(&self, snapshot: &Snapshot) -> bool {
        let host = self.hosts.is_empty() || self.hosts.contains(&snapshot.host);
        let tags =
            self.tags.is_empty() || self.tags.iter().any(|list| list.is_within(&snapshot.tags));
        let path = |path: &Vec<u8>| snapshot.parts.iter().any(|part| may_hold(part, path));
        let label = |(key, value)| snapshot.labels.get(key) == Some(value);
        host && tags && self.paths.iter().all(path) && self.labels.iter().all(label)
    }
}

/// The sources of a snapshot that were asked for: what says what its job is goes with any of them, and
/// snapshots from before there was such a document are of the same sources.
pub fn named_sources(snapshot: &Snapshot) -> BTreeSet<SourceName> {
    let mut sources = snapshot.sources();
    sources.retain(|source| source.path != JOB_FOLDER.as_bytes());
    sources
}

/// Whether a path lies in a part, as far as the part's record tells: it names the databases of a
/// server.
fn may_hold(part: &Part, path: &[u8]) -> bool {
    let folder = [&part.path, b"/databases/".as_slice()].concat();
    let is_listed = |entry: &[u8]| {
        part.databases().any(|name| {
            let suffix = entry.strip_prefix(name.as_bytes());
            suffix.is_some_and(|suffix| matches!(suffix, b".dump" | b".sql"))
        })
    };
    match path.strip_prefix(folder.as_slice()) {
        Some(entry) if part.databases().next().is_some() => is_listed(entry),
        _ => is_within(path, &part.path),
    }
}

/// What a name begins with that means a snapshot by its time.
const BY_TIME: &str = "latest@";

/// `SNAP` or `SNAP:path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPath {
    /// `latest`, `latest~N`, `latest@TIME`, or the beginning of an id.
    pub snapshot: String,
    /// A path within the snapshot.
    pub path: Option<Vec<u8>>,
}

impl From<&[u8]> for SnapshotPath {
    fn from(text: &[u8]) -> Self {
        // There are colons in times, too.
        let colon = match text.starts_with(BY_TIME.as_bytes()) {
            true => text.windows(2).position(|pair| pair == b":/"),
            false => text.iter().position(|byte| *byte == b':'),
        };
        let (name, path) = match colon.and_then(|at| text.split_at_checked(at)) {
            Some((name, path)) => (name, path.get(1..).map(<[u8]>::to_vec)),
            None => (text, None),
        };
        SnapshotPath { snapshot: String::from_utf8_lossy(name).into_owned(), path }
    }
}

impl SnapshotPath {
    /// The same among the snapshots that were made by a time.
    ///
    /// # Errors
    /// `InvalidInput` for anything but `latest` and `latest~N`.
    pub fn made_by(self, time: &str) -> Result<Self> {
        match self.snapshot.strip_prefix("latest") {
            Some(back) if back.is_empty() || back.starts_with('~') => {
                Ok(SnapshotPath { snapshot: format!("{BY_TIME}{time}{back}"), ..self })
            }
            _ => Err(Error::new(Kind::InvalidInput, "find the snapshot", &self.snapshot)
                .because(format!("it is named, and chosen by the time {time} as well"))
                .hint("name `latest`, or a path in it as `latest:/PATH`, or leave the time out")),
        }
    }
}

/// The snapshot that `name` means among those that pass the filter. Any that cannot be read
/// goes to `trouble`: it may be the one that was meant.
///
/// # Errors
/// `NotFound` if there is none, `InvalidInput` if a prefix is ambiguous.
pub fn find(
    repository: &Repository,
    name: &str,
    filter: &Filter,
    trouble: impl FnMut(Error),
) -> Result<StoredSnapshot> {
    let snapshots = repository.snapshots(trouble)?.filtered(|snapshot| filter.passes(snapshot))?;
    choose(&snapshots, name)
}

/// All snapshots that pass the filter, newest first; of these, those that `names` mean, if it
/// names any. What cannot be read goes to `trouble`.
///
/// # Errors
/// As for [`find`].
pub fn find_all<'r>(
    repository: &'r Repository,
    names: &[String],
    filter: &Filter,
    trouble: impl FnMut(Error),
) -> Result<Snapshots<'r>> {
    let snapshots = repository.snapshots(trouble)?;
    let mut snapshots = snapshots.filtered(|snapshot| filter.passes(snapshot))?;
    let chosen: Result<HashSet<SnapshotId>> =
        names.iter().map(|name| Ok(choose(&snapshots, name)?.snapshot.id)).collect();
    let chosen = chosen?;
    snapshots.retain(|key| names.is_empty() || chosen.contains(&key.id));
    Ok(snapshots)
}

/// Tag of a snapshot that was taken only because something was about to be replaced.
pub const SAFETY_TAG: &str = "before-restore";

/// Tag of a snapshot that lacks something which its job requires.
pub const LACKING_TAG: &str = "lacks-required";

/// Why a snapshot takes the place of no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aside {
    /// It was taken only because something was about to be replaced.
    Safety,
    /// It lacks something that its job requires.
    Lacking,
    /// It is what was left of another after damage.
    Repaired,
}

impl Aside {
    /// Why this one does not, if it does not.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let tagged = |tag: &str, aside| snapshot.tags.contains(tag).then_some(aside);
        let repaired = snapshot.original.map(|_| Aside::Repaired);
        let lacking = || tagged(LACKING_TAG, Aside::Lacking);
        repaired.or_else(lacking).or_else(|| tagged(SAFETY_TAG, Aside::Safety))
    }
}

/// The snapshot that `name` means. `latest@TIME` is the newest that was made by then, by times that
/// can be right. `latest` is none that was taken before a restore or is left of another, unless there
/// are no others: a user who restores `latest` again after a mishap does not mean what the mishap
/// left.
///
/// # Errors
/// As for [`find`], and `InvalidInput` for a time that is none.
pub fn choose(snapshots: &Snapshots<'_>, name: &str) -> Result<StoredSnapshot> {
    let (chosen, reason) = match Latest::parse(name)? {
        Some(latest) => {
            let until = latest.until.map(|until| format!("none of them was made by {until}"));
            (latest.among(snapshots)?, until)
        }
        None => match by_prefix(snapshots, name)? {
            Some(id) => (snapshots.get(id)?, None),
            None => (None, None),
        },
    };
    chosen.map(Arc::unwrap_or_clone).ok_or_else(|| {
        Error::new(Kind::NotFound, "find the snapshot", name)
            .because(match snapshots.len() {
                0 => "no snapshot passes the filters".to_owned(),
                some => reason.unwrap_or_else(|| format!("it matches none of {some} snapshots")),
            })
            .hint("`icecore snapshots` lists them")
    })
}

/// `latest`, `latest~N`, `latest@TIME` or `latest@TIME~N`.
struct Latest {
    /// Only what was made by then.
    until: Option<Time>,
    /// How many steps before the newest.
    back: usize,
}

impl Latest {
    /// What `name` means; nothing if it is no name of this form.
    fn parse(name: &str) -> Result<Option<Self>> {
        let Some(rest) = name.strip_prefix("latest") else { return Ok(None) };
        let (until, back) = match rest.rsplit_once('~') {
            Some((until, back)) => (until, back.parse().ok()),
            None => (rest, Some(0)),
        };
        let Some(back) = back else { return Ok(None) };
        match until.strip_prefix('@') {
            Some(time) => Ok(Some(Latest { until: Some(time.parse()?), back })),
            None if until.is_empty() => Ok(Some(Latest { until: None, back })),
            None => Ok(None),
        }
    }

    fn among(&self, snapshots: &Snapshots<'_>) -> Result<Option<Arc<StoredSnapshot>>> {
        let mut snapshots = snapshots.clone();
        if let Some(until) = self.until {
            let doubtful = doubtful(snapshots.keys(), until);
            snapshots.retain(|key| !doubtful.contains(&key.id));
        }
        let is_ordinary = |stored: &Result<Arc<StoredSnapshot>>| {
            stored.as_ref().map_or(true, |stored| Aside::of(&stored.snapshot).is_none())
        };
        let mut ordinary = snapshots.iter().filter(is_ordinary).peekable();
        match ordinary.peek() {
            Some(_) => ordinary.nth(self.back),
            None => snapshots.iter().nth(self.back),
        }
        .transpose()
    }
}

fn by_prefix(snapshots: &Snapshots<'_>, name: &str) -> Result<Option<SnapshotId>> {
    let begins = |id: &SnapshotId| !name.is_empty() && id.to_string().starts_with(name);
    let mut matches = snapshots.keys().map(|key| key.id).filter(begins);
    let first = matches.next();
    if matches.next().is_some() {
        return Err(Error::new(Kind::InvalidInput, "find the snapshot", name)
            .because("several ids begin like that")
            .hint("give more digits"));
    }
    Ok(first)
}
