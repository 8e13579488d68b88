//! What native SQL connections share: a pool with limits, statements rendered from a dialect,
//! the scan of a statement before it is sent, values of the wire straight into Arrow columns,
//! and a cache of catalogs.
//!
//! It knows no driver. A backend gives the pool a [`Connect`], the renderer its [`SqlForms`],
//! and pushes what its wire delivers into [`Column`]s.

mod cache;
mod calendar;
mod column;
mod lex;
mod literal;
mod pool;
mod render;
mod text;

pub use cache::{CatalogCache, Scope};
pub use calendar::{DAY_US, civil, days, write_date, write_time};
pub use column::{Column, ColumnBatch, Fixed, Misfit, Truths, Variable};
pub use lex::{Lexing, Statement, Token, TokenKind};
pub use literal::{plain_literal, text_literal, typed_literal};
pub use pool::{Connect, Lease, Pool, PoolLimits};
pub use render::{ColumnNames, Select, SqlForms, render_predicate, table_name};
pub use text::{append_text, decimal, interval};
