//! What this program gives to jobs: repositories that are opened, sources that are found.

use super::containers::ContainerArgs;
use super::postgres::{DumpArgs, ToolArgs};
use super::sources::{SourceArgs, VerifySource};
use crate::agent::config::{self, Config, Job, SourceTable};
use crate::agent::run::RunContext;
use crate::backend::Location;
use crate::containers::{CaptureOptions, refuse_unmounted};
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::monitor::Monitor;
use crate::repo::Repository;
use crate::source::Source;
use crate::source::stdin::StreamSource;
use crate::text::readable_by_others;
use crate::ui::app::App;
use crate::ui::global::Global;
use crate::ui::host::{hostname, username};
use crate::ui::out::{self, Tone};
use crate::ui::progress::Progress;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest file of variables.
const VARIABLES_MOST: u64 = 64 << 10;

/// This program, for jobs.
pub struct CliRunContext<'a> {
    /// Its options.
    pub app: &'a App,
    /// Its progress.
    pub progress: &'a Progress,
}

/// The program as it would be with the options of a repository.
fn with(app: &App, repository: &config::Repository) -> Result<App> {
    let options = repository.options.iter().map(|(key, value)| format!("{key}={value}"));
    let global = Global {
        repo: Some(repository.url.clone()),
        options: options.collect(),
        password_file: repository.password_file.clone(),
        password_command: repository.password_command.clone(),
        key_file: repository.key_file.clone(),
        ..app.global.clone()
    };
    let variables = repository.env_file.as_deref().map(variables).transpose()?;
    Ok(App::new(global).with_variables(variables.unwrap_or_default()))
}

/// The program with the repository of the file that `--repo @NAME` means; none if it means none.
pub fn named(app: &App) -> Result<Option<App>> {
    let Global { repo, options, password_file, password_command, key_file, .. } = &app.global;
    let Some(name) = repo.as_deref().and_then(|repo| repo.strip_prefix('@')) else {
        return Ok(None);
    };
    if !options.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "use", format!("@{name}"))
            .because("its options are in the file")
            .hint("leave out -o"));
    }
    let file = std::env::var_os("ICECORE_CONFIG").map(PathBuf::from);
    let (config, path) = Config::load(file.as_deref())?;
    let found = config.repository.get(name).ok_or_else(|| {
        let known: Vec<&str> = config.repository.keys().map(String::as_str).collect();
        Error::new(Kind::NotFound, "find the repository", format!("@{name}"))
            .because(format!("{} has none of this name", path.display()))
            .hint(format!("{}; a folder of this name is ./@{name}", config::nearest(name, &known)))
    })?;
    // What is named on the command line opens it, as when the secret of the file is lost.
    let is_named = password_file.is_some() || password_command.is_some() || key_file.is_some();
    let mut repository = found.clone();
    if is_named {
        repository.password_file.clone_from(password_file);
        repository.password_command.clone_from(password_command);
        repository.key_file.clone_from(key_file);
    }
    with(app, &repository).map(Some)
}

impl RunContext for CliRunContext<'_> {
    fn env(&self) -> &Env {
        &self.app.env
    }

    fn monitor(&self) -> &dyn Monitor {
        self.progress
    }

    fn state(&self) -> Result<PathBuf> {
        self.app.known_state_folder()
    }

    fn host(&self) -> String {
        hostname()
    }

    fn user(&self) -> String {
        username()
    }

    fn open(&self, repository: &config::Repository) -> Result<Repository> {
        let app = with(self.app, repository)?;
        if let Location::Local(folder) = app.location()? {
            prove_mounted(&folder)?;
        }
        app.repository()
    }

    fn sources(
        &self,
        job: &Job,
        repositories: &[&config::Repository],
    ) -> Result<Vec<Box<dyn Source>>> {
        // What this host remembers, such as which services to start, is no other host's affair.
        let (state, together) = (self.app.state_folder(), self.app.kept_out());
        let mut together = state
            .iter()
            .fold(together, |all, it| all.keeping_out(it, "the state folder of icecore"));
        for repository in repositories {
            if let Location::Local(folder) = repository.location()? {
                together = together.keeping_out(&folder, "a repository of icecore");
            }
        }
        let together = Arc::new(together);
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        for table in job.sources() {
            table.path().map(Path::new).map_or(Ok(()), prove_mounted)?;
            match (&table.command, &table.name) {
                (Some(line), Some(name)) => {
                    let shell = ["/bin/sh", "-c", line].map(Into::into);
                    let stream = StreamSource::command(name.as_bytes(), &shell, &self.app.env)?;
                    sources.push(Box::new(stream.with_empty(table.allow_empty)));
                }
                _ => sources.extend(arguments(job, table).open_beside(&self.app.env, &together)?),
            }
        }
        Ok(sources)
    }
}

/// Where this program is in an image of its own, what lies in no mount is nothing of the host's.
fn prove_mounted(path: &Path) -> Result<()> {
    match std::env::var_os("ICECORE_MOUNTED_ONLY").is_some_and(|it| !it.is_empty()) {
        true => refuse_unmounted(path),
        false => Ok(()),
    }
}

/// A source as the command line would name it.
fn arguments(job: &Job, table: SourceTable) -> SourceArgs {
    SourceArgs {
        sources: table.source.into_iter().map(Into::into).collect(),
        exclude: [job.exclude.clone(), table.exclude].concat(),
        exclude_caches: table.exclude_caches,
        exclude_larger_than: table.exclude_larger_than.map(|size| size.value.0),
        one_file_system: table.one_file_system,
        row_counts: table.row_counts,
        may_be_empty: table.allow_empty,
        verify_source: match table.verify_source {
            config::VerifySource::Off => VerifySource::Off,
            config::VerifySource::Quick => VerifySource::Quick,
            config::VerifySource::Full => VerifySource::Full,
        },
        dump: DumpArgs {
            database: table.databases,
            exclude_database: table.exclude_databases,
            ..DumpArgs::default()
        },
        tools: ToolArgs { pg_bin: table.pg_bin, pg_command: table.pg_command },
        containers: containers(job, table.raw),
        ..SourceArgs::default()
    }
}

/// How the containers of a job are captured.
pub fn containers(job: &Job, raw: bool) -> ContainerArgs {
    // Which services icecore stops is known; which a command stops is not.
    let is_quiesced = job.stop.as_ref().is_some_and(|stop| stop.stop.is_some());
    ContainerArgs {
        socket: job.socket.clone(),
        options: CaptureOptions {
            raw,
            is_quiesced,
            stopped: job.stop.iter().flat_map(|stop| stop.services.clone()).collect(),
            projects: job.projects(),
            ..CaptureOptions::default()
        },
        refuse_servers: !raw && !is_quiesced,
    }
}

/// The variables in a file: `NAME=VALUE` a line, `#` before remarks.
fn variables(path: &Path) -> Result<BTreeMap<String, String>> {
    let subject = path.display();
    let file = File::open(path).attempt("open the file of variables", &subject)?;
    let found = file.metadata().attempt("examine the file of variables", &subject)?;
    if found.is_file() && found.mode() & 0o077 != 0 {
        out::tell(Tone::Warning, &readable_by_others(path));
    }
    let mut text = String::new();
    let read = file.take(VARIABLES_MOST).read_to_string(&mut text);
    read.attempt("read the file of variables", &subject)?;
    let mut variables = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        // What stands there may be a secret, and is not repeated.
        let (name, value) = line.split_once('=').ok_or_else(|| {
            Error::new(Kind::InvalidInput, "understand", format!("{subject}:{number}"))
                .because("it is not NAME=VALUE")
        })?;
        variables.insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
    }
    Ok(variables)
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
