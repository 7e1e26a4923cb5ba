//! Object Lock: what a repository rests on cannot be deleted before its time, by anybody; and what a bucket
//! says of itself.

use super::{Far, KEY, SECRET};
use crate::common::cli::{lines, stderr, stdout};
use crate::common::s3::{ask, done};
use crate::common::seaweed::server;
use assert_cmd::assert::Assert;
use http::Method;
use serde_json::Value;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// A bucket that can lock objects.
fn lockable(name: &str) -> Far {
    let enabled = [("x-amz-bucket-object-lock-enabled", "true")];
    done(server(), Method::PUT, &format!("/{name}"), &enabled, "");
    let mut far = Far::bare();
    // What is locked must not hang on how the server is written.
    far.url = far.url.replace(&far.bucket, name).replace("127.0.0.1", "LOCALHOST");
    far.bucket = name.to_owned();
    far
}

impl Far {
    fn retaining(&self, period: &str, args: &[&str]) -> Assert {
        self.run(&[&["-o", &format!("retain={period}")], args].concat())
    }

    /// Two snapshots that have nothing in common, of which one is given up.
    fn with_garbage(self, period: &str) -> Self {
        self.init_with(&["-o", &format!("retain={period}")]).success();
        self.retaining(period, &["backup", "src"]).success();
        fs::write(self.cli.path("src/a"), b"other\n".repeat(50_000)).unwrap();
        self.retaining(period, &["backup", "src"]).success();
        self.retaining(period, &["forget", "--keep-last", "1"]).success();
        self
    }

    fn prune(&self, period: &str) -> Value {
        let said = stdout(&self.retaining(period, &["--json", "prune"]).success());
        lines(&said).pop().unwrap()
    }

    /// The keys in a folder of the repository.
    fn keys(&self, folder: &str) -> Vec<String> {
        let path = format!("/{}?list-type=2&prefix=some%2Ffolder%2F{folder}%2F", self.bucket);
        let listed = done(server(), Method::GET, &path, &[], "");
        let keys = listed.split("<Key>").skip(1).map(|text| text.split('<').next().unwrap());
        keys.map(str::to_owned).collect()
    }
}

/// What is needed, and what is not any more, is locked by the server itself; prune tells until when, gives up
/// nothing twice, and leaves it as it is. Not even the bucket's owner deletes a version then.
#[test]
fn a_locked_repository_cannot_be_deleted() {
    let far = lockable("locked-for-days").with_garbage("30d");
    let first = far.prune("30d");
    assert_eq!(first["packs_deleted"]["count"], 0, "{first}");
    assert!(first["retained_by_store"]["count"].as_u64().unwrap() > 0, "{first}");
    assert!(first["retained_until"].as_str().unwrap().starts_with("20"), "{first}");
    let collections = far.keys("gc");
    let again = far.prune("30d");
    assert_eq!(again["retained_by_store"], first["retained_by_store"]);
    assert_eq!((again["retention_extended"].as_u64(), far.keys("gc")), (Some(0), collections));

    for kind in ["config", "keys", "snapshots", "index", "packs", "gc"] {
        for key in far.keys(kind) {
            let path = format!("/{}/{key}", far.bucket);
            let facts = done(server(), Method::HEAD, &path, &[], "");
            let header = |name: &str| {
                let line = facts.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
                line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
            };
            assert_eq!(header("x-amz-object-lock-mode").as_deref(), Some("GOVERNANCE"), "{key}");
            let version = header("x-amz-version-id").unwrap();
            let deleted =
                ask(server(), Method::DELETE, &format!("{path}?versionId={version}"), &[], "");
            assert!(deleted.starts_with("HTTP/1.1 403"), "{key}: {deleted}");
        }
    }
    far.run(&["check", "--read-data"]).success();
}

/// When its time is over, what nobody needs is deleted, and what is needed is locked anew.
#[test]
fn locks_end_and_are_renewed() {
    let far = lockable("locked-for-seconds").with_garbage("2s");
    sleep(Duration::from_secs(3));
    let pruned = far.prune("2s");
    assert!(pruned["packs_deleted"]["count"].as_u64().unwrap() >= 1, "{pruned}");
    // Configuration, key, snapshot and a pack; what this prune has made is locked for long enough.
    assert!(pruned["retention_extended"].as_u64().unwrap() >= 4, "{pruned}");
    far.run(&["check", "--read-data"]).success();
}

/// A mirror is locked as it is made, and what stands there longer is locked anew.
#[test]
fn mirrors_are_locked() {
    let source = Far::new();
    source.run(&["backup", "src"]).success();
    let target = lockable("locked-mirror");
    let mirror = |period: &str| {
        let said = stdout(&source.retaining(period, &["mirror", &target.url]).success());
        assert!(!said.contains("cannot"), "{said}");
    };
    mirror("1h");
    for key in target.keys("packs") {
        let path = format!("/{}/{key}?retention", target.bucket);
        assert!(done(server(), Method::GET, &path, &[], "").contains("GOVERNANCE"), "{key}");
    }
    let retention = |key: &str| {
        done(server(), Method::GET, &format!("/{}/{key}?retention", target.bucket), &[], "")
    };
    let before = retention(&target.keys("config")[0]);
    mirror("30d");
    assert_ne!(retention(&target.keys("config")[0]), before);
}

/// A bucket that was made without Object Lock is refused with what to do, and so is a period that makes no
/// sense.
#[test]
fn buckets_without_locks_are_refused() {
    let far = Far::bare();
    let refused = far.init_with(&["-o", "retain=1d"]).failure();
    assert!(stderr(&refused).contains("made with Object Lock"), "{}", stderr(&refused));
    for period in ["30", "-1d", "soon", "100y"] {
        far.retaining(period, &["snapshots"]).code(1);
    }
    far.run(&["-o", "retain-mode=compliance", "snapshots"]).code(1);
    far.retaining("1d", &["-o", "retain-mode=forever", "snapshots"]).code(1);
    assert!(!stderr(&refused).contains(SECRET) && !stderr(&refused).contains(KEY));
}

/// Rules that delete by age are an error, for which a repository's oldest objects are in use; readers from
/// everywhere are warned of.
#[test]
fn a_bucket_is_asked_about_itself() {
    let far = Far::bare();
    let fine = stdout(&far.run(&["doctor"]).success());
    assert!(fine.contains("no rule of the bucket deletes or freezes"), "{fine}");
    let rule = "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix></Prefix>\
                </Filter><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>";
    done(server(), Method::PUT, &format!("/{}?lifecycle", far.bucket), &[], rule);
    let public = [("x-amz-acl", "public-read")];
    done(server(), Method::PUT, &format!("/{}?acl", far.bucket), &public, "");
    let said = far.run(&["doctor"]).failure();
    let text = stdout(&said);
    assert!(text.contains("the rule old deletes objects after 30 days"), "{text}");
    assert!(text.contains("others may read the bucket"), "{text}");
    assert!(stderr(&said).contains("take the rule away"), "{}", stderr(&said));
}
