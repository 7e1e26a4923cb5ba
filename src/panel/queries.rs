//! Queries answered by child processes: the entries of a folder in a snapshot, the list of snapshots, and what
//! a prune would forget.

use super::launcher::{Call, Launcher};
use super::lines::{LastWords, Lines, complaints};
use super::place::Place;
use super::refusal::Refusal;
use crate::agent::config::Config;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a child may take that a person waits for.
const TIME: Duration = Duration::from_secs(60);

/// How long one may take that nobody waits for.
const LONG_TIME: Duration = Duration::from_secs(1800);

/// The exit code of a child that did it, but not for every item.
const INCOMPLETE: i32 = 3;

/// An entry of a snapshot.
#[derive(Debug, Deserialize)]
pub struct Entry {
    /// Its name, as people may read it.
    pub name: String,
    /// `file`, `dir`, `symlink` ...
    pub r#type: String,
    path: String,
    path_base64: Option<String>,
    /// Bytes of a file.
    pub size: Option<u64>,
    /// When it was last modified.
    pub mtime: Option<Timestamp>,
    /// Permissions, as `ls -l` shows them.
    pub permissions: Option<String>,
    /// Where a link leads.
    pub linktarget: Option<String>,
    /// What is wrong with it since before it was captured.
    pub taint: Option<String>,
}

impl Entry {
    /// Its path, byte by byte.
    pub fn path(&self) -> Vec<u8> {
        let decoded = self.path_base64.as_ref().and_then(|text| BASE64_STANDARD.decode(text).ok());
        decoded.unwrap_or_else(|| self.path.clone().into_bytes())
    }
}

/// Some entries of a folder.
pub struct Entries {
    /// In the order of names.
    pub entries: Vec<Entry>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

/// The entries of a folder, at most so many after the first `from`.
pub async fn entries(
    launcher: &Launcher,
    place: &Place,
    from: usize,
    most: usize,
) -> Result<Entries, Refusal> {
    let mut args = in_repository(&place.repository, &["--json", "--quiet"]);
    args.extend(["ls".into(), "--".into(), place.argument()]);
    let (mut found, mut seen) = (Entries { entries: Vec::new(), has_more: false }, 0);
    let take = |entry: Entry| {
        seen += 1;
        if seen <= from {
            return ControlFlow::Continue(());
        }
        if found.entries.len() == most {
            found.has_more = true;
            return ControlFlow::Break(());
        }
        found.entries.push(entry);
        ControlFlow::Continue(())
    };
    read(launcher, Call::new(args), "node", TIME, take).await?;
    Ok(found)
}

/// A snapshot, of a list.
#[derive(Debug, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub time: Timestamp,
    /// The machine.
    pub hostname: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default)]
    missing: Vec<Missing>,
    #[serde(default)]
    holds: Vec<Hold>,
    #[serde(default)]
    given_up: bool,
    /// Figures.
    pub summary: Summary,
}

/// A part of a snapshot.
#[derive(Debug, Deserialize)]
struct Part {
    path: String,
    tainted: u64,
    incomplete: bool,
}

/// A source that is not in a snapshot.
#[derive(Debug, Deserialize)]
struct Missing {
    path: String,
}

/// A hold of a snapshot.
#[derive(Debug, Deserialize)]
struct Hold {
    reason: String,
}

/// Figures of a snapshot.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes that were written for it.
    pub written: u64,
}

impl Snapshot {
    /// What is not as it should be, and what it is held for.
    pub fn remarks(&self) -> Vec<String> {
        let incomplete = self.parts.iter().filter(|part| part.incomplete);
        let tainted = self.parts.iter().filter(|part| part.tainted > 0);
        let missing = self.missing.iter().map(|part| format!("without {}", part.path));
        let given_up = self.given_up.then(|| "given up, goes with its last hold".to_owned());
        missing
            .chain(incomplete.map(|part| format!("{} is incomplete", part.path)))
            .chain(tainted.map(|part| format!("{} was damaged at its source", part.path)))
            .chain(self.holds.iter().map(|hold| format!("held: {}", hold.reason)))
            .chain(given_up)
            .collect()
    }
}

/// Hands every snapshot of a repository to `each`, the oldest first.
pub async fn snapshots(
    launcher: &Launcher,
    repository: &str,
    mut each: impl FnMut(Snapshot),
) -> Result<(), Refusal> {
    let mut args = in_repository(repository, &["--json", "--quiet"]);
    args.push("snapshots".into());
    let take = |snapshot| {
        each(snapshot);
        ControlFlow::Continue(())
    };
    read(launcher, Call::new(args), "snapshot", LONG_TIME, take).await
}

/// What a prune would give up in a repository.
#[derive(Clone, Debug, Deserialize)]
pub struct Plan {
    /// The repository.
    pub repository: String,
    /// Why nothing would be given up, where it could not be.
    pub error: Option<String>,
    /// Whether a policy says what is kept.
    pub has_policy: bool,
    /// Snapshots that go, the newest first.
    pub forget: Vec<Goes>,
    /// How many stay.
    pub kept: usize,
}

/// A snapshot that would be given up.
#[derive(Clone, Debug, Deserialize)]
pub struct Goes {
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub time: Timestamp,
}

/// What a prune of a job would give up.
pub async fn plans(
    launcher: &Launcher,
    config: &Config,
    job: &str,
) -> Result<Arc<[Plan]>, Refusal> {
    let flags = ["--json", "--quiet", "--only", "prune", "--dry-run"];
    let call = Call::run(&flags, config, job);
    let mut plans = Vec::new();
    let take = |plan| {
        plans.push(plan);
        ControlFlow::Continue(())
    };
    read(launcher, call, "would_forget", LONG_TIME, take).await?;
    Ok(plans.into())
}

/// Arguments that name a repository of the file.
pub fn in_repository(repository: &str, flags: &[&str]) -> Vec<OsString> {
    let named = format!("--repo=@{repository}");
    flags.iter().copied().chain([named.as_str()]).map(OsString::from).collect()
}

/// Starts a child, and hands the lines of one type to `take`, until that has enough.
async fn read<T: DeserializeOwned>(
    launcher: &Launcher,
    call: Call,
    message_type: &str,
    time: Duration,
    take: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), Refusal> {
    match timeout(time, read_all(launcher, call, message_type, take)).await {
        Ok(done) => done,
        Err(_) => Err(Refusal::failed("It took too long to read that.")),
    }
}

async fn read_all<T: DeserializeOwned>(
    launcher: &Launcher,
    call: Call,
    message_type: &str,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Typed<'l> {
        message_type: &'l str,
    }
    let (mut child, _place) = launcher.read(call).await?;
    let complaints = child.stderr.take().map(|errors| tokio::spawn(complaints(errors)));
    if let Some(output) = child.stdout.take() {
        let mut lines = Lines::new(output);
        let failed = |cause| Refusal::failed(format!("The answer could not be read: {cause}"));
        while let Some(line) = lines.next().await.map_err(failed)? {
            let typed = serde_json::from_slice::<Typed<'_>>(line);
            if !typed.is_ok_and(|typed| typed.message_type == message_type) {
                continue;
            }
            let understood = serde_json::from_slice(line);
            let item = understood
                .map_err(|cause| Refusal::failed(format!("The answer makes no sense: {cause}")))?;
            if take(item).is_break() {
                return Ok(());
            }
        }
    }
    let status = child.wait().await.map_err(|cause| Refusal::failed(cause.to_string()))?;
    if status.success() || status.code() == Some(INCOMPLETE) {
        return Ok(());
    }
    let said = match complaints {
        Some(complaints) => complaints.await.unwrap_or_default(),
        None => Vec::new(),
    };
    Err(LastWords::of(status, &said).refusal())
}
