//! The service's codes as kinds of errors.

use orbit_core::{Error, ErrorKind, Retry};

/// The token of a session ran out; its master token renews it.
pub(crate) const SESSION_EXPIRED: &str = "390112";
/// The session, or the token that would renew it, is gone: sign in anew.
pub(crate) const SESSION_GONE: [&str; 6] =
    ["390104", "390108", "390111", "390113", "390114", "390115"];
/// An OAuth token is no longer good, or never was.
pub(crate) const TOKEN_REFUSED: [&str; 2] = ["390303", "390318"];
/// The statement still runs.
pub(crate) const IN_PROGRESS: [&str; 2] = ["333333", "333334"];
/// There is nothing to cancel, or not yet.
pub(crate) const NOT_RUNNING: &str = "000605";

/// The error of an answer that reports a failure.
pub(crate) fn failure(code: &str, state: Option<&str>, message: Option<&str>) -> Error {
    let kind = kind(code, state);
    let error = Error::new(kind, said(message));
    let error = match kind {
        ErrorKind::Unavailable | ErrorKind::RateLimited => {
            error.with_retry(Retry::After(std::time::Duration::ZERO))
        }
        _ => error,
    };
    let error = match hint(code, kind) {
        Some(hint) => error.with_hint(hint),
        None => error,
    };
    if code.is_empty() { error } else { error.with_vendor_code(code) }
}

/// The service's words in one line, and not too many of them.
fn said(message: Option<&str>) -> String {
    const CHARS_MAX: usize = 600;
    let words: Vec<_> = message.unwrap_or_default().split_whitespace().collect();
    let text: String = words.join(" ").chars().take(CHARS_MAX).collect();
    let text = text.trim_end_matches(['.', '!']);
    if text.is_empty() {
        return "snowflake refused the request without saying why".to_owned();
    }
    format!("snowflake says: {text}")
}

fn kind(code: &str, state: Option<&str>) -> ErrorKind {
    match code {
        "390189" | "003001" | "390186" | "390201" => ErrorKind::PermissionDenied,
        "002003" | "002140" => ErrorKind::NotFound,
        "002002" => ErrorKind::AlreadyExists,
        "000604" => ErrorKind::Cancelled,
        "000630" | "000629" => ErrorKind::Timeout,
        "000606" | "000610" | "000639" | "090073" | "090106" => ErrorKind::Unavailable,
        "000625" => ErrorKind::Conflict,
        "000008" => ErrorKind::Unsupported,
        "000904" | "001003" | "002049" | "000713" => ErrorKind::QueryInvalid,
        "000603" => ErrorKind::Unexpected,
        _ => by_state(code, state),
    }
}

fn by_state(code: &str, state: Option<&str>) -> ErrorKind {
    // Codes from 390000 on are of signing in.
    if ["3901", "3903", "3943", "3944"].iter().any(|start| code.starts_with(start)) {
        return ErrorKind::Unauthenticated;
    }
    let state = state.unwrap_or_default();
    match state.get(..2) {
        _ if matches!(state, "42S02" | "42S22") => ErrorKind::NotFound,
        _ if state == "42501" => ErrorKind::PermissionDenied,
        _ if state == "42710" => ErrorKind::AlreadyExists,
        _ if state == "57014" => ErrorKind::Cancelled,
        _ if state == "0A000" => ErrorKind::Unsupported,
        Some("02") => ErrorKind::NotFound,
        Some("22" | "23") => ErrorKind::DataInvalid,
        Some("57" | "08" | "53") => ErrorKind::Unavailable,
        _ => ErrorKind::QueryInvalid,
    }
}

fn hint(code: &str, kind: ErrorKind) -> Option<&'static str> {
    match (code, kind) {
        ("390144", _) => Some("check user, account and key, and that the clocks agree"),
        ("000606", _) => Some("set `warehouse`, or give the role the right to use one"),
        (_, ErrorKind::Unauthenticated) => Some("check account, user and credentials"),
        (_, ErrorKind::NotFound) => Some("check the name's case and that the role may see it"),
        _ => None,
    }
}

/// An answer that does not hold what the protocol says it holds.
pub(crate) fn malformed(what: &'static str) -> Error {
    Error::new(ErrorKind::DataInvalid, what)
}
