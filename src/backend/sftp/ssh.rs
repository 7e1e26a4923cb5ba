//! The program that makes the connection, the user's own `ssh`, and what it says when there is none.

use super::address::Address;
use crate::backend::options::{Options, SFTP, invalid};
use crate::env::{self, Ended};
use crate::error::{Error, Kind, Result};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How the program is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ssh {
    /// With what the place and the user's configuration say, and maybe this key.
    Plain(Option<PathBuf>),
    /// By a line for the shell, which says all of it.
    Line(String),
}

/// As `sftp` of OpenSSH does it: nothing of this machine is opened to the server.
const CLOSED: [&str; 4] = [
    "-oForwardX11=no",
    "-oForwardAgent=no",
    "-oPermitLocalCommand=no",
    "-oClearAllForwardings=yes",
];

/// Letters of what the program says that are repeated.
const WORDS: usize = 400;

impl Ssh {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let options = options.of(SFTP)?;
        match (options.get("command"), options.get("identity")) {
            (Some(_), Some(_)) => Err(invalid("identity")
                .because("-o command replaces the whole command of the connection")
                .hint("write the key into the command: -i FILE")),
            (Some(line), None) => Ok(Ssh::Line(line.clone())),
            (None, identity) => Ok(Ssh::Plain(identity.map(PathBuf::from))),
        }
    }

    /// The command that connects its standard input and output with the server.
    pub(super) fn command(&self, address: &Address) -> Command {
        let mut command = match self {
            Ssh::Line(line) => {
                let mut command = env::command("/bin/sh");
                command.args(["-c", line]);
                command
            }
            Ssh::Plain(identity) => {
                let mut command = env::command("ssh");
                command.args(CLOSED);
                if !may_ask() {
                    command.arg("-oBatchMode=yes");
                }
                if let Some(identity) = identity {
                    command.arg("-oIdentitiesOnly=yes").arg("-i").arg(identity);
                }
                if let Some(port) = address.port {
                    command.arg("-p").arg(port.to_string());
                }
                if let Some(user) = &address.user {
                    command.args(["-l", user]);
                }
                command.args(["-s", "--", &address.host, "sftp"]);
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }
}

/// Whether there is a terminal on which ssh can ask for a passphrase or show a new host's key.
pub(super) fn may_ask() -> bool {
    File::open("/dev/tty").is_ok()
}

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Farewell {
    /// Its status, if it ended by itself.
    code: Option<i32>,
    /// What it said before.
    said: String,
}

/// What ssh says of what does not change by itself, the kind of error that it is, and what helps.
const FINAL: [(&str, Kind, &str, &str); 6] = [
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        Kind::Denied,
        "the server's key is not the one that is known: another machine may stand in its place",
        "ask the server's administrator; `ssh-keygen -R HOST` forgets the old key",
    ),
    (
        "Host key verification failed",
        Kind::Denied,
        "the server's key is not known",
        "connect once with ssh by hand, and compare the key that it shows",
    ),
    (
        "Permission denied",
        Kind::Denied,
        "the server lets nobody in with these keys",
        "see that ssh connects by hand without a question; -o identity=FILE names a key",
    ),
    (
        "Too many authentication failures",
        Kind::Denied,
        "the server was offered too many keys",
        "-o identity=FILE names the right one",
    ),
    (
        "subsystem request failed",
        Kind::Failed,
        "the server lets one in, but offers no SFTP",
        "see `Subsystem sftp` in its sshd_config",
    ),
    (
        "Bad configuration option",
        Kind::InvalidInput,
        "ssh does not understand its configuration",
        "see that ssh connects by hand",
    ),
];

impl Farewell {
    /// Of a program that ended; none if it had to be ended.
    pub(super) fn of(ended: Option<&Ended>) -> Self {
        let code = ended.and_then(|ended| ended.status.code());
        Farewell { code, said: ended.map(|ended| ended.said.clone()).unwrap_or_default() }
    }

    /// What it said, in one line that holds no surprises for a terminal.
    fn words(&self) -> String {
        let lines = self.said.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines = lines.filter(|line| !line.starts_with('@'));
        let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("ssh: ")).collect();
        let text = lines.join("; ");
        let start = text.char_indices().rev().nth(WORDS - 1).map_or(0, |(at, _)| at);
        text.get(start..)
            .unwrap_or_default()
            .chars()
            .filter(|letter| !letter.is_control())
            .collect()
    }

    /// Why no connection was made. A server that has been `heard` is known to exist.
    pub(super) fn refused(&self, place: &str, heard: bool) -> Error {
        let error = |kind| Error::new(kind, "connect to", place);
        let with_words = |reason: &str| match self.words().as_str() {
            "" => reason.to_owned(),
            words => format!("{reason}; ssh says: {words}"),
        };
        let known = FINAL.iter().find(|(words, ..)| self.said.contains(words));
        if let Some((_, kind, reason, hint)) = known {
            return error(*kind).because(with_words(reason)).hint(*hint);
        }
        let unknown_name = ["Name or service not known", "No address associated with hostname"];
        if !heard && unknown_name.iter().any(|words| self.said.contains(words)) {
            return error(Kind::NoRepository)
                .because(with_words("the server's name does not resolve"))
                .hint("check the name of the server");
        }
        match self.code {
            // All that goes wrong on the way.
            Some(255) => self.lost(place),
            Some(127) => error(Kind::Failed)
                .because(with_words("a program is missing, here or on the server"))
                .hint("install OpenSSH's client, or see what -o command names"),
            Some(code) => error(Kind::Failed)
                .because(with_words(&format!("the connection ended with status {code}")))
                .hint("see that ssh connects by hand, and that no login script ends it"),
            None => error(Kind::Failed)
                .because(with_words("what answers does not speak SFTP"))
                .hint("see that the server's login scripts print nothing"),
        }
    }

    /// A connection that was there, and broke; or could not be made this time.
    pub(super) fn lost(&self, place: &str) -> Error {
        let reason = match self.words().as_str() {
            "" => "the connection broke".to_owned(),
            words => format!("there is no connection; ssh says: {words}"),
        };
        Error::unavailable("reach", place, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ssh says decides what kind of error it is, and whether it is worth trying again; it is
    /// repeated, without what would play tricks on a terminal.
    #[test]
    fn refusals_are_told_apart() {
        for (code, said, kind, words) in [
            (Some(255), "u@h: Permission denied (publickey).\r\n", Kind::Denied, "(publickey)"),
            (
                Some(255),
                "@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@@@\nOffending \
                 key in known_hosts:3\nHost key verification failed.\n",
                Kind::Denied,
                "not the one that is known: another machine may stand in its place; ssh says: Off",
            ),
            (Some(255), "Host key verification failed.", Kind::Denied, "key is not known"),
            (
                Some(255),
                "ssh: Could not resolve hostname h: Name or service not known",
                Kind::NoRepository,
                "does not resolve",
            ),
            (
                Some(255),
                "ssh: Could not resolve hostname h: Temporary failure in name resolution",
                Kind::Unavailable,
                "Temporary failure",
            ),
            (Some(255), "ssh: connect to host h: Connection refused", Kind::Unavailable, "refused"),
            (Some(255), "", Kind::Unavailable, "the connection broke"),
            (Some(1), "subsystem request failed on channel 0", Kind::Failed, "no SFTP"),
            (Some(127), "sh: 1: shh: not found", Kind::Failed, "shh: not found"),
            (Some(2), "\u{1b}[2Jgo away", Kind::Failed, "status 2; ssh says: [2Jgo away"),
            (None, "", Kind::Failed, "does not speak SFTP"),
        ] {
            let farewell = Farewell { code, said: said.to_owned() };
            let error = farewell.refused("sftp://h/x", false);
            assert_eq!(error.kind(), kind, "{said}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.hint_text().is_some(), "{error}");
        }
        let unknown = "ssh: Could not resolve hostname h: Name or service not known".to_owned();
        let farewell = Farewell { code: Some(255), said: unknown };
        assert_eq!(farewell.refused("sftp://h/x", true).kind(), Kind::Unavailable);
        let long = Farewell { code: Some(255), said: format!("{}end", "x".repeat(5000)) };
        assert!(long.words().len() == WORDS && long.words().ends_with("end"));
    }
}
