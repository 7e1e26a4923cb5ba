//! A repository that was rolled back: machines that have seen more of it say so.

use crate::common::cli::{Cli, lines, stdout};
use crate::common::stores::copy_folder;
use serde_json::Value;
use std::fs;

/// The repository as it was when it was copied to `old`.
fn roll_back(cli: &Cli) {
    fs::remove_dir_all(cli.path("repo")).unwrap();
    copy_folder(&cli.path("old"), &cli.path("repo"));
}

/// What a check that fails finds.
fn findings(cli: &Cli, args: &[&str]) -> Vec<Value> {
    let said = stdout(&cli.run(&[&["--json", "check"], args].concat()).code(1));
    let summary = lines(&said).into_iter().find(|line| line["message_type"] == "summary").unwrap();
    summary["findings"].as_array().unwrap().clone()
}

fn head_of(cli: &Cli, args: &[&str]) -> String {
    let said = cli.json(&[&["backup", "src"], args].concat());
    said.last().unwrap()["head"].as_str().unwrap().to_owned()
}

/// A whole repository set back to an older state is told of by check and backup, and by check also once
/// a new snapshot has the number of the lost one; until somebody accepts it.
#[test]
fn a_rollback_is_told_until_it_is_accepted() {
    let cli = Cli::new();
    cli.backup();
    copy_folder(&cli.path("repo"), &cli.path("old"));
    cli.backup();
    cli.run(&["check"]).success();
    roll_back(&cli);
    let found = findings(&cli, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["what"], &found[0]["first"]), (&"rolled-back".into(), &2.into()));
    assert!(found[0]["hint"].as_str().unwrap().contains("--accept-head"));
    let said = cli.run(&["backup", "src"]).code(3);
    assert!(stdout(&said).contains("saved"), "{}", stdout(&said));
    assert_eq!(findings(&cli, &[]).len(), 1, "another snapshot has its number");
    cli.run(&["check", "--accept-head"]).success();
    cli.run(&["check"]).success();
    cli.backup();
    cli.run(&["check"]).success();
}

/// The newest snapshot removed by hand is missed; one that was forgotten is not, nor is all of a series.
#[test]
fn what_is_forgotten_is_not_missed() {
    let cli = Cli::new();
    cli.backup();
    cli.backup();
    cli.says(&["forget", "latest"]);
    cli.run(&["check"]).success();
    let newest = cli.backup();
    fs::remove_file(cli.path("repo/snapshots").join(&newest)).unwrap();
    assert_eq!(findings(&cli, &[])[0]["what"], "rolled-back");
    cli.run(&["check", "--accept-head"]).success();
    cli.says(&["forget", "--force", "latest"]);
    cli.run(&["check"]).success();
}

/// Two hosts, each with a memory of its own: none takes what the other did for a fault, and each
/// misses what it has seen of the other's snapshots.
#[test]
fn hosts_remember_for_themselves() {
    let cli = Cli::new();
    let as_host = |args: &[&'static str], host: &'static str| -> Vec<&'static str> {
        [args, &["--state-dir", host]].concat()
    };
    let backup = |host: &'static str| {
        cli.says(
            &[&as_host(&["backup", "src", "--host"], host)[..3], &[host, "--state-dir", host]]
                .concat(),
        );
    };
    backup("a");
    backup("b");
    copy_folder(&cli.path("repo"), &cli.path("old"));
    backup("b");
    backup("a");
    for host in ["a", "b"] {
        cli.run(&as_host(&["check"], host)).success();
    }
    roll_back(&cli);
    // By its check each has seen the other's second; a third host has seen nothing.
    for host in ["a", "b"] {
        assert_eq!(findings(&cli, &["--state-dir", host]).len(), 2, "{host}");
    }
    cli.run(&as_host(&["check"], "c")).success();
}

/// On a machine that remembers nothing, a head that was written down elsewhere does it; the first check
/// prints those that there are.
#[test]
fn a_fresh_machine_is_told_what_to_expect() {
    let cli = Cli::new();
    let first = head_of(&cli, &[]);
    copy_folder(&cli.path("repo"), &cli.path("old"));
    let second = head_of(&cli, &[]);
    let expect =
        |head: &str, state: &str| cli.run(&["check", "--expect-head", head, "--state-dir", state]);
    let said = stdout(&expect(&second, "drill-1").success());
    assert!(said.contains(&second), "{said}");
    assert!(!stdout(&expect(&first, "drill-1").success()).contains(&second), "it remembers now");
    roll_back(&cli);
    expect(&first, "drill-2").success();
    expect(&second, "drill-3").code(1);
    assert_eq!(findings(&cli, &["--expect-head", &second, "--state-dir", "drill-4"]).len(), 1);
    cli.run(&["check", "--expect-head", "no:head"]).code(1);
}

/// A memory that cannot be read or written is told of, and nothing else fails for it.
#[test]
fn a_broken_memory_costs_itself() {
    let cli = Cli::new();
    cli.backup();
    let folder = cli.path("state/heads");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "no head\n").unwrap();
    for args in [&["check"][..], &["backup", "src"]] {
        let said = cli.run(args).success();
        let heard = String::from_utf8(said.get_output().stderr.clone()).unwrap();
        assert!(heard.contains("does not remember"), "{heard}");
    }
    fs::write(cli.path("flat"), "").unwrap();
    cli.run(&["check", "--state-dir", "flat"]).success();
}
