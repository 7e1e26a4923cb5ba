//! Channels: the ways in which alerts are sent.

use super::command::ShellLine;
use super::mail::Mail;
use super::notification::Notification;
use super::webhook::Webhook;
use crate::agent::config::Alert;
use crate::error::{Error, Kind, Result};
use std::collections::BTreeMap;

/// The name of a channel, that of its key in the file.
pub type Name = &'static str;

/// A way by which people are told.
pub struct Channel {
    /// Its name.
    pub name: Name,
    way: Result<Way>,
}

enum Way {
    Mail(Mail),
    Webhook(Webhook),
    Command(ShellLine),
}

/// The names of those that the file has.
pub fn names(alert: &Alert) -> Vec<Name> {
    let Alert { mail, webhook, command, ping: _ } = alert;
    let there =
        [("mail", mail.is_some()), ("webhook", webhook.is_some()), ("command", command.is_some())];
    there.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

impl Channel {
    /// The one of this name, with the secrets that it needs; one that cannot be used says so when it is.
    pub fn open(
        alert: Option<&Alert>,
        name: Name,
        variables: &BTreeMap<String, String>,
    ) -> Channel {
        let none =
            || Error::new(Kind::InvalidInput, "send an alert by", name).because("it is not set up");
        let way = match (name, alert) {
            ("mail", Some(Alert { mail: Some(mail), .. })) => {
                Mail::open(mail, variables).map(Way::Mail)
            }
            ("webhook", Some(Alert { webhook: Some(webhook), .. })) => {
                Webhook::open(webhook, variables).map(Way::Webhook)
            }
            ("command", Some(Alert { command: Some(line), .. })) => {
                Ok(Way::Command(ShellLine::new(line)))
            }
            _ => Err(none()),
        };
        Channel { name, way }
    }

    /// Whether it can be used, as far as this host knows.
    pub fn usable(self) -> Result<()> {
        self.way.map(drop)
    }

    /// Sends a message, once. An error of [`Kind::Unavailable`] may be another one's next time.
    pub async fn send(&self, notification: &Notification) -> Result<()> {
        match &self.way {
            Ok(Way::Mail(mail)) => mail.send(notification).await,
            Ok(Way::Webhook(webhook)) => webhook.send(notification).await,
            Ok(Way::Command(command)) => command.send(notification).await,
            Err(error) => {
                Err(Error::new(error.kind(), "send an alert by", self.name)
                    .because(error.to_string()))
            }
        }
    }
}
