//! Moments are compared as moments, whatever their zones.
//!
//! A time without a zone is one in UTC, as in a session of PostgreSQL whose zone is UTC.
//! DataFusion would read it, and a text, in the zone of what it is compared with.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, cast};

/// Whether a zone is that of times without one.
pub(super) fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "+00" | "Z" | "Etc/UTC")
}

/// The comparison or the difference with its moments in UTC, where they stand beside those of
/// another zone, times without a zone, days, or texts that are compared.
pub(super) fn in_one_zone(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_comparison = match &expr {
        Expr::BinaryExpr(binary) if binary.op == Operator::Minus => false,
        Expr::BinaryExpr(binary) if binary.op.supports_propagation() => true,
        Expr::Between(_) | Expr::InList(_) => true,
        _ => return Ok(Transformed::no(expr)),
    };
    let mut types: Vec<DataType> = Vec::new();
    expr.apply_children(|operand| {
        types.extend(operand.get_type(schema));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let Some((_, zone)) = types.iter().find_map(elsewhere) else {
        return Ok(Transformed::no(expr));
    };
    let is_other = |other: &DataType| match other {
        DataType::Timestamp(_, of_other) => of_other.as_deref() != Some(zone),
        DataType::Date32 | DataType::Date64 => true,
        // What is taken from a moment is an interval.
        text => is_comparison && text.is_string(),
    };
    if !types.iter().any(is_other) {
        return Ok(Transformed::no(expr));
    }
    expr.map_children(|operand| {
        let data_type = operand.get_type(schema);
        Ok(match data_type.as_ref().ok().and_then(elsewhere) {
            Some((unit, _)) => {
                Transformed::yes(cast(operand, DataType::Timestamp(unit, Some("UTC".into()))))
            }
            None => Transformed::no(operand),
        })
    })
}

/// The unit and the zone of a moment that is not in UTC.
fn elsewhere(data_type: &DataType) -> Option<(TimeUnit, &str)> {
    match data_type {
        DataType::Timestamp(unit, Some(zone)) if !is_utc(zone) => Some((*unit, &**zone)),
        _ => None,
    }
}
