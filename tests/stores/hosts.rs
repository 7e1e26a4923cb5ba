//! Several hosts at once in one bucket.

use super::Far;
use crate::common::chance::Chance;
use crate::common::cli::{lines, stdout};
use crate::common::program::PROGRAM;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// How long they work, in seconds; `ICECORE_HOSTS_SECONDS` says otherwise.
const SECONDS: u64 = 20;
/// Hosts that back up.
const HOSTS: usize = 4;

/// The bytes of a host's file at each of its backups that reported a snapshot.
type Promised = Mutex<BTreeMap<String, (usize, Vec<u8>)>>;

struct Hosts<'f> {
    far: &'f Far,
    until: Instant,
    promised: Promised,
}

impl Hosts<'_> {
    /// Starts the program as a host that has a cache and a state of its own.
    fn start(&self, host: &str, args: &[&str]) -> Child {
        let command = self.far.command();
        let mut real = Command::new(PROGRAM);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => real.env(name, value),
                None => real.env_remove(name),
            };
        }
        real.env("ICECORE_CACHE_DIR", self.far.cli.path(&format!("cache-{host}")));
        real.env("ICECORE_STATE_DIR", self.far.cli.path(&format!("state-{host}")));
        real.current_dir(self.far.cli.folder()).arg("--key-file").arg(self.far.cli.path("key"));
        real.args(["--json"]).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        real.spawn().unwrap()
    }

    /// Lets it end, kills it, or stops it for a while.
    fn treat(mut child: Child, chance: &mut Chance) -> Option<Output> {
        let pid = Pid::from_child(&child);
        match chance.below(4) {
            0 => {
                thread::sleep(Duration::from_millis(chance.below(1500) as u64));
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
            1 => {
                thread::sleep(Duration::from_millis(chance.below(800) as u64));
                // It may have ended.
                let _ = kill_process(pid, Signal::STOP);
                thread::sleep(Duration::from_millis(chance.below(2000) as u64));
                let _ = kill_process(pid, Signal::CONT);
            }
            _ => {}
        }
        Some(child.wait_with_output().unwrap())
    }

    fn back_up(&self, host: usize) {
        let mut chance = Chance::new(host as u64);
        let (name, folder) = (format!("host{host}"), format!("of-{host}"));
        fs::create_dir(self.far.cli.path(&folder)).unwrap();
        let mut bytes = chance.rows(300_000);
        while Instant::now() < self.until {
            let at = chance.below(bytes.len() - 4000);
            let rows = chance.rows(3000);
            bytes[at..at + rows.len()].copy_from_slice(&rows);
            fs::write(self.far.cli.path(&folder).join("file"), &bytes).unwrap();
            let child = self.start(&name, &["backup", "--host", &name, &folder]);
            let Some(output) = Self::treat(child, &mut chance) else { continue };
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // One that was killed before may be the last of its series, or another gave it up.
            assert!(output.status.success(), "{name}: {:?} {said}", output.status.code());
            let said: Vec<Value> = lines(std::str::from_utf8(&output.stdout).unwrap());
            let id = said.last().unwrap()["snapshot_id"].as_str().unwrap().to_owned();
            self.promised.lock().unwrap().insert(id, (host, bytes.clone()));
        }
    }

    fn prune(&self) {
        let mut chance = Chance::new(99);
        while Instant::now() < self.until {
            let args = ["forget", "--keep-last", "3", "--prune", "--max-unused", "0"];
            let child = self.start("pruner", &args);
            if let Some(output) = Self::treat(child, &mut chance) {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                // It may have to wait for a writer, or for another forget that was killed.
                let code = output.status.code();
                assert!(matches!(code, Some(0 | 3 | 11)), "prune: {code:?} {said}");
            }
        }
    }
}

/// Four hosts back up into one bucket while one gives up and prunes, all of them killed and stopped now
/// and then: what was reported and kept comes back byte for byte, and all that is stored is well.
#[test]
fn four_hosts_and_a_prune_share_a_bucket() {
    let seconds = std::env::var("ICECORE_HOSTS_SECONDS");
    let seconds = seconds.map_or(SECONDS, |text| text.parse().unwrap());
    let far = Far::new();
    let until = Instant::now() + Duration::from_secs(seconds);
    let hosts = Hosts { far: &far, until, promised: Promised::default() };
    thread::scope(|scope| {
        let hosts = &hosts;
        (0..HOSTS).for_each(|host| drop(scope.spawn(move || hosts.back_up(host))));
        scope.spawn(|| hosts.prune());
    });
    // A writer that was just killed is silent for long enough then.
    thread::sleep(Duration::from_secs(2));
    // One that was killed while it gave up snapshots may have kept all others from it.
    far.run(&["prune", "--give-up-after", "1s"]).success();
    far.run(&["forget", "--keep-last", "3", "--prune"]).success();
    far.run(&["check", "--read-data"]).success();
    let promised = hosts.promised.into_inner().unwrap();
    let listed = lines(&stdout(&far.run(&["--json", "snapshots"]).success()));
    let ids = listed.iter().filter_map(|line| line["id"].as_str());
    let mut proved = 0;
    for id in ids {
        let out = far.cli.path("out");
        far.run(&["restore", id, "--target", "out"]).success();
        if let Some((host, bytes)) = promised.get(id) {
            let file = far.cli.path(&format!("of-{host}/file"));
            let restored = fs::read(out.join(file.strip_prefix("/").unwrap())).unwrap();
            assert!(restored == *bytes, "{id} of host {host}");
            proved += 1;
        }
        fs::remove_dir_all(out).unwrap();
    }
    assert!(proved >= HOSTS && promised.len() > proved, "{proved} of {}", promised.len());
}
