//! TLS to a server, with the meaning that libpq gives to each mode (PostgreSQL documentation,
//! 34.19).

use super::settings::{Settings, SslMode};
use crate::error::{Attempt, Error, Kind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How much of a server's certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Nothing: no eavesdropper, but anyone may be the server.
    Anyone,
    /// That a known authority signed it.
    Authority,
    /// ... for this host.
    Host,
}

/// What TLS connections under these settings are made with.
pub(super) fn connector(settings: &Settings) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let roots = settings.root_certificate();
    let trust = match settings.ssl_mode()? {
        SslMode::VerifyFull => Trust::Host,
        SslMode::VerifyCa => Trust::Authority,
        // As in libpq: with authorities at hand, `require` makes use of them.
        SslMode::Require if roots.is_some() => Trust::Authority,
        _ => Trust::Anyone,
    };
    let known = match (&roots, trust) {
        (_, Trust::Anyone) => None,
        (Some(path), _) => Some(authorities(path, trust, &provider)?),
        (None, _) => {
            return Err(Error::new(Kind::NotFound, "verify", "the server's certificate")
                .because("no certificate authority is named")
                .hint("sslrootcert=FILE, or sslrootcert=system for those that the system trusts"));
        }
    };
    let verifier = Arc::new(Verifier { known, trust, provider: provider.clone() });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| failed(&cause))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match settings.own_certificate() {
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(&certificate)?, private_key(&key)?)
            .map_err(|cause| failed(&cause))?,
        None => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The authorities: the certificates in a file, or those that the system trusts.
fn authorities(
    path: &Path,
    trust: Trust,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    if path == Path::new("system") {
        if trust != Trust::Host {
            return Err(Error::new(Kind::InvalidInput, "use", "sslrootcert=system")
                .because("anyone may have a certificate of those authorities")
                .hint("sslmode=verify-full goes with it"));
        }
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        roots.add_parsable_certificates(certificates(path)?);
    }
    if roots.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "trust", path.display())
            .because("there is no certificate of an authority"));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|cause| failed(&cause))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(path).attempt("read", path.display())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.map_err(|cause| {
        Error::new(Kind::InvalidInput, "understand the certificates in", path.display())
            .caused_by(cause)
    })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = zeroize::Zeroizing::new(std::fs::read(path).attempt("read", path.display())?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|cause| {
        Error::new(Kind::InvalidInput, "understand the key in", path.display()).caused_by(cause)
    })
}

fn failed(cause: &impl std::fmt::Display) -> Error {
    Error::new(Kind::Failed, "set up", "TLS").because(cause.to_string())
}

/// Verifies as much as the mode asks for; that the server has the key to its certificate, always.
#[derive(Debug)]
struct Verifier {
    known: Option<Arc<WebPkiServerVerifier>>,
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(known) = &self.known else { return Ok(ServerCertVerified::assertion()) };
        let verified = known.verify_server_cert(certificate, intermediates, name, ocsp, now);
        match verified {
            // The name is looked at last: all else was found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.trust == Trust::Authority => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
