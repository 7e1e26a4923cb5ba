//! SQL as `pg_dump` and `pg_dumpall` write it, taken apart no further than it must be: statements,
//! and the names in them.

/// The statements of a script, without comments between them and without psql's own commands.
pub fn statements(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut statement = String::new();
    for token in Tokens(script) {
        match token {
            Token::Comment(_) => {}
            Token::Meta(_) if statement.trim().is_empty() => statement.clear(),
            Token::Symbol(";") => {
                let whole = std::mem::take(&mut statement);
                if !whole.trim().is_empty() {
                    found.push(whole.trim().to_owned());
                }
            }
            other => statement.push_str(other.text()),
        }
    }
    if !statement.trim().is_empty() {
        found.push(statement.trim().to_owned());
    }
    found
}

/// The names and words of a statement in their order, names without their quotes, words as they
/// are written; constants and symbols are left out.
pub fn words(statement: &str) -> Vec<String> {
    let word = |token: Token<'_>| match token {
        Token::Word(word) => Some(word.to_owned()),
        Token::Name(name) => Some(unquoted(name)),
        _ => None,
    };
    Tokens(statement).filter_map(word).collect()
}

fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    inner.replace("\"\"", "\"")
}

/// A piece of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'s> {
    /// A key word or a plain name.
    Word(&'s str),
    /// A name in quotes.
    Name(&'s str),
    /// A string constant.
    Text(&'s str),
    /// From `--` to the end of the line.
    Comment(&'s str),
    /// A line that begins with a backslash.
    Meta(&'s str),
    /// Anything else, one character, or white space.
    Symbol(&'s str),
}

impl<'s> Token<'s> {
    fn text(self) -> &'s str {
        match self {
            Token::Word(text)
            | Token::Name(text)
            | Token::Text(text)
            | Token::Comment(text)
            | Token::Meta(text)
            | Token::Symbol(text) => text,
        }
    }
}

/// The tokens of a text that is still to be read; together they are the text.
struct Tokens<'s>(&'s str);

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        let text = self.0;
        let first = text.chars().next()?;
        let line = || text.find('\n').unwrap_or(text.len());
        let (length, kind): (usize, fn(&'s str) -> Token<'s>) = match first {
            '"' => (quoted(text, 0, '"', false), Token::Name),
            '\'' => (quoted(text, 0, '\'', false), Token::Text),
            'E' if text.starts_with("E'") => (quoted(text, 1, '\'', true), Token::Text),
            '-' if text.starts_with("--") => (line(), Token::Comment),
            '\\' => (line(), Token::Meta),
            '$' => match dollar_quoted(text) {
                Some(length) => (length, Token::Text),
                None => (1, Token::Symbol),
            },
            letter if is_word(letter) => {
                (text.find(|letter| !is_word(letter)).unwrap_or(text.len()), Token::Word)
            }
            other => (other.len_utf8(), Token::Symbol),
        };
        let (token, rest) = text.split_at_checked(length)?;
        self.0 = rest;
        Some(kind(token))
    }
}

/// The length of a quoted text whose opening quote stands at `at`; doubled quotes belong to it,
/// and with `escapes` whatever follows a backslash.
fn quoted(text: &str, at: usize, quote: char, escapes: bool) -> usize {
    let mut letters = text.char_indices().skip(at + 1).peekable();
    while let Some((place, letter)) = letters.next() {
        if escapes && letter == '\\' {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return place + quote.len_utf8();
        }
    }
    text.len()
}

/// The length of `$tag$...$tag$`; none if that is not what begins here.
fn dollar_quoted(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let tag = inner.get(..end).filter(|tag| tag.chars().all(is_word))?;
    let suffix = format!("${tag}$");
    let body = text.get(suffix.len()..)?;
    Some(suffix.len() + body.find(&suffix)? + suffix.len())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements end at a semicolon that is no part of a name, a text or a comment.
    #[test]
    fn scripts_fall_into_statements() {
        let script = "-- a; comment\n\\restrict k;\n\nCREATE ROLE \"a;b\";\nALTER ROLE x SET y TO \
                      'it''s; so';\nSELECT $f$ ; $f$, E'\\'; ' ;\n\n;\nlast";
        assert_eq!(
            statements(script),
            [
                "CREATE ROLE \"a;b\"",
                "ALTER ROLE x SET y TO 'it''s; so'",
                "SELECT $f$ ; $f$, E'\\'; '",
                "last"
            ]
        );
    }

    /// Words are found in order, quotes taken off.
    #[test]
    fn words_are_found() {
        assert_eq!(words("CREATE ROLE \"a \"\"b\" 'text'"), ["CREATE", "ROLE", "a \"b"]);
    }
}
