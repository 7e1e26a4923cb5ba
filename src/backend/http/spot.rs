//! What all names of places over HTTP are made of: the URL of a server, a bucket, and a prefix in it.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::ops::RangeInclusive;

/// Letters in the name of a bucket. Some stores take an object for one that cannot exist, and lose it.
const NAME: RangeInclusive<usize> = 3..=63;

/// A bucket or container, and the folder of a repository in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub bucket: String,
    /// Without `/` at its ends; empty for the bucket's root.
    pub prefix: String,
}

impl Spot {
    /// Reads `bucket/prefix`.
    pub(super) fn parse(scheme: &str, text: &str) -> Result<Self> {
        let mut parts = text.split('/').filter(|part| !part.is_empty());
        let bucket = parts.next().unwrap_or_default();
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if !NAME.contains(&bucket.len()) || !bucket.chars().all(is_name) {
            return Err(invalid(scheme)
                .because("it names no bucket: that has 3 to 63 letters, digits, hyphens and dots")
                .hint(format!("write {scheme}://bucket/prefix")));
        }
        let prefix: Vec<&str> = parts.collect();
        if prefix.iter().any(|part| [".", ".."].contains(part)) || text.contains(['\0', '\n']) {
            return Err(invalid(scheme).because("a prefix has no `.`, `..` or line breaks"));
        }
        Ok(Spot { bucket: bucket.to_owned(), prefix: prefix.join("/") })
    }

    /// Reads `//bucket/prefix`, or `bucket:prefix` as restic writes it.
    pub(super) fn parse_either(scheme: &str, text: &str) -> Result<Self> {
        match text.strip_prefix("//") {
            Some(path) => Spot::parse(scheme, path),
            None => Spot::parse(scheme, &text.replacen(':', "/", 1)),
        }
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        Spot { bucket: self.bucket.clone(), prefix: format!("{}{slash}{name}", self.prefix) }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{}{slash}{}", self.bucket, self.prefix)
    }
}

/// Parts `https://host:port/path` or `host:port/path` into the URL of a server and a path.
pub(super) fn server_of<'t>(scheme: &str, text: &'t str) -> Result<(String, &'t str)> {
    if text.contains(['@', '?', '#']) {
        return Err(invalid(scheme)
            .because("the name of a server has no user, password or query")
            .hint("secrets are taken from variables of the environment"));
    }
    let (protocol, rest) = text.split_once("://").unwrap_or(("https", text));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.:[]".contains(letter);
    if !["http", "https"].contains(&protocol) || host.is_empty() || !host.chars().all(is_name) {
        return Err(invalid(scheme).because("it names no server that is spoken to over HTTP"));
    }
    Ok((format!("{protocol}://{host}"), path))
}

/// A place that cannot be used; what was written may hold a password and is not repeated.
pub(super) fn invalid(scheme: &str) -> Error {
    Error::new(Kind::InvalidInput, "use the repository location", format!("`{scheme}:...`"))
}

/// Each spelling of a place that begins with the name of a bucket means its bucket and prefix, and is shown so
/// that it can be written again; what names no bucket is refused.
#[cfg(test)]
pub(super) fn assert_reads_places<P: fmt::Debug + fmt::Display + PartialEq>(
    scheme: &str,
    parse: impl Fn(&str) -> Result<P>,
    below: impl Fn(&P, &str) -> P,
) {
    for (text, shown) in [
        ("//bucket/a/b/", "//bucket/a/b"),
        ("//bucket", "//bucket"),
        ("bucket:/a", "//bucket/a"),
        ("bucket:a/b", "//bucket/a/b"),
    ] {
        let place = parse(text).unwrap();
        assert_eq!(place.to_string(), format!("{scheme}:{shown}"), "{text}");
        assert_eq!(parse(shown).unwrap(), place);
        assert_eq!(below(&place, "c").to_string(), format!("{scheme}:{shown}/c"));
    }
    for text in ["", "//", "//bu", "//bucket/../x", "//key:hunter2@bucket/x"] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{text}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
