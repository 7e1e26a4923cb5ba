//! A repository on disk and the program over it, as a user has them.

use crate::common::memory::Tree;
use crate::common::postgres::{Server, clean};
use crate::common::program::program;
use crate::common::repo::options;
use icecore::backend::Local;
use icecore::crypto::Secret;
use icecore::env::Env;
use icecore::error::Result;
use icecore::format::snapshot::{PartKind, SourceName};
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::repo::Repository;
use icecore::source::{Item, PartProof, Source};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Where the dumps of a test stand in its snapshots.
pub const PART: &str = "/postgres/db:5432";

pub struct Cli {
    dir: TempDir,
}

/// What the program did.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(output: &Output) -> Ran {
        let [out, err] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into());
        Ran { code: output.status.code().unwrap_or(-1), out, err }
    }

    /// What a program does that runs already.
    pub fn of(child: Child) -> Ran {
        Ran::new(&child.wait_with_output().unwrap())
    }

    pub fn succeeded(self) -> Ran {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// It failed, and says why in these words.
    pub fn failed(self, words: &str) -> Ran {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        assert!(self.err.contains(words), "{words:?} is not in: {}", self.err);
        self
    }
}

impl Cli {
    /// An empty repository.
    pub fn new() -> Cli {
        let cli = Cli { dir: tempfile::tempdir().unwrap() };
        let key = cli.path("key");
        let mut init = cli.program();
        init.args(["init", "--new-key-file"]).arg(key);
        Ran::new(&init.output().unwrap()).succeeded();
        cli
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self) -> Command {
        let mut command = clean(program());
        for name in ["KEY_FILE", "PASSWORD", "PASSWORD_FILE", "PASSWORD_COMMAND"] {
            command.env_remove(format!("ICECORE_{name}"));
        }
        command.env("ICECORE_CACHE_DIR", self.path("cache"));
        command.env("ICECORE_REPOSITORY", self.path("repo")).current_dir(self.dir.path());
        command
    }

    /// The program with the repository's key.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program();
        command.arg("--key-file").arg(self.path("key")).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::new(&self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// The same with something typed.
    pub fn typing(&self, typed: &str, args: &[&str]) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        Ran::new(&child.wait_with_output().unwrap())
    }

    /// `restore latest --into`, with the tools of the server's version.
    pub fn restore(&self, server: &Server, url: &str, args: &[&str]) -> Ran {
        let bin = server.bin();
        let all = [&["restore", "latest", "--pg-bin", bin.to_str().unwrap(), "--into", url], args];
        self.run(&all.concat())
    }

    /// Stores files of the test's own as the dumps of a server: `databases/app.dump`, and so on.
    pub fn store(&self, files: &[(&str, &[u8])]) {
        let mut tree = Tree::default();
        for (path, bytes) in files {
            tree.put(path, bytes.to_vec());
        }
        self.store_source(tree.source(PART));
    }

    /// The same of any source.
    pub fn store_source(&self, source: Box<dyn Source>) {
        let key: [u8; 32] = std::fs::read(self.path("key")).unwrap().try_into().unwrap();
        let secret = Secret::KeyFile(Zeroizing::new(key));
        let backend = Arc::new(Local::open(self.path("repo")).unwrap());
        let repository = Repository::open(backend, Env::real(), &secret).unwrap();
        backup(&repository, vec![Box::new(Dumps(source))], &options(), &Silent).unwrap();
    }

    /// Stores the dump of one database, in the custom format, and the server's roles.
    pub fn store_database(&self, server: &Server, database: &str) {
        let dump = dump(server, database, &["-Fc", "-Z0"]);
        let globals = server.tool("pg_dumpall", database).arg("--globals-only").output().unwrap();
        let path = format!("databases/{database}.dump");
        self.store(&[(&path, &dump), ("globals.sql", &globals.stdout)]);
    }
}

/// What `pg_dump` writes.
pub fn dump(server: &Server, database: &str, args: &[&str]) -> Vec<u8> {
    let output = server.tool("pg_dump", database).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Fails with the lines that differ, not with both texts.
pub fn assert_same(found: &str, expected: &str, what: &str) {
    let only = |these: &str, those: &str| {
        let those: BTreeSet<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line)).take(20);
        lines.collect::<Vec<_>>().join("\n")
    };
    assert!(
        found == expected,
        "{what}: these lines are too many:\n{}\nthese are missing:\n{}",
        only(found, expected),
        only(expected, found),
    );
}

/// Any source as that of a server's dumps.
struct Dumps(Box<dyn Source>);

impl Source for Dumps {
    fn describe(&self) -> SourceName {
        SourceName { kind: PartKind::PostgresDump, ..self.0.describe() }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        self.0.next()
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        self.0.finish()
    }
}
