//! A folder in which the program is used as a black box.

use super::program::PROGRAM;
use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a repository, its key file, and a few sources.
pub struct Cli {
    dir: TempDir,
}

impl Cli {
    /// An empty folder with `src/a`, `src/sub/b` and `src/link`.
    pub fn bare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cli = Cli { dir };
        fs::create_dir_all(cli.path("src/sub")).unwrap();
        fs::write(cli.path("src/a"), b"hello\n".repeat(50_000)).unwrap();
        fs::write(cli.path("src/sub/b"), b"deep\n").unwrap();
        std::os::unix::fs::symlink("a", cli.path("src/link")).unwrap();
        cli
    }

    /// The same with a repository.
    pub fn new() -> Self {
        let cli = Cli::bare();
        cli.command().args(["init", "--new-key-file"]).arg(cli.path("key")).assert().success();
        cli
    }

    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The program in that folder, without any secret.
    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        for name in ["KEY_FILE", "PASSWORD", "PASSWORD_FILE", "PASSWORD_COMMAND"] {
            command.env_remove(format!("ICECORE_{name}"));
        }
        command.env("ICECORE_REPOSITORY", self.path("repo"));
        command.env("ICECORE_STATE_DIR", self.path("state"));
        command.env("ICECORE_CACHE_DIR", self.path("cache"));
        command.env("TZ", "UTC").current_dir(self.dir.path());
        command
    }

    /// Runs it with the key file.
    pub fn run(&self, args: &[&str]) -> Assert {
        self.command().arg("--key-file").arg(self.path("key")).args(args).assert()
    }

    /// What it prints on standard output when all goes well.
    pub fn says(&self, args: &[&str]) -> String {
        stdout(&self.run(args).success())
    }

    /// Its JSON lines.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        lines(&self.says(&[&["--json"], args].concat()))
    }

    /// Backs up `src`; the snapshot's id.
    pub fn backup(&self) -> String {
        let said = self.json(&["backup", "src"]);
        said.last().unwrap()["snapshot_id"].as_str().unwrap().to_owned()
    }
}

pub fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

pub fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
