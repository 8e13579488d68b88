//! `SELECT columns FROM table WHERE predicate ORDER BY .. LIMIT n` in a source's own SQL.

use arrow_array::Array;
use arrow_schema::{DataType, Field, Schema};

use crate::{
    BooleanForm, CompareOp, Error, ErrorKind, LimitForm, NullOrder, Predicate, Result, SortKey,
    SqlDialect,
};

/// How a source writes what its [`SqlDialect`] does not say as data.
pub trait SqlForms: Send + Sync {
    /// Its dialect.
    fn dialect(&self) -> &SqlDialect;

    /// A value as a literal that is compared with a column of its type.
    ///
    /// # Errors
    /// `Unsupported` for a type without a literal, `QueryInvalid` for a value without one.
    fn literal(&self, array: &dyn Array, index: usize) -> Result<String>;

    /// A column of text that compares and sorts by the bytes in which it is read; `name` is its
    /// quoted name, `field` what it is read as.
    fn in_byte_order(&self, name: String, field: &Field) -> String;

    /// A column of text as it is matched with a pattern, by the characters in which it is read.
    fn in_patterns(&self, name: String, field: &Field) -> String;

    /// A condition that holds wherever the column equals one of `values` in byte order, and maybe
    /// elsewhere: by it the source skips what it need not read. None where that is so already.
    ///
    /// # Errors
    /// Those of [`literal`](Self::literal).
    fn lookup(&self, name: String, values: &dyn Array) -> Result<Option<String>>;
}

/// What is read, and how.
#[derive(Debug)]
pub struct Select<'a> {
    /// Expressions; a constant stands for none, so that rows can be counted.
    pub columns: Vec<String>,
    /// A quoted name, or a statement in parentheses with a name.
    pub from: String,
    /// Its columns as they are read, against which the predicate and the order are checked. None
    /// where the caller planned with them, and the source compares text by its bytes.
    pub schema: Option<&'a Schema>,
    /// Which rows.
    pub predicate: Option<&'a Predicate>,
    /// In which order.
    pub order: &'a [SortKey],
    /// How many rows at most.
    pub limit: Option<u64>,
}

impl Select<'_> {
    /// The statement.
    ///
    /// # Errors
    /// `QueryInvalid` for a column that is not there or a literal of another type,
    /// `Unsupported` for what the source cannot write, or when the statement is too long.
    pub fn render(&self, forms: &dyn SqlForms) -> Result<String> {
        let dialect = forms.dialect();
        let scope = Scope { forms, schema: self.schema };
        let mut sql = String::from("SELECT ");
        if let (LimitForm::Top, Some(limit)) = (dialect.limit, self.limit) {
            sql.push_str(&format!("TOP ({limit}) "));
        }
        sql.push_str(&if self.columns.is_empty() {
            "1".to_owned()
        } else {
            self.columns.join(", ")
        });
        sql.push_str(&format!(" FROM {}", self.from));
        if let Some(predicate) = self.predicate {
            sql.push_str(&format!(" WHERE {}", scope.predicate(predicate)?));
        }
        if !self.order.is_empty() {
            let keys = self.order.iter().map(|key| scope.sort_key(key));
            sql.push_str(&format!(" ORDER BY {}", keys.collect::<Result<Vec<_>>>()?.join(", ")));
        }
        match (dialect.limit, self.limit) {
            (LimitForm::Limit, Some(limit)) => sql.push_str(&format!(" LIMIT {limit}")),
            (LimitForm::Fetch, Some(limit)) => {
                sql.push_str(&format!(" FETCH FIRST {limit} ROWS ONLY"));
            }
            (LimitForm::Top, _) | (_, None) => {}
        }
        let bytes_max = dialect.limits.statement_bytes_max;
        if sql.len() > bytes_max {
            let message = format!("the statement would have more than {bytes_max} bytes");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(sql)
    }
}

/// What a predicate or an order may name.
struct Scope<'a> {
    forms: &'a dyn SqlForms,
    schema: Option<&'a Schema>,
}

impl Scope<'_> {
    fn field(&self, column: &str) -> Result<Option<&Field>> {
        let Some(schema) = self.schema else { return Ok(None) };
        let field = schema.field_with_name(column).map_err(|_| {
            Error::new(ErrorKind::QueryInvalid, format!("there is no column `{column}`"))
                .with_context("column", column)
        });
        field.map(Some)
    }

    /// The source would convert a value of another type by rules of its own.
    fn is_of(&self, column: &str, wanted: &DataType) -> Result<()> {
        match self.field(column)?.map(Field::data_type) {
            Some(found) if found != wanted => {
                let message =
                    format!("column `{column}` is {found}, what it is compared with is {wanted}");
                Err(Error::new(ErrorKind::QueryInvalid, message).with_context("column", column))
            }
            _ => Ok(()),
        }
    }

    /// A column as it is compared and sorted.
    fn operand(&self, column: &str) -> Result<String> {
        let name = self.forms.dialect().quote(column);
        Ok(match self.field(column)? {
            Some(field) if is_text(field.data_type()) => self.forms.in_byte_order(name, field),
            _ => name,
        })
    }

    fn truth(&self, value: bool) -> &'static str {
        match (self.forms.dialect().boolean, value) {
            (BooleanForm::Keyword, true) => "TRUE",
            (BooleanForm::Keyword, false) => "FALSE",
            (BooleanForm::Bit, true) => "1 = 1",
            (BooleanForm::Bit, false) => "1 = 0",
        }
    }

    fn sort_key(&self, key: &SortKey) -> Result<String> {
        let SortKey { column, descending, nulls_first } = key;
        let expression = self.operand(column)?;
        let direction = if *descending { "DESC" } else { "ASC" };
        let natural_first = match self.forms.dialect().null_order {
            NullOrder::Explicit => {
                let nulls = if *nulls_first { "FIRST" } else { "LAST" };
                return Ok(format!("{expression} {direction} NULLS {nulls}"));
            }
            NullOrder::Smallest => !descending,
            NullOrder::Largest => *descending,
        };
        if natural_first == *nulls_first {
            return Ok(format!("{expression} {direction}"));
        }
        let (null, other) = if *nulls_first { (0, 1) } else { (1, 0) };
        let name = self.forms.dialect().quote(column);
        let nulls = format!("CASE WHEN {name} IS NULL THEN {null} ELSE {other} END");
        Ok(format!("{nulls}, {expression} {direction}"))
    }

    /// In parentheses where it has parts.
    fn predicate(&self, predicate: &Predicate) -> Result<String> {
        match predicate {
            Predicate::Compare { column, op, value } => {
                self.is_of(column, value.data_type())?;
                let right = self.forms.literal(value.array(), 0)?;
                let compared = format!("{} {} {right}", self.operand(column)?, op.as_sql());
                match op {
                    CompareOp::Eq => self.looked_up(column, value.array(), compared),
                    _ => Ok(compared),
                }
            }
            Predicate::In { column, values, negated } => self.set(column, values, *negated),
            Predicate::Like { column, pattern, negated, ignore_case } => {
                self.like(column, pattern, *negated, *ignore_case)
            }
            Predicate::IsNull { column, negated } => {
                self.field(column)?;
                let word = if *negated { "IS NOT NULL" } else { "IS NULL" };
                Ok(format!("{} {word}", self.forms.dialect().quote(column)))
            }
            Predicate::IsTrue { column } => {
                self.is_of(column, &DataType::Boolean)?;
                let name = self.forms.dialect().quote(column);
                Ok(match self.forms.dialect().boolean {
                    BooleanForm::Keyword => name,
                    BooleanForm::Bit => format!("{name} = 1"),
                })
            }
            Predicate::And(parts) => self.joined(parts, " AND ", true),
            Predicate::Or(parts) => self.joined(parts, " OR ", false),
            Predicate::Not(part) => Ok(format!("NOT ({})", self.predicate(part)?)),
        }
    }

    fn joined(&self, parts: &[Predicate], word: &str, none: bool) -> Result<String> {
        if parts.is_empty() {
            return Ok(self.truth(none).to_owned());
        }
        let parts = parts.iter().map(|part| self.predicate(part));
        Ok(format!("({})", parts.collect::<Result<Vec<_>>>()?.join(word)))
    }

    fn like(
        &self,
        column: &str,
        pattern: &str,
        negated: bool,
        ignore_case: bool,
    ) -> Result<String> {
        if self.field(column)?.is_some_and(|field| !is_text(field.data_type())) {
            let message = format!("column `{column}` is not text, so it is like no pattern");
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        if ignore_case {
            let message = "a pattern without regard to case is not applied by this source";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let dialect = self.forms.dialect();
        let (name, word) = (dialect.quote(column), if negated { "NOT LIKE" } else { "LIKE" });
        let name = match self.field(column)? {
            Some(field) => self.forms.in_patterns(name, field),
            None => name,
        };
        // Sources differ in what escapes when nothing is said.
        Ok(format!("{name} {word} {} ESCAPE {}", dialect.text(pattern)?, dialect.text("\\")?))
    }

    /// The empty set contains nothing, also not NULL.
    fn set(&self, column: &str, values: &dyn Array, negated: bool) -> Result<String> {
        self.is_of(column, values.data_type())?;
        let most = self.forms.dialect().limits.in_values_max;
        if values.len() > most {
            let message =
                format!("a set of {} values is more than the {most} of this source", values.len());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if values.is_empty() {
            return Ok(self.truth(negated).to_owned());
        }
        let literals = (0..values.len()).map(|index| self.forms.literal(values, index));
        let list = literals.collect::<Result<Vec<_>>>()?.join(", ");
        let word = if negated { "NOT IN" } else { "IN" };
        let compared = format!("{} {word} ({list})", self.operand(column)?);
        if negated { Ok(compared) } else { self.looked_up(column, values, compared) }
    }

    /// A condition of equality, with what helps the source to find its rows. That holds wherever
    /// the condition does and is NULL for NULL, so both mean what the condition does, also where
    /// they are negated.
    fn looked_up(&self, column: &str, values: &dyn Array, compared: String) -> Result<String> {
        let name = self.forms.dialect().quote(column);
        Ok(match self.forms.lookup(name, values)? {
            Some(lookup) => format!("({lookup} AND {compared})"),
            None => compared,
        })
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
