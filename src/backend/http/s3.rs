//! A bucket of S3: Amazon's, or of another server with the same interface.

use super::access_key::AccessKey;
use super::dialect::Dialect;
use super::retention::Retention;
use super::spot::{Spot, server_of};
use super::variables::Credentials;
use super::wire::Wire;
use super::words::{Answer, Meaning, Words};
use crate::backend::options::{Options, invalid};
use crate::error::{Error, Kind, Result};
use opendal::Operator;
use opendal::services::S3 as Builder;
use std::fmt;

/// Where a bucket is, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    spot: Spot,
    /// Amazon's own if there is none.
    endpoint: Option<String>,
    region: String,
    path_style: bool,
    storage_class: Option<String>,
    profile: Option<String>,
    retention: Option<Retention>,
    access_key: Option<AccessKey>,
}

/// The scheme, and the name of the options that are meant for it.
pub(super) const SCHEME: &str = "s3";

/// Where credentials are looked for, besides a file.
const CREDENTIALS: [&str; 4] =
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"];

/// What stores call a full disk or quota.
const FULL: [&str; 4] =
    ["InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"];

/// What stores call a bucket that lies elsewhere.
const ELSEWHERE: [&str; 4] = [
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
];

/// What stores call a name or a signature that they do not accept.
const DENIED: [&str; 9] = [
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Where a bucket lies if nothing says so; stores that are not Amazon's do not mind.
const REGION: &str = "us-east-1";

/// Classes whose objects cannot be read until they were asked for hours before.
pub(super) const FROZEN: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

impl S3 {
    /// Reads what follows `s3:`: `//bucket/prefix`, or as restic writes it `https://host/bucket/prefix`
    /// and `host/bucket/prefix`. What neither that nor an option says is taken from the environment.
    pub(super) fn parse(text: &str, options: &Options) -> Result<Self> {
        let (access_key, given_profile) = (AccessKey::given(options), options.given("AWS_PROFILE"));
        let variable = |name: &str| options.variable(name);
        let given_profile = given_profile.map(str::to_owned);
        let options = options.of(SCHEME)?;
        let option = |key: &str| options.get(key).cloned();
        let (server, path) = match text.strip_prefix("//") {
            Some(path) => (None, path),
            None => server_of(SCHEME, text).map(|(server, path)| (Some(server), path))?,
        };
        let endpoint = option("endpoint")
            .map(|text| server_of(SCHEME, &text).map(|(server, _)| server))
            .transpose()?
            .or(server)
            .or_else(|| variable("AWS_ENDPOINT_URL_S3"))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        let region = option("region")
            .or_else(|| region_in(endpoint.as_deref()?))
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| REGION.to_owned());
        let path_style = match option("path-style").as_deref() {
            None => endpoint.as_deref().is_some_and(|endpoint| !is_amazon(endpoint)),
            Some("true" | "yes") => true,
            Some("false" | "no") => false,
            Some(_) => return Err(invalid("path-style").because("it is neither yes nor no")),
        };
        let storage_class = option("storage-class");
        if storage_class.as_deref().is_some_and(|class| FROZEN.contains(&class)) {
            return Err(invalid("storage-class")
                .because(
                    "objects of that class cannot be read at once, and every backup reads some",
                )
                .hint("STANDARD_IA and GLACIER_IR can be"));
        }
        let spot = Spot::parse(SCHEME, path)?;
        // No certificate is good for the host of a bucket with a dot in its name.
        let path_style = path_style || spot.bucket.contains('.');
        let profile = option("profile").or(given_profile);
        let retention = Retention::parse(options)?;
        Ok(S3 { spot, endpoint, region, path_style, storage_class, profile, retention, access_key })
    }

    /// A folder of this name in it, for trials, which nothing retains.
    pub(super) fn below(&self, name: &str) -> Self {
        S3 { spot: self.spot.below(name), retention: None, ..self.clone() }
    }

    /// The URL of the bucket, without `/` at its end.
    pub(super) fn url(&self) -> String {
        let (server, bucket) = (self.server(), &self.spot.bucket);
        match server.split_once("://").filter(|_| !self.path_style) {
            Some((protocol, host)) => format!("{protocol}://{bucket}.{host}"),
            None => format!("{server}/{bucket}"),
        }
    }

    /// What opens it, where that was given.
    pub(super) fn access_key(&self) -> Option<&AccessKey> {
        self.access_key.as_ref()
    }

    /// Who asks for it, where another than the usual is named.
    pub(super) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// Where it lies.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// How long the bucket is to keep what is stored in it.
    pub(super) fn retention(&self) -> Option<Retention> {
        self.retention
    }

    /// Whether it is Amazon's, whose machines know who they are.
    pub(super) fn is_amazon(&self) -> bool {
        is_amazon(&self.server())
    }

    /// The URL of the server, as requests are signed for it.
    fn server(&self) -> String {
        let country = if self.region.starts_with("cn-") { ".cn" } else { "" };
        let of_region = || format!("https://s3.{}.amazonaws.com{country}", self.region);
        let Some(endpoint) = &self.endpoint else { return of_region() };
        let endpoint = endpoint.to_ascii_lowercase();
        let usual = if endpoint.starts_with("https:") { ":443" } else { ":80" };
        match endpoint.strip_suffix(usual).unwrap_or(&endpoint) {
            "https://s3.amazonaws.com" => of_region(),
            server => server.to_owned(),
        }
    }

    /// The folder in the bucket: ends with `/`, or is empty.
    pub(super) fn folder(&self) -> String {
        match self.spot.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        }
    }
}

impl Words for S3 {
    fn name(&self) -> &'static str {
        "S3"
    }

    fn absence(&self) -> String {
        format!("there is no bucket named {}", self.spot.bucket)
    }

    fn credentials(&self) -> Credentials {
        // Amazon's machines give some to programs on them.
        Credentials { found: true, ..Credentials::of(&CREDENTIALS, ", or ~/.aws/credentials") }
    }

    fn meaning(&self, answer: &Answer<'_>) -> Option<Meaning> {
        Some(match answer.code {
            "NoSuchKey" => Meaning::NoObject,
            "NoSuchBucket" => Meaning::NoPlace,
            "RequestTimeTooSkewed" => Meaning::WrongClock,
            code if FULL.contains(&code) => Meaning::Full,
            code if DENIED.contains(&code) => Meaning::Denied,
            code if ELSEWHERE.contains(&code) => {
                Meaning::Misplaced("name the bucket's region: -o region=..., or AWS_REGION")
            }
            _ => return None,
        })
    }
}

impl Dialect for S3 {
    fn operator(&self, wire: &Wire) -> Result<Operator> {
        let endpoint = self.server();
        let mut builder = Builder::default()
            .bucket(&self.spot.bucket)
            .root(&self.spot.prefix)
            .endpoint(&endpoint)
            .region(&self.region)
            .profile(self.profile.as_deref().unwrap_or_default())
            .default_storage_class(self.storage_class.as_deref().unwrap_or_default())
            // All stores know the other one.
            .checksum_algorithm(if is_amazon(&endpoint) { "crc32c" } else { "md5" });
        if let Some(AccessKey { id, secret, token }) = &self.access_key {
            let token = token.as_deref().unwrap_or_default();
            builder = builder.access_key_id(id).secret_access_key(secret).session_token(token);
        }
        if !self.path_style {
            builder = builder.enable_virtual_host_style();
        }
        if !is_amazon(&endpoint) {
            builder = builder.disable_ec2_metadata();
        }
        let operator = Operator::new(builder).map_err(|cause| {
            Error::new(Kind::InvalidInput, "use", self).because(cause.message())
        })?;
        Ok(operator.with_context(wire.context()))
    }
}

impl fmt::Display for S3 {
    /// `s3://bucket/prefix`, or with the server where that is not Amazon's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            None => write!(f, "s3://{}", self.spot),
            Some(endpoint) => write!(f, "s3:{endpoint}/{}", self.spot),
        }
    }
}

fn is_amazon(endpoint: &str) -> bool {
    endpoint.ends_with(".amazonaws.com") || endpoint.ends_with(".amazonaws.com.cn")
}

/// The region that the name of one of Amazon's servers says.
fn region_in(endpoint: &str) -> Option<String> {
    let (_, rest) = endpoint.split_once("://s3.")?;
    let (region, _) = rest.split_once(".amazonaws.com")?;
    Some(region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::http::client::Client;
    use crate::backend::options::Rates;

    fn parse(text: &str, options: &[&str]) -> Result<S3> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        S3::parse(text, &Options::parse(&options, Rates::default())?)
    }

    /// Each spelling means its bucket, prefix and server, and is shown so that it can be written again.
    #[test]
    fn places_are_read() {
        for (text, options, shown, path_style) in [
            ("//bucket/a/b", &[][..], "s3://bucket/a/b", false),
            ("//bucket//a/", &[], "s3://bucket/a", false),
            ("//buc.ket", &[], "s3://buc.ket", true),
            ("http://[::1]:9000/bucket", &[], "s3:http://[::1]:9000/bucket", true),
            ("host:9000/bucket/a", &[], "s3:https://host:9000/bucket/a", true),
            ("https://host/bucket", &["path-style=no"], "s3:https://host/bucket", false),
            ("//bucket/a", &["endpoint=http://h:1/"], "s3:http://h:1/bucket/a", true),
            (
                "s3.eu-west-3.amazonaws.com/bucket",
                &[],
                "s3:https://s3.eu-west-3.amazonaws.com/bucket",
                false,
            ),
        ] {
            let place = parse(text, options).unwrap();
            assert_eq!(
                (place.to_string().as_str(), place.path_style),
                (shown, path_style),
                "{text}"
            );
            let again = parse(shown.strip_prefix("s3:").unwrap(), &[]).unwrap();
            assert_eq!(again.to_string(), shown);
            let wire = Wire::new(&Client::parse(SCHEME, &Options::default()).unwrap()).unwrap();
            assert!(place.operator(&wire).is_ok(), "{text}");
        }
        let region = |text: &str, options: &[&str]| parse(text, options).unwrap().region;
        assert_eq!(region("s3.eu-west-3.amazonaws.com/bucket", &[]), "eu-west-3");
        assert_eq!(region("s3.eu-west-3.amazonaws.com/bucket", &["region=x"]), "x");
    }

    /// What names no bucket, or a server in a way that may hold a secret, is refused and not repeated.
    #[test]
    fn other_places_are_refused() {
        for text in [
            "",
            "//",
            "//ab",
            "//b u c",
            "//bucket/../x",
            "host",
            "ftp://host/bucket",
            "/bucket/x",
            "https://user:secret@host/bucket",
            "https://host?secret/bucket",
        ] {
            let error = parse(text, &[]).unwrap_err();
            assert!(!format!("{error:?}").contains("secret@"), "{error:?}");
        }
    }
}
