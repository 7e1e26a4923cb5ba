//! What has been told, as a file: losing it costs one repeated message.

use super::notification::{Notification, Sender};
use super::told::{Patience, Told};
use super::trouble::{Matter, Seen, Subject, Troubles};
use crate::env::{Time, state};
use crate::error::{Attempt, Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The shape of the file; one of another shape is not read.
const SHAPE: u32 = 1;

/// What each channel has told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    shape: u32,
    channels: BTreeMap<String, Told>,
}

impl Default for Memory {
    /// Nothing was told yet.
    fn default() -> Self {
        Memory { shape: SHAPE, channels: BTreeMap::new() }
    }
}

impl Memory {
    /// Sees how things are; channels that are gone are forgotten, new ones know nothing.
    pub fn observe(&mut self, names: &[&str], seen: &Seen, now: Time) {
        self.channels.retain(|name, _| names.contains(&name.as_str()));
        for name in names {
            let troubles = self.troubles_for(name, seen);
            self.channels.entry((*name).to_owned()).or_default().observe(&troubles, now);
        }
    }

    /// Forgets what is not there any more.
    pub fn keep(&mut self, is_there: &dyn Fn(&Subject) -> bool) {
        let is_there = |subject: &Subject| subject.matter == Matter::Channel || is_there(subject);
        self.channels.values_mut().for_each(|told| told.keep(&is_there));
    }

    /// What is wrong, and that other channels do not work.
    fn troubles_for(&self, name: &str, seen: &Seen) -> Troubles {
        let known = || self.channels.get(name).map(Told::troubles).unwrap_or_default();
        let mut troubles = match seen {
            Seen::All(troubles) => troubles.clone(),
            Seen::Some(troubles) => known().into_iter().chain(troubles.clone()).collect(),
        };
        troubles.retain(|subject, _| subject.matter != Matter::Channel);
        let others = self.channels.iter().filter(|(other, _)| *other != name);
        let silent = others.filter_map(|(other, told)| {
            Some((Subject::job(other, Matter::Channel), told.trouble()?))
        });
        troubles.extend(silent);
        troubles
    }

    /// The messages that are due, each by the channel of this name.
    pub fn due<'n>(
        &self,
        names: &[&'n str],
        patience: Patience,
        sender: &Sender,
        now: Time,
    ) -> Vec<(&'n str, Notification)> {
        let due =
            |name: &&'n str| Some((*name, self.channels.get(*name)?.due(patience, sender, now)?));
        names.iter().filter_map(due).collect()
    }

    /// One was sent, or was not for this reason. The moment is the one at which it was due.
    pub fn answer(&mut self, name: &str, failure: Option<&Error>, now: Time) {
        let told = self.channels.entry(name.to_owned()).or_default();
        match failure {
            None => told.sent(now),
            Some(error) => told.not_sent(&error.to_string(), now),
        }
    }

    /// That of this host; one that cannot be understood is as good as none.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = path(folder);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            text => text.attempt("read", path.display())?,
        };
        let memory: Option<Memory> = serde_json::from_slice(&text).ok();
        Ok(memory.filter(|memory| memory.shape == SHAPE).unwrap_or_default())
    }

    /// Replaces it as a whole, or not at all.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let path = path(folder);
        let subject = path.display();
        let text = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::new(Kind::Failed, "write", &subject).caused_by(cause))?;
        state::replace(&path, &text, 0o600)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("alerts.json")
}

/// Holds the memory for one process at a time; none while another has it.
pub fn hold(folder: &Path) -> Result<Option<File>> {
    state::try_lock(&folder.join("alerts.lock"))
}

/// Says, for as long as the file is open, that this process looks again and again.
pub fn attend(folder: &Path) -> Result<File> {
    state::lock_shared(&folder.join(ATTENDED))
}

/// Whether a process does. Since they share the lock, only an exclusive one shows that they have it.
pub fn is_attended(folder: &Path) -> bool {
    matches!(state::try_lock(&folder.join(ATTENDED)), Ok(None))
}

/// The file on which all processes that look again and again hold a shared lock.
const ATTENDED: &str = "alerts.attended";
