//! Small files in which this host remembers things: each is replaced as a whole or not at all, and the locks
//! beside them end with the process that holds them, however that ends.

use crate::error::{Attempt, Result};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// So often, and after so long each time, a lock is tried again that another process may have for an instant, to see
/// whether it is free.
const GLANCES: u32 = 5;
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// For the owner alone: what new temporary files have.
const PRIVATE: u32 = 0o600;

/// Makes a folder, and those above it that are missing, for their owner alone.
///
/// # Errors
/// I/O errors.
pub fn private_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.attempt("make", folder.display())
}

/// Replaces a file as a whole, or not at all, so that a power cut leaves the one or the other.
///
/// # Errors
/// I/O errors.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let replaced = new_beside(path, mode).and_then(|file| name(file, path, content));
    replaced.map(drop).attempt("write", path.display())
}

/// Tries whether a file could be replaced, by making one beside it that is removed again.
///
/// # Errors
/// I/O errors.
pub fn try_beside(path: &Path) -> Result<()> {
    new_beside(path, 0o600).map(drop).attempt("write", path.display())
}

/// The same as [`replace`], for its owner alone, with a file that is locked before it has its name: it is never found
/// unlocked.
///
/// # Errors
/// I/O errors.
pub fn replace_locked(path: &Path, content: &[u8]) -> Result<File> {
    let locked = new_beside(path, PRIVATE).and_then(|file| {
        file.as_file().try_lock()?;
        name(file, path, content)
    });
    locked.attempt("write", path.display())
}

/// A new file in the folder of another, which is removed again unless it gets a name.
fn new_beside(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    let file = builder.prefix(&prefix).tempfile_in(folder_of(path))?;
    // Under the process's umask it would have less than was asked for.
    if mode != PRIVATE {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

fn name(mut file: NamedTempFile, path: &Path, content: &[u8]) -> io::Result<File> {
    file.write_all(content)?;
    file.as_file().sync_all()?;
    let file = file.persist(path)?;
    File::open(folder_of(path))?.sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// The paths in a folder, by name; none where it cannot be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Locks a file, which is made if there is none; none if another process has it locked for longer than a glance.
///
/// # Errors
/// I/O errors.
pub fn try_lock(path: &Path) -> Result<Option<File>> {
    let mut glances = 0;
    lock_unless(path, &mut || {
        sleep(POLL_INTERVAL);
        glances += 1;
        glances > GLANCES
    })
}

/// The same, and waits for it so long at most.
///
/// # Errors
/// I/O errors.
pub fn lock_within(path: &Path, most: Duration) -> Result<Option<File>> {
    let begun = Instant::now();
    lock_unless(path, &mut || {
        sleep(POLL_INTERVAL);
        begun.elapsed() >= most
    })
}

/// The same, and waits for it until it is `given_up`.
///
/// # Errors
/// I/O errors.
pub fn lock_unless(path: &Path, given_up: &mut dyn FnMut() -> bool) -> Result<Option<File>> {
    loop {
        let file = open_lock(path)?;
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if given_up() => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(cause)) => return Err(cause).attempt("lock", path.display()),
        }
    }
}

/// Whether a process has an exclusive lock on a file; nothing is made, and no process kept from locking it.
///
/// # Errors
/// I/O errors.
pub fn is_locked(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.attempt("open", path.display())?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(cause)) => Err(cause).attempt("examine the lock", path.display()),
    }
}

/// Locks a file together with others who share it.
///
/// # Errors
/// I/O errors.
pub fn lock_shared(path: &Path) -> Result<File> {
    let file = open_lock(path)?;
    file.lock_shared().attempt("lock", path.display())?;
    Ok(file)
}

fn open_lock(path: &Path) -> Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
    options.open(path).attempt("open", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// What was there is replaced with all of what is new, under the mode that was asked for.
    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("state/of/it");
        private_folder(&folder).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
        let path = folder.join("file.json");
        for (content, wanted) in [("a longer text", 0o600), ("short", 0o640)] {
            replace(&path, content.as_bytes(), wanted).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(mode(&path), wanted);
        }
        assert_eq!(names(&folder), ["file.json"]);
    }

    /// What cannot be put in the place of what is there leaves that as it was, and nothing beside it.
    #[test]
    fn a_failure_leaves_what_was_there_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        // No file takes the place of a folder.
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"new", 0o600).is_err());
        assert!(replace_locked(&path, b"new").is_err());
        assert!(path.is_dir());
        assert_eq!(names(folder.path()), ["file.json"]);
        assert!(replace(&folder.path().join("gone/file"), b"new", 0o600).is_err());
    }

    /// A lock excludes others for as long as it is held, and a shared one excludes an exclusive one.
    #[test]
    fn locks_exclude_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = try_lock(&path).unwrap().expect("nobody has it");
        assert_eq!(mode(&path), 0o600);
        assert!(try_lock(&path).unwrap().is_none());
        let mut glances = 0;
        let given_up = &mut || {
            glances += 1;
            glances == 3
        };
        assert!(lock_unless(&path, given_up).unwrap().is_none());
        assert_eq!(glances, 3);
        drop(held);
        let shared = [lock_shared(&path).unwrap(), lock_shared(&path).unwrap()];
        assert!(try_lock(&path).unwrap().is_none());
        drop(shared);
        assert!(lock_unless(&path, &mut || true).unwrap().is_some());
    }

    /// To see whether a file is locked makes none, keeps nobody from locking it, and takes nobody else who looks for one
    /// who has locked it.
    #[test]
    fn looking_keeps_nobody_from_locking() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_locked(&path).unwrap() && names(folder.path()).is_empty());
        let held = try_lock(&path).unwrap().expect("nobody has it");
        assert!(is_locked(&path).unwrap());
        drop(held);
        let looks = || {
            let file = File::open(&path).unwrap();
            file.try_lock_shared().unwrap();
            file
        };
        let one = looks();
        assert!(!is_locked(&path).unwrap());
        drop(one);
        // A machine that is busy may let a look take longer than others try.
        let is_locked_meanwhile = || {
            let one = looks();
            let looking = std::thread::spawn(move || {
                sleep(POLL_INTERVAL / 2);
                drop(one);
            });
            let locked = try_lock(&path).unwrap();
            looking.join().unwrap();
            locked.is_some()
        };
        assert!((0..20).any(|_| is_locked_meanwhile()));
    }

    /// Nobody finds a file that is replaced with its lock held unlocked.
    #[test]
    fn a_file_is_locked_when_it_gets_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.json");
        fs::write(&path, "old").unwrap();
        let held = replace_locked(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(File::open(&path).unwrap().try_lock().is_err());
        drop(held);
        assert!(File::open(&path).unwrap().try_lock().is_ok());
    }
}
