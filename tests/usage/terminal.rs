//! What is seen on a terminal, and what is read from a pipe.

use crate::common::cli::{Cli, lines, stderr};
use crate::common::program::{PROGRAM, program, with_own_state};
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The program on a terminal of 80 columns; what it writes there.
fn on_terminal(cli: &Cli, args: &str, variables: &[(&str, &str)]) -> String {
    let program = PROGRAM;
    let line = format!("stty cols 80 rows 24; '{program}' --key-file key -r repo {args}");
    let mut command = with_own_state(Command::new("script"));
    command.args(["-qec", &line, "/dev/null"]).current_dir(cli.folder()).env("TZ", "UTC");
    // Where CI is set, a terminal counts as one with colours, whatever it says of itself.
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm").envs(variables.iter().copied()).stdin(Stdio::null());
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// Tables fit a terminal by cutting at folders and words, with the id in bold; a pipe, NO_COLOR and
/// a dumb terminal get no colours, and a pipe gets all of the text.
#[test]
fn tables_fit_the_terminal() {
    let cli = Cli::new();
    let deep = "src/a-folder-of-some-length/another-folder-of-some-length/and-the-last";
    fs::create_dir_all(cli.path(deep)).unwrap();
    let tags = "nightly";
    cli.run(&["backup", deep, "--tag", tags, "--host", "web1"]).success();
    let shown = on_terminal(&cli, "snapshots", &[("NO_COLOR", "1")]);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let row = shown.lines().find(|line| line.contains("/and-the-last")).unwrap();
    assert!(row.contains('\u{2026}'), "{row}");
    assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 80), "{shown}");
    let coloured = on_terminal(&cli, "snapshots", &[]);
    assert!(coloured.contains("\u{1b}[1m"), "{coloured:?}");
    let failed = on_terminal(&cli, "ls nosuch", &[]);
    assert!(failed.contains("\u{1b}[1m\u{1b}[31micecore:\u{1b}[0m cannot"), "{failed:?}");
    let dumb = on_terminal(&cli, "ls nosuch", &[("TERM", "dumb")]);
    assert!(dumb.contains("icecore: cannot") && !dumb.contains('\u{1b}'), "{dumb:?}");
    let piped = cli.says(&["snapshots"]);
    assert!(piped.contains(&cli.text(deep)) && piped.contains("nightly"), "{piped}");
    assert!(!piped.contains('\u{1b}') && !piped.contains('\u{2026}'), "{piped}");
}

/// A long host and many tags leave the paths room to be told apart; compact, a snapshot has one line.
#[test]
fn paths_have_room_beside_hosts_and_tags() {
    let cli = Cli::new();
    let host = "database-server-17.frankfurt.example.com";
    let tags = "nightly,production,before-migration,keep-for-the-auditors";
    cli.run(&["backup", "src", "--tag", tags, "--host", host]).success();
    let shown = on_terminal(&cli, "snapshots", &[("NO_COLOR", "1")]);
    assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 80), "{shown}");
    let row = shown.lines().nth(1).unwrap().trim_end();
    let path = row.rsplit("  ").next().unwrap();
    assert!(path.chars().count() >= 5 && path.ends_with("/src"), "{shown}");
    assert!(shown.contains("night"), "{shown}");
    let compact = on_terminal(&cli, "snapshots --compact", &[("NO_COLOR", "1")]);
    assert_eq!(compact.lines().count(), 3, "a head, a row and a count: {compact}");
    assert!(compact.contains("before\u{2026}") && !compact.contains("/src"), "{compact}");
    let piped = cli.says(&["snapshots", "-c"]);
    assert!(piped.contains(tags.split_once(',').unwrap().0) && piped.contains(host), "{piped}");
    assert!(!piped.contains("Paths"), "{piped}");
}

/// A message is broken between words where the terminal ends, and nowhere in a pipe.
#[test]
fn messages_are_broken_between_words() {
    let cli = Cli::new();
    let shown = on_terminal(&cli, "mount", &[("NO_COLOR", "1")]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.len() > 2, "{shown}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{shown}");
    let joined: Vec<&str> = shown.split_whitespace().collect();
    let piped = stderr(&cli.run(&["mount"]).code(1));
    assert_eq!(piped.lines().count(), 1, "{piped}");
    assert_eq!(joined, piped.split_whitespace().collect::<Vec<_>>(), "no word is cut");
}

/// No character that moves a terminal, turns text round or hides itself comes through, neither in
/// text nor in JSON nor in `cat`, and JSON keeps its value.
#[test]
fn hidden_characters_are_shown() {
    let cli = Cli::new();
    let name = "src/a\u{9b}31m\u{202e}b\u{200b}c\u{e0041}d\u{7f}";
    fs::write(cli.path(name), "x").unwrap();
    cli.run(&["backup", "src", "--host", "h\u{202e}\u{9b}", "--tag", "t\u{2066}"]).success();
    let hidden = ['\u{9b}', '\u{202e}', '\u{200b}', '\u{e0041}', '\u{7f}', '\u{2066}'];
    for args in [
        &["ls", "latest"][..],
        &["ls", "-l", "latest"],
        &["find", "a*"],
        &["snapshots"],
        &["snapshots", "--json"],
        &["ls", "latest", "--json"],
        &["cat", "snapshot", "latest"],
        &["forget", "latest", "--force", "--dry-run"],
        &["backup", "src", "-v", "--json", "--force"],
        &["restore", "latest", "-t", "out", "-v"],
    ] {
        let said = cli.says(args);
        assert!(!said.contains(hidden), "{args:?}: {said:?}");
    }
    let json = cli.json(&["snapshots"]);
    let of_host = |host: &str| json.iter().any(|line| line["hostname"] == host);
    assert!(of_host("h\u{202e}\u{9b}"), "{json:?}");
    let shown = cli.says(&["cat", "snapshot", "latest~1"]);
    assert_eq!(lines(&shown)[0]["snapshot"]["host"], "h\u{202e}\u{9b}");
}

/// While a backup waits for a locked database, a look ahead has told how much there is to do, of
/// what is not left out; nothing is known of a stream.
#[test]
fn status_knows_how_much_there_is() {
    let cli = Cli::new();
    fs::write(cli.path("src/left-out"), vec![1; 1 << 20]).unwrap();
    let held = Connection::open(cli.path("src/app.db")).unwrap();
    held.execute_batch("CREATE TABLE t (a); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)").unwrap();
    let mut child = program()
        .args(["--json", "--key-file", "key", "-r", "repo"])
        .args(["backup", "src", "--exclude", "left-out"])
        .current_dir(cli.folder())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let status = said.by_ref().map(|line| lines(&line.unwrap()).remove(0)).find(|line| {
        assert_eq!(line["message_type"], "status", "the end before the total: {line}");
        line.get("total_files").is_some()
    });
    let status = status.unwrap();
    // Two files, a database and a link.
    assert_eq!(status["total_files"], 4);
    let size = fs::metadata(cli.path("src/app.db")).unwrap().len();
    assert_eq!(status["total_bytes"], 300_005 + size);
    assert!(status["percent_done"].as_f64().unwrap() < 1.0, "{status}");
    assert!(status["files_done"].is_u64() && status["bytes_done"].is_u64(), "{status}");
    held.execute_batch("COMMIT").unwrap();
    said.for_each(drop);
    assert!(child.wait().unwrap().success());
}

/// The demonstration fits 78 columns, proves what it says, and ends with it.
#[test]
fn the_demonstration_tells_what_it_proved() {
    let cli = Cli::bare();
    let said = cli.command().args(["demo", "shown", "--hours", "1"]).assert().success();
    let said = crate::common::cli::stdout(&said);
    for line in said.lines() {
        assert!(line.chars().count() <= 78, "{line}");
    }
    let (_, verdict) = said.split_once("What was proved:\n").unwrap();
    assert!(verdict.contains("2 snapshots of a live application"), "{verdict}");
    assert!(verdict.contains("one flipped bit was found"), "{verdict}");
    assert!(said.contains("\n   1    600 ") && said.contains("found: app.db"), "{said}");
    assert!(!said.contains("error:") && !said.contains(" errors\n  cannot"), "{said}");
}
