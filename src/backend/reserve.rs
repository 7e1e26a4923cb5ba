//! Room that is kept aside: a full disk must not keep anybody from giving snapshots up and from
//! collecting what they needed, which is what makes room, and begins with writing a record.

use super::disk::{Disk, patiently, write_all};
use super::temp::{FOLDER, RESERVE};
use crate::format::ObjectKind;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes kept: a record, and what a file system takes for its name and its folder.
const SIZE: usize = 64 << 10;

/// A file that nobody reads, beside the temporary ones.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// It is known to be there.
    kept: AtomicBool,
}

impl Reserve {
    /// Whether an object of this kind may have the room.
    pub(super) fn is_for(kind: ObjectKind) -> bool {
        matches!(kind, ObjectKind::Forgotten | ObjectKind::Gc)
    }

    /// Makes it where it is missing. Where there is no room for it now, a later call may find some.
    pub(super) fn keep<D: Disk>(&self, disk: &D) {
        if !self.kept.load(Ordering::SeqCst) {
            let kept = self.is_whole(disk) || self.make(disk).is_ok();
            self.kept.store(kept, Ordering::SeqCst);
        }
    }

    /// Frees the room; false if there was none.
    pub(super) fn give_up<D: Disk>(&self, disk: &D) -> bool {
        self.kept.store(false, Ordering::SeqCst);
        patiently(|| disk.remove(RESERVE)).is_ok()
    }

    fn is_whole<D: Disk>(&self, disk: &D) -> bool {
        let size = patiently(|| disk.open(RESERVE)).and_then(|file| disk.size(&file));
        match size {
            Ok(size) if size >= SIZE as u64 => true,
            // Left by a crash.
            Ok(_) => patiently(|| disk.remove(RESERVE)).is_err(),
            Err(_) => false,
        }
    }

    /// It needs no sync: after a crash it is whole, or made again.
    fn make<D: Disk>(&self, disk: &D) -> io::Result<()> {
        // The folder of the marks too, which would take room of its own.
        for folder in [FOLDER, ObjectKind::Forgotten.folder()] {
            match patiently(|| disk.make_dir(folder)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        // Bytes that no file system makes smaller.
        let mut noise = vec![0; SIZE];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let mut file = patiently(|| disk.create(RESERVE))?;
        write_all(disk, &mut file, &noise).inspect_err(|_| {
            // What there is of it would only take the room that others need.
            let _ = patiently(|| disk.remove(RESERVE));
        })
    }
}
