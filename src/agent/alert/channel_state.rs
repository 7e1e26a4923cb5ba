//! What one channel has sent, and what it is to send next: one message for each change of state, with the
//! changes of five minutes in one message unless one is urgent, and a reminder every day. Nothing
//! here reads the clock or sends anything.

use super::notification::{Kind, Notification, Parts, Sender};
use super::problem::{Aspect, Problem, Problems, State, Subject};
use crate::env::Time;
use crate::text::age;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long changes wait for others after a message, to go out together.
const GATHERED: Duration = Duration::from_mins(5);

/// How often is reminded of what lasts.
const REMINDED: Duration = Duration::from_hours(24);

/// How many changes of one thing are reported in a time of [`REMINDED`]; then it has to wait.
const CHANGES: usize = 6;

/// How long after a message could not be sent it is tried again: doubled each time, up to the second.
const AGAIN: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(15)];

/// Whether changes wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// It will be looked at again soon.
    Batch,
    /// It is not known when it will be looked at again.
    Immediate,
}

/// What a channel has reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelState {
    states: Vec<AlertState>,
    /// When the last message was sent.
    last: Option<Time>,
    /// Since when messages cannot be sent.
    failing: Option<Failing>,
}

/// What a channel has reported of one subject, and how it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AlertState {
    subject: Subject,
    /// What is wrong; nothing if all is well.
    current: Option<Problem>,
    /// Since when it is in this state.
    since: Time,
    /// What was reported of it last, and when.
    reported: Option<Problem>,
    reported_at: Option<Time>,
    /// What was wrong, and over before it was reported.
    unreported: Option<Problem>,
    /// When the last changes were reported.
    changes: Vec<Time>,
}

/// A channel that does not work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Failing {
    reason: String,
    tries: u32,
    again: Time,
}

impl ChannelState {
    /// What was wrong at the last look.
    pub fn problems(&self) -> Problems {
        let wrong = |it: &AlertState| Some((it.subject.clone(), it.current.clone()?));
        self.states.iter().filter_map(wrong).collect()
    }

    /// Forgets what is not there any more: it is neither wrong nor well.
    pub fn keep(&mut self, is_there: &dyn Fn(&Subject) -> bool) {
        self.states.retain(|state| is_there(&state.subject));
    }

    /// Sees how things are.
    pub fn observe(&mut self, problems: &Problems, now: Time) {
        for state in &mut self.states {
            state.observe(problems.get(&state.subject), now);
        }
        for (subject, problem) in problems {
            if !self.states.iter().any(|state| state.subject == *subject) {
                self.states.push(AlertState::new(subject.clone(), problem.clone(), now));
            }
        }
        self.states.retain_mut(|state| state.is_worth_keeping(now));
    }

    /// The message that is due, if one is.
    pub fn due(&self, patience: Batching, sender: &Sender, now: Time) -> Option<Notification> {
        if self.failing.as_ref().is_some_and(|failing| is_ahead(failing.again, now)) {
            return None;
        }
        let has_rested = patience == Batching::Immediate
            || self.last.is_none_or(|last| elapsed(last, now) >= GATHERED);
        let mut news = self.states.iter().filter(|it| it.is_news(now) && it.may_be_reported(now));
        let has_news = news.clone().next().is_some();
        let is_urgent = news.any(AlertState::is_urgent);
        let reminds = self.states.iter().any(|state| state.is_to_be_reminded(now));
        match (has_news && (has_rested || is_urgent), reminds) {
            (false, false) => None,
            (true, _) => Some(self.notification(sender, now)),
            (false, true) => {
                Some(Notification { kind: Kind::Reminder, ..self.notification(sender, now) })
            }
        }
    }

    fn notification(&self, sender: &Sender, now: Time) -> Notification {
        let mut parts = Parts::default();
        for state in &self.states {
            state.tell(&mut parts, now);
        }
        Notification::new(sender, &parts, now)
    }

    /// The message was sent.
    pub fn sent(&mut self, now: Time) {
        (self.last, self.failing) = (Some(now), None);
        self.states.iter_mut().for_each(|state| state.sent(now));
    }

    /// It was not, and is tried again later.
    pub fn not_sent(&mut self, reason: &str, now: Time) {
        let tries = self.failing.as_ref().map_or(0, |failing| failing.tries);
        let [first, most] = AGAIN;
        let pause = first.saturating_mul(1 << tries.min(8)).min(most);
        self.failing =
            Some(Failing { reason: reason.to_owned(), tries: tries + 1, again: now + pause });
    }

    /// That it does not work, for the other channels.
    pub fn problem(&self) -> Option<Problem> {
        self.failing.as_ref().map(|failing| Problem::new(State::Silent, &failing.reason))
    }
}

impl AlertState {
    fn new(subject: Subject, problem: Problem, now: Time) -> Self {
        AlertState {
            subject,
            current: Some(problem),
            since: now,
            reported: None,
            reported_at: None,
            unreported: None,
            changes: Vec::new(),
        }
    }

    fn observe(&mut self, problem: Option<&Problem>, now: Time) {
        if state(self.current.as_ref()) != state(problem) {
            if self.current.is_some() && self.is_unreported(now) {
                self.unreported = self.current.take();
            }
            self.since = now;
        }
        self.current = problem.cloned();
    }

    /// Whether the reader believes what is not so, and for long enough.
    fn is_unreported(&self, now: Time) -> bool {
        let min_duration =
            self.current.as_ref().map_or(Duration::ZERO, |problem| problem.min_duration);
        state(self.current.as_ref()) != state(self.reported.as_ref())
            && elapsed(self.since, now) >= min_duration
    }

    /// Whether there is something to tell.
    fn is_news(&self, now: Time) -> bool {
        self.is_unreported(now) || self.unreported.is_some()
    }

    /// Whether it waits for nothing else.
    fn is_urgent(&self) -> bool {
        let is = state(self.current.as_ref());
        is != state(self.reported.as_ref()) && matches!(is, Some(State::Damaged | State::Stopped))
    }

    /// Not where it changes all the time.
    fn may_be_reported(&self, now: Time) -> bool {
        self.changes.len() < CHANGES
            || self.changes.first().is_none_or(|first| elapsed(*first, now) >= REMINDED)
    }

    fn is_to_be_reminded(&self, now: Time) -> bool {
        let is_old = |reported: Time| elapsed(reported, now) >= REMINDED;
        self.current.is_some() && self.reported_at.is_some_and(is_old)
    }

    fn is_worth_keeping(&mut self, now: Time) -> bool {
        self.changes.retain(|change| elapsed(*change, now) < REMINDED);
        self.current.is_some() || self.is_news(now) || !self.changes.is_empty()
    }

    fn tell(&self, parts: &mut Parts, now: Time) {
        let subject = &self.subject;
        let often = match self.is_news(now) && self.changes.len() + 1 >= CHANGES {
            true => " (it changes often: the next change may be told a day later)",
            false => "",
        };
        let sentence = |problem: &Problem| match problem.reason.as_str() {
            "" => subject.describe(problem.state),
            reason => format!("{}: {reason}", subject.describe(problem.state)),
        };
        match (&self.current, self.reported.as_ref().or(self.unreported.as_ref())) {
            (Some(problem), _) if self.is_unreported(now) => {
                parts.news.push((
                    subject.describe(problem.state),
                    format!("{}{often}", sentence(problem)),
                ));
            }
            (Some(problem), Some(_)) => {
                let lasts = age(elapsed(self.since, now).as_secs_f64());
                parts.ongoing.push((
                    subject.describe(problem.state),
                    format!("{} (for {lasts})", sentence(problem)),
                ));
            }
            (None, Some(was)) => {
                let was = sentence(self.unreported.as_ref().unwrap_or(was));
                let text = format!("{}{often}; it was: {was}", subject.describe_well());
                parts.resolved.push((subject.describe_well(), text));
            }
            (_, None) => return,
        }
        if !matches!(subject.aspect, Aspect::Channel | Aspect::File) {
            parts.jobs.insert(subject.name.clone());
        }
    }

    fn sent(&mut self, now: Time) {
        if self.is_news(now) {
            self.changes.push(now);
            let more = self.changes.len().saturating_sub(CHANGES);
            self.changes.drain(..more);
        }
        self.unreported = None;
        if self.current.is_none() || self.is_unreported(now) || self.reported.is_some() {
            self.reported = self.current.clone();
        }
        self.reported_at = self.reported.is_some().then_some(now);
    }
}

fn state(problem: Option<&Problem>) -> Option<State> {
    problem.map(|problem| problem.state)
}

/// The time since then; for ever, if the clock was set back meanwhile: rather tell twice than never.
fn elapsed(then: Time, now: Time) -> Duration {
    if now < then { Duration::MAX } else { now.since(then) }
}

/// Whether this moment is still to come, by a clock that was not set back.
fn is_ahead(moment: Time, now: Time) -> bool {
    let [_, most] = AGAIN;
    now < moment && moment.since(now) <= most
}
