//! What names a place on a server of SFTP: as a URL, or as `scp` and restic write it.

use crate::error::{Error, Kind, Result};
use std::fmt;

/// A folder on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub user: Option<String>,
    /// A name that the user's own configuration of ssh may explain; an IPv6 address without brackets.
    pub host: String,
    pub port: Option<u16>,
    /// Absolute, or relative to where the server lets one in; never ends with `/`, unless it is the root.
    pub path: String,
}

impl Address {
    /// Reads `//user@host:port/path` or `user@host:path`: what follows `sftp:`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (server, port, path) = match text.strip_prefix("//") {
            Some(rest) => {
                let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let (server, port) = port_of(server)?;
                // Below `~` is what is relative in the other form.
                let path = match path.strip_prefix("/~") {
                    Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                        rest.trim_start_matches('/')
                    }
                    _ => path,
                };
                (server, port, path)
            }
            None => {
                let bracket = text.find(']').unwrap_or(0);
                let colon = text.get(bracket..).and_then(|rest| rest.find(':'));
                let Some(at) = colon.map(|at| bracket + at) else {
                    return Err(invalid("it names no folder on the server"));
                };
                let (server, path) = text.split_at(at);
                let path = path.strip_prefix(':').unwrap_or(path);
                let first = path.split('/').next().unwrap_or_default();
                if !server.contains('@') && first.contains('@') {
                    return Err(with_password());
                }
                (server, None, path)
            }
        };
        let (user, host) = match server.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, server),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(with_password());
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.:%".contains(letter);
        if bare.is_empty() || bare.starts_with('-') || !bare.chars().all(is_name) {
            return Err(invalid("it names no server"));
        }
        let is_odd = |letter: char| letter.is_whitespace() || letter.is_control();
        if user
            .is_some_and(|user| user.is_empty() || user.starts_with('-') || user.contains(is_odd))
        {
            return Err(invalid("it names no user"));
        }
        if path.is_empty() || path.contains(char::is_control) {
            return Err(invalid("it names no folder on the server"));
        }
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        let (user, host, path) = (user.map(str::to_owned), bare.to_owned(), path.to_owned());
        Ok(Address { user, host, port, path })
    }
}

/// Parts `user@host:port`, where a host in brackets has colons of its own.
fn port_of(server: &str) -> Result<(&str, Option<u16>)> {
    match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) if port > 0 => Ok((host, Some(port))),
            // What looks like a port may be part of a password.
            _ => Err(invalid("after the server's name comes no port from 1 to 65535")),
        },
        _ => Ok((server, None)),
    }
}

fn with_password() -> Error {
    invalid("a password is not part of it")
        .hint("ssh takes keys from its agent or its configuration, or -o identity=FILE")
}

/// What was written may hold a password, and is not repeated.
fn invalid(reason: &str) -> Error {
    Error::new(Kind::InvalidInput, "use the repository location", "`sftp:...`")
        .because(reason)
        .hint("write sftp://user@host/srv/backup, or sftp://user@host/~/backup below its home")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sftp://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let home = if self.path.starts_with('/') { "" } else { "/~/" };
        write!(f, "{home}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of writing name the same places, and each is shown as a URL that names it again.
    #[test]
    fn places_are_read_and_shown() {
        for (text, shown) in [
            ("//u@h:2222/srv/b/", "sftp://u@h:2222/srv/b"),
            ("//h/srv/b", "sftp://h/srv/b"),
            ("//h//srv/b", "sftp://h//srv/b"),
            ("//h/~/b", "sftp://h/~/b"),
            ("//h/~u/b", "sftp://h/~u/b"),
            ("//h/", "sftp://h/"),
            ("//u@[fe80::1%eth0]:22/b", "sftp://u@[fe80::1%eth0]:22/b"),
            ("u@h:/srv/b", "sftp://u@h/srv/b"),
            ("h:b/c", "sftp://h/~/b/c"),
            ("u@h:b:c@d", "sftp://u@h/~/b:c@d"),
            ("u@[::1]:/b", "sftp://u@[::1]/b"),
            ("domain@user@h:/b", "sftp://domain@user@h/b"),
        ] {
            let address = Address::parse(text).map(|address| address.to_string());
            assert_eq!(address.ok().as_deref(), Some(shown), "{text}");
            let again = Address::parse(shown.strip_prefix("sftp:").unwrap()).unwrap();
            assert_eq!(again.to_string(), shown);
        }
    }

    /// What names no place is refused in words, as is what ssh would take for an option; a password
    /// is never repeated.
    #[test]
    fn what_names_no_place_is_refused() {
        for text in [
            "",
            "//",
            "//h",
            "h",
            "h:",
            "//h:0/b",
            "//h:x/b",
            "//-oProxyCommand=x/b",
            "-v:/b",
            "//-u@h/b",
            "//@h/b",
            "//a b@h/b",
            "//h/~",
            "//h/~/",
            "//h/a\nb",
            "//[::1/b",
            "//u:hunter2@h/b",
            "u:hunter2@h:/b",
            "//u:hunter2@h:22/b",
            "//u:hunter2/b",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text:?}");
            assert!(error.hint_text().is_some() && !format!("{error:?}").contains("hunter2"));
        }
    }
}
