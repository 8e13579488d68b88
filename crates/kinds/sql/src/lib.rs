//! What native SQL connections share: a pool with limits, values as literals, the scan of a
//! statement before it is sent, values of the wire straight into Arrow columns, and a cache of
//! catalogs.
//!
//! It knows no driver. A backend gives the pool a [`Connect`], the literals its [`ValueForms`],
//! and pushes what its wire delivers into [`Column`]s.

mod cache;
mod calendar;
mod column;
mod lex;
mod literal;
mod pool;
mod text;

pub use cache::{CatalogCache, Scope};
pub use calendar::{DAY_US, civil, days, write_date, write_time};
pub use column::{Column, ColumnBatch, Fixed, Misfit, Truths, Variable};
pub use lex::{Lexing, Statement, Token, TokenKind};
pub use literal::{ValueForms, append_delimited, plain_literal, typed_literal};
pub use pool::{Connect, Lease, Pool, PoolLimits};
pub use text::{append_text, decimal, interval, power_of_ten};
