//! What a service answered, whole.

use bytes::Bytes;
use orbit_core::{Error, ErrorKind, Result};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::ipc::inflate;

/// Status, headers and the whole body.
///
/// `Debug` shows neither headers nor body, which may hold secrets.
#[derive(Clone)]
pub struct Answer {
    /// The status; redirects are not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came, perhaps compressed.
    pub body: Bytes,
    /// The host that was asked, for messages.
    pub(crate) host: String,
}

impl Answer {
    /// Requires a status of success.
    ///
    /// # Errors
    /// By the status: `Unauthenticated` for 401, `PermissionDenied` for 403, `NotFound` for
    /// 404 and 410, `RateLimited` for 429, `Unavailable` for redirects and 5xx, else
    /// `QueryInvalid`.
    pub fn success(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let kind = match self.status.as_u16() {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 | 410 => ErrorKind::NotFound,
            429 => ErrorKind::RateLimited,
            300..=399 | 500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::QueryInvalid,
        };
        let message = format!("the service answered with status {}", self.status.as_u16());
        let error = self.told(Error::new(kind, message));
        Err(match self.status.is_redirection() {
            true => error.with_hint("redirects are not followed; check the host"),
            false => error,
        })
    }

    /// The body, decompressed, at most `bytes_max` long.
    ///
    /// # Errors
    /// `DataInvalid` when it is cut or corrupt, `ResourceExhausted` when it is longer.
    pub fn content(&self, bytes_max: usize) -> Result<Bytes> {
        inflate(self.body.clone(), bytes_max).map_err(|e| self.told(e))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `Unavailable` for a web page, which a proxy or a login page sends in place of the
    /// service; `DataInvalid` for what is no JSON of this form.
    pub fn json<T: DeserializeOwned>(&self, bytes_max: usize) -> Result<T> {
        let content = self.content(bytes_max)?;
        serde_json::from_slice(&content).map_err(|e| self.not_json(&content, &e))
    }

    /// The error of a body that is no JSON of the form that was expected. The parser's own
    /// words are left out, since they may quote the body.
    pub fn not_json(&self, content: &[u8], error: &serde_json::Error) -> Error {
        if content.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<') {
            let message = "a web page came in place of the service's answer";
            let hint = "a proxy or a login page may stand in between; check host and proxy";
            return self.told(Error::new(ErrorKind::Unavailable, message).with_hint(hint));
        }
        let what = match error.classify() {
            serde_json::error::Category::Eof => "ends too early",
            serde_json::error::Category::Data => "has another form than is expected",
            _ => "is not JSON",
        };
        self.told(Error::new(ErrorKind::DataInvalid, format!("the service's answer {what}")))
            .with_context("line", error.line().to_string())
            .with_context("column", error.column().to_string())
    }

    /// `error`, with the place that answered.
    pub fn told(&self, error: Error) -> Error {
        let error = error.with_context("host", self.host.as_str());
        match self.status {
            StatusCode::OK => error,
            status => error.with_context("status", status.as_u16().to_string()),
        }
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
