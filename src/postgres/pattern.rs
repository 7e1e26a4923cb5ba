//! Patterns of names: the one dialect in which databases are chosen, to be dumped and to be
//! restored.

use std::fmt;

/// A name or a pattern of names: `*` stands for any letters, `?` for one, and a letter after `\\`
/// for itself. Whatever it means as a pattern, it also stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// As it was written.
    pub fn new(text: impl Into<String>) -> Self {
        Pattern(text.into())
    }

    /// The pattern that stands for one name alone.
    pub fn exactly(name: &str) -> Self {
        let special = |letter| matches!(letter, '*' | '?' | '\\');
        let letters = |letter| special(letter).then_some('\\').into_iter().chain([letter]);
        Pattern(name.chars().flat_map(letters).collect())
    }

    /// Whether it is this name, letter by letter.
    pub fn is(&self, name: &str) -> bool {
        self.0 == name
    }

    /// Whether it stands for this name.
    pub fn fits(&self, name: &str) -> bool {
        self.is(name) || fits(&self.0, name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letter by letter; after a mismatch, the last `*` takes one letter more.
fn fits(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    let mut again = None;
    loop {
        let mut rest = pattern.clone();
        let wanted = rest.next();
        if wanted == Some('*') {
            again = Some((rest.clone(), name.clone()));
            pattern = rest;
            continue;
        }
        let literal = match wanted {
            Some('\\') => rest.next().or(wanted),
            wanted => wanted,
        };
        let letter = name.next();
        let any = wanted == Some('?') && letter.is_some();
        if any || literal == letter && wanted != Some('?') {
            if letter.is_none() {
                return true;
            }
            pattern = rest;
            continue;
        }
        let Some((after, mut from)) = again.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        again = Some((after.clone(), from.clone()));
        (pattern, name) = (after, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patterns stand for names as in a shell, letter by letter, however many stars there are.
    #[test]
    fn patterns_fit() {
        let long = "a".repeat(60);
        let stars = "a*".repeat(30);
        for (pattern, name) in [
            ("app", "app"),
            ("a*", "a"),
            ("*_x?", "ab_xy"),
            ("\u{e4}?", "\u{e4}b"),
            ("*", ""),
            ("", ""),
            ("a*b*c", "a-b-b-c"),
            ("*a*b", "xaxbxb"),
            (&stars, &long),
            ("a\\*", "a*"),
            ("a\\", "a\\"),
            ("a?", "a?"),
        ] {
            assert!(Pattern::new(pattern).fits(name), "{pattern} {name}");
        }
        let longer = format!("{stars}b");
        for (pattern, name) in [
            ("app", "apps"),
            ("a?", "a"),
            ("*x", "xy"),
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("a*b", "a"),
            (&longer, &long),
            ("a\\*", "ab"),
            ("[ab]", "a"),
            ("{a,b}", "a"),
        ] {
            assert!(!Pattern::new(pattern).fits(name), "{pattern} {name}");
        }
    }

    /// A name that is made a pattern stands for itself alone, and a name that was only written
    /// down at least for itself.
    #[test]
    fn names_stand_for_themselves() {
        for name in ["we*ird[1]{a}?", "a\\b", "\\", "*", "a\\*", "[!x]", ""] {
            assert!(Pattern::exactly(name).fits(name), "{name}");
            assert!(Pattern::new(name).fits(name), "{name}");
        }
        let exact = Pattern::exactly("we*ird[1]{a}?");
        for other in ["weird[1]{a}?", "we*ird1a?", "we*ird[1]{a}!", "weXird[1]{a}?"] {
            assert!(!exact.fits(other), "{other}");
        }
    }
}
