//! PostgreSQL's answers.

use std::time::Duration;

use crate::servers::{Postgres, ServerError};

use super::literal::Kind;
use super::{Answer, Cell, Row, Table};

/// Begins every line that is not part of an answer.
const MARK: &str = "@@orbit@@";
/// How NULL is printed.
const NULL: &str = "@@null@@";
const LIMIT: Duration = Duration::from_secs(120);

/// A PostgreSQL that holds the tables of a corpus.
#[derive(Debug)]
pub struct PostgresOracle {
    server: Postgres,
}

impl PostgresOracle {
    /// Starts a server and makes the tables.
    ///
    /// # Errors
    /// `Missing` without PostgreSQL; `Failed` when a table cannot be made.
    pub async fn start(tables: &[Table]) -> Result<Self, ServerError> {
        let server = Postgres::start().await?;
        let mut script = "\\set ON_ERROR_STOP on\n".to_string();
        for table in tables {
            let fill = table.insert_sql(str::to_string);
            for statement in [Some(table.create_sql()), fill].into_iter().flatten() {
                script.push_str(&format!("{statement};\n"));
            }
        }
        server.run_script(&script, LIMIT).await?;
        Ok(Self { server })
    }

    /// The answers to these queries, in their order, by one `psql`.
    ///
    /// # Errors
    /// `Failed` when `psql` fails or its output cannot be understood.
    pub async fn answers(&self, queries: &[&str]) -> Result<Vec<Answer>, ServerError> {
        let said = self.server.run_script(&script(queries), LIMIT).await?;
        let answers: Option<Vec<_>> = said.split(MARK).skip(1).map(section).collect();
        match answers {
            Some(answers) if answers.len() == queries.len() => Ok(answers),
            _ => Err(ServerError::Failed("psql answered otherwise than it was asked".to_string())),
        }
    }
}

/// For each query: its columns and types, its rows, and whether it failed.
fn script(queries: &[&str]) -> String {
    let mut script = format!(
        "\\set VERBOSITY terse\n\\pset pager off\n\\pset format csv\n\\pset tuples_only on\n\
         \\pset null '{NULL}'\nSET statement_timeout = '20s';\nSET TIME ZONE 'UTC';\n\
         SET default_transaction_read_only = on;\n"
    );
    for query in queries {
        script.push_str(&format!(
            "\\echo '{MARK}'\n{query}\n\\gdesc\n\\echo '{NULL}'\n{query}\n;\n\\echo '{NULL}' \
             :ERROR :LAST_ERROR_MESSAGE\n"
        ));
    }
    script
}

/// One query's part of the output: types, rows and the end, parted by [`NULL`] at a line's start.
fn section(text: &str) -> Option<Answer> {
    let (types, rest) = text.strip_prefix('\n')?.split_once(&format!("{NULL}\n"))?;
    let (rows, end) = rest.rsplit_once(&format!("{NULL} "))?;
    let (failed, message) = end.trim_end().split_once(' ').unwrap_or((end.trim_end(), ""));
    if failed == "true" {
        return Some(Err(message.to_string()));
    }
    let types: Vec<String> = records(types).into_iter().filter_map(|mut r| r.pop()).collect();
    Some(Ok(records(rows).iter().map(|record| row(&types, record)).collect()))
}

fn row(types: &[String], record: &[String]) -> Row {
    types.iter().zip(record).map(|(of, value)| cell(of, value)).collect()
}

fn cell(type_name: &str, value: &str) -> Cell {
    if value == NULL {
        return Cell::Null;
    }
    let Some(item_type) = type_name.strip_suffix("[]") else {
        return Kind::of(type_name).read(value);
    };
    let inner = value.strip_prefix('{').and_then(|value| value.strip_suffix('}'));
    let Some(inner) = inner else { return Cell::Other(value.to_string()) };
    Cell::List(items(inner).map(|item| array_item(item_type, &item)).collect())
}

fn array_item(item_type: &str, item: &Item) -> Cell {
    match item {
        Item::Bare(text) if text == "NULL" => Cell::Null,
        Item::Bare(text) | Item::Quoted(text) => Kind::of(item_type).read(text),
    }
}

/// An element of an array: only a bare `NULL` is null.
enum Item {
    Bare(String),
    Quoted(String),
}

/// The elements of a one-dimensional array between its braces.
fn items(inner: &str) -> impl Iterator<Item = Item> {
    let (mut found, mut text, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    let mut chars = inner.chars();
    let mut end = |text: &mut String, quoted: &mut bool| {
        let text = std::mem::take(text);
        found.push(if std::mem::take(quoted) { Item::Quoted(text) } else { Item::Bare(text) });
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = true;
                open = !open;
            }
            '\\' => text.extend(chars.next()),
            ',' if !open => end(&mut text, &mut quoted),
            _ => text.push(c),
        }
    }
    if !inner.is_empty() {
        end(&mut text, &mut quoted);
    }
    found.into_iter()
}

/// The records of a CSV text; every record ends in a newline, an empty line is one empty value.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut record, mut value, mut quoted) = (vec![], vec![], String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut value)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut value));
                all.push(std::mem::take(&mut record));
            }
            _ => value.push(c),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{cell, records, section};
    use crate::oracle::Cell;

    #[test]
    fn records_keep_quotes_commas_and_newlines() {
        assert_eq!(records("a,\"b,\"\"c\n\"\n\n"), [vec!["a", "b,\"c\n"], vec![""]]);
    }

    #[test]
    fn a_section_is_rows_or_an_error() {
        let text = "\n?column?,text\n@@null@@\n@@null@@\nx\n@@null@@ false \n";
        let x = Cell::Text("x".to_string());
        assert_eq!(section(text), Some(Ok(vec![vec![Cell::Null], vec![x]])));
        let text = "\n@@null@@\n@@null@@ true division by zero\n";
        assert_eq!(section(text), Some(Err("division by zero".to_string())));
    }

    #[test]
    fn array_elements_may_be_quoted_or_null() {
        let text = |text: &str| Cell::Text(text.to_string());
        let list = Cell::List(vec![text("a,b"), Cell::Null, text("NULL"), text("")]);
        assert_eq!(cell("text[]", r#"{"a,b",NULL,"NULL",""}"#), list);
        assert_eq!(cell("integer[]", "{}"), Cell::List(Vec::new()));
    }
}
