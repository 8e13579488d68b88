//! What the store says, in the contract's terms.

use std::error::Error as StdError;
use std::time::Duration;

use aws_smithy_types::byte_stream::error::Error as ByteStreamError;
use orbit_aws::Failure;
use orbit_core::{Error, ErrorKind, Retry, WriteEffect};

const AGAIN: Retry = Retry::After(Duration::ZERO);

/// Whether the bucket is to be asked for in another region.
pub(crate) fn is_elsewhere(failure: &Failure) -> bool {
    matches!(failure.status, Some(301 | 307 | 308))
        || ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"]
            .iter()
            .any(|code| failure.is(code))
        // An answer to a HEAD has no code.
        || (failure.status == Some(400) && failure.code.is_none())
}

/// Whether a condition on a write did not hold.
pub(crate) fn is_condition(failure: &Failure) -> bool {
    failure.status == Some(412) || failure.is("PreconditionFailed")
}

/// Whether another write of the same file was under way.
pub(crate) fn is_conflict(failure: &Failure) -> bool {
    failure.is("ConditionalRequestConflict") || failure.is("OperationAborted")
}

/// Whether a range begins after the end of the file.
pub(crate) fn is_range(failure: &Failure) -> bool {
    failure.status == Some(416) || failure.is("InvalidRange")
}

/// The failure of an operation on `key`.
pub(crate) fn of_key(failure: Failure, key: &str) -> Error {
    of(failure).with_context("key", key)
}

/// The same of a write: it says whether the file may be there.
pub(crate) fn of_write(failure: Failure, key: &str) -> Error {
    let effect = match failure.may_have_worked {
        true => WriteEffect::Unknown,
        false => WriteEffect::None,
    };
    of_key(failure, key).with_write_effect(effect)
}

/// The failure of an operation, without where it happened.
pub(crate) fn of(failure: Failure) -> Error {
    let Failure { status, code, region, .. } = &failure;
    if is_elsewhere(&failure) && (region.is_some() || status != &Some(400)) {
        let told = Error::new(ErrorKind::ConfigInvalid, "the bucket lies in another region");
        let told = match region {
            Some(region) => told.with_hint(format!("set `region: {region}`")),
            None => told.with_hint("set `region` to the bucket's own"),
        };
        return keeping(told, &failure);
    }
    let told = match (code.as_deref().unwrap_or_default(), status) {
        ("NoSuchBucket", _) => Error::new(ErrorKind::NotFound, "no such bucket")
            .with_hint("see `bucket_name` and `endpoint_url`"),
        ("NoSuchKey" | "NotFound", _) | ("", Some(404)) => {
            Error::new(ErrorKind::NotFound, "no such file")
        }
        ("NoSuchUpload", _) => Error::new(ErrorKind::NotFound, "no such upload"),
        ("InvalidBucketName", _) => {
            Error::new(ErrorKind::ConfigInvalid, "a bucket cannot have this name")
                .with_hint("see `bucket_name`")
        }
        ("PreconditionFailed", _) | ("", Some(412)) => {
            Error::new(ErrorKind::Conflict, "the file has changed")
                .with_hint("list or stat it again and repeat")
        }
        ("ConditionalRequestConflict" | "OperationAborted", _) => {
            Error::new(ErrorKind::Conflict, "somebody else writes the file now").with_retry(AGAIN)
        }
        ("InvalidRange", _) | (_, Some(416)) => {
            Error::new(ErrorKind::QueryInvalid, "the range does not lie within the file")
        }
        ("KeyTooLongError" | "InvalidURI", _) => {
            Error::new(ErrorKind::Unsupported, "the store cannot hold this key")
        }
        ("EntityTooLarge", _) => {
            Error::new(ErrorKind::ResourceExhausted, "the store holds no file so large")
        }
        (
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentSHA256Mismatch"
            | "XAmzContentChecksumMismatch",
            _,
        ) => Error::new(ErrorKind::DataInvalid, "the bytes were changed on their way to the store")
            .with_retry(AGAIN),
        ("InvalidObjectState", _) => {
            Error::new(ErrorKind::Unavailable, "the file lies in an archive")
                .with_hint("restore it first")
        }
        ("InvalidArgument" | "InvalidRequest" | "MalformedXML", _) | ("", Some(400)) => {
            Error::new(ErrorKind::QueryInvalid, "the store refused the request")
        }
        _ => return failure.error,
    };
    keeping(told, &failure)
}

/// The failure of one key among several, of which the store tells a code alone.
pub(crate) fn of_code(code: Option<&str>, key: &str) -> Error {
    let general = match code {
        Some("InternalError") => Error::new(ErrorKind::Unavailable, "the store failed"),
        Some("SlowDown") => Error::new(ErrorKind::RateLimited, "the store asks to slow down"),
        Some("AccessDenied") => {
            Error::new(ErrorKind::PermissionDenied, "the credentials do not allow this")
        }
        _ => Error::new(ErrorKind::Unexpected, "the store refused this key"),
    };
    let general = general.with_context("key", key);
    match code {
        Some(code) => general.with_vendor_code(code),
        None => general,
    }
}

/// `told`, with the code and the cause of the failure's own error.
fn keeping(told: Error, failure: &Failure) -> Error {
    let general = &failure.error;
    let told = match general.vendor_code() {
        Some(code) => told.with_vendor_code(code),
        None => told,
    };
    match StdError::source(general) {
        Some(cause) => told.with_source(cause.to_string()),
        None => told,
    }
}

/// A body that broke off, or whose bytes do not fit their checksum.
pub(crate) fn of_body(error: &ByteStreamError, key: &str) -> Error {
    let causes = std::iter::successors(Some(error as &dyn StdError), |e| StdError::source(*e));
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let told = if text.contains("checksum mismatch") {
        of_checksum(key)
    } else {
        Error::new(ErrorKind::Unavailable, "the connection to the store broke")
            .with_retry(AGAIN)
            .with_context("key", key)
    };
    told.with_source(text)
}

/// A file whose bytes are not those that the store keeps the checksum of.
pub(crate) fn of_checksum(key: &str) -> Error {
    Error::new(ErrorKind::DataInvalid, "the file's bytes do not fit their checksum")
        .with_hint("read it again; if it stays so, the file or the way to it is damaged")
        .with_context("key", key)
}
