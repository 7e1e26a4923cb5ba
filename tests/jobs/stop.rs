//! Services that stand still while sources are captured, and run again whatever happens.

use super::file::Jobs;
use crate::common::cli::{lines, stderr, stdout};
use crate::common::proxy::{self, Fate};
use crate::common::seaweed::{KEY, SECRET, server};
use assert_cmd::Command;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An application that writes all the time.
const APP: &str = "while :; do echo x >>DIR/src/log; sleep 0.02; done";

const START: &str =
    "echo start >>DIR/events; [ -e DIR/slow-start ] && touch DIR/at-start && sleep 1
kill -0 $(cat DIR/pid) 2>/dev/null || { setsid sh DIR/app >/dev/null 2>&1 & echo $! >DIR/pid; }";

const STOP: &str = "echo stop >>DIR/events; [ -e DIR/slow-stop ] && touch DIR/at-stop && sleep 1
kill $(cat DIR/pid); while kill -0 $(cat DIR/pid) 2>/dev/null; do sleep 0.02; done";

const FILE: &str = r#"
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
struct Service {
    jobs: Jobs,
}

impl Service {
    fn new() -> Self {
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

    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.jobs.path("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Whether the application is alive, and no zombie.
    fn runs(&self) -> bool {
        self.pid().is_some_and(is_alive)
    }

    fn events(&self) -> String {
        fs::read_to_string(self.jobs.path("events")).unwrap_or_default().replace('\n', " ")
    }

    fn mark(&self, name: &str) {
        fs::write(self.jobs.path(name), "").unwrap();
    }

    /// Begins a run, which is slow at this step, and waits until it is there.
    fn at(&self, step: &str) -> Child {
        self.mark(&format!("slow-{step}"));
        let run = self.jobs.spawn(&["run", "app"]);
        self.jobs.wait_for(&format!("at-{step}"));
        run
    }

    /// Waits until the service runs again for good, and nothing is remembered as stopped.
    fn runs_again(&self, step: &str) {
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

fn kill(run: &Child, signal: Signal) {
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

fn name(step: &Value) -> &str {
    step["step"].as_str().unwrap()
}

/// The service stands still while sources are captured, and only then; how long is in the report.
#[test]
fn services_stand_still_during_the_capture() {
    let service = Service::new();
    let mut run = service.at("capture");
    assert!(!service.runs());
    assert!(service.jobs.path("state/stopped/app.json").exists());
    assert!(run.wait().unwrap().success());
    assert!(service.runs());
    assert_eq!(service.events(), "stop start ");
    let report = service.jobs.report();
    let downtime = report["downtime"].as_f64().unwrap();
    assert!((3.0..20.0).contains(&downtime), "{downtime}");
    assert_eq!(step(&report, "start")["because"], "asked");
    let steps: Vec<&str> = report["steps"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(steps, ["before", "open", "warm_up", "stop", "read", "start", "capture", "after"]);
    assert_eq!(fs::read_to_string(service.jobs.path("commands")).unwrap(), "once\n");
    assert!(!service.jobs.path("state/stopped/app.json").exists());
}

/// Whenever the run is killed, without a chance to do anything, the service runs again.
#[test]
fn services_run_again_when_the_run_is_killed() {
    for step in ["before", "stop", "capture", "start", "after"] {
        let service = Service::new();
        let mut run = service.at(step);
        kill(&run, Signal::KILL);
        run.wait().unwrap();
        service.runs_again(step);
        let stopped = service.events().contains("stop");
        assert_eq!(stopped, step != "before", "{step}: {}", service.events());
    }
}

/// Where the guard dies as well, as with the machine, the next run starts what was left, before anything else.
#[test]
fn the_next_run_starts_what_was_left() {
    let service = Service::new();
    let mut run = service.at("capture");
    kill_with_children(&mut run);
    assert!(!service.runs());
    fs::remove_file(service.jobs.path("slow-capture")).unwrap();
    service.jobs.command(&["run", "app"]).assert().success();
    assert_eq!(service.events(), "stop start stop start ");
    assert_eq!(step(&service.jobs.report(), "left_behind")["outcome"], "done");
    service.runs_again("the next run");
}

/// What nobody is about to start is no longer well, whatever time it has. `alert` starts it and tells so; what cannot be
/// started is told at once, and once.
#[test]
fn what_was_left_is_told() {
    let service = Service::new();
    let jobs = &service.jobs;
    let file = format!("{FILE}[alert]\ncommand = \"cat >>DIR/told\"\n");
    jobs.write(&file.replace("20s", "1h"));
    let mut run = service.at("capture");
    jobs.command(&["status"]).assert().success();
    kill_with_children(&mut run);
    let said = stdout(&jobs.command(&["status"]).assert().code(3));
    assert!(said.contains("app: STOPPED: its services have stood still since"), "{said}");
    let status = &lines(&stdout(&jobs.command(&["--json", "status"]).assert().code(3)))[0];
    let of_job = (&status["stopped"][0]["job"], &status["jobs"][0]["is_well"]);
    assert_eq!(of_job, (&"app".into(), &false.into()));
    let told = || fs::read_to_string(jobs.path("told")).unwrap();
    fs::rename(jobs.path("start"), jobs.path("away")).unwrap();
    for _ in 0..2 {
        assert!(jobs.complains(&["alert"]).contains("start services"));
        assert_eq!(told().matches("- app: services were not started again").count(), 1);
    }
    fs::rename(jobs.path("away"), jobs.path("start")).unwrap();
    jobs.command(&["alert"]).assert().success();
    assert!(service.runs() && told().contains("- app: services run again"), "{}", told());
    let said = stdout(&jobs.command(&["status"]).assert().success());
    assert!(!said.contains("STOPPED"), "{said}");

    // Also where that is all over before anybody is told of it.
    let service = Service::new();
    let jobs = &service.jobs;
    jobs.write(&file);
    let mut run = service.at("capture");
    kill_with_children(&mut run);
    jobs.command(&["alert"]).assert().success();
    let told = fs::read_to_string(jobs.path("told")).unwrap();
    assert!(service.runs() && told.contains("it was: app: services were not started"), "{told}");
}

/// Where only the guard dies, the run starts the service, and fails.
#[test]
fn a_run_without_its_guard_starts_the_service() {
    let service = Service::new();
    let mut run = service.at("capture");
    let guard = |pid: &Pid| {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("guard-of")
    };
    let guard = children(&run).into_iter().find(guard).unwrap();
    kill_process(guard, Signal::KILL).unwrap();
    assert!(!run.wait().unwrap().success());
    service.runs_again("the guard's death");
    assert_eq!(service.jobs.report()["outcome"], "failed");
}

/// A run that is asked to end starts the service first.
#[test]
fn an_interrupted_run_starts_the_service_first() {
    for signal in [Signal::TERM, Signal::INT] {
        let service = Service::new();
        let mut run = service.at("capture");
        kill(&run, signal);
        service.jobs.wait_until("the service", || service.runs());
        assert_eq!(run.wait().unwrap().code(), Some(130));
        service.runs_again("an interruption");
        assert_eq!(service.jobs.report()["outcome"], "failed");
    }
}

/// A run that is asked to end while its services are being stopped ends that, and starts them at once.
#[test]
fn an_interruption_ends_the_stopping() {
    let service = Service::new();
    service.jobs.write(&FILE.replace("sh DIR/stop", "sh DIR/stop; touch DIR/at-stop; sleep 100"));
    let mut run = service.jobs.spawn(&["run", "app"]);
    service.jobs.wait_for("at-stop");
    assert!(!service.runs());
    kill(&run, Signal::TERM);
    assert_eq!(run.wait().unwrap().code(), Some(130), "{}", service.jobs.said());
    assert!(service.runs());
    let reason = service.jobs.report()["reason"].to_string();
    assert!(reason.contains("interrupted") && !reason.contains("longer"), "{reason}");
    service.runs_again("an interruption");
    // What was asked for might have come about after all.
    assert_eq!(service.events(), "stop start start ");
}

/// Where services can neither be stopped nor started, both reasons are told.
#[test]
fn both_failures_are_told() {
    let service = Service::new();
    let file = FILE.replace("sh DIR/stop", "echo stops-not >&2; exit 5");
    service.jobs.write(&file.replace("sh DIR/start", "echo starts-not >&2; exit 6"));
    let said = service.jobs.complains(&["run", "app"]);
    for reason in ["stops-not", "starts-not", "may stand still"] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

/// Nothing is stopped where that cannot be written down, and why is told. A journal that cannot be read says what to do.
#[test]
fn journals_that_are_not_to_be_had_are_told() {
    let service = Service::new();
    let journals = service.jobs.path("state/stopped");
    fs::create_dir_all(journals.join("lock")).unwrap();
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("state/stopped/lock") && service.events().is_empty(), "{said}");
    fs::remove_dir(journals.join("lock")).unwrap();

    fs::write(journals.join("other.json"), "{").unwrap();
    let said = stderr(&service.jobs.command(&["run", "app"]).assert().code(3));
    assert!(said.contains("other.json") && said.contains("remove this file"), "{said}");
}

/// After `max_downtime` the service is started whatever the capture does, and the run fails.
#[test]
fn services_stand_still_no_longer_than_they_may() {
    let service = Service::new();
    service.jobs.write(&FILE.replace("20s", "1s"));
    service.mark("slow-capture");
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("max_downtime"), "{said}");
    let report = service.jobs.report();
    assert_eq!(step(&report, "start")["because"], "overdue");
    assert!(report["downtime"].as_f64().unwrap() < 2.9, "{report}");
    assert!(report["snapshot_id"].is_null());
    service.runs_again("the time");
}

/// A service that cannot be stopped is started, and nothing is captured; one that cannot be started is told,
/// and tried again by the next run.
#[test]
fn failing_commands_are_told() {
    let service = Service::new();
    service.jobs.write(&FILE.replace("sh DIR/stop", "sh DIR/stop; echo no >&2; exit 5"));
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("stop services") && said.contains("it said: no"), "{said}");
    assert!(service.jobs.report()["snapshot_id"].is_null());
    service.runs_again("a failing stop");

    let service = Service::new();
    service.jobs.write(&FILE.replace("sh DIR/start", "[ -e DIR/well ] && sh DIR/start"));
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("start services"), "{said}");
    assert!(service.jobs.path("state/stopped/app.json").exists() && !service.runs());
    service.mark("well");
    service.jobs.command(&["run", "app"]).assert().success();
    service.runs_again("the next run");
}

/// Two jobs of a host never have something stopped at the same time; one that waits for the other ends when it
/// is asked to.
#[test]
fn jobs_stop_one_after_the_other() {
    let service = Service::new();
    let file = FILE.replace("sleep 3; echo x", "while ! [ -e DIR/go ]; do sleep 0.1; done; echo x");
    let other = file[file.find("[job.app]").unwrap()..].replace("job.app", "job.other");
    let other = other.replace("[ -e DIR/slow-before ]", "touch DIR/other; [ -e DIR/slow-before ]");
    service.jobs.write(&format!("{file}{other}"));
    let mut first = service.at("capture");
    let mut second = service.jobs.spawn(&["run", "other"]);
    service.jobs.wait_for("other");
    sleep(Duration::from_millis(500));
    assert_eq!(service.events(), "stop ");
    kill(&second, Signal::TERM);
    assert_eq!(second.wait().unwrap().code(), Some(130));
    assert!(service.events() == "stop " && !service.runs(), "{}", service.events());
    service.mark("go");
    assert!(first.wait().unwrap().success());
    service.jobs.command(&["run", "other"]).assert().success();
    assert_eq!(service.events(), "stop start stop start ");
    service.runs_again("both");
}

/// While a service stands still nothing is asked of a bucket: all that was not stored before waits on this
/// machine until it runs again.
#[test]
fn nothing_waits_for_the_network_while_services_stand_still() {
    let service = Service::new();
    let jobs = &service.jobs;
    let standing = jobs.path("standing");
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (heard, is_still) = (asked.clone(), standing.clone());
    let port = proxy::start(server().port, move |head| {
        if is_still.exists() {
            heard.lock().unwrap().push(head.method.clone());
        }
        Fate::Pass
    });
    let url = format!("s3:http://127.0.0.1:{port}/{}", server().bucket());
    let stop = "sh DIR/stop; head -c 3000000 /dev/urandom >DIR/src/last; touch DIR/standing";
    let file = FILE.replace("DIR/one\"", &format!("{url}\""));
    let file =
        file.replace("sh DIR/stop", stop).replace("sh DIR/start", "rm DIR/standing; sh DIR/start");
    jobs.write(&file);
    let in_bucket = |mut command: Command| {
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.assert().success();
    };
    let mut init = jobs.cli.command();
    init.args(["-r", &url, "--key-file"]).arg(jobs.path("one.key")).arg("init");
    in_bucket(init);
    for _ in 0..3 {
        in_bucket(jobs.command(&["run", "app"]));
        assert_eq!(*asked.lock().unwrap(), [""; 0]);
    }
    let mut restore = jobs.cli.command();
    restore.args(["-r", &url, "--key-file"]).arg(jobs.path("one.key"));
    restore.args(["restore", "latest", "--target"]).arg(jobs.path("out"));
    in_bucket(restore);
    let restored = jobs.path("out").join(jobs.path("src/last").strip_prefix("/").unwrap());
    assert_eq!(fs::read(restored).unwrap(), fs::read(jobs.path("src/last")).unwrap());
}
