//! The fields of a query or a form, by name. Their values are bytes, since names of files are bytes.

use super::refusal::Refusal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// What stands in a link as it is.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Longest path in a snapshot.
const MAX_BYTES: usize = 16 << 10;

/// Fields by name.
pub struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    /// Those of a query, or of a form's body.
    pub fn parse(text: &[u8]) -> Self {
        let decoded = |text: &[u8]| -> Vec<u8> {
            let spaced: Vec<u8> =
                text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            percent_decode(&spaced).collect()
        };
        let field = |pair: &[u8]| {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(equals)?;
            let name = String::from_utf8(decoded(name)).ok()?;
            Some((name, decoded(value.get(1..).unwrap_or_default())))
        };
        Fields(text.split(|byte| *byte == b'&').filter_map(field).collect())
    }

    /// The first of this name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }

    /// A number; 0 without it.
    pub fn number(&self, name: &str) -> Result<usize, Refusal> {
        match self.text(name) {
            None => Ok(0),
            Some(text) => {
                text.parse().map_err(|_| Refusal::senseless("that is no number in the address"))
            }
        }
    }

    /// The path in a snapshot; `/` without it.
    pub fn path(&self) -> Result<&[u8], Refusal> {
        let path = self.bytes("path").unwrap_or(b"/");
        let wrong = |part: &[u8]| part == b"." || part == b"..";
        let is_path = path.starts_with(b"/")
            && path.len() <= MAX_BYTES
            && !path.contains(&0)
            && !path.split(|byte| *byte == b'/').any(wrong);
        match is_path {
            true => Ok(path),
            false => Err(Refusal::senseless("that is no path in a snapshot")),
        }
    }
}

/// Bytes as they stand in a link.
pub fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, &PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any bytes come back from a link, and nothing that is no path in a snapshot passes for one.
    #[test]
    fn paths_are_bytes_and_stay_in_the_snapshot() {
        let all: Vec<u8> =
            std::iter::once(b'/').chain((1..=255).filter(|it| *it != b'/')).collect();
        let fields = Fields::parse(format!("a=1&path={}", encoded(&all)).as_bytes());
        assert_eq!(fields.path().unwrap(), all);
        assert!(
            encoded(&all).bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'&".contains(&byte))
        );
        assert_eq!(Fields::parse(b"path=/a+b%2b").path().unwrap(), b"/a b+");
        assert_eq!(Fields::parse(b"").path().unwrap(), b"/");
        for wrong in ["..", "etc", "/..", "/a/../b", "%2f%2e%2e", "/a%00", "/./a", ""] {
            assert!(Fields::parse(format!("path={wrong}").as_bytes()).path().is_err(), "{wrong}");
        }
    }
}
