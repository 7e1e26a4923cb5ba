//! `config check`: what would fail at each run, and what each job does.

use super::file::Jobs;
use crate::common::cli::{stderr, stdout};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A job into a repository that is there.
const ONE: &str = "[repository.local]\nurl = \"DIR/repo\"\nkey_file = \"DIR/repo.key\"\n[job.app]\n\
                   source = [\"DIR/src\"]\nto = [\"local\"]\n";

/// What cannot be reached is told, repositories and sources, and makes the check fail; what can be is not.
#[test]
fn what_cannot_be_reached_is_told() {
    let jobs = Jobs::new();
    jobs.init(&["repo"]);
    let text = "[repository.local]\nurl = \"DIR/repo\"\nkey_file = \"DIR/repo.key\"\n[job.app]\n\
                source = [\"DIR/src\"]\nto = [\"local\"]\n[alert]\nping = \"${NO_SUCH_VARIABLE}\"\n";
    jobs.write(text);
    let run = jobs.command(&["config", "check"]).assert().success();
    assert!(stderr(&run).contains("NO_SUCH_VARIABLE is not set"), "{}", stderr(&run));
    for (from, to, message) in [
        ("DIR/src\"", "DIR/src\", \"DIR/none\"", "none"),
        ("DIR/src\"", "postgres-dump:postgres://nobody@127.0.0.1:1/x\"", "127.0.0.1"),
        ("DIR/repo\"", "DIR/nowhere\"", "the repository local"),
        ("repo.key", "none.key", "none.key"),
    ] {
        jobs.write(&text.replace(from, to));
        let said = jobs.complains(&["config", "check"]);
        assert!(said.contains(message) && said.contains("1 problem found"), "{said}");
    }
}

/// What each run would refuse is found before: sources that overlap, the folder of a database server wherever it lies, and
/// two names of one repository.
#[test]
fn what_runs_would_refuse_is_told() {
    let jobs = Jobs::new();
    jobs.init(&["repo"]);
    let database = Connection::open(jobs.path("app.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    fs::create_dir_all(jobs.path("mysql/lib")).unwrap();
    fs::write(jobs.path("mysql/lib/ibdata1"), "").unwrap();
    let again = "to = [\"local\", \"again\"]\n[repository.again]\nurl = \"DIR/repo/\"\nkey_file = \"DIR/repo.key\"";
    for (from, to, message) in [
        ("[\"DIR/src\"]", "[\"sqlite:DIR/app.db\", \"sqlite:DIR/app.db\"]", "named twice"),
        ("DIR/src", "DIR/mysql", "the data of MySQL"),
        ("DIR/src", "DIR/repo", "a repository of icecore"),
        ("to = [\"local\"]", again, "the same repository as local"),
    ] {
        jobs.write(&ONE.replace(from, to));
        let said = jobs.complains(&["config", "check"]);
        assert!(said.contains(message) && said.contains("1 problem found"), "{to}: {said}");
    }
}

/// All that is done around a capture is shown, and what comes with it.
#[test]
fn what_is_done_around_is_shown() {
    let jobs = Jobs::new();
    jobs.write(&format!(
        "{ONE}must_contain = [\"a\"]\ntags = [\"daily\"]\nlabels = {{ site = \"x\", version = {{ command = \"echo v1\" }} }}\n\
         hooks = {{ before = \"on\", finally = [\"off\", \"out\"] }}\nstop = {{ stop = \"down\", start = \"up\" }}\n"
    ));
    let said = stdout(&jobs.command(&["config", "check", "--offline"]).assert().success());
    for line in [
        "before: `on`",
        "finally: `off`",
        "finally: `out`",
        "stop: `down`, then `up`; for 2 min",
        "label: site=x",
        "label: version from `echo v1`",
        "tags: daily",
        "must contain: a",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// A run that may begin late may miss what the schedule alone would keep; a password for mail that others can read is
/// told.
#[test]
fn what_will_go_wrong_is_warned_of() {
    let jobs = Jobs::new();
    let password = jobs.path("smtp");
    fs::write(&password, "secret\n").unwrap();
    let text = format!(
        "{ONE}schedule = \"hourly\"\nrpo = \"1h\"\n[agent]\njitter = \"10min\"\n[alert.mail]\nto = \"ops@example.com\"\n\
         smtp = \"smtps://icecore@127.0.0.1:1\"\npassword_file = \"DIR/smtp\"\n"
    );
    jobs.write(&text);
    let warned = |mode| {
        fs::set_permissions(&password, fs::Permissions::from_mode(mode)).unwrap();
        stderr(&jobs.command(&["config", "check", "--offline"]).assert().success())
    };
    let said = warned(0o666);
    assert!(said.contains("leaves up to 1 h 10 min"), "{said}");
    assert!(said.contains("other users can read") && said.contains("smtp: run"), "{said}");
    assert!(!warned(0o600).contains("other users can read"));
}

/// What nobody would notice is warned of: a `keep` that no schedule heeds, a page into which nobody can log, and that
/// nobody is told of anything, in one sentence with the death of the host.
#[test]
fn what_comes_to_nothing_is_warned_of() {
    let jobs = Jobs::new();
    fs::write(jobs.path("hash"), "").unwrap();
    let panel =
        "[panel]\nlisten = \"127.0.0.1:0\"\nlogin = { user = \"ops\", hash_file = \"DIR/hash\" }\n";
    let kept = ONE.replace("[job.app]", "keep = { last = 1 }\n[job.app]");
    let warned = |text: &str| {
        jobs.write(text);
        stderr(&jobs.command(&["config", "check", "--offline"]).assert().success())
    };
    let said = warned(&format!("{kept}{panel}"));
    assert!(said.contains("local: no job schedules `prune` there"), "{said}");
    assert!(said.contains("nobody can log in to the page") && said.contains("hash"), "{said}");
    assert!(said.contains("nobody is told") && !said.contains("set `alert.ping`"), "{said}");
    fs::write(jobs.path("hash"), "$argon2id$").unwrap();
    for more in ["schedule = { prune = \"daily\" }", "prune = \"elsewhere\""] {
        let said = warned(&format!("{kept}{more}\n{panel}[alert]\ncommand = \"true\"\n"));
        assert!(!said.contains("`keep`") && !said.contains("log in"), "{said}");
        assert!(!said.contains("nobody is told") && said.contains("set `alert.ping`"), "{said}");
    }
    assert!(!warned(ONE).contains("`keep`"));
}
