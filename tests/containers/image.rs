//! The image of the agent, made of the Containerfile, at work: it captures what other containers hold, and
//! refuses what it cannot see.

use super::project::{APP, Project};
use crate::common::engine::{Engine, Kind, docker, on_each, podman, unique};
use serde_json::Value;
use std::fs;
use std::process::Output;

/// A job that stops `web`, and can be made slow while it stands still.
const JOB: &str = r#"
[agent]
jitter = "0s"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"

[job.app]
source = ["compose:PROJECT", { command = "[ -e DIR/slow ] && : >DIR/at-capture && sleep 20; echo x", name = "x" }]
to = ["one"]
rpo = "2h"
schedule = "daily 02:10"
stop = { services = ["web"], timeout = "5s", max_downtime = "60s" }
"#;

/// The agent in a container of its own, beside `web`, whose volume it is to capture.
struct Inside {
    project: Project,
    name: String,
}

impl Inside {
    /// A project, and no agent yet.
    fn new(engine: &'static Engine, job: &str) -> Self {
        let mut project = Project::new(engine);
        project.engine.make_icecore();
        project.jobs.init(&["one"]);
        let images = format!("{}:/images", project.named("images"));
        project.start("web", &["-v", &images], APP);
        project.write(job);
        fs::create_dir(project.jobs.path("etc")).unwrap();
        fs::copy(project.jobs.path("config.toml"), project.jobs.path("etc/config.toml")).unwrap();
        fs::create_dir_all(project.jobs.path("state")).unwrap();
        let name = project.container("icecore");
        Inside { project, name }
    }

    /// Starts the agent, with the folder of the file of jobs, the state, the socket, and more.
    fn start(&self, more: &[String]) {
        let mut options = self.project.labels("icecore");
        options.extend(self.options(more));
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.project.engine.run(&self.name, &options, &["icecore"]);
    }

    /// How it is run with these mounts beside those that it always has.
    fn options(&self, more: &[String]) -> Vec<String> {
        let path = |name: &str| self.project.jobs.path(name).display().to_string();
        let socket = self.project.engine.socket().display().to_string();
        let mounts = [
            format!("{}:/etc/icecore:ro", path("etc")),
            format!("{}:/var/lib/icecore", path("state")),
            format!("{socket}:{socket}"),
        ];
        let mut options = vec!["-e".to_owned(), "ICECORE_HOST=shop".to_owned()];
        if self.project.engine.kind == Kind::Docker {
            // It asks by itself, and does so every minute otherwise.
            options.push("--health-interval=1s".to_owned());
        }
        options.extend(mounts.iter().chain(more).flat_map(|it| ["-v".to_owned(), it.clone()]));
        options
    }

    /// What it needs at the same paths: the folder of the test with the repository, and the volume.
    fn same_paths(&self) -> [String; 2] {
        let folder = self.project.jobs.cli.folder().display().to_string();
        let volume = self.volume();
        [format!("{folder}:{folder}"), format!("{volume}:{volume}")]
    }

    fn volume(&self) -> String {
        let name = self.project.named("images");
        self.project.engine.volume(&name).display().to_string()
    }

    /// What icecore says in the container.
    fn exec(&self, args: &[&str]) -> Output {
        let exec = ["exec", self.name.as_str(), "icecore"];
        self.project.engine.command(&[&exec[..], args].concat()).output().unwrap()
    }

    /// What it complains of.
    fn complains(&self, args: &[&str]) -> String {
        let output = self.exec(args);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn runs(&self, service: &str) -> bool {
        self.project.engine.runs(&self.project.container(service))
    }

    fn has_report(&self) -> bool {
        fs::read_dir(self.project.jobs.path("state/runs/app"))
            .is_ok_and(|mut runs| runs.next().is_some())
    }

    fn log(&self) -> String {
        let output = self.project.engine.command(&["logs", &self.name]).output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(self.project.engine.removed(&self.name));
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An agent in a container captures the volume of another one at its time and when it is asked to, knows that all
/// is there, how it does and that it lives; its own folders, the repository among them, are no part of the project.
#[test]
fn an_agent_in_a_container_captures_others() {
    on_each(|engine| {
        let inside = Inside::new(engine, JOB);
        inside.project.jobs.is_due("daily 02:10");
        inside.start(&inside.same_paths());
        let project = &inside.project;
        project.jobs.wait_until(&format!("a run: {}", inside.log()), || inside.has_report());
        let scheduled = project.jobs.report();
        assert_eq!(scheduled["outcome"], "done", "{scheduled}");

        let checked = said(&inside.exec(&["config", "check"]));
        assert!(checked.contains(&inside.volume()), "{checked}");
        said(&inside.exec(&["run", "app"]));
        let status = said(&inside.exec(&["--json", "status"]));
        let status: Value = serde_json::from_str(status.trim()).unwrap();
        assert_eq!(status["is_well"], true, "{status}");
        match engine.kind {
            // It looks by itself.
            Kind::Docker => {
                let health = ["inspect", "--format", "{{.State.Health.Status}}", &inside.name];
                project.jobs.wait_until("its health", || engine.says(&health) == "healthy");
            }
            Kind::Podman => drop(engine.says(&["healthcheck", "run", &inside.name])),
        }
        assert!(inside.runs("web"));

        let snapshots = project.jobs.of("one", &["snapshots"]);
        assert_eq!(snapshots.len(), 2, "{snapshots:?}");
        let listed = project.jobs.of("one", &["ls", "latest"]);
        let has = |end: &str| {
            listed.iter().any(|it| it["path"].as_str().is_some_and(|path| path.ends_with(end)))
        };
        assert!(has(&format!("/volume/{}/log", project.named("images"))), "{listed:?}");
        assert!(has("/shop/compose.yml") && has("-icecore.json"), "{listed:?}");
        assert!(!has("/one.key") && !has("/agent.lock"), "{listed:?}");
    });
}

/// The image gets what its base lacks, and nothing else.
#[test]
fn only_what_is_missing_is_installed() {
    let inside = Inside::new(podman(), JOB);
    inside.start(&inside.same_paths());
    let log = inside.project.engine.says(&["exec", &inside.name, "cat", "/apt-get.log"]);
    assert_eq!(log, "update -q\ninstall -yq --no-install-recommends tzdata");
}

/// Stopped while services stand still, the agent starts them before it ends, and it ends well.
#[test]
fn a_container_that_is_stopped_leaves_nothing_stopped() {
    let inside = Inside::new(podman(), JOB);
    let project = &inside.project;
    project.jobs.is_due("daily 02:10");
    fs::write(project.jobs.path("slow"), "").unwrap();
    inside.start(&inside.same_paths());
    project.jobs.wait_for("at-capture");
    assert!(!inside.runs("web"));
    project.engine.says(&["stop", "-t", "60", &inside.name]);
    assert!(inside.runs("web"), "{}", inside.log());
    assert!(!project.jobs.path("state/stopped/app.json").exists());
    let code = project.engine.says(&["inspect", "--format", "{{.State.ExitCode}}", &inside.name]);
    assert_eq!(code, "0", "{}", inside.log());
    assert_eq!(project.jobs.report()["outcome"], "failed");
}

/// A volume that is not mounted in the agent's container, or another folder at its path, is told with what to
/// mount, before anything is captured.
#[test]
fn volumes_that_are_not_mounted_are_told() {
    on_each(|engine| {
        let inside = Inside::new(engine, JOB);
        let project = &inside.project;
        let [folder, _] = inside.same_paths();
        let other = format!("{}:{}", project.jobs.path("src").display(), inside.volume());
        for mounts in [vec![folder.clone()], vec![folder.clone(), other]] {
            inside.start(&mounts);
            for args in [&["config", "check"][..], &["run", "app"]] {
                let said = inside.complains(args);
                let cure = format!("-v {0}:{0}", inside.volume());
                assert!(said.contains(&cure) && said.contains(&inside.name), "{said}");
            }
            project.engine.remove(&inside.name);
        }
        let kept = project.jobs.of("one", &["snapshots"]);
        assert!(kept.iter().all(|it| it.as_array().is_some_and(Vec::is_empty)), "{kept:?}");
    });
}

/// A folder and a repository that nobody has mounted are not looked for among the image's own files.
#[test]
fn folders_of_the_image_are_refused() {
    let job = JOB.replace("\"compose:PROJECT\"", "\"/usr/local\"");
    let inside = Inside::new(podman(), &job.replace("stop = {", "# stop = {"));
    inside.start(&inside.same_paths());
    for args in [&["config", "check"][..], &["run", "app"]] {
        let said = inside.complains(args);
        assert!(said.contains("-v /usr/local:/usr/local"), "{said}");
    }
    inside.project.engine.remove(&inside.name);
    inside.start(&[]);
    let repository = inside.project.jobs.path("one").display().to_string();
    let said = inside.complains(&["run", "app"]);
    assert!(said.contains(&format!("-v {repository}:{repository}")), "{said}");
}

/// The agent's own container is not stopped by a job, and not started again by any.
#[test]
fn the_own_container_is_not_stopped() {
    on_each(|engine| {
        let inside = Inside::new(engine, &JOB.replace("[\"web\"]", "[\"web\", \"icecore\"]"));
        inside.start(&inside.same_paths());
        for args in [&["config", "check"][..], &["run", "app"]] {
            let said = inside.complains(args);
            assert!(
                said.contains("icecore itself runs in it") && said.contains(&inside.name),
                "{said}"
            );
        }
        assert!(inside.runs("web") && inside.runs("icecore"));
    });
}

/// An agent that has another container's network, and so its `/etc/hostname`, knows itself nevertheless: what the other
/// one holds is captured, and neither is stopped. Where a third one has the same mounts, that is an error.
#[test]
fn the_container_of_the_network_is_another_one() {
    let mut inside = Inside::new(docker(), JOB);
    let images = format!("{}:/images", inside.project.named("images"));
    inside.project.start("vpn", &["-v", &images], APP);
    let vpn = inside.project.container("vpn");
    let network = format!("container:{vpn}");
    let mut options = inside.options(&inside.same_paths());
    options.extend(["--network".to_owned(), network]);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let engine = inside.project.engine;
    let labels = inside.project.labels("icecore");
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    engine.run(&inside.name, &[&labels[..], &options].concat(), &["icecore"]);
    let checked = said(&inside.exec(&["config", "check"]));
    assert!(checked.contains(&inside.volume()) && !checked.contains("one.key"), "{checked}");
    said(&inside.exec(&["run", "app"]));
    assert!(inside.runs("web") && inside.runs("vpn"));
    for service in ["icecore", "vpn"] {
        let jobs = &inside.project.jobs;
        inside.project.write(&JOB.replace("\"web\"", &format!("\"{service}\"")));
        fs::copy(jobs.path("config.toml"), jobs.path("etc/config.toml")).unwrap();
        let complaint = inside.complains(&["run", "app"]);
        assert!(
            complaint.contains("or in its network")
                && complaint.contains(&inside.project.container(service)),
            "{complaint}"
        );
    }
    let twin = unique("twin");
    engine.run(&twin, &options, &["app", "/bin/sleep", "600"]);
    let complaint = inside.complains(&["config", "check"]);
    assert!(complaint.contains(&twin) && complaint.contains("share a network"), "{complaint}");
    engine.remove(&twin);
}
