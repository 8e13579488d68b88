//! Tables of warehouses: what can be asked of the source is asked of it, through the contract.

mod exec;
mod part_files;
mod parts;
mod predicate;
mod table;
mod top;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;

pub(crate) use exec::RemoteExec;
pub(crate) use parts::PartReading;
pub(crate) use predicate::is_text;
pub(crate) use table::{RemoteTable, find, tables};

/// Adds the rules that push work to sources after the plan is physical.
pub(crate) fn with_rules(builder: SessionStateBuilder) -> SessionStateBuilder {
    builder.with_physical_optimizer_rule(Arc::new(top::PushTop))
}
