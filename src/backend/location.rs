//! The text by which a person names a repository, and the backend that it means.

use super::http::{BucketFacts, HttpPlace};
use super::occupied::{refuse_foreign, refuse_restic};
use super::options::{Options, SFTP};
use super::sftp::SftpPlace;
use super::{Backend, Local, Retry};
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::ObjectKind;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a repository lies: `/path`, `relative/path` or `local:/path`, a bucket or container of an
/// object store, or a folder on a server of WebDAV or SFTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Local(PathBuf),
    /// A bucket, or a folder in it; a folder of WebDAV.
    Http(Box<HttpPlace>),
    /// A folder on a server, over ssh.
    Sftp(Box<SftpPlace>),
}

impl Location {
    /// Reads how a person names a place, and how the store there is to be used.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported`; what was written may hold a password, and is repeated only
    /// where it cannot.
    pub fn parse(text: &str, options: &Options) -> Result<Self> {
        let path = match scheme_of(text) {
            None if is_remote(text) => return Err(lacks_scheme()),
            None if text.starts_with('@') => {
                return Err(invalid(text)
                    .because("only `--repo` takes the name of a repository of the file of jobs")
                    .hint(format!("write its place; a directory of that name is ./{text}")));
            }
            None => text,
            Some(("local", path)) => path,
            Some((SFTP, rest)) => {
                let place = SftpPlace::parse(rest, options)?;
                return Ok(Location::Sftp(Box::new(place)));
            }
            Some((scheme, _)) if ELSEWHERE.contains(&scheme) => return Err(not_there_yet(scheme)),
            Some((scheme, rest)) => {
                let unknown = || {
                    Err(invalid(text)
                        .because(format!("this program knows no store named {scheme:?}"))
                        .hint(format!("for a directory write ./{text} or local:{text}")))
                };
                let place = HttpPlace::parse(scheme, rest, options);
                return place.map_or_else(unknown, |place| {
                    place.map(|place| Location::Http(Box::new(place)))
                });
            }
        };
        if path.is_empty() || path.contains('\0') {
            return Err(invalid(text)
                .because("it names no directory")
                .hint("write a path such as /srv/backup or local:/srv/backup"));
        }
        Ok(Location::Local(PathBuf::from(path)))
    }

    /// A folder of this name in it.
    pub fn below(&self, name: &str) -> Self {
        match self {
            Location::Local(path) => Location::Local(path.join(name)),
            Location::Http(place) => Location::Http(Box::new(place.below(name))),
            Location::Sftp(place) => Location::Sftp(Box::new(place.below(name))),
        }
    }

    /// What its store tells of the bucket that it is in; none if it is in none.
    ///
    /// # Errors
    /// Those of setting up a connection.
    pub fn bucket_facts(&self) -> Result<Option<BucketFacts>> {
        match self {
            Location::Http(place) => place.bucket_facts(),
            Location::Local(_) | Location::Sftp(_) => Ok(None),
        }
    }

    /// What has not been tried, and users of its store should know.
    pub fn unseen(&self) -> &'static [&'static str] {
        match self {
            Location::Http(place) => place.unseen(),
            Location::Local(_) | Location::Sftp(_) => &[],
        }
    }

    /// Whether its store can make durable what is stored there, as far as it says.
    pub fn syncs(&self) -> Result<bool> {
        match self {
            Location::Sftp(place) => place.syncs(),
            Location::Local(_) | Location::Http(_) => Ok(true),
        }
    }

    /// Removes the folders there, which held a store and must be this program's own.
    pub fn clear(&self) -> Result<()> {
        match self {
            Location::Local(path) => {
                std::fs::remove_dir_all(path).attempt("remove", path.display())
            }
            Location::Http(place) => place.clear(),
            Location::Sftp(place) => place.clear(),
        }
    }

    /// The store there, of which nothing is changed. One that is far away is not asked anything yet.
    ///
    /// # Errors
    /// `NoRepository` if there is no such place.
    pub fn open(&self) -> Result<Box<dyn Backend>> {
        match self {
            Location::Local(path) => {
                refuse_restic(path, Error::new(Kind::NoRepository, "open", path.display()))?;
                Ok(Box::new(patient(Local::open(path)?)))
            }
            Location::Http(place) => place.open(),
            Location::Sftp(place) => place.open(),
        }
    }

    /// The store there, its place made if it is a directory that is missing: for `init`.
    ///
    /// # Errors
    /// `Refused` if the place is in use for something else.
    pub fn create(&self) -> Result<Box<dyn Backend>> {
        match self {
            Location::Local(path) => {
                let refusal = Error::new(Kind::Refused, "create a repository in", path.display());
                refuse_restic(path, refusal)?;
                if path.is_dir() && !path.join(ObjectKind::Config.folder()).exists() {
                    refuse_foreign(path)?;
                }
                Ok(Box::new(patient(Local::create(path)?)))
            }
            Location::Http(place) => place.create(),
            Location::Sftp(place) => place.create(),
        }
    }
}

/// The directory may lie on another machine, which may be away for a moment.
fn patient(local: Local) -> Retry<Local> {
    Retry::new(local, Env::real())
}

impl FromStr for Location {
    type Err = Error;

    /// [`Location::parse`] without options.
    fn from_str(text: &str) -> Result<Self> {
        Location::parse(text, &Options::default())
    }
}

/// Schemes of stores on other machines, as other programs name them.
const ELSEWHERE: [&str; 12] = [
    "dav", "davs", "ftp", "http", "https", "nfs", "opendal", "rclone", "rest", "smb", "ssh",
    "swift",
];

/// `user@host:path`, as ssh and rsync write it.
fn is_remote(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'))
}

/// The place may hold a password and is not repeated.
fn lacks_scheme() -> Error {
    Error::new(Kind::InvalidInput, "use the repository location", "`user@host:...`")
        .because("a folder of this machine is not written so")
        .hint("for a folder on a server write sftp:user@host:/path")
}

/// The place may hold a password and is not repeated.
fn not_there_yet(scheme: &str) -> Error {
    Error::new(Kind::Unsupported, "use the repository location", format!("`{scheme}:...`"))
        .because("this kind of store is not supported yet")
        .hint(match scheme {
            "dav" | "http" => "for WebDAV write webdav://host/path",
            "davs" | "https" => "for WebDAV write webdavs://host/path",
            "ssh" => "for a folder on a server write sftp://user@host/path",
            _ => {
                "a folder that is mounted from elsewhere works today; README says how rclone or rsync \
                 copies a repository, and in which order"
            }
        })
}

fn invalid(text: &str) -> Error {
    Error::new(Kind::InvalidInput, "use the repository location", format!("{text:?}"))
}

/// What stands before the first colon, if it can be the name of a scheme, and what follows.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let starts_well = letters.next()?.is_ascii_alphabetic();
    let goes_on = letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    (starts_well && goes_on).then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths are paths, with or without the scheme; only the first colon of a scheme counts.
    #[test]
    fn reads_directories() {
        for (text, path) in [
            ("/srv/b", "/srv/b"),
            ("local:/srv/b", "/srv/b"),
            ("./s3:x", "./s3:x"),
            ("local:s3:x", "s3:x"),
            ("b", "b"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap(), Location::Local(path.into()), "{text}");
        }
    }

    /// A store that is not known, or no place at all, is refused in words.
    #[test]
    fn refuses_what_it_does_not_know() {
        for text in ["tape:x", "C:", "", "local:", "a\0b", "u@host:/srv/b", "sftp://u@host"] {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text:?}");
            assert!(error.hint_text().is_some(), "{text:?}");
        }
    }

    /// A store on another machine is said not to be supported yet, with what works today, and without
    /// the secrets that stand in its name.
    #[test]
    fn says_what_is_not_supported_yet() {
        for (text, hint) in [
            ("rest:https://u:secret@host/", "mounted"),
            ("rclone:remote:x", "mounted"),
            ("swift:c:/", "mounted"),
            ("https://u:secret@host/dav", "webdavs://"),
            ("ssh://u:secret@host/x", "sftp://"),
        ] {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported, "{text:?}");
            assert!(error.to_string().contains("not supported yet"), "{error}");
            assert!(error.hint_text().unwrap().contains(hint), "{text:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
