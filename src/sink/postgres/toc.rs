//! The table of contents at the head of a `pg_dump` archive in the custom format, as PostgreSQL's
//! `pg_backup_archiver.c` writes it (archive versions 1.12 to 1.16: `pg_dump` 9.0 to 18).

use crate::error::{Error, Kind, Result};
use crate::limits::{DUMP_TOC_ENTRIES_MAX, DUMP_TOC_MAX};

/// What an archive begins with.
const MAGIC: &[u8] = b"PGDMP";

/// Archive versions that are understood: the first with dependencies that can be trusted, and the
/// newest.
const VERSIONS: std::ops::RangeInclusive<(u8, u8)> = (1, 12)..=(1, 16);

/// The byte that says "custom format".
const CUSTOM: u8 = 1;

/// What an archive says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toc {
    /// The database that was dumped.
    pub database: String,
    /// The server's version, as it names itself.
    pub server_version: String,
    /// The version of `pg_dump`.
    pub tool_version: String,
    /// Its entries, in the order of their restoring.
    pub entries: Vec<Entry>,
}

/// One object, or something about one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number within the archive.
    pub id: i64,
    /// What it is: `TABLE`, `TABLE DATA`, `INDEX`, `ACL`, ...
    pub kind: String,
    /// Its name; where it belongs to a table, the table's name before it.
    pub tag: String,
    /// The schema that it lies in, empty for none.
    pub schema: String,
    /// The statements that make it.
    pub definition: String,
    /// The numbers of those that must be there before it.
    pub needs: Vec<i64>,
}

impl Toc {
    /// The version of `pg_dump` as a number, as far as its text tells: 150000 is 15.
    pub fn tool_number(&self) -> u32 {
        let end = self.tool_version.find(|letter: char| !letter.is_ascii_digit());
        let major = end.map_or(self.tool_version.as_str(), |end| {
            self.tool_version.get(..end).unwrap_or_default()
        });
        major.parse::<u32>().unwrap_or_default().saturating_mul(10_000)
    }

    /// Whether these bytes begin an archive.
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads the table from the front of an archive; none if it goes on past these bytes.
    ///
    /// # Errors
    /// `Unsupported` for a version that is not known, `Damaged` for nonsense.
    pub fn read(bytes: &[u8], subject: &str) -> Result<Option<Toc>> {
        let mut cursor = Cursor { rest: bytes, int_size: 0, subject };
        match cursor.toc() {
            Err(Stop::Short) if bytes.len() < DUMP_TOC_MAX => Ok(None),
            Err(Stop::Short) => Err(cursor.damaged("its table of contents is too long")),
            Err(Stop::Error(error)) => Err(error),
            Ok(toc) => Ok(Some(toc)),
        }
    }
}

/// Why reading stopped.
enum Stop {
    Short,
    Error(Error),
}

type Read<T> = std::result::Result<T, Stop>;

struct Cursor<'b> {
    rest: &'b [u8],
    int_size: usize,
    subject: &'b str,
}

impl Cursor<'_> {
    fn toc(&mut self) -> Read<Toc> {
        if self.take(MAGIC.len())? != MAGIC {
            return Err(Stop::Error(self.damaged("it is no archive of pg_dump")));
        }
        let [major, minor, _] = self.array()?;
        let version = (major, minor);
        if !VERSIONS.contains(&version) {
            return Err(Stop::Error(self.unknown(format!("archive version {major}.{minor}"))));
        }
        let [int_size, offset_size, format] = self.array()?;
        if format != CUSTOM {
            return Err(Stop::Error(self.unknown(format!("archive format {format}"))));
        }
        if !(1..=8).contains(&int_size) || !(1..=8).contains(&offset_size) {
            return Err(Stop::Error(self.damaged("sizes of integers that cannot be")));
        }
        self.int_size = usize::from(int_size);
        match version >= (1, 15) {
            true => drop(self.array::<1>()?),
            false => drop(self.int()?),
        }
        for _part_of_the_time in 0..7 {
            self.int()?;
        }
        let mut toc = Toc {
            database: self.text()?,
            server_version: self.text()?,
            tool_version: self.text()?,
            entries: Vec::new(),
        };
        let count = self.int()?;
        if !usize::try_from(count).is_ok_and(|count| count <= DUMP_TOC_ENTRIES_MAX) {
            return Err(Stop::Error(self.damaged(format!("{count} entries"))));
        }
        for _ in 0..count {
            toc.entries.push(self.entry(version)?);
            // Where its data stands, which a dump into a pipe does not know.
            self.take(1 + usize::from(offset_size))?;
        }
        Ok(toc)
    }

    fn entry(&mut self, version: (u8, u8)) -> Read<Entry> {
        let id = self.int()?;
        let _has_data = self.int()?;
        let [_table, _object] = [self.text()?, self.text()?];
        let [tag, kind] = [self.text()?, self.text()?];
        let _section = self.int()?;
        let [definition, _drop, _copy] = [self.text()?, self.text()?, self.text()?];
        let [schema, _tablespace] = [self.text()?, self.text()?];
        if version >= (1, 14) {
            self.text()?;
        }
        if version >= (1, 16) {
            self.int()?;
        }
        let [_owner, _with_oids] = [self.text()?, self.text()?];
        let mut needs = Vec::new();
        while let Some(need) = self.optional_text()? {
            let number = need.parse();
            needs.push(number.map_err(|_| Stop::Error(self.damaged("a dependency of no number")))?);
        }
        Ok(Entry { id, kind, tag, schema, definition, needs })
    }

    fn take(&mut self, length: usize) -> Read<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Stop::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Stop::Short)
    }

    /// A sign, then its bytes from the lowest on.
    fn int(&mut self) -> Read<i64> {
        let size = self.int_size;
        let [sign] = self.array()?;
        let bytes = self.take(size)?;
        let value = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let value = i64::try_from(value).ok().filter(|_| sign <= 1);
        let value = value.ok_or_else(|| Stop::Error(self.damaged("an integer out of range")))?;
        Ok(if sign == 1 { -value } else { value })
    }

    /// Its length and its bytes; a negative length for none.
    fn optional_text(&mut self) -> Read<Option<String>> {
        let length = self.int()?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if length > DUMP_TOC_MAX {
            return Err(Stop::Error(self.damaged("a text that is too long")));
        }
        // Names of a database in another encoding are still names to look at.
        let bytes = self.take(length)?;
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    }

    fn text(&mut self) -> Read<String> {
        Ok(self.optional_text()?.unwrap_or_default())
    }

    fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::damaged("read the table of contents of", self.subject, reason)
    }

    fn unknown(&self, what: String) -> Error {
        Error::new(Kind::Unsupported, "read the table of contents of", self.subject)
            .because(format!("{what} is not known to this program"))
            .hint("a newer version of icecore may know it; `icecore dump` writes the file out")
    }
}
