//! Containers that somebody else starts, holds or ends while services stand still: the engine by their restart policy, and
//! containers that are paused.

use super::project::{APP, Project};
use crate::common::engine::{Engine, Kind, docker, on_each};
use std::fs;
use std::process::Child;

/// A job that captures for as long as a file is there.
const JOB: &str = r#"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"

[job.app]
source = ["compose:PROJECT", { command = "touch DIR/at-capture; while [ -e DIR/hold ]; do sleep 0.1; done; echo x", name = "x" }]
to = ["one"]
stop = { services = ["db", "web"], timeout = "5s", max_downtime = "90s" }
"#;

/// `db` and `web`, with these options.
fn project(engine: &'static Engine, db: &[&str], web: &[&str], script: &str) -> Project {
    let mut project = Project::new(engine);
    project.jobs.init(&["one"]);
    project.write(JOB);
    let images = format!("{}:/images", project.named("images"));
    project.start("db", db, APP);
    project.start("web", &[&["-v", images.as_str()], web].concat(), script);
    project
}

/// A run that is at its capture until the file `hold` is gone.
fn held(project: &Project) -> Child {
    fs::write(project.jobs.path("hold"), "").unwrap();
    let run = project.jobs.spawn(&["run", "app"]);
    project.jobs.wait_for("at-capture");
    run
}

fn runs(project: &Project, service: &str) -> bool {
    project.engine.runs(&project.container(service))
}

/// An engine that is started again starts what its policy says, also what was stopped by hand: that ran meanwhile, and is
/// told. What is to stay stopped does, and is started by icecore.
#[test]
fn what_the_engine_starts_is_told() {
    let engine = Box::leak(Box::new(Engine::start(Kind::Docker)));
    let project = project(engine, &["--restart", "unless-stopped"], &["--restart", "always"], APP);
    let mut run = held(&project);
    assert!(!runs(&project, "web") && !runs(&project, "db"));
    engine.down();
    engine.up();
    project.jobs.wait_until("web", || runs(&project, "web"));
    assert!(!runs(&project, "db"));
    fs::remove_file(project.jobs.path("hold")).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3), "{}", project.state());
    let report = project.jobs.report();
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains(&project.container("web")), "{reason}");
    assert!(!reason.contains(&project.container("db")), "{reason}");
    assert!(runs(&project, "web") && runs(&project, "db"));
}

/// One that ends and is started again and again stands still like any other. Started, it is one that is not well, although
/// Docker says that it runs.
#[test]
fn what_keeps_ending_is_told() {
    let project = project(docker(), &[], &["--restart", "always"], "exit 3");
    let web = project.container("web");
    let is = |what: &str| project.engine.says(&["inspect", "--format", what, &web]);
    project.jobs.wait_until("a second end", || is("{{.State.Restarting}}") == "true");
    let mut run = held(&project);
    assert_eq!(is("{{.State.Status}}"), "exited");
    fs::remove_file(project.jobs.path("hold")).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(1), "{}", project.state());
    let report = project.jobs.report();
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains(&web) && reason.contains("keeps ending"), "{reason}");
    assert!(!report.to_string().contains("ran meanwhile"), "{report}");
    assert!(runs(&project, "db") && !project.jobs.path("state/stopped/app.json").exists());
}

/// One that is paused stands still already, and stays paused.
#[test]
fn what_is_paused_stays_paused() {
    on_each(|engine| {
        let project = project(engine, &[], &[], APP);
        let db = project.container("db");
        engine.says(&["pause", &db]);
        let mut run = held(&project);
        fs::remove_file(project.jobs.path("hold")).unwrap();
        assert!(run.wait().unwrap().success(), "{}", project.state());
        assert_eq!(engine.says(&["inspect", "--format", "{{.State.Status}}", &db]), "paused");
        assert!(runs(&project, "web"));
        engine.says(&["unpause", &db]);
    });
}
