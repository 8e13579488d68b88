//! `FETCH FIRST n ROWS ONLY`, the standard's form of `LIMIT n`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, LimitClause, Query, Statement, Value, VisitMut, VisitorMut,
};

/// Turns each plain FETCH into LIMIT; `WITH TIES` and `PERCENT` stay, and are refused.
pub(crate) fn fetch_to_limit(statement: &mut Statement) {
    // It never breaks off.
    let ControlFlow::Continue(()) = statement.visit(&mut FetchToLimit) else { return };
}

struct FetchToLimit;

impl VisitorMut for FetchToLimit {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Some(Fetch { with_ties: false, percent: false, quantity }) = &query.fetch else {
            return ControlFlow::Continue(());
        };
        let one = || Expr::value(Value::Number("1".to_owned(), false));
        let limit = Some(quantity.clone().unwrap_or_else(one));
        let offset = match &query.limit_clause {
            None => None,
            Some(LimitClause::LimitOffset { limit: None, offset, limit_by })
                if limit_by.is_empty() =>
            {
                offset.clone()
            }
            Some(_) => return ControlFlow::Continue(()),
        };
        query.fetch = None;
        query.limit_clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() });
        ControlFlow::Continue(())
    }
}
