//! The programs that come with PostgreSQL: where those of the right version are, and how they are
//! run without a secret in sight.

mod verdict;
mod words;

pub use verdict::{finish, start};
pub use words::words;

use super::{Settings, version_text};
use crate::env;
use crate::error::{Attempt, Error, Kind, Result};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where packages put the programs of each version, version folder and `bin` left out.
const INSTALLED: [&str; 3] = ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/usr"];

/// How the programs are to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolOptions {
    /// The folder that they are in; looked for if not given.
    pub bin: Option<PathBuf>,
    /// Words that they are run by, such as `docker exec -i db`.
    pub prefix: Vec<String>,
}

/// The programs of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    folder: Option<PathBuf>,
    prefix: Vec<String>,
    version: u32,
}

impl Tools {
    /// Programs of the version of a server (`server_version_num`), or else of a newer one.
    ///
    /// # Errors
    /// `Unsupported` if there are only older ones, `NotFound` if there are none; what to install
    /// is said.
    pub fn find(options: &ToolOptions, server: u32) -> Result<Self> {
        let fixed = options.bin.is_some() || !options.prefix.is_empty();
        let found = match fixed {
            true => vec![Tools::at(options.bin.clone(), options.prefix.clone())?],
            false => installed(),
        };
        let major = server / 10_000;
        let oldest_first = |tools: &&Tools| (tools.version / 10_000, Reverse(tools.version));
        let fit =
            found.iter().filter(|tools| tools.version / 10_000 >= major).min_by_key(oldest_first);
        if let Some(tools) = fit {
            return Ok(tools.clone());
        }
        let hint = format!(
            "install the programs of version {major} or newer, on Debian \
            postgresql-client-{major}; or name their folder with --pg-bin"
        );
        Err(match found.iter().max_by_key(|tools| tools.version) {
            None => Error::new(Kind::NotFound, "find", "pg_dump"),
            Some(newest) => {
                Error::new(Kind::Unsupported, "use", newest.path("pg_dump")).because(format!(
                    "the server is of version {}, the program of {}, which is older",
                    version_text(server),
                    version_text(newest.version)
                ))
            }
        }
        .hint(hint))
    }

    /// The programs in one place, whatever their version.
    fn at(folder: Option<PathBuf>, prefix: Vec<String>) -> Result<Self> {
        let mut tools = Tools { folder, prefix, version: 0 };
        let what = tools.path("pg_dump");
        let output = tools.program("pg_dump").arg("--version").output().attempt("run", &what)?;
        let said = String::from_utf8_lossy(&output.stdout);
        tools.version = version(&said).filter(|_| output.status.success()).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let said = format!("{} {}", said.trim(), complaint.trim());
            Error::new(Kind::NotFound, "learn the version of", what).because(format!(
                "it ended with {} and said: {}",
                output.status,
                said.trim()
            ))
        })?;
        Ok(tools)
    }

    /// Those that words run, whatever their version.
    pub(super) fn by(prefix: Vec<String>) -> Self {
        Tools { folder: None, prefix, version: 0 }
    }

    /// Their version, in the form of `server_version_num`.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// A program that shall connect to the database of `settings`, which must be of one host
    /// (those of a session are): everything stands in the environment, the password too; the
    /// arguments name the database, and to a prefix, which may not hand the environment on, also
    /// the role. It never asks for a password.
    pub fn connecting(&self, name: &str, settings: &Settings) -> Result<Command> {
        let mut command = self.program(name);
        for (variable, value) in settings.variables() {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command.env_remove("PGPASSWORD").arg("--no-password");
        let hosts = settings.hosts()?;
        // A password file that cannot be used, the program passes over as well.
        let password = hosts.first().and_then(|host| settings.password(host).ok().flatten());
        if let Some(password) = password {
            command.env("PGPASSWORD", password.reveal());
        }
        if !self.prefix.is_empty() {
            command.arg(format!("--username={}", settings.user()));
        }
        match name {
            "pg_dumpall" => command.arg(format!("--database={}", settings.database())),
            _ => command.arg(format!("--dbname={}", database_argument(settings.database()))),
        };
        Ok(command)
    }

    /// A program that connects nowhere. No input, output to a pipe; messages are English.
    pub fn program(&self, name: &str) -> Command {
        let own = self.own_path(name);
        let mut command = match self.prefix.split_first() {
            None => env::command(own),
            Some((first, rest)) => {
                let mut command = env::command(first);
                command.args(rest).arg(own);
                command
            }
        };
        // Its text is judged; and a dump shall come in its database's encoding.
        command.env("LC_ALL", "C").env_remove("LANGUAGE").env_remove("PGCLIENTENCODING");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn own_path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
    }

    /// What a program is called in messages.
    pub fn path(&self, name: &str) -> String {
        let own = self.own_path(name).display().to_string();
        self.prefix.iter().map(String::as_str).chain([own.as_str()]).collect::<Vec<_>>().join(" ")
    }
}

/// A database's name where programs would take a connection string, too.
fn database_argument(name: &str) -> String {
    let is_plain = !name.contains('=') && !name.contains("://") && !name.is_empty();
    match is_plain {
        true => name.to_owned(),
        false => format!("dbname='{}'", name.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

/// The programs of this machine, those on the PATH first.
fn installed() -> Vec<Tools> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for folder in INSTALLED {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let inside = entries.flatten().filter(|entry| is_version(&entry.file_name()));
        let mut inside: Vec<PathBuf> = inside.map(|entry| entry.path().join("bin")).collect();
        inside.sort();
        folders.extend(inside);
    }
    let there = folders.into_iter().filter(|folder| is_program(&folder.join("pg_dump")));
    there.filter_map(|folder| Tools::at(Some(folder), Vec::new()).ok()).collect()
}

/// `15`, or `pgsql-15` as in some distributions.
fn is_version(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    let number = name.strip_prefix("pgsql-").unwrap_or(&name);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A program itself. Debian's wrapper on the PATH chooses a version of its own at each run.
fn is_program(path: &Path) -> bool {
    match path.canonicalize() {
        Ok(real) => real.is_file() && real.file_name().is_some_and(|name| name != "pg_wrapper"),
        Err(_) => false,
    }
}

/// The number in `pg_dump (PostgreSQL) 15.18 (Debian ..)`, `... 18beta1`.
fn version(said: &str) -> Option<u32> {
    let text = said.split("(PostgreSQL)").nth(1)?.split_whitespace().next()?;
    let digits = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse::<u32>().ok()
    };
    let major = digits(text)?;
    let minor = text.split_once('.').and_then(|(_, minor)| digits(minor)).unwrap_or(0);
    major.checked_mul(10_000)?.checked_add(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions are read from what the programs of packages, betas and plain builds say.
    #[test]
    fn versions_are_understood() {
        for (said, number) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(150_018)),
            ("pg_dump (PostgreSQL) 18beta1", Some(180_000)),
            ("pg_dump (PostgreSQL) 17.0", Some(170_000)),
            ("docker: no such container", None),
        ] {
            assert_eq!(version(said), number, "{said}");
        }
    }

    /// No database's name is taken for a connection string.
    #[test]
    fn names_are_no_connection_strings() {
        assert_eq!(database_argument("my app"), "my app");
        assert_eq!(database_argument("a=b'c\\"), r"dbname='a=b\'c\\'");
        assert_eq!(database_argument("postgres://x"), "dbname='postgres://x'");
    }
}
