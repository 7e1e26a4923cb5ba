//! A service that a job stops and starts, and that writes all the time.

use super::file::Jobs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An application that writes all the time.
pub const APP: &str = "while :; do echo x >>DIR/src/log; sleep 0.02; done";

pub const START: &str =
    "echo start >>DIR/events; [ -e DIR/slow-start ] && touch DIR/at-start && sleep 1
kill -0 $(cat DIR/pid) 2>/dev/null || { setsid sh DIR/app >/dev/null 2>&1 & echo $! >DIR/pid; }";

pub const STOP: &str =
    "echo stop >>DIR/events; [ -e DIR/slow-stop ] && touch DIR/at-stop && sleep 1
kill $(cat DIR/pid); while kill -0 $(cat DIR/pid) 2>/dev/null; do sleep 0.02; done";

pub const FILE: &str = r#"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"

[job.app]
source = ["DIR/src", { command = "echo once >>DIR/commands; [ -e DIR/slow-capture ] && touch DIR/at-capture && sleep 3; echo x", name = "x" }]
to = ["one"]
stop = { stop = "sh DIR/stop", start = "sh DIR/start", timeout = "8s", max_downtime = "20s" }
hooks.before = "[ -e DIR/slow-before ] && touch DIR/at-before && sleep 3; true"
hooks.after = "[ -e DIR/slow-after ] && touch DIR/at-after && sleep 3; true"
"#;

/// A service that runs.
pub struct Service {
    pub jobs: Jobs,
}

impl Service {
    pub fn new() -> Self {
        let service = Service { jobs: Jobs::new() };
        service.jobs.init(&["one"]);
        service.jobs.write(FILE);
        let folder = service.jobs.cli.folder().to_str().unwrap();
        for (name, text) in [("app", APP), ("start", START), ("stop", STOP)] {
            fs::write(service.jobs.path(name), text.replace("DIR", folder)).unwrap();
        }
        let started = std::process::Command::new("sh").arg(service.jobs.path("start")).status();
        assert!(started.unwrap().success() && service.runs());
        fs::remove_file(service.jobs.path("events")).unwrap();
        service
    }

    pub fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.jobs.path("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Whether the application is alive, and no zombie.
    pub fn runs(&self) -> bool {
        self.pid().is_some_and(is_alive)
    }

    pub fn events(&self) -> String {
        fs::read_to_string(self.jobs.path("events")).unwrap_or_default().replace('\n', " ")
    }

    pub fn mark(&self, name: &str) {
        fs::write(self.jobs.path(name), "").unwrap();
    }

    /// Begins a run, which is slow at this step, and waits until it is there.
    pub fn at(&self, step: &str) -> Child {
        self.mark(&format!("slow-{step}"));
        let run = self.jobs.spawn(&["run", "app"]);
        self.jobs.wait_for(&format!("at-{step}"));
        run
    }

    /// Waits until the service runs again for good, and nothing is remembered as stopped.
    pub fn runs_again(&self, step: &str) {
        let begun = Instant::now();
        // What is to be stopped is not yet down.
        sleep(Duration::from_millis(300));
        self.jobs.wait_until(&format!("the service after {step}"), || self.runs());
        assert!(begun.elapsed() < Duration::from_secs(20), "{step}");
        let is_over = || !self.jobs.path("state/stopped/app.json").exists();
        self.jobs.wait_until(&format!("the end of the guard after {step}"), is_over);
        sleep(Duration::from_millis(1500));
        assert!(self.runs(), "{step}: {}", self.events());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

pub fn kill(run: &Child, signal: Signal) {
    kill_process(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

/// The children of a process.
pub fn children(of: &Child) -> Vec<Pid> {
    let parent = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid) == Some(of.id())).filter_map(Pid::from_raw).collect()
}

/// Kills a run and what it has started, all at once, as a power cut does.
pub fn kill_with_children(run: &mut Child) {
    kill(run, Signal::STOP);
    let children = children(run);
    children.iter().for_each(|pid| kill_process(*pid, Signal::KILL).unwrap());
    run.kill().unwrap();
    run.wait().unwrap();
    // What they had locked is free only once they are gone.
    for pid in children {
        while is_alive(pid) {
            sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a process is there, and no zombie.
pub fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The step of this name in a report.
pub fn step<'r>(report: &'r Value, name: &str) -> &'r Value {
    report["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

pub fn name(step: &Value) -> &str {
    step["step"].as_str().unwrap()
}
