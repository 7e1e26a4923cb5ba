//! The agent itself: runs at their time, signals, a file that changes, and what dies.

use super::file::Jobs;
use super::service::kill_with_children;
use crate::common::cli::{lines, stderr, stdout};
use crate::common::program::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const FILE: &str = r#"
[agent]
jitter = "0s"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
[job.app]
source = "DIR/src"
to = ["one"]
schedule = "daily 02:10"
"#;

/// An agent at work, whose log is in a file.
struct Agent<'j> {
    jobs: &'j Jobs,
    child: Child,
}

impl<'j> Agent<'j> {
    fn start(jobs: &'j Jobs, more: impl FnOnce(&mut Command)) -> Self {
        let mut command = program();
        command.env("ICECORE_CONFIG", jobs.path("config.toml")).env("TZ", "UTC");
        command.env("ICECORE_STATE_DIR", jobs.path("state")).env_remove("JOURNAL_STREAM");
        command.args(["--json", "agent"]).stdout(Stdio::null());
        command.stderr(File::create(jobs.path("agent.log")).unwrap());
        more(&mut command);
        let agent = Agent { jobs, child: command.spawn().unwrap() };
        agent.says("ready");
        agent
    }

    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.jobs.path("agent.log")).unwrap();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        lines(whole)
    }

    fn events(&self, event: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// Waits until it says something of this kind, and answers the last one.
    fn says(&self, event: &str) -> Value {
        self.says_so_often(event, 1)
    }

    fn says_so_often(&self, event: &str, times: usize) -> Value {
        self.jobs.wait_until(event, || self.events(event).len() >= times);
        self.events(event).pop().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Ends it, as a service manager does.
    fn end(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        assert!(self.child.wait().unwrap().success());
        let documented = include_str!("../../src/agent/agent.md");
        for line in self.log() {
            let event = line["event"].as_str().unwrap();
            let keys = line.as_object().unwrap().keys().map(String::as_str);
            for word in keys.chain([event]) {
                assert!(documented.contains(&format!("`{word}`")), "{word} is not explained");
            }
        }
        self.log()
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn jobs(text: &str) -> Jobs {
    let jobs = Jobs::new();
    jobs.init(&["one"]);
    jobs.write(text);
    fs::create_dir_all(jobs.path("state")).unwrap();
    jobs
}

fn snapshots(jobs: &Jobs) -> usize {
    jobs.of("one", &["snapshots"]).iter().map(|it| it.as_array().map_or(1, Vec::len)).sum()
}

/// What comes every minute is begun by the clock, without anybody asking for it; a run that was missed is made
/// up once, and not again by the next agent. All is in the history.
#[test]
fn runs_begin_at_their_time() {
    let every = "[job.often]\nsource = \"DIR/src\"\nto = [\"one\"]\nschedule = \"* * * * *\"\n";
    let jobs = jobs(&format!("{FILE}{every}"));
    jobs.is_due("daily 02:10");
    let agent = Agent::start(&jobs, |_| {});
    agent.says("end");
    let ended = agent.says_so_often("end", 2);
    assert_eq!((&ended["job"], &ended["task"]), (&"often".into(), &"backup".into()));
    assert_eq!((&ended["message"], &ended["level"]), (&"done".into(), &"info".into()));
    assert_eq!(agent.events("begin").len(), 2);
    let begun = agent.events("begin")[0]["message"].to_string();
    assert!(begun.contains("has been due since 2026-01-01 02:10"), "{begun}");
    agent.end();
    assert_eq!(snapshots(&jobs), 2);
    let status = lines(&stdout(&jobs.command(&["--json", "status"]).assert().success())).pop();
    assert_eq!(status.unwrap()["jobs"][0]["tasks"][0]["last_run"]["outcome"], "done");
    let agent = Agent::start(&jobs, |_| {});
    std::thread::sleep(Duration::from_millis(500));
    assert!(!agent.end().iter().any(|line| line["job"] == "app"));
}

/// SIGTERM begins no more, ends what is at work, which starts services that stand still before, and leaves its
/// report; the next agent does it again.
#[test]
fn an_agent_that_is_ended_ends_its_runs() {
    let jobs = jobs(&format!(
        "{FILE}stop = {{ stop = \"touch DIR/stopped; [ -e DIR/quick ] || sleep 3\", start = \"rm -f DIR/stopped\", timeout = \"5s\" }}\n"
    ));
    jobs.is_due("daily 02:10");
    let agent = Agent::start(&jobs, |_| {});
    jobs.wait_for("stopped");
    let log = agent.end();
    assert!(!jobs.path("stopped").exists());
    let end = log.iter().find(|line| line["event"] == "end").unwrap();
    assert!(end["message"].as_str().unwrap().contains("interrupted"), "{end}");
    assert_eq!(jobs.report()["outcome"], "failed");
    fs::write(jobs.path("quick"), "").unwrap();
    let agent = Agent::start(&jobs, |_| {});
    assert_eq!(agent.says("end")["message"], "done");
    agent.end();
    assert_eq!(snapshots(&jobs), 1);
}

/// A file that changes is kept from then on, and so it is at SIGHUP; one that is broken is told, and the one
/// before is kept.
#[test]
fn the_file_may_change() {
    let jobs = jobs(FILE);
    let agent = Agent::start(&jobs, |_| {});
    fs::write(jobs.path("config.toml"), "[job").unwrap();
    agent.signal(Signal::HUP);
    let told = agent.says("reload");
    assert_eq!(
        (&told["level"], told["message"].as_str().unwrap().contains("the jobs stay as they were")),
        (&"error".into(), true)
    );
    assert!(agent.says("error")["message"].as_str().unwrap().contains("config.toml"));
    jobs.write(&format!(
        "{FILE}[job.more]\nsource = \"DIR/src\"\nto = [\"one\"]\nschedule = \"hourly\"\n"
    ));
    // Without a signal, it is seen within half a minute.
    let told = agent.says_so_often("reload", 2);
    assert!(told["message"].as_str().unwrap().contains("jobs: 2"), "{told}");
    let marks = fs::read_to_string(jobs.path("state/agent.json")).unwrap();
    assert!(marks.contains("more"), "{marks}");
    jobs.write(FILE);
    agent.signal(Signal::HUP);
    let told = agent.says_so_often("reload", 4);
    assert_eq!(told["message"], "job more is not in the file any more, and is not run");
    agent.end();
}

/// A file that is broken, that others can write, or that is gone, stops no backup: runs are as the agent has read it.
/// It is told once, and once that it is over.
#[test]
fn a_file_that_cannot_be_used_stops_no_backup() {
    let alert = "[alert]\ncommand = \"echo $ICECORE_ALERT_SUBJECT >>DIR/told\"\n";
    let text = format!("{}{alert}", FILE.replace("daily 02:10", "* * * * *"));
    let jobs = jobs(&text);
    let told = || fs::read_to_string(jobs.path("told")).unwrap_or_default();
    let agent = Agent::start(&jobs, |_| {});
    let config = jobs.path("config.toml");
    fs::write(&config, "[job").unwrap();
    agent.signal(Signal::HUP);
    assert_eq!(agent.says("reload")["level"], "error");
    assert_eq!(agent.says("end")["message"], "done");
    jobs.wait_until("the alert", || !told().is_empty());
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    jobs.write(&text);
    agent.signal(Signal::HUP);
    assert_eq!(agent.says_so_often("reload", 2)["level"], "error");
    fs::remove_file(&config).unwrap();
    agent.signal(Signal::HUP);
    assert_eq!(agent.says_so_often("reload", 3)["level"], "error");
    assert_eq!(agent.says_so_often("end", 2)["message"], "done");
    agent.end();
    assert_eq!(snapshots(&jobs), 2);
    assert_eq!(told().lines().count(), 1, "{}", told());
    assert!(told().contains("config.toml cannot be used"), "{}", told());
    jobs.write(&text);
    jobs.command(&["alert"]).assert().success();
    assert_eq!(told().lines().count(), 2, "{}", told());
    assert!(told().contains("config.toml can be used again"), "{}", told());
}

/// A file whose jobs are all gone is more likely half written: the one before is kept, and people are told. One that had
/// none before may have none.
#[test]
fn a_file_that_lost_its_jobs_is_told() {
    let alert = "[alert]\ncommand = \"echo $ICECORE_ALERT_SUBJECT >>DIR/told\"\n";
    let jobs = jobs(&format!("{FILE}{alert}"));
    let agent = Agent::start(&jobs, |_| {});
    jobs.write("");
    agent.signal(Signal::HUP);
    let told = agent.says("reload");
    assert!(told["message"].as_str().unwrap().contains("the jobs stay as they were"), "{told}");
    jobs.wait_for("told");
    agent.end();
    let told = fs::read_to_string(jobs.path("told")).unwrap();
    assert!(told.contains("config.toml cannot be used"), "{told}");
    assert!(jobs.complains(&["run", "--all"]).contains("the file has none"));
    let said = stderr(&jobs.command(&["schedule", "--cron"]).assert().success());
    assert!(said.contains("no job of the file has a schedule"), "{said}");
    let agent = Agent::start(&jobs, |_| {});
    jobs.write("[defaults]");
    agent.signal(Signal::HUP);
    assert!(agent.says("reload")["message"].as_str().unwrap().contains("jobs: 0"));
    agent.end();
}

/// Two agents never keep the schedules of one state folder.
#[test]
fn a_second_agent_is_refused() {
    let jobs = jobs(FILE);
    let agent = Agent::start(&jobs, |_| {});
    let second = jobs.command(&["agent"]).assert().code(11);
    assert!(stderr(&second).contains("another agent is at work"), "{}", stderr(&second));
    agent.end();
    let agent = Agent::start(&jobs, |_| {});
    agent.end();
}

/// A run that dies, and leaves no report, has one all the same; what it did not serve then is not begun again
/// and again.
#[test]
fn a_run_that_dies_is_reported() {
    let jobs = jobs(&format!(
        "{FILE}hooks.before = \"echo $PPID >DIR/unfinished; mv DIR/unfinished DIR/pid; sleep 100\"\n"
    ));
    jobs.is_due("daily 02:10");
    let agent = Agent::start(&jobs, |_| {});
    jobs.wait_for("pid");
    let pid: i32 = fs::read_to_string(jobs.path("pid")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let end = agent.says("end");
    assert_eq!(end["message"], "failed: it was ended by signal 9");
    let log = agent.end();
    assert_eq!(log.iter().filter(|line| line["event"] == "begin").count(), 1);
    assert_eq!(jobs.report()["reason"], "it was ended by signal 9");
    let status = jobs.command(&["status"]).assert().code(3);
    assert!(stdout(&status).contains("ended by signal 9"), "{}", stdout(&status));
}

/// While somebody else backs up, a run that is due is tried again, and is not done once the other has served it.
#[test]
fn others_runs_are_waited_for() {
    let jobs = jobs(&format!(
        "{FILE}hooks.before = \"touch DIR/begun; while ! [ -e DIR/go ]; do sleep 0.1; done\"\n"
    ));
    let mut other = jobs.spawn(&["run", "app"]);
    jobs.wait_for("begun");
    jobs.is_due("daily 02:10");
    let agent = Agent::start(&jobs, |_| {});
    let end = agent.says("end");
    assert!(end["message"].as_str().unwrap().starts_with("skipped"), "{end}");
    fs::write(jobs.path("go"), "").unwrap();
    assert!(other.wait().unwrap().success());
    std::thread::sleep(Duration::from_secs(62));
    assert_eq!(agent.end().iter().filter(|line| line["event"] == "begin").count(), 1);
    assert_eq!(snapshots(&jobs), 1);
}

/// Services that a run has left stopped whose guard is dead, too, as after a power cut, are started when the agent
/// begins.
#[test]
fn services_that_were_left_stopped_are_started() {
    let jobs = jobs(&format!(
        "{FILE}stop = {{ stop = \"touch DIR/stopped; sleep 1; mv DIR/stopped DIR/down; sleep 100\", start = \"rm DIR/down\", timeout = \"3min\" }}\n"
    ));
    let mut run = jobs.spawn(&["run", "app"]);
    jobs.wait_for("down");
    kill_with_children(&mut run);
    assert!(jobs.path("down").exists());
    let agent = Agent::start(&jobs, |_| {});
    let told = agent.says("left_behind");
    assert!(told["message"].as_str().unwrap().contains("services of app"), "{told}");
    assert!(!jobs.path("down").exists());
    agent.end();
    // Also where the file is broken since, and the agent cannot begin.
    let mut run = jobs.spawn(&["run", "app"]);
    jobs.wait_for("down");
    kill_with_children(&mut run);
    jobs.write("[job");
    jobs.command(&["agent"]).assert().code(1);
    assert!(!jobs.path("down").exists());
}

/// Where a job has several repositories and copies no time of their own, a backup is copied at once.
#[test]
fn backups_are_copied_at_once() {
    let two = "[repository.two]\nurl = \"DIR/two\"\nkey_file = \"DIR/two.key\"\n";
    let jobs = jobs(&format!("{two}{}", FILE.replace("[\"one\"]", "[\"one\", \"two\"]")));
    jobs.init(&["two"]);
    jobs.is_due("daily 02:10");
    let agent = Agent::start(&jobs, |_| {});
    assert_eq!(agent.says("end")["message"], "done");
    agent.end();
    assert_eq!(jobs.of("two", &["snapshots"]).len(), 1);
}

/// systemd is told that it is ready, alive, what it does, and that it ends; runs do not speak for it. In the
/// journal, lines say how much they matter.
#[test]
fn the_service_manager_is_told() {
    let jobs =
        jobs(&format!("{FILE}hooks.before = \"echo ${{NOTIFY_SOCKET:-none}} >DIR/socket\"\n"));
    jobs.is_due("daily 02:10");
    let socket = UnixDatagram::bind(jobs.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let heard = |what: &str| {
        let mut text = [0; 1024];
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < until, "{what} is not heard");
            let length = socket.recv(&mut text).unwrap();
            let text = String::from_utf8_lossy(&text[..length]).into_owned();
            if text.contains(what) {
                break text;
            }
        }
    };
    let agent = Agent::start(&jobs, |command| {
        command.env("NOTIFY_SOCKET", jobs.path("notify")).env("WATCHDOG_USEC", "4000000");
    });
    heard("READY=1");
    assert!(heard("WATCHDOG=1").contains("STATUS=running: app backup"));
    assert!(heard("STATUS=next run at ").contains("WATCHDOG=1"));
    agent.says("end");
    heard("WATCHDOG=1");
    agent.end();
    heard("STOPPING=1");
    assert_eq!(fs::read_to_string(jobs.path("socket")).unwrap(), "none\n");

    let mut agent = program();
    agent.env("ICECORE_CONFIG", jobs.path("config.toml")).env("JOURNAL_STREAM", "8:1");
    agent.env("ICECORE_STATE_DIR", jobs.path("state")).arg("agent").stderr(Stdio::piped());
    let mut agent = agent.spawn().unwrap();
    let mut said = String::new();
    // It listens for signals when it says so.
    BufReader::new(agent.stderr.take().unwrap()).read_line(&mut said).unwrap();
    kill_process(Pid::from_child(&agent), Signal::TERM).unwrap();
    assert!(agent.wait().unwrap().success() && said.starts_with("<6>started with "), "{said}");
}

/// `--is-alive` is well with an agent that looks at what is due, and not with one that hangs, nor with none.
#[test]
fn the_sign_of_life_is_known() {
    let jobs = jobs(FILE);
    let is_alive = || jobs.command(&["agent", "--is-alive"]).output().unwrap();
    assert!(!is_alive().status.success());
    let agent = Agent::start(&jobs, |_| {});
    assert!(is_alive().status.success(), "{:?}", is_alive());
    agent.signal(Signal::STOP);
    let lock = File::options().write(true).open(jobs.path("state/agent.lock")).unwrap();
    lock.set_modified(SystemTime::now() - Duration::from_secs(300)).unwrap();
    let said = stderr(&jobs.command(&["agent", "--is-alive"]).assert().failure());
    assert!(said.contains("has done nothing for 30"), "{said}");
    agent.signal(Signal::CONT);
    agent.signal(Signal::HUP);
    jobs.wait_until("a sign", || is_alive().status.success());
    std::fs::remove_dir_all(jobs.path("state")).unwrap();
    agent.signal(Signal::HUP);
    jobs.wait_until("a sign in a new folder", || is_alive().status.success());
    agent.end();
    let said = stderr(&jobs.command(&["agent", "--is-alive"]).assert().failure());
    assert!(said.contains("none is at work"), "{said}");
}
