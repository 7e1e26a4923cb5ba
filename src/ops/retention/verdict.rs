//! Why a snapshot is kept, or goes.

use super::Rule;
use crate::ops::tag_list::TagList;
use crate::repo::Hold;
use std::fmt;

/// What becomes of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it stays; it goes if there is no reason.
    pub keep: Vec<Reason>,
    /// Why rules do not keep it.
    pub misses: Vec<Miss>,
}

/// Why a snapshot stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule keeps it.
    Rule(Rule),
    /// It is the oldest, and the rule still has room.
    Oldest(Rule),
    /// It has these tags.
    Tags(TagList),
    /// It has a hold.
    Held(Hold),
    /// Its claimed time is in the future or against the order of its series: no rule can place it.
    Doubtful,
    /// It was given up, and goes with its last hold.
    GivenUp,
    /// It is the last one of something, in words.
    Last(String),
}

/// Why a rule does not keep a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The rule keeps a newer one of the same period.
    Newer(Rule),
    /// It is older than what the rule keeps.
    Older(Rule),
}

impl Verdict {
    /// Whether the snapshot stays.
    pub fn stays(&self) -> bool {
        !self.keep.is_empty()
    }

    /// The reasons, each in words: why it stays, or why it goes.
    pub fn reasons(&self) -> Vec<String> {
        if self.stays() {
            return self.keep.iter().map(ToString::to_string).collect();
        }
        let (mut newer, mut older) = (Vec::new(), Vec::new());
        for miss in &self.misses {
            match miss {
                Miss::Newer(rule) if newer.contains(&rule.period.noun()) => {}
                Miss::Newer(rule) => newer.push(rule.period.noun()),
                Miss::Older(rule) => older.push(rule.to_string()),
            }
        }
        let newer =
            (!newer.is_empty()).then(|| format!("a newer one stays of its {}", newer.join(", ")));
        let older = (!older.is_empty()).then(|| format!("beyond {}", older.join(", ")));
        let reasons: Vec<String> = newer.into_iter().chain(older).collect();
        match reasons.is_empty() {
            true => vec!["no tag keeps it".to_owned()],
            false => reasons,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Rule(rule) => f.write_str(&rule.name()),
            Reason::Oldest(rule) => write!(f, "oldest, for {}", rule.name()),
            Reason::Tags(tags) => write!(f, "tag {tags}"),
            Reason::Held(hold) => hold.fmt(f),
            Reason::GivenUp => f.write_str("given up, goes with its last hold"),
            Reason::Doubtful => f.write_str("its time cannot be right"),
            Reason::Last(what) => f.write_str(what),
        }
    }
}
