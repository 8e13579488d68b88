//! The certificates that are trusted beside those of the operating system.

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use orbit_core::{Error, ErrorKind, Result, TlsSettings};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How a client judges certificates.
///
/// # Errors
/// `ConfigInvalid` for a file that cannot be read or holds no certificate.
pub(crate) async fn judged_by(settings: &TlsSettings) -> Result<TlsContext> {
    let mut trusted = TrustStore::default();
    if let Some(path) = &settings.ca_path {
        trusted = trusted.with_pem_certificate(read(path).await.map_err(|cause| {
            Error::new(ErrorKind::ConfigInvalid, "the certificates cannot be read")
                .with_context("path", path)
                .with_hint("see `tls.ca_path`")
                .with_source(cause)
        })?);
    }
    let context = TlsContext::builder().with_trust_store(trusted).build();
    context.map_err(|e| {
        Error::new(ErrorKind::ConfigInvalid, "the certificates cannot be used").with_source(e)
    })
}

/// The file, in which every certificate is one: the client would panic over any other, and not
/// before it connects.
async fn read(path: &str) -> Result<Vec<u8>, Cause> {
    let pem = tokio::fs::read(path).await?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    match roots.is_empty() {
        true => Err("there is no certificate in it".into()),
        false => Ok(pem),
    }
}
