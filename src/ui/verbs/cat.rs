//! `cat`: an object of the repository, opened and printed as JSON.

use super::filter::FilterArgs;
use crate::backend::Handle;
use crate::crypto::slot;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::gc::Forgotten;
use crate::format::index::{IndexEntry, Segment};
use crate::format::slot::Kdf;
use crate::format::snapshot::Outcome;
use crate::format::writer::Registration;
use crate::format::{Codec, ObjectKind};
use crate::id::{BaseId, IndexId, PackId, SnapshotId};
use crate::repo::{BlobLocation, Repository};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Subcommand;
use serde::Serialize;
use serde_cbor::Value;
use std::collections::BTreeSet;
use std::io;

/// What is printed.
#[derive(Debug, Subcommand)]
pub enum CatVerb {
    /// The configuration
    Config,
    /// The outcome of a writer: a snapshot, complete or partial, or a tombstone
    Snapshot {
        /// The beginning of its id; of complete ones also `latest`, or `latest~N`
        id: String,
    },
    /// The mark of a snapshot that was given up
    Forgotten {
        /// The beginning of its id
        id: String,
    },
    /// A writer's registration
    Writer {
        /// The beginning of its id
        id: String,
    },
    /// A key slot, without its secret
    Key {
        /// The beginning of its id
        id: String,
    },
    /// The blobs of a pack
    Pack {
        /// The beginning of its id
        id: String,
    },
    /// The entries of an index segment; without an id, the ids of all
    Index {
        /// The beginning of its id
        id: Option<String>,
    },
}

/// Prints the object.
pub fn run(app: &App, verb: &CatVerb) -> Result<Done> {
    let repository = app.repository()?;
    let mut out = Out::new();
    match verb {
        CatVerb::Config => show(&mut out, repository.config())?,
        CatVerb::Snapshot { id } if id.starts_with("latest") => {
            let stored = FilterArgs::default().one(&repository, id, &app.progress()?)?;
            show(&mut out, &Outcome::Snapshot(Box::new(stored.snapshot)))?;
        }
        CatVerb::Snapshot { id } => {
            let id: SnapshotId = name(&repository, ObjectKind::Snapshot, id)?.parse()?;
            show(&mut out, &repository.outcome(id)?.0)?;
        }
        CatVerb::Forgotten { id } => {
            let name = name(&repository, ObjectKind::Forgotten, id)?;
            let handle = Handle::forgotten(name.parse()?);
            show(&mut out, &repository.get_record::<Forgotten>(&handle)?.0)?;
        }
        CatVerb::Writer { id } => {
            let name = name(&repository, ObjectKind::Writer, id)?;
            let handle = Handle::writer(name.parse()?);
            show(&mut out, &repository.get_record::<Registration>(&handle)?.0)?;
        }
        CatVerb::Key { id } => {
            let name = name(&repository, ObjectKind::Key, id)?;
            let id = name.parse()?;
            let slot = slot::read(&repository.backend().get(&Handle::key(id), None)?, id)?;
            let created = text::rfc3339(slot.created);
            show(&mut out, &SlotView { id: &name, label: &slot.label, kdf: slot.kdf, created })?;
        }
        CatVerb::Pack { id } => {
            let id: PackId = name(&repository, ObjectKind::Pack, id)?.parse()?;
            for place in &repository.pack_contents(id)?.places {
                show(&mut out, &EntryView::from(place))?;
            }
        }
        CatVerb::Index { id: None } => {
            for object in repository.backend().list(ObjectKind::Index)? {
                out.line(object.handle.name())?;
            }
        }
        CatVerb::Index { id: Some(id) } => {
            let id: IndexId = name(&repository, ObjectKind::Index, id)?.parse()?;
            let segment = repository.load_segment(id)?;
            for row in 0..segment.len() {
                let Some(entry) = segment.entry(row) else { break };
                show(&mut out, &EntryView::of(&segment, &entry))?;
            }
        }
    }
    out.finish()?;
    Ok(Done::All)
}

#[derive(Serialize)]
struct SlotView<'s> {
    id: &'s str,
    label: &'s str,
    kdf: Kdf,
    created: String,
}

/// A blob as a pack or an index segment names it.
#[derive(Serialize)]
struct EntryView {
    id: String,
    pack: Option<String>,
    offset: u32,
    stored: u32,
    plain: u32,
    codec: &'static str,
    depth: u8,
    bases: Vec<String>,
}

impl EntryView {
    fn of(segment: &Segment, entry: &IndexEntry) -> Self {
        let row = usize::try_from(entry.pack).unwrap_or(usize::MAX);
        EntryView {
            id: entry.id.to_string(),
            pack: segment.packs().get(row).map(|pack| pack.id.to_string()),
            offset: entry.offset,
            stored: entry.stored,
            plain: entry.plain,
            codec: codec(entry.codec),
            depth: entry.depth,
            bases: names(&entry.bases),
        }
    }
}

impl From<&BlobLocation> for EntryView {
    fn from(place: &BlobLocation) -> Self {
        EntryView {
            id: place.id.to_string(),
            pack: Some(place.pack.to_string()),
            offset: place.offset,
            stored: place.stored,
            plain: place.plain,
            codec: codec(place.codec),
            depth: place.depth,
            bases: names(&place.bases),
        }
    }
}

fn names(bases: &[BaseId]) -> Vec<String> {
    bases.iter().map(BaseId::to_string).collect()
}

fn codec(codec: Codec) -> &'static str {
    match codec {
        Codec::Raw => "raw",
        Codec::Zstd => "zstd",
        Codec::Delta => "delta",
    }
}

/// The full name of the one object that begins like that.
fn name(repository: &Repository, kind: ObjectKind, start: &str) -> Result<String> {
    let objects = repository.backend().list(kind)?;
    let names: BTreeSet<&str> = objects
        .iter()
        .map(|object| object.handle.name())
        .filter(|name| !start.is_empty() && name.starts_with(start) && !name.contains('.'))
        .collect();
    let mut names = names.into_iter();
    let wrong =
        |kind_of_error| Error::new(kind_of_error, "find", format!("{}/{start}", kind.folder()));
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, _) => Err(wrong(Kind::NotFound).because("no name begins like that")),
        _ => Err(wrong(Kind::InvalidInput).because("several names begin like that")),
    }
}

/// Prints a record as JSON: text as text, other bytes in hex.
fn show<T: Serialize>(out: &mut Out, record: &T) -> Result<()> {
    let value = serde_cbor::value::to_value(record).map_err(io::Error::other);
    out.value(&readable(value.attempt("show", "the record")?))
}

fn readable(value: Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => truth.into(),
        Value::Integer(number) => match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => number.to_string().into(),
        },
        Value::Float(number) => number.into(),
        Value::Bytes(bytes) => text_of(&bytes).into(),
        Value::Text(text) => text.into(),
        Value::Array(values) => values.into_iter().map(readable).collect(),
        Value::Map(map) => Json::Object(
            map.into_iter().map(|(key, value)| (key_of(key), readable(value))).collect(),
        ),
        other => format!("{other:?}").into(),
    }
}

fn key_of(key: Value) -> String {
    match readable(key) {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Names and paths as text; ids, hashes and whatever else is not printable in hex.
fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => crate::id::hex(bytes),
    }
}
