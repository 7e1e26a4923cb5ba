//! Services that stand still while sources are captured, and run again whatever happens.

use super::service::{FILE, Service, children, kill, kill_with_children, name, step};
use crate::common::cli::{lines, stderr, stdout};
use crate::common::proxy::{self, Fate};
use crate::common::seaweed::{KEY, SECRET, server};
use assert_cmd::Command;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

/// Succeeds while the service is there, and no zombie.
const RUNS: &str = "grep -q ') [^Z] ' /proc/$(cat DIR/pid)/stat";

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
    assert!(said.contains("app: STOPPED: its services have been stopped since"), "{said}");
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
    // The run that died is still its last.
    let said = stdout(&jobs.command(&["status"]).assert().code(3));
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
    for reason in ["stops-not", "starts-not", "may still be stopped"] {
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
    let said = stdout(&service.jobs.command(&["status"]).assert().code(3));
    assert!(said.contains("other: STOPPED"), "{said}");
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

/// Where the line that starts services was wrong, the next run starts them by the one of the file as it is now.
#[test]
fn a_start_that_was_mended_is_used() {
    let service = Service::new();
    service.jobs.write(&FILE.replace("sh DIR/start", "no-such-program"));
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("start services") && !service.runs(), "{said}");
    service.jobs.write(FILE);
    // That the services were stopped until now is told.
    service.jobs.command(&["run", "app"]).assert().code(3);
    service.runs_again("the mended start");
    service.jobs.command(&["run", "app"]).assert().success();
}

/// A service that somebody has stopped stays so, if a line says that it does not run; and where nobody can tell,
/// nothing is stopped.
#[test]
fn only_what_runs_is_stopped_and_started() {
    let service = Service::new();
    let running =
        |line: &str| FILE.replace("timeout = ", &format!("running = \"{line}\", timeout = "));
    service.jobs.write(&running("no-such-program"));
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("cannot learn whether it runs") && service.events().is_empty(), "{said}");
    service.jobs.write(&running(RUNS));
    service.jobs.command(&["run", "app"]).assert().success();
    assert_eq!((service.events().as_str(), service.runs()), ("stop start ", true));
    kill_process(service.pid().unwrap(), Signal::KILL).unwrap();
    service.jobs.wait_until("the end of the service", || !service.runs());
    service.jobs.command(&["run", "app"]).assert().success();
    assert_eq!((service.events().as_str(), service.runs()), ("stop start ", false));
    assert!(
        step(&service.jobs.report(), "stop")["output"].as_str().unwrap().contains("does not run")
    );
}

/// A line that stops something and ends before it has stopped is waited for, if another says whether it runs; what
/// does not come back after its start is told.
#[test]
fn stopping_and_starting_are_waited_for() {
    let service = Service::new();
    let file = FILE
        .replace("timeout = ", "running = \"kill -0 $(cat DIR/pid)\", timeout = ")
        .replace("\"sh DIR/stop\"", "\"(sleep 1; sh DIR/stop) >/dev/null 2>&1 &\"")
        .replace("echo x\"", "kill -0 $(cat DIR/pid) || echo down >>DIR/seen; echo x\"");
    service.jobs.write(&file);
    service.jobs.command(&["run", "app"]).assert().success();
    assert!(service.jobs.path("seen").exists());
    assert_eq!((service.events().as_str(), service.runs()), ("stop start ", true));
    service.jobs.write(&file.replace("\"sh DIR/start\"", "\"true\""));
    let said = service.jobs.complains(&["run", "app"]);
    assert!(said.contains("is not healthy") && !service.runs(), "{said}");
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
