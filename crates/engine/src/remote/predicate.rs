//! DataFusion's filters as the contract's predicates, where the source means the same by them.

use arrow_array::ArrayRef;
use arrow_schema::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Like, Operator};
use orbit_core::{
    ColumnDescription, CompareOp, Literal, Predicate, PredicateCapability, SqlDialect,
};

/// What decides whether a filter may be pushed to a source.
pub(crate) struct Gate<'a> {
    pub(crate) capability: PredicateCapability,
    pub(crate) dialect: &'a SqlDialect,
    pub(crate) schema: &'a SchemaRef,
    pub(crate) columns: &'a [ColumnDescription],
}

impl Gate<'_> {
    /// The filter as a predicate; none when the source could mean something else by it.
    pub(crate) fn predicate(&self, filter: &Expr) -> Option<Predicate> {
        match filter {
            Expr::Column(column) => {
                let is_boolean = self.data_type(&column.name)? == &DataType::Boolean;
                is_boolean.then(|| Predicate::IsTrue { column: column.name.clone() })
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Predicate::all([self.predicate(left)?, self.predicate(right)?])
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Some(Predicate::Or(vec![self.predicate(left)?, self.predicate(right)?]))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.comparison(left, *op, right),
            Expr::Between(Between { expr, negated: false, low, high }) => Predicate::all([
                self.comparison(expr, Operator::GtEq, low)?,
                self.comparison(expr, Operator::LtEq, high)?,
            ]),
            Expr::IsNull(inner) => self.null_check(inner, false),
            Expr::IsNotNull(inner) => self.null_check(inner, true),
            Expr::InList(list) => self.in_list(&list.expr, &list.list, list.negated),
            Expr::Like(like) => self.like(like),
            Expr::Not(inner) => match self.predicate(inner)? {
                Predicate::IsTrue { .. } => None,
                inner => Some(Predicate::Not(Box::new(inner))),
            },
            _ => None,
        }
    }

    fn comparison(&self, left: &Expr, op: Operator, right: &Expr) -> Option<Predicate> {
        let (column, op, value) = match (left, right) {
            (Expr::Column(column), Expr::Literal(value, _)) => (column, op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
            _ => return None,
        };
        let op = match op {
            Operator::Eq => CompareOp::Eq,
            Operator::NotEq => CompareOp::NotEq,
            Operator::Lt => CompareOp::Lt,
            Operator::LtEq => CompareOp::LtEq,
            Operator::Gt => CompareOp::Gt,
            Operator::GtEq => CompareOp::GtEq,
            _ => return None,
        };
        let is_order = !matches!(op, CompareOp::Eq | CompareOp::NotEq);
        if self.is_text(&column.name)?
            && (!self.is_binary(&column.name) || (is_order && !self.capability.text_order))
        {
            return None;
        }
        let value = Literal::new(self.value(&column.name, value)?).ok()?;
        Some(Predicate::compare(&column.name, op, value))
    }

    fn null_check(&self, inner: &Expr, negated: bool) -> Option<Predicate> {
        let Expr::Column(column) = inner else { return None };
        self.data_type(&column.name)?;
        Some(Predicate::IsNull { column: column.name.clone(), negated })
    }

    fn in_list(&self, expr: &Expr, list: &[Expr], negated: bool) -> Option<Predicate> {
        let Expr::Column(column) = expr else { return None };
        let values_max = self.capability.in_values_max.min(self.dialect.limits.in_values_max);
        if list.len() > values_max || (self.is_text(&column.name)? && !self.is_binary(&column.name))
        {
            return None;
        }
        let data_type = self.data_type(&column.name)?;
        let scalars = list.iter().map(|item| match item {
            Expr::Literal(value, _) if !value.is_null() => value.cast_to(data_type).ok(),
            _ => None,
        });
        let scalars: Vec<ScalarValue> = scalars.collect::<Option<_>>()?;
        let values = ScalarValue::iter_to_array(scalars).ok()?;
        Some(Predicate::In { column: column.name.clone(), values, negated })
    }

    fn like(&self, like: &Like) -> Option<Predicate> {
        let Like { negated, expr, pattern, escape_char, case_insensitive } = like;
        let (Expr::Column(column), Expr::Literal(pattern, _)) = (expr.as_ref(), pattern.as_ref())
        else {
            return None;
        };
        let pattern = pattern.try_as_str()??;
        let allowed =
            if *case_insensitive { self.capability.like_ignore_case } else { self.capability.like };
        let plain = escape_char.is_none_or(|c| c == '\\');
        let pushed =
            allowed && plain && self.is_text(&column.name)? && self.is_binary(&column.name);
        pushed.then(|| Predicate::Like {
            column: column.name.clone(),
            pattern: pattern.to_owned(),
            negated: *negated,
            ignore_case: *case_insensitive,
        })
    }

    /// The value in the column's own type, when nothing is lost.
    fn value(&self, column: &str, value: &ScalarValue) -> Option<ArrayRef> {
        let data_type = self.data_type(column)?;
        if value.is_null() {
            return None;
        }
        let same = &value.data_type() == data_type;
        let both_text = is_text(&value.data_type()) && is_text(data_type);
        let value = match (same, both_text) {
            (true, _) => value.clone(),
            (false, true) => value.cast_to(data_type).ok()?,
            (false, false) => return None,
        };
        value.to_array().ok()
    }

    fn data_type(&self, column: &str) -> Option<&DataType> {
        self.schema.field_with_name(column).ok().map(arrow_schema::Field::data_type)
    }

    fn is_text(&self, column: &str) -> Option<bool> {
        self.data_type(column).map(is_text)
    }

    /// Whether the source compares the column's text by its bytes, as the engine does.
    fn is_binary(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c.name == column && c.binary_collation)
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
