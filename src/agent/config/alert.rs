//! Alerts: who gets them, and how.

use super::one_or_many::OneOrMany;
use super::values::{WithVariables, Written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who is told when something is wrong: a message when it begins, one when it is over, and one a day while it
/// lasts.
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
    /// A line for the shell that reads the message on its standard input, and finds `ICECORE_ALERT_KIND` (`problem`,
    /// `resolved`, `reminder` or `test`), `ICECORE_ALERT_SUBJECT`, `ICECORE_ALERT_JOBS`, `ICECORE_ALERT_HOST` and
    /// `ICECORE_ALERT_ENVIRONMENT` in its environment; it has 15 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/usr/local/bin/page")]
    pub command: Option<String>,
    /// An address that is asked for by GET after every run of a job that is well, so that an outside service notices
    /// when this host is down; with `/start` behind it when a run begins, and with `/fail` when something is wrong with
    /// the job. `{{job}}` in it stands for the job, for those outside who watch each by itself.
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
    /// The server: `smtps://USER@HOST`, or `smtp://USER@HOST` where TLS begins later (STARTTLS), with a port behind it
    /// where that is not 465, 587 or, without a user, 25. Nothing is sent without TLS, but to this machine itself
    /// without a password, and to `smtp://HOST?tls=none`.
    #[schemars(example = &"smtps://icecore@mail.example.com")]
    pub smtp: Written<WithVariables>,
    /// A file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/icecore/smtp.password")]
    pub password_file: Option<PathBuf>,
}

/// Messages by a request (POST). One of `url` and `url_file` is there. Without `preset` and `template` the body is
/// JSON with `kind`, `subject`, `message`, `jobs`, `host` and `environment`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// How the request looks: `ntfy` has the message as its body, and title, priority and tags in headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ntfy")]
    pub preset: Option<Preset>,
    /// The body of the request, instead of a preset's. `{{subject}}`, `{{message}}`, `{{kind}}`, `{{job}}`, `{{host}}` and
    /// `{{environment}}` stand for the facts, written as between the quotes of a text in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"{\"text\": \"{{message}}\"}")]
    pub template: Option<String>,
    /// The address; messages and reports never show it.
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

/// Figures for Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// A file that is replaced after every run, and by the agent, for the textfile collector of its node exporter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/lib/prometheus/node-exporter/icecore.prom")]
    pub textfile: Option<PathBuf>,
}
