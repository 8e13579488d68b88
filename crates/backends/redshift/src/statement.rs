//! A statement in the source's own SQL, before it is sent: one, not of the session, and one
//! that reads where it is said to read.

use orbit_core::{Effect, Error, ErrorKind, Result};
use orbit_sql::Statement;

/// Those that only read, whatever follows, inside of a transaction that is read-only.
const READING: [&str; 6] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"];

/// Those that belong to a session or a transaction, of which a statement here has none.
const OF_SESSION: [&str; 27] = [
    "BEGIN",
    "START",
    "COMMIT",
    "END",
    "ABORT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "SET",
    "RESET",
    "DISCARD",
    "USE",
    "LISTEN",
    "UNLISTEN",
    "NOTIFY",
    "LOCK",
    "DECLARE",
    "FETCH",
    "MOVE",
    "CLOSE",
    "LOAD",
    "CHECKPOINT",
    "CONNECT",
    "DISCONNECT",
];

/// What a statement does, as its first word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// It answers rows, and can stand in parentheses as a table.
    Rows,
    /// It answers rows, and cannot stand in another.
    Told,
    /// Anything else.
    Other,
}

/// What the statement does.
pub(crate) fn sort(statement: &Statement<'_>) -> Sort {
    match statement.keyword().as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" => Sort::Rows,
        "SHOW" | "EXPLAIN" => Sort::Told,
        _ => Sort::Other,
    }
}

/// Refuses what must not be sent.
///
/// # Errors
/// `Unsupported` for a statement of the session and for COPY over the connection,
/// `PermissionDenied` for one that does not read although it is said to.
pub(crate) fn check(statement: &Statement<'_>, effect: Effect) -> Result<()> {
    let keyword = statement.keyword();
    if OF_SESSION.contains(&keyword.as_str()) {
        let message =
            format!("{keyword} is a statement of a session, and each one here has its own");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let over_connection = |word: String| matches!(word.as_str(), "STDIN" | "STDOUT");
    if keyword == "COPY" && statement.words().any(over_connection) {
        let message = "COPY over the connection is not a statement that can be passed through";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if effect == Effect::Read && !READING.contains(&keyword.as_str()) {
        if keyword.chars().all(|c| c.is_ascii_alphabetic()) && is_known(&keyword) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("{keyword} is not a statement that reads"),
            )
            .with_hint("say that it writes, where writes are allowed"));
        }
        let message = "the statement does not begin like one that reads";
        return Err(Error::new(ErrorKind::QueryInvalid, message)
            .with_hint(format!("those that read begin with {}", READING.join(", "))));
    }
    Ok(())
}

/// Whether the word begins a statement of SQL.
fn is_known(keyword: &str) -> bool {
    const WRITING: [&str; 24] = [
        "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "GRANT",
        "REVOKE", "COPY", "UNLOAD", "VACUUM", "ANALYZE", "CALL", "DO", "COMMENT", "REFRESH",
        "REINDEX", "CLUSTER", "CANCEL", "IMPORT", "REASSIGN", "SECURITY",
    ];
    WRITING.contains(&keyword)
}

/// `statement` as a table named `q`. A line ends before the parenthesis, since the statement may
/// end in a comment.
pub(crate) fn as_table(statement: &str) -> String {
    format!("({statement}\n) AS q")
}

/// A statement that answers one row with the columns of `statement`, all of them null, without
/// running it: the join matches nothing, so its right side is never read.
pub(crate) fn shape_sql(statement: &str) -> String {
    format!("SELECT q.* FROM (SELECT 1) AS one LEFT JOIN {} ON 1 = 0", as_table(statement))
}

#[cfg(test)]
mod tests {
    use orbit_sql::Lexing;

    use super::*;

    fn checked(text: &str, effect: Effect) -> Result<()> {
        let lexing = Lexing { backslash_escapes: false, bytes_max: 1000 };
        check(&Statement::scan(text, lexing)?, effect)
    }

    #[test]
    fn what_writes_is_refused_where_reading_is_said() {
        for reading in ["SELECT 1", "/* x */ (select 1)", "with a as (select 1) select 1", "show x"]
        {
            assert!(checked(reading, Effect::Read).is_ok(), "{reading}");
        }
        for writing in ["INSERT INTO t VALUES (1)", "drop table t", "-- SELECT\nDELETE FROM t"] {
            let error = checked(writing, Effect::Read).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{writing}");
            assert!(checked(writing, Effect::Write).is_ok(), "{writing}");
        }
        assert_eq!(checked("SELEKT 1", Effect::Read).unwrap_err().kind(), ErrorKind::QueryInvalid);
    }

    #[test]
    fn sessions_and_streams_are_refused_always() {
        for refused in ["BEGIN", "set x to 1", "COMMIT", "COPY t FROM STDIN", "copy t to stdout"] {
            for effect in [Effect::Read, Effect::Write, Effect::Unknown] {
                let error = checked(refused, effect).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{refused}");
            }
        }
        assert!(checked("COPY t FROM 's3://b/stdin'", Effect::Write).is_ok());
    }
}
