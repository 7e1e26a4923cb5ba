//! The parameters of a connection, by libpq's names (PostgreSQL documentation, 34.1.2).

use crate::error::{Error, Kind, Result};
use crate::postgres::Secret;
use std::collections::BTreeMap;

/// Parameters that mean something here, and the variable of the environment that each is read
/// from and handed on by.
pub(super) const KNOWN: [(&str, &str); 17] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("service", "PGSERVICE"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("user", "PGUSER"),
];

/// Parameters that change nothing here: what they ask for is so, or only tunes libpq.
const WITHOUT_EFFECT: [&str; 13] = [
    "client_encoding",
    "fallback_application_name",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "replication",
    "sslcompression",
    "sslsni",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "tcp_user_timeout",
];

/// Parameters that were given in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) values: BTreeMap<&'static str, String>,
    pub(super) password: Option<Secret>,
}

impl Given {
    /// Sets one parameter; the last one counts.
    ///
    /// # Errors
    /// One that libpq does not have, or that would ask for what cannot be had here.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if name == "password" {
            self.password = Some(Secret::new(value));
            return Ok(());
        }
        if let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == name) {
            self.values.insert(known, value.to_owned());
            return Ok(());
        }
        let harmless = WITHOUT_EFFECT.contains(&name)
            || (name == "gssencmode" && value != "require")
            || name == "krbsrvname";
        if harmless {
            return Ok(());
        }
        Err(Error::new(Kind::InvalidInput, "use the connection parameter", format!("{name:?}"))
            .because("it is not known here"))
    }

    /// What `other` has and this has not.
    pub(super) fn add_missing(&mut self, other: Given) {
        for (name, value) in other.values {
            self.values.entry(name).or_insert(value);
        }
        self.password = self.password.take().or(other.password);
    }
}
