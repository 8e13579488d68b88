//! `LIKE ... ESCAPE`, of which the planner knows the backslash alone.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Statement, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use orbit_core::{Error, ErrorKind, Result};

/// Writes literal patterns with the backslash in place of the escape that they name.
///
/// # Errors
/// `QueryInvalid` for an escape of several characters or a pattern that ends in it,
/// `Unsupported` for an escape with a pattern that is no literal.
pub(crate) fn escapes_to_backslash(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Escapes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Escapes;

impl VisitorMut for Escapes {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let (Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. }) =
            expr
        else {
            return ControlFlow::Continue(());
        };
        let Some(escape) = escape_char.take() else { return ControlFlow::Continue(()) };
        match with_backslash(pattern, &escape) {
            Ok(rewritten) => {
                **pattern = rewritten;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn with_backslash(pattern: &Expr, escape: &ValueWithSpan) -> Result<Expr> {
    let invalid = |message| Error::new(ErrorKind::QueryInvalid, message);
    let Value::SingleQuotedString(escape) = &escape.value else {
        return Err(invalid("ESCAPE takes a text"));
    };
    let mut chars = escape.chars();
    let (escape, None) = (chars.next(), chars.next()) else {
        return Err(invalid("ESCAPE takes one character, or none"));
    };
    if escape == Some('\\') {
        return Ok(pattern.clone());
    }
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = pattern else {
        let message = "ESCAPE with a pattern that is not a literal is not supported";
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    let mut rewritten = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let literal = if Some(char) == escape {
            let next = chars.next();
            Some(next.ok_or_else(|| invalid("a LIKE pattern must not end with its escape"))?)
        } else {
            (char == '\\').then_some(char)
        };
        match literal {
            Some(literal @ ('%' | '_' | '\\')) => rewritten.extend(['\\', literal]),
            Some(other) => rewritten.push(other),
            None => rewritten.push(char),
        }
    }
    Ok(Expr::value(Value::SingleQuotedString(rewritten)))
}
