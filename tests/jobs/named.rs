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
/// told with the nearest, and nothing else is said to open it.
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
    let said = jobs.complains(&["-r", "@nas", "--key-file", "local.key", "snapshots"]);
    assert!(said.contains("the file says what opens it"), "{said}");
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
