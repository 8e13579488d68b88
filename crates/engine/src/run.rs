//! Running a plan as a stream that ends with its caller.

use std::sync::Arc;

use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use orbit_core::{BatchStream, Context, Result, SummaryHandle, Truncation};

use crate::error::from_datafusion;
use crate::plan::ReadPlan;
use crate::sql::on_big_stack;

/// The rows of `planned`, at most `limit_rows`; a result that was cut says so.
pub(crate) fn stream(
    cx: &Context,
    planned: ReadPlan,
    limit_rows: Option<u64>,
) -> Result<BatchStream> {
    let schema = planned.plan.schema();
    let store = planned.store;
    let batches = on_big_stack(|| execute_stream(planned.plan, planned.task));
    let mut batches = batches.map_err(from_datafusion)?;
    let summary = SummaryHandle::default();
    let told = summary.clone();
    let mut left = limit_rows;
    let guard = cx.cancellation().clone().drop_guard();
    let polled = futures::stream::poll_fn(move |task| {
        let _held = &guard;
        // A deep plan is polled as deep as it is nested.
        on_big_stack(|| batches.poll_next_unpin(task))
    });
    let rows = polled.map(move |batch| {
        let batch = batch.map_err(|e| store.explain(e))?;
        let (Some(left), Some(limit_rows)) = (left.as_mut(), limit_rows) else { return Ok(batch) };
        let rows = batch.num_rows() as u64;
        if rows <= *left {
            *left -= rows;
            return Ok(batch);
        }
        told.update(|s| s.truncation = Some(Truncation { limit_rows, total_rows: None }));
        let keep = usize::try_from(*left).unwrap_or(usize::MAX);
        *left = 0;
        Ok(batch.slice(0, keep))
    });
    let rows = rows.filter(|batch| {
        let is_empty = batch.as_ref().is_ok_and(|b| b.num_rows() == 0);
        futures::future::ready(!is_empty)
    });
    Ok(BatchStream::with_summary(Arc::clone(&schema), rows, summary).bounded_by(cx))
}
