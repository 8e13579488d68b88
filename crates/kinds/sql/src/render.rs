//! `SELECT columns FROM table WHERE predicate ORDER BY .. LIMIT n` in a source's own SQL.

use arrow_array::Array;
use arrow_schema::{DataType, Field, Schema};
use orbit_core::{
    BooleanForm, Error, ErrorKind, LimitForm, NullOrder, Predicate, Result, SortKey, SqlDialect,
    TableName,
};

use crate::literal::{plain_literal, text_literal};

/// A source's SQL beyond what [`SqlDialect`] says as data.
pub trait SqlForms: Send + Sync {
    /// Its dialect.
    fn dialect(&self) -> &SqlDialect;

    /// Its name for a type, such as `numeric(18,2)`; none when it has no such type.
    fn type_name(&self, data_type: &DataType) -> Option<String>;

    /// Bytes as an expression; none when it has no bytes.
    fn binary_literal(&self, bytes: &[u8]) -> Option<String>;

    /// A column of text that compares and sorts by the bytes in which it is read; `field` is the
    /// one it is read as, and `name` its quoted name.
    fn in_byte_order(&self, name: String, field: &Field) -> String;

    /// Truth as a literal.
    fn boolean_literal(&self, value: bool) -> &'static str {
        match (self.dialect().boolean, value) {
            (BooleanForm::Keyword, true) => "TRUE",
            (BooleanForm::Keyword, false) => "FALSE",
            (BooleanForm::Bit, true) => "1",
            (BooleanForm::Bit, false) => "0",
        }
    }
}

/// The columns that a predicate or an order may name, with their Arrow types.
#[derive(Debug, Clone, Copy)]
pub struct ColumnNames<'a>(pub &'a Schema);

impl ColumnNames<'_> {
    fn data_type(&self, name: &str) -> Result<&DataType> {
        self.field(name).map(Field::data_type)
    }

    fn field(&self, name: &str) -> Result<&Field> {
        self.0.field_with_name(name).map_err(|_| {
            Error::new(ErrorKind::QueryInvalid, format!("there is no column `{name}`"))
                .with_context("column", name)
        })
    }

    fn typed(&self, name: &str, wanted: &DataType) -> Result<&DataType> {
        let found = self.data_type(name)?;
        if found == wanted {
            return Ok(found);
        }
        let message = format!("column `{name}` is {found}, what it is compared with is {wanted}");
        Err(Error::new(ErrorKind::QueryInvalid, message))
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A table's name, quoted part by part.
pub fn table_name(dialect: &SqlDialect, name: &TableName) -> String {
    name.parts().iter().map(|part| dialect.quote(part)).collect::<Vec<_>>().join(".")
}

/// What is read, and how.
#[derive(Debug)]
pub struct Select<'a> {
    /// Expressions; a constant stands for none, so that rows can be counted.
    pub columns: Vec<String>,
    /// A quoted name, or a statement in parentheses with a name.
    pub from: String,
    /// The names and types of its columns.
    pub names: ColumnNames<'a>,
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
    /// `Unsupported` for a literal that the source cannot write.
    pub fn render(&self, forms: &dyn SqlForms) -> Result<String> {
        let dialect = forms.dialect();
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
            sql.push_str(&format!(" WHERE {}", render_predicate(forms, predicate, self.names)?));
        }
        if !self.order.is_empty() {
            let keys = self.order.iter().map(|key| self.sort_key(forms, key));
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

    fn sort_key(&self, forms: &dyn SqlForms, key: &SortKey) -> Result<String> {
        let SortKey { column, descending, nulls_first } = key;
        let expression = operand(forms, self.names, column)?;
        let direction = if *descending { "DESC" } else { "ASC" };
        let natural_first = match forms.dialect().null_order {
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
        let name = forms.dialect().quote(column);
        let nulls = format!("CASE WHEN {name} IS NULL THEN {null} ELSE {other} END");
        Ok(format!("{nulls}, {expression} {direction}"))
    }
}

/// A column as it is compared and sorted.
fn operand(forms: &dyn SqlForms, names: ColumnNames<'_>, column: &str) -> Result<String> {
    let field = names.field(column)?;
    let name = forms.dialect().quote(column);
    Ok(if is_text(field.data_type()) { forms.in_byte_order(name, field) } else { name })
}

/// A predicate, in parentheses where it has parts.
///
/// # Errors
/// As for [`Select::render`].
pub fn render_predicate(
    forms: &dyn SqlForms,
    predicate: &Predicate,
    names: ColumnNames<'_>,
) -> Result<String> {
    let joined = |parts: &[Predicate], word: &str, none: bool| {
        if parts.is_empty() {
            return Ok(truth(forms, none));
        }
        let parts = parts.iter().map(|part| render_predicate(forms, part, names));
        Ok(format!("({})", parts.collect::<Result<Vec<_>>>()?.join(word)))
    };
    match predicate {
        Predicate::Compare { column, op, value } => {
            names.typed(column, value.data_type())?;
            let left = operand(forms, names, column)?;
            let right = plain_literal(forms, value.array(), 0)?;
            Ok(format!("{left} {} {right}", op.as_sql()))
        }
        Predicate::In { column, values, negated } => {
            names.typed(column, values.data_type())?;
            set(forms, names, column, values, *negated)
        }
        Predicate::Like { column, pattern, negated, ignore_case } => {
            if !is_text(names.data_type(column)?) {
                let message = format!("column `{column}` is not text, so it is like no pattern");
                return Err(Error::new(ErrorKind::QueryInvalid, message));
            }
            let word = match (negated, ignore_case) {
                (_, true) => {
                    let message = "a pattern without regard to case is not applied by this source";
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                (true, false) => "NOT LIKE",
                (false, false) => "LIKE",
            };
            let name = operand(forms, names, column)?;
            Ok(format!("{name} {word} {}", text_literal(forms, pattern)?))
        }
        Predicate::IsNull { column, negated } => {
            names.data_type(column)?;
            let word = if *negated { "IS NOT NULL" } else { "IS NULL" };
            Ok(format!("{} {word}", forms.dialect().quote(column)))
        }
        Predicate::IsTrue { column } => {
            names.typed(column, &DataType::Boolean)?;
            let name = forms.dialect().quote(column);
            Ok(match forms.dialect().boolean {
                BooleanForm::Keyword => name,
                BooleanForm::Bit => format!("{name} = 1"),
            })
        }
        Predicate::And(parts) => joined(parts, " AND ", true),
        Predicate::Or(parts) => joined(parts, " OR ", false),
        Predicate::Not(part) => Ok(format!("NOT ({})", render_predicate(forms, part, names)?)),
    }
}

fn truth(forms: &dyn SqlForms, value: bool) -> String {
    match forms.dialect().boolean {
        BooleanForm::Keyword => forms.boolean_literal(value).to_owned(),
        BooleanForm::Bit => if value { "1 = 1" } else { "1 = 0" }.to_owned(),
    }
}

/// The empty set contains nothing, also not NULL.
fn set(
    forms: &dyn SqlForms,
    names: ColumnNames<'_>,
    column: &str,
    values: &dyn Array,
    negated: bool,
) -> Result<String> {
    let most = forms.dialect().limits.in_values_max;
    if values.len() > most {
        let message =
            format!("a set of {} values is more than the {most} of this source", values.len());
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if values.is_empty() {
        return Ok(truth(forms, negated));
    }
    let literals = (0..values.len()).map(|i| plain_literal(forms, values, i));
    let list = literals.collect::<Result<Vec<_>>>()?.join(", ");
    let word = if negated { "NOT IN" } else { "IN" };
    Ok(format!("{} {word} ({list})", operand(forms, names, column)?))
}
