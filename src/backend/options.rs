//! What is said of stores besides their places: `-o key=value`, and how fast they may be used. The
//! same options go with every place that a command names.

use crate::error::{Error, Kind, Result};
use crate::text;
use std::collections::BTreeMap;
use std::fmt;

/// Options of stores, each of which some kind of store knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pairs: BTreeMap<String, String>,
    rates: Rates,
    variables: Variables,
}

/// Variables that count before those of the environment; what is in them is not told.
#[derive(Clone, Default, PartialEq, Eq)]
struct Variables(BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Bytes a second that go to stores and come from them; none for as many as the line takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// To the store.
    pub upload: Option<u64>,
    /// From it.
    pub download: Option<u64>,
}

/// The scheme of servers that are reached over ssh.
pub(super) const SFTP: &str = "sftp";

/// Each key, and the schemes of the stores that know it.
const KEYS: [(&str, &[&str]); 12] = [
    ("cacert", &["azure", "b2", "gs", "s3", "webdav"]),
    ("command", &[SFTP]),
    ("connections", &["azure", "b2", "gs", "s3", SFTP, "webdav"]),
    ("endpoint", &["azure", "gs", "s3"]),
    ("identity", &[SFTP]),
    ("path-style", &["s3"]),
    ("profile", &["s3"]),
    ("region", &["s3"]),
    ("retain", &["s3"]),
    ("retain-mode", &["s3"]),
    ("storage-class", &["s3"]),
    ("timeout", &["azure", "b2", "gs", "s3", SFTP, "webdav"]),
];

/// What a key is called that names a secret.
const SECRETS: [&str; 8] = [
    "secret",
    "password",
    "token",
    "access-key",
    "account-key",
    "application-key",
    "connection-string",
    "credential",
];

/// Where secrets belong.
const INSTEAD: &str = "set variables of the environment instead: for S3 AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY, for WebDAV ICECORE_WEBDAV_PASSWORD, for Azure AZURE_STORAGE_KEY, for B2 \
    B2_APPLICATION_KEY; for Google GOOGLE_APPLICATION_CREDENTIALS names a file";

impl Options {
    /// Reads `key=value` texts, of which the last one of a key counts.
    ///
    /// # Errors
    /// `InvalidInput` for a key that no store knows, and for secrets, which other users of the
    /// machine would see.
    pub fn parse(texts: &[String], rates: Rates) -> Result<Self> {
        let mut pairs = BTreeMap::new();
        for text in texts {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            if SECRETS.iter().any(|secret| key.replace('_', "-").contains(secret)) {
                return Err(invalid(key)
                    .because("other users of this machine see what stands on a command line")
                    .hint(INSTEAD));
            }
            if !KEYS.iter().any(|(known, _)| *known == key) {
                let nearest = nearest(key, KEYS.iter().map(|(known, _)| *known));
                return Err(invalid(key).because("no store has such an option").hint(nearest));
            }
            if value.is_empty() {
                return Err(invalid(key).because("it has no value").hint("write -o key=value"));
            }
            pairs.insert(key.to_owned(), value.to_owned());
        }
        Ok(Options { pairs, rates, variables: Variables::default() })
    }

    /// The same, with variables that count before those of the environment.
    pub fn with_variables(self, variables: BTreeMap<String, String>) -> Self {
        Options { variables: Variables(variables), ..self }
    }

    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let given = self.given(name).map(str::to_owned);
        given.or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty())
    }

    /// A variable that counts before those of the environment.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.variables.0.get(name).map(String::as_str)
    }

    /// How fast stores may be used.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// What is said of stores of this scheme.
    ///
    /// # Errors
    /// `InvalidInput` for a key that only others know.
    pub(super) fn of(&self, scheme: &str) -> Result<&BTreeMap<String, String>> {
        let is_known = |key: &str| {
            KEYS.iter().any(|(known, schemes)| *known == key && schemes.contains(&scheme))
        };
        match self.pairs.keys().find(|key| !is_known(key)) {
            None => Ok(&self.pairs),
            Some(key) => {
                let known = KEYS.iter().filter(|(_, schemes)| schemes.contains(&scheme));
                Err(invalid(key)
                    .because(format!("stores of {scheme}: do not know it"))
                    .hint(nearest(key, known.map(|(known, _)| *known))))
            }
        }
    }
}

/// The number that an option says, from 1 to `most`.
pub(super) fn number(
    pairs: &BTreeMap<String, String>,
    key: &str,
    default: u64,
    most: u64,
) -> Result<u64> {
    let Some(text) = pairs.get(key) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| invalid(key).because(format!("it is no number from 1 to {most}")))
}

/// An option that cannot be used; its value is not repeated.
pub(super) fn invalid(key: &str) -> Error {
    Error::new(Kind::InvalidInput, "use the option", format!("-o {key}"))
}

/// What may have been meant.
fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let distance = |known: &&str| strsim::damerau_levenshtein(key, known);
    match known.clone().min_by_key(distance).filter(|best| distance(best) <= 1 + key.len() / 3) {
        Some(best) => format!("did you mean -o {best}=...?"),
        None => text::known(known, "there are none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(&[text.to_owned()], Rates::default())
    }

    /// An unknown key is refused with the nearest one, or with all of them where none is near.
    #[test]
    fn unknown_keys_are_refused() {
        for (text, hint) in [
            ("endpiont=x", "-o endpoint=..."),
            ("regions=x", "-o region=..."),
            ("path_style=x", "-o path-style=..."),
            ("wombat=x", "cacert, command, connections, endpoint"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text}");
            assert!(error.hint_text().unwrap().contains(hint), "{text}: {:?}", error.hint_text());
        }
        assert!(parse("region").is_err() && parse("region=").is_err());
        assert_eq!(parse("region=x=y").unwrap().of("s3").unwrap()["region"], "x=y");
        assert!(parse("region=x").unwrap().of("tape").is_err());
    }

    /// A secret on the command line is refused, and not repeated.
    #[test]
    fn secrets_are_refused() {
        for key in ["secret-access-key", "access-key-id", "aws_secret_access_key", "session-token"]
        {
            let error = parse(&format!("{key}=hunter2")).unwrap_err();
            let text = format!("{error} {error:?} {}", error.hint_text().unwrap());
            assert!(!text.contains("hunter2") && text.contains("AWS_SECRET_ACCESS_KEY"), "{text}");
        }
    }
}
