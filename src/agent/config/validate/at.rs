//! A place in the file, and checks of the texts and paths that stand there.

use crate::agent::config::place::Text;
use crate::agent::config::values::{Span, Written};
use crate::error::{Error, Result};
use std::path::Path;

/// Something with a place in the file.
pub(super) struct At<'t> {
    text: Text<'t>,
    keys: Vec<&'t str>,
    what: String,
}

impl<'t> At<'t> {
    /// What these keys lead to.
    pub(super) fn new(text: Text<'t>, keys: &[&'t str], what: impl Into<String>) -> Self {
        At { text, keys: keys.to_vec(), what: what.into() }
    }

    /// It makes no sense.
    pub(super) fn wrong(&self, reason: &str) -> Error {
        self.wrong_at(&[], reason)
    }

    /// What these keys of it lead to makes no sense.
    pub(super) fn wrong_at(&self, keys: &[&str], reason: &str) -> Error {
        let keys: Vec<&str> = self.keys.iter().chain(keys).copied().collect();
        self.text.wrong(self.text.span(&keys), format!("{}: {reason}", self.what))
    }

    /// It makes no sense to its parser, which may have said what to do.
    pub(super) fn refused(&self, key: &str, error: &Error) -> Error {
        let outer = self.wrong_at(&[key], &format!("{key}: {error}"));
        match error.hint_text() {
            Some(hint) => outer.hint(hint),
            None => outer,
        }
    }

    /// Names of jobs and repositories are names of files, and arguments of commands, too.
    pub(super) fn name(&self, name: &str) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = !name.starts_with(['.', '-']);
        match name.bytes().all(fits) && begins && (1..=64).contains(&name.len()) {
            true => Ok(()),
            false => Err(self.wrong(
                "a name has up to 64 letters, digits, `-`, `_` and `.`, and begins with neither `.` nor `-`",
            )),
        }
    }

    /// Nobody knows in which folder an unattended run begins.
    pub(super) fn absolute(&self, key: &str, path: &Path) -> Result<()> {
        match path.is_absolute() {
            true => Ok(()),
            false => {
                let reason =
                    format!("`{key}` is not an absolute path: {:?}", path.display().to_string());
                Err(self.wrong_at(&[key], &reason))
            }
        }
    }

    /// A text that is there says something.
    pub(super) fn filled<'s>(
        &self,
        keys: &[&str],
        texts: impl IntoIterator<Item = &'s String>,
    ) -> Result<()> {
        match texts.into_iter().any(|text| text.trim().is_empty()) {
            true => Err(self.wrong_at(keys, &format!("`{}` is empty", keys.join(".")))),
            false => Ok(()),
        }
    }

    /// Whatever takes time cannot be done in none.
    pub(super) fn lasting(&self, keys: &[&str], time: Option<&Written<Span>>) -> Result<()> {
        match time.is_some_and(|time| time.value.0.is_zero()) {
            true => {
                Err(self.wrong_at(keys, &format!("`{}` must be longer than 0", keys.join("."))))
            }
            false => Ok(()),
        }
    }

    /// A text with a user in it has no password beside; `instead` says where that goes.
    pub(super) fn without_password(&self, key: &str, text: &str, instead: &str) -> Result<()> {
        let user = text.split_once("://").and_then(|(_, rest)| {
            let authority = rest.split(['/', '?', '#']).next()?;
            Some(authority.rsplit_once('@')?.0)
        });
        match user.is_some_and(|user| user.contains(':')) || text.contains("password=") {
            true => Err(self
                .wrong_at(
                    &[key],
                    &format!("`{key}` contains a password, and secrets must not be in this file"),
                )
                .hint(instead)),
            false => Ok(()),
        }
    }
}
