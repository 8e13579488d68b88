//! What a query means, in Arrow kernels: the answer that a push-down must equal.
//!
//! It knows the closed [`Predicate`](orbit_core::Predicate) alone and no query engine, so that a fault of the engine
//! and a fault of the reference are not the same fault.

mod predicate;

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_ord::sort::{SortColumn, SortOptions, lexsort_to_indices};
use arrow_schema::{ArrowError, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use orbit_core::{Error, ErrorKind, Query, Result, SortKey};

pub use predicate::evaluate;

/// The rows that `query` asks for, out of `rows`: predicate, then order, limit and columns.
/// Rows that are equal in the order may come in any order among themselves.
///
/// # Errors
/// `QueryInvalid` for a column that `rows` does not have or a literal of another type.
pub fn answer(query: &Query, rows: &RecordBatch) -> Result<RecordBatch> {
    let mut answer = match &query.predicate {
        Some(predicate) => {
            filter_record_batch(rows, &evaluate(predicate, rows)?).map_err(invalid)?
        }
        None => rows.clone(),
    };
    if !query.order.is_empty() {
        let order = sorted(&query.order, &answer)?;
        answer = take_record_batch(&answer, &order).map_err(invalid)?;
    }
    if let Some(limit) = query.limit {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        answer = answer.slice(0, limit.min(answer.num_rows()));
    }
    match &query.columns {
        Some(columns) => select(columns, &answer),
        None => Ok(answer),
    }
}

/// The columns of `rows` with these names, in this order; none of them still counts the rows.
///
/// # Errors
/// `QueryInvalid` for a column that `rows` does not have.
pub fn select(columns: &[String], rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = rows.schema();
    let indexes = columns.iter().map(|c| index(&schema, c)).collect::<Result<Vec<_>>>()?;
    let fields = indexes.iter().map(|i| schema.field(*i).clone()).collect::<Vec<_>>();
    let arrays = indexes.iter().map(|i| Arc::clone(rows.column(*i))).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(invalid)
}

/// All of `batches` as one; `schema` is needed when there are none.
///
/// # Errors
/// `DataInvalid` when their schemas differ.
pub fn one_batch(schema: &arrow_schema::SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    if schema.fields().is_empty() {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        return RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)
            .map_err(invalid);
    }
    concat_batches(schema, batches).map_err(|e| {
        Error::new(ErrorKind::DataInvalid, "batches of one stream differ in schema").with_source(e)
    })
}

fn sorted(order: &[SortKey], rows: &RecordBatch) -> Result<UInt32Array> {
    let schema = rows.schema();
    let columns = order.iter().map(|key| {
        let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        let values = Arc::clone(rows.column(index(&schema, &key.column)?));
        Ok(SortColumn { values, options: Some(options) })
    });
    lexsort_to_indices(&columns.collect::<Result<Vec<_>>>()?, None).map_err(invalid)
}

fn index(schema: &Schema, column: &str) -> Result<usize> {
    schema.index_of(column).map_err(|_| {
        let message = format!("there is no column `{column}`");
        Error::new(ErrorKind::QueryInvalid, message).with_hint("names are exact in case")
    })
}

fn invalid(error: ArrowError) -> Error {
    Error::new(ErrorKind::QueryInvalid, "arrow cannot evaluate the query").with_source(error)
}
