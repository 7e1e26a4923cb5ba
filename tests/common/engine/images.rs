//! Images that are made of what is on this machine: none is fetched.

use super::{Engine, Kind, LIMITS};
use crate::common::postgres::Version;
use crate::common::program::PROGRAM;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that PostgreSQL runs as in its image.
const POSTGRES: u32 = 999;

/// What its image runs: a cluster that is made if there is none, which only its socket leads to.
const SERVE: &str = r#"#!/bin/sh
[ -e "$PGDATA/PG_VERSION" ] || initdb --username="$POSTGRES_USER" --auth=trust --encoding=UTF8 --locale=C "$PGDATA"
exec postgres -D "$PGDATA" -c listen_addresses= -c unix_socket_directories=/tmp,/run/postgresql \
  -c fsync=off -c autovacuum=off
"#;

impl Engine {
    /// The image `app`: BusyBox.
    pub(super) fn make_app(&self) {
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
            let mut how = vec!["build", "--network", "host", "-t", "icecore", "-f", file];
            if self.kind == Kind::Podman {
                how.extend(["--format", "docker"]);
            }
            let given = ["RUST_IMAGE=bare", "BASE_IMAGE=bare", "PROGRAM=built"];
            let given: Vec<&str> = given.into_iter().flat_map(|it| ["--build-arg", it]).collect();
            self.says(&[&how[..], &LIMITS, &given, &[context.to_str().unwrap()]].concat());
        });
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
