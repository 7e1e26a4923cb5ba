//! Repositories of the file by their names, and what a prune would forget.

use super::file::Jobs;
use crate::common::cli::stdout;

const FILE: &str = r#"
[repository.local]
url = "DIR/local"
key_file = "DIR/local.key"
keep = { last = 1 }

[repository.nas]
url = "DIR/nas"
key_file = "DIR/nas.key"

[job.app]
source = "DIR/src"
to = ["local", "nas"]
"#;

fn jobs() -> Jobs {
    let jobs = Jobs::new();
    jobs.init(&["local", "nas"]);
    jobs.write(FILE);
    jobs
}

/// Every command finds a repository by its name in the file, and what opens it; a name that is not there is
/// told with the nearest, and where none is named, all are.
#[test]
fn repositories_are_found_by_name() {
    let jobs = jobs();
    jobs.command(&["-r", "@nas", "backup", "src"]).assert().success();
    let said = stdout(&jobs.command(&["--repo=@nas", "snapshots"]).assert().success());
    assert!(said.contains("1 snapshot"), "{said}");
    let said = stdout(&jobs.command(&["-r", "@local", "snapshots"]).assert().success());
    assert!(said.contains("0 snapshots"), "{said}");
    let said = jobs.complains(&["-r", "@nass", "snapshots"]);
    assert!(said.contains("did you mean `nas`?") && said.contains("./@nass"), "{said}");
    let said = jobs.complains(&["-r", "@nas", "-o", "x=y", "snapshots"]);
    assert!(said.contains("its options are in the file"), "{said}");
    let said = jobs.complains(&["snapshots"]);
    assert!(said.contains("--repo with @local, @nas of the file"), "{said}");
}

/// A key that is named on the command line opens a repository of the file, instead of the one of the file, which may be
/// lost.
#[test]
fn another_key_may_be_named() {
    let jobs = jobs();
    let lost = jobs.path("nas.key");
    let kept = jobs.path("kept.key");
    std::fs::rename(&lost, &kept).unwrap();
    jobs.complains(&["-r", "@nas", "snapshots"]);
    let kept = kept.to_str().unwrap();
    jobs.command(&["-r", "@nas", "--key-file", kept, "snapshots"]).assert().success();
}

/// With several jobs in one repository, `--job` says whose snapshots are meant.
#[test]
fn snapshots_of_a_job_are_found() {
    let jobs = jobs();
    let other =
        "[job.other]\nsource = { command = \"echo other\", name = \"x\" }\nto = [\"local\"]\n";
    jobs.write(&format!("{FILE}{other}"));
    std::fs::write(jobs.path("src/file"), "x").unwrap();
    for job in ["app", "other"] {
        jobs.command(&["run", job]).assert().success();
    }
    let count = |args: &[&str]| jobs.of("local", args).len();
    assert_eq!(count(&["snapshots"]), 2);
    assert_eq!(
        (count(&["snapshots", "--job", "app"]), count(&["snapshots", "--job", "no"])),
        (1, 0)
    );
    let file = jobs.path("src/file");
    let dump = |more: &[&str]| {
        let args = ["-r", "@local", "dump", "latest", file.to_str().unwrap()];
        jobs.command(&[&args[..], more].concat()).assert()
    };
    dump(&[]).failure();
    assert_eq!(stdout(&dump(&["--job", "app"]).success()), "x");
}

/// What a prune would forget is listed, and still there; of other tasks nobody knows it before.
#[test]
fn a_prune_is_tried() {
    let jobs = jobs();
    for _ in 0..3 {
        jobs.command(&["run", "app"]).assert().success();
    }
    let tried = ["run", "app", "--only", "prune", "--dry-run"];
    let said = stdout(&jobs.command(&tried).assert().success());
    assert!(said.contains("app in local: would forget 2 snapshots and keep 1"), "{said}");
    assert!(said.contains("app in nas: no rule says what is kept"), "{said}");
    let snapshots = jobs.of("local", &["snapshots"]);
    assert_eq!(snapshots.len(), 3);
    for (number, snapshot) in snapshots.iter().enumerate() {
        let id = snapshot["id"].as_str().unwrap();
        assert_eq!(said.contains(id), number < 2, "{said}");
    }
    let said = jobs.complains(&["run", "app", "--dry-run"]);
    assert!(said.contains("--only prune"), "{said}");
}
