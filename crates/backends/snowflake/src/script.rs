//! What several statements at once answered: one result at most, and the rows that all changed.

use std::ops::Range;
use std::sync::Arc;

use orbit_core::{Context, Error, ErrorKind, Result};

use crate::api::Api;
use crate::error::malformed;
use crate::protocol::QueryData;
use crate::result::rows_affected;
use crate::session::Lane;
use crate::statement::result_of;

/// Kinds of statements that are queries.
const READING: Range<u64> = 0x1000..0x2000;
/// The one column of statements that answer that they are done, as the service writes it.
const STATUS: &str = "status";

/// The one result of a script, and how many rows its statements changed, if any did.
pub(crate) struct Answer {
    pub rows: Option<QueryData>,
    pub rows_affected: Option<u64>,
}

/// Asks for what each statement of a script answered.
///
/// # Errors
/// `Unsupported` for a second result; those of asking.
pub(crate) async fn answer(
    cx: &Context,
    api: &Arc<Api>,
    lane: &Arc<Lane>,
    ids: &str,
) -> Result<Answer> {
    let mut answer = Answer { rows: None, rows_affected: None };
    for id in ids.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        let data = result_of(cx, api, lane, id).await?;
        if let Some(rows) = rows_affected(&data)? {
            let sum = answer.rows_affected.unwrap_or(0).checked_add(rows);
            answer.rows_affected =
                Some(sum.ok_or_else(|| malformed("more rows were changed than can be counted"))?);
        } else if has_result(&data) && answer.rows.replace(data).is_some() {
            let message = "the script has a second result; all of it ran";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("send its statements one at a time"));
        }
    }
    Ok(answer)
}

/// Whether an answer is more than that its statement is done. The service may number SHOW, LIST,
/// CALL and their like otherwise than queries, so any columns are a result but a lone status.
fn has_result(data: &QueryData) -> bool {
    let query = data.statement_type_id.is_some_and(|kind| READING.contains(&kind));
    let status = matches!(data.row_type.as_slice(), [told] if told.name == STATUS);
    query || !(status || data.row_type.is_empty())
}
