//! Messages by a request.

use super::http;
use super::notification::{Kind as About, Notification};
use super::secret;
use crate::agent::config::{Preset, WebhookTable};
use crate::error::{Error, Kind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, Url};
use std::collections::BTreeMap;

/// How errors name it.
const NAME: &str = "the webhook";

/// Where messages are sent to, and how they look.
pub struct Webhook {
    client: Client,
    url: Url,
    form: Form,
}

enum Form {
    Plain,
    Ntfy,
    Template(String),
}

impl Webhook {
    /// Of the file, with its address.
    pub fn open(table: &WebhookTable, variables: &BTreeMap<String, String>) -> Result<Self> {
        let text = match (&table.url, &table.url_file) {
            (Some(url), _) => url.value.expand(variables)?.into(),
            (None, Some(path)) => secret::line(path)?,
            (None, None) => {
                return Err(Error::new(Kind::InvalidInput, "use", NAME)
                    .because("there is neither `url` nor `url_file`"));
            }
        };
        let form = match (&table.template, table.preset) {
            (Some(template), _) => Form::Template(template.clone()),
            (None, Some(Preset::Ntfy)) => Form::Ntfy,
            (None, None) => Form::Plain,
        };
        let url = http::address(&text, "the address of the webhook")?;
        Ok(Webhook { client: http::client()?, url, form })
    }

    /// Sends a message.
    pub async fn send(&self, notification: &Notification) -> Result<()> {
        http::send(self.request(notification)?, NAME).await
    }

    fn request(&self, notification: &Notification) -> Result<RequestBuilder> {
        let post = self.client.post(self.url.clone());
        let json = |post: RequestBuilder| post.header("Content-Type", "application/json");
        Ok(match &self.form {
            Form::Plain => {
                let body = serde_json::to_vec(notification)
                    .map_err(|cause| Error::new(Kind::Failed, "write", NAME).caused_by(cause))?;
                json(post).body(body)
            }
            Form::Template(template) => {
                let body = filled(template, notification);
                let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
                let post = if is_json { json(post) } else { post };
                post.body(body)
            }
            Form::Ntfy => {
                let (priority, tag) = match notification.kind {
                    About::Problem => ("high", "warning"),
                    About::Reminder => ("default", "hourglass"),
                    About::Resolved => ("default", "white_check_mark"),
                    About::Test => ("low", "test_tube"),
                };
                post.header("Title", header(&notification.subject))
                    .header("Priority", priority)
                    .header("Tags", tag)
                    .body(notification.message.clone())
            }
        })
    }
}

/// A text in a header, which takes ASCII alone.
fn header(text: &str) -> String {
    match text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        true => text.to_owned(),
        false => format!("=?UTF-8?B?{}?=", STANDARD.encode(text)),
    }
}

/// What a template may name.
const NAMES: [&str; 6] = ["subject", "message", "kind", "job", "host", "environment"];

/// The first name in a template that means nothing.
pub fn unknown_name(template: &str) -> Option<&str> {
    pieces(template).find_map(|piece| match piece {
        Piece::Name(name) if !NAMES.contains(&name) => Some(name),
        _ => None,
    })
}

/// A template with the facts in it, as texts in JSON have them.
fn filled(template: &str, notification: &Notification) -> String {
    let fill = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Name(name) => escaped(&match name {
            "subject" => notification.subject.clone(),
            "message" => notification.message.clone(),
            "kind" => notification.kind.to_string(),
            "job" => notification.jobs.join(", "),
            "host" => notification.host.clone(),
            "environment" => notification.environment.clone(),
            _ => String::new(),
        }),
    };
    pieces(template).map(fill).collect()
}

/// As it stands between the quotes of a JSON text.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or_default().to_owned()
}

enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    template.split("{{").enumerate().flat_map(|(number, part)| {
        match (number, part.split_once("}}")) {
            (0, _) | (_, None) => vec![Piece::Text(part)],
            (_, Some((name, text))) => vec![Piece::Name(name.trim()), Piece::Text(text)],
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::alert::notification::Sender;
    use crate::env::Time;

    /// A template is filled so that it stays JSON whatever the facts are; what it names is known beforehand.
    #[test]
    fn templates_are_filled() {
        let sender = Sender { host: "a\"b".to_owned(), environment: None };
        let notification = Notification::test(&sender, Time(0));
        let template = r#"{"text": "{{ message }}", "on": "{{host}}", "x": "{{job}}"}"#;
        let body: serde_json::Value =
            serde_json::from_str(&filled(template, &notification)).unwrap();
        assert_eq!(body["text"], notification.message);
        assert_eq!((&body["on"], &body["x"]), (&"a\"b".into(), &"".into()));
        assert_eq!(unknown_name(template), None);
        assert_eq!(unknown_name("{{subject}} {{mesage}}"), Some("mesage"));
        assert_eq!(filled("{{", &notification), "");
    }

    /// A header is ASCII.
    #[test]
    fn headers_are_ascii() {
        assert_eq!(header("plain text"), "plain text");
        assert_eq!(header("a\r\nB: c"), "=?UTF-8?B?YQ0KQjogYw==?=");
    }
}
