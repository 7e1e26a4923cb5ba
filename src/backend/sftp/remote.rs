//! A folder on a server, as a disk is used.

use super::fault::Fault;
use super::link::Link;
use super::session::Session;
use crate::backend::Capabilities;
use crate::backend::disk::{Disk, DiskEntry, SHARED_FILE, SHARED_FOLDER, passed_on_by};
use crate::error::Result;
use futures_util::future::join;
use russh_sftp::client::rawsession::SftpResult;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// Ranges that lie closer than this cost less as one: about 50 ms of a line of 20 MB a second.
const READ_GAP: u32 = 1 << 20;
/// What a server says of a file system that cannot be written to.
const READ_ONLY: u64 = 1;

/// See above. Files and folders are for their owner alone, and for the group of a shared root.
pub(super) struct Remote {
    link: Link,
    connections: usize,
    shared: OnceLock<Option<u32>>,
}

/// An open file of a session.
pub(super) struct RemoteFile {
    session: Arc<Session>,
    runtime: Handle,
    handle: String,
    /// How long it was when it was opened.
    size: u64,
    /// How much was written.
    written: u64,
}

impl Drop for RemoteFile {
    /// Nobody waits for the answer.
    fn drop(&mut self) {
        let (raw, handle) = (self.session.raw.clone(), std::mem::take(&mut self.handle));
        self.runtime.spawn(async move { raw.close(handle).await });
    }
}

impl Remote {
    pub(super) fn new(link: Link, connections: usize) -> Self {
        Remote { link, connections, shared: OnceLock::new() }
    }

    /// Makes the root with all its parents, where they are missing.
    pub(super) fn make_root(&self) -> io::Result<()> {
        self.make_folders(&self.at(""), 0o700)
    }

    fn make_folders(&self, path: &str, mode: u32) -> io::Result<()> {
        let parent = path.trim_end_matches('/').rsplit_once('/').map(|(parent, _)| parent);
        let made = match (self.make_folder(path, mode), parent.filter(|parent| !parent.is_empty()))
        {
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folders(parent, 0o777)?;
                self.make_folder(path, mode)
            }
            (made, _) => made,
        };
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Ok(()) => parent.map_or(Ok(()), |parent| self.sync_folder(&format!("{parent}/"))),
            failed => failed,
        }
    }

    fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let made = async |session: &Arc<Session>| session.raw.mkdir(path, of_mode(mode)).await;
        self.link.ask(made).map(drop).map_err(|fault| self.why_not_made(path, fault))
    }

    /// Removes a folder with all that is in it.
    pub(super) fn remove_tree(&self, folder: &str) -> io::Result<()> {
        for DiskEntry { name, size, .. } in self.entries(folder)? {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match size {
                Some(_) => self.remove(&path)?,
                None => self.remove_tree(&path)?,
            }
        }
        let folder = self.at(folder);
        self.ask(async |session| session.raw.rmdir(folder).await).map(drop)
    }

    /// A path on the server.
    fn at(&self, path: &str) -> String {
        let root = &self.link.address().path;
        match path {
            "" => root.clone(),
            _ => format!("{}/{path}", root.trim_end_matches('/')),
        }
    }

    fn ask<T>(&self, question: impl AsyncFnOnce(&Arc<Session>) -> SftpResult<T>) -> io::Result<T> {
        Ok(self.link.ask(question)?)
    }

    /// Opens a file or a folder.
    fn open_as(
        &self,
        path: &str,
        flags: OpenFlags,
        mode: Option<u32>,
    ) -> Result<RemoteFile, Fault> {
        let attributes = mode.map(of_mode).unwrap_or_default();
        let open = async |session: &Arc<Session>| {
            Ok((session.clone(), session.raw.open(path, flags, attributes).await?))
        };
        self.link.ask(open).map(|(session, opened)| self.file(session, opened.handle))
    }

    fn file(&self, session: Arc<Session>, handle: String) -> RemoteFile {
        let runtime = self.link.runtime().clone();
        RemoteFile { session, runtime, handle, size: 0, written: 0 }
    }

    fn look(&self, path: &str) -> Result<FileAttributes, Fault> {
        self.link.ask(async |session| Ok(session.raw.lstat(path).await?.attrs))
    }

    /// Why something could not be made: servers say no more than that it failed where something of
    /// its name is there, and where there is no room.
    fn why_not_made(&self, path: &str, fault: Fault) -> io::Error {
        match fault.is(StatusCode::Failure) && self.look(path).is_ok() {
            true => io::ErrorKind::AlreadyExists.into(),
            false => self.why_not_written(fault),
        }
    }

    fn why_not_written(&self, fault: Fault) -> io::Error {
        if !fault.is(StatusCode::Failure) {
            return fault.into();
        }
        let root = self.at("");
        let room = async |session: &Arc<Session>| match session.offers().room {
            true => session.raw.statvfs(root).await.map(Some),
            false => Ok(None),
        };
        match self.link.ask(room) {
            Ok(Some(room)) if room.flags & READ_ONLY != 0 => {
                io::ErrorKind::ReadOnlyFilesystem.into()
            }
            Ok(Some(room)) if room.blocks_avail == 0 => io::ErrorKind::StorageFull.into(),
            Ok(Some(room)) if room.inodes > 0 && room.inodes_avail == 0 => {
                io::ErrorKind::StorageFull.into()
            }
            _ => fault.into(),
        }
    }

    /// Lets the group in, if the root is shared. A server that knows no modes has its own ways.
    fn share(&self, path: &str, mine: u32, passed_on: u32) {
        let root = || self.look(&self.at("")).ok()?.permissions;
        if let Some(root) = *self.shared.get_or_init(|| root().and_then(passed_on_by)) {
            let mode = of_mode(mine | root & passed_on);
            let _ = self.link.ask(async |session| session.raw.setstat(path, mode).await);
        }
    }

    /// Whether the server makes durable what it is asked to.
    pub(super) fn syncs(&self) -> io::Result<bool> {
        Ok(self.link.ask(async |session| Ok(session.offers().syncs))?)
    }

    /// Makes the names in a folder durable, where the server opens folders like files, as that of
    /// OpenSSH does. Elsewhere there is nothing more to be had.
    fn sync_folder(&self, path: &str) -> io::Result<()> {
        let opened = match self.syncs()? {
            true => self.open_as(path, OpenFlags::READ, None),
            false => return Ok(()),
        };
        match opened {
            Ok(folder) => match self.sync_open(&folder) {
                Err(fault) if fault.is(StatusCode::BadMessage) => Ok(()),
                synced => Ok(synced?),
            },
            Err(Fault::Said(_)) => Ok(()),
            Err(gone) => Err(gone.into()),
        }
    }

    fn sync_open(&self, file: &RemoteFile) -> Result<(), Fault> {
        let sync = async |session: &Arc<Session>| match session.offers().syncs {
            true => session.raw.fsync(&*file.handle).await.map(drop),
            false => Ok(()),
        };
        self.link.ask_of(&file.session, sync)
    }
}

impl Disk for Remote {
    type File = RemoteFile;

    fn describe(&self) -> String {
        self.link.address().to_string()
    }

    fn capabilities(&self) -> Capabilities {
        let connections = self.connections;
        Capabilities { connections, read_gap: READ_GAP, far: true, ..Capabilities::default() }
    }

    fn at_once(&self) -> usize {
        self.connections
    }

    fn create(&self, path: &str) -> io::Result<RemoteFile> {
        let path = self.at(path);
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let file = self.open_as(&path, flags, Some(0o600));
        let file = file.map_err(|fault| self.why_not_made(&path, fault))?;
        self.share(&path, 0o600, SHARED_FILE);
        Ok(file)
    }

    fn write(&self, file: &mut RemoteFile, bytes: &[u8]) -> io::Result<usize> {
        let (handle, at) = (&file.handle, file.written);
        let write = async |session: &Arc<Session>| session.write(handle, at, bytes).await;
        let written = self.link.ask_of(&file.session, write);
        written.map_err(|fault| self.why_not_written(fault))?;
        file.written = file.written.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn sync(&self, file: &mut RemoteFile) -> io::Result<()> {
        self.sync_open(file).map_err(|fault| self.why_not_written(fault))
    }

    fn open(&self, path: &str) -> io::Result<RemoteFile> {
        let path = self.at(path);
        // Both on their way at once; what is no regular file is closed again.
        let (session, opened, facts) = self.ask(async |session| {
            let open = session.raw.open(&path, OpenFlags::READ, FileAttributes::empty());
            let (opened, facts) = join(open, session.raw.lstat(&path)).await;
            Ok((session.clone(), opened?, facts))
        })?;
        let mut file = self.file(session.clone(), opened.handle);
        let facts = self.link.ask_of(&session, async |_| facts)?.attrs;
        match facts.size.filter(|_| is_regular(&facts)) {
            Some(size) => file.size = size,
            None => return Err(io::Error::other("it is not a regular file")),
        }
        Ok(file)
    }

    fn size(&self, file: &RemoteFile) -> io::Result<u64> {
        Ok(file.size)
    }

    fn read_at(&self, file: &RemoteFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = async |session: &Arc<Session>| session.read(&file.handle, offset, buffer).await;
        Ok(self.link.ask_of(&file.session, read)?)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        let link = async |session: &Arc<Session>| match session.offers().links {
            true => session.raw.hardlink(&*from, &*to).await.map(|_| true),
            false => Ok(false),
        };
        match self.link.ask(link) {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::ErrorKind::Unsupported.into()),
            Err(fault) => Err(self.why_not_made(&to, fault)),
        }
    }

    /// There is none of which one can be sure: some servers rename over what is there.
    fn rename_new(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        let renamed = self.link.ask(async |session| session.raw.rename(&*from, &*to).await);
        renamed.map(drop).map_err(|fault| self.why_not_made(&to, fault))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.at(path);
        self.ask(async |session| session.raw.remove(path).await).map(drop)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let path = self.at(path);
        self.make_folder(&path, 0o700)?;
        self.share(&path, 0o700, SHARED_FOLDER);
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.sync_folder(&self.at(path))
    }

    fn entries(&self, path: &str) -> io::Result<Vec<DiskEntry>> {
        let path = self.at(path);
        let listed = self.ask(async |session| session.list(&path).await)?;
        let entries = listed.into_iter().filter_map(|entry| {
            let is_file = is_regular(&entry.attrs);
            let is_wanted = is_file || entry.attrs.is_dir();
            is_wanted.then(|| DiskEntry {
                size: entry.attrs.size.filter(|_| is_file),
                modified: entry.attrs.mtime.unwrap_or(0).into(),
                name: entry.filename,
            })
        });
        Ok(entries.filter(|entry| ![".", ".."].contains(&entry.name.as_str())).collect())
    }
}

fn of_mode(mode: u32) -> FileAttributes {
    FileAttributes { permissions: Some(mode), ..FileAttributes::empty() }
}

/// A server that tells no modes tells lengths of files alone.
fn is_regular(facts: &FileAttributes) -> bool {
    match facts.permissions {
        Some(_) => facts.file_type().is_file(),
        None => facts.size.is_some(),
    }
}
