//! What reports and messages say: no secrets, reasons that help, and something of every run, also of one that died.

use super::file::Jobs;
use super::service::kill_with_children;
use crate::common::cli::stdout;
use std::fs;

const FILE: &str = r#"
[alert]
command = "cat >>DIR/told"

[job.app]
source = "DIR/src"
to = ["one"]
"#;

fn jobs(more: &str) -> Jobs {
    Jobs::with_one(&format!("{FILE}{more}"))
}

fn told(jobs: &Jobs) -> String {
    fs::read_to_string(jobs.path("told")).unwrap_or_default()
}

fn reports(jobs: &Jobs) -> usize {
    fs::read_dir(jobs.path("state/runs/app")).map_or(0, Iterator::count)
}

/// Passwords that stand in commands, or that these print, are neither in what a run says, nor in its report, nor in
/// messages, whichever command fails.
#[test]
fn secrets_in_commands_are_not_told() {
    let line = "PGPASSWORD=S3CRET psql postgres://app:S3CRET@127.0.0.1:1/x; echo at postgres://a:S3CRET@h; exit 3";
    for key in [
        format!("hooks.before = \"{line}\""),
        format!("hooks.finally = \"{line}\""),
        format!("labels.version = {{ command = \"{line}\" }}"),
        format!("stop = {{ stop = \"{line}\", start = \"true\" }}"),
        format!("stop = {{ stop = \"true\", start = \"{line}\" }}"),
    ] {
        let jobs = jobs(&key);
        let run = jobs.command(&["--json", "run", "app"]).assert();
        let said = run.get_output();
        let said = [said.stdout.as_slice(), &said.stderr].concat();
        for text in [String::from_utf8(said).unwrap(), jobs.report().to_string(), told(&jobs)] {
            assert!(text.contains("PGPASSWORD=***") && !text.contains("S3CRET"), "{key}: {text}");
        }
        assert!(jobs.report().to_string().contains("postgres://a:***@h"), "{key}");
    }
}

/// The reason of an incomplete run is what was wrong first, and how much more was.
#[test]
fn incomplete_runs_say_why() {
    let jobs = jobs("");
    for name in ["x", "y"] {
        let path = jobs.path("src").join(name);
        let database = rusqlite::Connection::open(&path).unwrap();
        database
            .execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(90000))")
            .unwrap();
        database.close().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        bytes.truncate(half / 4096 * 4096);
        fs::write(&path, bytes).unwrap();
    }
    jobs.command(&["run", "app"]).assert().code(3);
    let report = jobs.report();
    let warnings = report["steps"][1]["warnings"].as_array().unwrap();
    let first = warnings[0].as_str().unwrap();
    let reason = format!("capture one: {first}; and {} more", warnings.len() - 1);
    assert_eq!(report["reason"], reason.as_str());
}

/// A run that is killed has a report all the same, written by the next that looks: `status`, `alert` or the next run. It is one,
/// and people hear of it.
#[test]
fn runs_that_die_have_a_report() {
    let wait = "hooks.before = \"touch DIR/begun; while [ -e DIR/wait ]; do sleep 0.1; done\"";
    for next in ["status", "alert", "run"] {
        let jobs = jobs(wait);
        fs::write(jobs.path("wait"), "").unwrap();
        let mut run = jobs.spawn(&["run", "app"]);
        jobs.wait_for("begun");
        // One that is at work is not taken for dead.
        jobs.command(&["status"]).assert().success();
        assert_eq!(reports(&jobs), 0);
        kill_with_children(&mut run);
        fs::remove_file(jobs.path("wait")).unwrap();
        match next {
            "status" => {
                let said = stdout(&jobs.command(&["status"]).assert().code(3));
                assert!(said.contains("FAILED") && said.contains("it died"), "{said}");
            }
            "alert" => {
                jobs.command(&["alert"]).assert().success();
                assert!(told(&jobs).contains("it died"), "{}", told(&jobs));
            }
            _ => drop(jobs.command(&["run", "app"]).assert().success()),
        }
        jobs.command(&["status"]).assert().code(if next == "run" { 0 } else { 3 });
        assert_eq!(reports(&jobs), if next == "run" { 2 } else { 1 }, "{next}");
        let reports = fs::read_dir(jobs.path("state/runs/app")).unwrap();
        let mut texts = reports.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        assert!(texts.any(|text| text.contains("it died") && text.contains("\"failed\"")));
        let history = jobs.path("state/history.sqlite");
        let query = "SELECT count(*) FROM runs WHERE reason LIKE 'it died%'";
        let history = rusqlite::Connection::open(history).unwrap();
        assert_eq!(history.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}
