//! Sources that stand in lists, and what only looks like a source.

use crate::error::{Attempt, Error, Kind, Result};
use crate::source::files::glob;
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Longest list that is read.
const LIST_MAX: u64 = 64 << 20;

/// Lists of sources.
#[derive(Debug, Default, Args)]
pub struct ListArgs {
    /// Save what this file lists, too: a path or pattern a line, `#` before remarks; `-` is
    /// standard input; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "stdin_from_command")]
    pub files_from: Vec<PathBuf>,

    /// The same, each line a path as it stands
    #[arg(long, value_name = "FILE", conflicts_with = "stdin_from_command")]
    pub files_from_verbatim: Vec<PathBuf>,

    /// The same, with a NUL byte after each path, as `find -print0` writes them
    #[arg(long, value_name = "FILE", conflicts_with = "stdin_from_command")]
    pub files_from_raw: Vec<PathBuf>,
}

impl ListArgs {
    /// Whether one of them is standard input, which can be read once.
    pub fn use_stdin(&self) -> bool {
        let lists = [&self.files_from, &self.files_from_verbatim, &self.files_from_raw];
        lists.into_iter().flatten().any(|path| path.as_os_str() == "-")
    }

    /// What they list, in order.
    pub fn read(&self) -> Result<Vec<OsString>> {
        let mut sources = Vec::new();
        for path in &self.files_from {
            for line in items(&list(path)?, b'\n') {
                match line.trim_ascii() {
                    [] | [b'#', ..] => {}
                    line => sources.extend(expand(line)?),
                }
            }
        }
        for path in &self.files_from_verbatim {
            sources.extend(items(&list(path)?, b'\n').map(literal));
        }
        for path in &self.files_from_raw {
            sources.extend(items(&list(path)?, b'\0').map(literal));
        }
        Ok(sources)
    }
}

fn list(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(LIST_MAX + 1).read_to_end(&mut text),
        false => {
            let file = File::open(path).attempt("open the list", path.display())?;
            file.take(LIST_MAX + 1).read_to_end(&mut text)
        }
    };
    read.attempt("read the list", path.display())?;
    if text.len() as u64 > LIST_MAX {
        return Err(Error::new(Kind::InvalidInput, "use the list", path.display())
            .because(format!("it is longer than {} MiB", LIST_MAX >> 20)));
    }
    Ok(text)
}

fn items(list: &[u8], end: u8) -> impl Iterator<Item = &[u8]> {
    list.split(move |byte| *byte == end).filter(|item| !item.is_empty())
}

fn literal(path: &[u8]) -> OsString {
    OsString::from_vec(path.to_vec())
}

/// The paths that a pattern stands for; a path that exists stands for itself.
fn expand(line: &[u8]) -> Result<Vec<OsString>> {
    let path = Path::new(OsStr::from_bytes(line));
    let is_pattern = |text: &[u8]| text.iter().any(|byte| b"*?[".contains(byte));
    if !is_pattern(line) || path.symlink_metadata().is_ok() {
        return Ok(vec![literal(line)]);
    }
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        match component {
            Component::Normal(name) if is_pattern(name.as_bytes()) => {
                found = fitting(&found, name)?;
            }
            component => found.iter_mut().for_each(|path| path.push(component)),
        }
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    if found.is_empty() {
        return Err(Error::new(Kind::NotFound, "back up", path.display())
            .because("nothing fits this pattern of a list"));
    }
    Ok(found.into_iter().map(OsString::from).collect())
}

/// What fits the pattern of a name in any of these folders.
fn fitting(folders: &[PathBuf], pattern: &OsStr) -> Result<Vec<PathBuf>> {
    let Some(text) = pattern.to_str() else { return Ok(Vec::new()) };
    let matcher = glob(text, false)?.compile_matcher();
    let mut found = Vec::new();
    for folder in folders {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // What cannot be listed holds nothing that fits, as in a shell.
        for entry in std::fs::read_dir(here).into_iter().flatten().flatten() {
            if matcher.is_match(entry.file_name()) {
                found.push(folder.join(entry.file_name()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Refuses a source that names another machine or a database by a URL of its own, which may hold a
/// password and is not repeated.
pub fn refuse_foreign(source: &OsStr) -> Result<()> {
    let text = source.to_string_lossy();
    let Some((scheme, rest)) = text.split_once(':') else { return Ok(()) };
    let wrong = |hint: &str| {
        Err(Error::new(Kind::InvalidInput, "back up", format!("a source named `{scheme}:...`"))
            .because("it is neither a file nor a folder")
            .hint(hint))
    };
    match scheme {
        _ if Path::new(source).symlink_metadata().is_ok() => Ok(()),
        "postgres" | "postgresql" | "pg" | "postgres-dumpall" | "pg_dump" => wrong(
            "databases of PostgreSQL are `postgres-dump:URL`, such as \
             `postgres-dump:postgres://user@host/database`",
        ),
        "mysql" | "mariadb" | "mongodb" | "mongodb+srv" | "redis" | "mssql" | "sqlserver"
        | "oracle" => wrong(
            "SQLite and PostgreSQL are known; of other databases save the output of their dump \
             program: `icecore backup --stdin-from-command -- mysqldump ...`",
        ),
        _ if rest.starts_with("//") => wrong(
            "sources lie on this machine: name a folder, `sqlite:PATH`, or `postgres-dump:URL`",
        ),
        _ => Ok(()),
    }
}
