//! What a server's errors mean, by SQLSTATE.

use super::settings::{Host, Settings};
use crate::error::{Error, Kind, with_causes};
use tokio_postgres::error::SqlState;

/// Why no session came about.
pub(super) fn connecting(settings: &Settings, host: &Host, cause: &tokio_postgres::Error) -> Error {
    let (user, database) = (settings.user(), settings.database());
    let error = |kind, hint: String| {
        let error = Error::new(kind, "connect to PostgreSQL at", host).because(reason(cause));
        if hint.is_empty() { error } else { error.hint(hint) }
    };
    let Some(state) = cause.code() else {
        return match reason(cause) {
            text if text.contains("password missing") => error(
                Kind::Denied,
                format!(
                    "give the password of role {user:?} in ~/.pgpass, PGPASSFILE or PGPASSWORD"
                ),
            ),
            _ => error(Kind::NotFound, "does the server run there?".to_owned()),
        };
    };
    if *state == SqlState::INVALID_PASSWORD {
        return error(Kind::Denied, format!("is it the password of role {user:?}?"));
    }
    if *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return error(Kind::Denied, "does pg_hba.conf let this role in from here?".to_owned());
    }
    if *state == SqlState::INVALID_CATALOG_NAME {
        return error(Kind::NotFound, format!("name another database than {database:?}"));
    }
    if *state == SqlState::INSUFFICIENT_PRIVILEGE {
        return error(
            Kind::Denied,
            format!("role {user:?} needs the right CONNECT on database {database:?}"),
        );
    }
    if *state == SqlState::TOO_MANY_CONNECTIONS {
        return error(Kind::Locked, "max_connections is reached".to_owned());
    }
    error(Kind::Failed, String::new())
}

/// Why a statement failed.
pub(super) fn asking(settings: &Settings, host: &Host, cause: &tokio_postgres::Error) -> Error {
    refused(settings, host, cause.code(), reason(cause))
}

/// The same, of a refusal that came by another way.
pub(super) fn refused(
    settings: &Settings,
    host: &Host,
    state: Option<&SqlState>,
    reason: String,
) -> Error {
    let kind = match state {
        Some(state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => Kind::Denied,
        Some(state) if *state == SqlState::DISK_FULL => Kind::NoSpace,
        Some(state) if *state == SqlState::LOCK_NOT_AVAILABLE => Kind::Locked,
        Some(state) if *state == SqlState::OBJECT_IN_USE => Kind::Locked,
        Some(state) if *state == SqlState::DUPLICATE_DATABASE => Kind::AlreadyExists,
        Some(state) if *state == SqlState::DUPLICATE_OBJECT => Kind::AlreadyExists,
        Some(state) if *state == SqlState::INVALID_CATALOG_NAME => Kind::NotFound,
        Some(state) if *state == SqlState::UNDEFINED_OBJECT => Kind::NotFound,
        Some(state) if *state == SqlState::UNDEFINED_TABLE => Kind::NotFound,
        _ => Kind::Failed,
    };
    let subject = format!("database {:?} at {host}", settings.database());
    Error::new(kind, "ask", subject).because(reason)
}

/// Whether another choice of encryption may end better: TLS itself, or a rule about it.
pub(super) fn is_about_encryption(cause: &tokio_postgres::Error) -> bool {
    match cause.code() {
        Some(state) => *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => reason(cause).contains("TLS"),
    }
}

/// What the server says, or else what the client says.
fn reason(cause: &tokio_postgres::Error) -> String {
    if let Some(said) = cause.as_db_error() {
        let mut text = format!("{}: {}", said.severity(), said.message());
        if let Some(detail) = said.detail() {
            text.push_str(&format!(" ({detail})"));
        }
        return text;
    }
    with_causes(cause)
}

/// Why a tool may miss the server that was reached from here.
pub const NOT_HANDED_ON: &str = "a command that runs it (--pg-command) may not hand its settings \
                                 on: docker exec needs -e PGHOST -e PGPORT where the server is \
                                 not at the usual place, and -e PGPASSWORD";

/// What a tool's last words mean, and what may help.
pub(super) fn of_tool(said: &str) -> (Kind, Option<&'static str>) {
    let has = |text: &str| said.contains(text);
    if has("permission denied") || has("must be owner") || has("must be superuser") {
        return (
            Kind::Denied,
            Some(
                "the role needs to read everything that is dumped: GRANT pg_read_all_data TO it; \
                  roles and tablespaces are left out by --no-globals",
            ),
        );
    }
    if has("invalid snapshot identifier") || has("snapshot \"") {
        return (
            Kind::Failed,
            Some(
                "the program reaches another server than icecore, or by a pooler: \
                  --no-pg-snapshot does without a shared snapshot",
            ),
        );
    }
    if has("password authentication failed") || has("no password supplied") {
        return (Kind::Denied, Some("a prefix may not hand PGPASSWORD on to the program"));
    }
    if has("server version mismatch") {
        return (Kind::Unsupported, None);
    }
    if has("No space left on device") {
        return (Kind::NoSpace, None);
    }
    match has("connection to server") {
        true => (Kind::NotFound, Some(NOT_HANDED_ON)),
        false => (Kind::Failed, None),
    }
}
