//! Servers that tests start, and that end with them.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long one may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What keeps a server: it starts it, ends and starts it again by the words `down` and `up` on its
/// standard input, and ends it with its folder when that ends, as it does with the test's process.
const KEEPER: &str = r#"
folder=$1 program=$2
shift 2
start() { "$program" "$@" </dev/null >>"$folder/log" 2>&1 & server=$!; }
stop() { kill -KILL "$server"; wait "$server"; }
start "$@"
while read -r word; do
  case $word in up) start "$@" ;; down) stop ;; esac
done
stop
rm -rf "$folder"
"#;

/// Starts a keeper, and what holds it: it ends when that does.
pub fn start(keeper: &mut Command) -> (Child, Option<ChildStdin>) {
    keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A terminal's interrupt must not end the keeper before what it keeps.
    let mut keeper = keeper.process_group(0).spawn().unwrap();
    let hold = keeper.stdin.take();
    (keeper, hold)
}

/// A running server in a folder of its own. Dropped, it is killed.
pub struct Kept {
    pub folder: PathBuf,
    keeper: Child,
    hold: Option<ChildStdin>,
}

impl Kept {
    /// Starts a program in `folder`, which is removed with it.
    pub fn start(folder: PathBuf, program: &Path, arguments: Vec<String>) -> Self {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&folder).arg(program).args(arguments);
        let (keeper, hold) = start(keeper.current_dir(&folder));
        Kept { folder, keeper, hold }
    }

    /// Kills it.
    pub fn down(&mut self) {
        self.say("down\n");
    }

    /// Starts it again.
    pub fn up(&mut self) {
        self.say("up\n");
    }

    fn say(&mut self, word: &str) {
        self.hold.as_mut().unwrap().write_all(word.as_bytes()).unwrap();
    }

    /// Waits until it answers.
    pub fn await_start(&self, answers: impl Fn() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if answers() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("the server does not answer:\n{log}");
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.hold.take());
        self.keeper.wait().unwrap();
    }
}

/// A folder for a server, which removes it.
pub fn folder() -> PathBuf {
    TempDir::with_prefix("icecore-server").unwrap().keep()
}

/// Ports that are free. All at once, or one might be chosen twice; afterwards another process may still
/// take one.
pub fn free_ports(number: usize) -> Vec<u16> {
    let listeners = (0..number).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let listeners: Vec<TcpListener> = listeners.collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Where a program is that `tests/run.sh` installs; a missing one fails the test.
pub fn tool(path: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(path);
    let there = program.exists();
    assert!(there, "there is no {}; `tests/run.sh servers` installs it", program.display());
    program
}
