//! Connections to servers: whom they trust, how many there are, and how long an answer may take.

use super::variables::variable;
use crate::backend::options::{Options, number};
use crate::error::{Attempt, Error, Kind, Result};
use opendal::HttpTransporter;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What options say of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Authorities to trust in place of the system's.
    authorities: Option<PathBuf>,
    pub connections: usize,
    /// How long a server may be silent.
    pub timeout: Duration,
}

/// Requests in flight where nothing else is said.
const CONNECTIONS: u64 = 16;
/// The most of them.
const MOST_CONNECTIONS: u64 = 128;
/// Seconds of silence where nothing else is said.
const TIMEOUT: u64 = 60;
/// The most of them.
const LONGEST_TIMEOUT: u64 = 3600;
/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);

impl Client {
    /// Reads the options of stores of this scheme.
    pub(super) fn parse(scheme: &str, options: &Options) -> Result<Self> {
        let options = options.of(scheme)?;
        let named = || variable("AWS_CA_BUNDLE").filter(|_| scheme == "s3");
        let connections = number(options, "connections", CONNECTIONS, MOST_CONNECTIONS)?;
        Ok(Client {
            authorities: options.get("cacert").map(PathBuf::from).or_else(|| Some(named()?.into())),
            connections: usize::try_from(connections).unwrap_or(1),
            timeout: Duration::from_secs(number(options, "timeout", TIMEOUT, LONGEST_TIMEOUT)?),
        })
    }

    /// What sends requests.
    pub(super) fn transport(&self) -> Result<HttpTransporter> {
        let roots = match &self.authorities {
            Some(path) => authorities(path)?,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|cause| failed(&cause))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder = reqwest::Client::builder();
        // A line that breaks while much is sent over it is noticed long before that would have ended.
        #[cfg(target_os = "linux")]
        let builder = builder.tcp_user_timeout(self.timeout);
        let client = builder
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("icecore/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECTING.min(self.timeout))
            .pool_max_idle_per_host(self.connections)
            .build()
            .map_err(|cause| failed(&cause))?;
        Ok(HttpTransporter::new(opendal_http_transport_reqwest::ReqwestTransport::new(client)))
    }
}

/// The certificates in a file.
fn authorities(path: &Path) -> Result<RootCertStore> {
    let text = std::fs::read(path).attempt("read", path.display())?;
    let unusable =
        |reason: String| Error::new(Kind::InvalidInput, "trust", path.display()).because(reason);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|cause| unusable(cause.to_string()))?;
        roots.add(certificate).map_err(|cause| unusable(cause.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("there is no certificate of an authority in it".to_owned()));
    }
    Ok(roots)
}

fn failed(cause: &impl std::fmt::Display) -> Error {
    Error::new(Kind::Failed, "set up", "TLS").because(cause.to_string())
}
