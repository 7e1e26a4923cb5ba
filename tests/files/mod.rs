//! Files as a source and as a target.

mod again;
mod links;
mod logs;
mod named_links;
mod reading;
mod restoring;
mod siblings;
mod told;
mod walk;

use icecore::error::Result;
use icecore::format::content::Content;
use icecore::format::directory::{Node, NodeKind};
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::{FileItem, FileProof, Got, Item, Source};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Data and holes of one file, and what its end proved.
struct Captured {
    data: Vec<(u64, Vec<u8>)>,
    size: u64,
    proof: FileProof,
}

fn capture(file: FileItem) -> Result<Captured> {
    let mut stream = (file.open)()?;
    let mut buffer = vec![0; 100_000];
    let (mut data, mut size) = (Vec::new(), 0);
    loop {
        match stream.read(&mut buffer)? {
            Got::Data(length) => {
                data.push((size, buffer[..length].to_vec()));
                size += length as u64;
            }
            Got::Hole(length) => size += length,
            Got::End => break,
        }
    }
    Ok(Captured { data, size, proof: stream.finish()? })
}

/// Everything that a walk gives: the nodes by path from the root, files with their items.
struct Walked {
    nodes: BTreeMap<PathBuf, Node>,
    files: BTreeMap<PathBuf, FileItem>,
    failed: Vec<String>,
}

fn walk(path: &Path, options: FilesOptions) -> Walked {
    let mut source = FilesSource::new(path, options).unwrap();
    let mut walked = Walked { nodes: BTreeMap::new(), files: BTreeMap::new(), failed: Vec::new() };
    let mut here: Vec<PathBuf> = Vec::new();
    while let Some(item) = source.next().unwrap() {
        let place = |name: &[u8]| match here.last() {
            Some(folder) => folder.join(OsStr::from_bytes(name)),
            None => PathBuf::new(),
        };
        match item {
            Item::Enter(entry) => {
                let path = place(&entry.name);
                let node = entry.holding(NodeKind::Directory { entries: None });
                walked.nodes.insert(path.clone(), node);
                here.push(path);
            }
            Item::HoldOpen => panic!("a folder has nothing that comes last"),
            Item::Leave => drop(here.pop().unwrap()),
            Item::File(file) => {
                let path = place(&file.entry.name);
                let kind = NodeKind::File { content: Content::default(), database: None };
                walked.nodes.insert(path.clone(), file.entry.clone().holding(kind));
                walked.files.insert(path, file);
            }
            Item::Other(node) => drop(walked.nodes.insert(place(&node.name), node)),
            Item::Failed(error) => walked.failed.push(error.to_string()),
        }
    }
    assert!(here.is_empty(), "every directory entered was left");
    walked
}
