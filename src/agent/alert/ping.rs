//! Pings: requests to an outside service that raises an alarm when they stop coming (a dead-man's switch).

use super::{http, sending};
use crate::agent::config::Alert;
use crate::agent::report::Outcome;
use crate::agent::status::{JobStatus, RepositoryStatus};
use crate::error::{Error, Kind, Result};
use crate::postgres::Environment;
use std::collections::BTreeMap;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long the one at the end of a run may take, with further tries after these pauses.
const DEADLINE: Duration = Duration::from_secs(12);
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// How long the one at its beginning may take, for which a short run waits; it is tried once.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// How errors name it.
const NAME: &str = "the URL of `ping`";

/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// A run begins.
    Start,
    /// It is over, and all is well with its job.
    Success,
    /// It failed, or something is wrong with its job.
    Failure,
}

impl Ping {
    /// The one for the end of a run. A run that failed because a store could not be reached
    /// counts as a success as long as every repository is within its `rpo`.
    pub fn of_end(outcome: Outcome, job: Option<&JobStatus>) -> Self {
        let is_on_time = |place: &RepositoryStatus| place.rpo.is_some() && !place.is_late;
        match job {
            _ if outcome == Outcome::Done => Ping::Success,
            Some(job) if job.repositories.iter().all(is_on_time) => Ping::Success,
            _ => Ping::Failure,
        }
    }

    /// Sends it for a job; nothing where the file has no `ping`.
    pub fn send(
        self,
        alert: &Alert,
        job: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<()> {
        let Some(text) = &alert.ping else { return Ok(()) };
        let text = text.value.expand(variables)?.replace("{{job}}", job);
        let mut url = http::address(&text, "the address of `ping`")?;
        let word = match self {
            Ping::Start => Some("start"),
            Ping::Success => None,
            Ping::Failure => Some("fail"),
        };
        if let (Some(word), Ok(mut path)) = (word, url.path_segments_mut()) {
            path.pop_if_empty().push(word);
        }
        let client = http::client()?;
        let (pauses, deadline) = match self {
            Ping::Start => (&[][..], START_DEADLINE),
            Ping::Success | Ping::Failure => (&PAUSES[..], DEADLINE),
        };
        let tries = async {
            for pause in pauses {
                match http::send(client.get(url.clone()), NAME).await {
                    Err(error) if error.kind() == Kind::Unavailable => sleep(*pause).await,
                    done => return done,
                }
            }
            http::send(client.get(url), NAME).await
        };
        let late = || {
            Error::new(Kind::Unavailable, "reach", NAME)
                .because(format!("it did not answer within {} s", deadline.as_secs()))
        };
        sending::wait(async { timeout(deadline, tries).await.unwrap_or_else(|_| Err(late())) })
    }
}

/// Whether a text, as it stands in the file, can be the address of pings: what its variables hold is known at run
/// time only.
pub fn can_be_pinged(text: &str) -> bool {
    let text = text.trim().replace("{{job}}", "job");
    match text.split_once("${") {
        None => http::address(&text, NAME).is_ok(),
        Some((before, _)) => {
            before.is_empty() || ["http://", "https://"].iter().any(|it| before.starts_with(it))
        }
    }
}

/// A ping on its way, for which nobody waits.
pub struct Pinging(Option<JoinHandle<Result<()>>>);

impl Pinging {
    /// Sends one, if one is to be sent.
    pub fn begin(ping: Ping, alert: Option<&Alert>, job: &str) -> Self {
        let Some(alert) = alert.filter(|alert| alert.ping.is_some()).cloned() else {
            return Pinging(None);
        };
        let job = job.to_owned();
        let send = move || ping.send(&alert, &job, &Environment::of_process().variables);
        // Without a thread it is not sent; the run matters more.
        Pinging(Builder::new().spawn(send).ok())
    }

    /// Waits until it was sent, which is long ago as a rule.
    ///
    /// # Errors
    /// If it did not arrive.
    pub fn end(self) -> Result<()> {
        self.0.and_then(|sending| sending.join().ok()).unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses of HTTP can be pinged, also where variables hold a part of them or the whole; nothing else can.
    #[test]
    fn addresses_are_told_from_other_texts() {
        for (text, can) in [
            ("https://hc-ping.com/1", true),
            ("http://127.0.0.1:1/{{job}}", true),
            ("https://{{job}}.example.com", true),
            ("${URL}", true),
            ("https://${HOST}:${PORT}/1", true),
            ("hc-ping.com/1", false),
            ("ftp://hc-ping.com/1", false),
            ("hc-ping.com/${KEY}", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(can_be_pinged(text), can, "{text}");
        }
    }
}
