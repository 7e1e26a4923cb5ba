//! What a snapshot is a state of: each database of a server, each source, and its series.

use crate::format::snapshot::{Part, PartKind, Snapshot};
use crate::id::SeriesId;
use std::collections::HashSet;
use std::fmt;

/// Something that a snapshot holds a state of.
#[derive(Clone, Debug)]
pub(super) enum Past<'s> {
    /// A database, so far as the same of it was asked for.
    Database {
        host: &'s str,
        path: &'s [u8],
        scope: Vec<&'s str>,
        name: &'s str,
        /// Whether nothing is missing in its part: then the database may.
        whole: bool,
    },
    /// A folder, a file, a stream, a server.
    Source { host: &'s str, kind: PartKind, path: &'s [u8] },
    /// All sources of a series together.
    Series(SeriesId),
}

impl<'s> Past<'s> {
    /// All that a snapshot holds.
    pub(super) fn of(snapshot: &'s Snapshot) -> Vec<Past<'s>> {
        let host = snapshot.host.as_str();
        let parts = || snapshot.parts.iter();
        let databases = parts().flat_map(|part| databases(host, part));
        let sources = parts().map(|part| Past::Source { host, kind: part.kind, path: &part.path });
        databases.chain(sources).chain([Past::Series(snapshot.series)]).collect()
    }

    /// Whether one of these is it, too, and no less of it.
    pub(super) fn is_among(&self, all: &HashSet<PastId>) -> bool {
        let whole = match self.clone() {
            Past::Database { host, path, scope, name, .. } => {
                Past::Database { host, path, scope, name, whole: true }
            }
            past => past,
        };
        all.contains(&self.id()) || all.contains(&whole.id())
    }

    /// Names it: what it is, however long its words are.
    pub(super) fn id(&self) -> PastId {
        let mut text = Vec::new();
        let mut add = |field: &[u8]| {
            text.extend((field.len() as u64).to_le_bytes());
            text.extend(field);
        };
        match self {
            Past::Database { host, path, scope, name, whole } => {
                add(&[0, u8::from(*whole)]);
                [host.as_bytes(), path, name.as_bytes()].into_iter().for_each(&mut add);
                scope.iter().for_each(|word| add(word.as_bytes()));
            }
            Past::Source { host, kind, path } => {
                add(format!("source {kind:?}").as_bytes());
                [host.as_bytes(), path].into_iter().for_each(&mut add);
            }
            Past::Series(series) => add(series.to_string().as_bytes()),
        }
        PastId(*blake3::hash(&text).as_bytes())
    }
}

/// Names a [`Past`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PastId([u8; 32]);

fn databases<'s>(host: &'s str, part: &'s Part) -> impl Iterator<Item = Past<'s>> {
    part.databases().map(move |name| Past::Database {
        host,
        path: &part.path,
        scope: part.scope().collect(),
        name,
        whole: !part.incomplete,
    })
}

impl fmt::Display for Past<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        match self {
            Past::Database { host, path, name, .. } => {
                write!(f, "database {name} in {} from {host}", text(path))
            }
            Past::Source { host, path, .. } => write!(f, "{} from {host}", text(path)),
            Past::Series(_) => f.write_str("its sources"),
        }
    }
}
