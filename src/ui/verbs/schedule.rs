//! `schedule`: files by which systemd or cron keep the schedules, where there is no agent, or start the agent.

use super::config::FileArgs;
use crate::agent::start_stopped;
use crate::agent::units::{Unit, Units};
use crate::env::this_program;
use crate::error::{Attempt, Result};
use crate::ui::app::App;
use crate::ui::cache;
use crate::ui::exit::Done;
use crate::ui::out::{self, Out, Tone};
use clap::{ArgGroup, Args};
use jiff::tz::TimeZone;
use rustix::process::geteuid;
use std::env::var;
use std::fs;
use std::path::{Path, PathBuf, absolute};

/// What `schedule` takes.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["systemd", "cron", "start_stopped"])))]
pub struct ScheduleArgs {
    /// Units of systemd: a service and a timer for each schedule; printed, or written into a folder
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    pub systemd: Option<Option<PathBuf>>,

    /// With --systemd: the service of `icecore agent` instead, which keeps all schedules
    #[arg(long, requires = "systemd", conflicts_with_all = ["cron", "start_stopped"])]
    pub agent: bool,

    /// Lines for /etc/cron.d
    #[arg(long)]
    pub cron: bool,

    /// Start services that a run has left stopped when it died, as after a power cut; for use at boot
    #[arg(long)]
    pub start_stopped: bool,

    #[command(flatten)]
    pub file: FileArgs,
}

/// What runs go by that is no secret: which engine has the containers, and what this machine is called.
const CARRIED: [&str; 2] = ["DOCKER_HOST", "ICECORE_HOST"];

/// Does it.
pub fn run(app: &App, args: &ScheduleArgs) -> Result<Done> {
    let state = absolutely(&app.known_state_folder()?)?;
    if args.start_stopped {
        return start(app, &state);
    }
    let (config, file) = args.file.load()?;
    let program = this_program()?;
    let units = Units {
        config: &config,
        program: program.canonicalize().attempt("find", program.display())?,
        file: absolutely(&file)?,
        state,
        cache: cache::folder(&app.global).map(|folder| absolutely(&folder)).transpose()?,
        user: user(),
        zone_here: TimeZone::system().iana_name().map(str::to_owned),
        carried: CARRIED.iter().filter_map(|name| Some((*name, var(name).ok()?))).collect(),
    };
    if units.is_idle() {
        app.note("no job of the file has a schedule: nothing of this begins a run");
    }
    let mut out = Out::new();
    match &args.systemd {
        None => units.crontab()?.lines().try_for_each(|line| out.line(line))?,
        Some(folder) => {
            let files = if args.agent { vec![units.agent()?] } else { units.timers()? };
            match folder {
                None => files.iter().try_for_each(|unit| print(unit, &mut out))?,
                Some(folder) => write(app, &files, folder, &mut out)?,
            }
            units.lacks().iter().for_each(|lack| app.note(lack));
            if let Some(lack) = units.without_agent().filter(|_| !args.agent) {
                app.note(lack);
            }
        }
    }
    out.finish()?;
    Ok(Done::All)
}

/// The user as systemd and cron know it, whatever name `su` has left in the environment.
fn user() -> String {
    let id = geteuid().as_raw().to_string();
    let users = fs::read("/etc/passwd").unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.get(2) == Some(&id.as_str()));
    found.and_then(|fields| fields.first().map(|name| (*name).to_owned())).unwrap_or(id)
}

fn absolutely(path: &Path) -> Result<PathBuf> {
    absolute(path).attempt("find", path.display())
}

fn print(unit: &Unit, out: &mut Out) -> Result<()> {
    out.line(&format!("# {}", unit.name))?;
    unit.text.lines().try_for_each(|line| out.line(line))?;
    out.line("")
}

fn write(app: &App, units: &[Unit], folder: &Path, out: &mut Out) -> Result<()> {
    for unit in units {
        let path = folder.join(&unit.name);
        fs::write(&path, &unit.text).attempt("write", path.display())?;
        if app.talks() {
            out.line(&format!("wrote {}", path.display()))?;
        }
    }
    let started = units.iter().filter(|unit| unit.text.contains("[Install]"));
    let names: Vec<&str> = started.map(|unit| unit.name.as_str()).collect();
    match app.talks() {
        true => out.prose(&format!(
            "next: systemctl daemon-reload && systemctl enable --now {}",
            names.join(" ")
        )),
        false => Ok(()),
    }
}

fn start(app: &App, state: &Path) -> Result<Done> {
    let mut failed = None;
    for started in start_stopped(state) {
        match started {
            Ok(job) => app.note(&format!("started the services of {job}")),
            Err(error) => {
                out::tell(Tone::Error, &error.to_string());
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(Done::All), Err)
}
