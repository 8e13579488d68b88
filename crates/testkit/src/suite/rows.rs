//! Comparing rows: in order, or as a bag.

use arrow_array::RecordBatch;
use arrow_cast::display::array_value_to_string;
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::{ArrowError, DataType};

use super::ensure;
use crate::subject::{Stop, Verdict};

/// Both must hold the same rows; `ordered` says whether in the same order.
pub(super) fn same_rows(got: &RecordBatch, expected: &RecordBatch, ordered: bool) -> Verdict {
    same_columns(got, expected)?;
    let (mut g, mut e) = keyed(got, expected)?;
    if !ordered {
        g.sort_unstable();
        e.sort_unstable();
    }
    let differ = g.iter().zip(&e).position(|(g, e)| g.0 != e.0);
    let at = differ.or_else(|| (g.len() != e.len()).then(|| g.len().min(e.len())));
    let Some(at) = at else { return Ok(()) };
    let shown = |rows: &[Keyed], batch| match rows.get(at) {
        Some((_, index)) => show(batch, *index),
        None => "no row".to_owned(),
    };
    let (lines, wanted) = (g.len(), e.len());
    let (g, e) = (shown(&g, got), shown(&e, expected));
    Err(Stop::failed(format!("{lines} rows for {wanted}; row {at} is {g}, expected {e}")))
}

/// Every row of `got` must be one of `all`, each at most as often as it stands there.
pub(super) fn some_of(got: &RecordBatch, all: &RecordBatch) -> Verdict {
    same_columns(got, all)?;
    let (mut g, mut a) = keyed(got, all)?;
    g.sort_unstable();
    a.sort_unstable();
    let mut rest = a.into_iter();
    for (row, index) in g {
        let found = rest.by_ref().find(|(key, _)| *key >= row);
        ensure!(
            found.is_some_and(|(key, _)| key == row),
            "{} is not a row of the answer",
            show(got, index)
        );
    }
    Ok(())
}

/// Both must have the same names and types; what is nullable may be told apart.
pub(super) fn same_columns(got: &RecordBatch, expected: &RecordBatch) -> Verdict {
    let (g, e) = (columns(got), columns(expected));
    ensure!(g == e, "columns are {g:?}, expected {e:?}");
    Ok(())
}

fn columns(batch: &RecordBatch) -> Vec<(String, DataType)> {
    batch.schema().fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

/// A row by its bytes, and where it stands.
type Keyed = (Option<OwnedRow>, usize);

fn keyed(a: &RecordBatch, b: &RecordBatch) -> Verdict<(Vec<Keyed>, Vec<Keyed>)> {
    let fields = a.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(unequal)?;
    let keys = |batch: &RecordBatch| -> Verdict<Vec<Keyed>> {
        if batch.num_columns() == 0 {
            return Ok((0..batch.num_rows()).map(|i| (None, i)).collect());
        }
        let rows = converter.convert_columns(batch.columns()).map_err(unequal)?;
        Ok(rows.iter().enumerate().map(|(i, row)| (Some(row.owned()), i)).collect())
    };
    Ok((keys(a)?, keys(b)?))
}

fn show(batch: &RecordBatch, row: usize) -> String {
    let value = |column: &arrow_array::ArrayRef| {
        if column.is_null(row) {
            return "NULL".to_owned();
        }
        array_value_to_string(column, row)
            .map_or_else(|e| e.to_string(), |text| format!("{text:?}"))
    };
    batch.columns().iter().map(value).collect::<Vec<_>>().join(" | ")
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unequal(error: ArrowError) -> Stop {
    Stop::failed(format!("the rows cannot be compared: {error}"))
}
