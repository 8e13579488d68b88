//! What every engine said to every query, and what it comes to.

use std::path::{Path, PathBuf};

use orbit_testkit::oracle::{
    Answer, Corpus, DuckdbOracle, Expectation, Ledger, PostgresOracle, Query, Verdict, judge, same,
};
use orbit_testkit::servers::ServerError;

use crate::lake::Lake;

/// A query with all that was said to it.
pub(crate) struct Said {
    pub(crate) query: Query,
    pub(crate) postgres: Answer,
    pub(crate) alternative: Option<Answer>,
    pub(crate) duckdb: Option<Answer>,
    /// None when it panicked.
    pub(crate) orbit: Option<Answer>,
}

impl Said {
    pub(crate) fn verdict(&self) -> Verdict {
        let Some(orbit) = &self.orbit else { return Verdict::Wrong };
        judge(&self.query, &self.postgres, self.alternative.as_ref(), orbit)
    }

    /// Whether DuckDB says what PostgreSQL says; where a refusal is asked, neither counts.
    pub(crate) fn oracles_agree(&self) -> bool {
        match (&self.postgres, &self.duckdb) {
            _ if self.query.expectation == Expectation::Refused => true,
            (_, None) | (Err(_), Some(Err(_))) => true,
            (Ok(rule), Some(Ok(check))) => same(rule, check, self.query.is_ordered()),
            _ => false,
        }
    }
}

/// A run of the whole corpus.
pub(crate) struct Measured {
    pub(crate) said: Vec<Said>,
    /// Why DuckDB was not asked.
    pub(crate) duckdb_missing: Option<ServerError>,
    /// Queries that ORBIT may refuse, with the reasons.
    pub(crate) refusable: Ledger,
    /// Queries on which PostgreSQL and DuckDB differ, with the reasons.
    pub(crate) differences: Ledger,
}

/// The folder of the corpus.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Asks every engine everything.
pub(crate) async fn measure(corpus: &Corpus) -> Result<Measured, ServerError> {
    let failed = |e: &dyn std::fmt::Display| ServerError::Failed(e.to_string());
    let refusable = Ledger::read(&folder().join("refused.txt")).map_err(|e| failed(&e))?;
    let differences = Ledger::read(&folder().join("differences.txt")).map_err(|e| failed(&e))?;
    let mut texts: Vec<&str> = corpus.queries.iter().map(|query| query.sql.as_str()).collect();
    let mut owners = Vec::new();
    for (at, query) in corpus.queries.iter().enumerate() {
        if let Expectation::Or(sql) = &query.expectation {
            texts.push(sql);
            owners.push(at);
        }
    }
    let postgres = PostgresOracle::start(&corpus.tables).await?;
    let mut rules = postgres.answers(&texts).await?;
    let alternatives = rules.split_off(corpus.queries.len());
    let (checks, duckdb_missing) = match DuckdbOracle::find(&corpus.tables) {
        Ok(duckdb) => (duckdb.answers(&texts[..corpus.queries.len()]).await?, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let lake = Lake::new(corpus).map_err(|e| failed(&e))?;
    let mut checks = checks.into_iter();
    let answers = corpus.queries.iter().zip(rules).zip(lake.answers(corpus).await);
    let mut said: Vec<_> = answers
        .map(|((query, postgres), orbit)| Said {
            query: query.clone(),
            postgres,
            alternative: None,
            duckdb: checks.next(),
            orbit,
        })
        .collect();
    for (owner, alternative) in owners.into_iter().zip(alternatives) {
        if let Err(message) = &alternative {
            return Err(ServerError::failed(&said[owner].query.name, message));
        }
        said[owner].alternative = Some(alternative);
    }
    Ok(Measured { said, duckdb_missing, refusable, differences })
}
