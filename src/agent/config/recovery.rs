//! Recovery, drills and verification. This version reads these keys, and does not act on them yet.

use super::values::{Size, Span, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a system is brought back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recover {
    /// Whether what runs on this host may be replaced.
    #[schemars(example = true)]
    pub allow_restore: bool,
    /// A command that makes the containers on a new host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"docker compose -f /srv/app/compose.yml up --no-start")]
    pub create: Option<String>,
    /// A command before services start again, such as migrations.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"docker compose -f /srv/app/compose.yml run --rm web bin/migrate")]
    pub before_start: Option<String>,
}

/// How bringing it back is tried.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drill {
    /// The services that are started, on a network with no way out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["web"])]
    pub start: Vec<String>,
    /// How much room it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"20GiB")]
    pub room: Option<Written<Size>>,
    /// How much memory it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2GiB")]
    pub memory: Option<Written<Size>>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1h")]
    pub timeout: Option<Written<Span>>,
}

/// Something that is verified: exactly one of `count`, `sql`, `integrity`, `amcheck`, `http` and `command`, and
/// what goes with it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// Rows are as many as in the snapshot: `DATABASE:TABLE`, or `DATABASE:*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"production.sqlite3:users")]
    pub count: Option<String>,
    /// The database that `query` is asked of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"app_production")]
    pub sql: Option<String>,
    /// With `sql`: the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"SELECT count(*) > 0 FROM users")]
    pub query: Option<String>,
    /// With `sql`: what it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"t")]
    pub expect: Option<String>,
    /// `PRAGMA integrity_check` of a database, or of `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"all")]
    pub integrity: Option<String>,
    /// `pg_amcheck` of a database, or of `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"all")]
    pub amcheck: Option<String>,
    /// A request to a service: `SERVICE:PORT/PATH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"web:3000/up")]
    pub http: Option<String>,
    /// With `http`: the status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    pub status: Option<u16>,
    /// With `http`: a text in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Welcome")]
    pub text: Option<String>,
    /// With `http`: who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "path": "/session/new", "user": "drill@example.com", "password_file": "/etc/icecore/drill.password" }]))]
    pub login: Option<Login>,
    /// A command that ends well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/srv/app/smoke-test")]
    pub command: Option<String>,
}

impl Verification {
    /// How many things are verified by it, and whether what goes with one stands beside another.
    pub fn is_one(&self) -> bool {
        let Verification { count, sql, integrity, amcheck, http, command, .. } = self;
        let kinds = [count, sql, integrity, amcheck, http, command];
        let with_sql = self.query.is_some() && self.expect.is_some();
        let stray_sql = self.query.is_some() || self.expect.is_some();
        let stray_http = self.status.is_some() || self.text.is_some() || self.login.is_some();
        kinds.iter().filter(|kind| kind.is_some()).count() == 1
            && (if sql.is_some() { with_sql } else { !stray_sql })
            && (http.is_some() || !stray_http)
    }
}

/// A form that is filled in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Where the form is.
    #[schemars(example = &"/session/new")]
    pub path: String,
    /// The user.
    #[schemars(example = &"drill@example.com")]
    pub user: String,
    /// A file with the password.
    #[schemars(example = &"/etc/icecore/drill.password")]
    pub password_file: PathBuf,
}
