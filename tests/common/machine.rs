//! A machine of a test's own, which boots: a container with systemd as its init, whose programs are those of this
//! machine, and to which nothing else leads.

use super::engine::{Engine, podman, unique};
use super::program::PROGRAM;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long something may take to come about.
const PATIENCE: Duration = Duration::from_secs(180);

/// What it starts.
const INIT: &str = "/lib/systemd/systemd";

/// Where icecore is on it.
pub const ICECORE: &str = "/opt/icecore";

/// Removed when it is dropped.
pub struct Machine {
    podman: &'static Engine,
    name: String,
}

impl Machine {
    /// One whose services may be kept from parts of it, for which systemd mounts.
    pub fn boot() -> Self {
        Self::with(&["--cap-add", "SYS_ADMIN"])
    }

    /// One whose services may be given secrets: where systemd may mount, but has a container around it, it loses them.
    pub fn boot_without_mounts() -> Self {
        Self::with(&[])
    }

    fn with(rights: &[&str]) -> Self {
        assert!(
            Path::new(INIT).exists(),
            "there is no systemd; `tests/run.sh servers` installs it"
        );
        static IMAGE: OnceLock<()> = OnceLock::new();
        let podman = podman();
        IMAGE.get_or_init(|| make_image(podman));
        let machine = Machine { podman, name: unique("machine") };
        let program = format!("{PROGRAM}:{ICECORE}:ro");
        let run = ["run", "-d", "--systemd", "always", "--network", "none"];
        let limits = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1000:1000"];
        let mounts = ["-v", "/usr:/usr:ro", "-v", &program];
        let named = ["--hostname", "web1", "--name", &machine.name];
        podman.says(&[&run[..], &limits, &mounts, &named, rights, &["systemd", INIT]].concat());
        machine.is_up();
        machine
    }

    /// Waits until all that starts with it has started.
    fn is_up(&self) {
        self.wait_until(
            "case $(systemctl is-system-running) in running|degraded) ;; *) exit 1 ;; esac",
        );
    }

    /// Cuts its power, and boots it again.
    pub fn crash(&self) {
        self.podman.says(&["kill", "--signal", "KILL", &self.name]);
        self.podman.says(&["wait", &self.name]);
        self.podman.says(&["start", &self.name]);
        self.is_up();
    }

    /// What a script prints there when all of it goes well.
    pub fn says(&self, script: &str) -> String {
        let output = self.tries(script);
        let log = || self.tries("journalctl --no-pager -n 40");
        assert!(output.status.success(), "{script}: {output:?}: {:?}", log());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file there.
    pub fn write(&self, path: &str, text: &str) {
        self.says(&format!("mkdir -p $(dirname {path}); cat >{path} <<'END'\n{text}\nEND"));
    }

    /// Waits until a script goes well there.
    pub fn wait_until(&self, script: &str) {
        let begun = Instant::now();
        while !self.tries(script).status.success() {
            let log = || self.tries("journalctl --no-pager -n 40");
            assert!(begun.elapsed() < PATIENCE, "waited for `{script}` in vain: {:?}", log());
            sleep(Duration::from_millis(200));
        }
    }

    fn tries(&self, script: &str) -> Output {
        self.podman.command(&["exec", &self.name, "sh", "-ec", script]).output().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.podman.removed(&self.name));
    }
}

/// The image `systemd`: the folders of a system whose programs come when it boots.
fn make_image(podman: &Engine) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in [
        "dev",
        "etc/systemd/system",
        "proc",
        "root",
        "run",
        "srv",
        "sys",
        "tmp",
        "usr",
        "var/lib",
        "var/log",
    ] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["bin", "lib", "lib64", "sbin"] {
        symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    for (name, text) in
        [("machine-id", ""), ("passwd", "root:x:0:0::/root:/bin/sh\n"), ("group", "root:x:0:\n")]
    {
        fs::write(root.join("etc").join(name), text).unwrap();
    }
    podman.import("systemd", root);
}
