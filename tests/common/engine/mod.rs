//! Container engines with storage of their own in a temporary folder, which speak Docker's API at a socket there.
//! Nothing of them outlives the process that started them.

mod images;
mod kind;

use super::kept;
pub use kind::Kind;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a container may have, also where that is little: engines ask for more than a machine may grant.
const LIMITS: [&str; 4] = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1000:1000"];

/// An engine.
pub struct Engine {
    pub kind: Kind,
    folder: PathBuf,
    keeper: Child,
    hold: Mutex<Option<ChildStdin>>,
    has_postgres: OnceLock<()>,
    has_icecore: OnceLock<()>,
}

/// The Podman that all tests of this process share, each with names from [`unique`].
pub fn podman() -> &'static Engine {
    static SHARED: OnceLock<Engine> = OnceLock::new();
    SHARED.get_or_init(|| Engine::start(Kind::Podman))
}

/// The Docker, likewise.
pub fn docker() -> &'static Engine {
    static SHARED: OnceLock<Engine> = OnceLock::new();
    SHARED.get_or_init(|| Engine::start(Kind::Docker))
}

/// Does the same on both at once: what depends on what an engine says and does is to hold on each.
pub fn on_each(test: impl Fn(&'static Engine) + Sync) {
    each(|kind| {
        test(match kind {
            Kind::Docker => docker(),
            Kind::Podman => podman(),
        });
    });
}

/// The same for a test that starts engines of its own.
pub fn each(test: impl Fn(Kind) + Sync) {
    let results = thread::scope(|scope| {
        let kinds = [Kind::Docker, Kind::Podman].map(|kind| (kind, &test));
        let running = kinds.map(|(kind, test)| (kind, scope.spawn(move || test(kind))));
        running.map(|(kind, run)| (kind, run.join().is_ok()))
    });
    assert!(results.iter().all(|(_, is_well)| *is_well), "well are: {results:?}");
}

/// A name that no other caller of this process gets.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Engine {
    /// An engine of a test's own.
    pub fn start(kind: Kind) -> Self {
        for program in kind.needs() {
            let found = Command::new(program).arg("--version").output();
            assert!(found.is_ok(), "there is no {program}; `tests/run.sh servers` installs it");
        }
        let prefix = format!("icecore-{}", kind.program());
        let folder = TempDir::with_prefix(prefix).unwrap().keep();
        let (keeper, hold) = kept::start(&mut kind.keeper(&folder));
        let (has_postgres, has_icecore) = Default::default();
        let engine =
            Engine { kind, folder, keeper, hold: Mutex::new(hold), has_postgres, has_icecore };
        engine.await_service();
        engine.make_app();
        engine.prove();
        engine
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("api.sock")
    }

    /// Its program.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.kind.program());
        command.args(self.kind.options(&self.folder)).args(args).stdin(Stdio::null());
        // Docker's other way of building is a package of its own.
        command.env("DOCKER_BUILDKIT", "0");
        command
    }

    /// What its program prints when all goes well.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} {args:?}: {said}", self.kind);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a container in the background, with the machine's network if no other is named; gives its id.
    pub fn run(&self, name: &str, options: &[&str], image_and_command: &[&str]) -> String {
        let mut fixed = vec!["run", "-d", "--name", name];
        if !options.contains(&"--network") {
            fixed.extend(["--network", "host"]);
        }
        self.says(&[&fixed[..], &LIMITS, options, image_and_command].concat())
    }

    /// The folder of a volume on this machine.
    pub fn volume(&self, name: &str) -> PathBuf {
        PathBuf::from(self.says(&["volume", "inspect", "--format", "{{.Mountpoint}}", name]))
    }

    /// Whether a container runs.
    pub fn runs(&self, name: &str) -> bool {
        self.says(&["inspect", "--format", "{{.State.Running}}", name]) == "true"
    }

    /// Ends a container.
    pub fn remove(&self, name: &str) {
        let output = self.removed(name);
        assert!(output.status.success(), "{:?} keeps {name}: {output:?}", self.kind);
    }

    /// Ends one that may be gone, by an engine that may be gone, too.
    pub fn removed(&self, name: &str) -> Output {
        let at_once = match self.kind {
            Kind::Docker => &[][..],
            Kind::Podman => &["-t", "0"],
        };
        self.command(&[&["rm", "-f", "-v"], at_once, &[name]].concat()).output().unwrap()
    }

    /// Ends the engine's service, as when it crashes; the containers go on.
    pub fn down(&self) {
        self.say("down");
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "{:?} does not end", self.kind);
            sleep(Duration::from_millis(20));
        }
    }

    /// Starts the engine's service again.
    pub fn up(&self) {
        self.say("up");
        self.await_service();
    }

    fn say(&self, word: &str) {
        let mut hold = self.hold.lock().unwrap();
        hold.as_mut().unwrap().write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    fn await_service(&self) {
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "{:?} does not answer:\n{log}", self.kind);
            sleep(Duration::from_millis(50));
        }
    }

    /// Runs PostgreSQL with its data in a volume, and waits until it answers.
    pub fn run_postgres(&self, name: &str, volume: &str, options: &[&str]) {
        self.make_postgres();
        let volume = format!("{volume}:/data");
        let own = [
            "--user",
            "999:999",
            "-v",
            &volume,
            "-e",
            "PGDATA=/data",
            "-e",
            "POSTGRES_USER=chief",
            "-e",
            "PATH=/usr/local/bin:/bin",
        ];
        self.run(name, &[&own[..], options].concat(), &["postgres", "/bin/serve"]);
        let begun = Instant::now();
        while !self
            .command(&["exec", name, "psql", "-U", "chief", "-c", "SELECT 1", "postgres"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
        {
            let log = || self.command(&["logs", name]).output().unwrap();
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not answer: {:?}", log());
            sleep(Duration::from_millis(200));
        }
    }

    /// Runs a statement in a container of PostgreSQL.
    pub fn sql(&self, name: &str, database: &str, statement: &str) -> String {
        self.says(&["exec", name, "psql", "-U", "chief", "-AtXqc", statement, database])
    }

    /// Without containers, nothing of them is tested.
    fn prove(&self) {
        let name = unique("proof");
        let run = ["run", "--rm", "--network", "host", "--name", &name];
        let output =
            self.command(&[&run[..], &LIMITS, &["app", "/bin/true"]].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "containers cannot run on this machine, and tests need them: {:?} takes root and the right to \
             mount; it says: {said}",
            self.kind
        );
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.hold.lock().unwrap().take());
        self.keeper.wait().unwrap();
    }
}
