//! What this host knows of its jobs without asking a repository: their status, past runs, and reports.

use super::launcher::Complain;
use super::refusal::Refusal;
use crate::agent::config::Config;
use crate::agent::history::{History, PastRun, RunFilter, SharedHistory, Work};
use crate::agent::run::{Report, Task};
use crate::agent::status::Status;
use crate::env::{Env, Time};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Runs that plots show, the newest.
const PLOTTED: usize = 90;

/// For how long back plots look.
const PLOTTED_FOR: i64 = 400 * 86_400 * Time::SECOND;

/// Longest report that is shown.
const MAX_BYTES: u64 = 16 << 20;

/// What this host knows of its jobs.
pub struct Records {
    config: Arc<Config>,
    state: PathBuf,
    env: Env,
    history: SharedHistory,
    complain: Complain,
}

impl Records {
    /// Of a file and a state folder.
    pub fn new(config: Arc<Config>, state: PathBuf, env: Env, complain: Complain) -> Self {
        Records { config, history: SharedHistory::new(state.clone()), state, env, complain }
    }

    /// Reads in the history, in a thread where waiting for others that write to it holds nobody up.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Records, &History) -> Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let records = self.clone();
        let done = spawn_blocking(move || {
            records.history.with(|text| (records.complain)(text), |history| read(&records, history))
        });
        let failed = |error: Error| {
            Refusal::failed(error.to_string()).hint(error.hint_text().map(str::to_owned))
        };
        done.await.map_err(|cause| Refusal::failed(cause.to_string()))?.map_err(failed)
    }

    /// How well the jobs do.
    pub async fn status(self: &Arc<Self>) -> Result<Status, Refusal> {
        self.read(|records, history| {
            Status::of(&records.config, history, records.env.now(), &records.config.zone())
        })
        .await
    }

    /// Runs of a job, the newest first, at most so many after the first `from`; and whether there are more.
    pub async fn runs(
        self: &Arc<Self>,
        job: &str,
        from: usize,
        most: usize,
    ) -> Result<(Vec<PastRun>, bool), Refusal> {
        let end = from.saturating_add(most);
        let wanted = u32::try_from(end.saturating_add(1)).unwrap_or(u32::MAX);
        let filter = RunFilter { job: Some(job.to_owned()), most: wanted, ..RunFilter::default() };
        let runs = self.read(move |_, history| history.runs(&filter)).await?;
        let has_more = runs.len() > end;
        Ok((runs.into_iter().skip(from).take(most).collect(), has_more))
    }

    /// Something that is another after every run of a job.
    pub async fn last(self: &Arc<Self>, job: &str) -> Result<String, Refusal> {
        let (runs, _) = self.runs(job, 0, 1).await?;
        Ok(runs.first().map(|run| run.started.0.to_string()).unwrap_or_default())
    }

    /// The last captures of a job, the oldest first.
    pub async fn captures(self: &Arc<Self>, job: &str) -> Result<Vec<Work>, Refusal> {
        let job = job.to_owned();
        self.read(move |records, history| {
            let since = Time(records.env.now().0.saturating_sub(PLOTTED_FOR));
            let mut captures = Vec::new();
            for repository in records.config.job(&job)?.repositories() {
                let works = history.works(&job, repository, since)?;
                captures.extend(works.into_iter().filter(|work| work.task == Task::Backup));
            }
            captures.sort_by_key(|work| work.started);
            let old = captures.len().saturating_sub(PLOTTED);
            captures.drain(..old);
            Ok(captures)
        })
        .await
    }

    /// The report of a run, by the name of its file.
    pub fn report(&self, job: &str, name: &str) -> Result<Report, Refusal> {
        let absent =
            || Refusal::absent("There is no such report; of a job the newest 500 are kept.");
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if !name.bytes().all(fits) || name.starts_with('.') || !name.ends_with(".json") {
            return Err(absent());
        }
        let path = self.state.join("runs").join(job).join(name);
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        read.map_err(|_| absent())?;
        serde_json::from_slice(&bytes)
            .map_err(|cause| Refusal::failed(format!("The report makes no sense: {cause}")))
    }
}
