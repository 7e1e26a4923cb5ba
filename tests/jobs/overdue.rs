//! Schedules that nobody keeps: what should have begun long ago, and has not.

use super::file::{Jobs, served};
use super::history::{at, backup};
use crate::common::cli::{lines, stdout};
use icecore::agent::config::Config;
use icecore::agent::history::History;
use icecore::agent::status::{Status, TaskStatus, problems};
use icecore::env::Time;
use jiff::tz::TimeZone;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const FILE: &str = r#"
[agent]
max_runs = 1
jitter = "1min"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
[job.app]
source = "DIR/src"
to = ["one"]
schedule = "hourly"
"#;

const SECOND: i64 = 1_000_000_000;

/// A state folder with a file in it.
struct Host {
    state: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("config.toml"), FILE.replace("DIR", "")).unwrap();
        Host { state }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    /// The backup at a moment, by a file at this place.
    fn backup(&self, file: &Path, now: Time) -> TaskStatus {
        let config = Config::parse(&FILE.replace("DIR", ""), file).unwrap();
        let history = History::open(self.state.path()).unwrap();
        let status = Status::of(&config, &history, now, &TimeZone::UTC).unwrap();
        let job = &status.jobs[0];
        assert_eq!(status.is_well, !job.tasks[0].is_overdue);
        assert_eq!(problems(job).iter().any(|it| it.contains("OVERDUE")), !status.is_well);
        job.tasks[0].clone()
    }
}

/// What was due is overdue five minutes and the jitter later, unless a run of the job is at work, or as many others
/// as may be.
#[test]
fn what_does_not_begin_is_overdue() {
    let host = Host::new();
    History::open(host.state.path()).unwrap().record(&backup(at(1)), None).unwrap();
    let gone = host.path("gone.toml");
    for (minute, due, is_overdue) in
        [(59, None, false), (66, Some(at(60)), false), (67, Some(at(60)), true)]
    {
        let backup = host.backup(&gone, at(minute));
        assert_eq!((backup.due_since, backup.is_overdue), (due, is_overdue), "{minute}");
    }
    for lock in ["backup", "check"] {
        let folder = host.path("locks/app");
        fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join(lock)).unwrap();
        lock.lock().unwrap();
        assert!(!host.backup(&gone, at(67)).is_overdue);
        drop(lock);
        assert!(host.backup(&gone, at(67)).is_overdue);
    }
}

/// A job that never ran is due from the time on at which its file was changed, or an agent saw its schedule first;
/// what an agent has served with the same schedule counts, even if that failed to be remembered.
#[test]
fn what_never_ran_is_overdue() {
    let host = Host::new();
    let file = host.path("config.toml");
    let changed = Time(file.metadata().unwrap().ctime() * SECOND);
    let later = |minutes: i64| Time(changed.0 + minutes * 60 * SECOND);
    assert!(!host.backup(&file, later(0)).is_overdue);
    assert!(host.backup(&file, later(67)).is_overdue);
    let seen = |schedule: &str, moment: &str| {
        fs::write(host.path("agent.json"), served(schedule, moment)).unwrap();
    };
    seen("hourly", "2026-01-01T00:00:00Z");
    assert!(host.backup(&file, later(0)).is_overdue);
    // Of another schedule, that says nothing.
    seen("daily", "2026-01-01T00:00:00Z");
    assert!(!host.backup(&file, later(0)).is_overdue);
    seen("hourly", &jiff::Timestamp::from_nanosecond(later(60).0.into()).unwrap().to_string());
    assert!(!host.backup(&file, later(65)).is_overdue);
}

/// The real thing: the exit code, what is said, JSON and Prometheus know of it.
#[test]
fn nobody_who_keeps_a_schedule_is_told() {
    let jobs = Jobs::new();
    jobs.write(&format!("[defaults]\ntimezone = \"Asia/Tokyo\"\n{FILE}"));
    let said = stdout(&jobs.command(&["status"]).assert().success());
    assert!(said.contains("times are those of Asia/Tokyo"), "{said}");
    jobs.is_due("hourly");
    let said = stdout(&jobs.command(&["status"]).assert().code(3));
    let sentence = "app: OVERDUE: the backup was due at 2026-01-01 10:00:00 +09:00";
    assert!(
        said.contains(sentence) && said.contains("is the agent or the timer running"),
        "{said}"
    );
    let status = &lines(&stdout(&jobs.command(&["--json", "status"]).assert().code(3)))[0];
    assert_eq!(status["jobs"][0]["tasks"][0]["is_overdue"], true);
    let said = stdout(&jobs.command(&["status", "--metrics"]).assert().code(3));
    assert!(said.contains("icecore_overdue{job=\"app\",task=\"backup\"} 1"), "{said}");
}
