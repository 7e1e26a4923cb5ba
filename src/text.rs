//! Figures, times and names as people read them, in a terminal and on a page; nothing in them that a terminal
//! hides or obeys.

use crate::env::Time;
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::path::Path;

/// A number of bytes, to three or four digits: `1.234 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let mut figure = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    while figure >= 1023.9995 {
        let Some(next) = units.next() else { break };
        figure /= 1024.0;
        unit = next;
    }
    format!("{figure:.3} {unit}")
}

/// A number of bytes for a column of a table: `1.23 GiB`, `12.3 GiB`, `123 GiB`.
pub fn figure(count: u64) -> String {
    let text = bytes(count);
    let Some((whole, rest)) = text.split_once('.') else { return text };
    let (digits, unit) = rest.split_at_checked(3).unwrap_or((rest, ""));
    match digits.get(..3_usize.saturating_sub(whole.len())) {
        Some("") | None => format!("{whole}{unit}"),
        Some(digits) => format!("{whole}.{digits}{unit}"),
    }
}

/// A number and its noun: `1 file`, `2 files`, `2 entries`, `2 days`.
pub fn count(number: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

/// A moment in the local time zone, to the second, for tables and lists: as everywhere in text, but
/// without the zone, which sentences state (see [`Time`]).
pub fn local(time: Time) -> String {
    local_in(time, &TimeZone::system())
}

/// The same in another zone.
pub fn local_in(time: Time, zone: &TimeZone) -> String {
    time.in_zone(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment for machines: RFC 3339 with its nanoseconds, in the local time zone.
pub fn rfc3339(time: Time) -> String {
    time.in_zone(&TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.9f%:z").to_string()
}

/// A moment in UTC, to the millisecond, as reports have it.
pub fn utc(time: Time) -> String {
    time.timestamp().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// How long something took: `0.123 s`, `12.3 s`, `2 min 5 s`, `3 h 5 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        ..10.0 => format!("{seconds:.3} s"),
        ..60.0 => format!("{seconds:.1} s"),
        ..3600.0 => {
            format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
        }
        _ => age(seconds),
    }
}

/// The names of what there is, for a hint: `known: web, db`; or what to say where there is none.
pub fn known(names: impl IntoIterator<Item = impl AsRef<str>>, none: &str) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match names.is_empty() {
        true => none.to_owned(),
        false => {
            format!("known: {}", names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A word of a command line for a shell, in quotes where it needs some.
pub fn for_shell(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+=:,./@%".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// What to do about a file of secrets that is not its owner's alone.
pub fn readable_by_others(path: &Path) -> String {
    let shown = path.display();
    let quoted = for_shell(&shown.to_string());
    format!("other users can read {shown}: run `chmod 600 {quoted}`")
}

/// A length of time, in its two largest units: `5 min`, `3 h 5 min`, `2 d 4 h`.
pub fn age(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a figure for people"
    )]
    let minutes = (seconds.max(0.0) / 60.0) as u64;
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let parts = match (days, hours) {
        (0, 0) => [(rest, "min"), (0, "")],
        (0, hours) => [(hours, "h"), (rest, "min")],
        (days, hours) => [(days, "d"), (hours, "h")],
    };
    let parts = parts.iter().filter(|(figure, _)| *figure > 0);
    let text = parts.map(|(figure, unit)| format!("{figure} {unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0 min".to_owned() } else { text }
}
/// A name or path: text as it is, other bytes as `\xNN`, nothing that moves a terminal.
pub fn path(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&plain(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Text of which all can be seen: what a terminal would obey or hide is written as `\u{..}`.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match is_visible(character) {
            true => safe.push(character),
            false => safe.extend(character.escape_default()),
        }
    }
    safe
}

/// Whether a terminal shows the character, and nothing else happens: no control character, nothing
/// that turns the direction of text round, and nothing that Unicode lets a reader ignore
/// (Default_Ignorable_Code_Point), which would make two names look alike.
pub fn is_visible(character: char) -> bool {
    let hidden = matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !hidden && !character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures keep their size readable at every unit's edge.
    #[test]
    fn bytes_are_readable() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.000 KiB"),
            (1 << 20, "1.000 MiB"),
            ((1 << 20) - 1, "1023.999 KiB"),
            ((1 << 30) - 1, "1.000 GiB"),
            (u64::MAX, "16.000 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (count, text) in
            [(5, "5 B"), (1536, "1.50 KiB"), (300_000, "292 KiB"), (12 << 20, "12.0 MiB")]
        {
            assert_eq!(figure(count), text);
        }
    }

    /// What took long is told in larger units.
    #[test]
    fn durations_are_short() {
        for (seconds, text) in
            [(0.0124, "0.012 s"), (12.34, "12.3 s"), (61.5, "1 min 1 s"), (7260.0, "2 h 1 min")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    /// Ages are told in their two largest units.
    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (-5.0, "0 min"),
            (59.0, "0 min"),
            (300.0, "5 min"),
            (7200.0, "2 h"),
            (11_100.0, "3 h 5 min"),
            (187_200.0, "2 d 4 h"),
            (86_400.0 * 400.0, "400 d"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }

    /// No name can move the cursor, hide itself or turn text round, and none loses a byte.
    #[test]
    fn names_are_harmless() {
        for character in ['\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}'] {
            let name = format!("a{character}b");
            assert_eq!(path(name.as_bytes()), format!("a\\u{{{:x}}}b", u32::from(character)));
        }
        assert_eq!(path(b"a\x1b[2J\xffb\n"), "a\\u{1b}[2J\\xffb\\n");
        assert_eq!(path("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }
}
