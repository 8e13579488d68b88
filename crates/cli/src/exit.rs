//! Exit codes: what a script can tell from how the program ended.

use std::fmt::Write as _;

use orbit_core::ErrorKind;

/// An exit code and what it means.
#[derive(Debug)]
pub(crate) struct Code {
    /// The number.
    pub(crate) number: u8,
    /// What it means.
    pub(crate) meaning: &'static str,
}

/// All is well.
pub(crate) const OK: u8 = 0;
/// A wrong option; the parser's own choice.
pub(crate) const USAGE: u8 = 2;
/// A file of this machine, or the output.
pub(crate) const LOCAL_FILE: u8 = 12;
/// Ctrl-C, as shells report it.
pub(crate) const INTERRUPTED: u8 = 130;
/// SIGTERM, as shells report it.
pub(crate) const TERMINATED: u8 = 143;

/// Every exit code, in order.
pub(crate) const CODES: &[Code] = &[
    Code { number: OK, meaning: "done; also when whoever reads the output stops reading" },
    Code { number: 1, meaning: "a fault in ORBIT or in a driver" },
    Code { number: USAGE, meaning: "a wrong option or argument" },
    Code { number: 3, meaning: "the configuration is wrong" },
    Code { number: 4, meaning: "the query is wrong, or asks for what is not supported" },
    Code { number: 5, meaning: "the table, file or datasource does not exist" },
    Code { number: 6, meaning: "credentials are refused, or do not allow this" },
    Code { number: 7, meaning: "a source cannot be reached or asks to slow down" },
    Code { number: 8, meaning: "a time limit ran out" },
    Code { number: 9, meaning: "a limit on memory, disk, size or count was reached" },
    Code { number: 10, meaning: "the data is broken, or the source cut the result" },
    Code { number: 11, meaning: "the target exists, or somebody changed it first" },
    Code { number: LOCAL_FILE, meaning: "a local file or the output cannot be read or written" },
    Code { number: INTERRUPTED, meaning: "interrupted by Ctrl-C" },
    Code { number: TERMINATED, meaning: "ended by SIGTERM" },
];

/// The exit code of a failure of this kind.
pub(crate) fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Unexpected => 1,
        ErrorKind::ConfigInvalid => 3,
        ErrorKind::QueryInvalid | ErrorKind::Unsupported => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => 6,
        ErrorKind::Unavailable | ErrorKind::RateLimited => 7,
        ErrorKind::Timeout => 8,
        ErrorKind::ResourceExhausted => 9,
        ErrorKind::DataInvalid | ErrorKind::Truncated => 10,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => 11,
        ErrorKind::Cancelled => INTERRUPTED,
    }
}

/// The table of codes as the help shows it.
pub(crate) fn table_text() -> String {
    CODES.iter().fold(String::new(), |mut text, code| {
        let separator = if text.is_empty() { "" } else { "\n" };
        write!(text, "{separator}  {:>3}  {}", code.number, code.meaning).ok();
        text
    })
}
