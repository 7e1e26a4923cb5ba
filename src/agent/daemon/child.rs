//! A run that is due, in a child process: the agent itself holds no key.

use super::context::{AgentContext, LogLine, Severity};
use super::job_task::JobTask;
use crate::agent::config::{Config, Job};
use crate::agent::report::{Outcome, Task};
use crate::error::{Attempt, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

/// How often we check whether a run is over that says nothing.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Longest line that is understood; reports of long runs are long.
const MAX_BYTES: u64 = 16 << 20;

/// The exit code of a run that was not begun, since another was at work.
const SKIPPED: i32 = 4;

/// A run, at work.
pub struct Running {
    child: Child,
    /// What it reads: the file, as the agent has accepted it.
    file: String,
    /// What it says.
    output: PipeReader,
}

/// Its outcome.
#[derive(Debug)]
pub struct Ended {
    /// What the run says, or its exit code.
    pub outcome: Outcome,
    /// Why it is not done.
    pub reason: Option<String>,
    /// What can be tried.
    pub hint: Option<String>,
    /// Whether it has left a report, or had none to leave.
    pub is_reported: bool,
}

/// What a run does for a task: where copies have no time of their own, a backup is copied at once.
pub fn tasks_of(job: &Job, task: Task) -> Vec<Task> {
    let copies = job.repositories().nth(1).is_some() && job.schedule_of(Task::Copy).is_none();
    match task {
        Task::Backup if copies => vec![Task::Backup, Task::Copy],
        task => vec![task],
    }
}

impl Running {
    /// Starts it, with the file as the agent has accepted it, whatever lies in its place by now. Ctrl-C at a
    /// terminal is the agent's affair: it is asked to end by that.
    pub fn start(
        context: &dyn AgentContext,
        config: &Config,
        job: &str,
        tasks: &[Task],
    ) -> Result<Self> {
        let names: Vec<&str> = tasks.iter().map(|task| task.name()).collect();
        let attempted = "start a run of";
        let (output, input) = std::io::pipe().attempt(attempted, job)?;
        let errors = input.try_clone().attempt(attempted, job)?;
        let mut command = context.program()?;
        command.args(["run", job, "--only", &names.join(","), "--json", "--no-progress"]);
        command.arg("--accepted");
        // The service manager speaks to the agent alone.
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::piped()).stdout(input).stderr(errors).process_group(0);
        let child = command.spawn().attempt(attempted, job)?;
        Ok(Running { child, file: config.text.clone(), output })
    }

    /// What it is asked to end by.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Passes on what it complains of, and waits for its end.
    pub fn follow(mut self, job_task: &JobTask, context: &dyn AgentContext) -> Ended {
        let mut result = RunResult::default();
        if let Some(mut input) = self.child.stdin.take() {
            // One that is dead by now, and reads nothing, is seen below.
            let _ = input.write_all(self.file.as_bytes());
        }
        let (to, lines) = sync_channel(16);
        let output = self.output;
        // It may wait for longer than the run: a program that this has started may hold the pipe for ever.
        if let Err(cause) = Builder::new().spawn(move || read(output, &to)) {
            let text = format!("its output cannot be read: {cause}");
            context.say(&LogLine::of(Severity::Warning, "note", job_task, text));
        }
        let status = loop {
            match lines.recv_timeout(POLL_INTERVAL) {
                Ok(line) => result.hear(&line, job_task, context),
                Err(RecvTimeoutError::Disconnected) => break self.child.wait(),
                Err(RecvTimeoutError::Timeout) => match self.child.try_wait() {
                    Ok(None) => {}
                    Ok(Some(status)) => {
                        // Its last words may still be on the way.
                        while let Ok(line) = lines.recv_timeout(POLL_INTERVAL) {
                            result.hear(&line, job_task, context);
                        }
                        break Ok(status);
                    }
                    Err(cause) => break Err(cause),
                },
            }
        };
        let how = match &status {
            Ok(status) => match status.signal() {
                Some(signal) => format!("it was ended by signal {signal}"),
                None => status.to_string(),
            },
            Err(cause) => cause.to_string(),
        };
        result.end(status.ok().and_then(|status| status.code()), how)
    }
}

/// Gives on each line.
fn read(output: PipeReader, to: &SyncSender<Vec<u8>>) {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut lines).take(MAX_BYTES).read_until(b'\n', &mut line) {
        if to.send(std::mem::take(&mut line)).is_err() {
            return;
        }
    }
}

/// Asks one that is still waited for to end: it starts what it has stopped, and leaves its report.
pub fn ask_to_end(pid: Pid) {
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::TERM);
}

/// A line of a run.
#[derive(Deserialize)]
#[serde(tag = "message_type", rename_all = "snake_case")]
enum RunMessage {
    Run {
        outcome: Outcome,
        reason: Option<String>,
    },
    Note {
        message: String,
    },
    Error {
        error: Message,
        hint: Option<String>,
    },
    ExitError {
        message: String,
        hint: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// What a run has said so far.
#[derive(Default)]
struct RunResult {
    outcome: Option<Outcome>,
    reason: Option<String>,
    hint: Option<String>,
}

impl RunResult {
    fn hear(&mut self, line: &[u8], job_task: &JobTask, context: &dyn AgentContext) {
        let Ok(said) = serde_json::from_slice(line) else {
            // Not ours: of a program that it has started, or of a panic.
            let text = String::from_utf8_lossy(line).trim_end().to_owned();
            return context.say(&LogLine::of(Severity::Warning, "said", job_task, text));
        };
        match said {
            RunMessage::Run { outcome, reason } => {
                self.outcome = Some(outcome);
                self.reason = reason;
            }
            RunMessage::Note { message } => {
                context.say(&LogLine::of(Severity::Warning, "note", job_task, message));
            }
            RunMessage::Error { error, hint } => {
                let line = LogLine::of(Severity::Error, "error", job_task, error.message);
                context.say(&LogLine { hint, ..line });
            }
            RunMessage::ExitError { message, hint } => {
                // The run itself says it shorter.
                self.reason.get_or_insert(message);
                self.hint = hint;
            }
            RunMessage::Other => {}
        }
    }

    fn end(self, code: Option<i32>, how: String) -> Ended {
        let RunResult { outcome, reason, hint } = self;
        let is_reported = outcome.is_some() || code == Some(SKIPPED);
        let by_code = if code == Some(SKIPPED) { Outcome::Skipped } else { Outcome::Failed };
        let outcome = outcome.unwrap_or(by_code);
        let reason = reason.or_else(|| (outcome == Outcome::Failed).then_some(how));
        Ended { outcome, reason, hint, is_reported }
    }
}
