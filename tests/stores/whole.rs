//! The program from its first snapshot to the last.

use super::Far;
use crate::common::cli::{lines, stdout};
use crate::common::seaweed::{KEY, SECRET, server};
use std::fs;

/// Files and a database are backed up into a bucket, listed, checked, restored, and given up; the
/// objects lie there as they would in a folder.
#[test]
fn a_bucket_is_a_repository() {
    let far = Far::new();
    let database = rusqlite::Connection::open(far.cli.path("src/app.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    far.run(&["backup", "src"]).success();
    fs::write(far.cli.path("src/more"), b"more\n".repeat(1000)).unwrap();
    database.execute_batch("INSERT INTO t VALUES (4)").unwrap();
    far.run(&["backup", "src"]).success();

    assert!(server().has(&far.bucket, "some/folder/config/0"));
    let listed = lines(&stdout(&far.run(&["--json", "snapshots"]).success()));
    assert_eq!(listed.iter().filter(|line| line["message_type"] == "snapshot").count(), 2);
    far.run(&["check", "--read-data"]).success();

    far.run(&["restore", "latest", "--target", "restored"]).success();
    let restored = far.cli.path(&format!("restored/{}", far.cli.path("src").display()));
    assert_eq!(fs::read(restored.join("more")).unwrap(), b"more\n".repeat(1000));
    let copy = rusqlite::Connection::open(restored.join("app.db")).unwrap();
    let sum: i64 = copy.query_row("SELECT sum(x) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 10);

    far.run(&["forget", "--keep-last", "1", "--prune"]).success();
    far.run(&["check", "--read-data"]).success();
    let kept = stdout(&far.run(&["snapshots"]).success());
    assert!(kept.contains("1 snapshot"), "{kept}");
}

/// Credentials come from the file that all clients of S3 read, too, by the name of a profile.
#[test]
fn credentials_may_be_in_a_file() {
    let far = Far::new();
    fs::create_dir(far.cli.path(".aws")).unwrap();
    let lines = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    let text =
        format!("[default]\naws_access_key_id = x\naws_secret_access_key = x\n[team]\n{lines}");
    fs::write(far.cli.path(".aws/credentials"), text).unwrap();
    let shown = |options: &[&str]| {
        let mut command = far.command();
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.arg("--key-file").arg(far.cli.path("key")).args(options).arg("snapshots").assert()
    };
    shown(&["-o", "profile=team"]).success();
    shown(&[]).failure();
}

/// All ways to write a place lead to the same one, with the server in an option or a variable.
#[test]
fn a_place_has_several_spellings() {
    let far = Far::new();
    far.run(&["backup", "src"]).success();
    let server = format!("http://127.0.0.1:{}", server().port);
    let place = format!("{}/some/folder", far.bucket);
    let shows = |url: &str, args: &[&str], variable: &str| {
        let mut command = far.command();
        if !variable.is_empty() {
            command.env(variable, &server);
        }
        command.env("ICECORE_REPOSITORY", url).arg("--key-file").arg(far.cli.path("key"));
        let said = stdout(&command.args(args).arg("snapshots").assert().success());
        assert!(said.contains("1 snapshot"), "{url}: {said}");
    };
    let endpoint = format!("endpoint={server}");
    shows(&format!("s3://{place}"), &["-o", &endpoint], "");
    shows(&format!("s3://{place}/"), &[], "AWS_ENDPOINT_URL");
    shows(&format!("s3://{place}"), &["-o", "region=eu-west-1"], "AWS_ENDPOINT_URL_S3");
    shows(&format!("s3:{server}//{place}/"), &["-o", "path-style=yes"], "");
    let slow = ["-o", "connections=1", "--limit-upload", "1000", "--limit-download", "1000"];
    shows(&far.url, &slow, "");
}
