//! Secrets that somebody wrote into a text all the same, where they can be told from the rest of it.

/// What stands for a secret.
const REMOVED: &str = "***";

/// How names of secrets end, with `_` for `-`.
const ENDINGS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "access_key",
    "signature",
];

/// Shortest part of an address that may be a token.
const TOKEN_LENGTH: usize = 20;

/// A text without passwords: those in URLs, and values with a name such as `password=`. A value that begins with `$`
/// is no secret, but where the shell finds one.
pub fn without_passwords(text: &str) -> String {
    each_url(&without_named(text), without_user)
}

/// The same for a line of the shell; and without parts of web addresses that look like tokens, as those of webhooks.
pub fn without_secrets(line: &str) -> String {
    each_url(&without_named(line), |url| match url.starts_with("http") {
        true => without_tokens(&without_user(url)),
        false => without_user(url),
    })
}

/// Without the values of names of secrets.
fn without_named(text: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('=') {
        done.push_str(before);
        done.push('=');
        rest = after;
        if !is_secret(before) {
            continue;
        }
        let value = rest.trim_start_matches(' ');
        let quote = value.chars().next().filter(|first| ['"', '\''].contains(first));
        let ends = |letter: char| match quote {
            Some(quote) => letter == quote,
            None => letter.is_whitespace() || "&;|)'\"`".contains(letter),
        };
        let inner = value.trim_start_matches(|letter| Some(letter) == quote);
        let end = inner.find(ends).unwrap_or(inner.len());
        let (secret, behind) = inner.split_at(end);
        if !secret.is_empty() && !secret.starts_with('$') {
            done.push_str(rest.strip_suffix(inner).unwrap_or_default());
            done.push_str(REMOVED);
            rest = behind;
        }
    }
    done + rest
}

/// Whether a text ends with the name of a secret.
fn is_secret(before: &str) -> bool {
    let before = before.trim_end_matches(' ').to_ascii_lowercase().replace('-', "_");
    let other = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let name = before.rsplit(other).next().unwrap_or_default();
    name == "pass" || name.ends_with("_pass") || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// With each URL, from its scheme on, as it is to be.
fn each_url(text: &str, rewritten: impl Fn(&str) -> String) -> String {
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
        done.push_str(&rewritten(url));
        rest = after;
    }
    done + rest
}

/// A URL without the password of its user.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?, host))) {
        Some(((user, password), host)) if !password.starts_with('$') => {
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

    /// What is a secret goes, whatever stands around it; what only names one stays.
    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (text, left) in [
            ("pg_dump postgres://app:s3cret@db:5432/app", "pg_dump postgres://app:***@db:5432/app"),
            ("a 'https://u:p@q@h/x' && b", "a 'https://u:***@h/x' && b"),
            ("mysqldump --password=s3cret shop", "mysqldump --password=*** shop"),
            ("PGPASSWORD='s3 cret' psql", "PGPASSWORD='***' psql"),
            ("host=h password = s3cret user=u", "host=h password = *** user=u"),
            ("https://h/?access-token=s3cret&x=1", "https://h/?access-token=***&x=1"),
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
        for text in [
            "PGPASSWORD=$(cat /etc/shop.password) psql",
            "TOKEN=\"$TOKEN\" run",
            "psql postgres://app@db:5432/app?sslmode=verify-full",
            "curl https://app:$PASSWORD@shop.example.com:8443/api/v1/backup-finished",
            "icecore --password-file=/etc/icecore/password",
            "AWS_ACCESS_KEY_ID=abc run x=y",
            "s3:https://fra1.example.com/shop-backups-of-2026-fra1/x",
        ] {
            assert_eq!(without_passwords(text), text);
        }
    }
}
