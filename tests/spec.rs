//! The text of `format-spec` against the program: layouts, records, references.

use crate::vectors;
use icecore::crypto::{object, slot};
use icecore::format::{Form, Handle, NameForm, ObjectKind, Payload, VERSION};
use icecore::format::{content, directory, frame, index, pack};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The constants that layouts name.
fn constant(name: &str) -> Option<usize> {
    Some(match name {
        "frame::HEAD" => frame::HEAD,
        "frame::SEALED_HEAD" => frame::SEALED_HEAD,
        "frame::INNER_HEAD" => frame::INNER_HEAD,
        "frame::SEAL" => frame::SEAL,
        "slot::WRAP_AAD" => slot::WRAP_AAD,
        "object::OBJECT_AAD" => object::OBJECT_AAD,
        "pack::PackHead::length(0)" => pack::PackHead::length(0),
        "pack::SALT_HEADER" => pack::SALT_HEADER,
        "pack::BLOB_AAD" => pack::BLOB_AAD,
        "pack::TRAILER_COUNTS" => pack::TRAILER_COUNTS,
        "pack::ENTRY" => pack::ENTRY,
        "pack::FOOTER" => pack::FOOTER,
        "index::HEADER" => index::HEADER,
        "index::SALT_ROW" => index::SALT_ROW,
        "index::PACK_ROW" => index::PACK_ROW,
        "index::ENTRY" => index::ENTRY,
        "index::BASE_ROW" => index::BASE_ROW,
        "content::NODE_HEAD" => content::NODE_HEAD,
        "content::CHUNK_PIECE" => content::CHUNK_PIECE,
        "content::HOLE_PIECE" => content::HOLE_PIECE,
        "content::CHILD" => content::CHILD,
        "directory::NODE_HEAD" => directory::NODE_HEAD,
        _ => return None,
    })
}

/// Where records stand in vectors: a vector that has every field, and the path to the record.
fn record(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "config::Config" => ("02-repository/config-later", ""),
        "slot::Slot" => ("03-keys/slot-passphrase", ""),
        "slot::Argon2id" => ("03-keys/slot-passphrase", "/kdf/argon2id"),
        "slot::KeyringRecord" => ("03-keys/keyring", ""),
        "slot::KeyEntry" => ("03-keys/keyring", "/keys/0"),
        "content::TreeRef" => ("07-tree/content-list", "/list"),
        "directory::Node" => ("07-tree/node-all-fields", ""),
        "directory::File" => ("07-tree/directory-leaf", "/1/kind/file"),
        "directory::Directory" => ("07-tree/directory-leaf", "/3/kind/directory"),
        "directory::Symlink" => ("07-tree/directory-leaf", "/4/kind/symlink"),
        "directory::Device" => ("07-tree/directory-leaf", "/7/kind/chardevice"),
        "directory::Metadata" => ("07-tree/node-all-fields", "/meta"),
        "directory::Stamp" => ("07-tree/node-all-fields", "/stamp"),
        "database::SqliteFacts" => ("07-tree/directory-leaf", "/1/kind/file/database/sqlite"),
        "database::PostgresFacts" => ("07-tree/directory-leaf", "/2/kind/file/database/postgres"),
        "database::PostgresSetting" => {
            ("07-tree/directory-leaf", "/2/kind/file/database/postgres/settings/0")
        }
        "database::PostgresTable" => {
            ("07-tree/directory-leaf", "/2/kind/file/database/postgres/tables/0")
        }
        "writer::Registration" => ("08-snapshot/writer", ""),
        "writer::Heartbeat" => ("01-conventions/record", ""),
        "snapshot::Snapshot" => ("08-snapshot/snapshot", "/snapshot"),
        "snapshot::Origin" => ("08-snapshot/snapshot", "/snapshot/origin"),
        "snapshot::SeriesName" => ("08-snapshot/series", ""),
        "snapshot::SourceName" => ("08-snapshot/series", "/sources/1"),
        "snapshot::Missing" => ("08-snapshot/snapshot", "/snapshot/missing/0"),
        "snapshot::Part" => ("08-snapshot/snapshot", "/snapshot/parts/1"),
        "snapshot::Summary" => ("08-snapshot/snapshot", "/snapshot/summary"),
        "snapshot::Stored" => ("08-snapshot/snapshot", "/snapshot/summary/whole"),
        "snapshot::Partial" => ("08-snapshot/partial", "/partial"),
        "snapshot::Maintenance" => ("08-snapshot/maintenance", "/maintenance"),
        "snapshot::Tombstone" => ("08-snapshot/tombstone", "/tombstone"),
        "snapshot::TaintedEntry" => ("08-snapshot/snapshot", "/snapshot/parts/1/taints/0"),
        "directory::Taint" => ("07-tree/node-all-fields", "/taint"),
        "directory::LinkGroup" => ("07-tree/node-all-fields", "/meta/link_group"),
        "note::Note" => ("08-snapshot/note", ""),
        "note::Remark" => ("08-snapshot/note", "/about/snapshot"),
        "note::TagChange" => ("08-snapshot/note-tags", "/about/tags"),
        "note::Hold" => ("08-snapshot/note-hold", "/about/hold"),
        "note::Damage" => ("08-snapshot/note-damage", "/about/damage"),
        "note::Verified" => ("08-snapshot/note-verified", "/about/verified"),
        "note::Run" => ("08-snapshot/note-verified", "/about/verified/runs/0"),
        "note::Withdrawal" => ("08-snapshot/note-withdrawal", "/about/withdrawal"),
        "gc::Position" => ("08-snapshot/forgotten", "/position"),
        "gc::Forgotten" => ("08-snapshot/forgotten", ""),
        "gc::Condemned" => ("08-snapshot/condemned", ""),
        "gc::Verdict" => ("08-snapshot/verdict", ""),
        _ => return None,
    })
}

struct Table {
    /// File and line, for messages.
    place: String,
    /// The line above the table.
    caption: String,
    /// Names of the columns.
    columns: Vec<String>,
    /// Cells of each row.
    rows: Vec<Vec<String>>,
}

impl Table {
    fn has_columns(&self, columns: &[&str]) -> bool {
        self.columns == columns
    }

    /// What stands between the first two backticks of the caption, if it begins with `word`.
    fn subject(&self, word: &str) -> Option<&str> {
        self.caption.strip_prefix(word)?.split('`').nth(1)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chapters() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("format-spec")).unwrap().map(|file| file.unwrap().path());
    let mut chapters: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "md")).collect();
    chapters.sort();
    chapters
}

fn tables() -> Vec<Table> {
    let mut tables = Vec::new();
    for path in chapters() {
        let text = fs::read_to_string(&path).unwrap();
        let (mut caption, mut inside) = (String::new(), false);
        for (number, line) in text.lines().enumerate() {
            let cells = || -> Vec<String> {
                line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
            };
            match (line.starts_with('|'), inside) {
                (true, false) => tables.push(Table {
                    place: format!("{}:{}", path.display(), number + 1),
                    caption: std::mem::take(&mut caption),
                    columns: cells(),
                    rows: Vec::new(),
                }),
                (true, true) if !line.starts_with("|---") => {
                    tables.last_mut().unwrap().rows.push(cells());
                }
                (true, true) => {}
                (false, _) if !line.is_empty() => caption = line.to_owned(),
                (false, _) => {}
            }
            inside = line.starts_with('|');
        }
    }
    tables
}

/// Every layout has the size of the constant that it names, says so, and its fields follow one
/// another without a gap.
#[test]
fn layouts() {
    let mut seen = BTreeSet::new();
    for table in tables() {
        if !table.has_columns(&["offset", "size", "field", "meaning"]) {
            continue;
        }
        let place = &table.place;
        let name = table.subject("Layout ").unwrap_or_else(|| panic!("{place}: no caption"));
        let size = constant(name).unwrap_or_else(|| panic!("{place}: unknown layout {name}"));
        assert!(table.caption.contains(&format!("({size} bytes)")), "{place}: {size} bytes");
        let mut offset = 0;
        for row in &table.rows {
            let number =
                |cell: &str| cell.parse::<usize>().unwrap_or_else(|_| panic!("{place}: {row:?}"));
            assert_eq!(number(&row[0]), offset, "{place}: {row:?}");
            offset += number(&row[1]);
        }
        assert_eq!(offset, size, "{place}: {name}");
        seen.insert(name.to_owned());
    }
    assert!(seen.len() >= 16, "only {seen:?}");
}

/// Every table of a record lists exactly the fields that the program writes; those that are not
/// marked optional or null stand in every value.
#[test]
fn records() {
    let vectors = vectors::all();
    let mut seen = BTreeSet::new();
    for table in tables() {
        if !table.has_columns(&["field", "type", "meaning"]) {
            continue;
        }
        let place = &table.place;
        let name = table.subject("Record ").unwrap_or_else(|| panic!("{place}: no caption"));
        seen.insert(name.to_owned());
        let listed: BTreeSet<String> =
            table.rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
        if name == "content::Content" {
            assert_eq!(listed, ["chunker", "length", "list", "pieces"].map(str::to_owned).into());
            continue;
        }
        let (vector, path) = record(name).unwrap_or_else(|| panic!("{place}: unknown {name}"));
        let vector = vectors.iter().find(|known| known.name == vector).expect(vector);
        let value = vector.value.as_ref().unwrap().pointer(path).expect(path);
        let Json::Object(value) = value else { panic!("{place}: {value} is no record") };
        let found: BTreeSet<String> = value.keys().cloned().collect();
        assert_eq!(listed, found, "{place}: {name}");
    }
    assert!(seen.len() >= 18, "only {seen:?}");
}

/// Every chapter that the program refers to exists, and every chapter stands in the README.
#[test]
fn references() {
    let spec = root().join("format-spec");
    let names: Vec<String> = chapters()
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let readme = fs::read_to_string(spec.join("README.md")).unwrap();
    for name in &names {
        assert!(name == "README.md" || readme.contains(&format!("({name})")), "{name}");
    }
    for target in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(spec.join(target).exists(), "README.md refers to {target}");
    }
    let mut files = vec![root().join("src")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        for chapter in text.split("format-spec/").skip(1).filter_map(|rest| rest.get(..2)) {
            let exists = !chapter.chars().all(|digit| digit.is_ascii_digit())
                || names.iter().any(|name| name.starts_with(chapter));
            assert!(exists, "{} refers to chapter {chapter}", path.display());
        }
    }
}

/// The files that the README names as implementations exist.
#[test]
fn implementations() {
    let readme = fs::read_to_string(root().join("format-spec/README.md")).unwrap();
    for path in readme.split('`').filter(|text| text.starts_with("src/")) {
        assert!(root().join(path).exists(), "README.md names {path}");
    }
}

/// The table of the kinds of object is the one that the program goes by: names, numbers, paths,
/// forms and bounds.
#[test]
fn kinds_of_object() {
    let table = tables().into_iter().find(|table| table.columns.first().unwrap() == "kind");
    let table = table.expect("a table of kinds");
    let mut kinds = ObjectKind::ALL.into_iter();
    let mut kind = None;
    let mut names = 0;
    for row in &table.rows {
        let [name, number, path, _, form, largest, _] = row.as_slice() else { panic!("{row:?}") };
        if !name.is_empty() {
            assert_eq!(kind.map_or(0, |kind: ObjectKind| kind.facts().names.len()), names);
            (kind, names) = (kinds.next(), 0);
            let facts = kind.unwrap().facts();
            assert_eq!((facts.name, kind.unwrap().number().to_string()), (&**name, number.clone()));
            let bytes = match facts.largest {
                bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
                bytes => format!("{} KiB", bytes >> 10),
            };
            assert_eq!(bytes, *largest, "{name}");
        }
        names += 1;
        let kind = kind.unwrap();
        let said = match kind.facts().form {
            Form::Open => "open",
            Form::Own => "its own",
            Form::Sealed(_) => "sealed",
            Form::AsFound => "as found",
        };
        assert_eq!(said, form, "{row:?}");
        let mut path = path.trim_matches('`').to_owned();
        for (part, example) in [
            ("<first 2 digits>", "ab".to_owned()),
            ("<slot>", "ab".repeat(16)),
            ("<S>", "ab".repeat(16)),
            ("<note>", "ab".repeat(16)),
            ("<pack>", "ab".repeat(32)),
            ("<segment>", "ab".repeat(32)),
            ("<n>", "7".to_owned()),
            ("<k>", "7".to_owned()),
            ("<folder>", "packs".to_owned()),
            ("<name>", "ab".repeat(32)),
            ("<check>", "ab".repeat(16)),
        ] {
            path = path.replace(part, &example);
        }
        let handle = Handle::parse(kind, path.rsplit('/').next().unwrap());
        let handle = handle.unwrap_or_else(|| panic!("{path} is no {kind}"));
        assert_eq!(handle.path(), path);
        let fits = |(_, payload): &&(NameForm, Payload)| *payload == handle.payload();
        assert_eq!(kind.facts().names.iter().position(|row| fits(&row)), Some(names - 1));
    }
    assert_eq!((kinds.next(), kind), (None, Some(ObjectKind::Quarantine)));
}

/// What the text says of numbers is so: the version, the object kinds, the associated data.
#[test]
fn numbers() {
    let text = |name: &str| fs::read_to_string(root().join("format-spec").join(name)).unwrap();
    let (readme, changes) = (text("README.md"), text("CHANGES.md"));
    assert!(readme.contains(&format!("**version {VERSION}**")), "README.md: another version");
    assert!(changes.contains(&format!("\n## {VERSION}\n")), "CHANGES.md: another version");
    assert_eq!(ObjectKind::Pack.number(), 3);
    let salt = pack::Salt { epoch: 1, bytes: [2; 32] };
    for bases in [0, 3] {
        let bases = vec![icecore::id::BaseId([4; 16]); bases];
        let aad = pack::BlobAad {
            repository: icecore::id::RepoId([3; 16]),
            salt: &salt,
            kind: icecore::format::BlobKind::Data,
            id: &icecore::id::ChunkId([5; 32]),
            plain: 6,
            codec: icecore::format::Codec::Raw,
            bases: &bases,
        };
        assert_eq!(aad.encode().len(), pack::BLOB_AAD + 16 * bases.len());
    }
}
