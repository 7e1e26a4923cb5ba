//! The draft of a file of jobs, from what is found on this host.

use super::reference::toml_of;
use super::source::SourceTable;
use crate::error::{Attempt, Result};
use crate::source::sqlite::is_database;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where servers of this machine are reached.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Entries of folders that are looked at in search of databases.
const LOOKED_AT: usize = 50_000;

/// What a file is drafted from.
pub struct Draft {
    /// Folders, files and databases.
    pub sources: Vec<String>,
    /// SQLite databases in them.
    pub databases: Vec<PathBuf>,
    /// Where the repository is to be.
    pub repository: String,
    /// Where its password is to be.
    pub password_file: PathBuf,
}

impl Draft {
    /// From these sources, of which those that are folders and files are looked at, and the PostgreSQL servers of
    /// this machine.
    pub fn new(sources: &[String], repository: &str, password_file: &Path) -> Result<Self> {
        let (mut named, mut databases, mut left) = (Vec::new(), Vec::new(), LOOKED_AT);
        for source in sources {
            let table = SourceTable::named(source);
            let Some(path) = table.path() else {
                named.push(source.clone());
                continue;
            };
            let real = Path::new(path).canonicalize().attempt("find", path)?;
            look(&real, &mut databases, &mut left);
            let scheme = source.strip_suffix(path).unwrap_or_default();
            named.push(format!("{scheme}{}", real.display()));
        }
        named.extend(servers().into_iter().filter(|server| !sources.contains(server)));
        databases.sort();
        let repository = match repository.contains(':') {
            true => repository.to_owned(),
            false => std::path::absolute(repository)
                .attempt("understand", repository)?
                .display()
                .to_string(),
        };
        Ok(Draft { sources: named, databases, repository, password_file: password_file.to_owned() })
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let quoted = |text: String| toml_of(&Value::String(text));
        let list = |texts: Vec<String>| {
            texts.into_iter().map(|text| format!("  {},\n", quoted(text))).collect::<String>()
        };
        let databases = self.databases.iter().map(|path| path.display().to_string());
        format!(
            include_str!("draft.toml"),
            url = quoted(self.repository.clone()),
            password_file = quoted(self.password_file.display().to_string()),
            sources = list(self.sources.clone()),
            databases = list(databases.collect()),
        )
    }
}

/// Databases at a path or below it. What cannot be read is not found here; a backup says so.
fn look(path: &Path, found: &mut Vec<PathBuf>, left: &mut usize) {
    let Some(less) = left.checked_sub(1) else { return };
    *left = less;
    let Ok(kind) = path.symlink_metadata() else { return };
    if kind.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            look(&entry.path(), found, left);
        }
    } else if kind.is_file() {
        let mut head = [0; 16];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
        if read.is_ok() && is_database(&head) {
            found.push(path.to_owned());
        }
    }
}

/// PostgreSQL servers that listen on this machine's sockets.
fn servers() -> Vec<String> {
    let mut found = Vec::new();
    for folder in SOCKET_FOLDERS {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(port) = name.strip_prefix(".s.PGSQL.")
                && port.bytes().all(|byte| byte.is_ascii_digit())
            {
                found.push(format!("postgres-dump:host={folder} port={port}"));
            }
        }
    }
    found
}
