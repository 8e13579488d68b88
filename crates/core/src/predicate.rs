//! Which rows: a small closed language that every source can judge and render.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::{Error, ErrorKind, Result};

/// One typed value: an Arrow array of length one, so that no type loses anything.
#[derive(Debug, Clone)]
pub struct Literal(ArrayRef);

impl Literal {
    /// Takes the only element of `array`.
    ///
    /// # Errors
    /// `QueryInvalid` when it does not hold exactly one.
    pub fn new(array: ArrayRef) -> Result<Self> {
        if array.len() == 1 {
            return Ok(Self(array));
        }
        let message = format!("a literal holds one value, not {}", array.len());
        Err(Error::new(ErrorKind::QueryInvalid, message))
    }

    /// The array of length one.
    pub fn array(&self) -> &ArrayRef {
        &self.0
    }

    /// The type.
    pub fn data_type(&self) -> &DataType {
        self.0.data_type()
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        self.0.is_null(0)
    }
}

/// A comparison between a column and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

impl CompareOp {
    /// The operator in SQL, the same in every dialect.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
        }
    }
}

/// Which rows, with SQL's three-valued logic: a row is kept when the predicate is true.
///
/// The literal's type equals the column's, so that no source chooses a conversion of its own.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// A column compared with a value.
    Compare {
        /// The column in the source's exact case.
        column: String,
        /// How.
        op: CompareOp,
        /// With what.
        value: Literal,
    },
    /// A column's value is one of a set, such as keys found at run time.
    In {
        /// The column.
        column: String,
        /// The set, of the column's type; a NULL in it never matches and, as in SQL, keeps
        /// the negation from ever being true.
        values: ArrayRef,
        /// `NOT IN`.
        negated: bool,
    },
    /// `LIKE` with `%` and `_`, and `\` before one that is meant literally.
    Like {
        /// The column, of a text type.
        column: String,
        /// The pattern.
        pattern: String,
        /// `NOT LIKE`.
        negated: bool,
        /// `ILIKE`.
        ignore_case: bool,
    },
    /// The column is NULL, or is not.
    IsNull {
        /// The column.
        column: String,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// A boolean column is true.
    IsTrue {
        /// The column.
        column: String,
    },
    /// All of them.
    And(Vec<Predicate>),
    /// At least one of them.
    Or(Vec<Predicate>),
    /// Not this one.
    Not(Box<Predicate>),
}

impl Predicate {
    /// A column compared with a value.
    pub fn compare(column: impl Into<String>, op: CompareOp, value: Literal) -> Self {
        Self::Compare { column: column.into(), op, value }
    }

    /// All of `parts`; none when there are none.
    pub fn all(parts: impl IntoIterator<Item = Predicate>) -> Option<Self> {
        let mut parts: Vec<_> = parts.into_iter().collect();
        if parts.len() > 1 { Some(Self::And(parts)) } else { parts.pop() }
    }

    /// The columns it reads, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = Vec::new();
        self.collect_columns(&mut columns);
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn collect_columns<'a>(&'a self, columns: &mut Vec<&'a str>) {
        match self {
            Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::Like { column, .. }
            | Self::IsNull { column, .. }
            | Self::IsTrue { column } => columns.push(column),
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|p| p.collect_columns(columns));
            }
            Self::Not(part) => part.collect_columns(columns),
        }
    }
}
