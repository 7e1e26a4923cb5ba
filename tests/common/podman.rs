//! Podman with storage of its own in a temporary folder, which speaks Docker's API at a socket there; and
//! images that are made of what is on this machine. Nothing of it outlives the process that started it.

use super::kept;
use super::postgres::Version;
use super::program::PROGRAM;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the keeper does: it starts the service, waits until its own standard input ends, as it does when the
/// process that holds the other end ends in whatever way, then ends all containers and removes the folder.
const KEEPER: &str = r#"
folder=$1
shift
"$@" system service -t 0 "unix://$folder/api.sock" </dev/null >"$folder/log" 2>&1 &
service=$!
cat >/dev/null
"$@" rm -f -a -t 0 >/dev/null 2>&1
# Each holds a lock of those that all engines of a machine share.
"$@" volume rm -f -a >/dev/null 2>&1
kill "$service"
wait "$service"
# What watched programs in containers would clean up after them minutes later, and bring the folder back.
for process in /proc/[0-9]*; do
  tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q "^[^ ]*conmon .*$folder/" && kill -KILL "${process#/proc/}"
done
umount "$folder/root/overlay" 2>/dev/null
rm -rf "$folder"
"#;

/// The user that PostgreSQL runs as in its image.
const POSTGRES: u32 = 999;

/// What its image runs: a cluster that is made if there is none, which only its socket leads to.
const SERVE: &str = r#"#!/bin/sh
[ -e "$PGDATA/PG_VERSION" ] || initdb --username="$POSTGRES_USER" --auth=trust --encoding=UTF8 --locale=C "$PGDATA"
exec postgres -D "$PGDATA" -c listen_addresses= -c unix_socket_directories=/tmp,/run/postgresql \
  -c fsync=off -c autovacuum=off
"#;

/// An engine.
pub struct Podman {
    folder: PathBuf,
    keeper: Child,
    hold: Option<ChildStdin>,
    has_postgres: OnceLock<()>,
    has_icecore: OnceLock<()>,
}

/// The engine that all tests of this process share, each with names from [`unique`].
pub fn podman() -> &'static Podman {
    static SHARED: OnceLock<Podman> = OnceLock::new();
    SHARED.get_or_init(Podman::start)
}

/// A name that no other caller of this process gets.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Podman {
    /// An engine of a test's own.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("icecore-podman").unwrap().keep();
        let podman = arguments(&folder);
        let version = Command::new(&podman[0]).arg("--version").output();
        assert!(version.is_ok(), "there is no podman; `tests/run.sh servers` installs it");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&folder).args(&podman);
        let (keeper, hold) = kept::start(&mut keeper);
        let (has_postgres, has_icecore) = Default::default();
        let podman = Podman { folder, keeper, hold, has_postgres, has_icecore };
        let begun = Instant::now();
        while UnixStream::connect(podman.socket()).is_err() {
            let log = fs::read_to_string(podman.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "podman does not answer:\n{log}");
            sleep(Duration::from_millis(50));
        }
        podman.make_app();
        podman.prove();
        podman
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("api.sock")
    }

    /// Its program.
    pub fn command(&self, args: &[&str]) -> Command {
        let podman = arguments(&self.folder);
        let mut command = Command::new(&podman[0]);
        command.args(&podman[1..]).args(args).stdin(Stdio::null());
        command
    }

    /// What its program prints when all goes well.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {args:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs a container in the background; gives its id.
    pub fn run(&self, name: &str, options: &[&str], image_and_command: &[&str]) -> String {
        let limits = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1000:1000"];
        let fixed = ["run", "-d", "--network", "host", "--name", name];
        self.says(&[&fixed[..], &limits, options, image_and_command].concat())
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
        self.says(&["rm", "-f", "-t", "0", name]);
    }

    /// Ends the engine's service, as when it crashes; the containers go on.
    pub fn end_service(&self) {
        let found = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let socket = self.socket().display().to_string();
            (line.contains("system service") && line.contains(&socket) && !line.starts_with("sh "))
                .then_some(pid)
        });
        for pid in found.filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Starts the engine's service again.
    pub fn service_again(&self) -> Child {
        let socket = format!("unix://{}", self.socket().display());
        let mut command = self.command(&["system", "service", "-t", "0", &socket]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The image `app`: BusyBox.
    fn make_app(&self) {
        let folder = tempfile::tempdir().unwrap();
        busybox(folder.path());
        self.import("app", folder.path());
    }

    /// The image `postgres`, with the servers that tests of PostgreSQL start; made once.
    pub fn make_postgres(&self) {
        self.has_postgres.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            busybox(root);
            let tools = Version::Eighteen.bin().canonicalize().unwrap();
            let tools = tools.parent().unwrap();
            for part in ["bin", "lib", "share"] {
                copy(&tools.join(part), &root.join("usr/local").join(part));
            }
            let programs = ["postgres", "initdb", "psql", "pg_dump", "pg_dumpall"];
            libraries(&programs.map(|name| tools.join("bin").join(name)), root);
            fs::write(
                root.join("etc/passwd"),
                "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/tmp:/bin/sh\n",
            )
            .unwrap();
            fs::write(root.join("bin/serve"), SERVE).unwrap();
            fs::set_permissions(root.join("bin/serve"), Permissions::from_mode(0o755)).unwrap();
            for place in ["data", "run/postgresql"] {
                fs::create_dir_all(root.join(place)).unwrap();
                chown(root.join(place), Some(POSTGRES), Some(POSTGRES)).unwrap();
            }
            self.import("postgres", root);
        });
    }

    /// The image `icecore`, of the Containerfile at the top, with the program that tests run; made once. What the
    /// file would install is there already, since nothing can be fetched; but for time zones, for which it calls an
    /// `apt-get` that only writes down how it was called.
    pub fn make_icecore(&self) {
        self.has_icecore.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let (root, context) = (folder.path().join("root"), folder.path().join("context"));
            busybox(&root);
            libraries(&[PathBuf::from(PROGRAM)], &root);
            for (path, text) in [
                ("bin/apt-get", "#!/bin/sh\necho \"$@\" >>/apt-get.log\n"),
                ("bin/pg_dump", ""),
                ("bin/ssh", ""),
                ("etc/ssl/certs/ca-certificates.crt", ""),
            ] {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
            }
            self.import("bare", &root);
            fs::create_dir(&context).unwrap();
            fs::copy(PROGRAM, context.join("built")).unwrap();
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Containerfile");
            let how =
                ["build", "--format", "docker", "--network", "host", "-t", "icecore", "-f", file];
            let limits = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1000:1000"];
            let given = ["RUST_IMAGE=bare", "BASE_IMAGE=bare", "PROGRAM=built"];
            let given: Vec<&str> = given.into_iter().flat_map(|it| ["--build-arg", it]).collect();
            self.says(&[&how[..], &limits, &given, &[context.to_str().unwrap()]].concat());
        });
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

    /// Makes an image of a folder.
    pub fn import(&self, name: &str, folder: &Path) {
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(folder)
            .args(["-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut import = self.command(&["import", "-", name]);
        let output = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(tar.wait().unwrap().success());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Without containers, nothing of them is tested.
    fn prove(&self) {
        let name = unique("proof");
        let limits = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1000:1000"];
        let run = ["run", "--rm", "--network", "host", "--name", &name];
        let output =
            self.command(&[&run[..], &limits, &["app", "/bin/true"]].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "containers cannot run on this machine, and tests need them: Podman takes root and the right to \
             mount; it says: {said}"
        );
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        drop(self.hold.take());
        self.keeper.wait().unwrap();
    }
}

/// Podman and its options, by which it runs as root in a container, too.
fn arguments(folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let options = [
        "podman",
        "--root",
        &at("root"),
        "--runroot",
        &at("run"),
        "--tmpdir",
        &at("tmp"),
        "--cgroup-manager",
        "cgroupfs",
        "--runtime",
        "runc",
        "--events-backend",
        "file",
        "--storage-driver",
        "overlay",
    ];
    options.map(str::to_owned).to_vec()
}

/// BusyBox, as the whole of a system.
fn busybox(root: &Path) {
    for folder in ["bin", "etc", "tmp", "usr/local"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::set_permissions(root.join(folder), Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.join("tmp"), Permissions::from_mode(0o1777)).unwrap();
    let program =
        ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let program = program.expect("there is no busybox; `tests/run.sh servers` installs it");
    fs::copy(program, root.join("bin/busybox")).unwrap();
    for name in [
        "sh", "sleep", "cat", "ls", "date", "true", "mkdir", "rm", "test", "echo", "kill", "cp",
        "chmod",
    ] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-rL").arg(from).arg(to).status().unwrap();
    assert!(done.success());
    let done = Command::new("chmod").args(["-R", "a+rX"]).arg(to).status().unwrap();
    assert!(done.success());
}

/// The libraries that programs need, at their places under a root.
fn libraries(programs: &[PathBuf], root: &Path) {
    let output = Command::new("ldd").args(programs).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let words =
        text.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    for path in words.filter(|word| !word.contains("postgresql")) {
        let place = root.join(path.trim_start_matches('/'));
        if !place.exists() {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(path, place).unwrap();
        }
    }
    let done = Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(root.join("lib"))
        .arg(root.join("lib64"))
        .status();
    assert!(done.unwrap().success());
}
