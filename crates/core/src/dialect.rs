//! A source's SQL as data: how it quotes, folds, limits and divides.
//!
//! Kinds render statements from it, and the engine builds its push-down gate from it; a
//! construct that it does not allow stays in the engine.

use crate::{Error, ErrorKind, Result, TableName};

/// How unquoted identifiers are folded at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierCase {
    /// To lower case, as PostgreSQL does.
    Lower,
    /// To upper case, as Snowflake does.
    Upper,
    /// Kept, and compared exactly.
    Exact,
    /// Kept, and compared without regard to case.
    Insensitive,
}

/// How a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitForm {
    /// `LIMIT n` at the end.
    Limit,
    /// `SELECT TOP (n)`.
    Top,
    /// `FETCH FIRST n ROWS ONLY`.
    Fetch,
}

/// How truth is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BooleanForm {
    /// `TRUE` and a bare boolean column.
    Keyword,
    /// `1`, and a column compared with it.
    Bit,
}

/// Where nulls go in an order that does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullOrder {
    /// It can be said: `NULLS FIRST` and `NULLS LAST`.
    Explicit,
    /// It cannot be said; nulls are the smallest.
    Smallest,
    /// It cannot be said; nulls are the largest.
    Largest,
}

/// What `1 / 2` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerDivision {
    /// `0`.
    Truncates,
    /// A fraction.
    Fraction,
}

/// How a bound value is marked in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterMarker {
    /// `?`
    Question,
    /// `$1`
    Dollar,
    /// `:name`
    Colon,
    /// `@name`
    At,
}

/// How an old state of a table is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeTravelForm {
    /// `AT (TIMESTAMP => ...)`
    SnowflakeAt,
    /// `FOR SYSTEM_TIME AS OF ...`
    SystemTime,
    /// `VERSION AS OF n`, `TIMESTAMP AS OF ...`
    AsOf,
}

/// What the source refuses to take more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialectLimits {
    /// Bytes of one statement.
    pub statement_bytes_max: usize,
    /// Values of one `IN` list.
    pub in_values_max: usize,
    /// Bytes of one identifier.
    pub identifier_bytes_max: usize,
}

/// A source's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlDialect {
    /// Its name in messages, such as `redshift`.
    pub name: &'static str,
    /// What opens a quoted identifier.
    pub quote_open: char,
    /// What closes it; doubled inside.
    pub quote_close: char,
    /// How unquoted identifiers are folded.
    pub identifier_case: IdentifierCase,
    /// How a limit is written.
    pub limit: LimitForm,
    /// How truth is written.
    pub boolean: BooleanForm,
    /// Where nulls go.
    pub null_order: NullOrder,
    /// What `1 / 2` is.
    pub integer_division: IntegerDivision,
    /// A backslash in a text literal escapes, and must be doubled.
    pub backslash_escapes: bool,
    /// How a bound value is marked.
    pub parameter_marker: ParameterMarker,
    /// How an old state is asked for, if at all.
    pub time_travel: Option<TimeTravelForm>,
    /// What it takes at most.
    pub limits: DialectLimits,
    /// Functions proved equal to the engine's, by the engine's name.
    pub functions: &'static [&'static str],
}

impl SqlDialect {
    /// `identifier`, quoted so that the source takes it literally.
    pub fn quote(&self, identifier: &str) -> String {
        let mut quoted = String::with_capacity(identifier.len() + 2);
        quoted.push(self.quote_open);
        for c in identifier.chars() {
            if c == self.quote_close {
                quoted.push(c);
            }
            quoted.push(c);
        }
        quoted.push(self.quote_close);
        quoted
    }

    /// A table's name, quoted part by part.
    pub fn table(&self, name: &TableName) -> String {
        name.parts().iter().map(|part| self.quote(part)).collect::<Vec<_>>().join(".")
    }

    /// Text as a literal.
    ///
    /// # Errors
    /// `QueryInvalid` for a NUL character, which no warehouse holds.
    pub fn text(&self, text: &str) -> Result<String> {
        let mut literal = String::with_capacity(text.len() + 2);
        literal.push('\'');
        for c in text.chars() {
            match c {
                '\0' => {
                    let message = "text with a NUL character cannot be sent to this source";
                    return Err(Error::new(ErrorKind::QueryInvalid, message));
                }
                '\'' => literal.push_str("''"),
                '\\' if self.backslash_escapes => literal.push_str("\\\\"),
                c => literal.push(c),
            }
        }
        literal.push('\'');
        Ok(literal)
    }
}
