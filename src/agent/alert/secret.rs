//! Secrets in files.

use crate::error::{Attempt, Error, Kind, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// Longest file that is read.
const MAX_BYTES: u64 = 64 << 10;

/// The first line of a file, which is not empty.
pub fn line(path: &Path) -> Result<Zeroizing<String>> {
    let subject = path.display();
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).attempt("open", &subject)?;
    file.take(MAX_BYTES).read_to_string(&mut text).attempt("read", &subject)?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() {
        true => {
            Err(Error::new(Kind::InvalidInput, "use", subject).because("its first line is empty"))
        }
        false => Ok(Zeroizing::new(line.to_owned())),
    }
}
