//! The tree of a part, written while its source is walked.

use super::directory::OpenDirectory;
use crate::error::{Error, Kind, Result};
use crate::format::directory::Node;
use crate::repo::Session;
use crate::source::Entry;
use crate::stream::DirectoryWriter;

/// A part's tree so far.
#[derive(Default)]
pub(super) struct Tree {
    /// Where its root stands.
    path: Vec<u8>,
    /// Directories being written, the innermost last.
    open: Vec<OpenDirectory>,
    /// The root, once it was left, if it is held open.
    held: Option<OpenDirectory>,
    /// The root, once it is complete.
    root: Option<Node>,
}

impl Tree {
    pub(super) fn at(path: &[u8]) -> Self {
        Tree { path: path.to_vec(), ..Tree::default() }
    }

    /// Begins a directory.
    pub(super) fn enter(&mut self, entry: Entry, writer: DirectoryWriter) {
        self.open.push(OpenDirectory::new(entry, writer));
    }

    /// Whether no directory is entered.
    pub(super) fn is_outside(&self) -> bool {
        self.open.is_empty()
    }

    /// Entries come into the directory entered last when the source is at its end.
    pub(super) fn hold_open(&mut self) {
        self.open.last_mut().into_iter().for_each(OpenDirectory::hold_open);
    }

    /// An entry comes later into the directory entered last, or as the root: all on the way to it are held open.
    /// The names of the directories that lead to it, without the root's; none for the root itself.
    pub(super) fn hold_open_here(&mut self) -> Option<Vec<Vec<u8>>> {
        self.open.iter_mut().for_each(OpenDirectory::hold_open);
        let (_, below) = self.open.split_first()?;
        Some(below.iter().map(|directory| directory.name().to_vec()).collect())
    }

    /// Enters the directory below the root again to which `folder` leads, and which is held open.
    pub(super) fn enter_again(&mut self, folder: &[Vec<u8>]) -> Result<()> {
        let root = self.held.take().ok_or_else(|| {
            Error::new(Kind::InvalidInput, "capture into", String::from_utf8_lossy(&self.path))
                .because("the source has not held it open")
        })?;
        self.open.push(root);
        for name in folder {
            let below = self.open.last_mut().map(|above| above.take_held(name)).transpose()?;
            self.open.extend(below);
        }
        Ok(())
    }

    /// Leaves the directory entered last.
    pub(super) fn leave(&mut self, session: &mut Session<'_>) -> Result<()> {
        let Some(directory) = self.open.pop() else { return Ok(()) };
        if !directory.is_held_open() {
            let node = directory.finish(session)?;
            return self.entry(session, node);
        }
        match self.open.last_mut() {
            Some(above) => above.hold(directory),
            None => self.held = Some(directory),
        }
        Ok(())
    }

    /// Leaves every directory.
    pub(super) fn leave_all(&mut self, session: &mut Session<'_>) -> Result<()> {
        while !self.is_outside() {
            self.leave(session)?;
        }
        Ok(())
    }

    /// The next entry of the directory entered last, or the root.
    pub(super) fn entry(&mut self, session: &mut Session<'_>, node: Node) -> Result<()> {
        match self.open.last_mut() {
            Some(directory) => directory.push(session, node),
            None => {
                self.root = Some(node);
                Ok(())
            }
        }
    }

    /// An entry of the directory entered last whose turn comes later.
    pub(super) fn early(&mut self, node: Node) {
        if let Some(directory) = self.open.last_mut() {
            directory.push_early(node);
        }
    }

    /// Some of the directory entered last could not be captured.
    pub(super) fn lose(&mut self) {
        self.open.last_mut().into_iter().for_each(|directory| directory.lacks_entries = true);
    }

    /// Whether all of the directory entered last is there.
    pub(super) fn is_whole(&self) -> bool {
        self.open.last().is_some_and(OpenDirectory::is_whole)
    }

    /// The directories that are held open and lack nothing, when all is in them.
    pub(super) fn held_open(&self) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        if let Some(root) = &self.held {
            root.held_open(self.path.clone(), &mut paths);
        }
        paths
    }

    /// The path of an entry in the directory entered last, or of the root.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path_here();
        if !self.is_outside() {
            crate::ops::path::push(&mut path, name);
        }
        path
    }

    /// The path of the directory entered last, or of the root.
    pub(super) fn path_here(&self) -> Vec<u8> {
        let mut path = self.path.clone();
        for directory in self.open.iter().skip(1) {
            crate::ops::path::push(&mut path, directory.name());
        }
        path
    }

    /// The root of all of it.
    pub(super) fn finish(mut self, session: &mut Session<'_>) -> Result<Node> {
        if let Some(root) = self.held.take() {
            self.root = Some(root.finish(session)?);
        }
        self.root.ok_or_else(|| {
            Error::new(Kind::SourceChanged, "capture", "the source").because("it gave nothing")
        })
    }
}
