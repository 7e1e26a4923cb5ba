//! Who is told, and the page that shows it all. This version understands it, and does none of it yet.

use super::shape::OneOrMany;
use super::written::{WithVariables, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who is told when something is wrong. For a later version.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alert {
    /// Messages by e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "to": "ops@example.com", "smtp": "smtps://icecore@mail.example.com", "password_file": "/etc/icecore/smtp.password" }]))]
    pub mail: Option<Mail>,
    /// Messages by a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{ "preset": "ntfy", "url_file": "/etc/icecore/ntfy.url" }]))]
    pub webhook: Option<Webhook>,
    /// A command that is given the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/usr/local/bin/page")]
    pub command: Option<String>,
    /// An address that is asked for at the start of a run, after a success and after a failure, so that somebody
    /// outside notices this host's death.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"${HEALTHCHECK_URL}")]
    pub ping: Option<Written<WithVariables>>,
}

/// Messages by e-mail.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Who gets them.
    #[schemars(example = &"ops@example.com")]
    pub to: OneOrMany<String>,
    /// Whom they come from. Without it, the user of `smtp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"icecore@example.com")]
    pub from: Option<String>,
    /// The server: `smtps://USER@HOST`, or `smtp://HOST`.
    #[schemars(example = &"smtps://icecore@mail.example.com")]
    pub smtp: Written<WithVariables>,
    /// A file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/icecore/smtp.password")]
    pub password_file: Option<PathBuf>,
}

/// Messages by a request. One of `url` and `url_file` is there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// How the request looks: `ntfy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ntfy")]
    pub preset: Option<Preset>,
    /// The body of the request, instead of a preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"{\"text\": \"{{message}}\"}")]
    pub template: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://ntfy.example.com/${NTFY_TOPIC}")]
    pub url: Option<Written<WithVariables>>,
    /// A file with the address, where that is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/icecore/ntfy.url")]
    pub url_file: Option<PathBuf>,
}

/// How a request looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// That of ntfy.
    Ntfy,
}

/// A page in the browser. For a later version.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// The address and port that it listens on.
    #[schemars(example = &"127.0.0.1:8440")]
    pub listen: String,
    /// Who may see it.
    #[schemars(extend("examples" = [{ "user": "ops", "hash_file": "/etc/icecore/panel.hash" }]))]
    pub login: PanelLogin,
    /// Whether a proxy with TLS stands before it, so that it may listen on other addresses than this machine's
    /// own.
    #[serde(default)]
    #[schemars(example = true)]
    pub behind_proxy: bool,
    /// The names that it may be asked for by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["backup.example.com"])]
    pub hosts: Vec<String>,
    /// The folder that it may restore into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/srv/restored")]
    pub restore_into: Option<PathBuf>,
}

/// Who may see the page.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelLogin {
    /// The name.
    #[schemars(example = &"ops")]
    pub user: String,
    /// A file with an argon2id hash of the password.
    #[schemars(example = &"/etc/icecore/panel.hash")]
    pub hash_file: PathBuf,
}
