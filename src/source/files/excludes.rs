//! Patterns of what to leave out.
//!
//! A pattern without `/` matches a name at any depth, one that begins with `/` the absolute
//! path, any other one a run of components at any depth. `*` and `?` stay within a component,
//! `**` spans any number, `[...]` is a class, `\` quotes. `!` before a pattern takes back what
//! earlier ones left out (but nothing is looked for within a folder that is left out). Braces
//! have no meaning.

use crate::error::{Attempt, Error, Kind, Result};
use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file of patterns, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// A pattern, and whether `A` matches `a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    any_case: bool,
}

impl Pattern {
    /// A pattern to which large and small letters are the same.
    pub fn of_any_case(text: impl Into<String>) -> Self {
        Pattern { text: text.into(), any_case: true }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Pattern { text, any_case: false }
    }
}

impl<T: AsRef<str> + ?Sized> From<&T> for Pattern {
    fn from(text: &T) -> Self {
        text.as_ref().to_owned().into()
    }
}

/// A set of patterns; the last one that matches decides.
#[derive(Default)]
pub struct Excludes {
    set: GlobSet,
    takes_back: Vec<bool>,
}

impl Excludes {
    /// The set of `patterns`.
    pub fn new<P: Into<Pattern>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut builder = GlobSetBuilder::new();
        let mut takes_back = Vec::new();
        for pattern in patterns {
            let Pattern { text, any_case } = pattern.into();
            let (positive, negated) = match text.strip_prefix('!') {
                Some(rest) => (rest, true),
                None => (text.as_str(), false),
            };
            builder.add(glob(positive, any_case)?);
            takes_back.push(negated);
        }
        let set = builder.build().map_err(|cause| bad_pattern("all of them", &cause))?;
        Ok(Excludes { set, takes_back })
    }

    /// The patterns in the file at `path`: one a line; blank lines and those that begin with
    /// `#` say nothing.
    pub fn patterns_in(path: &Path) -> Result<Vec<String>> {
        let mut text = String::new();
        let file = File::open(path).attempt("read patterns from", path.display())?;
        file.take(FILE_MAX)
            .read_to_string(&mut text)
            .attempt("read patterns from", path.display())?;
        let lines = text.lines().map(str::trim);
        Ok(lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect())
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.takes_back.is_empty()
    }

    /// Whether the entry at the absolute `path` is left out.
    pub fn leave_out(&self, path: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        match self.set.matches_candidate(&Candidate::from_bytes(path)).into_iter().max() {
            Some(last) => self.takes_back.get(last) == Some(&false),
            None => false,
        }
    }
}

/// A pattern of this module, without `!`, as a glob over absolute paths.
pub(crate) fn glob(pattern: &str, ignore_case: bool) -> Result<Glob> {
    GlobBuilder::new(&anchored(pattern))
        .literal_separator(true)
        .backslash_escape(true)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|cause| bad_pattern(pattern, &cause))
}

/// The glob over absolute paths that means what `pattern` does.
fn anchored(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len() + 4);
    if !pattern.starts_with('/') {
        glob.push_str("**/");
    }
    let mut characters = pattern.trim_end_matches('/').chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                glob.push('\\');
                glob.extend(characters.next());
            }
            '{' | '}' => {
                glob.push('\\');
                glob.push(character);
            }
            _ => glob.push(character),
        }
    }
    glob
}

fn bad_pattern(pattern: &str, cause: &globset::Error) -> Error {
    Error::new(Kind::InvalidInput, "understand the pattern", pattern)
        .because(cause.kind().to_string())
}

#[cfg(test)]
mod tests {
    use super::{Excludes, Pattern};

    /// The rules of patterns hold, one row for each.
    #[test]
    fn table() {
        let rows: &[(&[&str], &str, bool)] = &[
            (&["*.tmp"], "/a/b/c.tmp", true),
            (&["*.tmp"], "/a/b/c.tmp2", false),
            (&["*.tmp"], "/a/b.tmp/c", false),
            (&["cache"], "/x/cache", true),
            (&["cache"], "/x/cachet", false),
            (&["/a/b"], "/a/b", true),
            (&["/a/b"], "/x/a/b", false),
            (&["a/b"], "/x/a/b", true),
            (&["a/b"], "/a/b", true),
            (&["a/*/c"], "/x/a/b/c", true),
            (&["a/*/c"], "/x/a/b/b/c", false),
            (&["a/**/c"], "/x/a/b/b/c", true),
            (&["/a/**"], "/a/b/c", true),
            (&["/a/*"], "/a/b/c", false),
            (&["cache/"], "/x/cache", true),
            (&["[ab]?"], "/x/a1", true),
            (&["[ab]?"], "/x/c1", false),
            (&["{a,b}"], "/x/a", false),
            (&["{a,b}"], "/x/{a,b}", true),
            (&["\\*"], "/x/*", true),
            (&["\\*"], "/x/y", false),
            (&["*.log", "!keep.log"], "/x/keep.log", false),
            (&["*.log", "!keep.log"], "/x/other.log", true),
            (&["!keep.log", "*.log"], "/x/keep.log", true),
            (&[], "/x", false),
        ];
        for (patterns, path, expected) in rows {
            let excludes = Excludes::new(patterns.iter()).unwrap();
            let found = excludes.leave_out(path.as_bytes());
            assert_eq!(found, *expected, "{patterns:?} on {path}");
        }
    }

    /// A pattern of any case stands beside exact ones, in its place among them.
    #[test]
    fn any_case() {
        let patterns = || [Pattern::of_any_case("*.TMP"), Pattern::from("!keep.tmp")];
        let excludes = Excludes::new(patterns()).unwrap();
        for (path, expected) in [("/a/x.tmp", true), ("/a/X.Tmp", true), ("/a/keep.tmp", false)] {
            assert_eq!(excludes.leave_out(path.as_bytes()), expected, "{path}");
        }
        assert!(excludes.leave_out(b"/a/KEEP.TMP"), "what takes back is exact here");
    }

    /// Names need not be text.
    #[test]
    fn any_bytes() {
        let excludes = Excludes::new(["*.tmp"]).unwrap();
        assert!(excludes.leave_out(b"/a/\xff\xfe.tmp"));
        assert!(!excludes.leave_out(b"/a/\xff\xfe"));
    }

    /// What is no pattern is refused by name.
    #[test]
    fn bad_patterns() {
        let error = Excludes::new(["[a"]).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("[a"), "{error}");
    }
}
