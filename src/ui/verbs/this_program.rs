//! This program, for what works when nobody is there: it starts itself again for whatever needs a key.

use crate::agent::alert::{Attendance, Patience, Watch};
use crate::agent::config::Config;
use crate::agent::daemon::{Around, Level, Line};
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
pub struct ThisProgram {
    global: Global,
    env: Env,
    state: PathBuf,
    file: PathBuf,
    /// What a child is told of this host.
    variables: Vec<(&'static str, OsString)>,
    /// Whether standard error goes to systemd's journal.
    is_journal: bool,
    /// That it looks every minute, once it does.
    attendance: Arc<OnceLock<Attendance>>,
}

impl ThisProgram {
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
        let attendance = Arc::default();
        Ok(ThisProgram { global, env, state, file, variables, is_journal, attendance })
    }

    /// Serves the page of the file, as that is at each moment, until it is over.
    pub fn serve_page(
        &self,
        file: &dyn Fn() -> Arc<Config>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<()> {
        let say = |program: &Self, level, text: String| {
            program.say(&Line::own(level, "panel", text));
        };
        let (program, complaining) = (self.clone(), self.clone());
        let page = Panel::new(
            self.state.clone(),
            hostname(),
            self.env.clone(),
            Launcher::new(move || program.program()),
            Arc::new(move |reason| say(&complaining, Level::Warning, reason.to_owned())),
        )?;
        let listens =
            |address| say(self, Level::Info, format!("the page is served at http://{address}"));
        panel::serve(&page, file, listens, is_over)
    }
}

impl Around for ThisProgram {
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

    fn say(&self, line: &Line) {
        if self.global.quiet && line.level == Level::Info {
            return;
        }
        if self.global.json {
            #[derive(Serialize)]
            struct View<'l> {
                time: String,
                #[serde(flatten)]
                line: &'l Line,
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
            (true, Level::Error) => out::say(&format!("<3>{text}")),
            (true, Level::Warning) => out::say(&format!("<4>{text}")),
            (true, Level::Info) => out::say(&format!("<6>{text}")),
            (false, Level::Error) => out::tell(Tone::Error, &text),
            (false, Level::Warning) => out::tell(Tone::Warning, &text),
            (false, Level::Info) => out::say(&text),
        }
    }

    fn watch(&self, config: &Config, status: Result<&Status, &Error>) {
        let attendance = self.attendance.get_or_init(|| Attendance::begin(&self.state));
        let watch = Watch::new(config, self.host(), &self.state, &self.env).attending(attendance);
        let failures = watch.look(status, Patience::Gather);
        let written = status.map_or(Ok(()), |status| metrics::write(config, status));
        failures.into_iter().chain(written.err()).for_each(|error| self.say(&Line::failed(&error)));
    }

    fn serve(&self, file: &dyn Fn() -> Arc<Config>, is_over: &dyn Fn() -> bool) -> Result<()> {
        self.serve_page(file, is_over)
    }
}
