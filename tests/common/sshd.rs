//! A real server of SFTP: OpenSSH's in a temporary folder, on the loopback, with keys of its own.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, which wants to be started by its full name.
const PROGRAM: &str = "/usr/sbin/sshd";

/// What keeps a server: it says its number, and ends it with its folder when its own standard input
/// ends, as it does with the test's process.
const KEEPER: &str = r#"
"$2" -D -e -f "$1/sshd_config" </dev/null >/dev/null 2>"$1/log" & server=$!
echo "$server"
read -r _
kill -TERM "$server"
wait "$server"
rm -rf "$1"
"#;

/// A running server. Dropped, it is ended.
pub struct Sshd {
    pub port: u16,
    folder: PathBuf,
    server: Pid,
    keeper: Child,
    hold: Option<ChildStdin>,
}

/// The server that all tests of this process share, each with a folder of its own.
pub fn server() -> &'static Sshd {
    static SHARED: OnceLock<Sshd> = OnceLock::new();
    SHARED.get_or_init(Sshd::start)
}

impl Sshd {
    /// A server of a test's own, which knows one key. Its clients call it `store`.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("icecore-sshd").unwrap().keep();
        assert!(
            Path::new(PROGRAM).exists(),
            "there is no {PROGRAM}; `tests/run.sh servers` installs it"
        );
        for name in ["host", "key", "stranger"] {
            make_key(&folder.join(name));
        }
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        configure(&folder, port);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(PROGRAM)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A terminal's interrupt must not end the keeper before the server.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let server = Pid::from_raw(number.trim().parse().unwrap()).unwrap();
        let hold = keeper.stdin.take();
        let sshd = Sshd { port, folder, server, keeper, hold };
        sshd.await_start();
        sshd
    }

    fn await_start(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "sshd does not answer:\n{}", log());
            sleep(Duration::from_millis(20));
        }
    }

    /// A file of the server's folder: `key`, `stranger`, `known_hosts`, `ssh_config`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A folder of the server that is not there yet, and that no other caller of this process gets.
    pub fn place(&self) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.path(&format!("stores/{}/repo", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// A line for the shell that connects.
    pub fn line(&self) -> String {
        format!("ssh -F {} -s -- store sftp", self.path("ssh_config").display())
    }

    /// A search path on which `ssh` knows the server and its key.
    pub fn search_path(&self) -> OsString {
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        path
    }

    /// Sends a signal to everything that serves a connection; how many there were.
    pub fn signal_connections(&self, signal: Signal) -> usize {
        let all = descendants(self.server);
        // Some may have ended in between.
        all.iter().filter(|pid| kill_process(**pid, signal).is_ok()).count()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.signal_connections(Signal::KILL);
        drop(self.hold.take());
        self.keeper.wait().unwrap();
    }
}

fn make_key(at: &Path) {
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at);
    assert!(make.status().unwrap().success());
}

/// Writes what the server and its clients go by.
fn configure(folder: &Path, port: u16) {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let at = folder.display();
    let server = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/key.pub\n\
         PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nMaxStartups 100\n\
         KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n"
    );
    fs::write(folder.join("sshd_config"), format!("{server}PerSourcePenalties no\n")).unwrap();
    let mut test = Command::new(PROGRAM);
    test.args(["-t", "-f"]).arg(folder.join("sshd_config")).stderr(Stdio::null());
    if !test.status().unwrap().success() {
        // Older servers do not know the last line, nor what it is against.
        fs::write(folder.join("sshd_config"), server).unwrap();
    }
    let host = text("host.pub");
    fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
    let client = format!(
        "Host store\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {at}/key\nHost *\n  \
         IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {at}/known_hosts\n  \
         GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n  BatchMode yes\n"
    );
    fs::write(folder.join("ssh_config"), client).unwrap();
    fs::create_dir(folder.join("bin")).unwrap();
    let wrapper = format!("#!/bin/sh\nPATH=${{PATH#*:}}\nexec ssh -F {at}/ssh_config \"$@\"\n");
    fs::write(folder.join("bin/ssh"), wrapper).unwrap();
    fs::set_permissions(folder.join("bin/ssh"), Permissions::from_mode(0o755)).unwrap();
}

/// The processes that this one started, and those that they started.
fn descendants(pid: Pid) -> Vec<Pid> {
    let number = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    children.flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}
