//! The one error type: a kind, what was attempted, on what, why, and what to try.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

/// What sort of failure this is. The kind decides the exit code and whether a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Anything that has no kind of its own.
    Failed,
    /// The object, file or snapshot is not there, for certain.
    NotFound,
    /// Something already stands where a new thing was to be made.
    AlreadyExists,
    /// Stored bytes are not what they must be: rot, truncation, a swap or a forgery.
    Damaged,
    /// The secret opens none of the key slots.
    WrongKey,
    /// There is no repository at the place that was named.
    NoRepository,
    /// Another process holds what is needed (a database lock, a fence).
    Locked,
    /// A newer format, an unknown feature, or a platform that cannot do it.
    Unsupported,
    /// What the user or caller asked for makes no sense.
    InvalidInput,
    /// Understood, possible, and refused because it would put data at risk.
    Refused,
    /// A collector gave this writer up before it committed; it has to start again.
    Fenced,
    /// The disk or the quota is full.
    NoSpace,
    /// The operating system or the store denied it.
    Denied,
    /// The store did not answer, or not this time: nothing is known of what was asked for, and
    /// asking again may help. Never damage.
    Unavailable,
    /// A source changed, or could not be read, while it was captured.
    SourceChanged,
    /// The user asked to stop.
    Interrupted,
}

impl Kind {
    /// Whether nothing is known of what could not be had: it may be there, and sound.
    pub fn says_nothing(self) -> bool {
        matches!(self, Kind::Unavailable | Kind::Denied)
    }
}

/// `Result` with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its story: what was attempted, on what, and why it failed.
#[derive(Debug)]
pub struct Error(Box<Story>);

#[derive(Debug)]
struct Story {
    kind: Kind,
    attempted: String,
    subject: String,
    reason: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` from attempting `attempted` ("read", "open the index") on `subject`.
    pub fn new(kind: Kind, attempted: impl Into<String>, subject: impl fmt::Display) -> Self {
        Error(Box::new(Story {
            kind,
            attempted: attempted.into(),
            subject: subject.to_string(),
            reason: String::new(),
            hint: None,
            source: None,
        }))
    }

    /// Shorthand for stored bytes that are not what they must be.
    pub fn damaged(
        attempted: impl Into<String>,
        subject: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Error::new(Kind::Damaged, attempted, subject).because(reason)
    }

    /// Shorthand for a store that did not answer this time.
    pub fn unavailable(
        attempted: impl Into<String>,
        subject: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Error::new(Kind::Unavailable, attempted, subject).because(reason).hint(TRY_AGAIN)
    }

    /// Shorthand for a disk or a store that is full.
    pub fn no_space(
        attempted: impl Into<String>,
        subject: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Error::new(Kind::NoSpace, attempted, subject).because(reason).hint(MAKE_ROOM)
    }

    /// What helps where a store does not answer, unless a hint is there already.
    pub fn with_retry_hint(mut self) -> Self {
        self.0.hint.get_or_insert_with(|| TRY_AGAIN.to_owned());
        self
    }

    /// Why it failed, in words.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = reason.into();
        self
    }

    /// What the user can try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The error underneath.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Wraps this error in what was being attempted further out; kind and hint stay.
    pub fn within(self, attempted: impl Into<String>, subject: impl fmt::Display) -> Self {
        let kind = self.0.kind;
        let hint = self.0.hint.clone();
        let mut outer = Error::new(kind, attempted, subject).caused_by(self);
        outer.0.hint = hint;
        outer
    }

    /// The same failure as something else was attempted, or of something else: for errors from
    /// below that know neither.
    pub fn retold(mut self, attempted: impl Into<String>, subject: impl fmt::Display) -> Self {
        self.0.attempted = attempted.into();
        self.0.subject = subject.to_string();
        self
    }

    /// Why it failed, without what was attempted; empty if nothing is known.
    pub fn why(&self) -> String {
        let source = self.0.source.as_ref().map(ToString::to_string).unwrap_or_default();
        match (self.0.reason.is_empty(), source.is_empty()) {
            (true, _) => source,
            (_, true) => self.0.reason.clone(),
            _ => format!("{}: {source}", self.0.reason),
        }
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What the user can try, if anything is known to help.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The thing that it happened to.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }
}

impl fmt::Display for Error {
    /// One line, the causes after it: `cannot read packs/ab..: short object: unexpected end`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.0.attempted)?;
        if !self.0.subject.is_empty() {
            write!(f, " {}", self.0.subject)?;
        }
        if !self.0.reason.is_empty() {
            write!(f, ": {}", self.0.reason)?;
        }
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    // The causes are part of the message already; a reporter that walks sources would repeat them.
}

/// Attaches what was attempted and on what to a foreign error, at the call that knows it.
pub trait Attempt<T> {
    /// Turns the error into ours: "cannot `attempted` `subject`: ...".
    fn attempt(self, attempted: &str, subject: impl fmt::Display) -> Result<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, attempted: &str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|source| match source.downcast::<Error>() {
            // From below a seam that knows only system calls.
            Ok(known) => known.retold(attempted, subject),
            Err(source) => match kind_of_io(&source) {
                Kind::NoSpace => Error::no_space(attempted, subject, ""),
                kind => Error::new(kind, attempted, subject),
            }
            .caused_by(source),
        })
    }
}

/// What an error says, and what the causes underneath it say besides.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut deeper = error.source();
    while let Some(cause) = deeper {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(&format!(": {more}"));
        }
        deeper = cause.source();
    }
    text
}

/// What helps where something is [`Kind::Unavailable`].
const TRY_AGAIN: &str = "nothing is known to be wrong with what is stored: see that the store can \
                         be reached, and try again";

/// What helps where something is [`Kind::NoSpace`].
const MAKE_ROOM: &str =
    "make room there; where a repository is full, by `icecore forget` and `icecore prune`";

/// `EIO` is no [`Kind::Unavailable`], though some network file systems say so of a server that is
/// away: a failing disk says the same, and is not to be asked again and again.
fn kind_of_io(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::AlreadyExists => Kind::AlreadyExists,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
        io::ErrorKind::Unsupported => Kind::Unsupported,
        // EINTR, EAGAIN, ETIMEDOUT, ESTALE (a new look by name finds the file), and the network's.
        io::ErrorKind::Interrupted
        | io::ErrorKind::WouldBlock
        | io::ErrorKind::TimedOut
        | io::ErrorKind::StaleNetworkFileHandle
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NotConnected => Kind::Unavailable,
        _ => Kind::Failed,
    }
}
