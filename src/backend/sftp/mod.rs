//! Folders on servers that speak SFTP, over the user's own `ssh`: laid out, written and swept like a
//! local folder.

mod address;
mod fault;
mod link;
mod remote;
mod session;
mod ssh;

use super::disk::Disk;
use super::occupied::refuse_names;
use super::options::{Options, Rates, SFTP, number};
use super::{Backend, Limit, Local, Retry};
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use address::Address;
use link::{Dial, Link};
use remote::Remote;
use ssh::Ssh;
use std::fmt;
use std::io;
use std::time::Duration;

/// Calls at once where nothing else is said.
const CONNECTIONS: u64 = 8;
/// The most of them: each has a file or two open on the server.
const MOST_CONNECTIONS: u64 = 32;
/// Seconds of silence where nothing else is said.
const TIMEOUT: u64 = 60;
/// The most of them.
const LONGEST_TIMEOUT: u64 = 3600;

/// A folder on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpPlace {
    dial: Dial,
    connections: usize,
    rates: Rates,
}

impl SftpPlace {
    /// Reads what follows `sftp:`.
    pub(super) fn parse(text: &str, options: &Options) -> Result<Self> {
        let address = Address::parse(text)?;
        let ssh = Ssh::parse(options)?;
        let pairs = options.of(SFTP)?;
        let connections = number(pairs, "connections", CONNECTIONS, MOST_CONNECTIONS)?;
        let timeout = Duration::from_secs(number(pairs, "timeout", TIMEOUT, LONGEST_TIMEOUT)?);
        Ok(SftpPlace {
            dial: Dial { ssh, address, timeout },
            connections: usize::try_from(connections).unwrap_or(1),
            rates: options.rates(),
        })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        let mut place = self.clone();
        let path = place.dial.address.path.trim_end_matches('/');
        place.dial.address.path = format!("{path}/{name}");
        place
    }

    /// Removes it, with all that is in it.
    pub(super) fn clear(&self) -> Result<()> {
        self.connect()?.remove_tree("").attempt("remove", self)
    }

    /// The store there, which is not asked anything yet.
    pub(super) fn open(&self) -> Result<Box<dyn Backend>> {
        Ok(Box::new(self.patient(self.connect()?)?))
    }

    /// The store there, for a new repository; its folder is made where it is missing.
    pub(super) fn create(&self) -> Result<Box<dyn Backend>> {
        let patience = Retry::new((), Env::real());
        let remote = self.connect()?;
        let names = patience.persist(|| match remote.entries("") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.attempt("list", self),
        })?;
        let names = names.into_iter().map(|entry| match entry.size {
            Some(_) => entry.name,
            None => format!("{}/", entry.name),
        });
        let names: Vec<String> = names.collect();
        refuse_names(&names, Error::new(Kind::Refused, "create a repository in", self))?;
        patience.persist(|| remote.make_root().attempt("make the directory", self))?;
        Ok(Box::new(self.patient(remote)?))
    }

    /// Whether the server makes durable what it is asked to.
    pub(super) fn syncs(&self) -> Result<bool> {
        self.connect()?.syncs().attempt("ask", self)
    }

    fn connect(&self) -> Result<Remote> {
        Ok(Remote::new(Link::new(self.dial.clone())?, self.connections))
    }

    fn patient(&self, remote: Remote) -> Result<Retry<Limit<Local<Remote>>>> {
        let local = Local::over(remote)?;
        let limited = Limit::new(local, Env::real(), self.connections, self.rates);
        Ok(Retry::new(limited, Env::real()))
    }
}

impl fmt::Display for SftpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dial.address.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Where nothing answers, nothing is known, and asking again may help.
    #[test]
    fn a_server_that_is_away_is_unavailable() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let line = format!("command=ssh -F none -p {port} -s 127.0.0.1 sftp");
        let options = Options::parse(&[line], Rates::default()).unwrap();
        let place = SftpPlace::parse("//127.0.0.1/x", &options).unwrap();
        let error = place.connect().unwrap().entries("").attempt("list", &place).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(error.to_string().contains("Connection refused"), "{error}");
    }
}
