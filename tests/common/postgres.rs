//! Real PostgreSQL servers of two major versions in temporary folders, reached by a socket and by
//! the loopback; an unprivileged user runs them, and none outlives the process that started it.

use super::kept;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// The superuser of each server.
pub const SUPERUSER: &str = "postgres";

/// Its password, which the loopback asks for; the socket trusts everyone who reaches it.
pub const PASSWORD: &str = "pass word/%@:1";

/// How long a server may take to answer or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the keeper of a server does: it starts the server, waits until its own standard input
/// ends, which it does when the process that holds the other end ends in whatever way, and then
/// stops the server at once and removes its folder. The programs find the libraries beside them by
/// themselves; extensions such as `postgres_fdw` do not.
const KEEPER: &str = r#"
LD_LIBRARY_PATH=$1/../lib "$1/postgres" -D "$2/data" </dev/null >>"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
"#;

/// The major versions that every test of PostgreSQL runs on, unpacked into `target/tools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Fifteen,
    Eighteen,
}

/// Both of them, the older one first.
pub const VERSIONS: [Version; 2] = [Version::Fifteen, Version::Eighteen];

impl Version {
    pub fn major(self) -> u32 {
        match self {
            Version::Fifteen => 15,
            Version::Eighteen => 18,
        }
    }

    /// The folder of its programs; a missing one fails the test.
    pub fn bin(self) -> PathBuf {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
        let bin = tools.join(format!("postgresql-{}/bin", self.major()));
        assert!(
            bin.join("postgres").exists(),
            "PostgreSQL {} is missing: there is no {}/postgres; `tests/run.sh servers` installs it",
            self.major(),
            bin.display(),
        );
        bin
    }
}

/// A running server. Dropping it stops it at once, as a crash would: sessions break, nothing is
/// written; and removes its folder.
pub struct Server {
    pub version: Version,
    pub port: u16,
    /// Emptied by its keeper when it ends.
    dir: PathBuf,
    keeper: Child,
    /// Held open for as long as the server shall run.
    hold: Option<ChildStdin>,
}

/// The server of this version that all tests of this process share: each makes databases and
/// roles of its own, with names from [`unique`].
pub fn server(version: Version) -> &'static Server {
    static SHARED: [OnceLock<Server>; 2] = [const { OnceLock::new() }; 2];
    let place = VERSIONS.iter().position(|known| *known == version).unwrap();
    SHARED[place].get_or_init(|| Server::start(version, &[]))
}

/// A name that no other caller of this process gets.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    /// A server of a test's own, with lines added to its `postgresql.conf`; files that they name
    /// relative to the data folder come by [`Server::start_with_files`].
    pub fn start(version: Version, settings: &[&str]) -> Server {
        Self::start_with_files(version, settings, &[])
    }

    /// The same with files in its data folder, for example `("server.key", ...)`, readable by
    /// the server alone. One named `pg_hba.conf` replaces the rig's.
    pub fn start_with_files(version: Version, settings: &[&str], files: &[(&str, &str)]) -> Server {
        for _ in 0..5 {
            // Another process may take the port between its choice and its use.
            if let Some(server) = Self::try_start(version, settings, files) {
                return server;
            }
        }
        panic!("no free port for a PostgreSQL server after five attempts");
    }

    fn try_start(version: Version, settings: &[&str], files: &[(&str, &str)]) -> Option<Server> {
        // Removed by the keeper, or by this guard if there will be none.
        let guard = TempDir::with_prefix("icecore-pg").unwrap();
        let dir = guard.path().to_owned();
        give(&dir);
        let bin = reachable(version.bin(), &dir);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        make_cluster(&bin, &dir);
        configure(&dir, port, settings, files);
        let mut keeper = as_user(Command::new("sh"));
        keeper.args(["-c", KEEPER, "keeper"]).args([&bin, &dir]);
        let (keeper, hold) = kept::start(&mut keeper);
        let _ = guard.keep();
        let mut server = Server { version, port, dir, keeper, hold };
        server.await_start().then_some(server)
    }

    /// Waits until it answers; false if its port is taken.
    fn await_start(&mut self) -> bool {
        let rounds = PATIENCE.as_millis() / 20;
        for _ in 0..rounds {
            if self.try_sql(SUPERUSER, "select 1").is_ok() {
                return true;
            }
            let log = self.log();
            if log.contains("could not bind") || log.contains("could not create any") {
                return false;
            }
            assert!(!log.contains("database system is shut down"), "the server ended:\n{log}");
            sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL {} does not answer:\n{}", self.version.major(), self.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The folder of `pg_dump` and its like, of the server's own version.
    pub fn bin(&self) -> PathBuf {
        self.version.bin()
    }

    /// The folder of its socket, as a host's name for libpq.
    pub fn socket(&self) -> PathBuf {
        self.dir.clone()
    }

    /// A URL over the loopback, its password included.
    pub fn url(&self, database: &str) -> String {
        self.url_of(SUPERUSER, PASSWORD, database)
    }

    /// The same for another role.
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        let [role, password, database] = [role, password, database].map(percent);
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A URL over the socket, which asks for no password.
    pub fn socket_url(&self, database: &str) -> String {
        let socket = percent(self.dir.to_str().unwrap());
        format!("postgres://{SUPERUSER}@{socket}:{}/{}", self.port, percent(database))
    }

    /// One of its programs as the superuser, connected to a database over the socket.
    pub fn tool(&self, name: &str, database: &str) -> Command {
        let mut command = clean(Command::new(self.bin().join(name)));
        command
            .env("PGHOST", &self.dir)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", database);
        command
    }

    /// Runs statements; what they yield, one row a line, columns parted by `|`.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.try_sql(database, statements)
            .unwrap_or_else(|error| panic!("{database}: {statements}\n{error}"))
    }

    /// The same; what psql says if it fails.
    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let output = self
            .tool("psql", database)
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statements])
            .output()
            .unwrap();
        said(output)
    }

    /// Makes an empty database of an encoding; locale C, so that each encoding may have it.
    pub fn create(&self, database: &str, encoding: &str) {
        let statement = format!(
            "create database {} template template0 encoding '{encoding}' locale 'C'",
            quoted(database)
        );
        self.sql(SUPERUSER, &statement);
    }

    /// Whether a database is there.
    pub fn has(&self, database: &str) -> bool {
        self.databases().iter().any(|known| known == database)
    }

    /// All its databases in order, templates included.
    pub fn databases(&self) -> Vec<String> {
        let listed = self.sql(SUPERUSER, "select datname from pg_database order by 1");
        listed.lines().map(str::to_owned).collect()
    }

    /// The text of a plain dump of a database, by this server's own `pg_dump`, without what
    /// differs between two runs.
    pub fn plain_dump(&self, database: &str) -> String {
        let output = self.tool("pg_dump", database).output().unwrap();
        let text = said(output).unwrap_or_else(|error| panic!("pg_dump {database}: {error}"));
        text.lines().filter(|line| !is_random(line)).fold(String::new(), |mut kept, line| {
            writeln!(kept, "{line}").unwrap();
            kept
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.hold.take());
        self.keeper.wait().unwrap();
        // What the keeper could not remove: the folder's parent may be closed to its user.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A name as SQL quotes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Percent-encoded wholly, as a part of a URL may always be.
pub fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => encoded.push(char::from(byte)),
            other => write!(encoded, "%{other:02X}").unwrap(),
        }
    }
    encoded
}

/// A command that sees no PostgreSQL settings of the user who runs the tests.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("PGPASSFILE", "/nowhere").env("PGSERVICEFILE", "/nowhere").env("LC_ALL", "C");
    command
}

/// What a command said, or what it said when it failed.
fn said(output: Output) -> Result<String, String> {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    if output.status.success() { Ok(out.trim_end().to_owned()) } else { Err(format!("{out}{err}")) }
}

/// `\restrict` and `\unrestrict` carry a random key in each dump.
fn is_random(line: &str) -> bool {
    line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ")
}

/// The user that servers run as where tests run as root, which PostgreSQL refuses to be.
fn servant() -> Option<(u32, u32)> {
    static FOUND: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let ids = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
            Some((numbers.next()?, numbers.next()?))
        };
        let found = ids("postgres").or_else(|| ids("nobody"));
        assert!(found.is_some(), "root cannot run PostgreSQL, and no user is named nobody");
        found
    })
}

/// A command run by that user.
pub fn as_user(mut command: Command) -> Command {
    if let Some((user, group)) = servant() {
        command.uid(user).gid(group).current_dir("/");
    }
    clean(command)
}

/// Gives that user a folder or file, for all to read.
pub fn give(path: &Path) {
    if let Some((user, group)) = servant() {
        chown(path, Some(user), Some(group)).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
}

/// The programs, or a copy of them and their libraries in `dir` if the user may not reach where they
/// are, as in a project below root's home.
pub fn reachable(bin: PathBuf, dir: &Path) -> PathBuf {
    let runs = as_user(Command::new(bin.join("postgres"))).arg("--version").output();
    if runs.is_ok_and(|output| output.status.success()) {
        return bin;
    }
    let copy = dir.join("install");
    let copied = Command::new("cp").arg("-r").arg(bin.parent().unwrap()).arg(&copy).status();
    assert!(copied.unwrap().success());
    copy.join("bin")
}

fn make_cluster(bin: &Path, dir: &Path) {
    let secret = dir.join("password");
    fs::write(&secret, PASSWORD).unwrap();
    give(&secret);
    let output = as_user(Command::new(bin.join("initdb")))
        .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth-local=trust"])
        .args(["--auth-host=scram-sha-256", "--username", SUPERUSER, "--pwfile"])
        .arg(&secret)
        .arg("-D")
        .arg(dir.join("data"))
        .output()
        .unwrap();
    said(output).unwrap_or_else(|error| panic!("initdb: {error}"));
}

fn configure(dir: &Path, port: u16, settings: &[&str], files: &[(&str, &str)]) {
    let data = dir.join("data");
    let mut lines = format!(
        "\nport = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
         fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\nmax_connections = 100\n\
         max_wal_size = 256MB\nlog_min_messages = warning\n",
        dir.display()
    );
    for setting in settings {
        writeln!(lines, "{setting}").unwrap();
    }
    let path = data.join("postgresql.conf");
    let old = fs::read_to_string(&path).unwrap();
    fs::write(&path, old + &lines).unwrap();
    for (name, text) in files {
        let path = data.join(name);
        File::create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = servant() {
            chown(&path, Some(user), Some(group)).unwrap();
        }
        fs::write(&path, text).unwrap();
    }
}
