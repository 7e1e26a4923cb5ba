//! Verbs that have a store of their own to deal with: the one that is tried, and those that are mirrored.

use super::Far;
use crate::common::cli::{lines, stdout};
use crate::reader::state;
use std::fs;

/// A bucket is tried beside its repository, found fit for everything, and left as it was.
#[test]
fn a_bucket_is_tried() {
    let far = Far::new();
    let found = lines(&stdout(&far.run(&["--json", "doctor"]).success()));
    let summary = found.last().unwrap();
    for what in ["fit", "exclusive_create", "list_after_write"] {
        assert_eq!(summary[what], true, "{what}: {found:?}");
    }
    let advice = summary["advice"].to_string();
    assert!(
        advice.contains("no rule of the bucket") && !advice.contains("deleted, and"),
        "{advice}"
    );
    far.run(&["check"]).success();
}

/// A repository goes from a folder into a bucket and back, object by object, and again after another backup;
/// both mirrors are whole.
#[test]
fn a_bucket_is_a_mirror_and_has_one() {
    let far = Far::bare();
    let local = ["--repo", "local", "--key-file", "key"];
    let run = |args: &[&str]| far.command().args(local).args(args).assert().success();
    far.command().args(["--repo", "local", "init", "--new-key-file", "key"]).assert().success();
    for number in 0..2 {
        fs::write(far.cli.path("src/more"), vec![number; 300_000]).unwrap();
        run(&["backup", "src"]);
        run(&["mirror", &far.url]);
        far.run(&["check", "--read-data", "--state-dir", "far-state"]).success();
        far.run(&["mirror", "back"]).success();
    }
    let objects = |folder: &str| {
        let mut objects = state(&far.cli.path(folder));
        objects.retain(|path, what| {
            // Writers are not mirrored; folders are made when something is in them.
            let top = path.iter().next().map_or("", |top| top.to_str().unwrap());
            what != "folder" && !["writers", "notes", "tmp"].contains(&top)
        });
        objects
    };
    assert_eq!(objects("back"), objects("local"));
    let again = lines(&stdout(&run(&["--json", "mirror", &far.url])));
    assert_eq!(again.last().unwrap()["targets"][0]["objects_copied"], 0, "{again:?}");
}
