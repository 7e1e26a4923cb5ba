//! A small client that waits: one session, statements one after another, rows as text.

use super::psql::{Psql, Refusal};
use super::settings::{Host, SessionAttributes, Settings, SslMode};
use super::{Secret, sqlstate, tls};
use crate::error::{Error, Kind, Result};
use crate::limits::{POSTGRES_CONNECT_WAIT, POSTGRES_KEEPALIVE};
use std::future::Future;
use std::net::IpAddr;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{ChannelBinding, SslMode as WireMode};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage, SimpleQueryRow};

/// Databases that nearly every server has, to ask for the others from.
const DEFAULT_DATABASES: [&str; 2] = ["postgres", "template1"];

/// A session of a server. It ends when this is dropped.
pub struct Client {
    session: Session,
    /// Where it was reached, so that a tool can be sent to the very same place.
    settings: Settings,
    host: Host,
    version: u32,
}

/// How it is held.
enum Session {
    /// By a connection.
    Wire(Runtime, tokio_postgres::Client),
    /// By a `psql` that runs where the server does.
    Psql(Psql),
}

impl Client {
    /// Connects to the database of `settings`, at the first of its places that will do. The
    /// session is set up so that names mean what they say and that it may wait.
    ///
    /// # Errors
    /// `NotFound` where no server or no such database is, `Denied` where it refuses the role or
    /// the password, `Unsupported` before version 13.
    pub fn connect(settings: &Settings) -> Result<Self> {
        if let Some(prefix) = settings.psql() {
            return Client::by_psql(settings, prefix);
        }
        let attributes = settings.session_attributes()?;
        let mut last = None;
        let rounds = match attributes {
            SessionAttributes::PreferStandby => {
                vec![SessionAttributes::Standby, SessionAttributes::Any]
            }
            attributes => vec![attributes],
        };
        for wanted in rounds {
            for host in settings.hosts()? {
                match Client::connect_to(settings, &host).and_then(|client| client.suits(wanted)) {
                    Ok(client) => return Ok(client),
                    // Another place would say the same of a role, a password or a name.
                    Err(error) if error.kind() == Kind::Denied => return Err(error),
                    Err(error) => last = Some(error),
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::new(Kind::InvalidInput, "connect to", "no host")))
    }

    fn by_psql(settings: &Settings, prefix: &[String]) -> Result<Self> {
        let named = settings.hosts()?.into_iter().next();
        let host = named.ok_or_else(|| Error::new(Kind::InvalidInput, "connect to", "no host"))?;
        let session = Session::Psql(Psql::start(settings, prefix)?);
        let mut client = Client { session, settings: settings.clone(), host, version: 0 };
        client.set_up()?;
        Ok(client)
    }

    fn connect_to(settings: &Settings, host: &Host) -> Result<Self> {
        let modes: &[WireMode] = match settings.ssl_mode()? {
            _ if host.is_socket() => &[WireMode::Disable],
            SslMode::Disable => &[WireMode::Disable],
            SslMode::Allow => &[WireMode::Disable, WireMode::Require],
            SslMode::Prefer => &[WireMode::Prefer, WireMode::Disable],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[WireMode::Require],
        };
        let mut outcome = None;
        for mode in modes {
            match Client::attempt(settings, host, *mode) {
                Ok(client) => return Ok(client),
                Err(failure) => {
                    // Only what the other mode may change is tried again; the first reason counts.
                    let again = failure.is_about_encryption;
                    outcome = outcome.or(Some(failure.error));
                    if !again {
                        break;
                    }
                }
            }
        }
        Err(outcome.unwrap_or_else(|| Error::new(Kind::Failed, "connect to", host)))
    }

    /// A session about the server as a whole: in the first of the usual databases that lets the
    /// role in, or else in the one that the settings name; in none of those to be avoided.
    pub fn connect_anywhere(settings: &Settings, avoid: &[&str]) -> Result<Self> {
        let names = DEFAULT_DATABASES.into_iter().chain([settings.database()]);
        let mut first = None;
        for name in names.filter(|name| !avoid.contains(name)) {
            match Client::connect(&settings.with_database(name)) {
                Ok(client) => return Ok(client),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| {
            Error::new(Kind::InvalidInput, "find", "a database to connect to")
                .because("each of them is to be replaced")
                .hint("restore them one after another")
        }))
    }

    fn attempt(settings: &Settings, host: &Host, mode: WireMode) -> Result<Self, Failure> {
        let plain = |error| Failure { error, is_about_encryption: false };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|cause| {
            plain(Error::new(Kind::Failed, "start", "a PostgreSQL client").caused_by(cause))
        })?;
        let (password, unread) = match settings.password(host) {
            Ok(password) => (password, None),
            // As in libpq, the file is passed over; what is said of it matters only if that fails.
            Err(error) => (None, Some(error)),
        };
        let config = configure(settings, host, mode, password).map_err(plain)?;
        let wait = settings.connect_timeout().map_err(plain)?.unwrap_or(POSTGRES_CONNECT_WAIT);
        let connector = match mode {
            WireMode::Disable => None,
            _ => Some(tls::connector(settings).map_err(plain)?),
        };
        let connected = runtime.block_on(async {
            let connecting = async {
                match connector {
                    None => {
                        let (client, connection) = config.connect(NoTls).await?;
                        Ok((client, Background::spawn(connection)))
                    }
                    Some(tls) => {
                        let (client, connection) = config.connect(tls).await?;
                        Ok((client, Background::spawn(connection)))
                    }
                }
            };
            tokio::time::timeout(wait, connecting).await
        });
        let client = match connected {
            Ok(Ok((client, Background))) => client,
            Ok(Err(cause)) => {
                let is_about_encryption = sqlstate::is_about_encryption(&cause);
                let mut error = sqlstate::connecting(settings, host, &cause);
                if let (Kind::Denied, Some(unread)) = (error.kind(), unread) {
                    error = error.hint(unread.to_string());
                }
                return Err(Failure { error, is_about_encryption });
            }
            Err(_) => {
                return Err(plain(
                    Error::new(Kind::NotFound, "connect to PostgreSQL at", host)
                        .because(format!("no answer within {} s", wait.as_secs())),
                ));
            }
        };
        let settings = settings.at_host(host);
        let session = Session::Wire(runtime, client);
        let mut client = Client { session, settings, host: host.clone(), version: 0 };
        client.set_up().map_err(plain)?;
        Ok(client)
    }

    /// What `pg_dump` does, too: no foreign schema in the way, no time limit on waiting.
    fn set_up(&mut self) -> Result<()> {
        self.execute(
            "SELECT pg_catalog.set_config('search_path', '', false);
             SET datestyle = ISO; SET extra_float_digits = 3; SET statement_timeout = 0;
             SET idle_in_transaction_session_timeout = 0; SET row_security = off;
             SET client_encoding = 'UTF8'",
        )?;
        self.version = self.number("SHOW server_version_num")?;
        if self.version < 130_000 {
            return Err(Error::new(Kind::Unsupported, "work with PostgreSQL at", &self.host)
                .because(format!("it is of version {}", super::version_text(self.version)))
                .hint("version 13 is the oldest that is supported"));
        }
        if self.version >= 170_000 {
            self.execute("SET transaction_timeout = 0")?;
        }
        Ok(())
    }

    fn suits(mut self, wanted: SessionAttributes) -> Result<Self> {
        let question = match wanted {
            SessionAttributes::Any | SessionAttributes::PreferStandby => return Ok(self),
            SessionAttributes::Standby => "SELECT pg_catalog.pg_is_in_recovery()",
            SessionAttributes::Primary => "SELECT NOT pg_catalog.pg_is_in_recovery()",
            SessionAttributes::ReadOnly => {
                "SELECT pg_catalog.current_setting('default_transaction_read_only') = 'on'
                 OR pg_catalog.pg_is_in_recovery()"
            }
            SessionAttributes::ReadWrite => {
                "SELECT pg_catalog.current_setting('default_transaction_read_only') = 'off'
                 AND NOT pg_catalog.pg_is_in_recovery()"
            }
        };
        if self.text(question)? == "t" {
            return Ok(self);
        }
        Err(Error::new(Kind::NotFound, "use PostgreSQL at", &self.host)
            .because("it is not what target_session_attrs asks for"))
    }

    /// `server_version_num`: 150018 is 15.18.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The settings that lead to this very server and database.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs statements and passes over what they yield.
    pub fn execute(&mut self, statements: &str) -> Result<()> {
        match &mut self.session {
            Session::Wire(runtime, client) => {
                let done = runtime.block_on(client.batch_execute(statements));
                done.map_err(|cause| sqlstate::asking(&self.settings, &self.host, &cause))
            }
            Session::Psql(_) => self.query(statements).map(drop),
        }
    }

    /// The rows of a query.
    pub fn query(&mut self, query: &str) -> Result<Vec<Row>> {
        match &mut self.session {
            Session::Wire(runtime, client) => {
                let answer = runtime.block_on(client.simple_query(query));
                let messages =
                    answer.map_err(|cause| sqlstate::asking(&self.settings, &self.host, &cause))?;
                let row = |message| match message {
                    SimpleQueryMessage::Row(row) => Some(Row::new(&row)),
                    _ => None,
                };
                Ok(messages.into_iter().filter_map(row).collect())
            }
            Session::Psql(psql) => {
                let answer = psql.ask(query, &self.settings)?;
                answer.map_err(|Refusal { state, reason }| {
                    sqlstate::refused(&self.settings, &self.host, state.as_ref(), reason)
                })
            }
        }
    }

    /// The rows of a query about what all databases of a server share. Each name stands there in
    /// the encoding of the database that it was given in, which this one may be unable to convert:
    /// so such columns are asked for by [`unconverted`].
    pub fn query_unconverted(&mut self, query: &str) -> Result<Vec<Row>> {
        self.execute("SET client_encoding = 'SQL_ASCII'")?;
        let rows = self.query(query)?;
        self.execute("SET client_encoding = 'UTF8'")?;
        Ok(rows)
    }

    /// The first column of the first row, empty for NULL.
    ///
    /// # Errors
    /// A query without a row, too.
    pub fn text(&mut self, query: &str) -> Result<String> {
        let rows = self.query(query)?;
        let row = rows.first().ok_or_else(|| self.surprise("a query yields no row"))?;
        Ok(row.text(0).to_owned())
    }

    /// The same as a number.
    pub fn number<T: std::str::FromStr>(&mut self, query: &str) -> Result<T> {
        let text = self.text(query)?;
        text.parse().map_err(|_| self.surprise(&format!("{text:?} is no number")))
    }

    fn surprise(&self, reason: &str) -> Error {
        Error::new(Kind::Failed, "understand PostgreSQL at", &self.host).because(reason)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} at {})", self.settings.database(), self.host)
    }
}

/// A row; every column as the text that the server shows.
#[derive(Debug)]
pub struct Row(pub(super) Vec<Option<String>>);

impl Row {
    fn new(row: &SimpleQueryRow) -> Self {
        Row((0..row.len()).map(|at| row.try_get(at).ok().flatten().map(str::to_owned)).collect())
    }

    /// A column, empty for NULL.
    pub fn text(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// A column, if it is not NULL.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// A column that was asked for by [`unconverted`].
    pub fn unconverted(&self, column: usize) -> Option<String> {
        let digits = self.get(column)?.as_bytes();
        let byte = |pair: &[u8]| {
            let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        };
        let bytes: Vec<u8> = digits.chunks(2).filter_map(byte).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether a boolean column is true.
    pub fn is_true(&self, column: usize) -> bool {
        self.text(column) == "t"
    }
}

/// SQL for the bytes of a text in what all databases of a server share, for
/// [`Client::query_unconverted`].
pub fn unconverted(text: &str) -> String {
    format!("encode(textsend({text}), 'hex')")
}

struct Failure {
    error: Error,
    is_about_encryption: bool,
}

/// The connection, which runs whenever its client waits for it.
struct Background;

impl Background {
    fn spawn<T, E>(connection: impl Future<Output = Result<T, E>> + Send + 'static) -> Self
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        // What becomes of it, the client is told by its next statement.
        drop(tokio::spawn(connection));
        Background
    }
}

fn configure(
    settings: &Settings,
    host: &Host,
    mode: WireMode,
    password: Option<Secret>,
) -> Result<Config> {
    let mut config = Config::new();
    config
        .user(settings.user())
        .dbname(settings.database())
        .application_name(settings.application_name())
        .port(host.port)
        .ssl_mode(mode)
        .keepalives_idle(POSTGRES_KEEPALIVE);
    match host.is_socket() {
        true => config.host_path(&host.name),
        false => config.host(&host.name),
    };
    if let Some(address) = &host.address {
        let parsed: IpAddr = address.parse().map_err(|_| {
            Error::new(Kind::InvalidInput, "use the hostaddr", format!("{address:?}"))
        })?;
        config.hostaddr(parsed);
    }
    if let Some(options) = settings.options() {
        config.options(options);
    }
    if settings.requires_channel_binding() {
        config.channel_binding(ChannelBinding::Require);
    }
    if let Some(password) = password {
        config.password(password.reveal());
    }
    Ok(config)
}
