//! The reader in `format-spec/reader`, which was written from the text alone, over repositories that
//! the program has just made, and over those that are stored.

use crate::common::chance::Chance;
use crate::common::cli::Cli;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What lies below a folder: files by the hash of their bytes, links by their targets.
type State = BTreeMap<PathBuf, String>;

pub fn state(root: &Path) -> State {
    let (mut found, mut waiting) = (State::new(), vec![root.to_owned()]);
    while let Some(path) = waiting.pop() {
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let what = if kind.is_symlink() {
            format!("to {}", fs::read_link(&path).unwrap().display())
        } else if kind.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "folder".to_owned()
        } else {
            blake3::hash(&fs::read(&path).unwrap()).to_string()
        };
        found.insert(path.strip_prefix(root).unwrap().to_owned(), what);
    }
    found
}

/// The packages that it takes.
fn packages() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/reader");
    assert!(
        packages.join("installed").exists(),
        "the reader's packages are missing: there is no {}; `tests/run.sh reader` installs them",
        packages.display()
    );
    packages
}

/// Runs the reader.
pub fn reader(repository: &Path, secret: Secret<'_>, args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.arg("-B").arg(root.join("format-spec/reader/icecore_reader.py"));
    command.env("PYTHONPATH", packages()).env_remove("ICECORE_PASSWORD");
    match secret {
        Secret::KeyFile(path) => command.arg("--key-file").arg(path),
        Secret::Password(text) => command.env("ICECORE_PASSWORD", text),
    };
    command.arg(repository).args(args).output().unwrap()
}

#[derive(Clone, Copy)]
pub enum Secret<'s> {
    KeyFile(&'s Path),
    Password(&'s str),
}

/// What the reader says on standard output when it finds nothing wrong.
fn says(repository: &Path, secret: Secret<'_>, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = reader(repository, secret, args);
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success() && stderr.is_empty(), "{args:?}: {status} {stdout} {stderr}");
    stdout
}

/// A database of some 400 KB, and its hours: each changes a few rows, and it stands alone after.
fn hour(path: &Path, number: u64) {
    let database = rusqlite::Connection::open(path).unwrap();
    let sql = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text BLOB)";
    database.execute(sql, ()).unwrap();
    let mut chance = Chance::new(number);
    let rows = if number == 0 { 1..4000 } else { 100 * number..100 * number + 20 };
    let all = database.unchecked_transaction().unwrap();
    for id in rows {
        let row = (id.cast_signed(), chance.noise(80));
        all.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", row).unwrap();
    }
    all.commit().unwrap();
}

/// A password's repository with another slot for a key file and one that was removed, folders, a
/// database of several hours, a stream, two writers at once, a forgotten snapshot and tags: by
/// either secret the reader lists what lives and gives it back to the byte, and it names one
/// flipped bit.
#[test]
fn it_reads_what_the_program_has_just_made() {
    let cli = Cli::bare();
    let (repo, key) = (cli.path("repo"), cli.path("key"));
    fs::write(cli.path("password"), "open sesame\n").unwrap();
    fs::write(cli.path("other"), "another\n").unwrap();
    let run = |args: &[&str]| {
        let mut command = cli.command();
        command.args(["--json", "--password-file", "password"]).args(args);
        String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
    };
    run(&["init"]);
    run(&["key", "add", "--new-key-file", "key"]);
    run(&["key", "add", "--new-password-file", "other"]);
    let mut removing = cli.command();
    let id = run(&["key", "list"]).lines().map(json).find(|line| line["current"] == true);
    let id = id.unwrap()["id"].as_str().unwrap().to_owned();
    removing.args(["--password-file", "other", "key", "remove", &id]).assert().success();
    fs::rename(cli.path("other"), cli.path("password")).unwrap();

    let mut chance = Chance::new(3);
    fs::write(cli.path("src/large"), chance.noise(1_500_000)).unwrap();
    fs::write(cli.path("src/empty"), b"").unwrap();
    fs::create_dir(cli.path("src/nothing")).unwrap();
    let holed = fs::File::create(cli.path("src/holed")).unwrap();
    holed.set_len(300_000).unwrap();
    let mut states = BTreeMap::new();
    for number in 0..4 {
        hour(&cli.path("src/app.db"), number);
        hour(&cli.path("named.db"), number);
        fs::write(cli.path("src/sub/new"), chance.noise(2000)).unwrap();
        let named = format!("sqlite:{}", cli.text("named.db"));
        let id = snapshot_of(&run(&["backup", "src", &named]));
        let states_now = (state(&cli.path("src")), state(&cli.path("named.db")));
        states.insert(id, states_now);
    }
    run(&["backup", "--stdin-filename", "said", "--stdin-from-command", "--", "echo", "hello"]);

    let writer = |folder: &str| {
        fs::create_dir(cli.path(folder)).unwrap();
        let shared: Vec<u8> = Chance::new(9).noise(2_000_000);
        fs::write(cli.path(folder).join("shared"), shared).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_icecore"));
        command.args(["--quiet", "--key-file", "key", "backup", folder]);
        command
            .env("ICECORE_CACHE_DIR", "")
            .env("ICECORE_REPOSITORY", &repo)
            .current_dir(cli.folder());
        command.spawn().unwrap()
    };
    let both = ["one", "two"].map(writer);
    assert!(both.into_iter().all(|mut writer| writer.wait().unwrap().success()));

    let (first, _) = states.pop_first().unwrap();
    run(&["forget", &first]);
    let tagged = states.keys().next().unwrap().clone();
    run(&["tag", "--add", "kept", &tagged]);

    for secret in [Secret::Password("another"), Secret::KeyFile(&key)] {
        let listed = says(&repo, secret, &["list"]);
        assert_eq!(listed.lines().count(), 3 + 1 + 2, "{listed}");
        assert!(!listed.contains(&first), "{listed}");
        let line = listed.lines().find(|line| line.starts_with(&tagged)).unwrap();
        assert!(line.ends_with(" #kept"), "{line}");
    }
    let secret = Secret::KeyFile(&key);
    for (id, (src, named)) in &states {
        let target = cli.path(&format!("out-{id}"));
        says(&repo, secret, &["extract", &id[..20], target.to_str().unwrap()]);
        let at = |name: &str| {
            let below = cli.path(name);
            state(&target.join(below.strip_prefix("/").unwrap()))
        };
        assert_eq!((&at("src"), &at("named.db")), (src, named), "{id}");
    }
    let listed = says(&repo, secret, &["list"]);
    for (end, path, expected) in [
        ("/said", "said".to_owned(), blake3::hash(b"hello\n")),
        ("/one", format!("{}/shared", &cli.text("one")[1..]), shared_hash()),
        ("/two", format!("{}/shared", &cli.text("two")[1..]), shared_hash()),
    ] {
        let line = listed.lines().find(|line| line.ends_with(end)).unwrap();
        let target = cli.path(&format!("out{}", &end[1..]));
        says(&repo, secret, &["extract", &line[..32], target.to_str().unwrap()]);
        assert_eq!(blake3::hash(&fs::read(target.join(path)).unwrap()), expected);
    }
    says(&repo, secret, &["verify"]);

    let wrong = reader(&repo, Secret::Password("open sesame"), &["list"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8(wrong.stderr).unwrap().contains(": wrong key: "));
    let pack = largest(&repo.join("packs"));
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    let flipped = reader(&repo, secret, &["verify"]);
    assert_eq!(flipped.status.code(), Some(3));
    let name = String::from_utf8_lossy(pack.file_name().unwrap().as_bytes()).into_owned();
    assert!(String::from_utf8(flipped.stderr).unwrap().contains(&name));
}

/// The vectors, read by the same reader: each decodes, or is found to be what it says, and chunks are
/// cut, ids made, seals made and lengths padded as the chapters say. Records have the types of the
/// tables in the text, which the reader goes by.
#[test]
fn it_agrees_with_the_vectors() {
    let said = with_its_modules("vectors.py", "format-spec/vectors");
    let numbers: Vec<usize> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [vectors, failed] = numbers[..] else { panic!("{said}") };
    assert!(vectors > 150 && failed == 0, "{said}");
}

/// It is small enough to be read at one sitting: 700 lines of no more than 100 characters.
#[test]
fn it_is_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/reader");
    let (mut files, mut total) = (0, 0);
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|suffix| suffix == "py") {
            let text = fs::read_to_string(&path).unwrap();
            let wide = text.lines().find(|line| line.chars().count() > 100);
            assert_eq!(wide, None, "{}", path.display());
            (files, total) = (files + 1, total + text.lines().count());
        }
    }
    assert!(files > 4 && total <= 700, "{files} files, {total} lines");
}

/// The worked example is what comes out of the stored repository, value by value. With
/// `ICECORE_WRITE_VECTORS=1` it is written.
#[test]
fn the_example_is_computed() {
    let said = with_its_modules("example.py", "format-spec");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/15-example.md");
    if std::env::var_os("ICECORE_WRITE_VECTORS").is_some_and(|set| set == "1") {
        fs::write(&path, &said).unwrap();
    }
    assert!(said.lines().count() > 200);
    assert_eq!(said, fs::read_to_string(path).unwrap());
}

/// What a program of the tests says that uses the reader's modules.
fn with_its_modules(program: &str, argument: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = [root.join("format-spec/reader"), packages()];
    let output = Command::new("python3")
        .arg("-B")
        .arg(root.join("tests").join(program))
        .arg(root.join(argument))
        .env("PYTHONPATH", std::env::join_paths(paths).unwrap())
        .output()
        .unwrap();
    let heard = String::from_utf8(output.stderr).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && heard.is_empty(), "{program}: {said} {heard}");
    said
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

fn snapshot_of(said: &str) -> String {
    let last = said.lines().last().map(json).unwrap();
    last["snapshot_id"].as_str().unwrap().to_owned()
}

fn shared_hash() -> blake3::Hash {
    blake3::hash(&Chance::new(9).noise(2_000_000))
}

fn largest(folder: &Path) -> PathBuf {
    let files = state(folder).into_keys().map(|path| folder.join(path));
    files.filter(|path| path.is_file()).max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}
