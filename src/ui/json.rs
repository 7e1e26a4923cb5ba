//! JSON on one line, in which a terminal finds nothing to obey or to hide.

use crate::error::{Attempt, Result};
use crate::text::is_visible;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// A value as one line.
pub fn line<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut line, Visible));
    written.map_err(io::Error::from).attempt("encode", "a JSON line")?;
    line.push(b'\n');
    Ok(line)
}

/// Compact; what cannot be seen is escaped by its number, and the value is the same.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|character| !is_visible(character)) {
            let (seen, hidden) = rest.split_at(at);
            writer.write_all(seen.as_bytes())?;
            let mut characters = hidden.chars();
            let mut units = [0; 2];
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be seen is escaped, beyond the first plane as well, and is the same when read.
    #[test]
    fn hidden_characters_are_escaped() {
        let text = "a\u{9b}b\u{202e}c\u{e0041}d\u{7f}\u{1b}\u{fc}\"";
        let line = String::from_utf8(line(&text).unwrap()).unwrap();
        let escaped = r#""a\u009bb\u202ec\udb40\udc41d\u007f\u001b"#;
        assert_eq!(line, format!("{escaped}\u{fc}\\\"\"\n"));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
