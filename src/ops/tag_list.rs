//! Tags that a snapshot must have together.

use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Tags that a snapshot must have together: one at least, and none of them empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagList(BTreeSet<String>);

impl TagList {
    /// Whether all of them are among `tags`, whatever spaces are around those.
    pub fn is_within(&self, tags: &BTreeSet<String>) -> bool {
        self.0.iter().all(|wanted| tags.iter().any(|tag| tag.trim() == wanted))
    }
}

impl FromStr for TagList {
    type Err = Error;

    /// Tags, separated by commas. Spaces around them are not part of them.
    fn from_str(text: &str) -> Result<Self> {
        let tags: BTreeSet<String> = text.split(',').map(|tag| tag.trim().to_owned()).collect();
        match tags.contains("") {
            true => Err(Error::new(Kind::InvalidInput, "understand the tags", format!("{text:?}"))
                .because("one of them is empty")),
            false => Ok(TagList(tags)),
        }
    }
}

impl fmt::Display for TagList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<&str> = self.0.iter().map(String::as_str).collect();
        f.write_str(&tags.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spaces and commas too many do not make another tag of one: spaces go, and an empty tag is
    /// refused, since no snapshot has it.
    #[test]
    fn tags_are_taken_as_they_are_meant() {
        let list: TagList = "b, a".parse().unwrap();
        let tags = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
        assert!(list.is_within(&tags(&["a", "b", "c"])) && !list.is_within(&tags(&["a"])));
        assert!(list.is_within(&tags(&["a", " b"])), "as `backup --tag 'a, b'` writes it");
        assert_eq!(list.to_string(), "a,b");
        for text in ["", " ", "a,", ",a", "a, ,b"] {
            assert_eq!(text.parse::<TagList>().unwrap_err().kind(), Kind::InvalidInput, "{text:?}");
        }
    }
}
