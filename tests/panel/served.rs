//! A folder with jobs, and the page that is served of them.

use super::client::{Answer, exchange};
use crate::common::program::program;
use crate::jobs::file::Jobs;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "correct horse battery";

pub const CONFIG: &str = r#"
[defaults]
environment = "testing"
timezone = "UTC"
host = "web1"

[repository.local]
url = "DIR/local"
key_file = "DIR/local.key"
keep = { last = 2 }

[repository.nas]
url = "DIR/nas"
key_file = "DIR/nas.key"

[job.app]
source = "DIR/src"
to = ["local", "nas"]
schedule = { backup = "hourly", prune = "daily 02:10", check = "weekly" }
rpo = { local = "2h", nas = "26h" }
labels.version = "v1.2"

[panel]
listen = "127.0.0.1:0"
login = { user = "ops", hash_file = "DIR/hash" }
hosts = ["backup.example.com"]
restore_into = "DIR/restored"
"#;

/// A folder with two repositories, a job into both, and the page.
pub struct Served {
    pub jobs: Jobs,
    pub address: SocketAddr,
    pub child: Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Whose repositories are made by the program.
    pub fn new() -> Self {
        let jobs = Jobs::new();
        jobs.init(&["local", "nas"]);
        Self::of(jobs, CONFIG)
    }

    /// Of a folder whose repositories are there.
    pub fn of(jobs: Jobs, config: &str) -> Self {
        Self::by("panel", jobs, config)
    }

    /// The same by another verb.
    pub fn by(verb: &str, jobs: Jobs, config: &str) -> Self {
        jobs.write(config);
        fs::create_dir_all(jobs.path("restored")).unwrap();
        let said = jobs.command(&["panel", "hash"]).write_stdin(PASSWORD).assert().success();
        fs::write(jobs.path("hash"), &said.get_output().stdout).unwrap();
        let mut command = program();
        command.env("ICECORE_CONFIG", jobs.path("config.toml"));
        command.env("ICECORE_STATE_DIR", jobs.path("state"));
        command.env("ICECORE_CACHE_DIR", jobs.path("cache")).env("TZ", "UTC");
        command.arg(verb).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "it ends without serving anything");
        }
        let address = line.trim().rsplit('/').next().unwrap().parse().expect(&line);
        // What it says later is not to fill the pipe.
        thread::spawn(move || errors.read_to_end(&mut Vec::new()));
        Served { jobs, address, child }
    }

    /// The header of somebody who knows the password.
    pub fn authorization() -> String {
        let credentials = BASE64_STANDARD.encode(format!("ops:{PASSWORD}"));
        format!("Authorization: Basic {credentials}\r\n")
    }

    /// A request of somebody who is known, with more headers and a body.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let known = Self::authorization();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{known}Connection: close\r\n{headers}\r\n{body}",
            self.address
        );
        exchange(self.address, request.as_bytes())
    }

    /// A page, or why there is none.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// A page that is there, and small.
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.body.len() < 100_000, "{path}: {}", answer.body.len());
        answer.text()
    }

    /// What stands in every form of the page.
    pub fn token(&self) -> String {
        let page = self.page("/");
        let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Presses a button, as a browser does.
    pub fn post(&self, path: &str, fields: &str) -> Answer {
        let body = format!("token={}&{fields}", self.token());
        let headers = format!(
            "Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        self.ask("POST", path, &headers, &body)
    }

    /// Presses it, and waits for the end of what that starts; its page.
    pub fn done(&self, path: &str, fields: &str) -> String {
        let started = self.post(path, fields);
        assert_eq!(started.status, 303, "{}", started.text());
        self.settled(started.header("location").unwrap())
    }

    /// A page that loads itself again, once it does so no more.
    pub fn settled(&self, path: &str) -> String {
        let begun = Instant::now();
        loop {
            let page = self.page(path);
            if !page.contains("http-equiv=\"refresh\"") {
                return page;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{page}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Runs the job; the id of its snapshot.
    pub fn backup(&self) -> String {
        self.jobs.command(&["run", "app"]).assert().success();
        self.jobs.report()["snapshot_id"].as_str().unwrap().to_owned()
    }

    /// The address of what stands at a path of a snapshot, or of what is done with it; `DIR` is the folder.
    pub fn address_of(&self, id: &str, verb: &str, path: &str) -> String {
        let folder = self.jobs.cli.folder().to_str().unwrap();
        format!("/job/app/in/local/{id}{verb}?path={}", path.replace("DIR", folder))
    }

    /// KiB that it has in memory.
    pub fn memory(&self) -> usize {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
    }

    /// Processes that it has started and that are still there.
    pub fn children(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // A thread may end while it is looked at.
        let lists = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")));
        lists.map(|list| list.unwrap_or_default().split_whitespace().count()).sum()
    }
}

/// Where the link leads that has this in its tag.
pub fn link(page: &str, part: &str) -> Option<String> {
    let mut links = page.split("<a ").skip(1).filter_map(|link| link.split_once('>'));
    let (tag, _) = links.find(|(tag, _)| tag.contains(part))?;
    let (_, address) = tag.split_once("href=\"")?;
    Some(address.split_once('"')?.0.replace("&amp;", "&"))
}
