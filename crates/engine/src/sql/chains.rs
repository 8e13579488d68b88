//! Long chains of AND and OR as balanced trees.
//!
//! The parser nests `a OR b OR c` to the left. Each node's type is asked from its children at
//! every level, which for thousands of terms is quadratic; a tree that is balanced answers the
//! same, in the same order of terms.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Statement, Value, VisitMut, VisitorMut,
};

/// Terms from which a chain is balanced.
const TERMS_MIN: usize = 32;

/// Balances every long chain.
pub(crate) fn balance_chains(statement: &mut Statement) {
    // It never breaks off.
    let ControlFlow::Continue(()) = statement.visit(&mut Balance) else { return };
}

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        for op in [BinaryOperator::And, BinaryOperator::Or] {
            if chain_length(expr, &op) >= TERMS_MIN {
                let chain = std::mem::replace(expr, Expr::value(Value::Null));
                *expr = balanced(terms(chain, &op), &op);
            }
        }
        ControlFlow::Continue(())
    }
}

/// The terms of a chain that is nested to the left; a balanced one has few.
fn chain_length(mut expr: &Expr, op: &BinaryOperator) -> usize {
    let mut length = 1;
    while let Expr::BinaryOp { left, op: this, .. } = expr
        && this == op
    {
        length += 1;
        expr = left;
    }
    length
}

fn terms(mut chain: Expr, op: &BinaryOperator) -> Vec<Expr> {
    let mut terms = Vec::new();
    loop {
        match chain {
            Expr::BinaryOp { left, op: this, right } if this == *op => {
                terms.push(*right);
                chain = *left;
            }
            first => {
                terms.push(first);
                terms.reverse();
                return terms;
            }
        }
    }
}

fn balanced(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    if terms.len() > 1 {
        let right = terms.split_off(terms.len() / 2);
        let (left, right) = (balanced(terms, op), balanced(right, op));
        return Expr::BinaryOp { left: left.into(), op: op.clone(), right: right.into() };
    }
    terms.pop().unwrap_or_else(|| Expr::value(Value::Null))
}
