//! The last version of the file that could be used, for runs by timers while the file is broken. Alerts
//! say that it cannot be used any more.

use super::{Config, find};
use crate::env::state;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf, absolute};

/// What could be used.
#[derive(PartialEq, Serialize, Deserialize)]
struct Accepted {
    /// Where it lay.
    file: PathBuf,
    /// What stood there.
    text: String,
}

impl Config {
    /// The file, or, where it cannot be used, what stood in it when it could be the last time; then
    /// [`Config::reload`] fails.
    ///
    /// # Errors
    /// Those of [`Config::load`], if nothing is known of that.
    pub fn load_or_last(named: Option<&Path>, states: &Path) -> Result<Self> {
        let path = states.join("accepted.json");
        let accepted = last(&path, named);
        let last = accepted.as_ref().and_then(|it| Config::parse(&it.text, &it.file).ok());
        match (Config::load(named), last) {
            (Err(error), None) => Err(error),
            (Err(_), Some(last)) => Ok(last),
            (Ok(_), Some(last)) if last.reload().is_err() => Ok(last),
            (Ok((config, file)), _) => {
                let file = absolute(&file).unwrap_or(file);
                let now = Accepted { file, text: config.text.clone() };
                if accepted.as_ref() != Some(&now) {
                    // That the state folder cannot be written is told elsewhere.
                    let _ = now.save(&path);
                }
                Ok(config)
            }
        }
    }
}

impl Accepted {
    /// For its owner alone.
    fn save(&self, path: &Path) -> Result<()> {
        path.parent().map_or(Ok(()), state::private_folder)?;
        state::replace(path, &serde_json::to_vec(self).unwrap_or_default(), 0o600)
    }
}

/// What is remembered of the file of this name, or of whichever is the usual one.
fn last(path: &Path, named: Option<&Path>) -> Option<Accepted> {
    // It holds commands, as the file does, and must not be others' to write either.
    let last: Accepted = serde_json::from_str(&find::read(path).ok()?).ok()?;
    let file = absolute(find::find(named).unwrap_or_else(|_| last.file.clone())).ok()?;
    (file == last.file).then_some(last)
}
