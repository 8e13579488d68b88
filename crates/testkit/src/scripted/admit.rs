//! Which queries a capability allows: each part of a query is applied whole or refused.

use orbit_core::{CompareOp, Effect, Predicate, PredicateCapability, Query, SqlCapability, Target};

use arrow_schema::DataType;

/// What in `query` the capability does not allow, by name.
pub(super) fn forbidden(capability: &SqlCapability, query: &Query) -> Option<&'static str> {
    match &query.target {
        Target::Table(table) => {
            let Some(reads) = capability.query else { return Some("queries of tables") };
            if table.version.is_some() && !reads.time_travel {
                return Some("time travel");
            }
        }
        Target::Statement { .. } => {
            let Some(statements) = capability.statement else { return Some("statements") };
            if query.effect != Effect::Read && !statements.write {
                return Some("statements that write");
            }
            if query.parameters.is_some() && !statements.parameters {
                return Some("parameters");
            }
        }
    }
    let reads = capability.query.unwrap_or_default();
    if !query.order.is_empty() && !reads.order {
        return Some("order");
    }
    if query.limit.is_some() && !reads.limit {
        return Some("limit");
    }
    let predicate = query.predicate.as_ref()?;
    match &reads.predicate {
        Some(allowed) => forbidden_part(allowed, predicate),
        None => Some("predicates"),
    }
}

fn forbidden_part(allowed: &PredicateCapability, predicate: &Predicate) -> Option<&'static str> {
    match predicate {
        Predicate::Compare { op, value, .. } => {
            let equality = matches!(op, CompareOp::Eq | CompareOp::NotEq);
            let text = matches!(
                value.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            );
            (text && !equality && !allowed.text_order).then_some("order of text")
        }
        Predicate::In { values, .. } => {
            (values.len() > allowed.in_values_max).then_some("a set of so many values")
        }
        Predicate::Like { ignore_case: true, .. } => (!allowed.like_ignore_case).then_some("ILIKE"),
        Predicate::Like { .. } => (!allowed.like).then_some("LIKE"),
        Predicate::IsNull { .. } | Predicate::IsTrue { .. } => None,
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().find_map(|p| forbidden_part(allowed, p))
        }
        Predicate::Not(part) => forbidden_part(allowed, part),
    }
}
