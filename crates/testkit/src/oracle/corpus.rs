//! Tables and queries in text files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Table;

/// What a query must come to, beside PostgreSQL's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// What PostgreSQL answers.
    Rule,
    /// That, or what PostgreSQL answers to this other query.
    Or(String),
    /// A refusal, whatever PostgreSQL says.
    Refused,
}

/// A query of the corpus.
#[derive(Debug, Clone)]
pub struct Query {
    /// The name of its file.
    pub group: String,
    /// Its own name, of which there is one in the corpus.
    pub name: String,
    /// The statement, without its semicolon.
    pub sql: String,
    /// What it must come to.
    pub expectation: Expectation,
}

impl Query {
    /// Whether the order of its rows is part of the answer.
    pub fn is_ordered(&self) -> bool {
        outer_words(&self.sql).contains("order by")
    }
}

/// Tables and queries.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The tables.
    pub tables: Vec<Table>,
    /// The queries, by group.
    pub queries: Vec<Query>,
}

impl Corpus {
    /// Reads `tables.txt` and every `*.sql` of a folder.
    ///
    /// A query is preceded by `-- name: NAME`, perhaps `-- expect: refused` or `-- or: SQL`, and
    /// ended by a line that ends in a semicolon.
    ///
    /// # Errors
    /// What is wrong, and in which file.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let tables = Table::parse_all(&text_of(&folder.join("tables.txt"))?)?;
        let mut files: Vec<_> = fs::read_dir(folder)
            .map_err(|e| format!("{}: {e}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .collect();
        files.sort();
        let mut queries = Vec::new();
        for file in files {
            let group = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            queries.extend(parse(&group, &text_of(&file)?)?);
        }
        let mut names = BTreeMap::new();
        for query in &queries {
            if let Some(other) = names.insert(&query.name, &query.group) {
                return Err(format!("{} is in {other} and in {}", query.name, query.group));
            }
        }
        Ok(Self { tables, queries })
    }

    /// The groups in the order of the queries.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<_> = self.queries.iter().map(|query| query.group.as_str()).collect();
        groups.dedup();
        groups
    }
}

fn parse(group: &str, text: &str) -> Result<Vec<Query>, String> {
    let mut queries = Vec::new();
    let mut name = None;
    let mut expectation = Expectation::Rule;
    let mut sql = String::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("-- name:") {
            name = Some(said.trim().to_string());
        } else if let Some(said) = line.strip_prefix("-- or:") {
            expectation = Expectation::Or(said.trim().to_string());
        } else if line.strip_prefix("-- expect:").is_some_and(|said| said.trim() == "refused") {
            expectation = Expectation::Refused;
        } else if !line.starts_with("--") && (!line.is_empty() || !sql.is_empty()) {
            sql.push_str(line);
            sql.push('\n');
        }
        if let Some(whole) = sql.trim_end().strip_suffix(';') {
            let missing = || format!("{group}.sql: a query without a name: {whole}");
            queries.push(Query {
                group: group.to_string(),
                name: name.take().ok_or_else(missing)?,
                sql: whole.to_string(),
                expectation: std::mem::replace(&mut expectation, Expectation::Rule),
            });
            sql.clear();
        }
    }
    if name.is_some() || !sql.is_empty() {
        return Err(format!("{group}.sql: the last query has no end"));
    }
    Ok(queries)
}

/// What stands outside parentheses and quotes, in lower case with single blanks.
fn outer_words(sql: &str) -> String {
    let (mut depth, mut quote, mut outer) = (0_usize, None, String::new());
    for c in sql.chars() {
        match (quote, c) {
            (Some(open), _) => quote = (c != open).then_some(open),
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) if depth == 0 => outer.push(c.to_ascii_lowercase()),
            (None, _) => {}
        }
    }
    outer.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A list of names with a reason each: `name  reason` a line, `#` begins a comment.
#[derive(Debug, Clone, Default)]
pub struct Ledger(pub BTreeMap<String, String>);

impl Ledger {
    /// Reads the list.
    ///
    /// # Errors
    /// The line without a reason, or the file that cannot be read.
    pub fn read(file: &Path) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for line in text_of(file)?.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, reason) = line.split_once(' ').unwrap_or((line, ""));
            if reason.trim().is_empty() {
                return Err(format!("{}: {name} has no reason", file.display()));
            }
            entries.insert(name.to_string(), reason.trim().to_string());
        }
        Ok(Self(entries))
    }

    /// What is on the list and not among `found`, and the other way round.
    pub fn compare<'a>(
        &'a self,
        found: impl IntoIterator<Item = &'a str>,
    ) -> (Vec<&'a str>, Vec<&'a str>) {
        let found: std::collections::BTreeSet<_> = found.into_iter().collect();
        let stale = self.0.keys().map(String::as_str).filter(|name| !found.contains(name));
        let missing = found.iter().copied().filter(|name| !self.0.contains_key(*name));
        (stale.collect(), missing.collect())
    }
}

fn text_of(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::{Expectation, Query, parse};

    fn query(sql: &str) -> Query {
        let (group, name) = (String::new(), String::new());
        Query { group, name, sql: sql.to_string(), expectation: Expectation::Rule }
    }

    #[test]
    fn only_the_outermost_order_counts() {
        assert!(query("SELECT 1\nORDER\n BY 1").is_ordered());
        assert!(!query("SELECT sum(x) OVER (ORDER BY x)").is_ordered());
        assert!(!query("SELECT ' order by (' FROM t").is_ordered());
    }

    #[test]
    fn a_query_has_a_name_and_an_end() {
        let queries = parse("g", "-- about\n\n-- name: a\n-- or: SELECT 2\nSELECT\n 1;\n").unwrap();
        assert_eq!(queries[0].sql, "SELECT\n 1");
        assert_eq!(queries[0].expectation, Expectation::Or("SELECT 2".to_string()));
        assert!(parse("g", "SELECT 1;\n").is_err());
        assert!(parse("g", "-- name: a\nSELECT 1\n").is_err());
    }
}
