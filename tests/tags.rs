//! Tags that are changed afterwards, lists of snapshots in groups, and what the program says of
//! parents, hosts and unchanged sources.

use crate::common::cli::{Cli, lines, stderr, stdout};
use serde_json::Value;
use std::fs;

fn tags(cli: &Cli, id: &str) -> Vec<String> {
    let said = cli.json(&["snapshots", id]);
    let tags = said[0]["tags"].as_array().unwrap();
    tags.iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

/// Tags are added, removed and replaced; lists, filters and `latest` heed it, one after another
/// and of several snapshots at once.
#[test]
fn tags_are_changed_afterwards() {
    let cli = Cli::new();
    let [first, second] = [cli.backup(), cli.backup()];
    let changed = |args: &[&str]| {
        let said = cli.json(&[&["tag"], args].concat());
        said.last().unwrap()["changed_snapshots"].as_u64().unwrap()
    };
    assert_eq!(changed(&["--add", "b,a", &first]), 1);
    assert_eq!(changed(&["--add", "a", &first]), 0, "it has that");
    assert_eq!(tags(&cli, &first), ["a", "b"]);
    assert_eq!(cli.json(&["snapshots", "latest", "--tag", "a,b"])[0]["id"], first.as_str());
    assert_eq!(changed(&["--remove", "a", "--add", "c", &first, &second]), 2);
    assert_eq!(
        (tags(&cli, &first), tags(&cli, &second)),
        (vec!["b".into(), "c".into()], vec!["c".into()])
    );
    cli.run(&["ls", "latest", "--tag", "a"]).code(1);
    assert_eq!(changed(&["--set", "x", "--tag", "b"]), 1);
    assert_eq!(tags(&cli, &first), ["x"]);
    assert_eq!(changed(&["--set", "", &first]), 1);
    assert!(tags(&cli, &first).is_empty());
    assert!(cli.says(&["tag", "--add", "y", "latest"]).contains("changed the tags of 1 snapshot"));
    assert_eq!(tags(&cli, &second), ["c", "y"]);

    assert!(stderr(&cli.run(&["tag", "latest"]).code(1)).contains("--add"));
    assert!(stderr(&cli.run(&["tag", "--add", "x"]).code(1)).contains("--tag"));
    cli.run(&["check"]).success();
    // What is forgotten takes nobody's changes with it.
    cli.run(&["forget", &first]).success();
    assert_eq!(tags(&cli, &second), ["c", "y"]);
}

/// What was saved before a restore is `latest` once somebody takes that tag away.
#[test]
fn a_tag_that_is_removed_counts_no_more() {
    let cli = Cli::new();
    let first = cli.backup();
    let said = cli.json(&["backup", "src", "--tag", "before-restore"]);
    let second = said.last().unwrap()["snapshot_id"].as_str().unwrap().to_owned();
    assert_eq!(cli.json(&["snapshots", "latest"])[0]["id"], first.as_str());
    cli.run(&["tag", "--remove", "before-restore", &second]).success();
    assert_eq!(cli.json(&["snapshots", "latest"])[0]["id"], second.as_str());
}

/// Snapshots are listed in groups, and the newest ones of each.
#[test]
fn snapshots_are_listed_in_groups() {
    let cli = Cli::new();
    for (host, source, tag) in [
        ("one", "src", "daily"),
        ("one", "src", "hourly"),
        ("two", "src", "daily"),
        ("one", "src/sub", "daily"),
    ] {
        cli.run(&["backup", source, "--host", host, "--tag", tag]).success();
    }
    let sizes = |args: &[&str]| {
        let groups = cli.json(&[&["snapshots"], args].concat());
        groups.iter().map(|it| it["snapshots"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&["--group-by", "host"]), [3, 1]);
    assert_eq!(sizes(&["--group-by", "host,paths"]), [2, 1, 1]);
    assert_eq!(sizes(&["--group-by", "tags"]), [3, 1]);
    assert_eq!(sizes(&["--group-by", "paths", "--latest", "1"]), [1, 1]);
    let groups = cli.json(&["snapshots", "--group-by", "host,tags"]);
    assert_eq!(groups[0]["group_key"]["hostname"], "one");
    assert_eq!(groups[0]["group_key"]["tags"][0], "daily");
    assert_eq!(groups[0]["group_key"]["paths"], Value::Null);
    let latest = cli.json(&["snapshots", "--latest", "1"]);
    assert_eq!(latest.len(), 3, "one of each host and path");
    assert_eq!(latest[0]["tags"][0], "hourly");
    let text = cli.says(&["snapshots", "--group-by", "host"]);
    assert!(text.contains("snapshots of host one:") && text.ends_with("4 snapshots\n"), "{text}");
}

/// `backup` says its parent, or why there is none, once if that is the same for all sources; as
/// JSON for each.
#[test]
fn parents_are_said() {
    let cli = Cli::new();
    let first = cli.says(&["backup", "src"]);
    assert!(first.contains("parent:   none: no snapshot holds it yet\n"), "{first}");
    let id = cli.json(&["snapshots", "latest"])[0]["id"].as_str().unwrap().to_owned();
    let second = cli.says(&["backup", "src"]);
    assert!(second.contains(&format!("parent:   {}\n", &id[..8])), "{second}");
    fs::create_dir(cli.path("more")).unwrap();
    fs::write(cli.path("more/x"), "x").unwrap();
    let both = cli.says(&["backup", "src", "more"]);
    let (src, more) = (cli.text("src"), cli.text("more"));
    assert!(
        both.contains(&format!("parent:   of {more}: none: no snapshot holds it yet\n")),
        "{both}"
    );
    assert!(both.contains(&format!("parent:   of {src}: ")), "{both}");
    let said = cli.json(&["backup", "src", "--force"]);
    let parent = &said.last().unwrap()["parents"][0];
    assert_eq!(
        (&parent["path"], &parent["remark"]),
        (&src.as_str().into(), &"none was to be used".into())
    );
    let said = cli.json(&["backup", "src", "--parent", &id]);
    assert_eq!(said.last().unwrap()["parents"][0]["snapshots"][0], id.as_str());
}

/// The host's name is taken from the environment, and a container's own name is remarked on.
#[test]
fn the_host_is_named_by_the_environment() {
    let cli = Cli::new();
    let run = |host: &str| {
        let mut command = cli.command();
        command.env("ICECORE_HOST", host).args(["--key-file", "key", "backup", "src"]);
        command.assert().success()
    };
    run("shop-db");
    let said = stderr(&run("0123456789ab"));
    assert!(said.contains("container") && said.contains("--host shop-db"), "{said}");
    let hosts = cli.json(&["snapshots"]);
    assert_eq!(
        (&hosts[0]["hostname"], &hosts[1]["hostname"]),
        (&"shop-db".into(), &"0123456789ab".into())
    );
}

/// Nothing is saved where nothing has changed, and it is said; exit code 0.
#[test]
fn an_unchanged_source_can_be_skipped() {
    let cli = Cli::new();
    let id = cli.backup();
    let said = cli.says(&["backup", "src", "--skip-if-unchanged"]);
    assert!(said.contains(&format!("nothing has changed since snapshot {}", &id[..8])), "{said}");
    let said = cli.json(&["backup", "src", "--skip-if-unchanged"]);
    let summary = said.last().unwrap();
    assert_eq!(
        (&summary["unchanged_since"], &summary["snapshot_id"]),
        (&id.as_str().into(), &Value::Null)
    );
    assert_eq!(cli.json(&["snapshots"]).len(), 1);
    fs::write(cli.path("src/a"), "new").unwrap();
    assert!(cli.says(&["backup", "src", "--skip-if-unchanged"]).contains("saved"));
    cli.run(&["check"]).success();
}

/// Whatever runs other programs keeps to itself where the repository is and what opens it.
#[test]
fn programs_learn_nothing_of_the_repository() {
    let cli = Cli::bare();
    let script = "env > seen-by-password; echo secret";
    let command = |args: &[&str]| {
        let mut command = cli.command();
        command.env("ICECORE_PASSWORD_COMMAND", script).env("ICECORE_HOST", "here");
        command.env("OTHER", "seen").args(args).assert()
    };
    command(&["init"]).success();
    command(&["backup", "--stdin-from-command", "--", "env"]).success();
    let by_command = stdout(&command(&["dump", "latest"]).success());
    let by_password = fs::read_to_string(cli.path("seen-by-password")).unwrap();
    for seen in [by_command, by_password] {
        assert!(seen.contains("OTHER=seen") && !seen.contains("ICECORE_"), "{seen}");
    }
    let said = stdout(&command(&["--json", "snapshots"]).success());
    assert_eq!(lines(&said)[0]["hostname"], "here");
}
