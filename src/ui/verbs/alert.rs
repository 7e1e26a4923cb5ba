//! `alert`: tells people what they have to know by now, or that messages arrive.

use super::config::FileArgs;
use crate::agent::alert::{Alerter, Batching, Ping};
use crate::agent::config::Config;
use crate::agent::history::History;
use crate::agent::metrics;
use crate::agent::run::settle;
use crate::agent::start_stopped;
use crate::agent::status::Status;
use crate::env::{Env, Time, state};
use crate::error::{Error, Kind, Result};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::hostname;
use crate::ui::out::Out;
use clap::Args;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// After so many seconds the same is complained of again.
const AGAIN: i64 = 24 * 60 * 60;

/// What `alert` takes.
#[derive(Debug, Args)]
pub struct AlertArgs {
    /// Send a test message by every channel, and a ping as after a run that went well
    #[arg(long)]
    pub test: bool,

    #[command(flatten)]
    pub file: FileArgs,
}

/// The outcome of a message.
#[derive(Serialize)]
struct ChannelView {
    channel: &'static str,
    sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Tells, or tries whether that works.
pub fn run(app: &App, args: &AlertArgs) -> Result<Done> {
    let state = app.known_state_folder()?;
    if args.test {
        let (config, _) = args.file.load()?;
        return test(app, &config, &Alerter::new(&config, hostname(), &state, &app.env));
    }
    let done = look(app, args, &state);
    if !app.global.quiet {
        return done;
    }
    let complaint = Complaint(&state);
    match done {
        Err(error) if complaint.is_old(&error, &app.env) => Ok(Done::FailedAgain),
        Err(error) => {
            complaint.remember(&error);
            Err(error)
        }
        done => {
            complaint.forget();
            done
        }
    }
}

/// What was complained of last, in the state folder. With `--quiet` this is called by timers, every few minutes,
/// and cron mails whatever is said: the same is said once a day.
struct Complaint<'c>(&'c Path);

impl Complaint<'_> {
    fn is_old(&self, error: &Error, env: &Env) -> bool {
        let is_same = fs::read(self.path()).is_ok_and(|told| told == error.to_string().as_bytes());
        let now = env.now().0.div_euclid(Time::SECOND);
        let told = fs::metadata(self.path()).map(|found| found.mtime());
        is_same && told.is_ok_and(|told| (0..AGAIN).contains(&now.saturating_sub(told)))
    }

    fn remember(&self, error: &Error) {
        let text = error.to_string();
        let kept = state::private_folder(self.0);
        // Where that cannot be, it is said again.
        let _ = kept.and_then(|()| state::replace(&self.path(), text.as_bytes(), 0o600));
    }

    fn forget(&self) {
        // It need not be there.
        let _ = fs::remove_file(self.path());
    }

    fn path(&self) -> PathBuf {
        self.0.join("alerts.complaint")
    }
}

fn look(app: &App, args: &AlertArgs, state: &Path) -> Result<Done> {
    let config = Config::load_or_last(args.file.config.as_deref(), state)?;
    let alerter = Alerter::new(&config, hostname(), state, &app.env);
    let mut failures: Vec<Error> = config.reload().err().into_iter().collect();
    let status = History::open(state).and_then(|history| {
        failures.extend(settle(&history).err());
        Status::of(&config, &history, app.env.now(), &config.zone())
    });
    for started in start_stopped(state) {
        match started {
            Ok(job) => app.note(&format!("started the services of {job}, which were left stopped")),
            Err(error) => failures.push(error),
        }
    }
    failures.extend(alerter.look(status.as_ref(), Batching::Immediate));
    // Nothing of this keeps anybody from being told.
    failures.extend(status.and_then(|status| metrics::write(&config, &status)).err());
    match failures.pop() {
        None => Ok(Done::All),
        Some(only) if failures.is_empty() => Err(only),
        Some(last) => {
            let all: Vec<String> = failures.iter().chain([&last]).map(Error::to_string).collect();
            Err(Error::new(Kind::Failed, "look at the jobs and send", "all alerts")
                .because(all.join("; ")))
        }
    }
}

fn test(app: &App, config: &Config, alerter: &Alerter<'_>) -> Result<Done> {
    let mut answers = alerter.test();
    if config.alert.as_ref().is_some_and(|alert| alert.ping.is_some()) {
        answers.push(("ping", alerter.ping(Ping::Success, "test")));
    }
    if answers.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "send", "a test alert")
            .because("the file has no channel in [alert]")
            .hint("`icecore config keys` lists the keys of [alert]"));
    }
    let (mut out, all) = (Out::new(), answers.len());
    let mut failed = 0;
    for (channel, sent) in answers {
        failed += usize::from(sent.is_err());
        let view = ChannelView {
            channel,
            sent: sent.is_ok(),
            error: sent.err().map(|error| error.to_string()),
        };
        match (app.global.json, &view.error) {
            (true, _) => out.json("alert", &view)?,
            (false, Some(error)) => out.prose(&format!("{channel}: {error}"))?,
            (false, None) => out.prose(&format!("{channel}: a message was sent"))?,
        }
    }
    out.finish()?;
    match failed {
        0 => Ok(Done::All),
        _ => Err(Error::new(Kind::Failed, "send a test alert by", "every channel")
            .because(format!("{failed} of {all} failed"))),
    }
}
