//! Results in parts: the service keeps a result for a day, and whoever may see the statement
//! may read the pieces of it by the statement's id.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use orbit_core::{
    BatchStream, Context, Effect, Error, ErrorKind, Partition, PartitionRead, PartitionSet,
    PartitionSource, Partitions, Query, Result,
};
use orbit_http::all_there;

use crate::columns::Columns;
use crate::datasource::Connected;
use crate::error::malformed;
use crate::result::{kept, rows_of_pieces};
use crate::statement::result_of;

/// How long the service keeps a result.
const KEPT: Duration = Duration::from_secs(24 * 3600);

impl Connected {
    /// Runs a query, and names its pieces: contiguous, and about the same rows in each part.
    pub(crate) async fn partitions(
        self: &Arc<Self>,
        cx: &Context,
        request: Partitions,
    ) -> Result<PartitionSet> {
        let Partitions { query, partitions_max } = request;
        if query.effect != Effect::Read || partitions_max == 0 {
            let message = "only what reads has parts, and there is at least one";
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        if query.columns.as_ref().is_some_and(Vec::is_empty) {
            return Ok(undivided(query));
        }
        if self.script(&query)?.is_some() {
            let message = "several statements at once have no parts";
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("send one at a time, or ask for the rows as a whole"));
        }
        let data = self.run(cx, &self.lane, &query).await?.finish();
        let schema = Columns::of(&data.row_type, self.api.config.rules())?
            .planned(query.schema.as_ref())?
            .schema;
        let id = data.query_id.clone().ok_or_else(|| malformed("a result came without its id"))?;
        let rows = rows_of_pieces(&data)?;
        let part = |(pieces, rows)| Partition {
            source: PartitionSource::Statement { id: id.clone(), pieces },
            rows: Some(rows),
        };
        let partitions = divided(&rows, partitions_max).into_iter().map(part).collect();
        let expires_at = Some(SystemTime::now() + KEPT);
        Ok(PartitionSet {
            schema,
            partitions,
            ordered: true,
            one_snapshot: true,
            expires_at,
            kept: None,
        })
    }

    /// The rows of some pieces.
    pub(crate) async fn read_part(
        self: &Arc<Self>,
        cx: &Context,
        request: PartitionRead,
    ) -> Result<BatchStream> {
        let PartitionRead { schema, partition } = request;
        match partition.source {
            PartitionSource::Statement { id, pieces } => {
                let data = result_of(cx, &self.api, &self.lane, &id).await?;
                let promised = rows_of_pieces(&data)?;
                if pieces.start >= promised.len() as u64 {
                    let message = "the statement's result has no such piece";
                    return Err(
                        Error::new(ErrorKind::NotFound, message).with_context("statement", id)
                    );
                }
                let of_part = (0..).zip(&promised).filter(|(piece, _)| pieces.contains(piece));
                all_there(of_part.map(|(_, rows)| rows).sum(), partition.rows)?;
                kept(cx, self, data, &schema, pieces).await
            }
            PartitionSource::Query { query, snapshot: _ } => self.query(cx, *query).await,
            PartitionSource::Files { .. } => {
                Err(Error::new(ErrorKind::QueryInvalid, "snowflake gives out no parts in files"))
            }
        }
    }
}

/// A count of rows is one value, and no part of it means anything.
fn undivided(query: Query) -> PartitionSet {
    PartitionSet {
        schema: Arc::new(arrow_schema::Schema::empty()),
        partitions: vec![Partition { source: PartitionSource::query(query), rows: None }],
        ordered: true,
        one_snapshot: true,
        expires_at: None,
        kept: None,
    }
}

/// At most `parts_max` runs of pieces, each with its rows.
fn divided(rows: &[u64], parts_max: usize) -> Vec<(std::ops::Range<u64>, u64)> {
    let goal = rows.iter().sum::<u64>().div_ceil(parts_max as u64).max(1);
    let mut parts: Vec<(std::ops::Range<u64>, u64)> = Vec::new();
    for (piece, rows) in (0..).zip(rows) {
        // The last part takes what is left.
        let is_last = parts.len() == parts_max;
        match parts.last_mut() {
            Some((pieces, sum)) if *sum < goal || is_last => {
                *sum += rows;
                pieces.end = piece + 1;
            }
            _ => parts.push((piece..piece + 1, *rows)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::divided;

    #[test]
    fn pieces_are_divided_without_gaps() {
        let rows = [5, 100, 100, 0, 30, 1000, 7];
        for parts_max in 1..10 {
            let parts = divided(&rows, parts_max);
            assert!(!parts.is_empty() && parts.len() <= parts_max, "{parts:?}");
            assert!(parts.windows(2).all(|two| two[0].0.end == two[1].0.start), "{parts:?}");
            assert_eq!((parts[0].0.start, parts[parts.len() - 1].0.end), (0, 7));
            assert_eq!(parts.iter().map(|part| part.1).sum::<u64>(), 1242);
        }
    }
}
