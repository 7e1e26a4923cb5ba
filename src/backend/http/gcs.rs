//! A bucket of Google Cloud Storage.

use super::dialect::{Dialect, RULES, UNTRIED};
use super::spot::{Spot, server_of};
use super::variables::Credentials;
use super::wire::Wire;
use super::words::{Answer, Meaning, Words};
use crate::backend::options::Options;
use crate::error::{Error, Kind, Result};
use opendal::Operator;
use opendal::services::Gcs as Builder;
use std::fmt;

/// Where a bucket is, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gcs {
    spot: Spot,
    /// Google's own if there is none.
    endpoint: Option<String>,
}

/// The scheme, and the name of the options that are meant for it.
pub(super) const SCHEME: &str = "gs";

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

impl Gcs {
    /// Reads what follows `gs:`: `//bucket/prefix`, or as restic writes it `bucket:/prefix`.
    pub(super) fn parse(text: &str, options: &Options) -> Result<Self> {
        let endpoint = options.of(SCHEME)?.get("endpoint");
        let server = endpoint.map(|text| server_of(SCHEME, text).map(|(server, _)| server));
        Ok(Gcs { spot: Spot::parse_either(SCHEME, text)?, endpoint: server.transpose()? })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        Gcs { spot: self.spot.below(name), ..self.clone() }
    }
}

impl Words for Gcs {
    fn name(&self) -> &'static str {
        "Google Cloud Storage"
    }

    fn absence(&self) -> String {
        format!("there is no bucket named {}", self.spot.bucket)
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(
            &[CREDENTIALS],
            ", from what `gcloud auth application-default login` leaves, or from the machine's account at \
             Google",
        )
    }

    fn meaning(&self, answer: &Answer<'_>) -> Option<Meaning> {
        let says = |words: &str| answer.message.contains(words);
        // Both have the same code, and where content is asked for, none.
        Some(match answer.status? {
            404 if says("No such object") => Meaning::NoObject,
            404 if says("bucket does not exist") => Meaning::NoPlace,
            401 | 403 if answer.code != "rateLimitExceeded" => Meaning::Denied,
            _ => return None,
        })
    }
}

impl Dialect for Gcs {
    fn operator(&self, wire: &Wire) -> Result<Operator> {
        let mut builder = Builder::default().bucket(&self.spot.bucket).root(&self.spot.prefix);
        if let Some(endpoint) = &self.endpoint {
            // A machine's account is for Google alone.
            builder = builder.endpoint(endpoint).disable_vm_metadata();
        }
        let operator = Operator::new(builder).map_err(|cause| {
            Error::new(Kind::InvalidInput, "use", self).because(cause.message())
        })?;
        Ok(operator.with_context(wire.context()))
    }

    fn unseen(&self) -> &'static [&'static str] {
        &[UNTRIED, RULES]
    }
}

impl fmt::Display for Gcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}://{}", self.spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::http::spot;

    /// Each spelling means its bucket and prefix, and is shown so that it can be written again; what
    /// names no bucket is refused.
    #[test]
    fn places_are_read() {
        let parse = |text: &str| Gcs::parse(text, &Options::default());
        spot::assert_reads_places(SCHEME, parse, Gcs::below);
    }
}
