//! What this program gives to jobs: it opens their repositories and finds their sources.

use super::containers::ContainerArgs;
use super::named_repository::app_for;
use super::postgres::{DumpArgs, ToolArgs};
use super::sources::{SourceArgs, VerifySource};
use crate::agent::config::{self, Job, SourceTable};
use crate::agent::run::RunContext;
use crate::backend::Location;
use crate::containers::{CaptureOptions, refuse_unmounted};
use crate::env::Env;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::repo::Repository;
use crate::source::Source;
use crate::source::stdin::StreamSource;
use crate::ui::app::App;
use crate::ui::host::{hostname, username};
use crate::ui::progress::Progress;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// This program, for jobs.
pub struct CliRunContext<'a> {
    /// Its options.
    pub app: &'a App,
    /// Its progress.
    pub progress: &'a Progress,
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
        let app = app_for(self.app, repository)?;
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
                    sources.push(Box::new(stream.allowing_empty(table.allow_empty)));
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
        allow_empty: table.allow_empty,
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
