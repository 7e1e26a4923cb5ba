//! Files of variables: what an `env_file` of a repository sets.

use crate::error::{Attempt, Error, Kind, Result};
use crate::text::readable_by_others;
use crate::ui::out::{self, Tone};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Longest file that is read.
const MAX_BYTES: u64 = 64 << 10;

/// The variables in a file: `NAME=VALUE` a line, `#` before remarks.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let subject = path.display();
    let file = File::open(path).attempt("open the file of variables", &subject)?;
    let found = file.metadata().attempt("examine the file of variables", &subject)?;
    if found.is_file() && found.mode() & 0o077 != 0 {
        out::tell(Tone::Warning, &readable_by_others(path));
    }
    let mut text = String::new();
    let read = file.take(MAX_BYTES).read_to_string(&mut text);
    read.attempt("read the file of variables", &subject)?;
    let mut variables = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        // What stands there may be a secret, and is not repeated.
        let (name, value) = line.split_once('=').ok_or_else(|| {
            Error::new(Kind::InvalidInput, "understand", format!("{subject}:{number}"))
                .because("it is not NAME=VALUE")
        })?;
        variables.insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
    }
    Ok(variables)
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
