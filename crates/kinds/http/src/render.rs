//! Queries as SQL, from a dialect that is data.

use std::fmt::Write;

use arrow_array::{Array, ArrayRef};
use orbit_core::{
    BooleanForm, Error, ErrorKind, LimitForm, NullOrder, Predicate, Query, Result, SortKey,
    SqlDialect, TableName,
};

/// One value of an array as the source's literal, with its type.
pub type LiteralForm = fn(&SqlDialect, &ArrayRef, usize) -> Result<String>;

/// Writes SQL in one dialect.
#[derive(Debug, Clone, Copy)]
pub struct Renderer<'a> {
    /// The dialect.
    pub dialect: &'a SqlDialect,
    /// How it writes values.
    pub literal: LiteralForm,
}

impl Renderer<'_> {
    /// A table's name, each part taken literally.
    pub fn table(&self, name: &TableName) -> String {
        let parts: Vec<_> = name.parts().iter().map(|part| self.dialect.quote(part)).collect();
        parts.join(".")
    }

    /// A text literal.
    pub fn text(&self, text: &str) -> String {
        let text = text.replace('\'', "''");
        match self.dialect.backslash_escapes {
            true => format!("'{}'", text.replace('\\', "\\\\")),
            false => format!("'{text}'"),
        }
    }

    /// `query` over `from`, a table or a statement in parentheses. Without columns it counts
    /// its rows: one row, one column.
    ///
    /// # Errors
    /// `Unsupported` for what the dialect cannot say or is too long.
    pub fn select(&self, from: &str, query: &Query) -> Result<String> {
        let columns = match &query.columns {
            None => "*".to_owned(),
            Some(columns) if columns.is_empty() => "1".to_owned(),
            Some(columns) => {
                columns.iter().map(|c| self.dialect.quote(c)).collect::<Vec<_>>().join(", ")
            }
        };
        let counts = query.columns.as_ref().is_some_and(Vec::is_empty);
        let (top, tail) = self.limit(query.limit);
        let mut sql = format!("SELECT {top}{columns} FROM {from}");
        if let Some(predicate) = &query.predicate {
            sql.push_str(" WHERE ");
            self.predicate(predicate, &mut sql)?;
        }
        if !query.order.is_empty() && !counts {
            let keys = query.order.iter().map(|key| self.sort_key(key));
            let keys = keys.collect::<Result<Vec<_>>>()?;
            sql = format!("{sql} ORDER BY {}", keys.join(", "));
        }
        sql.push_str(&tail);
        if counts {
            sql = format!("SELECT COUNT(*) FROM ({sql}) AS counted");
        }
        self.bounded(sql)
    }

    fn bounded(&self, sql: String) -> Result<String> {
        let most = self.dialect.limits.statement_bytes_max;
        if sql.len() <= most {
            return Ok(sql);
        }
        let message = format!("a statement of {} bytes is more than {most}", sql.len());
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn limit(&self, limit: Option<u64>) -> (String, String) {
        match (limit, self.dialect.limit) {
            (None, _) => (String::new(), String::new()),
            (Some(n), LimitForm::Limit) => (String::new(), format!(" LIMIT {n}")),
            (Some(n), LimitForm::Top) => (format!("TOP ({n}) "), String::new()),
            (Some(n), LimitForm::Fetch) => (String::new(), format!(" FETCH FIRST {n} ROWS ONLY")),
        }
    }

    fn sort_key(&self, key: &SortKey) -> Result<String> {
        let column = self.dialect.quote(&key.column);
        let direction = if key.descending { "DESC" } else { "ASC" };
        let small_first = key.nulls_first != key.descending;
        match self.dialect.null_order {
            NullOrder::Explicit => {
                let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
                Ok(format!("{column} {direction} NULLS {nulls}"))
            }
            NullOrder::Smallest if small_first => Ok(format!("{column} {direction}")),
            NullOrder::Largest if !small_first => Ok(format!("{column} {direction}")),
            NullOrder::Smallest | NullOrder::Largest => {
                let message = "the source cannot put the nulls where the order wants them";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    fn predicate(&self, predicate: &Predicate, sql: &mut String) -> Result<()> {
        match predicate {
            Predicate::Compare { column, op, value } => {
                let value = (self.literal)(self.dialect, value.array(), 0)?;
                push(sql, format_args!("{} {} {value}", self.dialect.quote(column), op.as_sql()))
            }
            Predicate::In { column, values, negated } => self.set(column, values, *negated, sql),
            Predicate::Like { column, pattern, negated, ignore_case } => {
                let not = if *negated { "NOT " } else { "" };
                let like = if *ignore_case { "ILIKE" } else { "LIKE" };
                let (column, text) = (self.dialect.quote(column), self.text(pattern));
                push(sql, format_args!("{column} {not}{like} {text} ESCAPE {}", self.text("\\")))
            }
            Predicate::IsNull { column, negated } => {
                let not = if *negated { "NOT " } else { "" };
                push(sql, format_args!("{} IS {not}NULL", self.dialect.quote(column)))
            }
            Predicate::IsTrue { column } => {
                let is = match self.dialect.boolean {
                    BooleanForm::Keyword => "",
                    BooleanForm::Bit => " = 1",
                };
                push(sql, format_args!("{}{is}", self.dialect.quote(column)))
            }
            Predicate::And(parts) => self.joined(parts, "AND", "1 = 1", sql),
            Predicate::Or(parts) => self.joined(parts, "OR", "1 = 0", sql),
            Predicate::Not(part) => {
                sql.push_str("NOT (");
                self.predicate(part, sql)?;
                sql.push(')');
                Ok(())
            }
        }
    }

    fn joined(&self, parts: &[Predicate], by: &str, none: &str, sql: &mut String) -> Result<()> {
        if parts.is_empty() {
            sql.push_str(none);
            return Ok(());
        }
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                push(sql, format_args!(" {by} "))?;
            }
            sql.push('(');
            self.predicate(part, sql)?;
            sql.push(')');
        }
        Ok(())
    }

    fn set(&self, column: &str, values: &ArrayRef, negated: bool, sql: &mut String) -> Result<()> {
        let most = self.dialect.limits.in_values_max;
        if values.len() > most {
            let message = format!("a set of {} values is more than {most}", values.len());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if values.is_empty() {
            // No list may be empty; nothing is in the empty set, whatever the column holds.
            sql.push_str(if negated { "1 = 1" } else { "1 = 0" });
            return Ok(());
        }
        let not = if negated { "NOT " } else { "" };
        push(sql, format_args!("{} {not}IN (", self.dialect.quote(column)))?;
        for index in 0..values.len() {
            if index > 0 {
                sql.push_str(", ");
            }
            sql.push_str(&(self.literal)(self.dialect, values, index)?);
        }
        sql.push(')');
        Ok(())
    }
}

fn push(sql: &mut String, text: std::fmt::Arguments<'_>) -> Result<()> {
    sql.write_fmt(text).map_err(|_| Error::new(ErrorKind::Unexpected, "a text cannot be written"))
}
