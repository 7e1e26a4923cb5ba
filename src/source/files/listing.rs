//! The names in one directory, sorted, in little memory.

use crate::error::{Attempt, Error, Kind, Result};
use rustix::fs::RawDir;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Bytes asked of the kernel at a time.
const BUFFER: usize = 128 << 10;

/// Names of a directory, sorted by their bytes.
#[derive(Default)]
pub(super) struct Listing {
    /// All names, one after the other.
    text: Vec<u8>,
    /// Where each stands.
    places: Vec<Place>,
    /// How many were taken.
    taken: usize,
}

#[derive(Clone, Copy)]
struct Place {
    start: u32,
    length: u16,
}

impl Listing {
    /// Reads the directory `fd`. What could be read before an error is kept beside it.
    pub(super) fn read(fd: BorrowedFd<'_>, path: &Path) -> (Self, Option<Error>) {
        let mut listing = Listing::default();
        let failure = listing.fill(fd, path).err();
        listing.sort();
        (listing, failure)
    }

    /// The next name.
    pub(super) fn take(&mut self) -> Option<&[u8]> {
        let place = *self.places.get(self.taken)?;
        self.taken += 1;
        Some(name(&self.text, place))
    }

    /// Whether `wanted` is one of them, taken or not.
    pub(super) fn contains(&self, wanted: &[u8]) -> bool {
        self.places.binary_search_by(|place| name(&self.text, *place).cmp(wanted)).is_ok()
    }

    /// Only `kept` stays, if it is there.
    pub(super) fn retain(&mut self, kept: &[u8]) {
        let text = std::mem::take(&mut self.text);
        self.places.retain(|place| name(&text, *place) == kept);
        self.text = text;
    }

    fn fill(&mut self, fd: BorrowedFd<'_>, path: &Path) -> Result<()> {
        let mut buffer = Vec::with_capacity(BUFFER);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => self.push(entry.file_name().to_bytes(), path)?,
                Err(Errno::INTR) => {}
                Err(cause) => {
                    return Err(std::io::Error::from(cause)).attempt("list", path.display());
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &[u8], path: &Path) -> Result<()> {
        if name == b"." || name == b".." {
            return Ok(());
        }
        let (Ok(start), Ok(length)) = (u32::try_from(self.text.len()), u16::try_from(name.len()))
        else {
            return Err(Error::new(Kind::Unsupported, "list", path.display())
                .because("its names take more than 4 GiB"));
        };
        self.text.extend_from_slice(name);
        self.places.push(Place { start, length });
        Ok(())
    }

    fn sort(&mut self) {
        let text = &self.text;
        self.places.sort_unstable_by(|a, b| name(text, *a).cmp(name(text, *b)));
        // A directory that is written meanwhile may give a name twice.
        self.places.dedup_by(|a, b| name(text, *a) == name(text, *b));
    }
}

fn name(text: &[u8], place: Place) -> &[u8] {
    let start = usize::try_from(place.start).unwrap_or(usize::MAX);
    text.get(start..start.saturating_add(usize::from(place.length))).unwrap_or_default()
}
