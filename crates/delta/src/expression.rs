//! Expressions as delta-rs reads them: numbers with a point are floats to it, and so are the
//! statistics of decimals that it writes.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Value, visit_expressions, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// How many digits a decimal may have.
const DECIMAL_DIGITS_MAX: usize = 38;

/// Whole numbers of so many digits are integers.
const INTEGER_DIGITS_MAX: usize = 18;

/// `sql` with its decimal numbers spelled as decimals, as they are in every statement.
pub(crate) fn exact(sql: &str) -> String {
    let Some(mut expression) = read(sql) else { return sql.to_owned() };
    let mut is_changed = false;
    let visited: ControlFlow<()> = visit_expressions_mut(&mut expression, |node| {
        if let Expr::Value(value) = node
            && let Value::Number(number, _) = &value.value
            && let Some(decimal) = decimal(number)
        {
            *node = decimal;
            is_changed = true;
        }
        ControlFlow::Continue(())
    });
    let exact = expression.to_string();
    // What would be read back as something else stays as it was written.
    let is_same = visited.is_continue() && read(&exact).as_ref() == Some(&expression);
    if is_changed && is_same { exact } else { sql.to_owned() }
}

/// Whether `sql` names a column that `is_meant`; also where it cannot be read.
pub(crate) fn names_any(sql: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let Some(expression) = read(sql) else { return true };
    let visited = visit_expressions(&expression, |node| {
        let is_named = match node {
            Expr::Identifier(name) => is_meant(&name.value),
            Expr::CompoundIdentifier(parts) => parts.iter().any(|part| is_meant(&part.value)),
            _ => false,
        };
        if is_named { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    visited.is_break()
}

/// Whether `sql` does nothing but compare columns with constants.
pub(crate) fn is_plain(sql: &str) -> bool {
    read(sql).is_some_and(|expression| compares(&expression))
}

fn compares(expression: &Expr) -> bool {
    use BinaryOperator::{And, Or};
    match expression {
        Expr::Nested(inner) => compares(inner),
        Expr::BinaryOp { left, op: And | Or, right } => compares(left) && compares(right),
        Expr::BinaryOp { left, op, right } if is_comparison(op) => {
            is_column(left) && is_constant(right)
        }
        Expr::IsNull(column) | Expr::IsNotNull(column) => is_column(column),
        Expr::InList { expr, list, .. } => is_column(expr) && list.iter().all(is_constant),
        Expr::Between { expr, low, high, .. } => {
            is_column(expr) && is_constant(low) && is_constant(high)
        }
        _ => false,
    }
}

/// Whether `sql` compares a column that `is_integer` with a decimal number, which delta-rs
/// would cut.
pub(crate) fn cuts(sql: &str, is_integer: impl Fn(&str) -> bool) -> bool {
    let Some(expression) = read(sql) else { return false };
    let is_named = |node: &Expr| match node {
        Expr::Identifier(name) => is_integer(&name.value),
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|p| is_integer(&p.value)),
        _ => false,
    };
    let visited = visit_expressions(&expression, |node| {
        let compared: Vec<&Expr> = match node {
            Expr::BinaryOp { left, op, right } if is_comparison(op) => vec![&**left, &**right],
            Expr::Between { expr, low, high, .. } => vec![&**expr, &**low, &**high],
            Expr::InList { expr, list, .. } => list.iter().chain([&**expr]).collect(),
            _ => return ControlFlow::Continue(()),
        };
        let is_cut = compared.iter().any(|node| is_named(node))
            && compared.iter().any(|node| exact(&node.to_string()) != node.to_string());
        if is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    visited.is_break()
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn is_column(node: &Expr) -> bool {
    matches!(node, Expr::Identifier(_))
}

fn is_constant(node: &Expr) -> bool {
    match node {
        Expr::Value(value) => {
            matches!(&value.value, Value::Number(..) | Value::SingleQuotedString(_))
        }
        Expr::TypedString(_) => true,
        _ => false,
    }
}

/// The expression as delta-rs will read it.
fn read(sql: &str) -> Option<Expr> {
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(sql).ok()?;
    let expression = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(expression)
}

fn decimal(number: &str) -> Option<Expr> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.len() + fraction.len();
    let is_integer = fraction.is_empty() && digits <= INTEGER_DIGITS_MAX;
    let is_plain = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if is_integer || !is_plain || digits > DECIMAL_DIGITS_MAX {
        return None;
    }
    let zero = if whole.is_empty() { "0" } else { "" };
    let scale = fraction.len();
    read(&format!("CAST('{zero}{number}' AS DECIMAL({digits}, {scale}))"))
}

/// Whether the statistics of such a column may be rounded: a float keeps 15 digits.
pub(crate) fn is_rounded(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(precision, _) | DataType::Decimal256(precision, _) => {
            u32::from(*precision) > f64::DIGITS
        }
        DataType::Struct(fields) => fields.iter().any(|field| is_rounded(field.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_are_spelled_as_decimals() {
        for (sql, expected) in [
            ("n * 1.10", "n * CAST('1.10' AS DECIMAL(3,2))"),
            ("-.5", "-CAST('0.5' AS DECIMAL(1,1))"),
            ("(a + 2.5) * 'it''s'", "(a + CAST('2.5' AS DECIMAL(2,1))) * 'it''s'"),
            ("12345678901234567890", "CAST('12345678901234567890' AS DECIMAL(20,0))"),
            ("\"a b\" = 1 AND c = 'x 1.5'", "\"a b\" = 1 AND c = 'x 1.5'"),
            ("1e3 + 7", "1e3 + 7"),
            ("no sql at all 1.5", "no sql at all 1.5"),
        ] {
            assert_eq!(exact(sql), expected, "{sql}");
        }
    }

    #[test]
    fn comparisons_with_constants_are_plain() {
        for sql in ["a = 1", "(a > 'x' OR b IS NULL) AND c IN (1, 2)", "d < DATE '2026-01-31'"] {
            assert!(is_plain(sql), "{sql}");
        }
        for sql in ["a = NULL", "a + 1 = 2", "a", "a IN (1, NULL)", "(a = 1) = (b = 2)", "a = b"] {
            assert!(!is_plain(sql), "{sql}");
        }
    }

    #[test]
    fn decimals_beside_integers_are_seen() {
        let cuts = |sql| cuts(sql, |name| name == "n");
        assert!(cuts("t.id = s.id AND t.n < 20.5") && cuts("1.5 = n") && cuts("n IN (1, 2.5)"));
        assert!(!cuts("t.n = s.n AND t.price > 1.5") && !cuts("n * 1.5 > 2") && !cuts("n < 2"));
    }

    #[test]
    fn columns_are_found_by_their_names_alone() {
        let names = |sql| names_any(sql, |name| name == "d");
        assert!(names("id = 1 AND (d > 2 OR x)") && names("t.d = 1") && names("\"d\" IS NULL"));
        assert!(!names("id = 'd' AND day > DATE '2026-01-31'"));
    }
}
