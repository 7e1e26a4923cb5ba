//! Requests over HTTP. Addresses are secrets here: no error repeats one.

use crate::error::{Error, Kind, Result};
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What sends requests.
pub fn client() -> Result<Client> {
    let failed = |cause: String| Error::new(Kind::Failed, "set up", "TLS").because(cause);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| failed(cause.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("icecore/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECTING)
        .timeout(TIMEOUT)
        // A secret address is not handed on, and a POST would become a GET.
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|cause| failed(cause.to_string()))
}

/// An address, from a text that is not told.
pub fn address(text: &str, what: &str) -> Result<Url> {
    let wrong = |reason: &str| Error::new(Kind::InvalidInput, "use", what).because(reason);
    let url: Url = text.trim().parse().map_err(|_| wrong("it is no URL"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(wrong("it is no URL that begins with https:// or http://")),
    }
}

/// Sends a request to `what`; anything but success is an error.
pub async fn send(request: RequestBuilder, what: &str) -> Result<()> {
    let answer = request.send().await.map_err(|cause| failure_of(&cause.without_url(), what))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let kind = if may_pass { Kind::Unavailable } else { Kind::Failed };
    Err(Error::new(kind, "reach", what).because(format!("the server answered {status}")))
}

/// The error, by its deepest cause: those above it may repeat the address.
fn failure_of(error: &reqwest::Error, what: &str) -> Error {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        reason = deeper.to_string();
        cause = deeper.source();
    }
    if error.is_timeout() {
        reason = format!("it did not answer within {} s", TIMEOUT.as_secs());
    }
    let is_untrusted = reason.contains("certificate");
    let kind = if is_untrusted { Kind::Denied } else { Kind::Unavailable };
    Error::new(kind, "reach", what).because(reason)
}
