//! What went wrong with a request, in the contract's terms.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use http_body_util::LengthLimitError;
use orbit_core::{Error, ErrorKind, Retry};

use crate::access::is_region;
use crate::bounded::ANSWER_BYTES_MAX;

/// A request that failed: the facts, and the error for whoever needs no more than that.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// The service's own code, such as `NoSuchKey`.
    pub code: Option<String>,
    /// The region that the answer says to ask instead.
    pub region: Option<String>,
    /// The request may have been carried out all the same.
    pub may_have_worked: bool,
    /// The failure as an error.
    pub error: Error,
}

const AGAIN: Retry = Retry::After(Duration::ZERO);

/// The codes by which services say that temporary credentials have run out.
const RUN_OUT: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];

impl Failure {
    /// What a client answered.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let answer = error.raw_response();
        let status = answer.map(|answer| answer.status().as_u16());
        let code = match error {
            SdkError::ServiceError(service) => service.err().code().map(str::to_owned),
            _ => None,
        };
        let refused_connection = matches!(error, SdkError::DispatchFailure(_)) && never_left(error);
        let may_have_worked = match error {
            SdkError::ConstructionFailure(_) => false,
            SdkError::DispatchFailure(_) => !refused_connection,
            // Some answers begin as a success and end as an error.
            SdkError::ServiceError(_) => matches!(status, Some(200..300 | 500 | 502 | 504)),
            _ => true,
        };
        let said = match error {
            SdkError::ServiceError(service) => {
                let mut causes = causes(service.err());
                if let Some(id) = answer.and_then(request_id) {
                    causes.0 += &format!(" (request {id})");
                }
                of_answer(status, code.as_deref()).with_source(causes)
            }
            _ => of_transport(error),
        };
        Self { status, region: answer.and_then(region), code, may_have_worked, error: said }
    }

    /// A request that was not sent.
    pub(crate) fn never_sent(error: Error) -> Self {
        Self { status: None, code: None, region: None, may_have_worked: false, error }
    }

    /// A request whose answer nobody waited for.
    pub(crate) fn without_answer(error: Error) -> Self {
        Self { may_have_worked: true, ..Self::never_sent(error) }
    }

    /// Whether the service says that the credentials have run out.
    pub fn says_run_out(&self) -> bool {
        self.code.as_deref().is_some_and(|code| RUN_OUT.contains(&code))
    }

    /// Whether the service gave this code.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What the causes of an error say, the outermost first. The error itself is not kept: at
/// `Debug` it shows whole answers, those of the services that give out credentials included.
#[derive(Debug)]
struct Causes(String);

impl std::fmt::Display for Causes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Causes {}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| StdError::source(*error))
}

fn causes(error: &(dyn StdError + 'static)) -> Causes {
    let mut texts: Vec<String> = Vec::new();
    for text in chain(error).map(ToString::to_string) {
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    Causes(texts.join(": "))
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// Whether no connection came about, so that nothing was sent.
fn never_left(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| cause.to_string().contains("(Connect)"))
        || find::<CredentialsError>(error).is_some()
}

fn of_transport(error: &(dyn StdError + 'static)) -> Error {
    let causes = causes(error);
    let told = match find::<CredentialsError>(error) {
        _ if find::<LengthLimitError>(error).is_some() => too_long(),
        Some(found) => of_credentials(found),
        None => of_connection(error, &causes.0),
    };
    told.with_source(causes)
}

fn of_credentials(error: &CredentialsError) -> Error {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            Error::new(ErrorKind::Unauthenticated, "no credentials were found").with_hint(
                "set `access_key` and `secret_key`, a `profile` or the variables AWS_*, or \
                 `anonymous: true` for public data",
            )
        }
        CredentialsError::ProviderTimedOut(_) => {
            Error::new(ErrorKind::Unavailable, "the credentials did not come in time")
                .with_retry(AGAIN)
        }
        CredentialsError::InvalidConfiguration(_) => {
            Error::new(ErrorKind::ConfigInvalid, "the credentials are configured wrongly")
                .with_hint("see the profile in the shared configuration files")
        }
        _ if unreadable(error) => {
            Error::new(ErrorKind::ConfigInvalid, "a file that holds credentials cannot be read")
                .with_hint("see AWS_WEB_IDENTITY_TOKEN_FILE and the shared configuration files")
        }
        _ if unreachable(error) => {
            Error::new(ErrorKind::Unavailable, "the service that gives credentials is not reached")
                .with_retry(AGAIN)
        }
        _ => Error::new(ErrorKind::Unauthenticated, "the credentials were not given out")
            .with_hint("see the profile, the role and who may assume it"),
    }
}

/// Whether a file is missing or closed to this process: no connection fails in these ways.
fn unreadable(error: &(dyn StdError + 'static)) -> bool {
    let kind = find::<io::Error>(error).map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied))
}

fn unreachable(error: &(dyn StdError + 'static)) -> bool {
    find::<io::Error>(error).is_some() || chain(error).any(|e| e.to_string().contains("timeout"))
}

fn of_connection(error: &(dyn StdError + 'static), causes: &str) -> Error {
    let kind = find::<io::Error>(error).map(io::Error::kind);
    let unavailable = |message: &'static str| Error::new(ErrorKind::Unavailable, message);
    if causes.contains("dns error") {
        return unavailable("the service's name cannot be resolved")
            .with_hint("see `endpoint_url` and `region`")
            .with_retry(AGAIN);
    }
    if causes.contains("UnknownIssuer") {
        return unavailable("nobody who is trusted has signed the service's certificate")
            .with_hint("name the authority that has in `tls.ca_path`, if it is yours");
    }
    if causes.contains("peer certificate") {
        return unavailable("the service's certificate is not valid for it")
            .with_hint("see its names and its dates, and the host in `endpoint_url`");
    }
    let of_tls = ["corrupt message", "InvalidContentType", "tls", "handshake"];
    if kind == Some(io::ErrorKind::InvalidData) || of_tls.iter().any(|word| causes.contains(word)) {
        return unavailable("no secure connection to the service came about")
            .with_hint("see whether `endpoint_url` speaks TLS");
    }
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            unavailable("the service refused the connection").with_hint("see `endpoint_url`")
        }
        _ if causes.contains("(Connect)") || causes.contains("connect timeout") => {
            unavailable("no connection to the service came about").with_hint("see `endpoint_url`")
        }
        _ if causes.starts_with("failed to construct request") => {
            return Error::new(ErrorKind::QueryInvalid, "the request cannot be sent");
        }
        _ => unavailable("the connection to the service broke"),
    }
    .with_retry(AGAIN)
}

/// The answers that every service of this cloud has.
fn of_answer(status: Option<u16>, code: Option<&str>) -> Error {
    let told = match (code.unwrap_or_default(), status) {
        ("", Some(200..300)) => senseless(),
        ("InternalError", _) => {
            Error::new(ErrorKind::Unavailable, "the service failed").with_retry(AGAIN)
        }
        (
            "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "NotSignedUp",
            _,
        ) => Error::new(ErrorKind::Unauthenticated, "the service does not know the access key")
            .with_hint("see `access_key`, or the profile or variable that it comes from"),
        ("SignatureDoesNotMatch", _) => {
            Error::new(ErrorKind::Unauthenticated, "the secret key does not fit the access key")
                .with_hint("see `secret_key`, or the profile or variable that it comes from")
        }
        (code, _) if RUN_OUT.contains(&code) => {
            Error::new(ErrorKind::Unauthenticated, "the temporary credentials have run out")
                .with_hint("fetch new ones, or use a profile or a role, which renew themselves")
        }
        ("InvalidToken" | "InvalidTokenException", _) => {
            Error::new(ErrorKind::Unauthenticated, "the session token is not valid")
                .with_hint("see `session_token`, or the profile or variable that it comes from")
        }
        ("RequestTimeTooSkewed", _) => Error::new(
            ErrorKind::Unauthenticated,
            "the clocks of this machine and of the service differ",
        )
        .with_hint("set this machine's clock"),
        ("AccessDenied" | "AccessDeniedException" | "AllAccessDisabled", _) | ("", Some(403)) => {
            Error::new(ErrorKind::PermissionDenied, "the credentials do not allow this")
        }
        ("", Some(401)) => Error::new(ErrorKind::Unauthenticated, "the service wants credentials"),
        (
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException",
            _,
        )
        | (_, Some(429)) => {
            Error::new(ErrorKind::RateLimited, "the service asks to slow down").with_retry(AGAIN)
        }
        ("RequestTimeout" | "RequestTimeoutException", _) => {
            Error::new(ErrorKind::Unavailable, "the service waited too long for the request")
                .with_retry(AGAIN)
        }
        ("NotImplemented", _) | (_, Some(501)) => {
            Error::new(ErrorKind::Unsupported, "the service does not support this")
        }
        (_, Some(500..)) => {
            Error::new(ErrorKind::Unavailable, "the service failed").with_retry(AGAIN)
        }
        _ => Error::new(ErrorKind::Unexpected, "the service refused the request"),
    };
    match (code, status) {
        (Some(code), _) => told.with_vendor_code(code),
        (None, Some(status)) => told.with_vendor_code(status.to_string()),
        (None, None) => told,
    }
}

fn senseless() -> Error {
    Error::new(ErrorKind::DataInvalid, "the service's answer makes no sense")
        .with_hint("see whether `endpoint_url` is that of the service")
}

fn too_long() -> Error {
    let message = format!("the service's answer has more than {ANSWER_BYTES_MAX} bytes");
    Error::new(ErrorKind::ResourceExhausted, message)
        .with_hint("see whether `endpoint_url` is that of the service")
}

fn request_id(answer: &HttpResponse) -> Option<String> {
    let headers = answer.headers();
    headers.get("x-amz-request-id").or_else(|| headers.get("x-amzn-requestid")).map(str::to_owned)
}

/// In a header, or in the body of an answer that complains about the signature's region. What
/// cannot be one is none: no request could be sent there.
fn region(answer: &HttpResponse) -> Option<String> {
    let region = match answer.headers().get("x-amz-bucket-region") {
        Some(region) => region,
        None => {
            let body = std::str::from_utf8(answer.body().bytes()?).ok()?;
            body.split_once("<Region>")?.1.split_once("</Region>")?.0
        }
    };
    is_region(region).then(|| region.to_owned())
}
