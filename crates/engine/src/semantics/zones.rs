//! Moments are compared as moments, whatever their zones.
//!
//! A time without a zone is one in UTC, as in a session of PostgreSQL whose zone is UTC.
//! DataFusion would read it, and a text, in the zone of what it is compared with.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};

/// Whether a zone is that of times without one.
pub(super) fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "+00" | "Z" | "Etc/UTC")
}

/// The comparison with its moments in UTC, where they are compared with those of another zone,
/// with times without a zone, with days or with texts.
pub(super) fn in_one_zone(comparison: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_comparison = match &comparison {
        Expr::BinaryExpr(binary) => binary.op.supports_propagation(),
        other => matches!(other, Expr::Between(_) | Expr::InList(_)),
    };
    if !is_comparison {
        return Ok(Transformed::no(comparison));
    }
    let mut types: Vec<DataType> = Vec::new();
    comparison.apply_children(|compared| {
        types.extend(compared.get_type(schema));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let Some((_, zone)) = types.iter().find_map(elsewhere) else {
        return Ok(Transformed::no(comparison));
    };
    let is_other = |other: &DataType| match other {
        DataType::Timestamp(_, of_other) => of_other.as_deref() != Some(zone),
        other => other.is_string() || matches!(other, DataType::Date32 | DataType::Date64),
    };
    if !types.iter().any(is_other) {
        return Ok(Transformed::no(comparison));
    }
    comparison.map_children(|compared| {
        let data_type = compared.get_type(schema);
        Ok(match data_type.as_ref().ok().and_then(elsewhere) {
            Some((unit, _)) => {
                Transformed::yes(cast(compared, DataType::Timestamp(unit, Some("UTC".into()))))
            }
            None => Transformed::no(compared),
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
