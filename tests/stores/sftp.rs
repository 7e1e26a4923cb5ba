//! Folders on servers of SFTP: the promises of all stores, the program from its first snapshot to its
//! last, what is refused and how it is said, and connections that break or go silent.

use super::carries_much;
use crate::common::aloud::is_root;
use crate::common::chance::Chance;
use crate::common::cli::{Cli, lines, stderr, stdout};
use crate::common::sshd::{Sshd, server};
use assert_cmd::assert::Assert;
use icecore::backend::testing::contract;
use icecore::backend::{Backend, Handle, Local, Location, Options, Put, Rates, probe};
use icecore::env::Env;
use icecore::error::Kind;
use icecore::id::PackId;
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::thread::{scope, sleep};
use std::time::Duration;

/// OpenSSH's server of the protocol, which also speaks it without any ssh before it.
const BARE: &str = "/usr/lib/openssh/sftp-server";

/// A place on a server that this line for the shell connects with.
fn place(line: &str, folder: &Path) -> Location {
    let options = [format!("command={line}"), "connections=5".to_owned()];
    let options = Options::parse(&options, Rates::default()).unwrap();
    Location::parse(&format!("sftp://store{}", folder.display()), &options).unwrap()
}

/// A folder over ssh keeps the contract.
#[test]
fn sftp_keeps_the_contract() {
    let server = server();
    contract(&|| place(&server.line(), &server.place()).create()).unwrap();
}

/// So does one on a server that knows no extension of the protocol, which says that it creates
/// carelessly.
#[test]
fn a_server_may_know_no_extensions() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("{BARE} -P hardlink,posix-rename,fsync,statvfs,limits");
    let next = std::cell::Cell::new(0);
    contract(&|| {
        next.set(next.get() + 1);
        place(&line, &dir.path().join(next.get().to_string())).create()
    })
    .unwrap();
    let store = place(&line, &dir.path().join("careless")).create().unwrap();
    assert_eq!(store.put_new(&Handle::config(0), b"x").unwrap(), Put::Created);
    assert_eq!(store.put_new(&Handle::config(0), b"y").unwrap(), Put::Exists);
    assert!(!store.capabilities().exclusive_create);
}

/// A server is found to create exclusively; a pack of the largest size goes and comes whole; many
/// objects are listed and deleted; the folder is that of a local store, and nothing is left over.
#[test]
fn sftp_is_measured_and_carries_much() {
    let (server, folder) = (server(), server().place());
    let store = place(&server.line(), &folder).create().unwrap();
    let found = probe(&*store, &Env::real()).unwrap();
    assert!(found.exclusive_create && found.list_after_write);
    assert_eq!(found.connections, 5);

    let (large, bytes) = carries_much(&*store);
    assert!(Local::open(&folder).unwrap().get(&large, None).unwrap() == bytes);
    let left: Vec<_> = fs::read_dir(folder.join("tmp")).unwrap().map(Result::unwrap).collect();
    assert!(left.iter().all(|entry| entry.file_name() == "reserve"), "{left:?}");
}

/// Of creators in connections of their own exactly one wins each name.
#[test]
fn connections_race_fairly() {
    let (line, folder) = (server().line(), server().place());
    let stores: Vec<_> = (0..4).map(|_| place(&line, &folder).create().unwrap()).collect();
    for round in 0..16 {
        let (handle, start) = (Handle::gc(round), Barrier::new(stores.len()));
        let create = |number: u8| {
            start.wait();
            stores[usize::from(number)].put_new(&handle, &[number; 1000]).unwrap() == Put::Created
        };
        let created: Vec<u8> = scope(|scope| {
            let create = &create;
            let creators: Vec<_> =
                (0..4).map(|number| (number, scope.spawn(move || create(number)))).collect();
            let won = creators
                .into_iter()
                .filter_map(|(number, creator)| creator.join().unwrap().then_some(number));
            won.collect()
        });
        assert_eq!(created.len(), 1, "{created:?}");
        assert_eq!(stores[0].get(&handle, None).unwrap(), [created[0]; 1000]);
    }
}

/// What the server's user may not do is denied; what is no folder of a repository is not taken for one.
#[test]
fn what_may_not_be_done_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("repo");
    place(BARE, &folder).create().unwrap().put_new(&Handle::config(0), b"x").unwrap();
    let store = place(&format!("{BARE} -R"), &folder).open().unwrap();
    assert_eq!(store.get(&Handle::config(0), None).unwrap(), b"x");
    assert_eq!(store.put_new(&Handle::config(1), b"x").unwrap_err().kind(), Kind::Denied);
    assert_eq!(store.delete(&Handle::config(0)).unwrap_err().kind(), Kind::Denied);
    fs::write(dir.path().join("else"), b"x").unwrap();
    assert!(place(BARE, &dir.path().join("else/x")).create().is_err());
    let refused = place(BARE, dir.path()).create().map(drop).unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    fs::create_dir(folder.join(Handle::config(7).path())).unwrap();
    assert_eq!(store.get(&Handle::config(7), None).unwrap_err().kind(), Kind::Failed);
}

/// A full disk is called that, though the server only says that it failed; what fits is stored.
#[test]
fn a_full_disk_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mount = || {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(dir.path());
        mount.output().is_ok_and(|output| output.status.success())
    };
    if !is_root("a full disk over SFTP") || !mount() {
        return;
    }
    let store = place(BARE, &dir.path().join("repo")).create().unwrap();
    let put = |number, size| store.put_new(&Handle::pack(PackId([number; 32])), &vec![7; size]);
    let told = put(1, 4 << 20).map_err(|error| error.kind());
    let fits = put(2, 1 << 20).map_err(|error| error.kind());
    let unmounted = Command::new("umount").arg("-l").arg(dir.path()).status().unwrap();
    assert!(unmounted.success());
    assert_eq!((told, fits), (Err(Kind::NoSpace), Ok(Put::Created)));
}

/// A folder that was made to be shared passes on what it lets its group do, as a local one does.
#[test]
fn a_shared_folder_stays_shared() {
    let dir = tempfile::tempdir().unwrap();
    for (number, root, folder, file) in [(0, 0o700, 0o700, 0o600), (1, 0o2770, 0o2770, 0o640)] {
        let path = dir.path().join(number.to_string());
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(root)).unwrap();
        let (handle, store) = (Handle::config(number), place(BARE, &path).create().unwrap());
        store.put_new(&handle, b"x").unwrap();
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o7777;
        let object = path.join(handle.path());
        assert_eq!(mode(object.parent().unwrap().to_owned()), folder, "{root:o}");
        assert_eq!(mode(object), file, "{root:o}");
    }
}

/// The program with its sources, and a place on a server of its own or on that of all.
struct Far<'s> {
    cli: Cli,
    server: &'s Sshd,
    folder: PathBuf,
}

impl<'s> Far<'s> {
    fn new(server: &'s Sshd) -> Self {
        let far = Far { cli: Cli::bare(), server, folder: server.place() };
        let mut init = far.command();
        init.args(["init", "--new-key-file"]).arg(far.cli.path("key")).assert().success();
        far
    }

    fn command(&self) -> assert_cmd::Command {
        let mut command = self.cli.command();
        command.env("ICECORE_REPOSITORY", format!("sftp://store{}", self.folder.display()));
        command.env("PATH", self.server.search_path());
        command
    }

    fn run(&self, args: &[&str]) -> Assert {
        self.command().arg("--key-file").arg(self.cli.path("key")).args(args).assert()
    }
}

/// A life over ssh: backups, a check of every byte, a restore, and all of it given back; the folder
/// is a repository where it lies, too.
#[test]
fn a_whole_life_over_ssh() {
    let far = Far::new(server());
    far.run(&["backup", "src"]).success();
    fs::write(far.cli.path("src/noise"), Chance::new(7).noise(20 << 20)).unwrap();
    far.run(&["--limit-upload", "100000", "backup", "src"]).success();
    far.run(&["check", "--read-data"]).success();
    far.run(&["restore", "latest", "--target", "back", "--verify"]).success();
    let noise = |root: &str| fs::read(far.cli.path(root)).unwrap();
    let restored = walk(&far.cli.path("back")).into_iter().find(|path| path.ends_with("noise"));
    assert!(fs::read(restored.unwrap()).unwrap() == noise("src/noise"));
    let local = far.folder.to_str().unwrap();
    far.run(&["-r", local, "check", "--read-data"]).success();
    fs::remove_file(far.cli.path("src/noise")).unwrap();
    far.run(&["backup", "src"]).success();
    let size = || walk(&far.folder).iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    let before = size();
    far.run(&["forget", "--keep-last", "1", "--prune"]).success();
    assert!(size() + (19 << 20) < before, "{before} bytes became {}", size());
    far.run(&["check", "--read-data"]).success();
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// A server is tried beside its repository, found fit for everything, and left as it was; a repository
/// goes there from a folder, object by object, and back.
#[test]
fn a_server_is_tried_and_mirrored() {
    let far = Far::new(server());
    far.run(&["backup", "src"]).success();
    let before = walk(&far.folder);
    let found = lines(&stdout(&far.run(&["--json", "doctor"]).success()));
    assert_eq!(found.last().unwrap()["fit"], true, "{found:?}");
    assert_eq!(found.last().unwrap()["exclusive_create"], true, "{found:?}");
    assert_eq!(walk(&far.folder), before);
    let folders = fs::read_dir(&far.folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(folders.into_iter().all(|name| !name.to_string_lossy().contains("doctor")));
    let careless = format!("command={BARE} -P hardlink,fsync");
    let place = format!("sftp://store{}", server().place().display());
    let doctor = far.run(&["-r", &place, "-o", &careless, "doctor"]).success();
    assert!(stdout(&doctor).contains("cannot be asked to sync"), "{}", stdout(&doctor));
    far.run(&["mirror", "back"]).success();
    let there = server().place();
    far.run(&["-r", "back", "mirror", &format!("sftp://store{}", there.display())]).success();
    far.run(&["-r", there.to_str().unwrap(), "check", "--read-data"]).success();
}

/// Restic's way of writing the same place, a connection of one's own, and one's own key.
#[test]
fn places_are_written_in_several_ways() {
    let far = Far::new(server());
    let folder = far.folder.display();
    let key = format!("identity={}", server().path("key").display());
    let (line, port) = (format!("command={}", server().line()), server().port);
    for (place, options) in [
        (format!("sftp:store:{folder}"), vec![]),
        (format!("sftp://127.0.0.1:{port}{folder}/"), vec!["-o", &key, "-o", "connections=1"]),
        (format!("sftp://elsewhere/{folder}"), vec!["-o", &line, "-o", "timeout=9"]),
    ] {
        far.run(&[&["-r", &place], &*options, &["backup", "src"]].concat()).success();
    }
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let place = format!("sftp:{user}@store:{folder}");
    assert!(stdout(&far.run(&["-r", &place, "snapshots"]).success()).contains("3 snapshots"));
}

/// A stranger's key, a server's key that is not known or has changed, a missing folder, a server that
/// nobody knows, and one without SFTP are each said in ssh's words, with what helps, at once.
#[test]
fn refusals_are_explained() {
    let far = Far::new(server());
    let folder = far.folder.to_str().unwrap();
    let nowhere = format!("sftp://store{folder}/nowhere");
    let unknown = format!("sftp://no-such-host.invalid{folder}");
    let stranger = format!("identity={}", server().path("stranger").display());
    let config = server().path("ssh_config").display().to_string();
    let with = |file: &str, more: &str| {
        let known = server().path(file);
        let known = known.display();
        format!("command=ssh -F {config} -oUserKnownHostsFile={known} {more} -s store sftp")
    };
    let other = fs::read_to_string(server().path("stranger.pub")).unwrap();
    let changed = format!("[127.0.0.1]:{} {other}", server().port);
    fs::write(server().path("changed_hosts"), changed).unwrap();
    fs::write(server().path("no_hosts"), "").unwrap();
    let (changed, new) = (with("changed_hosts", ""), with("no_hosts", ""));
    let numbered = format!("sftp://127.0.0.1:{}{folder}", server().port);
    for (args, words, code) in [
        (vec!["-r", &numbered, "-o", &stranger], ["Permission denied", "-o identity=FILE"], 1),
        (vec!["-o", &changed], ["another machine may stand", "changed_hosts:1"], 1),
        (vec!["-o", &new], ["server's key is not known", "connect once with ssh"], 1),
        (vec!["-r", &nowhere], ["there is no repository", "icecore init"], 10),
        (vec!["-r", &unknown], ["does not resolve", "check the name"], 10),
        (vec!["-o", "command=exit 3"], ["status 3", "login script"], 1),
        (vec!["-o", "command=no-such-ssh"], ["no-such-ssh", "install"], 1),
        (vec!["-o", "command=echo hello; sleep 99"], ["does not speak SFTP", "print nothing"], 1),
        (vec!["-o", "identity=x", "-o", "command=y"], ["-o identity", "-i FILE"], 1),
        (vec!["-o", "region=x"], ["do not know it", "identity"], 1),
    ] {
        let run = far.run(&[&*args, &["snapshots"]].concat()).code(code);
        let said = stderr(&run);
        assert!(words.iter().all(|words| said.contains(words)), "{args:?}: {said}");
    }
}

/// A backup goes on over a new connection when its own is cut, again and again.
#[test]
fn a_backup_outlives_its_connection() {
    backup_while(&[], |server| {
        let cut = (0..3).map(|_| {
            sleep(Duration::from_millis(1200));
            server.signal_connections(Signal::KILL)
        });
        assert!(cut.sum::<usize>() > 1, "there was no connection, or no second one");
    });
}

/// A backup goes on over a new connection when its own falls silent.
#[test]
fn a_backup_outlives_a_silent_server() {
    backup_while(&["-o", "timeout=2"], |server| {
        sleep(Duration::from_millis(1500));
        assert!(server.signal_connections(Signal::STOP) > 0, "there was no connection");
    });
}

/// Runs a backup that takes six seconds, while something happens to its server.
fn backup_while(options: &[&str], happens: impl FnOnce(&Sshd)) {
    let server = Sshd::start();
    let far = Far::new(&server);
    fs::write(far.cli.path("src/noise"), Chance::new(1).noise(24 << 20)).unwrap();
    let args = [&["--limit-upload", "4096"], options, &["backup", "src"]].concat();
    scope(|scope| {
        let backup = scope.spawn(|| far.run(&args));
        happens(&server);
        assert!(!backup.is_finished(), "the backup was over before");
        backup.join().unwrap().success();
    });
    far.run(&["check", "--read-data"]).success();
    far.run(&["backup", "src"]).success();
}

/// Two backups at once, over connections of their own, are both whole.
#[test]
fn two_programs_write_at_once() {
    let far = Far::new(server());
    fs::create_dir(far.cli.path("other")).unwrap();
    fs::write(far.cli.path("src/noise"), Chance::new(2).noise(9 << 20)).unwrap();
    fs::write(far.cli.path("other/noise"), Chance::new(3).noise(9 << 20)).unwrap();
    scope(|scope| {
        for source in ["src", "other"] {
            let far = &far;
            scope.spawn(move || far.run(&["backup", source]).success());
        }
    });
    assert!(stdout(&far.run(&["snapshots"]).success()).contains("2 snapshots"));
    far.run(&["check", "--read-data"]).success();
}
