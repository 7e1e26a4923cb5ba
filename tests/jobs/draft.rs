//! `config init`: a first file, from what is found on this host.

use super::file::Jobs;
use crate::common::cli::stdout;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A first file goes where `XDG_CONFIG_HOME` says, root's too.
#[test]
fn a_first_file_goes_where_it_is_looked_for() {
    let jobs = Jobs::new();
    let mut command = jobs.command(&["-r", "repo", "config", "init", "src"]);
    command.env_remove("ICECORE_CONFIG").env("XDG_CONFIG_HOME", jobs.path("xdg"));
    command.assert().success();
    assert!(jobs.path("xdg/icecore/config.toml").exists());
}

/// A first file is written from what is found, is understood, and is never written over.
#[test]
fn a_first_file_is_written() {
    let jobs = Jobs::new();
    let database = rusqlite::Connection::open(jobs.path("src/sub/data.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    let args = ["-r", "repo", "config", "init", "src"];
    let said = stdout(&jobs.command(&args).assert().success());
    assert!(said.contains("local.password") && said.contains("icecore config check"), "{said}");
    let text = fs::read_to_string(jobs.path("config.toml")).unwrap();
    assert!(text.contains("src/sub/data.db"), "{text}");
    let mode = fs::metadata(jobs.path("config.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    jobs.command(&["config", "check", "--offline"]).assert().success();
    assert!(jobs.complains(&args).contains("it stays as it is"));
    // What it says to do next works.
    fs::write(jobs.path("local.password"), "secret\n").unwrap();
    jobs.command(&["-r", "repo", "-p", "local.password", "init"]).assert().success();
    jobs.command(&["run", "--all"]).assert().success();
}

/// What is no path is taken as it stands, and what is to be done next can be pasted into a shell.
#[test]
fn sources_of_every_kind_are_drafted() {
    let jobs = Jobs::new();
    let file = jobs.cli.text("it's.toml");
    let mut command = jobs.cli.command();
    command
        .env_remove("ICECORE_CONFIG")
        .args(["-r", "my repo", "config", "init", "--config", &file]);
    command.args(["compose:shop", "postgres-dump:service=app", "sqlite:src/a"]);
    let said = stdout(&command.assert().success());
    let repository = format!("-r '{}' -p", jobs.cli.text("my repo"));
    let file_quoted = format!("--config '{}'", file.replace('\'', "'\\''"));
    assert!(said.contains(&repository) && said.contains(&file_quoted), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    let a = fs::canonicalize(jobs.path("src/a")).unwrap();
    let database = format!("\"sqlite:{}\"", a.display());
    for source in ["\"compose:shop\"", "\"postgres-dump:service=app\"", &database] {
        assert!(text.contains(source), "{source}: {text}");
    }
    let check = ["config", "check", "--offline", "--config", &file];
    jobs.cli.command().args(check).assert().success();
}

/// What the draft suggests in comments is understood once it is none: all but the other way to write `source`.
#[test]
fn suggestions_are_understood() {
    let jobs = Jobs::new();
    jobs.command(&["-r", "repo", "config", "init", "src"]).assert().success();
    let text = fs::read_to_string(jobs.path("config.toml")).unwrap();
    let is_toml = |line: &str| {
        let key = line.split(" = ").next().unwrap();
        line.starts_with('[') || (line.contains(" = ") && !key.contains(' ') && key != "source")
    };
    let suggested =
        |line: &str| line.strip_prefix("# ").filter(|it| is_toml(it)).map(str::to_owned);
    let lines: Vec<_> =
        text.lines().map(|line| suggested(line).unwrap_or_else(|| line.to_owned())).collect();
    assert!(
        lines.iter().any(|line| line == "[alert]")
            && lines.iter().any(|line| line == "[repository.nas]")
    );
    jobs.write(&lines.join("\n"));
    jobs.command(&["config", "check", "--offline"]).assert().success();
}
