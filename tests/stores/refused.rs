//! What goes wrong between the program and a server, how it is said, and what is never said.

use super::Far;
use crate::common::certificates::certificates;
use crate::common::cli::{stderr, stdout};
use crate::common::seaweed::{SECRET, Seaweed, server};
use assert_cmd::assert::Assert;

/// All that a run said; the secrets are not in it.
fn said(run: &Assert, secrets: &[&str]) -> String {
    let said = format!("{}{}", stdout(run), stderr(run));
    for secret in [&[SECRET], secrets].concat() {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

/// Wrong credentials, none, a bucket that is missing, and a place without a repository are each said
/// in words, with what helps, and end the program at once; as text and as JSON.
#[test]
fn refusals_are_explained() {
    let far = Far::new();
    let nowhere = far.url.replace(&far.bucket, "no-such-bucket");
    let elsewhere = format!("{}/elsewhere", far.url);
    let cases = [
        (&far.url, "AWS_SECRET_ACCESS_KEY=hunter2hunter2", ["SignatureDoesNotMatch", "(set)"], 1),
        (&far.url, "AWS_ACCESS_KEY_ID=nobody", ["InvalidAccessKeyId", "(set)"], 1),
        (&far.url, "AWS_ACCESS_KEY_ID=", ["no credentials were found", "(not set)"], 1),
        (&nowhere, "", ["there is no bucket named no-such-bucket", "make it there first"], 10),
        (&elsewhere, "", ["there is no repository", "icecore init"], 10),
    ];
    for json in [false, true] {
        for (place, variable, words, code) in cases {
            let mut command = far.command();
            command.env("ICECORE_REPOSITORY", place).envs(variable.split_once('='));
            command.args(json.then_some("--json")).arg("--key-file").arg(far.cli.path("key"));
            let run = command.arg("snapshots").assert().code(code);
            let said = said(&run, &["hunter2"]);
            assert!(words.iter().all(|word| said.contains(word)), "{place}: {said}");
        }
    }
}

/// Options and places that make no sense, or hold secrets, are refused without repeating those.
#[test]
fn options_are_refused() {
    let far = Far::bare();
    let with_password = "s3:https://user:hunter2@host/bucket";
    let cases: [(&str, &[&str], &str); 8] = [
        (&far.url, &["-o", "endpiont=x"], "did you mean -o endpoint"),
        (&far.url, &["-o", "secret-access-key=hunter2"], "AWS_SECRET_ACCESS_KEY"),
        (&far.url, &["-o", "connections=0"], "no number from 1 to"),
        (&far.url, &["-o", "path-style=perhaps"], "neither yes nor no"),
        (&far.url, &["-o", "storage-class=GLACIER"], "cannot be read at once"),
        (&far.url, &["-o", "cacert=/nowhere"], "/nowhere"),
        (with_password, &[], "variables of the environment"),
        ("s3:host", &[], "names no bucket"),
    ];
    for (place, options, words) in cases {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", place).args(options).arg("snapshots");
        let said = said(&command.assert().failure(), &["hunter2"]);
        assert!(said.contains(words), "{place} {options:?}: {said}");
    }
}

/// No repository is made in a folder of a bucket that holds something else, nor over another one.
#[test]
fn a_folder_in_use_is_refused() {
    let far = Far::new();
    let above = far.url.trim_end_matches("/folder");
    let refused = |place: &str| {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", place).args(["init", "--new-key-file", "other"]);
        stderr(&command.assert().failure())
    };
    let said = refused(above);
    assert!(said.contains("it holds something else: folder"), "{said}");
    let said = refused(&far.url);
    assert!(said.contains("is not empty"), "{said}");
}

/// A server whose certificate nobody vouches for is refused at once, and trusted by `-o cacert`; a
/// server without TLS is told from both.
#[test]
fn certificates_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), "IP:127.0.0.1");
    let secure = Seaweed::start(Some(folder.path()));
    let far = Far::on(&secure, "https");
    let init = |far: &Far, options: &[&str]| {
        far.command().args(options).args(["init", "--new-key-file", "key"]).assert()
    };
    let untrusted = said(&init(&far, &[]).failure(), &[]);
    assert!(untrusted.contains("certificate is not trusted"), "{untrusted}");
    assert!(untrusted.contains("-o cacert=FILE"), "{untrusted}");

    let authority = format!("cacert={}", folder.path().join("ca.crt").display());
    init(&far, &["-o", &authority]).success();
    far.run(&["-o", &authority, "backup", "src"]).success();

    let plain = Far::on(server(), "https");
    let untold = said(&init(&plain, &[]).failure(), &[]);
    assert!(untold.contains("does not speak TLS"), "{untold}");
}
