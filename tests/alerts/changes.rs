//! What is told and when, without anybody being told: changes, digests, reminders, and none lost.

use crate::common::chance::Chance;
use icecore::agent::alert::{
    Alerter, Aspect, Batching, Kind, Memory, Notification, Observation, Problem, Problems, Sender,
    State, Subject, Watcher,
};
use icecore::agent::config::Config;
use icecore::{Env, Error, Time};
use std::fs;

const MINUTE: i64 = 60 * Time::SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// A host on which things go wrong, and what its channels tell.
struct Host {
    memory: Memory,
    problems: Problems,
    now: Time,
    names: Vec<&'static str>,
    down: Vec<&'static str>,
    told: Vec<(&'static str, Notification)>,
}

impl Host {
    fn new() -> Self {
        let (memory, problems) = (Memory::default(), Problems::new());
        let (names, down, told) = (vec!["mail"], vec![], vec![]);
        Host { memory, problems, now: Time(1_800_000_000 * Time::SECOND), names, down, told }
    }

    /// Something goes wrong with a job.
    fn wrong(&mut self, job: &str, state: State) {
        let problem = Problem::new(state, "no reason");
        self.problems.insert(Subject::job(job, Aspect::Backup), problem);
    }

    fn well(&mut self, job: &str) {
        self.problems.remove(&Subject::job(job, Aspect::Backup));
    }

    /// Looks once; how many messages were sent.
    fn look(&mut self, patience: Batching) -> usize {
        let sender = Sender { host: "web1".to_owned(), environment: None };
        self.memory.observe(&self.names, &Observation::All(self.problems.clone()), self.now);
        let due = self.memory.due(&self.names, patience, &sender, self.now);
        let before = self.told.len();
        for (name, notification) in due {
            let error = Error::unavailable("tell", "it", "down");
            let is_down = self.down.contains(&name);
            self.memory.answer(name, is_down.then_some(&error), self.now);
            if !is_down {
                self.told.push((name, notification));
            }
        }
        self.told.len() - before
    }

    /// Looks every minute for so long; how many messages were sent.
    fn minutes(&mut self, minutes: i64) -> usize {
        let look = |_| {
            self.now.0 += MINUTE;
            self.look(Batching::Batch)
        };
        (0..minutes).map(look).sum()
    }

    fn last(&self) -> &Notification {
        &self.told.last().unwrap().1
    }
}

/// A change is told once, with its reason, and its end once; nothing is told where nothing changes.
#[test]
fn each_change_is_told_once() {
    let mut host = Host::new();
    assert_eq!(host.minutes(600), 0);
    host.wrong("app", State::Failed);
    assert_eq!(host.minutes(600), 1);
    assert_eq!(host.last().kind, Kind::Problem);
    assert_eq!(host.last().subject, "icecore, web1: app: backup failed");
    assert!(host.last().message.contains("- app: backup failed: no reason\n"), "{:?}", host.last());
    // Another reason is no news, another state is.
    let subject = Subject::job("app", Aspect::Backup);
    host.problems.insert(subject, Problem::new(State::Failed, "another"));
    assert_eq!(host.minutes(60), 0);
    host.wrong("app", State::Incomplete);
    assert_eq!(host.minutes(60), 1);
    assert!(host.last().subject.ends_with("app: backup is incomplete"));
    host.well("app");
    assert_eq!(host.minutes(3 * 24 * 60), 1);
    assert_eq!(host.last().kind, Kind::Resolved);
    assert!(host.last().subject.ends_with("app: backup is well again"), "{:?}", host.last());
    assert!(host.last().message.contains("it was: app: backup is incomplete: no reason"));
}

/// The first change is told at once, those of the five minutes after it together, and with them what came and
/// went meanwhile.
#[test]
fn changes_within_five_minutes_are_told_together() {
    let mut host = Host::new();
    host.wrong("a", State::Failed);
    assert_eq!(host.minutes(1), 1);
    host.wrong("b", State::Failed);
    host.wrong("c", State::Incomplete);
    assert_eq!(host.minutes(1), 0);
    host.well("c");
    assert_eq!(host.minutes(2), 0);
    host.well("a");
    assert_eq!(host.minutes(2), 1);
    let message = &host.last().message;
    for line in [
        "New:\n- b: backup failed",
        "- a: backup is well again",
        "- c: backup is well again",
        "it was: c: backup is incomplete",
    ] {
        assert!(message.contains(line), "{line}: {message}");
    }
    assert_eq!(host.last().jobs, ["a", "b", "c"]);
    // Where nobody knows when somebody looks again, nothing waits.
    host.wrong("a", State::Failed);
    assert_eq!(host.look(Batching::Immediate), 1);
}

/// Damage, and services that were not started again, wait for nothing, and take what does wait with them; that they are
/// over waits.
#[test]
fn what_is_urgent_is_told_at_once() {
    for (aspect, state) in [(Aspect::Data, State::Damaged), (Aspect::Services, State::Stopped)] {
        let mut host = Host::new();
        host.wrong("a", State::Failed);
        assert_eq!(host.minutes(1), 1);
        host.wrong("b", State::Failed);
        assert_eq!(host.minutes(1), 0);
        let subject = Subject::job("c", aspect);
        host.problems.insert(subject.clone(), Problem::new(state, "no reason"));
        assert_eq!(host.minutes(1), 1);
        assert!(host.last().message.contains("- b: backup failed"), "{:?}", host.last());
        assert_eq!(host.last().jobs, ["a", "b", "c"]);
        host.problems.remove(&subject);
        assert_eq!(host.minutes(4), 0);
        assert_eq!(host.minutes(1), 1);
    }
}

/// Of what lasts is reminded every day, of all of it in one message; a message about something else does as well.
#[test]
fn what_lasts_is_told_every_day() {
    let mut host = Host::new();
    host.wrong("a", State::Failed);
    host.wrong("b", State::Late);
    assert_eq!(host.minutes(1), 1);
    assert_eq!(host.minutes(24 * 60 - 1), 0);
    for day in 1..=3 {
        assert_eq!(host.minutes(1), 1);
        assert_eq!(host.last().kind, Kind::Reminder);
        assert!(host.last().subject.contains("still wrong: a: backup failed, and 1 more"));
        let lasts = format!("(for {day} d)");
        assert!(host.last().message.contains(&lasts), "{:?}", host.last());
        assert_eq!(host.minutes(24 * 60 - 1), 0);
    }
    host.well("b");
    assert_eq!(host.minutes(1), 1);
    assert_eq!(host.minutes(24 * 60 - 1), 0);
    host.well("a");
    assert_eq!(host.minutes(7 * 24 * 60), 1);
}

/// What changes all the time is told six times a day at most, and that it does; once it stays as it is, how it is
/// gets told, too.
#[test]
fn no_storm() {
    let mut host = Host::new();
    let mut sent = 0;
    for _ in 0..24 * 6 {
        host.wrong("app", State::Failed);
        sent += host.minutes(5);
        host.well("app");
        sent += host.minutes(5);
    }
    assert_eq!(sent, 6);
    assert!(host.last().message.contains("it changes often"));
    host.wrong("app", State::Failed);
    assert!(host.minutes(24 * 60) >= 1);
    assert!(host.last().subject.contains("app: backup failed"), "{:?}", host.last());
}

/// A message that cannot be sent is kept and tried again, ever more seldom; what was wrong meanwhile is told
/// though it is over. The other channels tell that this one does not work, and that it works again.
#[test]
fn nothing_is_lost_while_a_channel_is_away() {
    let mut host = Host::new();
    host.names = vec!["command", "mail"];
    host.down = vec!["mail"];
    host.wrong("app", State::Failed);
    assert_eq!(host.minutes(1), 1);
    assert_eq!(host.minutes(6), 1);
    assert!(host.last().subject.contains("alerts by mail do not arrive"), "{:?}", host.last());
    host.well("app");
    assert_eq!(host.minutes(10), 1);
    assert_eq!(host.told.iter().filter(|(name, _)| *name == "mail").count(), 0);
    host.down.clear();
    // Both: the mail, and that mail arrives.
    assert_eq!(host.minutes(25), 2);
    let of_mail: Vec<_> = host.told.iter().filter(|(name, _)| *name == "mail").collect();
    assert_eq!(of_mail.len(), 1);
    assert!(of_mail[0].1.message.contains("it was: app: backup failed"), "{of_mail:?}");
    assert!(host.told.iter().any(|(_, it)| it.subject.contains("alerts by mail arrive again")));
    assert_eq!(host.minutes(600), 0);
}

/// What has to last before it is told is told then, with how it is by then, and never if it does not last.
#[test]
fn what_has_to_last_is_told_when_it_has() {
    let mut host = Host::new();
    let hour = std::time::Duration::from_hours(1);
    let subject = Subject::in_repository("app", "nas", Aspect::Age);
    let problem = Problem::new(State::Late, "there is none").after(hour);
    host.problems.insert(subject.clone(), problem.clone());
    assert_eq!(host.minutes(59), 0);
    host.problems.clear();
    assert_eq!(host.minutes(600), 0);
    host.problems.insert(subject, problem);
    // A message about something else does not tell it before its time.
    host.wrong("other", State::Failed);
    assert_eq!(host.minutes(60), 1);
    assert!(!host.last().message.contains("nas"), "{:?}", host.last());
    assert_eq!(host.minutes(2), 1);
    assert!(host.last().subject.ends_with("app in nas is late"), "{:?}", host.last());
}

/// A clock that is set back or forward by years makes nothing wait for years, and repeats a message at most.
#[test]
fn clocks_that_jump_stop_nothing() {
    for jump in [-3 * 365 * DAY, -DAY, -2 * MINUTE, DAY, 3 * 365 * DAY] {
        let mut host = Host::new();
        host.wrong("a", State::Failed);
        host.minutes(2);
        host.now.0 += jump;
        assert!(host.minutes(5) <= 1, "{jump}");
        host.wrong("b", State::Failed);
        host.minutes(6);
        assert!(host.last().message.contains("- b: backup failed"), "{jump}");
        // Also of a channel that was away.
        host.down = vec!["mail"];
        host.well("a");
        host.minutes(40);
        host.now.0 += jump;
        host.down.clear();
        host.minutes(16);
        assert!(host.last().message.contains("- a: backup is well again"), "{jump}");
    }
}

/// Whatever happens, in whichever order: what a reader believes after the last message is what is so, within the
/// five minutes and the pause of a channel that was away; there is never more than one message for what changed,
/// and one a day; every trouble was told by every channel at least once; and what was saved goes on as if it never
/// ended.
#[test]
fn whatever_happens_is_told() {
    for seed in 0..300 {
        let mut chance = Chance::new(seed);
        let mut host = Host::new();
        host.names = vec!["command", "mail"];
        let (mut changes, mut minutes) = (0, 0);
        let jobs = ["a", "b", "c"];
        let mut began = vec![];
        for _ in 0..40 {
            let job = jobs[chance.below(3)];
            let subject = Subject::job(job, Aspect::Backup);
            match chance.below(4) {
                0 if host.problems.contains_key(&subject) => {
                    host.well(job);
                    changes += 1;
                }
                1 if !host.problems.contains_key(&subject) => {
                    host.wrong(job, State::Failed);
                    began.push(job);
                    changes += 1;
                }
                2 => host.down = [vec![], vec!["mail"], vec!["command"]][chance.below(3)].clone(),
                _ => {}
            }
            host.now.0 -= 1;
            host.look(Batching::Batch);
            host.now.0 += 1;
            let wait = [0, 1, 3, 10, 60][chance.below(5)];
            host.minutes(wait);
            minutes += wait;
            let text = serde_json::to_vec(&host.memory).unwrap();
            let restored: Memory = serde_json::from_slice(&text).unwrap();
            assert_eq!(restored, host.memory, "seed {seed}");
            host.memory = restored;
        }
        host.down.clear();
        // Those that change often wait for a day.
        host.minutes(2 * 24 * 60);
        minutes += 2 * 24 * 60;
        let days = usize::try_from(minutes).unwrap() / (24 * 60) + 1;
        for name in &host.names {
            let told: Vec<&Notification> = host
                .told
                .iter()
                .filter(|(by, _)| by == name)
                .map(|(_, notification)| notification)
                .collect();
            for job in jobs {
                let (wrong, well) = (
                    format!("\n- {job}: backup failed"),
                    format!("\n- {job}: backup is well again"),
                );
                let last = told.iter().rev().find_map(|notification| {
                    let (wrong, well) = (
                        notification.message.contains(&wrong),
                        notification.message.contains(&well),
                    );
                    (wrong || well).then_some(wrong)
                });
                let is_wrong = host.problems.contains_key(&Subject::job(job, Aspect::Backup));
                assert_eq!(last.unwrap_or(false), is_wrong, "seed {seed}: {name}: {job}");
                let was_wrong = began.contains(&job);
                assert_eq!(last.is_some(), was_wrong, "seed {seed}: {name}: {job}");
            }
            // Changes of the channels themselves count, too.
            let most = 2 * changes + 2 * 40 + days;
            assert!(told.len() <= most, "seed {seed}: {} for {changes}", told.len());
        }
    }
}

/// A look at a part ends nothing of the rest; what is not there any more is neither wrong nor
/// well.
#[test]
fn what_was_not_looked_at_does_not_end() {
    let mut host = Host::new();
    host.wrong("app", State::Failed);
    assert_eq!(host.minutes(10), 1);
    let subject = Subject::job("app", Aspect::History);
    let part = Observation::Some([(subject.clone(), Problem::new(State::Forgotten, ""))].into());
    let sender = Sender { host: "web1".to_owned(), environment: None };
    host.memory.observe(&host.names, &part, host.now);
    let notification =
        host.memory.due(&host.names, Batching::Immediate, &sender, host.now).remove(0).1;
    assert!(notification.subject.ends_with("app: runs are not remembered"), "{notification:?}");
    assert!(notification.message.contains("Ongoing:\n- app: backup failed"), "{notification:?}");
    host.memory.answer("mail", None, host.now);
    host.memory.keep(&|it| it.aspect != Aspect::Backup);
    host.problems.clear();
    assert_eq!(host.minutes(10), 1);
    assert!(!host.last().message.contains("backup"), "{:?}", host.last());
    assert!(host.last().message.contains("app: runs are remembered again"));
}

/// A process that looks every minute tells once what it cannot save, and saves it when it can.
#[test]
fn what_cannot_be_saved_is_not_told_every_minute() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = format!("alert.command = \"echo told >>{}\"", path("told").display());
    let config = Config::parse(&text, &path("config.toml")).unwrap();
    let (env, state) = (Env::real(), path("state"));
    fs::create_dir(&state).unwrap();
    let watcher = Watcher::begin(&state);
    let alerter = Alerter::new(&config, "web1".to_owned(), &state, &env).watched_by(&watcher);
    // Nothing can be put in the place of a folder that has something in it.
    fs::create_dir_all(state.join("alerts.json/x")).unwrap();
    let look = || alerter.send_forgotten(["app"], "no reason", Batching::Batch).len();
    assert_eq!(look(), 2);
    assert_eq!(look(), 1);
    assert_eq!(fs::read_to_string(path("told")).unwrap(), "told\n");
    fs::remove_dir_all(state.join("alerts.json")).unwrap();
    assert_eq!(look(), 0);
    assert!(state.join("alerts.json").is_file());
    assert_eq!(fs::read_to_string(path("told")).unwrap(), "told\n");
}
