//! A command as a person writes it, in words.

use crate::error::{Error, Kind, Result};

/// Splits a command as a shell would, without expanding anything: blanks part words, quotes and
/// `\` keep them together.
pub fn words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some(end) if end == letter => break,
                        Some('\\') if letter == '"' => match letters.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                            other => word.extend(['\\'].into_iter().chain(other)),
                        },
                        Some(inside) => word.push(inside),
                        None => {
                            return Err(Error::new(Kind::InvalidInput, "split the command", text)
                                .because("a quote is not closed"));
                        }
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(letters.next()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are split at blanks, and quotes of both kinds and backslashes keep them together.
    #[test]
    fn commands_are_split() {
        let split = |text| words(text).unwrap();
        assert_eq!(split("docker exec  -i db"), ["docker", "exec", "-i", "db"]);
        assert_eq!(
            split(r#"a 'b  "c' "d '\"e\n" f\ g '' "#),
            ["a", "b  \"c", "d '\"e\\n", "f g", ""]
        );
        assert!(split(" ").is_empty());
        assert!(words("a 'b").is_err());
    }
}
