//! Connection strings of libpq: keywords and values, and URIs (PostgreSQL documentation, 34.1.1).

use super::parameters::Given;
use crate::error::{Error, Kind, Result};

/// What a connection string says: a URI, keywords and values, or only a database's name.
pub(super) fn parse(text: &str) -> Result<Given> {
    let uri = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match uri {
        Some(rest) => parse_uri(rest),
        None if text.contains('=') => parse_keywords(text),
        None => {
            let mut given = Given::default();
            if !text.is_empty() {
                given.set("dbname", text)?;
            }
            Ok(given)
        }
    }
}

/// `host=db1 dbname='my app'`; `\` escapes within and without quotes.
fn parse_keywords(text: &str) -> Result<Given> {
    let mut given = Given::default();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        if letters.peek().is_none() {
            return Ok(given);
        }
        let mut name = String::new();
        while let Some(letter) = letters.next_if(|letter| *letter != '=' && !letter.is_whitespace())
        {
            name.push(letter);
        }
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        if letters.next() != Some('=') {
            return Err(malformed(format!("there is no \"=\" after {name:?}")));
        }
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let quoted = letters.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match letters.next() {
                Some('\\') => value.extend(letters.next()),
                Some('\'') if quoted => break,
                Some(letter) if !quoted && letter.is_whitespace() => break,
                Some(letter) => value.push(letter),
                None if quoted => {
                    return Err(malformed(format!("a quote is not closed after {name:?}")));
                }
                None => break,
            }
        }
        given.set(&name, &value)?;
    }
}

/// What follows `postgres://`: `[user[:password]@][host[:port],...][/dbname][?name=value&...]`.
fn parse_uri(rest: &str) -> Result<Given> {
    let mut given = Given::default();
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let (authority, dbname) = match before.split_once('/') {
        Some((authority, dbname)) => (authority, dbname),
        None => (before, ""),
    };
    let hosts = match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            set_decoded(&mut given, "user", user)?;
            set_decoded(&mut given, "password", password)?;
            hosts
        }
        None => authority,
    };
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = host_and_port(host)?;
        names.push(decode(name)?);
        ports.push(decode(port)?);
    }
    if names.iter().any(|name| !name.is_empty()) {
        given.set("host", &names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        given.set("port", &ports.join(","))?;
    }
    set_decoded(&mut given, "dbname", dbname)?;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(malformed("a parameter after \"?\" has no \"=\"".to_owned()));
        };
        match (decode(name)?.as_str(), decode(value)?.as_str()) {
            ("ssl", "true") => given.set("sslmode", "require")?,
            (name, value) => given.set(name, value)?,
        }
    }
    Ok(given)
}

fn host_and_port(text: &str) -> Result<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(malformed("an IPv6 address has no \"]\"".to_owned()));
        };
        let port = after.strip_prefix(':').or(after.is_empty().then_some(""));
        return Ok((host, port.ok_or_else(|| malformed("after \"]\" stands no port".to_owned()))?));
    }
    Ok(text.rsplit_once(':').unwrap_or((text, "")))
}

fn set_decoded(given: &mut Given, name: &str, value: &str) -> Result<()> {
    if value.is_empty() { Ok(()) } else { given.set(name, &decode(value)?) }
}

/// Percent-decoded.
fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || char::from(rest.next()?).to_digit(16).and_then(|it| u8::try_from(it).ok());
        match (digit(), digit()) {
            (Some(0), Some(0)) => return Err(malformed("it holds %00".to_owned())),
            (Some(high), Some(low)) => bytes.push(high * 16 + low),
            _ => return Err(malformed("after \"%\" stand no two hexadecimal digits".to_owned())),
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".to_owned()))
}

/// The string itself is never shown: a password may stand in it.
fn malformed(reason: String) -> Error {
    Error::new(Kind::InvalidInput, "understand", "the PostgreSQL connection string")
        .because(reason)
        .hint("postgres://USER@HOST:PORT/DATABASE?sslmode=..., or HOST, USER, .. as host=HOST user=USER")
}
