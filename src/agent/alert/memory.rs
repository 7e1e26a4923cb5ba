//! What has been told, as a file: losing it costs one repeated message.

use super::channel_state::{Batching, ChannelState};
use super::notification::{Notification, Sender};
use super::problem::{Aspect, Observation, Problems, Subject};
use crate::env::{Time, state};
use crate::error::{Attempt, Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The version of the format; a file of another version is not read.
const FORMAT_VERSION: u32 = 1;

/// What each channel has told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    version: u32,
    channels: BTreeMap<String, ChannelState>,
}

impl Default for Memory {
    /// Nothing was told yet.
    fn default() -> Self {
        Memory { version: FORMAT_VERSION, channels: BTreeMap::new() }
    }
}

impl Memory {
    /// Sees how things are; channels that are gone are forgotten, new ones know nothing.
    pub fn observe(&mut self, names: &[&str], observation: &Observation, now: Time) {
        self.channels.retain(|name, _| names.contains(&name.as_str()));
        for name in names {
            let problems = self.problems_for(name, observation);
            self.channels.entry((*name).to_owned()).or_default().observe(&problems, now);
        }
    }

    /// Forgets what is not there any more.
    pub fn keep(&mut self, is_there: &dyn Fn(&Subject) -> bool) {
        let is_there = |subject: &Subject| subject.aspect == Aspect::Channel || is_there(subject);
        self.channels.values_mut().for_each(|reported| reported.keep(&is_there));
    }

    /// What is wrong, and that other channels do not work.
    fn problems_for(&self, name: &str, observation: &Observation) -> Problems {
        let known = || self.channels.get(name).map(ChannelState::problems).unwrap_or_default();
        let mut problems = match observation {
            Observation::All(problems) => problems.clone(),
            Observation::Some(problems) => known().into_iter().chain(problems.clone()).collect(),
        };
        problems.retain(|subject, _| subject.aspect != Aspect::Channel);
        let others = self.channels.iter().filter(|(other, _)| *other != name);
        let silent = others.filter_map(|(other, reported)| {
            Some((Subject::job(other, Aspect::Channel), reported.problem()?))
        });
        problems.extend(silent);
        problems
    }

    /// The messages that are due, each by the channel of this name.
    pub fn due<'n>(
        &self,
        names: &[&'n str],
        patience: Batching,
        sender: &Sender,
        now: Time,
    ) -> Vec<(&'n str, Notification)> {
        let due =
            |name: &&'n str| Some((*name, self.channels.get(*name)?.due(patience, sender, now)?));
        names.iter().filter_map(due).collect()
    }

    /// One was sent, or was not for this reason. The moment is the one at which it was due.
    pub fn answer(&mut self, name: &str, failure: Option<&Error>, now: Time) {
        let reported = self.channels.entry(name.to_owned()).or_default();
        match failure {
            None => reported.sent(now),
            Some(error) => reported.not_sent(&error.to_string(), now),
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
        Ok(memory.filter(|memory| memory.version == FORMAT_VERSION).unwrap_or_default())
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
pub fn has_watcher(folder: &Path) -> bool {
    matches!(state::try_lock(&folder.join(ATTENDED)), Ok(None))
}

/// The file on which all processes that look again and again hold a shared lock.
const ATTENDED: &str = "alerts.attended";
