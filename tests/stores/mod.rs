//! Stores on other machines, each with a real server of its kind: the promises of all stores, the
//! program from its first snapshot to its last, what is refused and how it is said, and servers that go.

mod away;
mod contract;
mod refused;
mod whole;

use crate::common::cli::Cli;
use crate::common::seaweed::{KEY, SECRET, Seaweed, server};
use assert_cmd::Command;
use assert_cmd::assert::Assert;
use std::path::Path;

/// The program's folder with its sources, and a place in a bucket.
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
        Far { cli: Cli::bare(), bucket, url }
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
        self.command()
            .args(["init", "--new-key-file"])
            .arg(self.cli.path("key"))
            .assert()
            .success();
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

/// A command that has the server's credentials, and none of whoever runs the tests.
fn with_credentials(mut command: Command, home: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_lowercase();
        if text.starts_with("aws_") || text.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command
}
