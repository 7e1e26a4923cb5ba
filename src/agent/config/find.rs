//! Where the file lies, and who may write it.

use crate::error::{Attempt, Error, Kind, Result};
use crate::text::for_shell;
use rustix::process::geteuid;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of the whole machine.
const SYSTEM: &str = "/etc/icecore/config.toml";

/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The file's name in the user's folder of configurations; none without a home.
pub fn of_user() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = |name| variable(name).filter(|path| path.is_absolute());
    let configs = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    Some(configs?.join("icecore/config.toml"))
}

/// The file: the one that is named, else the user's, else the machine's.
///
/// # Errors
/// `NotFound` if there is none.
pub fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let usual: Vec<PathBuf> = of_user().into_iter().chain([PathBuf::from(SYSTEM)]).collect();
    usual.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let looked: Vec<String> = usual.iter().map(|path| path.display().to_string()).collect();
        Error::new(Kind::NotFound, "find", "the file that says what is backed up")
            .because(format!("there is none at {}", looked.join(" or ")))
            .hint("`icecore config init` writes one; --config or ICECORE_CONFIG names another")
    })
}

/// Where a new file goes: the one that is named, else the machine's for root who has no `XDG_CONFIG_HOME`, else the
/// user's.
pub fn to_be(named: Option<&Path>) -> PathBuf {
    let has_own =
        std::env::var_os("XDG_CONFIG_HOME").is_some_and(|it| Path::new(&it).is_absolute());
    let usual = || match geteuid().is_root() && !has_own {
        true => PathBuf::from(SYSTEM),
        false => of_user().unwrap_or_else(|| PathBuf::from(SYSTEM)),
    };
    named.map_or_else(usual, Path::to_owned)
}

/// What stands in the file.
///
/// # Errors
/// `Refused` if others can write it, or put another in its place.
pub fn read(path: &Path) -> Result<String> {
    let subject = path.display();
    let mut file = File::open(path).attempt("open", &subject)?;
    let found = file.metadata().attempt("examine", &subject)?;
    if let Some(who) = other_writer(&found) {
        return Err(Error::new(Kind::Refused, "use", &subject)
            .because(format!("{who} can write it, and its commands run with your rights"))
            .hint(format!(
                "run `chmod go-w {}`, and see that it belongs to you or to root",
                for_shell(&subject.to_string())
            )));
    }
    let real = path.canonicalize().attempt("find", &subject)?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    let around = folder.metadata().attempt("examine", folder.display())?;
    // In a sticky folder nobody takes another's file away.
    if let Some(who) = other_writer(&around).filter(|_| around.mode() & 0o1000 == 0) {
        let shown = folder.display();
        return Err(Error::new(Kind::Refused, "use", &subject)
            .because(format!("{who} can write to {shown}, and put another file in its place"))
            .hint(format!("run `chmod go-w {}`", for_shell(&shown.to_string()))));
    }
    let mut text = String::new();
    file.by_ref().take(MAX_BYTES + 1).read_to_string(&mut text).attempt("read", &subject)?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(Error::new(Kind::InvalidInput, "read", subject)
            .because(format!("it is longer than {} KiB", MAX_BYTES >> 10))),
        false => Ok(text),
    }
}

/// Who else may write, if anybody.
fn other_writer(found: &Metadata) -> Option<String> {
    let me = geteuid().as_raw();
    match found.mode() {
        _ if found.uid() != 0 && found.uid() != me => Some(format!("user {}", found.uid())),
        mode if mode & 0o002 != 0 => Some("everybody".to_owned()),
        mode if mode & 0o020 != 0 => Some(format!("group {}", found.gid())),
        _ => None,
    }
}
