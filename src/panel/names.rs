//! Names of files, which are bytes: as a shell takes them, as a browser stores them.

use crate::text::is_visible;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use std::fmt::Write;

/// A word for a shell: as it is where that is harmless, else in quotes.
pub fn word(bytes: &[u8]) -> String {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-=:@,+".contains(byte);
    let text = String::from_utf8_lossy(bytes).into_owned();
    if !bytes.is_empty() && bytes.iter().all(harmless) {
        return text;
    }
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => quoted.push(char::from(*byte)),
            // Writing to a string cannot fail.
            other => drop(write!(quoted, "\\x{other:02x}")),
        }
    }
    quoted.push('\'');
    quoted
}

/// How a browser is told to store something under a name, and not to show it.
pub fn attachment(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let is_kept = |letter: char| is_visible(letter) && letter != '\\';
    let text: String = text.chars().map(|it| if is_kept(it) { it } else { '_' }).collect();
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let plain: String = text.chars().map(|it| if is_plain(&it) { it } else { '_' }).collect();
    let encoded = percent_encode(text.as_bytes(), NON_ALPHANUMERIC);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    /// A shell takes a quoted word for one argument with the same bytes.
    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        let words: [&[u8]; 6] =
            [b"/srv/app", b"a b", b"it's $HOME `id`", b"", b"\xff\n;rm '\\x", b"gr\xc3\xbcn"];
        for bytes in words {
            let mut bash = crate::env::command("bash");
            bash.args(["-c", &format!("printf %s {}", word(bytes))]).stdin(Stdio::null());
            assert_eq!(bash.output().unwrap().stdout, bytes);
        }
    }

    /// A name stays one in a header, with nothing that a browser could take for another.
    #[test]
    fn downloads_keep_their_names() {
        assert_eq!(
            attachment(b"b.sql"),
            "attachment; filename=\"b.sql\"; filename*=UTF-8''b%2Esql"
        );
        let dash = attachment("a \u{2013} b".as_bytes());
        assert!(dash.ends_with("UTF-8''a%20%E2%80%93%20b"), "{dash}");
        let odd = attachment("\"a\r\nb\"; \u{202e}gr\u{fc}n".as_bytes());
        assert_eq!(
            odd,
            "attachment; filename=\"_a__b____gr_n\"; filename*=UTF-8''%22a%5F%5Fb%22%3B%20%5Fgr%C3%BCn"
        );
    }
}
