//! Redacts secrets that were written into a text, where they can be recognized.

use super::quoting::{first_word, open_quote};
use std::ops::Range;

/// What stands for a secret.
const REMOVED: &str = "***";

/// How names of secrets end, without `-` and `_`.
const ENDINGS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "signature",
    AUTHORIZATION,
];

/// Before its secret stands what sort of secret that is.
const AUTHORIZATION: &str = "authorization";

/// Shortest part of an address that may be a token.
const TOKEN_LENGTH: usize = 20;

/// Who reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The shell, to which `$NAME` and `$(..)` say where the secret is, but between single quotes.
    Shell,
    Other,
}

/// A text without passwords: those in URLs, and values with a name such as `password`.
pub fn without_passwords(text: &str) -> String {
    let reader = Reader::Other;
    each_url(&without_named(text, reader), |url, quote| without_user(url, reader, quote))
}

/// The same for a line of the shell; and without parts of web addresses that look like tokens, as those of webhooks.
pub fn without_secrets(line: &str) -> String {
    let reader = Reader::Shell;
    each_url(&without_named(line, reader), |url, quote| {
        let url = without_user(url, reader, quote);
        if url.starts_with("http") { without_tokens(&url) } else { url }
    })
}

/// Without the values of names of secrets: `name=value`, `Name: value`, `"name":"value"` and `--name value`.
fn without_named(text: &str, reader: Reader) -> String {
    let (mut done, mut rest) = (String::new(), 0);
    for (at, separator) in text.match_indices(['=', ':', ' ', '\t']) {
        let (before, after) = text.split_at(at);
        let Some(after) = after.strip_prefix(separator).filter(|_| at >= rest) else { continue };
        let Some(name) = name_of_secret(before, separator, after) else { continue };
        let Some(secret) = secret_of(&name, after, reader, open_quote(before)) else { continue };
        let begin = at + separator.len();
        done.push_str(text.get(rest..begin + secret.start).unwrap_or_default());
        done.push_str(REMOVED);
        rest = begin + secret.end;
    }
    done + text.get(rest..).unwrap_or_default()
}

/// Whether what stands before a word makes it the end of a file's name: `/etc/app.` before `password`.
fn is_file(head: &str) -> bool {
    let token = head.rsplit(char::is_whitespace).next().unwrap_or_default();
    token.ends_with('.') && token.contains('/') && !token.contains("://")
}

/// The name of a secret that stands before a separator, in small letters without `-` and `_`, if what comes after
/// is its value.
fn name_of_secret(before: &str, separator: &str, after: &str) -> Option<String> {
    let named = match separator {
        "=" | ":" => before.trim_end_matches(' ').trim_end_matches(['"', '\'', '\\']),
        _ => before,
    };
    let other = |letter: char| !letter.is_ascii_alphanumeric() && !"_-".contains(letter);
    let word = named.rsplit(other).next().unwrap_or_default();
    let head = named.strip_suffix(word).unwrap_or_default();
    let fits = match separator {
        "=" => true,
        // `${NAME:?}` and `${NAME:-}`: what the shell does where there is none.
        ":" if head.ends_with("${") => !["?", "+", "-}"].iter().any(|it| after.starts_with(it)),
        // A path, or the user of a URL.
        ":" => !head.ends_with(['/', '@']) && !is_file(head),
        _ => {
            let is_option =
                word.starts_with('-') && !word.trim_start_matches('-').starts_with("no-");
            is_option && !after.trim_start().starts_with(['-', '='])
        }
    };
    let name = word.to_ascii_lowercase().replace('-', "_");
    let is_pass = name.trim_start_matches('_') == "pass" || name.ends_with("_pass");
    let name = name.replace('_', "");
    let is_secret = is_pass || ENDINGS.iter().any(|ending| name.ends_with(ending));
    (fits && is_secret).then_some(name)
}

/// Where the secret of this name stands in what follows it, while the quote `open` is open; none if there is no
/// value, or the text says only where it is.
fn secret_of(name: &str, text: &str, reader: Reader, open: Option<char>) -> Option<Range<usize>> {
    let blanks = [' ', '\t'];
    let mut value = text.trim_start_matches(blanks);
    value = value.strip_prefix("\\\n").unwrap_or(value).trim_start_matches(blanks);
    // `Authorization: Bearer ..`
    let behind_sort = |value: &str| match value.split_once(' ') {
        Some((sort, _)) if name.ends_with(AUTHORIZATION) && is_plain(sort) => sort.len() + 1,
        _ => 0,
    };
    value = value.get(behind_sort(value)..)?;
    let ends = if reader == Reader::Shell { "&;|)<>`" } else { "&" };
    let (quote, range) = first_word(value, open, ends);
    let begin = range.start + behind_sort(value.get(range.clone())?);
    let secret = value.get(begin..range.end)?;
    let before = text.len() - value.len();
    let is_there = !secret.is_empty() && !is_found_by(reader, secret, [open, quote]);
    is_there.then_some(before + begin..before + range.end)
}

/// Whether, between these quotes, a value says only where the secret is.
fn is_found_by(reader: Reader, value: &str, quotes: [Option<char>; 2]) -> bool {
    let Some(value) = value.trim_matches('"').strip_prefix('$') else { return false };
    let name = value.strip_prefix('{').unwrap_or(value);
    let behind = name.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '_');
    let is_variable = match name.len() == value.len() {
        true => behind.is_empty(),
        false => behind.starts_with(":?") || ["}", ":-}"].contains(&behind),
    };
    let is_expanded = reader == Reader::Shell && !quotes.contains(&Some('\''));
    is_expanded && (is_variable || value.starts_with('('))
}

fn is_plain(word: &str) -> bool {
    word.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
}

/// With each URL, from its scheme on, as it is to be between the quotes that are open there.
fn each_url(text: &str, rewritten: impl Fn(&str, Option<char>) -> String) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (before, _) = rest.split_at(at);
        let begin = before
            .trim_end_matches(|it: char| it.is_ascii_alphanumeric() || "+-.".contains(it))
            .len();
        let (before, url) = rest.split_at(begin);
        let ends = |letter: char| letter.is_whitespace() || "'\"`;|<>)".contains(letter);
        let (url, after) = url.split_at(url.find(ends).unwrap_or(url.len()));
        done.push_str(before);
        let open = open_quote(text.get(..text.len() - url.len() - after.len()).unwrap_or_default());
        done.push_str(&rewritten(url, open));
        rest = after;
    }
    done + rest
}

/// A URL between such quotes without the password of its user.
fn without_user(url: &str, reader: Reader, open: Option<char>) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host))) {
        Some(((user, password), host)) if !is_found_by(reader, password, [open, None]) => {
            format!("{scheme}://{user}:{REMOVED}@{host}{path}")
        }
        _ => url.to_owned(),
    }
}

/// A URL without what behind its host looks like a token.
fn without_tokens(url: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let behind = url.get(host..).and_then(|rest| Some(host + rest.find(['/', '?', '#'])?));
    let (before, behind) = url.split_at(behind.unwrap_or(url.len()));
    let parts = behind.split_inclusive(['/', '?', '&', '=', '#']).map(|part| {
        let name = part.trim_end_matches(['/', '?', '&', '=', '#']);
        match is_token(name) {
            true => part.replace(name, REMOVED),
            false => part.to_owned(),
        }
    });
    before.to_owned() + &parts.collect::<String>()
}

fn is_token(part: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte);
    part.len() >= TOKEN_LENGTH
        && part.bytes().all(fits)
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is a secret in a line of the shell goes, whatever stands around it.
    #[test]
    fn secrets_go() {
        for (text, left) in [
            ("pg_dump postgres://app:s3cret@db:5432/app", "pg_dump postgres://app:***@db:5432/app"),
            ("a 'https://u:p@q@h/x' && b", "a 'https://u:***@h/x' && b"),
            ("mysqldump --password=s3cret shop", "mysqldump --password=*** shop"),
            ("mysqldump --password s3cret shop", "mysqldump --password *** shop"),
            ("run --api-key  's3 cret' x", "run --api-key  '***' x"),
            ("run --token \\\n  s3cret \\\n  x", "run --token \\\n  *** \\\n  x"),
            ("run -pass s3cret>x", "run -pass ***>x"),
            ("PGPASSWORD='s3 cret' psql", "PGPASSWORD='***' psql"),
            ("PGPASSWORD='s3'\\''cret' psql", "PGPASSWORD=*** psql"),
            ("sh -c \"PGPASSWORD='s3 cret' psql\"", "sh -c \"PGPASSWORD='***' psql\""),
            ("sh -c 'psql --password=s3cret' x", "sh -c 'psql --password=***' x"),
            ("echo # it's\nPASSWORD='s3 cret' x", "echo # it's\nPASSWORD='***' x"),
            ("host=h password = s3cret user=u", "host=h password = *** user=u"),
            ("https://h/?access-token=s3cret&x=1", "https://h/?access-token=***&x=1"),
            ("curl -H 'X-Api-Key: s3cret' h", "curl -H 'X-Api-Key: ***' h"),
            ("curl -H PRIVATE-TOKEN:s3cret h", "curl -H PRIVATE-TOKEN:*** h"),
            ("curl -H 'Authorization: Bearer s3cret' h", "curl -H 'Authorization: Bearer ***' h"),
            ("curl -H 'Authorization: s3cret' h", "curl -H 'Authorization: ***' h"),
            (
                "curl -d \"{\\\"Authorization\\\":\\\"Basic s3cret\\\"}\"",
                "curl -d \"{\\\"Authorization\\\":\\\"Basic ***\\\"}\"",
            ),
            ("curl -d '{\"token\":\"s3 cret\",\"x\":1}'", "curl -d '{\"token\":\"***\",\"x\":1}'"),
            ("curl -d '{\"token\" : \"s3cret\"}' h", "curl -d '{\"token\" : \"***\"}' h"),
            (
                "curl -d \"{\\\"token\\\":\\\"s3 cret\\\"}\" h",
                "curl -d \"{\\\"token\\\":\\\"***\\\"}\" h",
            ),
            ("run '--password=$s3cret'", "run '--password=***'"),
            ("PASSWORD='$s3cret' run", "PASSWORD='***' run"),
            ("PASSWORD=$A-s3cret run", "PASSWORD=*** run"),
            ("PASSWORD=${A:-s3cret} run", "PASSWORD=*** run"),
            ("run ${TOKEN:-s3cret}", "run ${TOKEN:***"),
            ("curl 'https://u:$s3cret@h/'", "curl 'https://u:***@h/'"),
            (
                "curl https://hooks.slack.com/services/T0/B0/abcdefghij0123456789abcd",
                "curl https://hooks.slack.com/services/T0/B0/***",
            ),
            (
                "curl https://hc-ping.com/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/start;true",
                "curl https://hc-ping.com/***/start;true",
            ),
        ] {
            assert_eq!(without_secrets(text), left);
        }
    }

    /// What only names a secret stays in a line of the shell, and says where it is found.
    #[test]
    fn names_stay() {
        for text in [
            "PGPASSWORD=$(cat /etc/shop.password) psql",
            "TOKEN=\"$(cat \"$FILE\")\" run",
            "TOKEN=\"$TOKEN\" run \"--token=${TOKEN}\" --token $TOKEN",
            "TOKEN=\"${TOKEN:?is not set}\" ${TOKEN:-} run",
            "TOKEN='' run --token",
            "curl -H \"Authorization: Bearer $TOKEN\" h",
            "psql --password --user app; pg_dump --no-password app",
            "psql postgres://app@db:5432/app?sslmode=verify-full",
            "curl https://app:$PASSWORD@shop.example.com:8443/api/v1/backup-finished",
            "icecore --password-file=/etc/icecore/password",
            "docker run -v /srv/secret:/run/secret redis://token:6379 x",
            "AWS_ACCESS_KEY_ID=abc run x=y",
            "cannot open /etc/icecore/local.password: No such file or directory",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }

    /// Outside of lines of the shell `$` means nothing, and no part of an address is a token.
    #[test]
    fn what_is_no_command_has_no_variables() {
        for (text, left) in [
            ("webdavs://u:$s3cret@h/x", "webdavs://u:***@h/x"),
            ("postgres://h/db?password=$s3cret&x=1", "postgres://h/db?password=***&x=1"),
            ("host=h password='s3 cret' user=u", "host=h password='***' user=u"),
        ] {
            assert_eq!(without_passwords(text), left);
        }
        let bucket = "s3:https://fra1.example.com/shop-backups-of-2026-fra1/x";
        assert_eq!(without_passwords(bucket), bucket);
    }
}
