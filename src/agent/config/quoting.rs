//! Quotes in lines of the shell, as far as one must know them to find where a word ends.

use std::ops::Range;

/// The quote that is open where a text ends.
pub fn open_quote(text: &str) -> Option<char> {
    let (mut state, mut comment, mut last) = (State::default(), false, ' ');
    for letter in text.chars() {
        if comment {
            comment = letter != '\n';
        } else {
            comment = state.is_plain(letter) && letter == '#' && last.is_whitespace();
        }
        last = letter;
    }
    state.open
}

/// The word that a text begins with, where the quote `open` is open: without its own quotes, if these are all around
/// it, and which they are. Outside of them, `ends` end it, as blanks do.
pub fn first_word(text: &str, open: Option<char>, ends: &str) -> (Option<char>, Range<usize>) {
    let quotes = ["\\\"", "\\'", "\"", "'"];
    let Some(quote) = quotes.into_iter().find(|quote| text.starts_with(quote)) else {
        return (None, 0..word_end(text, open, ends));
    };
    let letter = quote.chars().next_back();
    let inner = text.get(quote.len()..).unwrap_or_default();
    let is_over = |rest: &str| {
        let goes_on = |next: char| !next.is_whitespace() && !",:}]".contains(next);
        let goes_on = |next| goes_on(next) && !ends.contains(next) && Some(next) != open;
        !rest.starts_with(goes_on)
    };
    if letter == open && quote.len() == 1 && (is_over(inner) || inner.starts_with(['"', '\''])) {
        // It is closed, and nothing stands before.
        return (None, 0..0);
    }
    let closed = match quote.len() {
        1 => closing(inner, letter),
        _ => inner.find(quote),
    };
    match closed {
        Some(end) if is_over(inner.get(end + quote.len()..).unwrap_or_default()) => {
            (letter, quote.len()..quote.len() + end)
        }
        _ => (letter, 0..word_end(text, open.filter(|_| letter != open), ends)),
    }
}

fn closing(inner: &str, quote: Option<char>) -> Option<usize> {
    let mut state = State { open: quote, escaped: false };
    let closes = |letter| {
        state.is_plain(letter);
        state.open.is_none()
    };
    inner.find(closes)
}

fn word_end(text: &str, open: Option<char>, ends: &str) -> usize {
    let mut state = State::default();
    let is_end = |letter: char| {
        let is_bare = state.open.is_none() && !state.escaped;
        let is_plain = state.is_plain(letter);
        is_bare && Some(letter) == open
            || is_plain && (letter.is_whitespace() || ends.contains(letter))
    };
    text.find(is_end).unwrap_or(text.len())
}

/// Where one stands between quotes.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    open: Option<char>,
    escaped: bool,
}

impl State {
    /// Goes on by a letter; whether that stands outside of quotes for itself.
    fn is_plain(&mut self, letter: char) -> bool {
        if self.escaped {
            self.escaped = false;
            return false;
        }
        match (self.open, letter) {
            (Some('\''), letter) if letter != '\'' => {}
            (Some(quote), letter) if letter == quote => self.open = None,
            (_, '\\') => self.escaped = true,
            (None, '"' | '\'') => self.open = Some(letter),
            (None, _) => return true,
            (Some(_), _) => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quotes open and close, but those that are escaped, in the others, or in a comment.
    #[test]
    fn quotes_that_are_open_are_known() {
        for (text, open) in [
            ("", None),
            ("a 'b", Some('\'')),
            ("a 'b' \"c'", Some('"')),
            ("a 'b\\' c", None),
            ("\"a\\\" 'b", Some('"')),
            ("a # it's\nb", None),
            ("a#'b", Some('\'')),
        ] {
            assert_eq!(open_quote(text), open, "{text}");
        }
    }

    /// A word is over where the shell says so; quotes that stand around all of it are told apart from it.
    #[test]
    fn the_first_word_is_found() {
        for (text, open, quote, word) in [
            ("a b", None, None, "a"),
            ("a;b", None, None, "a"),
            ("a\\ b c", None, None, "a\\ b"),
            ("'a b' c", None, Some('\''), "a b"),
            ("\"a\\\" b\" c", None, Some('"'), "a\\\" b"),
            ("'a'\\''b' c", None, Some('\''), "'a'\\''b'"),
            ("'a' b'", Some('"'), Some('\''), "a"),
            ("a' b", Some('\''), None, "a"),
            ("' b", Some('\''), None, ""),
            ("\\\"a b\\\", c\"", Some('"'), Some('"'), "a b"),
            ("'a b", None, Some('\''), "'a b"),
        ] {
            let (found, range) = first_word(text, open, ";");
            assert_eq!((found, &text[range]), (quote, word), "{text}");
        }
    }
}
