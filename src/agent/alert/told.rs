//! What one channel has sent, and what it is to send next: one message for each change of state, with the
//! changes of five minutes in one message unless one is urgent, and a reminder every day. Nothing
//! here reads the clock or sends anything.

use super::notification::{Kind, Notification, Parts, Sender};
use super::trouble::{Matter, State, Subject, Trouble, Troubles};
use crate::env::Time;
use crate::text::age;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long changes wait for others after a message, to go out together.
const GATHERED: Duration = Duration::from_mins(5);

/// How often is reminded of what lasts.
const REMINDED: Duration = Duration::from_hours(24);

/// How many changes of one thing are told in a time of [`REMINDED`]; then it has to wait.
const CHANGES: usize = 6;

/// How long after a message could not be sent it is tried again: doubled each time, up to the second.
const AGAIN: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(15)];

/// Whether changes wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It will be looked at again soon.
    Gather,
    /// It is not known when it will be looked at again.
    AtOnce,
}

/// What a channel has told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    standings: Vec<Standing>,
    /// When the last message was sent.
    last: Option<Time>,
    /// Since when messages cannot be sent.
    failing: Option<Failing>,
}

/// How things stand with one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Standing {
    subject: Subject,
    /// What is wrong; nothing if all is well.
    is: Option<Trouble>,
    /// Since when it is in this state.
    since: Time,
    /// What was told of it last, and when.
    told: Option<Trouble>,
    told_at: Option<Time>,
    /// What was wrong, and over before it was told.
    missed: Option<Trouble>,
    /// When the last changes were told.
    changes: Vec<Time>,
}

/// A channel that does not work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Failing {
    reason: String,
    tries: u32,
    again: Time,
}

impl Told {
    /// What was wrong at the last look.
    pub fn troubles(&self) -> Troubles {
        let wrong = |it: &Standing| Some((it.subject.clone(), it.is.clone()?));
        self.standings.iter().filter_map(wrong).collect()
    }

    /// Forgets what is not there any more: it is neither wrong nor well.
    pub fn keep(&mut self, is_there: &dyn Fn(&Subject) -> bool) {
        self.standings.retain(|standing| is_there(&standing.subject));
    }

    /// Sees how things are.
    pub fn observe(&mut self, troubles: &Troubles, now: Time) {
        for standing in &mut self.standings {
            standing.observe(troubles.get(&standing.subject), now);
        }
        for (subject, trouble) in troubles {
            if !self.standings.iter().any(|standing| standing.subject == *subject) {
                self.standings.push(Standing::new(subject.clone(), trouble.clone(), now));
            }
        }
        self.standings.retain_mut(|standing| standing.is_worth_keeping(now));
    }

    /// The message that is due, if one is.
    pub fn due(&self, patience: Patience, sender: &Sender, now: Time) -> Option<Notification> {
        if self.failing.as_ref().is_some_and(|failing| is_ahead(failing.again, now)) {
            return None;
        }
        let has_rested = patience == Patience::AtOnce
            || self.last.is_none_or(|last| elapsed(last, now) >= GATHERED);
        let mut news = self.standings.iter().filter(|it| it.is_news(now) && it.may_be_told(now));
        let has_news = news.clone().next().is_some();
        let is_urgent = news.any(Standing::is_urgent);
        let reminds = self.standings.iter().any(|standing| standing.is_to_be_reminded(now));
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
        for standing in &self.standings {
            standing.tell(&mut parts, now);
        }
        Notification::new(sender, &parts, now)
    }

    /// The message was sent.
    pub fn sent(&mut self, now: Time) {
        (self.last, self.failing) = (Some(now), None);
        self.standings.iter_mut().for_each(|standing| standing.sent(now));
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
    pub fn trouble(&self) -> Option<Trouble> {
        self.failing.as_ref().map(|failing| Trouble::new(State::Silent, &failing.reason))
    }
}

impl Standing {
    fn new(subject: Subject, trouble: Trouble, now: Time) -> Self {
        Standing {
            subject,
            is: Some(trouble),
            since: now,
            told: None,
            told_at: None,
            missed: None,
            changes: Vec::new(),
        }
    }

    fn observe(&mut self, trouble: Option<&Trouble>, now: Time) {
        if state(self.is.as_ref()) != state(trouble) {
            if self.is.is_some() && self.is_untold(now) {
                self.missed = self.is.take();
            }
            self.since = now;
        }
        self.is = trouble.cloned();
    }

    /// Whether the reader believes what is not so, and for long enough.
    fn is_untold(&self, now: Time) -> bool {
        let patience = self.is.as_ref().map_or(Duration::ZERO, |trouble| trouble.patience);
        state(self.is.as_ref()) != state(self.told.as_ref()) && elapsed(self.since, now) >= patience
    }

    /// Whether there is something to tell.
    fn is_news(&self, now: Time) -> bool {
        self.is_untold(now) || self.missed.is_some()
    }

    /// Whether it waits for nothing else.
    fn is_urgent(&self) -> bool {
        let is = state(self.is.as_ref());
        is != state(self.told.as_ref()) && matches!(is, Some(State::Damaged | State::Stopped))
    }

    /// Not where it changes all the time.
    fn may_be_told(&self, now: Time) -> bool {
        self.changes.len() < CHANGES
            || self.changes.first().is_none_or(|first| elapsed(*first, now) >= REMINDED)
    }

    fn is_to_be_reminded(&self, now: Time) -> bool {
        let is_old = |told: Time| elapsed(told, now) >= REMINDED;
        self.is.is_some() && self.told_at.is_some_and(is_old)
    }

    fn is_worth_keeping(&mut self, now: Time) -> bool {
        self.changes.retain(|change| elapsed(*change, now) < REMINDED);
        self.is.is_some() || self.is_news(now) || !self.changes.is_empty()
    }

    fn tell(&self, parts: &mut Parts, now: Time) {
        let subject = &self.subject;
        let often = match self.is_news(now) && self.changes.len() + 1 >= CHANGES {
            true => " (it changes often: the next change may be told a day later)",
            false => "",
        };
        let sentence = |trouble: &Trouble| match trouble.reason.as_str() {
            "" => subject.is(trouble.state),
            reason => format!("{}: {reason}", subject.is(trouble.state)),
        };
        match (&self.is, self.told.as_ref().or(self.missed.as_ref())) {
            (Some(trouble), _) if self.is_untold(now) => {
                parts
                    .news
                    .push((subject.is(trouble.state), format!("{}{often}", sentence(trouble))));
            }
            (Some(trouble), Some(_)) => {
                let lasts = age(elapsed(self.since, now).as_secs_f64());
                parts.lasting.push((
                    subject.is(trouble.state),
                    format!("{} (for {lasts})", sentence(trouble)),
                ));
            }
            (None, Some(was)) => {
                let was = sentence(self.missed.as_ref().unwrap_or(was));
                let text = format!("{}{often}; it was: {was}", subject.is_well());
                parts.over.push((subject.is_well(), text));
            }
            (_, None) => return,
        }
        if !matches!(subject.matter, Matter::Channel | Matter::File) {
            parts.jobs.insert(subject.name.clone());
        }
    }

    fn sent(&mut self, now: Time) {
        if self.is_news(now) {
            self.changes.push(now);
            let more = self.changes.len().saturating_sub(CHANGES);
            self.changes.drain(..more);
        }
        self.missed = None;
        if self.is.is_none() || self.is_untold(now) || self.told.is_some() {
            self.told = self.is.clone();
        }
        self.told_at = self.told.is_some().then_some(now);
    }
}

fn state(trouble: Option<&Trouble>) -> Option<State> {
    trouble.map(|trouble| trouble.state)
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
