//! What must hold between the keys of the file.

use super::place::{Text, nearest};
use super::{Config, Job, Repository, SourceTable, TextOrTable};
use crate::agent::alert::{check_address, unknown_name};
use crate::backend::{Location, Options, Rates};
use crate::error::{Error, Result};
use std::ops::Range;
use std::path::Path;

/// Everything.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn all(config: &Config, text: Text<'_>) -> Result<()> {
    for (name, repository) in &config.repository {
        let at = At { text, span: repository.span(), what: format!("repository {name}") };
        at.name(name)?;
        of_repository(repository.get_ref(), &at)?;
    }
    let known: Vec<&str> = config.repository.keys().map(String::as_str).collect();
    for (name, job) in &config.job {
        let at = At { text, span: job.span(), what: format!("job {name}") };
        at.name(name)?;
        of_job(job.get_ref(), &known, &at)?;
    }
    if let Some(fault) = config.panel.as_ref().and_then(super::Panel::fault) {
        return Err(At { text, span: 0..0, what: "panel".to_owned() }.wrong(&fault));
    }
    of_telling(config, text)
}

fn of_telling(config: &Config, text: Text<'_>) -> Result<()> {
    let at = |what: &str| At { text, span: 0..0, what: what.to_owned() };
    let alert = config.alert.as_ref();
    if let Some(webhook) = alert.and_then(|alert| alert.webhook.as_ref()) {
        let at = at("alert.webhook");
        if webhook.url.is_some() == webhook.url_file.is_some() {
            return Err(at.wrong("one of `url` and `url_file` says where it goes"));
        }
        webhook.url_file.iter().try_for_each(|path| at.absolute("url_file", path))?;
        if webhook.template.is_some() && webhook.preset.is_some() {
            return Err(at.wrong("`preset` and `template` exclude each other"));
        }
        let template = webhook.template.as_deref().unwrap_or_default();
        if let Some(name) = unknown_name(template) {
            return Err(at.wrong(&format!("`{{{{{name}}}}}` in `template` means nothing")));
        }
    }
    if let Some(mail) = alert.and_then(|alert| alert.mail.as_ref()) {
        let at = at("alert.mail");
        mail.password_file.iter().try_for_each(|path| at.absolute("password_file", path))?;
        at.without_password("smtp", &mail.smtp.to_string())?;
        for address in mail.to.all().iter().chain(&mail.from) {
            check_address(address).map_err(|error| at.wrong(&error.why()))?;
        }
    }
    if let Some(path) = config.metrics.as_ref().and_then(|metrics| metrics.textfile.as_ref()) {
        at("metrics").absolute("textfile", path)?;
    }
    Ok(())
}

/// Something with a place in the file.
struct At<'t> {
    text: Text<'t>,
    span: Range<usize>,
    what: String,
}

impl At<'_> {
    fn wrong(&self, reason: &str) -> Error {
        self.text.wrong(self.span.clone(), format!("{}: {reason}", self.what))
    }

    /// Names of jobs and repositories are names of files, too.
    fn name(&self, name: &str) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match name.bytes().all(fits) && !name.starts_with('.') && (1..=64).contains(&name.len()) {
            true => Ok(()),
            false => Err(self.wrong(
                "a name has up to 64 letters, digits, `-`, `_` and `.`, and begins with no `.`",
            )),
        }
    }

    /// Nobody knows in which folder an unattended run begins.
    fn absolute(&self, key: &str, path: &Path) -> Result<()> {
        match path.is_absolute() {
            true => Ok(()),
            false => Err(self.wrong(&format!("{key} is no absolute path: {}", path.display()))),
        }
    }

    /// A text with a user in it has no password beside.
    fn without_password(&self, key: &str, text: &str) -> Result<()> {
        let user = text.split_once("://").and_then(|(_, rest)| {
            let authority = rest.split(['/', '?', '#']).next()?;
            Some(authority.rsplit_once('@')?.0)
        });
        match user.is_some_and(|user| user.contains(':')) || text.contains("password=") {
            true => Err(self
                .wrong(&format!("a password stands in `{key}`, and no secret stands in the file"))
                .hint(
                    "of PostgreSQL's passwords ~/.pgpass knows; others stand in files of their own",
                )),
            false => Ok(()),
        }
    }
}

fn of_repository(repository: &Repository, at: &At<'_>) -> Result<()> {
    at.without_password("url", &repository.url)?;
    let options: Vec<String> =
        repository.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let parsed = Options::parse(&options, Rates::default())
        .and_then(|options| Location::parse(&repository.url, &options));
    let location = parsed.map_err(|error| {
        let outer = at.wrong(&error.to_string());
        match error.hint_text() {
            Some(hint) => outer.hint(hint.replace("-o ", "")),
            None => outer,
        }
    })?;
    let is_s3 = repository.url.starts_with("s3:");
    if repository.env_file.is_some() && !is_s3 {
        return Err(at.wrong(
            "`env_file` is read for buckets of S3 only, in this version: other stores take their variables \
             from the environment of `icecore run`",
        ));
    }
    if let Location::Local(path) = &location {
        at.absolute("url", path)?;
    }
    let Repository { env_file, password_file, key_file, password_command, .. } = repository;
    let named = [password_file.is_some(), key_file.is_some(), password_command.is_some()];
    if named.into_iter().filter(|named| *named).count() != 1 {
        return Err(at.wrong(
            "exactly one of `password_file`, `key_file` and `password_command` says what opens it",
        ));
    }
    for (key, path) in
        [("env_file", env_file), ("password_file", password_file), ("key_file", key_file)]
    {
        path.iter().try_for_each(|path| at.absolute(key, path))?;
    }
    if let Some(keep) = &repository.keep {
        keep.policy().map_err(|error| at.wrong(&format!("keep: {error}")))?;
    }
    Ok(())
}

fn of_job(job: &Job, known: &[&str], at: &At<'_>) -> Result<()> {
    let to = job.to.as_deref().unwrap_or_default();
    if to.is_empty() {
        return Err(at.wrong("`to` names no repository"));
    }
    for (number, name) in to.iter().enumerate() {
        let wrong = |reason: String| at.text.wrong(name.span(), format!("{}: {reason}", at.what));
        if !known.contains(&name.get_ref().as_str()) {
            return Err(wrong(format!("there is no repository `{}`", name.get_ref()))
                .hint(nearest(name.get_ref(), known)));
        }
        if to.iter().take(number).any(|other| other.get_ref() == name.get_ref()) {
            return Err(wrong(format!("`{}` is named twice", name.get_ref())));
        }
    }
    let names: Vec<&str> = job.repositories().collect();
    let foreign = |key: &str, of: &str| match names.contains(&of) {
        true => Ok(()),
        false => Err(at
            .wrong(&format!("{key} names `{of}`, which is not in `to`"))
            .hint(nearest(of, &names))),
    };
    if let Some(TextOrTable::Table(each)) = &job.rpo {
        each.keys().try_for_each(|name| foreign("rpo", name))?;
    }
    let allowed = names.iter().filter_map(|name| job.rpo.as_ref()?.of(name));
    if allowed.into_iter().any(|rpo| rpo.value.0.is_zero()) {
        return Err(
            at.wrong("`rpo` says how old a snapshot may become, and every one is older than 0s")
        );
    }
    if let Some(TextOrTable::Table(each)) = &job.rto {
        each.keys().try_for_each(|name| foreign("rto", name))?;
    }
    if let Some(TextOrTable::Table(each)) = &job.prune {
        each.keys().try_for_each(|name| foreign("prune", name))?;
    }
    if job.source.all().is_empty() {
        return Err(at.wrong("`source` names nothing"));
    }
    job.sources().try_for_each(|source| of_source(&source, at))?;
    if job.labels.contains_key(super::JOB_LABEL) {
        return Err(at.wrong("the label `job` is the name of the job, and is set by every run"));
    }
    if let Some(stop) = &job.stop {
        let fits = match (&stop.stop, &stop.start) {
            (Some(_), Some(_)) => stop.services.is_empty(),
            (None, None) => !stop.services.is_empty(),
            _ => false,
        };
        if !fits {
            return Err(at.wrong("`stop` takes both `stop` and `start`, or `services`"));
        }
    }
    match job.verify.iter().position(|verification| !verification.is_one()) {
        None => Ok(()),
        Some(number) => Err(at.wrong(&format!(
            "number {} of `verify` takes exactly one of `count`, `sql` (with `query` and `expect`), \
             `integrity`, `amcheck`, `http` (with `status`, `text` or `login`) and `command`",
            number + 1
        ))),
    }
}

fn of_source(source: &SourceTable, at: &At<'_>) -> Result<()> {
    let title = source.title();
    match (&source.source, &source.command, &source.name) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => {}
        _ => {
            return Err(at.wrong(&format!(
                "{title} takes `source` alone, or a `command` and the `name` of its output"
            )));
        }
    }
    if let Some(path) = source.path() {
        at.absolute("source", Path::new(path))?;
    }
    let is_server = |source: &String| source.starts_with("postgres-dump:");
    let of_server = source.source.as_ref().is_some_and(is_server);
    let says_of_server = !source.databases.is_empty()
        || !source.exclude_databases.is_empty()
        || source.pg_bin.is_some()
        || source.pg_command.is_some();
    if says_of_server && !of_server && !source.is_of_containers() {
        return Err(at.wrong(&format!("{title} is no PostgreSQL server, and has databases named")));
    }
    at.without_password("source", source.source.as_deref().unwrap_or_default())
}
