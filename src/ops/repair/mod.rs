//! `repair`: saves what can be saved of a damaged repository, and makes nothing worse. What is whole is
//! stored anew or indexed anew first, as by any other writer; what is damaged goes into quarantine
//! after that, never just away (chapter 11, Repairing).

mod away;
mod copy;
mod index;
mod packs;
mod salvage;
mod snapshots;
mod tree;

pub use away::Left;
pub use index::{IndexRepair, repair_index};
pub use packs::{DamagedPacks, LostChunk, PacksRepair, repair_packs};
pub use snapshots::{DamagedSnapshots, RepairedSnapshot, SnapshotsRepair, repair_snapshots};

use crate::error::Result;
use crate::repo::{Writer, WriterOptions};

/// Who repairs, and whether that is only tried out.
#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    /// Whether nothing is changed: then the repository lies over a store that swallows what is written.
    pub dry_run: bool,
    /// This machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
}

impl RepairOptions {
    fn writer(&self) -> WriterOptions {
        let RepairOptions { host, tool, .. } = self;
        WriterOptions { verb: "repair".to_owned(), host: host.clone(), tool: tool.clone() }
    }
}

/// What a writer begins with, before it writes anything: if that fails, it ends as if it had never begun.
fn begun<'r, T>(
    mut writer: Writer<'r>,
    begin: impl FnOnce(&mut Writer<'r>) -> Result<T>,
) -> Result<(Writer<'r>, T)> {
    match begin(&mut writer) {
        Ok(begun) => Ok((writer, begun)),
        Err(error) => {
            // The error is what matters.
            drop(writer.withdraw());
            Err(error)
        }
    }
}

/// Ends a writer as what it did asks for: without a trace if it `wrote` nothing.
fn ended<T>(writer: Writer<'_>, done: Result<T>, wrote: impl Fn(&T) -> bool) -> Result<T> {
    let end = match &done {
        Ok(report) if !wrote(report) => writer.withdraw(),
        _ => writer.end(),
    };
    let report = done?;
    end.map(|()| report)
}
