//! Where in the file a mistake is, and what may have been meant.

use crate::error::{Error, Kind};
use crate::text;
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// What a key is called that wants a secret.
const SECRETS: [&str; 6] = ["password", "passphrase", "secret", "token", "access_key", "key"];

/// The file, as it is written.
#[derive(Clone, Copy)]
pub struct Text<'t> {
    /// Where it lies.
    pub path: &'t Path,
    /// What stands in it.
    pub text: &'t str,
}

impl Text<'_> {
    /// `FILE:LINE:COLUMN` of what begins there.
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        format!("{}:{line}:{column}", self.path.display())
    }

    /// Where what these keys lead to begins, as far as they are there; a number is one of a list.
    pub fn span(&self, keys: &[&str]) -> Range<usize> {
        let Ok(table) = DeTable::parse(self.text) else { return 0..0 };
        let root = DeValue::Table(table.into_inner());
        let (mut value, mut span) = (&root, 0..0);
        for key in keys {
            let found = match key.parse::<usize>() {
                Ok(number) if value.is_array() => value.get(number),
                _ => value.get(*key),
            };
            if let Some(found) = found {
                (value, span) = (found.get_ref(), found.span());
            }
        }
        span
    }

    /// Something there makes no sense.
    pub fn wrong(&self, span: Range<usize>, reason: impl Into<String>) -> Error {
        Error::new(Kind::InvalidInput, "use", self.place(span.start)).because(reason)
    }

    /// What the reader of TOML says.
    pub fn explained(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or_default();
        let message = error.message();
        if message == "duplicate key" {
            let key = self.text.get(span.clone()).unwrap_or_default();
            return self
                .wrong(span, format!("there is another `{key}` in the same table"))
                .hint("give one of them another name, or make one of both");
        }
        let Some((key, known)) = unknown_key(message) else {
            return self.wrong(span, in_words_of_toml(&message.replace('\n', " ")));
        };
        let error = self.wrong(span, format!("there is no key `{key}` here"));
        match is_secret(key) {
            true => error.hint(
                "secrets must not be in this file: name where they are, with `password_file`, \
                 `password_command`, `key_file` or `env_file`",
            ),
            false => error.hint(nearest(key, &known)),
        }
    }
}

/// What was expected, called as in TOML: serde calls it as in Rust.
fn in_words_of_toml(message: &str) -> String {
    let Some((before, expected)) = message.split_once("expected struct ") else {
        return message.replace("expected a sequence", "expected a list");
    };
    let behind = expected.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric());
    format!("{before}expected a table{behind}")
}

/// The key that is not known, and those that are, of serde's words for it.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((key, known))
}

fn is_secret(key: &str) -> bool {
    let key = key.replace('-', "_").to_ascii_lowercase();
    SECRETS.iter().any(|secret| key == *secret || key.ends_with(&format!("_{secret}")))
        || key.starts_with("aws_")
}

/// What may have been meant by a name, or all there are.
pub fn nearest(name: &str, known: &[&str]) -> String {
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    let best = known.iter().min_by_key(distance);
    match best.filter(|best| distance(best) <= 1 + name.len() / 3) {
        Some(best) => format!("did you mean `{best}`?"),
        None => text::known(known, "there are none here"),
    }
}
