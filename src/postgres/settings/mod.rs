//! Where a PostgreSQL server is and how it is reached, from the same places as libpq: connection
//! string, service file, environment, password file, defaults, in this order.

mod conninfo;
mod environment;
mod files;
mod parameters;

pub use environment::Environment;

use crate::error::{Error, Kind, Result};
use crate::postgres::Secret;
use parameters::{Given, KNOWN};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of a connection to one server, not yet to one database.
#[derive(Clone, Debug)]
pub struct Settings {
    given: Given,
    /// Whether the database was named by the connection string itself.
    names_database: bool,
    /// Whether the password stood in it.
    shows_password: bool,
    socket_folder: String,
    home: Option<PathBuf>,
    user: String,
    psql: Option<Vec<String>>,
}

/// One of the places where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name, address or, if it begins with `/`, the folder of a socket.
    pub name: String,
    /// Address that spares looking the name up.
    pub address: Option<String>,
    /// Port.
    pub port: u16,
}

/// How much TLS a connection must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// None.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always, with anyone.
    Require,
    /// Always, and the server must have a certificate of a known authority.
    VerifyCa,
    /// Always, and the server must have such a certificate for the host's name.
    VerifyFull,
}

/// Which of several servers will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAttributes {
    /// Any.
    Any,
    /// One that can be written to.
    ReadWrite,
    /// One that cannot.
    ReadOnly,
    /// A primary.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or else any.
    PreferStandby,
}

impl Settings {
    /// The settings that `text` stands for: `postgres://..`, `host=.. user=..`, a database's
    /// name, or nothing.
    pub fn new(text: &str, around: &Environment) -> Result<Self> {
        let mut given = conninfo::parse(text)?;
        let names_database = given.values.contains_key("dbname");
        let shows_password = given.password.is_some();
        let service = given.values.get("service").map(String::as_str);
        if let Some(service) = service.or(around.variable("PGSERVICE")) {
            let more = files::service(service, around)?;
            given.add_missing(more);
        }
        let mut environment = Given::default();
        for (name, variable) in KNOWN {
            if let Some(value) = around.variable(variable) {
                environment.set(name, value)?;
            }
        }
        given.add_missing(environment);
        let settings = Settings {
            given,
            names_database,
            shows_password,
            socket_folder: around.socket_folder(),
            home: around.at_home(""),
            user: around.user.clone(),
            psql: None,
        };
        settings.check()?;
        Ok(settings)
    }

    /// The same server, reached by a `psql` that these words run, where it really is.
    pub fn by_psql(mut self, prefix: Vec<String>) -> Self {
        self.psql = Some(prefix);
        self
    }

    /// The words that run the `psql` by which it is reached, if it is.
    pub(super) fn psql(&self) -> Option<&[String]> {
        self.psql.as_deref()
    }

    /// Finds nonsense before anything is tried.
    fn check(&self) -> Result<()> {
        self.hosts()?;
        self.ssl_mode()?;
        self.session_attributes()?;
        self.connect_timeout()?;
        Ok(())
    }

    /// The database that the connection string names, if it does.
    pub fn named_database(&self) -> Option<&str> {
        self.value("dbname").filter(|_| self.names_database)
    }

    /// Whether the password stands in the connection string, where others may see it.
    pub fn shows_password(&self) -> bool {
        self.shows_password
    }

    /// The database that is connected to: as named somewhere, or else like the user.
    pub fn database(&self) -> &str {
        self.value("dbname").unwrap_or_else(|| self.user())
    }

    /// Whether a database is named anywhere: in the string, the service or the environment.
    pub fn has_database(&self) -> bool {
        self.value("dbname").is_some()
    }

    /// The same server, another database.
    pub fn with_database(&self, name: &str) -> Self {
        let mut settings = self.clone();
        settings.given.values.insert("dbname", name.to_owned());
        settings
    }

    /// The same, at this one place only.
    pub fn at_host(&self, host: &Host) -> Self {
        let mut settings = self.clone();
        settings.given.values.insert("host", host.name.clone());
        settings.given.values.insert("port", host.port.to_string());
        settings.given.values.remove("hostaddr");
        if let Some(address) = &host.address {
            settings.given.values.insert("hostaddr", address.clone());
        }
        settings.given.values.remove("target_session_attrs");
        settings
    }

    /// The role.
    pub fn user(&self) -> &str {
        self.value("user").unwrap_or(&self.user)
    }

    /// The places to try, in order.
    pub fn hosts(&self) -> Result<Vec<Host>> {
        let list = |name| -> Vec<&str> {
            self.value(name)
                .map(|value| value.split(',').map(str::trim).collect())
                .unwrap_or_default()
        };
        let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
        let count = names.len().max(addresses.len()).max(1);
        let fits =
            |length: usize, alone: bool| length == 0 || length == count || (alone && length == 1);
        if !fits(names.len(), false) || !fits(addresses.len(), false) || !fits(ports.len(), true) {
            return Err(invalid("the hosts", "hosts, addresses and ports differ in number"));
        }
        let full = |list: &[&str], at: usize| {
            let found = list.get(at).or(list.first().filter(|_| list.len() == 1));
            found.filter(|text| !text.is_empty()).map(|text| (*text).to_owned())
        };
        (0..count)
            .map(|at| {
                let address = full(&addresses, at);
                let name = full(&names, at).or_else(|| address.clone());
                let port = full(&ports, at).unwrap_or_else(|| "5432".to_owned());
                let port =
                    port.parse().map_err(|_| invalid("the port", format!("{port:?} is none")))?;
                let name = name.unwrap_or_else(|| self.socket_folder.clone());
                Ok(Host { name, address, port })
            })
            .collect()
    }

    /// How much TLS is asked for.
    pub fn ssl_mode(&self) -> Result<SslMode> {
        Ok(match self.value("sslmode").unwrap_or("prefer") {
            "disable" => SslMode::Disable,
            "allow" => SslMode::Allow,
            "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            other => return Err(invalid("sslmode", format!("{other:?} is none"))),
        })
    }

    /// Which server will do.
    pub fn session_attributes(&self) -> Result<SessionAttributes> {
        Ok(match self.value("target_session_attrs").unwrap_or("any") {
            "any" => SessionAttributes::Any,
            "read-write" => SessionAttributes::ReadWrite,
            "read-only" => SessionAttributes::ReadOnly,
            "primary" => SessionAttributes::Primary,
            "standby" => SessionAttributes::Standby,
            "prefer-standby" => SessionAttributes::PreferStandby,
            other => return Err(invalid("target_session_attrs", format!("{other:?} is none"))),
        })
    }

    /// How long connecting to one place may take, if that was said.
    pub fn connect_timeout(&self) -> Result<Option<Duration>> {
        let Some(text) = self.value("connect_timeout") else { return Ok(None) };
        let seconds: i64 = text
            .trim()
            .parse()
            .map_err(|_| invalid("connect_timeout", format!("{text:?} is no number of seconds")))?;
        // As in libpq: none or less waits for ever, one is two.
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        Ok(seconds.map(|seconds| Duration::from_secs(seconds.max(2))))
    }

    /// Options for the server's process.
    pub fn options(&self) -> Option<&str> {
        self.value("options")
    }

    /// Name that the server shows for the session.
    pub fn application_name(&self) -> &str {
        self.value("application_name").unwrap_or("icecore")
    }

    /// Whether the password must be bound to the TLS channel.
    pub fn requires_channel_binding(&self) -> bool {
        self.value("channel_binding") == Some("require")
    }

    /// The file of certificate authorities, or `system`; libpq's usual one if that is there.
    pub fn root_certificate(&self) -> Option<PathBuf> {
        self.file("sslrootcert", "root.crt")
    }

    /// This side's certificate and its key, if both are there.
    pub fn own_certificate(&self) -> Option<(PathBuf, PathBuf)> {
        Some((self.file("sslcert", "postgresql.crt")?, self.file("sslkey", "postgresql.key")?))
    }

    fn file(&self, parameter: &str, usual: &str) -> Option<PathBuf> {
        match self.value(parameter) {
            Some(path) => Some(PathBuf::from(path)),
            None => {
                let usual = self.home.as_ref()?.join(".postgresql").join(usual);
                Some(usual).filter(|path| path.exists())
            }
        }
    }

    /// The password for one place: as given, or else from the password file.
    ///
    /// # Errors
    /// A password file that others may read.
    pub fn password(&self, host: &Host) -> Result<Option<Secret>> {
        if let Some(password) = &self.given.password {
            return Ok(Some(password.clone()));
        }
        let path = match self.value("passfile") {
            Some(path) => PathBuf::from(path),
            None => match &self.home {
                Some(home) => home.join(".pgpass"),
                None => return Ok(None),
            },
        };
        let local = host.name == self.socket_folder;
        let wanted = files::Wanted {
            host: if local { "localhost" } else { &host.name },
            port: &host.port.to_string(),
            database: self.database(),
            user: self.user(),
        };
        files::password(Path::new(&path), &wanted)
    }

    /// What this is called in messages and in a snapshot: the first place, as it was named.
    pub fn server_name(&self) -> String {
        match self.hosts().unwrap_or_default().first() {
            Some(host) if host.is_socket() => format!("local:{}", host.port),
            Some(host) if host.name.contains(':') => format!("[{}]:{}", host.name, host.port),
            Some(host) => format!("{}:{}", host.name, host.port),
            None => "a server".to_owned(),
        }
    }

    /// Variables of the environment from which libpq makes this connection; those without a value
    /// are to be removed. The password is not among them.
    pub(super) fn variables(&self) -> Vec<(&'static str, Option<String>)> {
        let mut variables: Vec<(&str, Option<String>)> = KNOWN
            .iter()
            .filter(|(name, _)| *name != "password")
            .map(|(name, variable)| {
                let value = match *name {
                    "service" => None,
                    "dbname" => Some(self.database().to_owned()),
                    "user" => Some(self.user().to_owned()),
                    "application_name" => Some(self.application_name().to_owned()),
                    name => self.value(name).map(str::to_owned),
                };
                (*variable, value)
            })
            .collect();
        variables.push(("PGSERVICEFILE", None));
        variables
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.given.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Host {
    /// Whether it is the folder of a socket.
    pub fn is_socket(&self) -> bool {
        self.name.starts_with('/') || self.name.starts_with('@')
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_socket() {
            true => write!(f, "{}/.s.PGSQL.{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

fn invalid(what: &str, reason: impl Into<String>) -> Error {
    Error::new(Kind::InvalidInput, "use", format!("{what} of the connection")).because(reason)
}
