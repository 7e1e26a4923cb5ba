//! Stores on other machines, each with a real server of its kind: the promises of all stores, the
//! program from its first snapshot to its last, what is refused and how it is said, and servers that go.

mod answers;
mod append_only;
mod away;
mod azure;
mod hosts;
mod lock;
mod lossy;
mod refused;
mod s3;
mod sftp;
mod untried;
mod verbs;
mod webdav;
mod whole;

use crate::common::azurite;
use crate::common::cli::Cli;
use crate::common::rclone::{PASSWORD, USER};
use crate::common::seaweed::{KEY, SECRET, Seaweed, server};
use assert_cmd::Command;
use assert_cmd::assert::Assert;
use icecore::backend::testing::contract;
use icecore::backend::{Backend, Counting, Handle, Location, Options, Put, Rates, Verb, probe};
use icecore::env::Env;
use icecore::format::ObjectKind;
use icecore::id::PackId;
use std::cell::Cell;
use std::path::Path;

/// The program's folder with its sources, and a place far away.
struct Far {
    cli: Cli,
    bucket: String,
    url: String,
}

impl Far {
    /// An empty place on a server.
    fn on(server: &Seaweed, protocol: &str) -> Self {
        let bucket = server.bucket();
        let url = format!("s3:{protocol}://127.0.0.1:{}/{bucket}/some/folder", server.port);
        Far { bucket, ..Far::at(url) }
    }

    /// A place of any kind.
    fn at(url: String) -> Self {
        Far { cli: Cli::bare(), bucket: String::new(), url }
    }

    /// An empty place.
    fn bare() -> Self {
        Far::on(server(), "http")
    }

    /// A place with a repository.
    fn new() -> Self {
        let far = Far::bare();
        far.init();
        far
    }

    fn init(&self) {
        self.init_with(&[]).success();
    }

    fn init_with(&self, args: &[&str]) -> Assert {
        let key = self.cli.path("key");
        self.command().args(args).args(["init", "--new-key-file"]).arg(key).assert()
    }

    fn command(&self) -> Command {
        let mut command = self.cli.command();
        command.env("ICECORE_REPOSITORY", &self.url);
        with_credentials(command, self.cli.folder())
    }

    fn run(&self, args: &[&str]) -> Assert {
        self.command().arg("--key-file").arg(self.cli.path("key")).args(args).assert()
    }
}

/// What the names of variables begin with that hold credentials.
const FOREIGN: [&str; 5] = ["aws_", "azure_", "b2_", "google_", "icecore_webdav_"];

/// A command that has the servers' credentials, and none of the user who runs the tests.
fn with_credentials(mut command: Command, home: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_lowercase();
        if FOREIGN.iter().any(|start| text.starts_with(start)) || text.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("ICECORE_WEBDAV_USER", USER).env("ICECORE_WEBDAV_PASSWORD", PASSWORD);
    command.env("AZURE_STORAGE_ACCOUNT_NAME", azurite::ACCOUNT);
    command.env("AZURE_STORAGE_ACCOUNT_KEY", azurite::KEY);
    command.env("HOME", home);
    command
}

/// Where a test in a process of its own finds the place that it is given.
const PLACE: &str = "ICECORE_TEST_PLACE";
/// Where it finds the server of that, if the place does not say so.
const ENDPOINT: &str = "ICECORE_TEST_ENDPOINT";

/// Runs an ignored test in a process of its own, whose environment has credentials, and a place.
fn in_a_process_with_credentials(test: &str, place: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", test]).env(PLACE, place);
    let done = with_credentials(command, home.path()).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(said.contains("1 passed"), "{said}");
}

/// A folder in the place that this process was given; none if it was given none.
fn place(folder: &str) -> Option<Location> {
    let place = std::env::var(PLACE).ok()?;
    let endpoint = std::env::var(ENDPOINT).map(|endpoint| format!("endpoint={endpoint}"));
    let options: Vec<String> = endpoint.into_iter().chain(["connections=5".to_owned()]).collect();
    let options = Options::parse(&options, Rates::default()).unwrap();
    Some(Location::parse(&format!("{place}/{folder}"), &options).unwrap())
}

/// Folders below this one in that place keep the contract.
fn keeps_the_contract(folder: &str) {
    let next = Cell::new(0);
    if place("").is_none() {
        return;
    }
    contract(&|| {
        next.set(next.get() + 1);
        place(&format!("{folder}/{}", next.get())).unwrap().create()
    })
    .unwrap();
}

/// That place is found to create exclusively, and carries much; what is deleted goes page by page.
fn is_measured_and_carries_much() {
    let Some(place) = place("much") else { return };
    let store = Counting::new(place.open().unwrap());
    let found = probe(&store, &Env::real()).unwrap();
    assert!(found.exclusive_create && found.list_after_write);
    assert_eq!(found.connections, 5);
    carries_much(&store);
    // Two of the probe.
    assert_eq!(store.total(Verb::Delete).calls, 3);
}

/// A pack of the largest size goes and comes whole, and in part; many objects are listed and deleted. The pack
/// stays.
fn carries_much(store: &dyn Backend) -> (Handle, Vec<u8>) {
    let large = Handle::pack(PackId([1; 32]));
    let bytes: Vec<u8> = (0..64 << 20).map(|at: u32| (at % 253) as u8).collect();
    assert_eq!(store.put_new(&large, &bytes).unwrap(), Put::Created);
    assert_eq!(store.put_new(&large, &bytes).unwrap(), Put::Exists);
    assert!(store.get(&large, None).unwrap() == bytes);
    for length in [7, 70_001] {
        let part = store.get(&large, Some(40 << 20..(40 << 20) + length as u64)).unwrap();
        assert_eq!(part, bytes[40 << 20..][..length]);
    }
    let many: Vec<Handle> = (0..1100).map(Handle::gc).collect();
    std::thread::scope(|scope| {
        for some in many.chunks(many.len() / 8) {
            let create = |one| assert_eq!(store.put_new(one, b"x").unwrap(), Put::Created);
            scope.spawn(move || some.iter().for_each(create));
        }
    });
    assert_eq!(store.list(ObjectKind::Gc).unwrap().len(), many.len());
    store.delete_all(&many).unwrap();
    assert!(store.list(ObjectKind::Gc).unwrap().is_empty());
    (large, bytes)
}
