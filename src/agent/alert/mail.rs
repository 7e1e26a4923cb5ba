//! Messages by e-mail.

use super::notification::Notification;
use super::secret;
use crate::agent::config::MailTable;
use crate::error::{Error, Kind, Result};
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How errors name it.
const NAME: &str = "the mail server";

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);

/// Who gets messages, and by which server.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    /// Of the file, with its password.
    pub fn open(table: &MailTable, variables: &BTreeMap<String, String>) -> Result<Self> {
        let server = Server::parse(&table.smtp.value.expand(variables)?)?;
        let from = table.from.clone().or_else(|| server.sender()).ok_or_else(|| {
            wrong("`from` is missing, and `smtp` names no user that messages may come from")
        })?;
        let to = table.to.all().iter().map(|to| mailbox(to)).collect::<Result<Vec<_>>>()?;
        if to.is_empty() {
            return Err(wrong("`to` is empty"));
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .timeout(Some(CONNECTING))
            .tls(server.tls()?);
        match (&server.user, &table.password_file) {
            (None, Some(_)) => return Err(wrong("`smtp` names no user for the password")),
            (Some(_), Some(_)) if server.security == Security::Plain => {
                return Err(wrong(
                    "a password is sent over TLS alone, and `smtp` says `?tls=none`",
                ));
            }
            (Some(user), Some(path)) => {
                let password = secret::line(path)?;
                let credentials = Credentials::new(user.clone(), password.to_string());
                builder = builder.credentials(credentials);
            }
            // The user only names the sender.
            (_, None) => {}
        }
        Ok(Mail { transport: builder.build(), from: mailbox(&from)?, to })
    }

    /// Sends a message.
    pub async fn send(&self, notification: &Notification) -> Result<()> {
        let failed = |cause: lettre::error::Error| wrong(&cause.to_string());
        let mut message = Message::builder().from(self.from.clone()).subject(&notification.subject);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let body = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .header(ContentTransferEncoding::QuotedPrintable)
            .body(notification.message.clone());
        let message = message.singlepart(body).map_err(failed)?;
        self.transport.send(message).await.map(drop).map_err(|cause| reported(&cause))
    }
}

fn reported(error: &lettre::transport::smtp::Error) -> Error {
    let reason = error.to_string();
    let kind = match error.is_permanent() || error.is_tls() || reason.contains("certificate") {
        true => Kind::Denied,
        false => Kind::Unavailable,
    };
    Error::new(kind, "send by", NAME).because(reason)
}

fn wrong(reason: &str) -> Error {
    Error::new(Kind::InvalidInput, "use", "`mail`").because(reason)
}

fn mailbox(text: &str) -> Result<Mailbox> {
    text.parse().map_err(|_| wrong(&format!("{text:?} is no address of e-mail")))
}

/// Checks who gets messages.
pub fn check_address(text: &str) -> Result<()> {
    mailbox(text).map(drop)
}

/// A server of mail.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    user: Option<String>,
    security: Security,
}

#[derive(Debug, PartialEq, Eq)]
enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything is sent.
    StartTls,
    /// None: this machine's own server, or one that was named so.
    Plain,
}

impl Server {
    /// Reads `smtps://USER@HOST:PORT`, or `smtp://` with the same.
    fn parse(text: &str) -> Result<Self> {
        let not_one = || wrong("`smtp` is no `smtps://USER@HOST` and no `smtp://HOST`");
        let url: Url = text.trim().parse().map_err(|_| not_one())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_one)?;
        if url.password().is_some() {
            return Err(wrong("a password stands in `smtp`: name its file with `password_file`"));
        }
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(decoded);
        let is_plain = match url.query() {
            None => is_loopback(host) && user.is_none(),
            Some("tls=none") if url.scheme() == "smtp" => true,
            Some(_) => {
                return Err(wrong("`smtp` takes `?tls=none` and nothing else after the host"));
            }
        };
        let (security, port) = match url.scheme() {
            "smtps" => (Security::Tls, 465),
            "smtp" if is_plain => (Security::Plain, 25),
            "smtp" if user.is_some() => (Security::StartTls, 587),
            "smtp" => (Security::StartTls, 25),
            _ => return Err(not_one()),
        };
        // Brackets of an IPv6 address are the URL's.
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Server { host, port: url.port().unwrap_or(port), user, security })
    }

    /// Whom messages come from where nothing else is said.
    fn sender(&self) -> Option<String> {
        let user = self.user.as_ref()?;
        Some(if user.contains('@') { user.clone() } else { format!("{user}@{}", self.host) })
    }

    fn tls(&self) -> Result<Tls> {
        let parameters = || {
            TlsParameters::new(self.host.clone()).map_err(|cause| {
                Error::new(Kind::Failed, "set up", "TLS").because(cause.to_string())
            })
        };
        Ok(match self.security {
            Security::Tls => Tls::Wrapper(parameters()?),
            Security::StartTls => Tls::Required(parameters()?),
            Security::Plain => Tls::None,
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// What stands in a URL as `%40`.
fn decoded(user: &str) -> String {
    percent_encoding::percent_decode_str(user).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> (String, u16, Option<String>, Security) {
        let Server { host, port, user, security } = Server::parse(text).unwrap();
        (host, port, user, security)
    }

    /// Each spelling means its server; a password is sent over TLS alone, and none stands in the file.
    #[test]
    fn servers_are_read() {
        let user = |name: &str| Some(name.to_owned());
        for (text, host, port, name, security) in [
            ("smtps://ice@mail.example.com", "mail.example.com", 465, user("ice"), Security::Tls),
            ("smtps://a%40b.c@[::1]:1465", "::1", 1465, user("a@b.c"), Security::Tls),
            ("smtp://ice@127.0.0.1", "127.0.0.1", 587, user("ice"), Security::StartTls),
            ("smtp://relay", "relay", 25, None, Security::StartTls),
            ("smtp://localhost", "localhost", 25, None, Security::Plain),
            ("smtp://[::1]:26", "::1", 26, None, Security::Plain),
            ("smtp://relay?tls=none", "relay", 25, None, Security::Plain),
        ] {
            assert_eq!(server(text), (host.to_owned(), port, name, security), "{text}");
        }
        for text in [
            "",
            "mail",
            "smtp://",
            "http://mail",
            "smtps://u:p@mail",
            "smtp://m?tls=no",
            "smtps://m?tls=none",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
        let sender = |text| Server::parse(text).unwrap().sender();
        assert_eq!(sender("smtps://ice@mail"), user("ice@mail"));
        assert_eq!(sender("smtps://a%40b@mail"), user("a@b"));
    }
}
