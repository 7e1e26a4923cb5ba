//! Docker and Podman: how each is started and ended, so that nothing of it outlives the tests, and several on one
//! machine know nothing of each other.

use std::path::Path;
use std::process::Command;

/// What engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Podman,
}

/// What keeps an engine: it starts the service, kills and starts it again by the words `down` and `up` on its
/// standard input, and ends it all when that ends, as it does when the process that holds the other end ends in
/// whatever way. How it is served and ended is the engine's affair.
macro_rules! keep {
    ($engine:literal) => {
        concat!(
            "folder=$1\nshift\n",
            $engine,
            r#"
serve "$@" & service=$!
while read -r word; do
  case $word in
  down) kill -KILL "$service"; wait "$service" ;;
  up) serve "$@" & service=$! ;;
  esac
done
end "$@" >/dev/null 2>&1
"#
        )
    };
}

const PODMAN: &str = keep!(
    r#"
serve() { exec "$@" system service -t 0 "unix://$folder/api.sock" </dev/null >>"$folder/log" 2>&1; }
end() {
  "$@" rm -f -a -t 0
  # Each holds a lock of those that all engines of a machine share.
  "$@" volume rm -f -a
  kill "$service"
  wait "$service"
  # What watched programs in containers would clean up after them minutes later, and bring the folder back.
  for process in /proc/[0-9]*; do
    tr '\0' ' ' <"$process/cmdline" | grep -q "^[^ ]*conmon .*$folder/" && kill -KILL "${process#/proc/}"
  done
  umount "$folder/root/overlay"
  rm -rf "$folder"
}
"#
);

/// The first process of a namespace: with it end all others of it, those in containers, too, and with them all mounts.
/// An empty `/run` hides the `containerd` of the machine's own Docker, and takes what this one leaves there.
const DOCKER: &str = keep!(
    r#"
mount -t tmpfs none /run
serve() { exec "$@" </dev/null >>"$folder/log" 2>&1; }
end() { kill "$service"; wait "$service"; }
"#
);

/// The namespace, and what is left of it.
const AROUND_DOCKER: &str = r#"
folder=$1 groups=$2
shift 2
unshare --mount --pid --fork --kill-child --mount-proc sh -c "$@"
rm -rf "$folder"
for controller in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -d "$controller/$groups" ] && find "$controller/$groups" -depth -type d -exec rmdir {} +
done 2>/dev/null
"#;

impl Kind {
    /// Its program.
    pub fn program(self) -> &'static str {
        match self {
            Kind::Docker => "docker",
            Kind::Podman => "podman",
        }
    }

    /// What has to be there.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Kind::Docker => &["docker", "dockerd", "containerd"],
            Kind::Podman => &["podman"],
        }
    }

    /// The options by which the program finds the engine that lives in a folder.
    pub fn options(self, folder: &Path) -> Vec<String> {
        let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let owned = |options: &[&str]| options.iter().map(|it| (*it).to_owned()).collect();
        match self {
            Kind::Docker => owned(&["--host", &format!("unix://{}", at("api.sock"))]),
            // As root in a container, too.
            Kind::Podman => owned(&[
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
            ]),
        }
    }

    /// What keeps an engine in a folder, which it removes in the end.
    pub fn keeper(self, folder: &Path) -> Command {
        let mut keeper = Command::new("sh");
        keeper.arg("-c");
        match self {
            Kind::Docker => {
                let groups = folder.file_name().unwrap().to_str().unwrap();
                keeper.args([AROUND_DOCKER, "around"]).arg(folder).arg(groups);
                keeper.args([DOCKER, "keeper"]).arg(folder).args(daemon(folder, groups));
            }
            Kind::Podman => {
                keeper.args([PODMAN, "keeper"]).arg(folder);
                keeper.arg(self.program()).args(self.options(folder));
            }
        }
        keeper
    }
}

/// Docker's service, which leaves the machine's network as it is.
fn daemon(folder: &Path, groups: &str) -> Vec<String> {
    let at = |name: &str, value: &str| format!("--{name}={}", folder.join(value).display());
    let socket = format!("--host=unix://{}", folder.join("api.sock").display());
    let fixed = [
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--userland-proxy=false",
        "--exec-opt=native.cgroupdriver=cgroupfs",
    ];
    let mut words = vec!["dockerd".to_owned(), socket, format!("--cgroup-parent=/{groups}")];
    words.extend([at("data-root", "data"), at("exec-root", "run"), at("pidfile", "pid")]);
    words.extend(fixed.map(str::to_owned));
    words
}
