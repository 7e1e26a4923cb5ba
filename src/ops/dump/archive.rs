//! A folder of a snapshot as an archive of tar: ustar headers, with the extended ones of POSIX.1-2001 ("pax") for
//! what these do not hold.

use crate::error::{Attempt, Result};
use crate::format::content::Content;
use crate::format::directory::{LinkGroup, Node, NodeKind};
use crate::monitor::Monitor;
use crate::ops::tree::{self, PathEntry, Step};
use crate::repo::Reader;
use std::collections::HashMap;
use std::io::Write;
use tar::{EntryType, Header};

/// What everything in an archive is a multiple of.
const BLOCK: [u8; 512] = [0; 512];

/// What stands at the end of one.
const END: [u8; 1024] = [0; 1024];

/// Writes all that is at and below `found`; bytes of content. Names are the paths of the snapshot without the `/` in
/// front, times are to the second, holes are written out. An archive that ends without its last two blocks is not
/// whole: so it ends where something cannot be read.
pub(super) fn archive(
    reader: &Reader<'_>,
    found: &PathEntry,
    out: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<u64> {
    let mut archive = Archive { reader, out, monitor, linked: HashMap::new(), written: 0 };
    let mut step = |path: &[u8], step: Step<'_>| match step {
        Step::Enter(node) | Step::Node(node) => archive.entry(path, node).map(|()| true),
        Step::Leave => Ok(true),
    };
    tree::walk(reader, found, &mut step, &mut Err)?;
    archive.write(&END, "the end of the archive")?;
    Ok(archive.written)
}

/// An archive that is being written.
struct Archive<'a> {
    reader: &'a Reader<'a>,
    out: &'a mut dyn Write,
    monitor: &'a dyn Monitor,
    /// Files with several names, by what tells them from all others: the first name of each.
    linked: HashMap<(LinkGroup, Content), Vec<u8>>,
    written: u64,
}

impl Archive<'_> {
    fn entry(&mut self, path: &[u8], node: &Node) -> Result<()> {
        let name = path.strip_prefix(b"/").unwrap_or(path);
        if name.is_empty() {
            return Ok(());
        }
        let subject = String::from_utf8_lossy(path).into_owned();
        if let Some(taint) = &node.taint {
            self.monitor.note(&format!("{subject}: {}", taint.reason()));
        }
        let mut header = header(node);
        let mut fields = Fields::of(node);
        match &node.kind {
            NodeKind::File { content, .. } => return self.file(name, node, content, &subject),
            NodeKind::Directory { .. } => {
                header.set_entry_type(EntryType::Directory);
                fields.path(&mut header, &[name, b"/"].concat());
            }
            NodeKind::Symlink { target } => {
                header.set_entry_type(EntryType::Symlink);
                fields.path(&mut header, name);
                fields.target(&mut header, target);
            }
            NodeKind::Fifo => {
                header.set_entry_type(EntryType::Fifo);
                fields.path(&mut header, name);
            }
            NodeKind::CharDevice { device } => {
                set_device(&mut header, EntryType::Char, *device, &subject)?;
                fields.path(&mut header, name);
            }
            NodeKind::BlockDevice { device } => {
                set_device(&mut header, EntryType::Block, *device, &subject)?;
                fields.path(&mut header, name);
            }
            NodeKind::Socket => {
                self.monitor.note(&format!("{subject}: archives hold no sockets; it is left out"));
                return Ok(());
            }
        }
        self.head(header, &fields, &subject)
    }

    /// A file, or a link to it under the name that it was written with.
    fn file(&mut self, name: &[u8], node: &Node, content: &Content, subject: &str) -> Result<()> {
        let (mut header, mut fields) = (header(node), Fields::of(node));
        fields.path(&mut header, name);
        let known = node.meta.link_group.map(|group| (group, content.clone()));
        if let Some(first) = known.as_ref().and_then(|known| self.linked.get(known)) {
            header.set_entry_type(EntryType::Link);
            fields.target(&mut header, first);
            return self.head(header, &fields, subject);
        }
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.length);
        self.head(header, &fields, subject)?;
        super::write_content(self.reader, content, subject, self.out)?;
        self.pad(content.length, subject)?;
        self.written += content.length;
        self.linked.extend(known.map(|known| (known, name.to_vec())));
        Ok(())
    }

    /// What stands before the content: the extended header, if there is anything for it, and the other.
    fn head(&mut self, mut header: Header, fields: &Fields, subject: &str) -> Result<()> {
        if !fields.0.is_empty() {
            let length = fields.0.len() as u64;
            let mut extended = Header::new_ustar();
            extended.set_entry_type(EntryType::XHeader);
            extended.set_size(length);
            extended.set_mode(0o644);
            place(&mut extended.as_old_mut().name, b"PaxHeaders");
            extended.set_cksum();
            self.write(extended.as_bytes(), subject)?;
            self.write(&fields.0, subject)?;
            self.pad(length, subject)?;
        }
        header.set_cksum();
        self.write(header.as_bytes(), subject)
    }

    fn pad(&mut self, length: u64, subject: &str) -> Result<()> {
        let missing = length.wrapping_neg() % BLOCK.len() as u64;
        let zeros = usize::try_from(missing).ok().and_then(|missing| BLOCK.get(..missing));
        self.write(zeros.unwrap_or_default(), subject)
    }

    fn write(&mut self, bytes: &[u8], subject: &str) -> Result<()> {
        self.out.write_all(bytes).attempt("write", subject)
    }
}

/// What all kinds have; the rest is to be set.
fn header(node: &Node) -> Header {
    let mut header = Header::new_ustar();
    let meta = &node.meta;
    header.set_mode(meta.mode & 0o7777);
    header.set_uid(meta.uid.into());
    header.set_gid(meta.gid.into());
    header.set_size(0);
    header.set_mtime(u64::try_from(meta.mtime.0).unwrap_or(0));
    if let Some(ustar) = header.as_ustar_mut() {
        place(&mut ustar.uname, meta.user.as_deref().unwrap_or_default().as_bytes());
        place(&mut ustar.gname, meta.group.as_deref().unwrap_or_default().as_bytes());
    }
    header
}

fn set_device(
    header: &mut Header,
    kind: EntryType,
    (major, minor): (u32, u32),
    subject: &str,
) -> Result<()> {
    header.set_entry_type(kind);
    let set = header.set_device_major(major).and_then(|()| header.set_device_minor(minor));
    set.attempt("describe the device", subject)
}

/// Fills a field with what of the bytes has room in it; whether all of them have.
fn place(field: &mut [u8], bytes: &[u8]) -> bool {
    field.iter_mut().zip(bytes).for_each(|(field, byte)| *field = *byte);
    bytes.len() <= field.len()
}

/// The records of an extended header.
struct Fields(Vec<u8>);

impl Fields {
    /// Those of all kinds: extended attributes.
    fn of(node: &Node) -> Self {
        let mut fields = Fields(Vec::new());
        for (name, value) in &node.meta.xattrs {
            fields.add(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        fields
    }

    fn path(&mut self, header: &mut Header, path: &[u8]) {
        if !place(&mut header.as_old_mut().name, path) {
            self.add(b"path", path);
        }
    }

    fn target(&mut self, header: &mut Header, target: &[u8]) {
        if !place(&mut header.as_old_mut().linkname, target) {
            self.add(b"linkpath", target);
        }
    }

    /// `LENGTH KEY=VALUE`, with its own length.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}
