//! The text by which a person names a repository, and the backend that it means.

use super::{Backend, Local};
use crate::error::{Error, Kind, Result};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a repository lies: `/path`, `relative/path` or `local:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Local(PathBuf),
}

impl Location {
    /// The store there, of which nothing is changed.
    ///
    /// # Errors
    /// `NoRepository` if there is no such place.
    pub fn open(&self) -> Result<Box<dyn Backend>> {
        match self {
            Location::Local(path) => Ok(Box::new(Local::open(path)?)),
        }
    }

    /// The store there, its place made if it is missing: for `init`.
    pub fn create(&self) -> Result<Box<dyn Backend>> {
        match self {
            Location::Local(path) => Ok(Box::new(Local::create(path)?)),
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let path = match scheme_of(text) {
            None => text,
            Some(("local", path)) => path,
            Some((scheme, _)) => {
                return Err(invalid(text)
                    .because(format!("this program knows no store named {scheme:?}"))
                    .hint(format!("for a directory write ./{text} or local:{text}")));
            }
        };
        if path.is_empty() || path.contains('\0') {
            return Err(invalid(text)
                .because("it names no directory")
                .hint("write a path such as /srv/backup or local:/srv/backup"));
        }
        Ok(Location::Local(PathBuf::from(path)))
    }
}

fn invalid(text: &str) -> Error {
    Error::new(Kind::InvalidInput, "use the repository location", format!("{text:?}"))
}

/// What stands before the first colon, if it can be the name of a scheme, and what follows.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let starts_well = letters.next()?.is_ascii_alphabetic();
    let goes_on = letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    (starts_well && goes_on).then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths are paths, with or without the scheme; only the first colon of a scheme counts.
    #[test]
    fn reads_directories() {
        for (text, path) in [
            ("/srv/b", "/srv/b"),
            ("local:/srv/b", "/srv/b"),
            ("./s3:x", "./s3:x"),
            ("local:s3:x", "s3:x"),
            ("b", "b"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap(), Location::Local(path.into()), "{text}");
        }
    }

    /// A store that is not known, or no place at all, is refused in words.
    #[test]
    fn refuses_what_it_does_not_know() {
        for text in ["s3:bucket/x", "sftp://host/x", "https://host", "", "local:", "a\0b"] {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text:?}");
            assert!(error.hint_text().is_some(), "{text:?}");
        }
    }
}
