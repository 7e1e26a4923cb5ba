//! Texts that stand in no file, as a folder of the snapshot.

use super::{ByteStream, Entry, FileItem, FileProof, Got, Item, Opener, PartProof, Source};
use crate::env::{Env, Time};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::directory::{FileTime, Metadata, bad_name};
use crate::format::snapshot::{PartKind, SourceName};
use rustix::process::{getegid, geteuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where snapshots of a job have the folder that says what the job is.
pub const JOB_FOLDER: &str = "/icecore";

/// A part that is a folder of texts.
pub struct Documents {
    path: PathBuf,
    items: VecDeque<Item>,
    warnings: Vec<String>,
}

impl Documents {
    /// These texts by their names, in a folder that stands at `path` in the snapshot.
    pub fn new(path: &Path, texts: BTreeMap<String, Vec<u8>>, env: &Env) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let mut items = VecDeque::from([Item::Enter(entry(name, 0o700, env)?)]);
        for (name, text) in texts {
            let length = Some(text.len() as u64);
            let open: Opener = Box::new(move || Ok(Box::new(Text(Cursor::new(text))) as _));
            items.push_back(Item::File(FileItem::new(
                entry(name.as_bytes(), 0o600, env)?,
                length,
                open,
            )));
        }
        items.push_back(Item::Leave);
        Ok(Documents { path: path.to_owned(), items, warnings: Vec::new() })
    }

    /// With what is to be known of all that was captured together with them.
    pub fn warning(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }
}

fn entry(name: &[u8], mode: u32, env: &Env) -> Result<Entry> {
    if let Some(reason) = bad_name(name) {
        let shown = String::from_utf8_lossy(name);
        return Err(Error::new(Kind::InvalidInput, "name a document", shown).because(reason));
    }
    let now = env.now();
    let nanoseconds = u32::try_from(now.0.rem_euclid(Time::SECOND)).unwrap_or(0);
    let meta = Metadata {
        mode,
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        mtime: FileTime(now.0.div_euclid(Time::SECOND), nanoseconds),
        ..Metadata::default()
    };
    Ok(Entry { name: name.to_vec(), meta })
}

impl Source for Documents {
    fn describe(&self) -> SourceName {
        let path = self.path.as_os_str().as_bytes().to_vec();
        SourceName { kind: PartKind::Files, path, selection: BTreeSet::new() }
    }

    fn next(&mut self) -> Result<Option<Item>> {
        Ok(self.items.pop_front())
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof { warnings: self.warnings, ..PartProof::default() })
    }
}

struct Text(Cursor<Vec<u8>>);

impl ByteStream for Text {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got> {
        match self.0.read(buffer).attempt("read", "a document")? {
            0 => Ok(Got::End),
            length => Ok(Got::Data(length)),
        }
    }

    fn finish(self: Box<Self>) -> Result<FileProof> {
        Ok(FileProof::default())
    }
}
