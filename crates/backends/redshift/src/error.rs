//! What the driver and the server say, in the contract's terms.

use std::time::Duration;

use orbit_core::{Error, ErrorKind, Retry};
use sqlx::postgres::PgDatabaseError;

const AGAIN: Retry = Retry::After(Duration::ZERO);

/// The failure of an operation.
pub(crate) fn of(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => of_server(error.code(), error.message(), error.hint()),
            None => Error::new(ErrorKind::Unexpected, "the driver answered for another database"),
        },
        sqlx::Error::Io(error) => {
            Error::new(ErrorKind::Unavailable, "the connection to the server failed")
                .with_hint("check host, port and network")
                .with_retry(AGAIN)
                .with_source(error)
        }
        sqlx::Error::Tls(error) => {
            Error::new(ErrorKind::Unavailable, "the server is not trusted, or speaks no TLS")
                .with_hint("check `sslmode` and `ssl_root_cert`, and that the name is the server's")
                .with_source(error)
        }
        sqlx::Error::Configuration(error) => {
            Error::new(ErrorKind::ConfigInvalid, "the driver refuses the settings")
                .with_source(error)
        }
        sqlx::Error::Protocol(message) => {
            Error::new(ErrorKind::DataInvalid, "the server does not keep to the protocol")
                .with_context("detail", message)
        }
        other => Error::new(ErrorKind::Unexpected, "the driver failed").with_source(other),
    }
}

/// The same of a statement that the server ended by its own limit of time.
pub(crate) fn of_limit(error: Error) -> Error {
    Error::new(ErrorKind::Timeout, "the statement took longer than `statement_timeout_ms` allows")
        .with_vendor_code(error.vendor_code().unwrap_or_default().to_owned())
        .with_source(error)
}

/// Whether the server refused a statement, so that the connection itself is sound.
pub(crate) fn is_of_server(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if !error.code().is_some_and(|c| c.starts_with("57P")))
}

/// The failure that the server reports under a SQLSTATE.
fn of_server(code: &str, message: &str, hint: Option<&str>) -> Error {
    let (kind, retry) = kind_of(code, message);
    let error = Error::new(kind, spoken(message)).with_vendor_code(code).with_retry(retry);
    match (code, hint) {
        ("25006", _) => error.with_hint("the statement writes; say so, where writes are allowed"),
        (_, Some(hint)) => error.with_hint(spoken(hint)),
        ("28P01" | "28000", None) => error.with_hint("check user name and password"),
        // Redshift has one sentence for all that ends a statement.
        ("57014", None) if message.contains("on user's request") => error.with_hint(
            "a limit of time ends it so too: see `statement_timeout_ms` and the rules of its queue",
        ),
        _ => error,
    }
}

/// The server's sentence as ours are: without a capital and without a stop.
fn spoken(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default().trim_end_matches(['.', '!', ' ']);
    let mut letters = message.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(letters).collect()
        }
        (None, _) => "the server failed without saying why".to_owned(),
        _ => message.to_owned(),
    }
}

fn kind_of(code: &str, message: &str) -> (ErrorKind, Retry) {
    use ErrorKind as Kind;
    let kind = match code {
        "28P01" | "28000" => Kind::Unauthenticated,
        "42501" | "25006" => Kind::PermissionDenied,
        "42P01" | "3F000" | "3D000" => Kind::NotFound,
        "42P07" | "42P06" | "42P04" | "42710" => Kind::AlreadyExists,
        "57014" if message.contains("timeout") => Kind::Timeout,
        "57014" => Kind::Cancelled,
        "0A000" => Kind::Unsupported,
        "40001" | "40P01" => return (Kind::Conflict, AGAIN),
        "53300" | "57P01" | "57P02" | "57P03" | "57P05" => return (Kind::Unavailable, AGAIN),
        "22P02" | "22007" | "22008" => Kind::QueryInvalid,
        _ => match code.get(..2).unwrap_or_default() {
            "08" => return (Kind::Unavailable, AGAIN),
            "22" | "23" => Kind::DataInvalid,
            "53" | "54" => Kind::ResourceExhausted,
            "58" => Kind::Unavailable,
            _ => Kind::QueryInvalid,
        },
    };
    (kind, Retry::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_kind() {
        let line = |(code, message, hint): (&str, &str, Option<&str>)| {
            let error = of_server(code, message, hint);
            format!("{}, {:?}: {error}\n", error.kind(), error.retry())
        };
        let errors = [
            ("28P01", "password authentication failed for user \"a\"", None),
            ("42P01", "relation \"t\" does not exist", None),
            ("42501", "permission denied for table t", None),
            ("25006", "cannot execute INSERT in a read-only transaction", None),
            ("42601", "syntax error at or near \"SELEKT\"", None),
            ("42703", "column \"a\" does not exist", Some("Perhaps you meant \"b\".")),
            ("57014", "canceling statement due to statement timeout", None),
            ("57014", "canceling statement due to user request", None),
            ("57014", "Query (4777555) cancelled on user's request", None),
            ("57P01", "terminating connection due to administrator command", None),
            ("53300", "sorry, too many clients already", None),
            ("40001", "could not serialize access", None),
            ("22012", "division by zero", None),
            ("XX000", "Something went wrong.\nDETAIL: much", None),
        ];
        insta::assert_snapshot!(errors.map(line).concat(), @r#"
        unauthenticated, Never: password authentication failed for user "a" (code: 28P01); check user name and password
        not_found, Never: relation "t" does not exist (code: 42P01)
        permission_denied, Never: permission denied for table t (code: 42501)
        permission_denied, Never: cannot execute INSERT in a read-only transaction (code: 25006); the statement writes; say so, where writes are allowed
        query_invalid, Never: syntax error at or near "SELEKT" (code: 42601)
        query_invalid, Never: column "a" does not exist (code: 42703); perhaps you meant "b"
        timeout, Never: canceling statement due to statement timeout (code: 57014)
        cancelled, Never: canceling statement due to user request (code: 57014)
        cancelled, Never: query (4777555) cancelled on user's request (code: 57014); a limit of time ends it so too: see `statement_timeout_ms` and the rules of its queue
        unavailable, After(0ns): terminating connection due to administrator command (code: 57P01)
        unavailable, After(0ns): sorry, too many clients already (code: 53300)
        conflict, After(0ns): could not serialize access (code: 40001)
        data_invalid, Never: division by zero (code: 22012)
        query_invalid, Never: something went wrong (code: XX000)
        "#);
    }
}
