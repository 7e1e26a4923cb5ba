//! Figures, times, names and tables as people read them.

use crate::env::Time;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt::Write;

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

/// A number and its noun: `1 file`, `2 files`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A moment in the local time zone, to the second.
pub fn local(time: Time) -> String {
    match Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(moment) => moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_string(),
    }
}

/// A moment for machines: RFC 3339 with its nanoseconds, in the local time zone.
pub fn rfc3339(time: Time) -> String {
    match Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(moment) => {
            moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%.9f%:z").to_string()
        }
        Err(_) => time.to_string(),
    }
}

/// The moment that a person wrote: RFC 3339, or a local date, with or without a time of day.
pub fn moment(text: &str) -> Option<Time> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok();
    let moment = text.parse::<Timestamp>().ok().or_else(|| Some(local()?.timestamp()))?;
    i64::try_from(moment.as_nanosecond()).ok().map(Time)
}

/// A duration: `0.123 s`, `12.3 s`, `2 min 5 s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.3} s");
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
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

/// Text without control characters.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => safe.extend(character.escape_default()),
            false => safe.push(character),
        }
    }
    safe
}

/// A table without lines; the columns `right` are set to the right.
pub struct Columns {
    table: Table,
}

impl Columns {
    /// An empty table with a head.
    pub fn new(head: &[&str], right: &[usize]) -> Self {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(head.iter().copied());
        for column in right {
            if let Some(column) = table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Columns { table }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.table.add_row(cells.into_iter().collect::<Vec<_>>());
    }

    /// The lines, without blanks at their ends.
    pub fn lines(&self) -> Vec<String> {
        let bare = |line: String| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned();
        self.table.lines().map(bare).collect()
    }
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
    }

    /// No name can move the cursor or hide itself, and none loses a byte.
    #[test]
    fn names_are_harmless() {
        assert_eq!(path(b"a\x1b[2J\xffb\n"), "a\\u{1b}[2J\\xffb\\n");
        assert_eq!(path("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
    }
}
