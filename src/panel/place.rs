//! A path in a snapshot, as addresses name it.

use super::fields::encoded;
use super::names;
use super::refusal::Refusal;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Letters of an id.
const ID: usize = 32;

/// A path in a snapshot.
#[derive(Clone, Debug)]
pub struct Place {
    /// The job.
    pub job: String,
    /// The repository.
    pub repository: String,
    /// The snapshot.
    pub snapshot: String,
    /// The path in it.
    pub path: Vec<u8>,
}

/// The parts of an address: job, repository, snapshot.
pub type Address = (String, String, String);

impl Place {
    /// A path at an address, if that has the id of a snapshot.
    pub fn new((job, repository, snapshot): Address, path: &[u8]) -> Result<Self, Refusal> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if snapshot.len() != ID || !snapshot.bytes().all(is_digit) {
            return Err(Refusal::absent("That is no id of a snapshot."));
        }
        Ok(Place { job, repository, snapshot, path: path.to_vec() })
    }

    /// The address of the snapshot.
    pub fn root(&self) -> String {
        format!("/job/{}/in/{}/{}", self.job, self.repository, self.snapshot)
    }

    /// The address of what is done with a path of the snapshot, or of that path itself.
    pub fn address(&self, verb: &str, path: &[u8]) -> String {
        format!("{}{verb}?path={}", self.root(), encoded(path))
    }

    /// The last name of the path; that of the snapshot for all of it.
    pub fn name(&self) -> &[u8] {
        let name = self.path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty());
        name.unwrap_or_else(|| self.snapshot.get(..8).unwrap_or_default().as_bytes())
    }

    /// The pages above those of the snapshot.
    pub fn above(&self) -> Vec<(&str, String)> {
        let job = format!("/job/{}", self.job);
        let repository = format!("{job}/in/{}", self.repository);
        vec![(&self.job, job), (&self.repository, repository)]
    }

    /// `SNAPSHOT:PATH`, as commands take it.
    pub fn argument(&self) -> OsString {
        OsString::from_vec([self.snapshot.as_bytes(), b":", &self.path].concat())
    }

    /// What a person types to restore it into any folder.
    pub fn command(&self) -> String {
        let wanted = names::word(&[self.snapshot.as_bytes(), b":", &self.path].concat());
        format!("icecore --repo @{} restore {wanted} --target FOLDER", self.repository)
    }
}
