//! Files that libpq reads settings from: services (34.17) and passwords (34.16).

use super::environment::Environment;
use super::parameters::Given;
use crate::error::{Attempt, Error, Kind, Result};
use crate::limits::POSTGRES_FILE_MAX;
use crate::postgres::Secret;
use crate::text::for_shell;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What the service `name` says: in the user's file, or else in the machine's.
pub(super) fn service(name: &str, around: &Environment) -> Result<Given> {
    let own = match around.variable("PGSERVICEFILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => around.at_home(".pg_service.conf").filter(|path| path.exists()),
    };
    for path in own.into_iter().chain([around.system_services()]) {
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == Kind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(given) = section(&text, name, &path)? {
            return Ok(given);
        }
    }
    Err(Error::new(Kind::NotFound, "find the PostgreSQL service", format!("{name:?}"))
        .hint("it is looked for in PGSERVICEFILE or ~/.pg_service.conf, and in the machine's pg_service.conf"))
}

/// The section `[name]` of a service file.
fn section(text: &str, name: &str, path: &Path) -> Result<Option<Given>> {
    let mut found: Option<Given> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if title.split(']').next() == Some(name) {
                found = Some(Given::default());
            }
            continue;
        }
        let Some(given) = &mut found else { continue };
        let wrong = |reason: &str| {
            Error::new(Kind::InvalidInput, "understand", path.display())
                .because(format!("line {number}: {reason}"))
        };
        match line.split_once('=') {
            Some(("service", _)) => return Err(wrong("a service within a service")),
            Some((name, value)) => {
                given.set(name.trim(), value.trim()).map_err(|_| wrong("an unknown parameter"))?;
            }
            None => return Err(wrong("there is no \"=\"")),
        }
    }
    Ok(found)
}

/// What a password file is asked for.
pub(super) struct Wanted<'w> {
    pub(super) host: &'w str,
    pub(super) port: &'w str,
    pub(super) database: &'w str,
    pub(super) user: &'w str,
}

/// The password of the first line that fits; none if the file is not there.
///
/// # Errors
/// A file that others may read, which libpq passes over, too.
pub(super) fn password(path: &Path, wanted: &Wanted<'_>) -> Result<Option<Secret>> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::new(Kind::Refused, "use the passwords in", path.display())
            .because("others may read the file")
            .hint(format!("run `chmod 600 {}`", for_shell(&path.display().to_string()))));
    }
    let text = read(path)?;
    let fields = [wanted.host, wanted.port, wanted.database, wanted.user];
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut rest = line;
        if fields.iter().all(|field| matches(&mut rest, field)) {
            return Ok(Some(Secret::new(&unescaped(rest).0)));
        }
    }
    Ok(None)
}

/// Whether the next field of a line is `wanted` or `*`; what follows it is left in `line`.
fn matches(line: &mut &str, wanted: &str) -> bool {
    let (field, length) = unescaped(line);
    let any = line.starts_with("*:");
    let Some(rest) = line.get(length..).and_then(|rest| rest.strip_prefix(':')) else {
        return false;
    };
    *line = rest;
    any || *field == wanted
}

/// The text up to an unescaped `:` or the end, and how long it is in the line.
fn unescaped(line: &str) -> (Zeroizing<String>, usize) {
    let mut field = Zeroizing::new(String::new());
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            ':' => return (field, at),
            '\\' => field.extend(letters.next().map(|(_, letter)| letter)),
            _ => field.push(letter),
        }
    }
    (field, line.len())
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    let file = File::open(path).attempt("open", path.display())?;
    let mut text = Zeroizing::new(String::new());
    file.take(POSTGRES_FILE_MAX).read_to_string(&mut text).attempt("read", path.display())?;
    Ok(text)
}
