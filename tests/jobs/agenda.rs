//! What is due when: months of schedules, with clocks that are set, machines that sleep, and runs that take long.

use icecore::agent::config::Config;
use icecore::agent::daemon::{Agenda, JobTask, Marks};
use icecore::agent::run::Task;
use icecore::agent::schedule::Schedule;
use icecore::env::Time;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Jobs with these schedules, of backups where nothing else is said.
fn file(agent: &str, schedules: &[(&str, &str)]) -> Config {
    let mut text = format!(
        "[agent]\n{agent}\n[defaults]\ntimezone = \"Europe/Berlin\"\n[repository.one]\nurl = \"/one\"\nkey_file = \"/key\"\n[repository.two]\nurl = \"/two\"\nkey_file = \"/key\"\n"
    );
    for (job, schedule) in schedules {
        let quote = if schedule.starts_with('{') { "" } else { "\"" };
        text.push_str(&format!(
            "[job.{job}]\nsource = \"/src\"\nto = [\"one\", \"two\"]\nschedule = {quote}{schedule}{quote}\n"
        ));
    }
    Config::parse(&text, Path::new("config.toml")).unwrap()
}

fn moment(text: &str) -> Time {
    text.parse().unwrap()
}

fn job_task(job: &str, task: Task) -> JobTask {
    JobTask { job: job.to_owned(), task }
}

/// An agent without a program, whose clock the tests set.
struct Agent {
    agenda: Agenda,
    now: Time,
    /// How long runs of a job take; a second where nothing is said.
    takes: BTreeMap<&'static str, Duration>,
    /// What is at work, and until when.
    ends: BTreeMap<JobTask, Time>,
    begun: Vec<(JobTask, Time)>,
}

impl Agent {
    fn new(config: &Config, now: &str) -> Self {
        Agent::with(Marks::new(), config, moment(now))
    }

    fn with(marks: Marks, config: &Config, now: Time) -> Self {
        let mut agenda = Agenda::new(marks);
        agenda.adopt(config, "web1", now);
        let (takes, ends, begun) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Agent { agenda, now, takes, ends, begun }
    }

    /// Looks once.
    fn look(&mut self) {
        let over: Vec<JobTask> =
            self.ends.iter().filter(|it| *it.1 <= self.now).map(|it| it.0.clone()).collect();
        for job_task in over {
            self.ends.remove(&job_task);
            self.agenda.end(&job_task, true, self.now);
        }
        while let Some(due) = self.agenda.begin(self.now, &|_| None) {
            let takes = self.takes.get(due.job_task.job.as_str()).copied().unwrap_or(MINUTE / 60);
            let excludes = |other: &JobTask| *other == due.job_task;
            assert!(!self.ends.keys().any(excludes), "{due:?} twice at once");
            self.ends.insert(due.job_task.clone(), self.now + takes);
            self.begun.push((due.job_task, self.now));
        }
    }

    /// Lets time pass, and looks whenever something may be due or ends.
    fn until(&mut self, end: Time) {
        loop {
            self.look();
            let next =
                self.ends.values().copied().chain(self.agenda.next()).filter(|it| *it > self.now);
            match next.min().filter(|next| *next <= end) {
                Some(next) => self.now = next,
                None => break,
            }
        }
        self.now = end;
    }

    /// When a job began, since the last question.
    fn took(&mut self, job: &str) -> Vec<Time> {
        let begun = self
            .begun
            .iter()
            .filter(|(job_task, _)| job_task.job == job)
            .map(|(_, at)| *at)
            .collect();
        self.begun.retain(|(job_task, _)| job_task.job != job);
        begun
    }
}

/// All moments of a schedule.
fn moments(schedule: &str, from: Time, end: Time) -> Vec<Time> {
    let schedule: Schedule = schedule.parse().unwrap();
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut moments = Vec::new();
    let mut next = schedule.next(from, &zone);
    while let Some(moment) = next.filter(|moment| *moment <= end) {
        moments.push(moment);
        next = schedule.next(moment, &zone);
    }
    moments
}

/// Through nine months, in which clocks are put forward and back, every moment of every schedule is served
/// exactly once, and at that moment; also of lists of hours that are left out or come twice.
#[test]
fn every_moment_is_served_once() {
    let schedules = [
        ("a", "daily 02:10"),
        ("b", "30 2,5 * * *"),
        ("c", "hourly :15"),
        ("d", "weekly sunday 02:30"),
        ("e", "monthly"),
    ];
    let config = file("jitter = \"0s\"\nmax_runs = 9", &schedules);
    let mut agent = Agent::new(&config, "2026-03-01T00:00:00Z");
    let (from, end) = (agent.now, moment("2026-12-01T00:00:00Z"));
    agent.until(end);
    for (job, schedule) in schedules {
        let (begun, expected) = (agent.took(job), moments(schedule, from, end));
        assert!(expected.len() >= 9);
        assert_eq!(begun, expected, "{schedule}");
    }
}

/// What was missed while the machine slept, or was off, is made up once and at once; then all goes on as before.
#[test]
fn missed_moments_are_made_up_once() {
    let config = file("jitter = \"0s\"", &[("a", "hourly"), ("b", "daily 02:10")]);
    let mut agent = Agent::new(&config, "2026-06-01T12:30:00Z");
    agent.until(moment("2026-06-01T13:30:00Z"));
    assert_eq!(agent.took("a"), [moment("2026-06-01T13:00:00Z")]);
    let awake = moment("2026-06-04T09:20:00Z");
    agent.now = awake;
    agent.until(awake + HOUR);
    assert_eq!(agent.took("a"), [awake, moment("2026-06-04T10:00:00Z")]);
    assert_eq!(agent.took("b"), [awake]);

    // Off, and not asleep: what was served is remembered.
    let later = agent.now + DAY;
    let mut agent = Agent::with(agent.agenda.marks().clone(), &config, later);
    agent.look();
    assert_eq!((agent.took("a"), agent.took("b")), (vec![later], vec![later]));
}

/// A run that was under way when the machine died is begun again.
#[test]
fn what_was_not_ended_is_begun_again() {
    let config = file("jitter = \"0s\"", &[("a", "daily 02:10")]);
    let mut agent = Agent::new(&config, "2026-06-01T00:00:00Z");
    agent.takes.insert("a", HOUR);
    agent.until(moment("2026-06-01T00:30:00Z"));
    assert_eq!(agent.took("a").len(), 1);
    let now = agent.now + MINUTE;
    let mut agent = Agent::with(agent.agenda.marks().clone(), &config, now);
    agent.look();
    assert_eq!(agent.took("a"), [now]);
}

/// A clock that is set back by up to an hour makes nothing come twice. By more, it is believed: moments come
/// again, and nothing waits for as long as the clock was wrong.
#[test]
fn clocks_that_are_set_back_are_believed() {
    let config = file("jitter = \"0s\"", &[("a", "hourly")]);
    let mut agent = Agent::new(&config, "2026-06-01T08:30:00Z");
    agent.until(moment("2026-06-01T10:10:00Z"));
    agent.took("a");
    agent.now = moment("2026-06-01T09:40:00Z");
    agent.until(moment("2026-06-01T11:30:00Z"));
    assert_eq!(agent.took("a"), [moment("2026-06-01T11:00:00Z")]);
    agent.now = moment("2026-06-01T09:30:00Z");
    agent.until(moment("2026-06-01T11:30:00Z"));
    let again = ["2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z"].map(moment);
    assert_eq!(agent.took("a"), again);
    // Years ahead, as after a battery that was empty, and back: also of what was remembered, and of a retry.
    agent.now = moment("2031-01-01T00:30:00Z");
    agent.look();
    assert_eq!(agent.took("a").len(), 1);
    agent.agenda.end(&job_task("a", Task::Backup), false, agent.now);
    agent.ends.clear();
    agent.now = moment("2026-06-01T11:40:00Z");
    agent.until(moment("2026-06-01T12:30:00Z"));
    assert_eq!(agent.took("a"), [moment("2026-06-01T12:00:00Z")]);
}

/// A clock that is set forward by a day has one run of each made up.
#[test]
fn clocks_that_are_set_forward_begin_one_run() {
    let config = file("jitter = \"0s\"", &[("a", "*/5 * * * *")]);
    let mut agent = Agent::new(&config, "2026-06-01T08:31:00Z");
    agent.until(agent.now + MINUTE);
    agent.now = agent.now + DAY;
    let ahead = agent.now;
    agent.until(ahead + 4 * MINUTE);
    assert_eq!(agent.took("a"), [ahead, moment("2026-06-02T08:35:00Z")]);
}

/// While a run is at work, what its job is due for meanwhile waits, and is done once after it; so does a copy
/// for a backup, but neither a check nor another job.
#[test]
fn nothing_is_done_twice_at_once() {
    let every = "{ backup = \"*/10 * * * *\", copy = \"*/10 * * * *\", check = \"*/10 * * * *\" }";
    let config = file("jitter = \"0s\"\nmax_runs = 3", &[("a", every), ("b", "*/10 * * * *")]);
    let mut agent = Agent::new(&config, "2026-06-01T08:05:00Z");
    agent.takes.insert("a", 35 * MINUTE);
    agent.until(moment("2026-06-01T09:59:00Z"));
    let minutes = |task, begun: &[(JobTask, Time)]| -> Vec<u64> {
        let of = begun.iter().filter(|(it, _)| *it == job_task("a", task));
        of.map(|(_, at)| at.since(moment("2026-06-01T08:00:00Z")).as_secs() / 60).collect()
    };
    assert_eq!(minutes(Task::Backup, &agent.begun), [10, 80]);
    assert_eq!(minutes(Task::Copy, &agent.begun), [45, 115]);
    assert_eq!(minutes(Task::Check, &agent.begun), [10, 45, 80, 115]);
    assert_eq!(agent.took("b").len(), 11);
}

/// No more are at work than the file says; who is due for longest comes first.
#[test]
fn so_many_are_at_work_at_once() {
    let config = file(
        "jitter = \"0s\"",
        &[("a", "5 * * * *"), ("b", "4 * * * *"), ("c", "3 * * * *"), ("d", "6 * * * *")],
    );
    let mut agent = Agent::new(&config, "2026-06-01T08:00:00Z");
    agent.takes.extend([("a", 20 * MINUTE), ("b", 20 * MINUTE), ("c", 10 * MINUTE)]);
    agent.now = moment("2026-06-01T08:10:00Z");
    agent.until(moment("2026-06-01T08:40:00Z"));
    let order: Vec<(&str, u64)> = agent
        .begun
        .iter()
        .map(|(job_task, at)| {
            (job_task.job.as_str(), at.since(moment("2026-06-01T08:10:00Z")).as_secs() / 60)
        })
        .collect();
    assert_eq!(order, [("c", 0), ("b", 0), ("a", 10), ("d", 20)]);
}

/// What could not be begun, as somebody else does it, is due again after a minute, unless that has served it.
#[test]
fn what_others_do_is_not_done_again() {
    let config = file("jitter = \"0s\"", &[("a", "hourly")]);
    let mut agent = Agent::new(&config, "2026-06-01T08:30:00Z");
    let (hour, app) = (moment("2026-06-01T09:00:00Z"), job_task("a", Task::Backup));
    let nobody = |_: &JobTask| None;
    assert_eq!(agent.agenda.begin(hour, &nobody).unwrap().since, hour);
    agent.agenda.end(&app, false, hour);
    assert_eq!(agent.agenda.next(), Some(hour + MINUTE));
    assert_eq!(agent.agenda.begin(hour + MINUTE / 2, &nobody), None);
    assert_eq!(agent.agenda.begin(hour + MINUTE, &nobody).unwrap().since, hour);
    agent.agenda.end(&app, false, hour + MINUTE);
    let before = |_: &JobTask| Some(moment("2026-06-01T08:59:00Z"));
    let since = |_: &JobTask| Some(moment("2026-06-01T09:02:00Z"));
    assert_eq!(agent.agenda.begin(hour + 5 * MINUTE, &since), None);
    assert_eq!(agent.agenda.next(), Some(hour + HOUR));
    assert!(agent.agenda.begin(hour + HOUR, &before).is_some());
}

/// A schedule that is new, or changed, counts from the moment on at which it was seen; one that is gone is
/// forgotten.
#[test]
fn changed_schedules_count_from_now() {
    let config = |schedule| file("jitter = \"0s\"", &[("a", schedule), ("b", "hourly")]);
    let mut agent = Agent::new(&config("daily 02:10"), "2026-06-01T08:30:00Z");
    agent.until(moment("2026-06-01T15:30:00Z"));
    agent.took("b");
    agent.agenda.adopt(&config("daily 14:00"), "web1", agent.now);
    agent.until(moment("2026-06-02T14:30:00Z"));
    assert_eq!(agent.took("a"), [moment("2026-06-02T12:00:00Z")]);
    assert_eq!(agent.took("b").len(), 23);
    agent.agenda.adopt(&file("", &[("b", "hourly")]), "web1", agent.now);
    assert_eq!(agent.agenda.marks().len(), 1);
}

/// Runs begin a little later than their schedule says: always the same, not the same for all jobs and hosts, and
/// never more than the file allows; none is left out.
#[test]
fn jitter_is_always_the_same() {
    let config =
        file("max_runs = 9", &[("a", "* * * * *"), ("b", "* * * * *"), ("c", "* * * * *")]);
    let mut agent = Agent::new(&config, "2026-06-01T08:00:31Z");
    agent.until(moment("2026-06-01T10:00:30Z"));
    let mut delays = Vec::new();
    for job in ["a", "b", "c"] {
        let begun = agent.took(job);
        let delay = begun[0].since(moment("2026-06-01T08:01:00Z"));
        assert!(delay < Duration::from_secs(30) && begun.len() == 120, "{delay:?}");
        assert!(begun.windows(2).all(|pair| pair[1].since(pair[0]) == MINUTE));
        delays.push(delay);
    }
    let mut other = Agenda::new(Marks::new());
    other.adopt(&config, "web2", moment("2026-06-01T08:00:31Z"));
    assert_ne!(other.next(), Some(moment("2026-06-01T08:01:00Z") + *delays.iter().min().unwrap()));
    delays.dedup();
    assert!(delays.len() > 1);
    // Also one that is longer than the schedule's own steps.
    let config = file("jitter = \"1h\"", &[("a", "*/10 * * * *")]);
    let mut agent = Agent::new(&config, "2026-06-01T08:00:31Z");
    agent.until(moment("2026-06-02T08:00:00Z"));
    assert_eq!(agent.took("a").len(), 144);
}
