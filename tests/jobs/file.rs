//! A folder with a file of jobs, and the program in it.

use crate::common::cli::{Cli, lines, stderr, stdout};
use crate::common::program::program;
use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The repository `one` in a file of jobs.
pub const ONE: &str = "[repository.one]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\n";

/// How long something may take to come about.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with `src`, and a file of jobs once it is written.
pub struct Jobs {
    pub cli: Cli,
}

impl Jobs {
    pub fn new() -> Self {
        Jobs { cli: Cli::bare() }
    }

    /// The same with the repository `one`, and this in the file beside it.
    pub fn with_one(text: &str) -> Self {
        let jobs = Jobs::new();
        jobs.init(&["one"]);
        jobs.write(&format!("{ONE}{text}"));
        jobs
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.cli.path(name)
    }

    /// Writes the file of jobs; `DIR` in it stands for the folder.
    pub fn write(&self, text: &str) {
        let folder = self.cli.folder().to_str().unwrap();
        fs::write(self.path("config.toml"), text.replace("DIR", folder)).unwrap();
    }

    /// The program with that file.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.cli.command();
        command.env("ICECORE_CONFIG", self.path("config.toml")).env_remove("ICECORE_REPOSITORY");
        command.args(args);
        command
    }

    /// Makes the repositories of these names, each with a key file `NAME.key`.
    pub fn init(&self, names: &[&str]) {
        for name in names {
            let mut command = self.cli.command();
            command.args(["init", "--new-key-file"]).arg(self.path(&format!("{name}.key")));
            command.env("ICECORE_REPOSITORY", self.path(name)).assert().success();
        }
    }

    /// What the program says of one of them when all goes well, as JSON lines.
    pub fn of(&self, repository: &str, args: &[&str]) -> Vec<Value> {
        let mut command = self.cli.command();
        command.arg("--json").arg("--key-file").arg(self.path(&format!("{repository}.key")));
        command.env("ICECORE_REPOSITORY", self.path(repository)).args(args);
        lines(&stdout(&command.assert().success()))
    }

    /// Has the agent remember a backup of `app` by this schedule, long ago: so the next one is due at once.
    pub fn is_due(&self, schedule: &str) {
        fs::create_dir_all(self.path("state")).unwrap();
        let mark = served(schedule, "2026-01-01T00:00:00Z");
        fs::write(self.path("state/agent.json"), mark).unwrap();
    }

    /// The report of the last run of `app`, as it was left on this host.
    pub fn report(&self) -> Value {
        let mut reports: Vec<PathBuf> = fs::read_dir(self.path("state/runs/app"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        reports.sort();
        serde_json::from_slice(&fs::read(reports.last().unwrap()).unwrap()).unwrap()
    }

    /// The program with that file, started and not waited for.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let mut command = program();
        command.env("ICECORE_CONFIG", self.path("config.toml"));
        command.env("ICECORE_STATE_DIR", self.path("state"));
        let said = fs::File::create(self.path("said")).unwrap();
        command.args(args).stdout(Stdio::null()).stderr(said).spawn().unwrap()
    }

    /// Waits until a file is there.
    pub fn wait_for(&self, name: &str) {
        self.wait_until(name, || self.path(name).exists());
    }

    /// Waits until something holds.
    pub fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        assert!(self.comes_about(holds), "waited for {what} in vain: {}", self.said());
    }

    /// Waits until something holds; whether it came about at all.
    pub fn comes_about(&self, holds: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !holds() {
            if begun.elapsed() > PATIENCE {
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        true
    }

    /// What the program that was spawned has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    /// What it complains of.
    pub fn complains(&self, args: &[&str]) -> String {
        stderr(&self.command(args).assert().failure())
    }
}

/// What the agent remembers of a backup of `app` that was begun at a moment of this schedule.
pub fn served(schedule: &str, moment: &str) -> String {
    format!(r#"[{{"job":"app","task":"backup","schedule":"{schedule}","served":"{moment}"}}]"#)
}
