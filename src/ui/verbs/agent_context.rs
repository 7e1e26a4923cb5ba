//! This program, for what works when nobody is there: it starts itself again for whatever needs a key.

use crate::agent::alert::{Alerter, Batching, Watcher};
use crate::agent::config::Config;
use crate::agent::daemon::{AgentContext, LogLine, Severity};
use crate::agent::metrics;
use crate::agent::status::Status;
use crate::env::{Env, command, this_program};
use crate::error::{Attempt, Error, Result};
use crate::panel::{self, Launcher, Panel};
use crate::text;
use crate::ui::app::App;
use crate::ui::cache;
use crate::ui::global::Global;
use crate::ui::host::hostname;
use crate::ui::out::{self, Tone};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// This program, around the agent and the page.
#[derive(Clone)]
pub struct CliAgentContext {
    global: Global,
    env: Env,
    state: PathBuf,
    file: PathBuf,
    /// What a child is told of this host.
    variables: Vec<(&'static str, OsString)>,
    /// Whether standard error goes to systemd's journal.
    is_journal: bool,
    /// That it looks every minute, once it does.
    watcher: Arc<OnceLock<Watcher>>,
}

impl CliAgentContext {
    /// With the same folders, for this file.
    pub fn new(app: &App, file: &Path) -> Result<Self> {
        let state = app.known_state_folder()?;
        let absolute = |path: &Path| absolute(path).attempt("find", path.display());
        let (state, file) = (absolute(&state)?, absolute(file)?);
        let cache = cache::folder(&app.global).map(|folder| absolute(&folder)).transpose()?;
        let variables = vec![
            ("ICECORE_CONFIG", file.clone().into()),
            ("ICECORE_STATE_DIR", state.clone().into()),
            ("ICECORE_CACHE_DIR", cache.unwrap_or_default().into()),
            ("ICECORE_HOST", hostname().into()),
        ];
        let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
        let (global, env) = (app.global.clone(), app.env.clone());
        let watcher = Arc::default();
        Ok(CliAgentContext { global, env, state, file, variables, is_journal, watcher })
    }

    /// Serves the page of the file, as that is at each moment, until it is over.
    pub fn serve_page(
        &self,
        file: &dyn Fn() -> Arc<Config>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<()> {
        let say = |program: &Self, level, text: String| {
            program.say(&LogLine::own(level, "panel", text));
        };
        let (program, complaining) = (self.clone(), self.clone());
        let page = Panel::new(
            self.state.clone(),
            hostname(),
            self.env.clone(),
            Launcher::new(move || program.program()),
            Arc::new(move |reason| say(&complaining, Severity::Warning, reason.to_owned())),
        )?;
        let listens =
            |address| say(self, Severity::Info, format!("the page is served at http://{address}"));
        panel::serve(&page, file, listens, is_over)
    }
}

impl AgentContext for CliAgentContext {
    fn env(&self) -> &Env {
        &self.env
    }

    fn host(&self) -> String {
        hostname()
    }

    fn state(&self) -> &Path {
        &self.state
    }

    fn file(&self) -> &Path {
        &self.file
    }

    fn program(&self) -> Result<Command> {
        let mut command = command(this_program()?);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let limits = [
            ("--limit-upload", self.global.limit_upload),
            ("--limit-download", self.global.limit_download),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit {
                command.args([name, &limit.to_string()]);
            }
        }
        Ok(command)
    }

    fn say(&self, line: &LogLine) {
        if self.global.quiet && line.level == Severity::Info {
            return;
        }
        if self.global.json {
            #[derive(Serialize)]
            struct View<'l> {
                time: String,
                #[serde(flatten)]
                line: &'l LogLine,
            }
            return out::say_json("agent", &View { time: text::rfc3339(self.env.now()), line });
        }
        let about = line.job.iter().map(String::as_str).chain(line.task.map(|task| task.name()));
        let about = about.collect::<Vec<_>>().join(" ");
        let about = if about.is_empty() { about } else { format!("{about}: ") };
        let hint = line.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        let text = format!("{about}{}{hint}", line.message);
        match (self.is_journal, line.level) {
            // What the journal has before a line says how much it matters.
            (true, Severity::Error) => out::say(&format!("<3>{text}")),
            (true, Severity::Warning) => out::say(&format!("<4>{text}")),
            (true, Severity::Info) => out::say(&format!("<6>{text}")),
            (false, Severity::Error) => out::tell(Tone::Error, &text),
            (false, Severity::Warning) => out::tell(Tone::Warning, &text),
            (false, Severity::Info) => out::say(&text),
        }
    }

    fn watch(&self, config: &Config, status: Result<&Status, &Error>) {
        let watcher = self.watcher.get_or_init(|| Watcher::begin(&self.state));
        let alerter = Alerter::new(config, self.host(), &self.state, &self.env).watched_by(watcher);
        let failures = alerter.look(status, Batching::Batch);
        let written = status.map_or(Ok(()), |status| metrics::write(config, status));
        failures
            .into_iter()
            .chain(written.err())
            .for_each(|error| self.say(&LogLine::failed(&error)));
    }

    fn serve(&self, file: &dyn Fn() -> Arc<Config>, is_over: &dyn Fn() -> bool) -> Result<()> {
        self.serve_page(file, is_over)
    }
}
