//! Right answers or an error, where DataFusion as it comes is silently wrong.
//!
//! Integers that overflow wrap, casts cut what they should round, sums wrap, decimal averages
//! and quotients lose digits: each is replaced here before anything is folded, so that
//! literals, columns, aggregates, windows and filters all behave alike. PostgreSQL is the rule.

mod arithmetic;
mod average;
mod bags;
mod casts;
mod division;
mod early;
mod exact;
mod filter_first;
mod floats;
mod functions;
mod rewrite;
mod sum;
mod unpruned;
mod window;
mod zones;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::optimizer::Analyzer;

/// Adds the rewrites that make a statement answer as PostgreSQL does.
pub(crate) fn with_rules(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    let aggregates = [
        AggregateUDF::new_from_impl(sum::Sum::default()),
        AggregateUDF::new_from_impl(average::Average::default()),
    ];
    builder.aggregate_functions().get_or_insert_default().extend(aggregates.map(Arc::new));
    builder
        .scalar_functions()
        .get_or_insert_default()
        .extend(functions::all().into_iter().map(Arc::<ScalarUDF>::new));
    builder.expr_planners().get_or_insert_default().insert(0, Arc::new(division::PlanDecimals));
    let analyzer = builder.analyzer().get_or_insert_with(Analyzer::new);
    analyzer.rules.insert(0, Arc::new(early::BeforeCoercion));
    builder
        .with_analyzer_rule(Arc::new(rewrite::RewriteSemantics))
        .with_physical_optimizer_rule(Arc::new(filter_first::FilterFirst))
        .with_physical_optimizer_rule(Arc::new(unpruned::Unpruned))
}
