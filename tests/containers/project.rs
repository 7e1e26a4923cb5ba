//! A Compose project as Compose would have made it, in a folder with a file of jobs.

use crate::common::engine::{Engine, unique};
use crate::jobs::file::Jobs;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

/// An application that writes all the time, and ends when it is asked to.
pub const APP: &str = "trap 'exit 0' TERM; while :; do echo x >>/images/log; sleep 0.05; done";

/// A project. Dropped, its containers end.
pub struct Project {
    pub jobs: Jobs,
    pub name: String,
    pub engine: &'static Engine,
    containers: Vec<String>,
}

impl Project {
    pub fn new(engine: &'static Engine) -> Self {
        let jobs = Jobs::new();
        fs::create_dir(jobs.path("shop")).unwrap();
        fs::write(jobs.path("shop/compose.yml"), "services: {}\n").unwrap();
        fs::write(jobs.path("shop/.env"), "SECRET=1\n").unwrap();
        Project { jobs, name: unique("shop"), engine, containers: Vec::new() }
    }

    /// Its name of something.
    pub fn named(&self, name: &str) -> String {
        format!("{}_{name}", self.name)
    }

    /// The name of a service's container.
    pub fn container(&self, service: &str) -> String {
        format!("{}-{service}-1", self.name)
    }

    pub fn labels(&self, service: &str) -> Vec<String> {
        let folder = self.jobs.path("shop");
        let folder = folder.to_str().unwrap();
        [
            format!("com.docker.compose.project={}", self.name),
            format!("com.docker.compose.service={service}"),
            "com.docker.compose.container-number=1".to_owned(),
            format!("com.docker.compose.project.working_dir={folder}"),
            format!("com.docker.compose.project.config_files={folder}/compose.yml"),
        ]
        .into_iter()
        .flat_map(|label| ["--label".to_owned(), label])
        .collect()
    }

    /// Starts a service of BusyBox.
    pub fn start(&mut self, service: &str, options: &[&str], script: &str) -> String {
        let (name, labels) = (self.container(service), self.labels(service));
        let mut all: Vec<&str> = labels.iter().map(String::as_str).collect();
        all.extend(options);
        self.containers.push(name.clone());
        self.engine.run(&name, &all, &["app", "/bin/sh", "-c", script])
    }

    /// Starts PostgreSQL with its data in a volume of the project.
    pub fn start_postgres(&mut self, service: &str) {
        let (name, labels) = (self.container(service), self.labels(service));
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        self.containers.push(name.clone());
        self.engine.run_postgres(&name, &self.named("data"), &labels);
    }

    /// How its containers are, what the run has said, and what it left: for a test that fails.
    pub fn state(&self) -> String {
        let all = ["ps", "-a", "--no-trunc", "--filter"];
        let name = format!("name={}", self.name);
        let listed = self.engine.says(&[&all[..], &[&name]].concat());
        let left = fs::read_to_string(self.jobs.path("state/stopped/app.json"));
        format!("{listed}\n{}\n{left:?}", self.jobs.said())
    }

    /// Writes a file of jobs; `DIR` and `SOCKET` stand for the folder and the engine, `PROJECT` for its name.
    pub fn write(&self, text: &str) {
        let socket = self.engine.socket();
        let head = format!("[containers]\nsocket = \"{}\"\n", socket.display());
        self.jobs.write(&(head + &text.replace("PROJECT", &self.name)));
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.containers.iter().for_each(|name| drop(self.engine.removed(name)));
    }
}

/// Makes an SQLite database that is being written to: one row stands in its log alone.
pub fn sqlite(path: &Path) -> Connection {
    let database = Connection::open(path).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO runs (name) VALUES ('first'), ('second');",
        )
        .unwrap();
    database
}

/// Its rows.
pub fn rows(path: &Path) -> i64 {
    let database = Connection::open(path).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    database.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap()
}
