//! Where in the file something is wrong, and what may have been meant.

use crate::error::{Error, Kind};
use std::ops::Range;
use std::path::Path;

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

    /// Something there makes no sense.
    pub fn wrong(&self, span: Range<usize>, reason: impl Into<String>) -> Error {
        Error::new(Kind::InvalidInput, "use", self.place(span.start)).because(reason)
    }

    /// What the reader of TOML says.
    pub fn explained(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or_default();
        let message = error.message();
        let Some((key, known)) = unknown_key(message) else {
            return self.wrong(span, message.replace('\n', " "));
        };
        let error = self.wrong(span, format!("there is no key `{key}` here"));
        match is_secret(key) {
            true => error.hint(
                "no secret stands in the file: name where it is, with `password_file`, \
                 `password_command`, `key_file` or `env_file`",
            ),
            false => error.hint(nearest(key, &known)),
        }
    }
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
        None if known.is_empty() => "there are none here".to_owned(),
        None => format!("there are {}", known.join(", ")),
    }
}
