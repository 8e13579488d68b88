//! From a text to a statement that means what it says.
//!
//! The text is bounded before it is parsed, each clause that the planner would drop is refused
//! by name, and table names are resolved here, before DataFusion sees them.

mod calls;
mod chains;
mod clauses;
mod columns;
mod dialect;
mod fetch;
mod labels;
mod like;
mod limits;
mod parse;
mod resolve;
mod stack;
mod versions;

pub(crate) use calls::bind_calls;
pub(crate) use chains::balance_chains;
pub(crate) use dialect::OrbitDialect;
pub(crate) use fetch::fetch_to_limit;
pub(crate) use labels::label_columns;
pub(crate) use like::escapes_to_backslash;
pub(crate) use parse::{Parsed, check_expression, check_size, parse};
pub(crate) use resolve::{Names, TableUse, bind_names, collect_tables, table_use};
pub(crate) use stack::{BigStack, on_big_stack};
pub(crate) use versions::{Versions, split_suffix};
