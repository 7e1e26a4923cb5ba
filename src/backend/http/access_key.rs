//! What opens a bucket, where a command names it and it is not taken from the environment.

use crate::backend::options::Options;
use reqsign_aws_v4::StaticCredentialProvider;
use std::fmt;

/// A key of S3. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct AccessKey {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl AccessKey {
    /// Those that are given with the options.
    pub(super) fn given(options: &Options) -> Option<Self> {
        let given = |name| options.given(name).map(str::to_owned);
        Some(AccessKey {
            id: given("AWS_ACCESS_KEY_ID")?,
            secret: given("AWS_SECRET_ACCESS_KEY")?,
            token: given("AWS_SESSION_TOKEN"),
        })
    }

    /// The same for what signs requests.
    pub(super) fn provider(&self) -> StaticCredentialProvider {
        let provider = StaticCredentialProvider::new(&self.id, &self.secret);
        match &self.token {
            Some(token) => provider.with_session_token(token),
            None => provider,
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}
