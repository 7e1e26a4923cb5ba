//! A bucket of Backblaze B2, by its own interface, which creates nothing exclusively. The one of S3
//! that B2 has, too, is the better one.

use super::dialect::{Creation, Dialect, RULES, UNTRIED};
use super::fault::Fault;
use super::spot::Spot;
use super::variables::{Credentials, variable};
use super::wire::Wire;
use super::words::{Answer, Meaning, Words};
use crate::backend::options::Options;
use crate::error::{Error, Kind, Result};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use opendal::raw::{format_authorization_by_basic, new_request_build_error};
use opendal::services::B2 as Builder;
use opendal::{Buffer, ErrorKind, HttpTransporter, Operator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt;
use std::time::Duration;

/// Which bucket it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct B2 {
    spot: Spot,
}

/// The scheme, and the name of the options that are meant for it.
pub(super) const SCHEME: &str = "b2";

const KEY_ID: [&str; 2] = ["B2_APPLICATION_KEY_ID", "B2_ACCOUNT_ID"];
const KEY: [&str; 2] = ["B2_APPLICATION_KEY", "B2_ACCOUNT_KEY"];

/// Where every key is presented first.
const AUTHORIZE: &str = "https://api.backblazeb2.com/b2api/v2/b2_authorize_account";

/// What the store calls a bucket that is full, or has been asked as often as is paid for.
const FULL: [&str; 4] =
    ["cap_exceeded", "storage_cap_exceeded", "download_cap_exceeded", "transaction_cap_exceeded"];

impl B2 {
    /// Reads what follows `b2:`: `//bucket/prefix`, or as restic writes it `bucket:prefix`.
    pub(super) fn parse(text: &str, options: &Options) -> Result<Self> {
        options.of(SCHEME)?;
        Ok(B2 { spot: Spot::parse_either(SCHEME, text)? })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        B2 { spot: self.spot.below(name) }
    }

    /// The number of the bucket, which all requests want instead of its name; none if there is no
    /// such bucket, or it is hidden from this key.
    async fn bucket_id(
        &self,
        transport: &HttpTransporter,
        [id, key]: [&str; 2],
    ) -> Result<Option<String>, Fault> {
        let basic = format_authorization_by_basic(id, key)?;
        let account: Account =
            asked(transport, Request::get(AUTHORIZE), &basic, Buffer::new()).await?;
        if account.allowed.bucket_name.as_ref() == Some(&self.spot.bucket) {
            return Ok(account.allowed.bucket_id);
        }
        let Account { account_id, api_url, authorization_token, .. } = account;
        let body = json!({"accountId": account_id, "bucketName": self.spot.bucket}).to_string();
        let list = Request::post(format!("{api_url}/b2api/v2/b2_list_buckets"));
        let listed: Buckets = asked(transport, list, &authorization_token, body.into()).await?;
        Ok(listed.buckets.into_iter().find_map(|bucket| bucket.bucket_id))
    }
}

/// What `b2_authorize_account` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    account_id: String,
    api_url: String,
    authorization_token: String,
    /// The bucket that the key is for, if it is for one alone.
    allowed: Bucket,
}

/// What `b2_list_buckets` answers.
#[derive(Deserialize)]
struct Buckets {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    bucket_id: Option<String>,
    bucket_name: Option<String>,
}

/// What it answers that refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: String,
    message: String,
}

/// What a request is answered with.
async fn asked<T: DeserializeOwned>(
    transport: &HttpTransporter,
    request: http::request::Builder,
    authorization: &str,
    body: Buffer,
) -> Result<T, Fault> {
    let unfit = |_| opendal::Error::new(ErrorKind::ConfigInvalid, "the key has odd letters");
    let secret = HeaderValue::from_str(authorization).map_err(unfit)?;
    let request = request.header(AUTHORIZATION, secret).body(body);
    let response = transport.send(request.map_err(new_request_build_error)?).await?;
    let status = response.status();
    let body = response.into_body().to_vec();
    if status.is_success() {
        let odd = |_| opendal::Error::new(ErrorKind::Unexpected, "the answer is not understood");
        return Ok(serde_json::from_slice(&body).map_err(odd)?);
    }
    let Refusal { code, message } = serde_json::from_slice(&body).unwrap_or_default();
    let words = format!("code: {code:?}, message: {message:?}, status: {}", status.as_u16());
    Err(opendal::Error::new(ErrorKind::Unexpected, words).into())
}

impl Words for B2 {
    fn name(&self) -> &'static str {
        "B2"
    }

    fn absence(&self) -> String {
        format!("there is no bucket named {}, or this key does not see it", self.spot.bucket)
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&[KEY_ID, KEY].concat(), "")
    }

    fn meaning(&self, answer: &Answer<'_>) -> Option<Meaning> {
        Some(match (answer.code, answer.status) {
            ("not_found" | "no_such_file" | "file_not_present", _) => Meaning::NoObject,
            ("bad_bucket_id", _) => Meaning::NoPlace,
            (code, _) if FULL.contains(&code) => Meaning::Full,
            (_, Some(401 | 403)) => Meaning::Denied,
            _ => return None,
        })
    }
}

impl Dialect for B2 {
    fn operator(&self, wire: &Wire) -> Result<Operator> {
        let first = |names: [&str; 2]| names.into_iter().find_map(variable);
        let (Some(id), Some(key)) = (first(KEY_ID), first(KEY)) else {
            return Err(Error::new(Kind::Denied, "use", self)
                .because("no credentials were found")
                .hint(self.credentials().looked));
        };
        let transport = wire.transport();
        let found = wire.wait(Duration::ZERO, self.bucket_id(&transport, [&id, &key]));
        let found = found.map_err(|fault| fault.told("use", &self.to_string(), self, false))?;
        let bucket_id = found.ok_or_else(|| {
            Error::new(Kind::NoRepository, "use", self)
                .because(self.absence())
                .hint("check its name, or make it first")
        })?;
        let builder = Builder::default()
            .bucket(&self.spot.bucket)
            .bucket_id(&bucket_id)
            .root(&self.spot.prefix)
            .application_key_id(&id)
            .application_key(&key);
        let operator = Operator::new(builder).map_err(|cause| {
            Error::new(Kind::InvalidInput, "use", self).because(cause.message())
        })?;
        Ok(operator.with_context(wire.context()))
    }

    fn unseen(&self) -> &'static [&'static str] {
        &[
            UNTRIED,
            RULES,
            "what is deleted is only hidden: its room comes back by a rule of the bucket to keep the last \
             version alone; B2's interface of S3 does better (s3:https://s3.REGION.backblazeb2.com/BUCKET)",
        ]
    }

    fn creation(&self) -> Creation {
        Creation::Over
    }

    fn is_exact(&self) -> bool {
        false
    }
}

impl fmt::Display for B2 {
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
        let parse = |text: &str| B2::parse(text, &Options::default());
        spot::assert_reads_places(SCHEME, parse, B2::below);
    }
}
