//! Services of containers that stand still while they are captured, and run again whatever happens.

use super::project::{APP, Project};
use crate::common::engine::{Engine, Kind, docker, each, on_each, podman};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

const JOB: &str = r#"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"

[job.app]
source = ["compose:PROJECT", { command = "[ -e DIR/slow-capture ] && touch DIR/at-capture && sleep 4; echo x", name = "x" }]
to = ["one"]
stop = { services = ["db", "web"], timeout = "5s", max_downtime = "30s" }
hooks.before = "[ -e DIR/slow-before ] && touch DIR/at-before && sleep 3; true"
hooks.after = "[ -e DIR/slow-after ] && touch DIR/at-after && sleep 3; true"
"#;

/// One that takes a second to end.
const SLOW: &str = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done";

/// `web`, which needs `db`, and `other`, which nobody stops.
fn project(engine: &'static Engine) -> Project {
    filled(Project::new(engine))
}

fn filled(mut project: Project) -> Project {
    project.jobs.init(&["one"]);
    project.write(JOB);
    let images = format!("{}:/images", project.named("images"));
    let needs = "com.docker.compose.depends_on=db:service_started:false";
    project.start("db", &[], SLOW);
    project.start("web", &["-v", &images, "--label", needs], APP);
    project.start("other", &[], APP);
    project
}

fn at(project: &Project, step: &str) -> Child {
    fs::write(project.jobs.path(&format!("slow-{step}")), "").unwrap();
    let run = project.jobs.spawn(&["run", "app"]);
    project.jobs.wait_for(&format!("at-{step}"));
    run
}

fn kill(run: &Child, signal: Signal) {
    kill_process(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

fn runs(project: &Project, service: &str) -> bool {
    project.engine.runs(&project.container(service))
}

fn step<'r>(report: &'r Value, name: &str) -> &'r Value {
    report["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

/// Both services stand still, the dependent one stopped first and started last; nobody else does; and how
/// long is in the report.
#[test]
fn exactly_those_that_ran_stand_still() {
    on_each(|engine| {
        let project = project(engine);
        let mut run = at(&project, "capture");
        assert!(!runs(&project, "web") && !runs(&project, "db") && runs(&project, "other"));
        assert!(project.jobs.path("state/stopped/app.json").exists());
        assert!(run.wait().unwrap().success());
        assert!(runs(&project, "web") && runs(&project, "db"));
        let report = project.jobs.report();
        let (web, db) = (project.container("web"), project.container("db"));
        assert_eq!(step(&report, "stop")["output"], format!("stopped {web}\nstopped {db}\n"));
        assert_eq!(step(&report, "start")["output"], format!("started {db}\nstarted {web}\n"));
        assert!(report["downtime"].as_f64().unwrap() > 4.0);

        // What did not run is not started.
        project.engine.says(&["stop", "-t", "3", &db]);
        fs::remove_file(project.jobs.path("slow-capture")).unwrap();
        project.jobs.command(&["run", "app"]).assert().success();
        assert!(runs(&project, "web") && !runs(&project, "db"));
        let said = project.jobs.command(&["config", "check"]).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(
            said.contains(&format!("stops, in this order: {web}")) && !said.contains(&db),
            "{said}"
        );
        assert!(said.contains("/volume/"), "{said}");
    });
}

/// Whenever the run is killed, or asked to end, what ran before runs again, and nothing is remembered.
#[test]
fn services_run_again_when_the_run_is_killed() {
    for signal in [Signal::KILL, Signal::TERM] {
        for at_step in ["before", "stop", "capture", "after"] {
            let project = project(podman());
            let mut run = match at_step {
                "stop" => {
                    let run = project.jobs.spawn(&["run", "app"]);
                    project.jobs.wait_until("the stop", || !runs(&project, "web"));
                    run
                }
                step => at(&project, step),
            };
            kill(&run, signal);
            run.wait().unwrap();
            let case = format!("{signal:?} at {at_step}");
            let journal = project.jobs.path("state/stopped/app.json");
            let is_well = || runs(&project, "web") && runs(&project, "db") && !journal.exists();
            assert!(project.jobs.comes_about(is_well), "{case}: {}", project.state());
            sleep(Duration::from_millis(1500));
            assert!(is_well(), "a while after {case}: {}", project.state());
        }
    }
}

/// Where the guard dies as well, the next run starts what was left, before anything else.
#[test]
fn the_next_run_starts_what_was_left() {
    let project = project(podman());
    let mut run = at(&project, "capture");
    let number = run.id();
    let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap();
    let guards: Vec<Pid> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent: u32 = stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()?;
            (parent == number && line.contains("guard-of-stopped")).then(|| entry.file_name())
        })
        .filter_map(|name| Pid::from_raw(name.to_str()?.parse().ok()?))
        .collect();
    assert_eq!(guards.len(), 1, "{children}");
    kill(&run, Signal::KILL);
    guards.into_iter().for_each(|pid| kill_process(pid, Signal::KILL).unwrap());
    run.wait().unwrap();
    sleep(Duration::from_millis(500));
    // The guard may have begun already; most often nothing runs.
    fs::remove_file(project.jobs.path("slow-capture")).unwrap();
    project.jobs.command(&["run", "app"]).output().unwrap();
    assert!(runs(&project, "web") && runs(&project, "db"));
    assert!(!project.jobs.path("state/stopped/app.json").exists());
}

/// An engine that dies while services stand still is asked again until it is back; they are started then.
#[test]
fn an_engine_that_comes_back_starts_them() {
    each(|kind| {
        let project = filled(Project::new(Box::leak(Box::new(Engine::start(kind)))));
        let mut run = at(&project, "capture");
        project.engine.down();
        sleep(Duration::from_secs(6));
        assert!(run.try_wait().unwrap().is_none());
        assert!(project.jobs.path("state/stopped/app.json").exists());
        project.engine.up();
        assert!(run.wait().unwrap().success());
        assert!(runs(&project, "web") && runs(&project, "db"));
        assert!(!project.jobs.path("state/stopped/app.json").exists());
    });
}

/// A service that was made anew meanwhile is left alone, and what ran while all was to stand still makes the
/// run incomplete.
#[test]
fn what_was_replaced_meanwhile_is_left_alone() {
    on_each(|engine| {
        let mut project = project(engine);
        let mut run = at(&project, "capture");
        let db = project.container("db");
        project.engine.remove(&db);
        let images = format!("{}:/images", project.named("images"));
        let new = project.start("db", &["-v", &images], SLOW);
        assert_eq!(run.wait().unwrap().code(), Some(3));
        let report = project.jobs.report();
        assert_eq!(report["outcome"], "incomplete");
        assert!(report["reason"].as_str().unwrap().contains(&db), "{report}");
        assert!(step(&report, "start")["output"].as_str().unwrap().contains("left alone"));
        assert_eq!(project.engine.says(&["inspect", "--format", "{{.Id}}", &db]), new);
        assert!(runs(&project, "web") && runs(&project, "db"));
    });
}

/// One that takes longer to end than engines take to answer anything else is waited for, for as long as the file says.
#[test]
fn what_takes_long_to_end_is_waited_for() {
    let mut project = Project::new(docker());
    project.jobs.init(&["one"]);
    project.write(
        &JOB.replace("\"db\", \"web\"", "\"web\"")
            .replace("\"5s\"", "\"2min\"")
            .replace("\"30s\"", "\"5min\""),
    );
    project.start("web", &[], "trap 'sleep 32; exit 0' TERM; while :; do sleep 0.05; done");
    project.jobs.command(&["run", "app"]).assert().success();
    assert!(runs(&project, "web"));
}

/// One that somebody started meanwhile, and stopped again, makes the run incomplete, too.
#[test]
fn what_ran_meanwhile_is_told() {
    on_each(|engine| {
        let project = project(engine);
        let mut run = at(&project, "capture");
        let web = project.container("web");
        project.engine.says(&["start", &web]);
        project.engine.says(&["stop", "-t", "0", &web]);
        assert_eq!(run.wait().unwrap().code(), Some(3));
        assert!(project.jobs.report()["reason"].as_str().unwrap().contains(&web));
        assert!(runs(&project, "web"));
    });
}

/// What would not come back, or would by itself, is refused before anything is stopped, with the command to
/// use instead; so is what is not there.
#[test]
fn what_must_not_be_stopped_is_refused() {
    on_each(|engine| {
        for (options, hint) in [
            (&["--rm"][..], "--rm"),
            (
                &["--label", "com.docker.swarm.service.name=shop_web"],
                "docker service scale shop_web=0",
            ),
            (&["--label", "PODMAN_SYSTEMD_UNIT=web.service"], "systemctl stop web.service"),
        ] {
            let mut project = Project::new(engine);
            project.jobs.init(&["one"]);
            project.write(&JOB.replace("\"db\", ", ""));
            let images = format!("{}:/images", project.named("images"));
            project.start("web", &[&["-v", images.as_str()], options].concat(), APP);
            for words in [&["run", "app"][..], &["config", "check"]] {
                let said = project.jobs.complains(words);
                assert!(said.contains(hint) && said.contains(&project.container("web")), "{said}");
            }
            assert!(runs(&project, "web"));
            project.write(&JOB.replace("\"db\"", "\"wbe\""));
            let said = project.jobs.complains(&["run", "app"]);
            assert!(said.contains("wbe") && said.contains("known: web"), "{said}");
        }
    });
}

/// Healthy again is waited for; one that does not get healthy runs, and fails the run.
#[test]
fn healthy_again_is_waited_for() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.jobs.init(&["one"]);
        project.write(&JOB.replace("[\"db\", \"web\"]", "[\"web\"]"));
        let images = format!("{}:/images", project.named("images"));
        // Docker looks by itself; for Podman it is systemd's affair, which may not be there.
        let (interval, looks) = match engine.kind {
            Kind::Docker => ("1s", true),
            Kind::Podman => ("disable", false),
        };
        let check = [
            "--health-cmd",
            "/bin/test -e /images/well",
            "--health-interval",
            interval,
            "--health-retries",
            "1",
        ];
        project.start("web", &[&["-v", images.as_str()], &check[..]].concat(), APP);
        let web = project.container("web");
        let volume = project.engine.volume(&project.named("images"));
        let said = project.jobs.complains(&["run", "app"]);
        assert!(said.contains("is not healthy") && said.contains(&web), "{said}");
        assert!(runs(&project, "web"));
        assert!(!project.jobs.path("state/stopped/app.json").exists());
        fs::write(volume.join("well"), "").unwrap();
        let mut run = at(&project, "capture");
        while run.try_wait().unwrap().is_none() {
            if !looks {
                let _ = engine.command(&["healthcheck", "run", &web]).output();
            }
            sleep(Duration::from_millis(200));
        }
        assert!(run.wait().unwrap().success());
        assert_eq!(
            project.engine.says(&["inspect", "--format", "{{.State.Health.Status}}", &web]),
            "healthy"
        );
    });
}
