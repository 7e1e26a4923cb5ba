//! What servers and connections complain of, in this program's words. What they say themselves is
//! repeated only where it is known to hold no secret.

use super::words::{Answer, Meaning, Words};
use crate::error::{Error, Kind};
use opendal::ErrorKind;
use rustls::Error as TlsError;
use std::error::Error as Cause;
use std::io;
use std::time::Duration;

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// No answer came in this time.
    Late(Duration),
    /// The server refused, or there was no way to ask it.
    Said(opendal::Error),
}

impl From<opendal::Error> for Fault {
    fn from(error: opendal::Error) -> Self {
        Fault::Said(error)
    }
}

/// Letters of a server's own words that are repeated.
const WORDS: usize = 200;

impl Fault {
    /// Whether this is a server's answer.
    pub(super) fn is_answer(&self) -> bool {
        self.status().is_some()
    }

    /// Whether the server answered with this.
    pub(super) fn is(&self, kind: ErrorKind) -> bool {
        matches!(self, Fault::Said(error) if error.kind() == kind)
    }

    /// Whether other bytes came than those that were asked for.
    pub(super) fn is_misfit(&self) -> bool {
        let Fault::Said(error) = self else { return false };
        let is_odd = |words: &&str| error.message().starts_with(words);
        error.kind() == ErrorKind::RangeNotSatisfied
            || self.status() == Some(416)
            || ["reader got", "header content range"].iter().any(is_odd)
    }

    /// Whether the bucket has nothing of what was asked for, and is there.
    pub(super) fn is_of_absence(&self) -> bool {
        let is_named = |code: &str| code != "NoSuchBucket" && code.starts_with("NoSuch");
        self.code().is_some_and(|code| is_named(code) || code.ends_with("NotFoundError"))
    }

    /// Whether the server takes what was asked for to make no sense there.
    pub(super) fn is_of_request(&self) -> bool {
        self.status() == Some(400)
    }

    /// Whether the server cannot do what was asked for.
    pub(super) fn is_not_implemented(&self) -> bool {
        self.code() == Some("NotImplemented") || self.status() == Some(501)
    }

    /// What the server complains of.
    fn answer(&self) -> Option<Answer<'_>> {
        let Fault::Said(error) = self else { return None };
        let code = self.code().unwrap_or_default();
        let message = self.said("message").unwrap_or_else(|| error.message());
        Some(Answer { status: self.status(), code, message })
    }

    /// The error code in a server's answer, or what stands in its place.
    fn code(&self) -> Option<&str> {
        self.said("code").or_else(|| self.said("reason"))
    }

    /// What a server's answer says under this name; the answer was written into the message.
    fn said(&self, name: &str) -> Option<&str> {
        let Fault::Said(error) = self else { return None };
        let (_, rest) = error.message().split_once(&format!("{name}: \""))?;
        rest.split_once('"').map(|(said, _)| said).filter(|said| !said.is_empty())
    }

    /// The status of a server's answer.
    fn status(&self) -> Option<u16> {
        let Fault::Said(error) = self else { return None };
        let text = error.to_string();
        let (_, rest) = text.split_once("status: ")?;
        rest.get(..3)?.parse().ok()
    }

    /// The server's own words.
    fn words(&self) -> String {
        let words: String = self.said("message").unwrap_or_default().chars().take(WORDS).collect();
        match (self.code(), self.status()) {
            (Some(code), _) => format!("the store says {code}: {words}"),
            (None, Some(status)) => format!("the store answers with status {status}"),
            (None, None) => "the request failed".to_owned(),
        }
    }

    /// The same as one of this program's errors. A server that has been `heard` is known to exist.
    pub(super) fn told(
        &self,
        attempted: &str,
        subject: &str,
        service: &dyn Words,
        heard: bool,
    ) -> Error {
        let error = |kind, reason: &str| Error::new(kind, attempted, subject).because(reason);
        let away = |reason: &str| Error::unavailable(attempted, subject, reason);
        let denied = |reason: &str| error(Kind::Denied, reason).hint(service.credentials().looked);
        let said = match self {
            Fault::Late(after) => return away(&format!("no answer came within {after:?}")),
            Fault::Said(said) => said,
        };
        match self.answer().and_then(|answer| service.meaning(&answer)) {
            Some(Meaning::NoObject) => return error(Kind::NotFound, "there is no such object"),
            Some(Meaning::NoPlace) => {
                return error(Kind::NoRepository, &service.absence())
                    .hint("check its name and its server, or make it there first");
            }
            Some(Meaning::Denied) => return denied(&self.words()),
            Some(Meaning::WrongClock) => {
                return error(Kind::Denied, "this machine's clock is too far from the store's")
                    .hint("set this machine's clock");
            }
            Some(Meaning::Full) => return Error::no_space(attempted, subject, self.words()),
            Some(Meaning::Misplaced(cure)) => {
                return error(Kind::InvalidInput, &self.words()).hint(cure);
            }
            None => {}
        }
        // Credentials are looked for on the network, too, and no server was found there.
        if is_of_signing(said) && !service.credentials().found {
            return denied("no credentials were found");
        }
        match of_tls(said) {
            Some(TlsError::InvalidCertificate(problem)) => {
                let reason = format!("the server's certificate is not trusted: {problem}");
                return error(Kind::Failed, &reason)
                    .hint("-o cacert=FILE names the authorities to trust instead of the system's");
            }
            Some(TlsError::InvalidMessage(_)) => {
                return error(Kind::Failed, "the server does not speak TLS there")
                    .hint("write http:// if the line to it needs no protection");
            }
            _ => {}
        }
        if let Some(unknown) = unresolved(said) {
            let reason = "the server's name does not resolve";
            return match unknown && !heard {
                true => error(Kind::NoRepository, reason).hint("check the name of the server"),
                false => away(reason),
            };
        }
        match (said.kind(), self.status()) {
            (_, Some(507)) => Error::no_space(attempted, subject, "the store is full"),
            (_, Some(401)) | (ErrorKind::PermissionDenied, _) => denied(&self.words()),
            (ErrorKind::NotFound, _) => {
                error(Kind::Failed, "the server does not say what is missing")
                    .hint(format!("see that what answers there speaks {}", service.name()))
            }
            (ErrorKind::RateLimited | ErrorKind::Conflict, _) | (_, Some(429 | 500..)) => {
                away(&self.words())
            }
            _ if said.is_temporary() || is_of_line(said) => away(&root_of(said)),
            _ if is_of_signing(said) => denied("no credentials were found"),
            (_, Some(_)) => error(Kind::Failed, &self.words()),
            (_, None) => error(Kind::Failed, &root_of(said)),
        }
    }
}

/// The errors beneath one.
fn causes(error: &opendal::Error) -> impl Iterator<Item = &(dyn Cause + 'static)> {
    std::iter::successors(error.source(), |cause| beneath(*cause))
}

fn beneath<'c>(cause: &'c (dyn Cause + 'static)) -> Option<&'c (dyn Cause + 'static)> {
    match cause.downcast_ref::<io::Error>() {
        // Its source would be that of what it holds.
        Some(outer) => outer.get_ref().map(|inner| inner as _),
        None => cause.source(),
    }
}

fn of_tls(error: &opendal::Error) -> Option<&TlsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether a server's name could not be resolved, and then, whether nobody knows it.
fn unresolved(error: &opendal::Error) -> Option<bool> {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    let is_said = |words: &str| texts.iter().any(|text| text.contains(words));
    is_said("failed to lookup address").then(|| {
        is_said("Name or service not known") || is_said("No address associated with hostname")
    })
}

/// Whether credentials could not be fetched from where they are given out.
fn is_of_line(error: &opendal::Error) -> bool {
    let beneath = causes(error).find_map(|cause| cause.downcast_ref::<opendal::Error>());
    beneath.is_some_and(opendal::Error::is_temporary)
}

fn is_of_signing(error: &opendal::Error) -> bool {
    error.message().contains("signing")
}

/// The first cause of all.
fn root_of(error: &opendal::Error) -> String {
    let last = causes(error).last().map(ToString::to_string);
    last.unwrap_or_else(|| error.message().to_owned()).chars().take(WORDS).collect()
}
