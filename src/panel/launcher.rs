//! How child processes are started: this very program, with the file of jobs and this host's folders, and
//! nothing that opens a repository.

use super::refusal::Refusal;
use crate::agent::config::Config;
use crate::error::Result;
use axum::http::StatusCode;
use std::ffi::OsString;
use std::process::{Command as StdCommand, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Children at once that read something.
const READERS: usize = 4;

/// How long is waited until one of them ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the administrator of this program.
pub type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// What a child is called with.
pub struct Call {
    args: Vec<OsString>,
    input: Option<String>,
}

impl Call {
    /// These arguments, and no input.
    pub fn new(args: Vec<OsString>) -> Self {
        Call { args, input: None }
    }

    /// `run` of a job, by the file as the page has it, whatever lies in its place by now.
    pub fn run(flags: &[&str], config: &Config, job: &str) -> Self {
        let args = [&["run", "--accepted"], flags, &["--", job]].concat();
        let args = args.into_iter().map(OsString::from).collect();
        Call { args, input: Some(config.text.clone()) }
    }
}

/// How child processes are started.
#[derive(Clone)]
pub struct Launcher {
    program: Arc<dyn Fn() -> Result<StdCommand> + Send + Sync>,
    readers: Arc<Semaphore>,
}

impl Launcher {
    /// By what starts this program with the same file and folders, and nothing that opens a repository.
    pub fn new(program: impl Fn() -> Result<StdCommand> + Send + Sync + 'static) -> Self {
        Launcher { program: Arc::new(program), readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Starts one; its output and its complaints are pipes.
    pub fn start(&self, call: Call) -> Result<Child, Refusal> {
        self.spawn(call, false)
    }

    /// Starts one that reads in a repository, as soon as there are not too many. It ends with its handle,
    /// and the place is held until both are dropped.
    pub async fn read(&self, call: Call) -> Result<(Child, OwnedSemaphorePermit), Refusal> {
        let place = timeout(PATIENCE, self.readers.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            let reason = "Too much is being read just now; try again in a moment.";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        Ok((self.spawn(call, true)?, place))
    }

    fn spawn(&self, call: Call, ends_with_handle: bool) -> Result<Child, Refusal> {
        let failed =
            |cause: String| Refusal::failed(format!("No process could be started: {cause}"));
        let mut command = (self.program)().map_err(|error| failed(error.to_string()))?;
        // The service manager speaks to this process alone.
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] {
            command.env_remove(variable);
        }
        command.args(call.args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if call.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut command = Command::from(command);
        // Its own group hears no Ctrl-C: runs are asked to end when all else has.
        command.kill_on_drop(ends_with_handle).process_group(0);
        let mut child = command.spawn().map_err(|cause| failed(cause.to_string()))?;
        if let (Some(mut to), Some(input)) = (child.stdin.take(), call.input) {
            // One that is dead by now, and reads nothing, is seen by its end.
            tokio::spawn(async move { to.write_all(input.as_bytes()).await });
        }
        Ok(child)
    }
}
