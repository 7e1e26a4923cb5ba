//! Hosts whose credentials can only add: their bucket denies them deletes and overwrites.

use super::Far;
use crate::common::cli::{lines, stderr, stdout};
use crate::common::proxy::{self, Fate, Head};
use crate::common::s3::done;
use crate::common::seaweed::{HOST_KEY, HOST_SECRET, server};
use assert_cmd::assert::Assert;
use http::Method;
use std::fs;

/// As Amazon's policies say it by the condition s3:if-none-match, which this server does not know.
fn deny_overwrites(head: &Head) -> Fate {
    match head.method == "PUT" && head.header("if-none-match") != Some("*") {
        true => Fate::Refuse(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
        false => Fate::Pass,
    }
}

/// A host backs up, gives up and prunes with such credentials: everything is added, what may go is told to be
/// retained, and nothing is lost. The owner's prune then deletes it.
#[test]
fn hosts_that_can_only_add_back_up() {
    let far = Far::new();
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Principal": "*",
            "Action": ["s3:DeleteObject"], "Resource": "arn:aws:s3:::{}/*"}}]}}"#,
        far.bucket
    );
    done(server(), Method::PUT, &format!("/{}?policy", far.bucket), &[], &policy);
    let port = proxy::start(server().port, deny_overwrites);
    let url = far.url.replace(&server().port.to_string(), &port.to_string());
    let host = |args: &[&str]| -> Assert {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", &url);
        command.env("AWS_ACCESS_KEY_ID", HOST_KEY).env("AWS_SECRET_ACCESS_KEY", HOST_SECRET);
        command.arg("--key-file").arg(far.cli.path("key")).args(args).assert()
    };
    let backup = || host(&["backup", "src"]).success();
    backup();
    fs::write(far.cli.path("src/a"), b"other\n".repeat(50_000)).unwrap();
    backup();
    host(&["forget", "--keep-last", "1"]).success();
    let pruned = host(&["prune"]).success();
    assert!(stderr(&pruned).contains("the store retains"), "{}", stderr(&pruned));
    backup();
    host(&["check", "--read-data"]).success();
    host(&["restore", "latest", "--target", "restored"]).success();
    let restored = far.cli.path(&format!("restored/{}", far.cli.path("src").display()));
    assert_eq!(fs::read(restored.join("a")).unwrap(), b"other\n".repeat(50_000));

    done(server(), Method::DELETE, &format!("/{}?policy", far.bucket), &[], "");
    let said = stdout(&far.run(&["--json", "prune"]).success());
    let pruned = lines(&said).pop().unwrap();
    assert!(pruned["packs_deleted"]["count"].as_u64().unwrap() >= 1, "{pruned}");
    assert_eq!(pruned["retained_by_store"]["count"], 0, "{pruned}");
    far.run(&["check", "--read-data"]).success();
}
