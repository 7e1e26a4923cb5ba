//! Who may see the page: HTTP Basic, against an argon2id hash in a file.

use crate::env::Env;
use crate::error::{Error, Kind, Result};
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use blake3::Hash;
use parking_lot::Mutex;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use zeroize::Zeroizing;

/// Memory of a hash that is made here, in KiB: 19 MiB, with two passes, as OWASP has it.
const MEMORY: u32 = 19 << 10;
const PASSES: u32 = 2;

/// Most memory that a hash in a file may take to verify, in KiB.
const MEMORY_MOST: u32 = 256 << 10;

/// Longest file with a hash.
const FILE_MOST: u64 = 4 << 10;

/// Longest credentials that are looked at.
const CREDENTIALS_MOST: usize = 2 << 10;

/// Those who wait for a password to be verified; more are sent away.
const WAITING: usize = 8;

/// The pause after the first wrong password; it doubles with each, up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// After so long without a wrong password the pause is the first again.
const FORGIVEN: Duration = Duration::from_secs(300);

/// What is known of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The right one.
    Welcome,
    /// Nobody who is known, or who said nothing yet.
    Stranger,
    /// Too many ask at once.
    Busy,
    /// The file with the hash cannot be used: why.
    NoHash(String),
}

/// Who may see the page.
pub struct Login {
    user: String,
    file: PathBuf,
    /// What remembered credentials are hashed with; it never leaves this process.
    key: [u8; 32],
    remembered: Mutex<Option<Remembered>>,
    /// One password is verified at a time, and the pause after a wrong one keeps this.
    last_wrong: AsyncMutex<Wrong>,
    waiting: Arc<Semaphore>,
}

/// Credentials that were verified, and the state of the file by which they were.
#[derive(Clone, Copy, PartialEq)]
struct Remembered {
    credentials: Hash,
    file: Stamp,
}

/// What tells one state of a file from another.
type Stamp = (u64, i64, i64, u64);

/// Wrong passwords so far.
#[derive(Default)]
struct Wrong {
    count: u32,
    last: Option<Instant>,
}

impl Login {
    /// By this file.
    pub fn new(user: &str, file: PathBuf, env: &Env) -> Result<Self> {
        Ok(Login {
            user: user.to_owned(),
            file,
            key: env.random()?,
            remembered: Mutex::default(),
            last_wrong: AsyncMutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// Judges the value of the header `Authorization`.
    pub async fn judge(self: &Arc<Self>, header: Option<&[u8]>) -> Verdict {
        let Some(credentials) = header.and_then(decoded) else { return Verdict::Stranger };
        let hash = blake3::keyed_hash(&self.key, &credentials);
        match self.stamp() {
            Err(reason) => return Verdict::NoHash(reason),
            Ok(file) if self.is_remembered(Remembered { credentials: hash, file }) => {
                return Verdict::Welcome;
            }
            Ok(_) => {}
        }
        let Ok(place) = self.waiting.clone().try_acquire_owned() else { return Verdict::Busy };
        // On its own: a client that goes away avoids no pause, and starts no second hashing.
        let login = self.clone();
        let judged = tokio::spawn(async move {
            let verdict = login.verified(credentials, hash).await;
            drop(place);
            verdict
        });
        judged.await.unwrap_or(Verdict::Stranger)
    }

    async fn verified(&self, text: Zeroizing<Vec<u8>>, credentials: Hash) -> Verdict {
        let mut wrong = self.last_wrong.lock().await;
        let file = match self.stamp() {
            Err(reason) => return Verdict::NoHash(reason),
            Ok(file) => file,
        };
        let asked = Remembered { credentials, file };
        // It may have been verified while this one waited.
        if self.is_remembered(asked) {
            return Verdict::Welcome;
        }
        match self.verify(text).await {
            Err(reason) => Verdict::NoHash(reason),
            Ok(true) => {
                *self.remembered.lock() = Some(asked);
                *wrong = Wrong::default();
                Verdict::Welcome
            }
            Ok(false) => {
                wrong.pause().await;
                Verdict::Stranger
            }
        }
    }

    /// Hashes are compared in a time that tells nothing of them.
    fn is_remembered(&self, asked: Remembered) -> bool {
        *self.remembered.lock() == Some(asked)
    }

    async fn verify(&self, credentials: Zeroizing<Vec<u8>>) -> Result<bool, String> {
        let hash = self.hash()?;
        let same = |a: &[u8], b: &[u8]| {
            blake3::keyed_hash(&self.key, a) == blake3::keyed_hash(&self.key, b)
        };
        let colon = credentials.iter().position(|byte| *byte == b':').unwrap_or_default();
        let is_user = same(credentials.get(..colon).unwrap_or_default(), self.user.as_bytes());
        let verified = spawn_blocking(move || {
            let password = credentials.get(colon + 1..).unwrap_or_default();
            let hash = PasswordHash::new(&hash).map_err(|cause| cause.to_string())?;
            Ok(Argon2::default().verify_password(password, &hash).is_ok())
        });
        let verified = verified.await.unwrap_or_else(|cause| Err(cause.to_string()));
        verified.map(|is_password| is_password & is_user)
    }

    fn stamp(&self) -> Result<Stamp, String> {
        let found = fs::metadata(&self.file).map_err(|cause| self.unusable(&cause.to_string()))?;
        match found.mode() & 0o022 {
            0 => Ok((found.ino(), found.mtime(), found.mtime_nsec(), found.size())),
            _ => Err(self.unusable("others can write it: run `chmod go-w` on it")),
        }
    }

    /// What stands in the file.
    fn hash(&self) -> Result<String, String> {
        let mut text = String::new();
        let read =
            File::open(&self.file).and_then(|file| file.take(FILE_MOST).read_to_string(&mut text));
        read.map_err(|cause| self.unusable(&cause.to_string()))?;
        let text = text.trim();
        let no_hash =
            || self.unusable("no argon2id hash stands in it: `icecore panel hash` makes one");
        let hash = PasswordHash::new(text).map_err(|_| no_hash())?;
        let params = Params::try_from(&hash).map_err(|_| no_hash())?;
        match hash.algorithm.as_str() == "argon2id" && params.m_cost() <= MEMORY_MOST {
            true => Ok(text.to_owned()),
            false => Err(no_hash()),
        }
    }

    fn unusable(&self, why: &str) -> String {
        format!(
            "the file with the hash of the password, {}, cannot be used: {why}",
            self.file.display()
        )
    }
}

impl Wrong {
    /// One more: a client that guesses waits, and so does every client whose password is not verified yet.
    async fn pause(&mut self) {
        if self.last.is_none_or(|last| last.elapsed() > FORGIVEN) {
            self.count = 0;
        }
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow(self.count)).min(LONGEST_PAUSE);
        self.count = self.count.saturating_add(1);
        sleep(pause).await;
        self.last = Some(Instant::now());
    }
}

/// The credentials in `Authorization: Basic ...`.
fn decoded(header: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, text) = header.split_at_checked(6)?;
    let is_basic = scheme.eq_ignore_ascii_case(b"Basic ") && text.len() <= CREDENTIALS_MOST;
    let credentials = is_basic.then(|| BASE64_STANDARD.decode(text.trim_ascii()).ok())??;
    credentials.contains(&b':').then(|| Zeroizing::new(credentials))
}

/// A hash of a password, as it stands in a file.
///
/// # Errors
/// `InvalidInput` for a password that would protect nothing.
pub fn hash(password: &[u8], env: &Env) -> Result<String> {
    if password.len() < 8 {
        return Err(Error::new(Kind::InvalidInput, "use", "a password of less than 8 letters")
            .because("it would protect nothing"));
    }
    let failed = |cause: String| Error::new(Kind::Failed, "hash", "the password").because(cause);
    let params = Params::new(MEMORY, PASSES, 1, None).map_err(|cause| failed(cause.to_string()))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = env.random::<16>()?;
    let hashed = argon.hash_password_with_salt(password, &salt);
    hashed.map(|hash| hash.to_string()).map_err(|cause| failed(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Time;
    use std::os::unix::fs::PermissionsExt;

    fn basic(user: &str, password: &str) -> Vec<u8> {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))).into_bytes()
    }

    fn judge(login: &Arc<Login>, header: Option<&[u8]>) -> Verdict {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(login.judge(header))
    }

    /// The right one is let in, and at once when remembered, whatever pause a wrong one has caused; another
    /// password in the file ends that.
    #[test]
    fn only_who_knows_the_password_is_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hash");
        let (env, _) = Env::seeded(1, Time(0));
        let write = |password: &str| {
            let _ = fs::remove_file(&file);
            fs::write(&file, hash(password.as_bytes(), &env).unwrap()).unwrap();
        };
        write("correct horse");
        let login = Arc::new(Login::new("ops", file.clone(), &env).unwrap());
        assert_eq!(judge(&login, None), Verdict::Stranger);
        assert_eq!(judge(&login, Some(b"Basic %%%")), Verdict::Stranger);
        assert_eq!(judge(&login, Some(b"Bearer abc")), Verdict::Stranger);
        let right = basic("ops", "correct horse");
        assert_eq!(judge(&login, Some(&right)), Verdict::Welcome);
        let begun = Instant::now();
        for (user, password) in [("ops", "wrong horse"), ("other", "correct horse")] {
            assert_eq!(judge(&login, Some(&basic(user, password))), Verdict::Stranger);
        }
        assert!(begun.elapsed() > PAUSE * 3, "wrong ones wait, longer each time");
        let begun = Instant::now();
        assert_eq!(judge(&login, Some(&right)), Verdict::Welcome);
        assert!(begun.elapsed() < Duration::from_millis(100), "a remembered one waits for nothing");
        write("battery staple");
        assert_eq!(judge(&login, Some(&right)), Verdict::Stranger);
        assert_eq!(judge(&login, Some(&basic("ops", "battery staple"))), Verdict::Welcome);
    }

    /// A file that others can write, that is not there, or that has another sort of hash lets nobody in.
    #[test]
    fn a_hash_that_cannot_be_trusted_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hash");
        let (env, _) = Env::seeded(1, Time(0));
        let login = Arc::new(Login::new("ops", file.clone(), &env).unwrap());
        let right = basic("ops", "correct horse");
        let is_unusable = || matches!(judge(&login, Some(&right)), Verdict::NoHash(_));
        assert!(is_unusable());
        let good = hash(b"correct horse", &env).unwrap();
        fs::write(&file, good.replace("argon2id", "argon2i")).unwrap();
        assert!(is_unusable());
        fs::write(&file, good.replace("m=19456", "m=4000000")).unwrap();
        assert!(is_unusable());
        fs::write(&file, &good).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(is_unusable());
        assert!(hash(b"short", &env).is_err());
    }
}
