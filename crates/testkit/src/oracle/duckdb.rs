//! DuckDB's answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::servers::{Duckdb, ServerError};

use super::literal::Kind;
use super::{Answer, Cell, Table};

const SCRIPT: &str = include_str!("duckdb.py");
const LIMIT: Duration = Duration::from_secs(120);

/// What makes DuckDB speak as PostgreSQL does; nothing is fetched from the network.
const SETTINGS: [&str; 4] = [
    "SET autoinstall_known_extensions = false",
    "SET TimeZone = 'UTC'",
    "SET integer_division = true",
    "SET default_null_order = 'postgres'",
];

/// A DuckDB that is given the tables of a corpus.
#[derive(Debug)]
pub struct DuckdbOracle {
    duckdb: Duckdb,
    setup: Vec<String>,
}

impl DuckdbOracle {
    /// Finds DuckDB.
    ///
    /// # Errors
    /// `Missing` when it is not installed.
    pub fn find(tables: &[Table]) -> Result<Self, ServerError> {
        let mut setup: Vec<String> = SETTINGS.map(str::to_string).to_vec();
        for table in tables {
            setup.push(table.create_sql());
            setup.extend(table.insert_sql(escaped_bytes));
        }
        Ok(Self { duckdb: Duckdb::find()?, setup })
    }

    /// The answers to these queries, in their order, by one process.
    ///
    /// # Errors
    /// `Failed` when it fails or its output cannot be understood.
    pub async fn answers(&self, queries: &[&str]) -> Result<Vec<Answer>, ServerError> {
        let mut input = format!("{}\n", json!(self.setup));
        for query in queries {
            input.push_str(&format!("{}\n", json!(query)));
        }
        let said = self.duckdb.run_script(SCRIPT, &input, LIMIT).await?;
        let answers: Option<Vec<_>> = said.lines().map(answer).collect();
        match answers {
            Some(answers) if answers.len() == queries.len() => Ok(answers),
            _ => {
                Err(ServerError::Failed("DuckDB answered otherwise than it was asked".to_string()))
            }
        }
    }
}

/// `\xdead` as DuckDB writes it: `\xde\xad`.
fn escaped_bytes(value: &str) -> String {
    let digits: Vec<_> = value.trim_start_matches("\\x").chars().collect();
    digits.chunks(2).map(|pair| format!("\\x{}", String::from_iter(pair))).collect()
}

fn answer(line: &str) -> Option<Answer> {
    let said: Value = serde_json::from_str(line).ok()?;
    if let Some(error) = said.get("error") {
        return Some(Err(error.as_str()?.to_string()));
    }
    let types = said.get("types")?.as_array()?;
    let rows = said.get("rows")?.as_array()?.iter().map(|row| {
        let cells = types.iter().zip(row.as_array()?);
        cells.map(|(of, value)| Some(cell(of.as_str()?, value))).collect::<Option<Vec<_>>>()
    });
    Some(Ok(rows.collect::<Option<_>>()?))
}

fn cell(type_name: &str, value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::String(text) => Kind::of(type_name).read(text),
        Value::Array(items) => {
            let item_type = type_name.trim_end_matches("[]");
            Cell::List(items.iter().map(|item| cell(item_type, item)).collect())
        }
        other => Cell::Other(other.to_string()),
    }
}
