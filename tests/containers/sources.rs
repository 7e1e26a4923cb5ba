//! Sources in containers: captured live, restored, and what they are again.

use super::project::{APP, Project, rows, sqlite};
use crate::common::cli::stderr;
use crate::common::engine::{on_each, podman};
use crate::common::postgres::{Version, server};
use serde_json::Value;
use std::fs;

/// The repositories of a job.
const REPOSITORY: &str = r#"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
"#;

/// The example of a host with SQLite, with repositories in folders.
fn sqlite_example() -> String {
    let text = include_str!("../../src/agent/examples/sqlite-compose.toml");
    let text = text.replace("\"sftp://backup@nas.example.com/shop\"", "\"DIR/two\"");
    let text = text.replace("\"/backup/shop\"", "\"DIR/one\"");
    let text =
        text.replace("password_file = \"/etc/icecore/nas.password\"", "key_file = \"DIR/two.key\"");
    placed(
        &text.replace(
            "password_file = \"/etc/icecore/local.password\"",
            "key_file = \"DIR/one.key\"",
        ),
    )
}

/// The example of a host with PostgreSQL, likewise.
fn postgres_example() -> String {
    let text = include_str!("../../src/agent/examples/postgres-compose.toml");
    let start = text.find("[repository.s3]").unwrap();
    let end = text.find("keep = {").unwrap();
    let head = "[repository.s3]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\n";
    placed(&[&text[..start], head, &text[end..]].concat())
}

fn placed(text: &str) -> String {
    text.replace("compose:shop", "compose:PROJECT")
        .replace("git -C /srv/shop describe --tags --always", "echo v1")
}

/// What stands below a path of the newest snapshot.
fn restored(project: &Project) -> std::path::PathBuf {
    let target = project.jobs.path("restored");
    project.jobs.of("one", &["restore", "latest", "--target", target.to_str().unwrap()]);
    target
}

fn figure(report: &Value, name: &str) -> u64 {
    let steps = report["steps"].as_array().unwrap();
    let capture = steps.iter().find(|step| step["step"] == "capture").unwrap();
    capture[name].as_u64().unwrap()
}

/// Without a word of what to back up, a first file has what Compose runs on this host.
#[test]
fn projects_are_drafted() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.start("web", &[], &APP.replace("/images/log", "/log"));
        let mut command = project.jobs.command(&["-r", "repo", "config", "init"]);
        let socket = format!("unix://{}", project.engine.socket().display());
        command.env("DOCKER_HOST", socket).assert().success();
        let text = fs::read_to_string(project.jobs.path("config.toml")).unwrap();
        assert!(text.contains(&format!("\"compose:{}\"", project.name)), "{text}");
    });
}

/// A project of four SQLite databases and images, as the example has it: one line captures it while it
/// runs, its Compose files and how its containers were made, too; and it all comes back from each place.
#[test]
fn a_project_with_sqlite_is_captured_by_one_line() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.jobs.init(&["one", "two"]);
        project.write(&sqlite_example());
        let mount = format!("{}:/images", project.named("storage"));
        let bind = project.jobs.path("src");
        let bind = format!("{}:/conf:ro", bind.display());
        project.start("web", &["-v", &mount, "-v", &bind], APP);
        project.start("worker", &["-v", &mount], APP);
        let storage = project.engine.volume(&project.named("storage"));
        let open: Vec<_> =
            ["production", "production_cache", "production_queue", "production_cable"]
                .map(|name| sqlite(&storage.join(format!("{name}.sqlite3"))))
                .into();
        fs::create_dir(storage.join("uploads")).unwrap();
        fs::write(storage.join("uploads/a.jpg"), "picture").unwrap();
        project.jobs.command(&["run", "shop"]).assert().success();
        drop(open);
        let target = restored(&project);
        let volume = target.join("volume").join(project.named("storage"));
        for name in ["production", "production_cache", "production_queue", "production_cable"] {
            assert_eq!(rows(&volume.join(format!("{name}.sqlite3"))), 2);
        }
        assert_eq!(fs::read_to_string(volume.join("uploads/a.jpg")).unwrap(), "picture");
        assert!(fs::read_to_string(volume.join("log")).unwrap().starts_with("x\n"));
        let at = |path: std::path::PathBuf| target.join(path.strip_prefix("/").unwrap());
        assert_eq!(fs::read_to_string(at(project.jobs.path("src/sub/b"))).unwrap(), "deep\n");
        assert_eq!(fs::read_to_string(at(project.jobs.path("shop/.env"))).unwrap(), "SECRET=1\n");
        assert!(at(project.jobs.path("shop/compose.yml")).exists());
        let made = target.join(format!("compose/{0}/{0}-web.json", project.name));
        let made: Value = serde_json::from_slice(&fs::read(made).unwrap()).unwrap();
        assert!(made["Image"].as_str().unwrap().starts_with("sha256:"), "{made}");
        assert_eq!(made["Name"], format!("/{}", project.container("web")));
        assert!(made["ImageDigests"].is_array());

        // Made anew, it is the same in the next snapshot, which costs next to nothing.
        project.engine.remove(&project.container("web"));
        project.start("web", &["-v", &mount, "-v", &bind], APP);
        project.jobs.command(&["run", "shop"]).assert().success();
        let report = serde_json::from_slice::<Value>(&newest_report(&project, "shop")).unwrap();
        assert_eq!(report["outcome"], "done");
        assert_eq!(figure(&report, "databases"), 4);
        assert!(figure(&report, "bytes_written") < 40_000, "{report}");
    });
}

fn newest_report(project: &Project, job: &str) -> Vec<u8> {
    let mut reports: Vec<_> = fs::read_dir(project.jobs.path("state/runs").join(job))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    reports.sort();
    fs::read(reports.last().unwrap()).unwrap()
}

/// A project of four PostgreSQL databases and a volume, as the example has it: one line dumps the databases
/// by the container's own programs, and captures the volume, and the raw data not; it all comes back.
#[test]
fn a_project_with_postgres_is_captured_by_one_line() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.jobs.init(&["one"]);
        project.write(&postgres_example());
        project.start_postgres("db");
        let db = project.container("db");
        for name in ["production", "cache_production", "queue_production", "cable_production"] {
            let name = format!("shop_{name}");
            project.engine.sql(&db, "postgres", &format!("CREATE DATABASE {name}"));
            project.engine.sql(
                &db,
                &name,
                "CREATE TABLE users (name text); INSERT INTO users VALUES ('a'), (NULL), ('')",
            );
        }
        project.engine.sql(&db, "postgres", "CREATE ROLE clerk");
        let mount = format!("{}:/images", project.named("images"));
        project.start("web", &["-v", &mount], APP);
        project.jobs.command(&["run", "shop"]).assert().success();

        let target = restored(&project);
        let volumes: Vec<_> = fs::read_dir(target.join("volume"))
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(volumes, [project.named("images").as_str()]);
        let dumps = target.join(format!("postgres/{}-db", project.name));
        let globals = fs::read_to_string(dumps.join("globals.sql")).unwrap();
        assert!(globals.contains("CREATE ROLE clerk"), "{globals}");
        let server = server(Version::Eighteen);
        let to = format!("users_{}", project.name);
        let dump = dumps.join("databases/shop_production.dump");
        let listed = std::process::Command::new(server.bin().join("createdb"))
            .args(["--maintenance-db", &server.url("postgres"), &to])
            .status()
            .unwrap();
        assert!(listed.success());
        let mut load = std::process::Command::new(server.bin().join("pg_restore"));
        load.args(["--no-owner", "--dbname", &server.url(&to)]).arg(&dump);
        assert!(load.status().unwrap().success());
        let mut count = std::process::Command::new(server.bin().join("psql"));
        count.args(["-AtXc", "SELECT count(*), count(name) FROM users", &server.url(&to)]);
        assert_eq!(String::from_utf8_lossy(&count.output().unwrap().stdout), "3|2\n");

        // A server that stopped is no server without databases.
        project.engine.says(&["stop", "-t", "2", &db]);
        let said = project.jobs.complains(&["run", "shop"]);
        assert!(said.contains(&db) && said.contains("raw = true"), "{said}");
    });
}

/// A volume and a container are sources of the command line, too; a name that is there twice is captured once.
#[test]
fn volumes_and_containers_are_named_on_the_command_line() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.jobs.init(&["one"]);
        let mount = format!("{}:/images", project.named("images"));
        let socket = format!("{}:/engine.sock", project.engine.socket().display());
        let own = ["-v", "/var/cache", "-v", "/proc:/host/proc:ro", "-v", &socket];
        project.start("web", &[&["-v", mount.as_str()], &own[..]].concat(), APP);
        let (volume, container) = (project.named("images"), project.container("web"));
        let mut backup = project.jobs.cli.command();
        backup.env("DOCKER_HOST", format!("unix://{}", project.engine.socket().display()));
        backup.env("ICECORE_REPOSITORY", project.jobs.path("one"));
        backup.env("ICECORE_KEY_FILE", project.jobs.path("one.key"));
        backup.args(["backup", &format!("container:{container}"), &format!("volume:{volume}")]);
        let said = stderr(&backup.assert().success());
        assert!(said.contains(&format!("{container} has /proc of this machine")), "{said}");
        let target = restored(&project);
        // The engine made a name up for it, which is no name to find it by.
        assert!(target.join("volume").join(format!("{}-web-var-cache", project.name)).is_dir());
        assert!(target.join("volume").join(&volume).join("log").exists());
        assert!(target.join(format!("container/{container}/{}-web.json", project.name)).exists());
    });
}

/// A folder that looks like a database's fails the run, under any source, unless that is wanted.
#[test]
fn data_of_servers_is_refused() {
    let project = Project::new(podman());
    project.jobs.init(&["one"]);
    let job = |more: &str| {
        format!(
            "{REPOSITORY}[job.app]\nsource = [{{ source = \"DIR/src\"{more} }}]\nto = [\"one\"]\n"
        )
    };
    for marker in ["PG_VERSION", "ibdata1", "WiredTiger"] {
        let folder = project.jobs.path("src/sub/db");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(marker), "15").unwrap();
        project.write(&job(""));
        let said = project.jobs.complains(&["run", "app"]);
        assert!(said.contains("src/sub/db") && said.contains("raw = true"), "{said}");
        for allowed in [", raw = true", ", exclude = [\"db\"]"] {
            project.write(&job(allowed));
            project.jobs.command(&["run", "app"]).assert().success();
        }
        project.write(&format!("{}stop = {{ stop = \"true\", start = \"true\" }}\n", job("")));
        project.jobs.command(&["run", "app"]).assert().success();
        fs::remove_dir_all(folder).unwrap();
    }
}

/// The Compose file is captured also where its label is a path from wherever Compose 1 was called.
#[test]
fn files_are_captured_that_were_named_from_elsewhere() {
    let mut project = Project::new(podman());
    project.jobs.init(&["one"]);
    project
        .write(&format!("{REPOSITORY}[job.app]\nsource = [\"compose:PROJECT\"]\nto = [\"one\"]\n"));
    let mount = format!("{}:/images", project.named("images"));
    let label = "com.docker.compose.project.config_files=../else/shop/compose.yml";
    project.start("web", &["-v", &mount, "--label", label], APP);
    project.jobs.command(&["run", "app"]).assert().success();
    let file =
        restored(&project).join(project.jobs.path("shop/compose.yml").strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(file).unwrap(), "services: {}\n");
}
