//! Heads: the newest member of each series that this host has seen. A repository that no longer shows
//! one, though nobody gave it up, was rolled back, or lost its newest snapshots.

use super::head::Head;
use super::series::Chains;
use crate::env::state;
use crate::error::{Attempt, Result};
use crate::id::{RepoId, SeriesId};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What this host remembers of one repository: a text file with a line for each head.
#[derive(Debug)]
pub struct Heads {
    path: PathBuf,
    known: BTreeMap<SeriesId, Head>,
    /// Whether nothing was remembered yet.
    pub is_new: bool,
}

impl Heads {
    /// Those that are remembered beneath a folder, which may not be there yet.
    pub fn load(folder: &Path, repository: RepoId) -> Result<Self> {
        let path = folder.join("heads").join(repository.to_string());
        let known = read(&path)?;
        let is_new = known.is_none();
        Ok(Heads { path, known: known.unwrap_or_default(), is_new })
    }

    /// All of them.
    pub fn known(&self) -> Vec<Head> {
        self.known.values().copied().collect()
    }

    /// Those that the chains do not show.
    pub fn lost(&self, chains: &Chains) -> Vec<Head> {
        self.known.values().filter(|head| !chains.shows(head)).copied().collect()
    }

    /// Remembers the heads of these chains; of a series whose head they do not show, the old one, for
    /// as long as nobody accepts what there is.
    pub fn remember(&self, chains: &Chains, accept: bool) -> Result<()> {
        // Others may have remembered more meanwhile.
        let mut known = read(&self.path)?.unwrap_or_default();
        let before = known.clone();
        if accept {
            known.retain(|_, head| chains.shows(head));
        }
        for head in chains.heads() {
            if known.get(&head.series).is_none_or(|old| chains.shows(old)) {
                known.insert(head.series, head);
            }
        }
        if known == before && !self.is_new {
            return Ok(());
        }
        let text: String = known.values().map(|head| format!("{head}\n")).collect();
        self.path.parent().map_or(Ok(()), state::private_folder)?;
        state::replace(&self.path, text.as_bytes(), 0o600)
    }
}

/// The heads in a file; none where there is none.
fn read(path: &Path) -> Result<Option<BTreeMap<SeriesId, Head>>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.attempt("read", path.display())?,
    };
    let heads = text.lines().map(|line| line.parse().map(|head: Head| (head.series, head)));
    heads.collect::<Result<_>>().map(Some).map_err(|error| error.within("read", path.display()))
}
