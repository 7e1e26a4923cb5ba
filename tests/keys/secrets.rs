//! Secrets as the program is given them: files, commands, and key files that it makes.

use crate::common::cli::{Cli, stderr};
use crate::common::program::{PROGRAM, with_own_state};
use std::fs;
use std::os::unix::fs::symlink;

/// A password command that prints without end, a password file without end, and a key file of any
/// other length are refused, with little memory.
#[test]
fn endless_secrets_are_refused() {
    let cli = Cli::new();
    let endless = |args: &[&str]| {
        let mut command = with_own_state(std::process::Command::new("sh"));
        // The program's code and SQLite's take room as well; what matters is that there is a bound.
        command.arg("-c").arg("ulimit -v 2000000; exec \"$@\"").arg("sh");
        command.arg(PROGRAM).args(args).arg("snapshots");
        command.env("ICECORE_REPOSITORY", cli.path("repo"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for command in ["yes", "trap '' PIPE; while :; do echo yes; done", "cat /dev/zero"] {
        let said = endless(&["--password-command", command]);
        assert!(said.contains("it is too long"), "{command}: {said}");
    }
    assert!(endless(&["--password-file", "/dev/zero"]).contains("it is too long"));
    assert!(endless(&["--key-file", "/dev/zero"]).contains("exactly 32 bytes"));
    let said = endless(&["--password-command", "echo right; exit 3"]);
    assert!(said.contains("it ended with"), "{said}");
}

/// A password of the greatest length is taken, one byte more is not.
#[test]
fn the_longest_password_is_taken() {
    let cli = Cli::bare();
    for (length, code) in [(64 << 10, 0), ((64 << 10) + 1, 1)] {
        fs::write(cli.path("password"), "x".repeat(length)).unwrap();
        let mut command = cli.command();
        let place = format!("repo{length}");
        command.args(["-r", &place, "--password-command", "cat password", "init"]);
        command.assert().code(code);
    }
}

/// An `init` whose configuration cannot be written leaves the key file beside the slot that it
/// opens; the next one with it finishes, and a new key file for that place is not made.
#[test]
fn a_key_file_stays_while_its_slot_may_exist() {
    let cli = Cli::bare();
    let repo = cli.path("repo");
    fs::create_dir(&repo).unwrap();
    symlink("/proc/self/nowhere/at/all", repo.join("config")).unwrap();
    let said = stderr(&cli.command().args(["init", "--new-key-file", "key"]).assert().code(1));
    assert!(said.contains("key stays"), "{said}");
    assert_eq!(fs::read_dir(repo.join("keys")).unwrap().count(), 1);
    fs::remove_file(repo.join("config")).unwrap();

    let said = stderr(&cli.command().args(["init", "--new-key-file", "other"]).assert().code(12));
    assert!(!cli.path("other").exists() && said.contains("--key-file"), "{said}");
    cli.run(&["init"]).success();
    let said = stderr(&cli.run(&["key", "add", "--new-key-file", "key"]).code(1));
    assert!(said.contains("--key-file key"), "{said}");
    cli.run(&["check"]).success();
}

/// The same of `key add`: what fails before a slot can exist leaves no key file, what fails later
/// leaves it.
#[test]
fn a_key_file_of_a_failed_addition_stays() {
    let cli = Cli::new();
    let label = "x".repeat(300);
    cli.run(&["key", "add", "--new-key-file", "second", "--label", &label]).code(1);
    assert!(!cli.path("second").exists());
    fs::rename(cli.path("repo/config"), cli.path("repo/aside")).unwrap();
    cli.run(&["key", "add", "--new-key-file", "second"]).code(10);
    assert!(!cli.path("second").exists());
    fs::rename(cli.path("repo/aside"), cli.path("repo/config")).unwrap();
    fs::create_dir(cli.path("repo/config/1")).unwrap();
    cli.run(&["key", "add", "--new-key-file", "second"]).code(1);
    assert!(cli.path("second").exists());
    fs::remove_dir(cli.path("repo/config/1")).unwrap();
    cli.command().args(["--key-file", "second", "snapshots"]).assert().code(12);
    let slots = cli.json(&["key", "list"]);
    let stray = slots.iter().find(|slot| slot["state"] == "does not count").unwrap();
    cli.run(&["key", "remove", stray["id"].as_str().unwrap()]).success();
    assert_eq!(cli.json(&["key", "list"]).len(), 1);
}

/// One slot that cannot be read is named by `key list`, which shows the others, and `key remove`
/// gives it up.
#[test]
fn an_unreadable_slot_is_named_and_given_up() {
    let cli = Cli::new();
    cli.run(&["key", "add", "--new-key-file", "second"]).success();
    let slots = cli.json(&["key", "list"]);
    let other = slots.iter().find(|slot| slot["current"] == false).unwrap();
    let id = other["id"].as_str().unwrap();
    fs::write(cli.path(&format!("repo/keys/{id}")), b"rot").unwrap();
    let listed = cli.run(&["key", "list"]).code(3);
    assert!(stderr(&listed).contains(id));
    let listed = crate::common::cli::stdout(&listed);
    assert!(listed.contains("unreadable") && listed.contains("counts"), "{listed}");
    let said = cli.says(&["key", "remove", &id[..8]]);
    assert!(said.contains("A copy of the old slot still opens"), "{said}");
    cli.run(&["key", "list"]).success();
    cli.run(&["check"]).success();
}

/// What a flag names as the first secret of a repository counts, whatever the environment holds.
#[test]
fn a_flag_for_a_new_key_counts_more_than_the_environment() {
    for variable in ["ICECORE_PASSWORD", "ICECORE_PASSWORD_COMMAND"] {
        let cli = Cli::bare();
        let with = || {
            let mut command = cli.command();
            command.env(variable, "echo x");
            command
        };
        with().args(["init", "--new-key-file", "key"]).assert().success();
        cli.run(&["snapshots"]).success();
        with().arg("snapshots").assert().code(12);
        // Of one that exists it is the same.
        with()
            .args(["--key-file", "key", "key", "add", "--new-key-file", "other"])
            .assert()
            .success();
        cli.command().args(["--key-file", "other", "snapshots"]).assert().success();
        let both = ["--key-file", "key", "init", "--new-key-file", "third", "-r", "elsewhere"];
        let said = stderr(&with().args(both).assert().code(1));
        assert!(said.contains("a flag for a new one and one that exists"), "{said}");
    }
}
