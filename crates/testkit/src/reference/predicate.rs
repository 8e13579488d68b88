//! Which rows a predicate keeps, by Arrow's kernels and SQL's three-valued logic.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_arith::boolean::{and_kleene, is_not_null, is_null, not, or_kleene};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, RecordBatch, Scalar, StringArray};
use arrow_cast::cast;
use arrow_ord::cmp;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType};
use arrow_string::like;
use orbit_core::{CompareOp, Error, ErrorKind, Predicate, Result};

use super::{index, invalid};

/// For each row of `rows` whether `predicate` is true, false or unknown (NULL).
///
/// The empty set of an `IN` contains nothing: it is false, also for NULL.
///
/// # Errors
/// `QueryInvalid` for a column that `rows` does not have, a literal whose type is not the
/// column's, and an operation that the column's type does not have.
pub fn evaluate(predicate: &Predicate, rows: &RecordBatch) -> Result<BooleanArray> {
    match predicate {
        Predicate::Compare { column, op, value } => {
            let column = typed_column(rows, column, value.data_type())?;
            compare(column, *op, &Scalar::new(Arc::clone(value.array()))).map_err(invalid)
        }
        Predicate::In { column, values, negated } => {
            let column = typed_column(rows, column, values.data_type())?;
            negate(contains(values, column)?, *negated)
        }
        Predicate::Like { column, pattern, negated, ignore_case } => {
            let column = column_of(rows, column)?;
            negate(matches(column, pattern, *ignore_case)?, *negated)
        }
        Predicate::IsNull { column, negated } => {
            let column = column_of(rows, column)?;
            if *negated { is_not_null(column) } else { is_null(column) }.map_err(invalid)
        }
        Predicate::IsTrue { column } => {
            let column = typed_column(rows, column, &DataType::Boolean)?;
            Ok(column.as_boolean().clone())
        }
        Predicate::And(parts) => fold(parts, rows, true, and_kleene),
        Predicate::Or(parts) => fold(parts, rows, false, or_kleene),
        Predicate::Not(part) => negate(evaluate(part, rows)?, true),
    }
}

fn column_of<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    index(&rows.schema(), name).map(|i| rows.column(i))
}

fn typed_column<'a>(rows: &'a RecordBatch, name: &str, wanted: &DataType) -> Result<&'a ArrayRef> {
    let column = column_of(rows, name)?;
    if column.data_type() == wanted {
        return Ok(column);
    }
    let found = column.data_type();
    let message = format!("column `{name}` is {found}, what it is compared with is {wanted}");
    Err(Error::new(ErrorKind::QueryInvalid, message))
}

fn compare(
    column: &ArrayRef,
    op: CompareOp,
    value: &dyn Datum,
) -> Result<BooleanArray, ArrowError> {
    match op {
        CompareOp::Eq => cmp::eq(column, value),
        CompareOp::NotEq => cmp::neq(column, value),
        CompareOp::Lt => cmp::lt(column, value),
        CompareOp::LtEq => cmp::lt_eq(column, value),
        CompareOp::Gt => cmp::gt(column, value),
        CompareOp::GtEq => cmp::gt_eq(column, value),
    }
}

/// Whether each element of `column` is in the set: by hash, since a set may hold a whole key
/// column.
fn contains(set: &ArrayRef, column: &ArrayRef) -> Result<BooleanArray> {
    if set.is_empty() {
        return Ok(BooleanArray::from(vec![false; column.len()]));
    }
    let field = SortField::new(column.data_type().clone());
    let converter = RowConverter::new(vec![field]).map_err(invalid)?;
    let set_rows = converter.convert_columns(&[Arc::clone(set)]).map_err(invalid)?;
    let known: HashSet<_> =
        set_rows.iter().enumerate().filter(|(i, _)| set.is_valid(*i)).map(|(_, row)| row).collect();
    let rows = converter.convert_columns(&[Arc::clone(column)]).map_err(invalid)?;
    let unknown = set.null_count() > 0;
    let each = rows.iter().enumerate().map(|(i, row)| {
        let found = known.contains(&row);
        if column.is_null(i) || (!found && unknown) { None } else { Some(found) }
    });
    Ok(each.collect())
}

fn matches(column: &ArrayRef, pattern: &str, ignore_case: bool) -> Result<BooleanArray> {
    let pattern: ArrayRef = Arc::new(StringArray::from(vec![pattern]));
    let pattern = Scalar::new(cast(&pattern, column.data_type()).map_err(invalid)?);
    if ignore_case { like::ilike(column, &pattern) } else { like::like(column, &pattern) }
        .map_err(invalid)
}

fn negate(truth: BooleanArray, negated: bool) -> Result<BooleanArray> {
    if negated { not(&truth).map_err(invalid) } else { Ok(truth) }
}

type Connective = fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>;

fn fold(
    parts: &[Predicate],
    rows: &RecordBatch,
    neutral: bool,
    connect: Connective,
) -> Result<BooleanArray> {
    let start = BooleanArray::from(vec![neutral; rows.num_rows()]);
    parts
        .iter()
        .try_fold(start, |truth, part| connect(&truth, &evaluate(part, rows)?).map_err(invalid))
}
