//! What OpenDAL has no call for: requests of S3 that are made, signed and read here.

use super::fault::Fault;
use super::s3::S3;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::HeaderMap;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use md5::{Digest, Md5};
use opendal::raw::percent_encode_path;
use opendal::{Buffer, ErrorKind, HttpTransporter};
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner};
use reqsign_core::{Context, OsEnv, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use serde::Deserialize;

/// A bucket, and who asks it.
#[derive(Clone)]
pub(super) struct Signed {
    signer: Signer<Credential>,
    transport: HttpTransporter,
    /// The URL of the bucket, without `/` at its end.
    bucket: String,
    /// The folder in it: ends with `/`, or is empty.
    folder: String,
}

/// Headers that say who asks, which each signature makes anew.
const OF_SIGNATURE: [&str; 4] =
    ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// An answer that was read to its end.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub body: Buffer,
}

/// What S3 says of a request that it refuses.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
    message: String,
}

impl Signed {
    pub(super) fn new(place: &S3, transport: HttpTransporter) -> Self {
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_http_send(transport.clone())
            .with_env(OsEnv);
        let mut provider = DefaultCredentialProvider::builder();
        if let Some(profile) = place.profile() {
            provider = provider.with_profile(profile);
        }
        if !place.is_amazon() {
            provider = provider.no_imds();
        }
        let signer = RequestSigner::new("s3", place.region());
        let signer = match place.access_key() {
            Some(given) => Signer::new(context, given.provider(), signer),
            None => Signer::new(context, provider.build(), signer),
        };
        Signed { signer, transport, bucket: place.url(), folder: place.folder() }
    }

    /// What sends requests.
    pub(super) fn transport(&self) -> &HttpTransporter {
        &self.transport
    }

    /// The URL of an object in the folder.
    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{}/{}", self.bucket, percent_encode_path(&format!("{}{path}", self.folder)))
    }

    /// Signs a request, anew if it was signed before.
    pub(super) async fn sign(&self, parts: &mut Parts) -> opendal::Result<()> {
        OF_SIGNATURE.iter().for_each(|name| drop(parts.headers.remove(*name)));
        self.signer.sign(parts, None).await.map_err(|cause| {
            opendal::Error::new(ErrorKind::Unexpected, "signing failed").set_source(cause)
        })
    }

    /// The folder in the bucket.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Asks for an object in the folder.
    pub(super) async fn ask_object(
        &self,
        method: Method,
        path: &str,
        query: &str,
        body: String,
    ) -> Result<Answer, Fault> {
        self.ask(method, &format!("{}{query}", self.url_of(path)), body).await
    }

    /// Asks what the bucket says of itself.
    pub(super) async fn ask_bucket(&self, query: &str) -> Result<Answer, Fault> {
        self.ask(Method::GET, &format!("{}{query}", self.bucket), String::new()).await
    }

    async fn ask(&self, method: Method, url: &str, body: String) -> Result<Answer, Fault> {
        let mut request = Request::new(Buffer::from(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(unusable)?;
        if !body.is_empty() {
            let digest = BASE64.encode(Md5::digest(&body));
            let digest = HeaderValue::from_str(&digest).map_err(unusable)?;
            request.headers_mut().insert(HeaderName::from_static("content-md5"), digest);
        }
        let (mut parts, body) = request.into_parts();
        self.sign(&mut parts).await?;
        parts.headers.remove(http::header::HOST);
        let answer = self.transport.send(Request::from_parts(parts, body)).await?;
        if !answer.status().is_success() {
            return Err(refused(answer));
        }
        let (parts, body) = answer.into_parts();
        Ok(Answer { headers: parts.headers, body })
    }
}

fn unusable(cause: impl std::fmt::Display) -> Fault {
    opendal::Error::new(ErrorKind::Unexpected, cause.to_string()).into()
}

/// The same that OpenDAL would make of it.
fn refused(answer: Response<Buffer>) -> Fault {
    let (parts, body) = answer.into_parts();
    let status = parts.status.as_u16();
    let refusal: Refusal = quick_xml::de::from_reader(body).unwrap_or_default();
    let (kind, temporary) = match status {
        403 => (ErrorKind::PermissionDenied, false),
        404 => (ErrorKind::NotFound, false),
        429 => (ErrorKind::RateLimited, true),
        500.. => (ErrorKind::Unexpected, true),
        _ => (ErrorKind::Unexpected, false),
    };
    let Refusal { code, message } = refusal;
    let said = format!("S3Error {{ code: {code:?}, message: {message:?} }}");
    let error = opendal::Error::new(kind, said)
        .with_context("response", format!("Parts {{ status: {status} }}"));
    match temporary {
        true => error.set_temporary().into(),
        false => error.into(),
    }
}
