//! A message: what is new, what is resolved, and what goes on.

use crate::env::Time;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// The most lines of each part.
const LINES: usize = 30;

/// Whom messages come from.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The machine.
    pub host: String,
    /// What it is there for.
    pub environment: Option<String>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something went wrong.
    Problem,
    /// Something is well again.
    Resolved,
    /// Something still is wrong.
    Reminder,
    /// Nothing: a test that messages arrive.
    Test,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Problem => "problem",
            Kind::Resolved => "resolved",
            Kind::Reminder => "reminder",
            Kind::Test => "test",
        })
    }
}

/// A message.
#[derive(Clone, Debug, Serialize)]
pub struct Notification {
    /// What it is about.
    pub kind: Kind,
    /// It in a line.
    pub subject: String,
    /// It in full.
    pub message: String,
    /// The jobs that it is about.
    pub jobs: Vec<String>,
    /// The machine that it comes from.
    pub host: String,
    /// What that is there for.
    pub environment: String,
}

/// What a message says: lines, short and in full.
#[derive(Debug, Default)]
pub struct Parts {
    /// What went wrong.
    pub news: Vec<(String, String)>,
    /// What is resolved.
    pub resolved: Vec<(String, String)>,
    /// What was reported before, and goes on.
    pub ongoing: Vec<(String, String)>,
    /// The jobs that they are about.
    pub jobs: BTreeSet<String>,
}

impl Notification {
    /// Of these parts.
    pub fn new(sender: &Sender, parts: &Parts, now: Time) -> Self {
        let Parts { news, resolved, ongoing, jobs } = parts;
        let (kind, gist) = match (news.as_slice(), resolved.as_slice()) {
            ([], []) => (Kind::Reminder, format!("still wrong: {}", gist(ongoing))),
            ([], _) => (Kind::Resolved, gist(resolved)),
            (_, []) => (Kind::Problem, gist(news)),
            _ => (Kind::Problem, format!("{}; {}", gist(news), gist(resolved))),
        };
        let mut message = format!("{}, {now}\n", sender.title());
        for (title, lines) in [("New", news), ("Resolved", resolved), ("Ongoing", ongoing)] {
            // Writing to a text does not fail.
            let _ = match lines.len() {
                0 => continue,
                _ => write!(message, "\n{title}:\n"),
            };
            for (_, line) in lines.iter().take(LINES) {
                let _ = writeln!(message, "- {line}");
            }
            if lines.len() > LINES {
                let _ = writeln!(message, "- and {} more", lines.len() - LINES);
            }
        }
        message.push_str("\n`icecore status` shows all of it.\n");
        Notification::of(sender, kind, &gist, message, jobs.iter().cloned().collect())
    }

    /// One that says nothing but that messages arrive.
    pub fn test(sender: &Sender, now: Time) -> Self {
        let message = format!(
            "{}, {now}\n\nThis is a test: messages of icecore arrive here. Nothing is wrong.\n",
            sender.title()
        );
        Notification::of(sender, Kind::Test, "a test, nothing is wrong", message, Vec::new())
    }

    fn of(sender: &Sender, kind: Kind, gist: &str, message: String, jobs: Vec<String>) -> Self {
        Notification {
            kind,
            subject: format!("icecore, {}: {gist}", sender.title()),
            message,
            jobs,
            host: sender.host.clone(),
            environment: sender.environment.clone().unwrap_or_default(),
        }
    }
}

impl Sender {
    /// `web1 (production)`.
    fn title(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{} ({environment})", self.host),
            None => self.host.clone(),
        }
    }
}

/// The first line, and how many more there are.
fn gist(lines: &[(String, String)]) -> String {
    match lines {
        [] => String::new(),
        [(one, _)] => one.clone(),
        [(first, _), others @ ..] => format!("{first}, and {} more", others.len()),
    }
}
