//! Where passwords may come from, and where they must never show.

use crate::common::postgres::{SUPERUSER, VERSIONS, clean, server, unique};
use crate::common::program;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The beginning of a password that stands nowhere else, nor in another run of this test.
fn needle() -> String {
    format!("Sesam-8c1f-{}", std::process::id())
}

fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = clean(program::program());
    for name in ["KEY_FILE", "PASSWORD", "PASSWORD_FILE", "PASSWORD_COMMAND"] {
        command.env_remove(format!("ICECORE_{name}"));
    }
    command.env("HOME", folder).env_remove("PGPASSFILE").env_remove("PGSERVICEFILE");
    command.env("ICECORE_CACHE_DIR", folder.join("cache"));
    command.env("ICECORE_REPOSITORY", folder.join("repo")).args(args);
    command
}

fn shown(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Password file, service file and variables lead to the server, and while its programs run, the
/// password is in no command line of this machine, nor in what is printed or stored in the clear.
#[test]
fn passwords_show_nowhere() {
    let needle = needle();
    let secret = &format!("{needle} oeffne dich");
    for version in VERSIONS {
        let server = server(version);
        let dir = TempDir::new().unwrap();
        let folder = dir.path();
        let (role, name) = (unique("secretive"), unique("guarded"));
        server.create(&name, "UTF8");
        server.sql(&name, &format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{secret}'"));
        let key = folder.join("key");
        let init = program(folder, &["init", "--new-key-file"]).arg(&key).output().unwrap();
        assert!(init.status.success(), "{}", shown(&init));
        // Each program looks at every command line before it starts.
        let spy = folder.join("spy");
        let text = format!(
            "#!/bin/sh\nfor file in /proc/[0-9]*/cmdline; do cat \"$file\"; echo; done 2>/dev/null | \
             tr '\\0' ' ' >> {}\nexec \"$@\"\n",
            folder.join("lines").display()
        );
        fs::write(&spy, text).unwrap();
        fs::set_permissions(&spy, Permissions::from_mode(0o755)).unwrap();
        let bin = server.bin();
        let port = server.port.to_string();
        let service = format!("[here]\nhost=127.0.0.1\nport={port}\nuser={role}\ndbname={name}\n");
        fs::write(folder.join(".pg_service.conf"), service).unwrap();
        let passfile = folder.join("passfile");
        let line = format!("127.0.0.1:{port}:*:{role}:{secret}\n");
        let backup = |source: &str| {
            let key = key.to_str().unwrap();
            let mut command = program(folder, &["--key-file", key, "backup", source]);
            command.arg("--pg-bin").arg(&bin).arg("--pg-command").arg(&spy);
            command
        };
        let url = format!("postgres-dump:postgres://{role}@127.0.0.1:{port}/{name}");
        let failed = backup(&url).output().unwrap();
        assert_eq!(failed.status.code(), Some(1), "{}", shown(&failed));
        let wrong = backup(&url).env("PGPASSWORD", format!("not {secret}")).output().unwrap();
        assert_eq!(wrong.status.code(), Some(1));
        private(&passfile, &line);
        let ways = [
            backup(&url).env("PGPASSWORD", secret).output(),
            backup(&url).env("PGPASSFILE", &passfile).output(),
            backup(&format!("{url}?passfile={}", passfile.display())).output(),
            backup("postgres-dump:service=here").env("PGPASSFILE", &passfile).output(),
            backup("postgres-dump:").env("PGSERVICE", "here").env("PGPASSWORD", secret).output(),
            backup(&format!("postgres-dump:{name}"))
                .envs([
                    ("PGHOST", "127.0.0.1"),
                    ("PGPORT", &port),
                    ("PGUSER", &role),
                    ("PGPASSWORD", secret),
                ])
                .output(),
        ];
        private(&folder.join(".pgpass"), &line);
        let home = backup(&url).output();
        for output in ways.into_iter().chain([home]).map(Result::unwrap) {
            let said = shown(&output);
            assert!(output.status.success() && said.contains("saved"), "{said}");
            assert!(!said.contains(secret), "{said}");
        }
        for said in [shown(&failed), shown(&wrong)] {
            assert!(!said.contains(secret), "{said}");
            assert!(said.contains("password"), "{said}");
        }
        let lines = fs::read_to_string(folder.join("lines")).unwrap();
        assert!(lines.contains("pg_dump") && lines.contains("--no-password"));
        assert!(!lines.contains(&needle), "a command line shows the password");
        let key = key.to_str().unwrap();
        let listed = program(folder, &["--key-file", key, "--json", "snapshots"]).output().unwrap();
        assert!(!shown(&listed).contains(&needle));

        let loud = url.replacen('@', &format!(":{}@", secret.replace(' ', "%20")), 1);
        let output = backup(&loud).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        assert!(shown(&output).contains("other users of this machine"), "{}", shown(&output));
        assert!(SUPERUSER != role);
    }
}
