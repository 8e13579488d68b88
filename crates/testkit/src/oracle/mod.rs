//! Independent engines that say what a query answers: PostgreSQL is the rule, DuckDB its check.
//!
//! A [`Corpus`] is tables and queries in text files. [`PostgresOracle`] and [`DuckdbOracle`]
//! answer the whole of it in one process each; [`batches_to_rows`] brings Arrow to the same
//! [`Cell`]s, and [`judge`] compares.
//!
//! Column names and the exact types are not compared, values are: numbers as numbers, dates and
//! timestamps as instants (a date is its midnight), intervals with days of 24 hours.

mod arrow;
mod cell;
mod corpus;
mod decimal;
mod duckdb;
mod literal;
mod postgres;
mod table;
mod verdict;

pub use arrow::batches_to_rows;
pub use cell::{Cell, Row};
pub use corpus::{Corpus, Expectation, Ledger, Query};
pub use decimal::Decimal;
pub use duckdb::DuckdbOracle;
pub use postgres::PostgresOracle;
pub use table::{Column, Table};
pub use verdict::{Answer, Verdict, judge, same};
