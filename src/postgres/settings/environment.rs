//! What a connection depends on besides its settings: variables, the user, their files.

use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where services of the whole machine are described, unless `PGSYSCONFDIR` says otherwise.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";
/// Where sockets are looked for, the first that is there.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The environment of a connection.
#[derive(Clone, Default)]
pub struct Environment {
    /// Variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// Name of the operating system's user.
    pub user: String,
}

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let variables: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
        let user = user_name()
            .or_else(|| variables.get("USER").cloned())
            .unwrap_or_else(|| geteuid().as_raw().to_string());
        Environment { variables, user }
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A file in the user's home folder.
    pub(super) fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.variable("HOME").map(|home| Path::new(home).join(name))
    }

    /// The file of the machine's services.
    pub(super) fn system_services(&self) -> PathBuf {
        Path::new(self.variable("PGSYSCONFDIR").unwrap_or(SYSTEM_FOLDER)).join("pg_service.conf")
    }

    /// Where the server's socket is looked for if no host is named.
    pub(super) fn socket_folder(&self) -> String {
        let found = SOCKET_FOLDERS.iter().find(|folder| Path::new(folder).is_dir());
        found.unwrap_or(&"/tmp").to_string()
    }
}

fn user_name() -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let id = geteuid().as_raw().to_string();
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.get(2) == Some(&id.as_str()))?.first().map(|name| (*name).to_owned())
}
