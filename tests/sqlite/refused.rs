//! Files that begin like a database and that SQLite refuses for what is in them.

use super::{make, reader, reader_as_nobody};
use crate::common::cli::{Cli, lines, stderr, stdout};
use crate::common::repo::TempRepo;
use icecore::source::files::{FilesOptions, FilesSource};
use icecore::source::sqlite::{Opened, SqliteReader};
use icecore::source::{FileItem, FileProof, Got, Item, Source};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// What begins like a database, and is none: as an encrypted one whose first 16 bytes are plain.
fn encrypted(length: usize) -> Vec<u8> {
    let noise = (0..length).map(|at| (at * at * 31 + at * 7 + 131) as u8);
    [&b"SQLite format 3\0"[..], &noise.collect::<Vec<u8>>()].concat()
}

/// Whatever byte of a database's header is changed, and however, the file is in the snapshot, and the
/// program says what is not right with it.
#[test]
fn any_damaged_header_is_stored() {
    let cli = Cli::new();
    let sound = cli.path("sound.db");
    drop(make(&sound, "delete", 4096, 300));
    let sound = fs::read(sound).unwrap();
    let mut names = Vec::new();
    for at in 16..100 {
        for value in [!sound[at], 9] {
            let mut bytes = sound.clone();
            bytes[at] = value;
            let name = format!("{at:03}-{value}");
            fs::write(cli.path("src").join(&name), bytes).unwrap();
            names.push(name);
        }
    }
    let said = stdout(&cli.run(&["--json", "backup", "src"]).code(3));
    let summary = lines(&said).pop().unwrap();
    assert_eq!(summary["failed"], 0);
    let nodes = cli.json(&["ls", "latest"]);
    let target = cli.text("back");
    cli.run(&["restore", "latest", "--target", &target]).success();
    let mut files = 0;
    for name in &names {
        let node = nodes.iter().find(|node| node["name"] == name.as_str()).unwrap();
        if node["sqlite"].is_object() {
            continue;
        }
        files += 1;
        assert!(node["taint"].as_str().unwrap().contains("SQLite refuses it"), "{node}");
        let path = cli.path("src").join(name);
        let back = format!("{target}{}", path.display());
        assert!(fs::read(back).unwrap() == fs::read(path).unwrap(), "{name}");
    }
    assert!(files > 8, "{files} of {} are files", names.len());
}

/// A refused database brings its journal and its log, in the order of names and however it is
/// restored, and not the index of the log; others of like names stay what they are. It says so, also
/// when nothing changed, and a change in the log alone is seen.
#[test]
fn a_refused_database_brings_what_belongs_to_it() {
    let cli = Cli::new();
    let at = |name: &str| cli.path("src").join(name);
    let large = encrypted(700_000);
    for (main, bytes) in [("enc.db", &encrypted(9000)), ("large.db", &large)] {
        fs::write(at(main), bytes).unwrap();
        for suffix in ["-journal", "-wal", "-shm", "-a", "-kept", "-z"] {
            fs::write(at(&format!("{main}{suffix}")), format!("{main} {suffix}")).unwrap();
        }
    }
    for round in 0..3 {
        if round == 2 {
            fs::write(at("enc.db-wal"), b"more").unwrap();
        }
        let heard = stderr(&cli.run(&["backup", "src"]).code(3));
        for main in ["enc.db:", "large.db:"] {
            let told = heard.lines().find(|line| line.contains(main)).expect(&heard);
            assert!(told.contains("SQLite refuses it, it is stored as a file: it is no"), "{told}");
            assert!(!heard.contains("one state of"), "{heard}");
        }
        let listed = cli.says(&["ls", "latest"]);
        let names: Vec<&str> =
            listed.lines().filter_map(|line| line.rsplit_once('/')).map(|(_, name)| name).collect();
        let stored = ["", "-a", "-journal", "-kept", "-wal", "-z"];
        for main in ["enc.db", "large.db"] {
            let of_main = names.iter().filter(|name| name.starts_with(main));
            let expected: Vec<String> = stored.map(|suffix| format!("{main}{suffix}")).into();
            assert_eq!(of_main.collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
        }
        for name in ["enc.db", "enc.db-wal", "large.db", "large.db-journal"] {
            let wanted = format!("latest:{}", at(name).display());
            let dumped = cli.run(&["dump", &wanted]).success();
            assert!(dumped.get_output().stdout == fs::read(at(name)).unwrap(), "{name}");
        }
    }
    // One file alone has no room for others.
    let alone = at("enc.db").display().to_string();
    let heard = stderr(&cli.run(&["backup", &alone]).code(3));
    assert!(!heard.contains("one state of"), "{heard}");
    assert!(heard.contains("enc.db-wal belongs to it and is not in this snapshot"), "{heard}");
    let named = format!("sqlite:{alone}");
    let heard = stderr(&cli.run(&["backup", &named]).code(1));
    assert!(heard.contains("it is no SQLite database, or an encrypted one"), "{heard}");
    cli.run(&["check", "--read-data"]).success();
}

/// Each name of a refused database brings what stands beside it, and what belongs to another name is
/// not taken for it.
#[test]
fn each_name_of_a_refused_database_brings_its_own() {
    let cli = Cli::new();
    let at = |name: &str| cli.path("src").join(name);
    fs::write(at("a.db"), encrypted(9000)).unwrap();
    fs::hard_link(at("a.db"), at("z.db")).unwrap();
    let logs = [("a.db-journal", "of the first"), ("z.db-journal", "of the second")];
    for kept in [&logs[..], &logs[..1], &logs[1..]] {
        for (name, _) in logs {
            let _ = fs::remove_file(at(name));
        }
        kept.iter().for_each(|(name, text)| fs::write(at(name), text).unwrap());
        let heard = stderr(&cli.run(&["backup", "src"]).code(3));
        assert_eq!(heard.matches("SQLite refuses it").count(), 2, "{heard}");
        let listed = cli.says(&["ls", "latest"]);
        for (name, text) in logs {
            let expected = kept.iter().any(|(kept, _)| *kept == name);
            assert_eq!(listed.contains(name), expected, "{name}: {listed}");
            if expected {
                assert_eq!(cli.says(&["dump", &format!("latest:{}", at(name).display())]), text);
            }
        }
    }
}

/// A database that cannot be read for another reason than its content, a lock or missing rights, is
/// not stored as a file: that would mix what is written meanwhile.
#[test]
fn what_is_only_in_the_way_makes_no_file() {
    let tools = TempDir::new().unwrap();
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("a.db");
    let database = Arc::new(Mutex::new(make(&path, "delete", 4096, 10)));
    let failed = |reader: SqliteReader, locked: bool| {
        let repo = TempRepo::new(31);
        let reader = reader.with_busy_wait(Duration::from_millis(100));
        let holder = database.clone();
        let options = FilesOptions {
            sqlite: Some(Arc::new(move |file| {
                // The walk, which is of this process, drops its locks.
                let holder = holder.lock().unwrap();
                let (lock, unlock) = if locked { ("BEGIN EXCLUSIVE", "COMMIT") } else { ("", "") };
                holder.execute_batch(lock).unwrap();
                let opened = reader.read(file);
                holder.execute_batch(unlock).unwrap();
                opened
            })),
            ..FilesOptions::default()
        };
        let source = FilesSource::new(folder.path(), options).unwrap();
        let snapshot = repo.backup(vec![Box::new(source)]).unwrap().snapshot;
        assert_eq!((snapshot.summary.failed, snapshot.tainted()), (1, 0));
        assert_eq!((snapshot.summary.files_new, snapshot.summary.databases), (0, 0));
    };
    failed(reader(), true);
    let Some(stranger) = reader_as_nobody(tools.path()) else { return };
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    failed(stranger, false);
}

/// The only database in a folder, as its walk gives it where SQLite refuses it.
fn refused_in(folder: &Path) -> FileItem {
    let options = FilesOptions {
        sqlite: Some(Arc::new(|_| Ok(Opened::Refused("so it is".into())))),
        ..FilesOptions::default()
    };
    let mut source = FilesSource::new(folder, options).unwrap();
    loop {
        match source.next().unwrap().unwrap() {
            Item::File(file) if file.entry.name == b"a.db" => return file,
            _ => {}
        }
    }
}

/// Reads to the end, does `meanwhile`, and finishes.
fn read(open: icecore::source::Opener, meanwhile: impl FnOnce()) -> (Vec<u8>, FileProof) {
    let mut stream = open().unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
    while let Got::Data(got) = stream.read(&mut buffer).unwrap() {
        bytes.extend_from_slice(&buffer[..got]);
    }
    meanwhile();
    (bytes, stream.finish().unwrap())
}

/// A set that changes while it is read is read again, until it stands still or too often; the last
/// state is kept then, and it is said that it is none. Each member counts: the file, the log, and a
/// journal that comes or goes.
#[test]
fn a_set_that_changes_is_read_again() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.db"), encrypted(9000)).unwrap();
    fs::write(at("a.db-wal"), b"log").unwrap();
    let append = |name: &str| {
        let file = fs::OpenOptions::new().append(true).open(at(name));
        file.unwrap().write_all(b"+").unwrap();
    };
    let changes: [&dyn Fn(); 4] = [
        &|| append("a.db"),
        &|| append("a.db-wal"),
        &|| fs::write(at("a.db-journal"), b"new").unwrap(),
        &|| fs::remove_file(at("a.db-journal")).unwrap(),
    ];
    for change in changes {
        let (_, proof) = read(refused_in(folder.path()).open, change);
        let (bytes, proof) = read(proof.again.expect("another try"), || {});
        assert!(proof.again.is_none() && proof.changed.is_none());
        assert_eq!(proof.taint.unwrap(), "SQLite refuses it, it is stored as a file: so it is");
        assert!(bytes == fs::read(at("a.db")).unwrap());
        for item in proof.companions {
            let name = String::from_utf8(item.entry.name.clone()).unwrap();
            assert!(read(item.open, || {}).0 == fs::read(at(&name)).unwrap(), "{name}");
        }
    }
    let mut open = refused_in(folder.path()).open;
    for reading in 1.. {
        let (_, proof) = read(open, || append("a.db-wal"));
        match proof.again {
            Some(again) => open = again,
            None => {
                assert_eq!(reading, 5);
                assert!(proof.changed.unwrap().contains("changed while it was read"));
                assert!(proof.taint.unwrap().contains("changed while it was read"));
                break;
            }
        }
    }
}
