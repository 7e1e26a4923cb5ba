//! Tables without lines, cut to the width of the terminal.

use crate::text::is_visible;
use std::borrow::Cow;
use textwrap::WordSplitter;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns.
const GAP: usize = 2;
/// No column is cut to less.
const LEAST: usize = 6;
/// What stands for what was cut.
const ELLIPSIS: char = '\u{2026}';

/// A table; the columns `right` are set to the right and never cut.
pub struct Columns {
    head: Vec<String>,
    right: Vec<usize>,
    /// Columns that are never cut: figures, and the first, which is what a row is called.
    kept: Vec<usize>,
    /// The column that goes on in the next line instead of being cut.
    wrapped: Option<usize>,
    /// The column that gets half of what those share that are cut.
    favoured: Option<usize>,
    /// Each cell may have several lines.
    rows: Vec<Vec<String>>,
}

/// A line of a table.
pub enum TableLine {
    /// The head.
    Head(String),
    /// A row's first cell, and what follows it.
    Row(String, String),
}

impl Columns {
    /// An empty table with a head.
    pub fn new(head: &[&str], right: &[usize]) -> Self {
        let head = head.iter().map(|title| (*title).to_owned()).collect();
        let kept = right.iter().copied().chain([0]).collect();
        Columns {
            head,
            right: right.to_vec(),
            kept,
            wrapped: None,
            favoured: None,
            rows: Vec::new(),
        }
    }

    /// The same table, of which this column is never cut.
    pub fn keeping(mut self, column: usize) -> Self {
        self.kept.push(column);
        self
    }

    /// The same table, of which this column may not lose anything.
    pub fn wrapping(self, column: usize) -> Self {
        Columns { wrapped: Some(column), ..self }
    }

    /// The same table, of which this column is cut less than others.
    pub fn favouring(self, column: usize) -> Self {
        Columns { favoured: Some(column), ..self }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, none wider than `width`, without blanks at their ends.
    pub fn fitted(&self, width: Option<usize>) -> Vec<TableLine> {
        let widths = self.widths(width);
        let head = self.line(&widths, self.head.iter().map(String::as_str));
        let mut lines = vec![TableLine::Head(head.concat())];
        for row in &self.rows {
            let cells: Vec<Vec<String>> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| match self.wrapped == Some(column) {
                    true => wrap(cell, *width),
                    false => cell.split('\n').map(|line| cut(line, *width)).collect(),
                })
                .collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0);
            for at in 0..height {
                let line = cells.iter().map(|cell| cell.get(at).map_or("", String::as_str));
                let [first, rest] = self.line(&widths, line);
                lines.push(TableLine::Row(first, rest));
            }
        }
        lines
    }

    /// The same as plain text.
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        self.fitted(width).into_iter().map(TableLine::into_text).collect()
    }

    /// The first cell, and what follows it.
    fn line<'c>(&self, widths: &[usize], cells: impl Iterator<Item = &'c str>) -> [String; 2] {
        let (mut first, mut rest) = (String::new(), String::new());
        for (column, (cell, width)) in cells.zip(widths).enumerate().filter(|it| *it.1.1 > 0) {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            let line = if column == 0 { &mut first } else { &mut rest };
            line.push_str(&" ".repeat(if column == 0 { 0 } else { GAP }));
            match self.right.contains(&column) {
                true => line.extend([blanks.as_str(), cell]),
                false => line.extend([cell, blanks.as_str()]),
            }
        }
        rest.truncate(rest.trim_end().len());
        [first, rest]
    }

    /// What each column gets: what it wants, or what is left where the widest are cut; nothing if
    /// there is nothing in it.
    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let lines = |column: usize| {
            let cells = self.rows.iter().filter_map(move |row| row.get(column));
            cells.flat_map(|cell| cell.split('\n'))
        };
        let wanted = |column: usize| lines(column).map(UnicodeWidthStr::width).max().unwrap_or(0);
        let titles = self.head.iter().map(|title| title.width()).enumerate();
        let Some(room) = room else {
            return titles.map(|(column, title)| title.max(wanted(column))).collect();
        };
        let fitting = |(column, title): (usize, usize)| match wanted(column) {
            0 => 0,
            wanted => title.max(wanted),
        };
        let mut widths: Vec<usize> = titles.map(fitting).collect();
        let gaps = GAP * widths.iter().filter(|width| **width > 0).count().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > room {
            let left = widths.iter_mut().enumerate();
            let left = left.filter(|(column, _)| !self.kept.contains(column));
            let left = left.filter(|(_, width)| **width > LEAST);
            let share = |column: usize, width: usize| match self.favoured == Some(column) {
                true => width / 2,
                false => width,
            };
            match left.max_by_key(|(column, width)| share(*column, **width)) {
                Some((_, widest)) => *widest -= 1,
                None => break,
            }
        }
        widths
    }
}

impl TableLine {
    /// The line as text.
    pub fn into_text(self) -> String {
        match self {
            TableLine::Head(text) => text,
            TableLine::Row(first, rest) => first + &rest,
        }
    }
}

/// Text in so much room: a path loses what stands in front, other text what comes last, both at
/// the end of a word where that leaves enough.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    if text.starts_with('/') {
        let kept = reversed(&taken(&reversed(text), room));
        let whole = kept.find('/').and_then(|at| kept.get(at..));
        let kept = whole.filter(|whole| whole.width() * 3 > room).unwrap_or(&kept);
        return format!("{ELLIPSIS}{kept}");
    }
    let kept = taken(text, room);
    let next = text.chars().nth(kept.chars().count());
    let between = |letter: char| " ,.-_".contains(letter);
    let whole = match next.is_some_and(between) {
        true => Some(kept.as_str()),
        false => kept.rfind(between).and_then(|at| kept.get(..at)),
    };
    let kept = whole.filter(|whole| whole.width() * 3 > room).unwrap_or(&kept);
    format!("{}{ELLIPSIS}", kept.trim_end_matches(between))
}

/// Lines of whole words, each in so much room if its words allow that.
fn wrap(text: &str, width: usize) -> Vec<String> {
    textwrap::wrap(text, whole_words(width)).into_iter().map(Cow::into_owned).collect()
}

/// Lines of whole words: a path or an id that is cut could not be copied.
pub(super) fn whole_words(room: usize) -> textwrap::Options<'static> {
    textwrap::Options::new(room).break_words(false).word_splitter(WordSplitter::NoHyphenation)
}

/// As many letters as so much room has.
fn taken(text: &str, room: usize) -> String {
    let mut used = 0;
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0);
        used <= room && is_visible(*letter)
    };
    text.chars().take_while(fits).collect()
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that is too wide is cut to the room, at words and folders, and figures stay whole;
    /// without a terminal nothing is cut.
    #[test]
    fn tables_are_cut_to_the_room() {
        let mut table = Columns::new(&["ID", "Host", "Size", "Paths"], &[2]);
        let path = "/srv/customers/west/databases/app";
        table.row(["0123abcd", "h", "1.5 GiB", path].map(str::to_owned));
        table.row(["89abcdef", "of many words, and long", "9 B", "/etc\n/srv"].map(str::to_owned));
        assert_eq!(
            table.lines(Some(50)),
            [
                "ID        Host                Size  Paths",
                "0123abcd  h                1.5 GiB  \u{2026}databases/app",
                "89abcdef  of many words\u{2026}       9 B  /etc",
                "                                    /srv",
            ]
        );
        let whole = table.lines(None);
        assert!(whole[1].ends_with(path) && whole[2].contains("words, and long"), "{whole:?}");
        for width in 30..80 {
            for line in table.lines(Some(width)) {
                assert!(line.width() <= width.max(37), "{width}: {line}");
                assert!(line.contains("GiB") || !line.contains("0123"), "{line}");
            }
        }
    }

    /// The favoured column gets as much as those together that are cut beside it.
    #[test]
    fn a_column_is_favoured() {
        let mut table = Columns::new(&["ID", "Host", "Tags", "Paths"], &[]).favouring(3);
        let host = "database-server-17.frankfurt.example.com";
        let path = "/srv/customers/west/databases/application";
        table
            .row(["0123abcd", host, "nightly,production,and-many-others", path].map(str::to_owned));
        let found = table.lines(Some(60));
        let cells: Vec<&str> = found[1].split_whitespace().collect();
        let expected =
            ["0123abcd", "database\u{2026}", "nightly\u{2026}", "\u{2026}/databases/application"];
        assert_eq!(cells, expected);
    }

    /// What may lose nothing goes on in the next line, and an empty column takes no room.
    #[test]
    fn words_go_on_in_the_next_line() {
        let mut table = Columns::new(&["NAME", "NOTE", "WHAT"], &[]).wrapping(2);
        table.row(["app", "", "replace it, keep the old one"].map(str::to_owned));
        let found = table.lines(Some(20));
        assert_eq!(found, ["NAME  WHAT", "app   replace it,", "      keep the old", "      one"]);
        assert_eq!(table.lines(None)[0], "NAME  NOTE  WHAT");
    }

    /// A word without an end is cut where the room ends, and wide letters count as two.
    #[test]
    fn words_without_an_end() {
        assert_eq!(cut("abcdefghij", 6), "abcde\u{2026}");
        assert_eq!(cut("/abcdefghij", 6), "\u{2026}fghij");
        assert_eq!(cut("\u{6f22}\u{5b57}\u{6f22}\u{5b57}", 6), "\u{6f22}\u{5b57}\u{2026}");
        assert_eq!(cut("abc", 3), "abc");
    }
}
