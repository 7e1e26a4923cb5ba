//! Alerts by mail, webhook and command, the file of metrics, and the panel.

use super::At;
use crate::agent::alert::{can_be_pinged, check_address, unknown_name};
use crate::agent::config::place::Text;
use crate::agent::config::{Alert, Config, MailTable, WebhookTable};
use crate::error::Result;

/// What is wrong with it.
pub(super) fn of_alert(config: &Config, text: Text<'_>) -> Result<()> {
    let at = |keys| At::new(text, keys, keys.join("."));
    if let Some((key, fault)) = config.panel.as_ref().and_then(|panel| panel.fault()) {
        return Err(at(&["panel"]).wrong_at(key, &fault));
    }
    if let Some(Alert { mail, webhook, command, ping }) = &config.alert {
        at(&["alert"]).filled(&["command"], command)?;
        if ping.as_ref().is_some_and(|ping| !can_be_pinged(&ping.to_string())) {
            let reason = "`ping` is not a URL that begins with https:// or http://";
            return Err(at(&["alert"]).wrong_at(&["ping"], reason));
        }
        webhook.iter().try_for_each(|it| of_webhook(it, &at(&["alert", "webhook"])))?;
        mail.iter().try_for_each(|it| of_mail(it, &at(&["alert", "mail"])))?;
    }
    match config.metrics.as_ref().and_then(|metrics| metrics.textfile.as_ref()) {
        Some(path) => at(&["metrics"]).absolute("textfile", path),
        None => Ok(()),
    }
}

fn of_webhook(webhook: &WebhookTable, at: &At<'_>) -> Result<()> {
    if webhook.url.is_some() == webhook.url_file.is_some() {
        return Err(at.wrong("exactly one of `url` and `url_file` is needed"));
    }
    webhook.url_file.iter().try_for_each(|path| at.absolute("url_file", path))?;
    if webhook.template.is_some() && webhook.preset.is_some() {
        return Err(at.wrong("`preset` and `template` exclude each other"));
    }
    match unknown_name(webhook.template.as_deref().unwrap_or_default()) {
        Some(name) => Err(at
            .wrong_at(&["template"], &format!("`template` has the unknown name `{{{{{name}}}}}`"))),
        None => Ok(()),
    }
}

fn of_mail(mail: &MailTable, at: &At<'_>) -> Result<()> {
    mail.password_file.iter().try_for_each(|path| at.absolute("password_file", path))?;
    let instead = "put it into a file of its own, which `password_file` names";
    at.without_password("smtp", &mail.smtp.to_string(), instead)?;
    let addresses = mail.to.all().iter().map(|to| ("to", to));
    for (key, address) in addresses.chain(mail.from.iter().map(|from| ("from", from))) {
        check_address(address).map_err(|error| at.wrong_at(&[key], &error.why()))?;
    }
    Ok(())
}
