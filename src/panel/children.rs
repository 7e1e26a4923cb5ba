//! Child processes started from the page: runs of jobs and restores, their progress and their outcomes.

use super::launcher::{Call, Launcher};
use super::lines::{LastWords, Lines, complaints};
use super::refusal::Refusal;
use crate::agent::run::{Outcome, Task};
use crate::env::{Env, Time};
use axum::http::StatusCode;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::process::Child;
use tokio::sync::watch;

/// Those at work at once.
const AT_ONCE: usize = 4;

/// Those that are remembered, the newest.
const KEPT: usize = 50;

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Tasks of a job.
    Run {
        /// The job.
        job: String,
        /// What is done.
        tasks: Vec<Task>,
    },
    /// What stands at a path of a snapshot comes back.
    Restore {
        /// The job.
        job: String,
        /// The repository.
        repository: String,
        /// The snapshot.
        snapshot: String,
        /// The path in it, as people may read it.
        path: String,
        /// The new folder.
        target: PathBuf,
    },
}

impl What {
    /// The job that it belongs to.
    pub fn job(&self) -> &str {
        match self {
            What::Run { job, .. } | What::Restore { job, .. } => job,
        }
    }
}

/// Something that was started.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Its number.
    pub number: u64,
    /// What it is.
    pub what: What,
    /// When it began.
    pub started: Time,
    /// How far it is; none until it says so.
    pub progress: Option<Progress>,
    /// How it ended; none while it goes on.
    pub ended: Option<Ended>,
}

/// How far something is.
#[derive(Clone, Debug, Deserialize)]
pub struct Progress {
    /// What it does.
    pub task: String,
    /// The share that is done.
    pub percent_done: Option<f64>,
    /// Entries that are done.
    pub files_done: u64,
    /// Bytes that are done.
    pub bytes_done: u64,
    /// ... of so many.
    pub total_bytes: Option<u64>,
}

/// How something ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When.
    pub at: Time,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it is not done.
    pub reason: Option<String>,
    /// What can be tried.
    pub hint: Option<String>,
}

/// What was started.
pub struct Children {
    launcher: Launcher,
    env: Env,
    all: Arc<Mutex<VecDeque<Activity>>>,
    /// Whether all are to end; each that is at work holds a receiver.
    end: watch::Sender<bool>,
}

impl Children {
    /// Nothing yet.
    pub fn new(launcher: Launcher, env: Env) -> Self {
        Children { launcher, env, all: Arc::default(), end: watch::Sender::new(false) }
    }

    /// Starts something, or finds it at work already; its number.
    pub fn start(&self, what: What, call: Call) -> Result<u64, Refusal> {
        let mut all = self.all.lock();
        let at_work = all.iter().filter(|activity| activity.ended.is_none());
        if let Some(same) = at_work.clone().find(|activity| activity.what == what) {
            return Ok(same.number);
        }
        if at_work.count() >= AT_ONCE {
            let reason = "Too much is at work already; wait until something has ended.";
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, reason));
        }
        let child = self.launcher.start(call)?;
        let number = all.front().map_or(1, |newest| newest.number + 1);
        let started = self.env.now();
        all.push_front(Activity { number, what, started, progress: None, ended: None });
        let is_old = |activity: &Activity| activity.ended.is_some();
        while all.len() > KEPT && all.back().is_some_and(is_old) {
            all.pop_back();
        }
        let (to, env, end) = (self.all.clone(), self.env.clone(), self.end.subscribe());
        tokio::spawn(async move {
            let ended = follow(child, &to, number, end, &env).await;
            change(&to, number, |activity| activity.ended = Some(ended));
        });
        Ok(number)
    }

    /// What has this number.
    pub fn get(&self, number: u64) -> Option<Activity> {
        self.all.lock().iter().find(|activity| activity.number == number).cloned()
    }

    /// All, the newest first.
    pub fn all(&self) -> Vec<Activity> {
        self.all.lock().iter().cloned().collect()
    }

    /// Asks all to end.
    pub fn end_all(&self) {
        self.end.send_replace(true);
    }

    /// Waits until none is at work.
    pub async fn ended(&self) {
        self.end.closed().await;
    }
}

/// Hears what a child says until it has ended.
async fn follow(
    mut child: Child,
    all: &Mutex<VecDeque<Activity>>,
    number: u64,
    mut end: watch::Receiver<bool>,
    env: &Env,
) -> Ended {
    let complaints = child.stderr.take().map(|errors| tokio::spawn(complaints(errors)));
    let mut said = ChildState::default();
    if let Some(output) = child.stdout.take() {
        let mut lines = Lines::new(output);
        loop {
            tokio::select! {
                line = lines.next() => match line {
                    Ok(Some(line)) => said.hear(line, |progress| {
                        change(all, number, |activity| activity.progress = Some(progress));
                    }),
                    Ok(None) | Err(_) => break,
                },
                Ok(_) = end.wait_for(|end| *end), if !said.is_told => {
                    said.is_told = true;
                    terminate(&child);
                }
            }
        }
    }
    let status = child.wait().await;
    let complaints = match complaints {
        Some(complaints) => complaints.await.unwrap_or_default(),
        None => Vec::new(),
    };
    let at = env.now();
    match status {
        Err(cause) => {
            Ended { at, outcome: Outcome::Failed, reason: Some(cause.to_string()), hint: None }
        }
        Ok(status) => {
            let outcome = match status.code() {
                Some(0) => Outcome::Done,
                Some(3) => Outcome::Incomplete,
                Some(4) => Outcome::Skipped,
                _ => Outcome::Failed,
            };
            let last = (outcome == Outcome::Failed).then(|| LastWords::of(status, &complaints));
            let (reason, hint) = last.map(|last| (last.message, last.hint)).unzip();
            Ended { at, outcome, reason: reason.or(said.reason), hint: hint.flatten() }
        }
    }
}

/// What a child said so far.
#[derive(Default)]
struct ChildState {
    reason: Option<String>,
    /// Whether it was asked to end.
    is_told: bool,
}

impl ChildState {
    fn hear(&mut self, line: &[u8], show: impl FnOnce(Progress)) {
        #[derive(Deserialize)]
        #[serde(tag = "message_type", rename_all = "snake_case")]
        enum ChildMessage {
            Status(Progress),
            Run {
                reason: Option<String>,
            },
            #[serde(other)]
            Other,
        }
        match serde_json::from_slice(line) {
            Ok(ChildMessage::Status(progress)) => show(progress),
            Ok(ChildMessage::Run { reason }) => self.reason = reason,
            Ok(ChildMessage::Other) | Err(_) => {}
        }
    }
}

/// Asks a child to end: it starts what it has stopped, and leaves its report.
fn terminate(child: &Child) {
    // It is not waited for yet, so that its number is no other's.
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
}

fn change(all: &Mutex<VecDeque<Activity>>, number: u64, change: impl FnOnce(&mut Activity)) {
    if let Some(activity) = all.lock().iter_mut().find(|activity| activity.number == number) {
        change(activity);
    }
}
