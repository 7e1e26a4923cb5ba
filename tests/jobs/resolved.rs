//! What a job is, as its snapshots say it: the whole of it, and no secret.

use super::file::Jobs;
use crate::common::cli::{lines, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A job with all kinds of secrets around it, each with `s3cret` in it.
const FULL: &str = r#"
[agent]
max_runs = 1

[defaults]
timezone = "Europe/Berlin"
contacts = "Ops, +49 30 1234567"
to = ["one", "two"]
schedule = { backup = "hourly", check = "weekly" }
check = { read_data = "5%" }

[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
keep = { hourly = 48, yearly = "unlimited", within = "14d" }

[repository.two]
url = "DIR/two"
password_command = "true https://vault.example.com/s3cret-0123456789abcdef; PASSWORD=s3cret-two; echo $PASSWORD"

[repository.other]
url = "webdavs://ops@nas.example.com/not-of-this-job"
password_file = "DIR/other.password"

[job.app]
source = ["DIR/src", { command = "echo dumped # postgres://app:s3cret@db/app", name = "app.sql", exclude_larger_than = "5GiB" }]
exclude = ["link"]
tags = ["production"]
labels = { version = { command = "echo v1" }, team = "shop" }
must_contain = ["sub/b", "app.sql"]
rpo = { one = "2h", two = "26h" }
stop = { stop = "true --token=s3cret", start = "true", max_downtime = "30s" }
recover = { create = "docker compose -f /srv/app/compose.yml up --no-start" }
verify = [{ integrity = "all" }]

[job.app.hooks]
before = "PGPASSWORD='s3cret here' true"
after = ["true --password s3cret", "true '--password=$s3cret'", "true 'Authorization: Bearer s3cret'", """true '{"token":"s3cret"}'"""]
finally = ["true https://hooks.example.com/services/T0/s3cret-0123456789abcdef", "true $TOKEN"]

[job.another]
source = "DIR/src"

[alert]
ping = "http://127.0.0.1:9/s3cret-ping/${PING}"
webhook = { url = "http://127.0.0.1:9/s3cret-hook", template = "{}" }

[panel]
listen = "127.0.0.1:8440"
login = { user = "ops", hash_file = "DIR/panel.hash" }
"#;

/// The folder with that file, and with files full of secrets that it names.
fn full() -> Jobs {
    let jobs = Jobs::new();
    jobs.init(&["one"]);
    let mut init = jobs.cli.command();
    init.arg("init").env("ICECORE_PASSWORD", "s3cret-two");
    init.env("ICECORE_REPOSITORY", jobs.path("two")).assert().success();
    jobs.write(FULL);
    for name in ["other.password", "panel.hash"] {
        fs::write(jobs.path(name), "s3cret").unwrap();
    }
    jobs
}

/// What a snapshot says of its job.
fn document(jobs: &Jobs, snapshot: &str) -> String {
    let mut command = jobs.command(&["--repo", "@one", "dump", snapshot, "icecore/job.toml"]);
    stdout(&command.assert().success())
}

/// The file as the program understands it.
fn understood(jobs: &Jobs, file: &Path) -> Value {
    let mut command = jobs.command(&["--json", "config", "show", "--config"]);
    let shown = stdout(&command.arg(file).assert().success());
    lines(&shown).remove(0)["config"].take()
}

/// A snapshot carries the job with what the defaults say of it, and its repositories, as a file that says the same
/// when it is read; nothing of it is a secret that stands in the file, or that the file refers to.
#[test]
fn a_snapshot_says_what_its_job_is() {
    let jobs = full();
    let mut run = jobs.command(&["run", "app"]);
    run.env("PING", "s3cret-variable").env("ICECORE_HOST", "web1").assert().success();
    let text = document(&jobs, "latest");
    assert!(!text.contains("s3cret"), "{text}");
    let key = fs::read(jobs.path("one.key")).unwrap();
    let key = String::from_utf8_lossy(&key).into_owned();
    key.lines().filter(|line| line.len() > 15).for_each(|line| assert!(!text.contains(line)));
    assert!(!text.contains("127.0.0.1:9") && !text.contains("panel"), "{text}");

    let again = jobs.path("again.toml");
    fs::write(&again, &text).unwrap();
    let (was, is) = (understood(&jobs, &jobs.path("config.toml")), understood(&jobs, &again));
    let (job, stored) = (&was["job"]["app"], &is["job"]["app"]);
    for (key, value) in job.as_object().unwrap() {
        // These have secrets in them.
        if !["source", "stop", "hooks"].contains(&key.as_str()) {
            assert_eq!(&stored[key], value, "{key}");
        }
    }
    assert_eq!(stored["source"][0], job["source"][0]);
    assert_eq!(stored["source"][1]["command"], "echo dumped # postgres://app:***@db/app");
    assert_eq!(stored["hooks"]["before"], "PGPASSWORD='***' true");
    assert_eq!(stored["hooks"]["after"][0], "true --password ***");
    assert_eq!(stored["hooks"]["after"][3], r#"true '{"token":"***"}'"#);
    assert_eq!(stored["hooks"]["finally"][1], "true $TOKEN");
    assert_eq!(stored["schedule"]["check"], "weekly");
    assert_eq!(is["repository"]["one"], was["repository"]["one"]);
    let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (names(&is["repository"]), names(&is["job"])),
        (vec!["one".into(), "two".into()], vec!["app".into()])
    );
    assert_eq!(
        (&is["defaults"]["host"], &is["defaults"]["timezone"]),
        (&"web1".into(), &"Europe/Berlin".into())
    );
    let checked = jobs
        .command(&["config", "check", "--offline", "--config", again.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");

    // The copy has it, too, and the next one of the same job is the same.
    let mut copy = jobs.command(&["--repo", "@two", "dump", "latest", "/icecore/job.toml"]);
    assert_eq!(stdout(&copy.assert().success()), text);
    jobs.command(&["run", "app", "--only", "backup"])
        .env("ICECORE_HOST", "web1")
        .assert()
        .success();
    assert_eq!(document(&jobs, "latest"), text);
    let snapshots = jobs.of("one", &["snapshots"]);
    assert_eq!(snapshots[0]["series"], snapshots[1]["series"]);
}

/// A stream is still dumped without its path, beside what the job is; one that takes that place is captured, and
/// the run says what is missing.
#[test]
fn what_a_job_is_stands_beside_what_it_captures() {
    let jobs = Jobs::new();
    jobs.init(&["one"]);
    let file = |name: &str| {
        format!(
            "[repository.one]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\n[job.app]\nto = [\"one\"]\n\
             source = {{ command = \"echo dumped\", name = \"{name}\" }}\n"
        )
    };
    jobs.write(&file("app.sql"));
    jobs.command(&["run", "app"]).assert().success();
    let dump = || stdout(&jobs.command(&["--repo", "@one", "dump", "latest"]).assert().success());
    assert_eq!(dump(), "dumped\n");
    assert!(document(&jobs, "latest").contains("[job.app]"));

    jobs.write(&file("icecore"));
    let said = stderr(&jobs.command(&["run", "app"]).assert().success());
    assert!(said.contains("does not say what the job is"), "{said}");
    let mut dump = jobs.command(&["--repo", "@one", "dump", "latest", "/icecore"]);
    assert_eq!(stdout(&dump.assert().success()), "dumped\n");
}

/// Snapshots that were made before they said what the job is are of the same sources: `keep` counts all of them
/// together, for what is copied and for what goes.
#[test]
fn older_snapshots_of_a_job_count_with_newer_ones() {
    let jobs = Jobs::new();
    jobs.init(&["one", "two"]);
    let repository = |name: &str| {
        format!(
            "[repository.{name}]\nurl = \"DIR/{name}\"\nkey_file = \"DIR/{name}.key\"\nkeep = {{ last = 2 }}\n"
        )
    };
    let job =
        "[defaults]\nhost = \"web1\"\n[job.app]\nsource = \"DIR/src\"\nto = [\"one\", \"two\"]\n";
    jobs.write(&[&repository("one"), &repository("two"), job].concat());
    for _ in 0..3 {
        let source = jobs.cli.text("src");
        jobs.of("one", &["backup", &source, "--label", "job=app", "--host", "web1"]);
    }
    let of_job = |name: &str| {
        let snapshots = jobs.of(name, &["snapshots"]);
        snapshots.iter().map(|it| it["paths"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    jobs.command(&["run", "app", "--only", "backup"]).assert().success();
    jobs.command(&["run", "app", "--only", "copy"]).assert().success();
    assert_eq!((of_job("one").len(), of_job("two").len()), (4, 2));
    jobs.command(&["run", "app", "--only", "backup"]).assert().success();
    jobs.command(&["run", "app", "--only", "prune"]).assert().success();
    // The last ones before it have gone, too.
    assert_eq!(of_job("one"), [2, 2]);
}
