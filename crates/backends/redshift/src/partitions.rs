//! A table in ranges of its key, each a query of its own.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int16Array, Int32Array, Int64Array};
use arrow_schema::DataType;
use orbit_core::{
    CompareOp, Context, Describe, Error, ErrorKind, Literal, Partition, PartitionSet,
    PartitionSource, Partitions, Predicate, Query, Result, SqlDatasource, SqlForms, Target,
};

use crate::catalog::{Place, number};
use crate::datasource::RedshiftDatasource;
use crate::session::Server;
use crate::shared::Shared;
use crate::snapshot::{self, Snapshot};
use crate::unload;

/// The most parts that are made, however many are asked for.
const PARTS_MAX: usize = 1000;

/// The parts of a query: one, unless it is a whole table or a part of it in no order, with a
/// key of one integer. Each is its own transaction; PostgreSQL's take over one snapshot, those
/// of Redshift cannot.
pub(crate) async fn plan(
    shared: &Arc<Shared>,
    cx: &Context,
    datasource: &RedshiftDatasource,
    request: Partitions,
) -> Result<PartitionSet> {
    let Partitions { query, partitions_max } = request;
    if partitions_max == 0 {
        return Err(Error::new(ErrorKind::QueryInvalid, "no query has zero parts"));
    }
    let natural = datasource.describe(cx, Describe { query: query.clone() }).await?.schema;
    let schema = query.schema.clone().unwrap_or(natural);
    if let Some(staging) = &shared.staging
        && partitions_max > 1
        && unload::fits(&query, &schema)
    {
        return unload::partitions(shared, staging, cx, &query, schema, partitions_max).await;
    }
    let ranges = ranges(shared, cx, &query, partitions_max.min(PARTS_MAX)).await?;
    let ranges = ranges.filter(|ranges| ranges.len() > 1);
    let snapshot = match (&ranges, shared.server) {
        (Some(_), Server::Postgresql) => snapshot::keep(shared, cx).await?,
        _ => None,
    };
    let parts = match ranges {
        Some(ranges) if snapshot.is_some() || shared.server == Server::Redshift => {
            ranges.into_iter().map(|range| within(&query, range)).collect()
        }
        _ => vec![query.clone()],
    };
    let ordered = query.order.is_empty() || parts.len() == 1;
    let one_snapshot = snapshot.is_some() || parts.len() == 1;
    let (id, kept) = snapshot.map(|Snapshot { id, kept }| (id, kept)).unzip();
    let part = |query: Query| {
        let query = Box::new(Query { schema: Some(Arc::clone(&schema)), ..query });
        Partition { source: PartitionSource::Query { query, snapshot: id.clone() }, rows: None }
    };
    let partitions = parts.into_iter().map(part).collect();
    Ok(PartitionSet {
        schema: Arc::clone(&schema),
        partitions,
        ordered,
        one_snapshot,
        expires_at: None,
        kept,
    })
}

fn within(query: &Query, range: Predicate) -> Query {
    let predicate = Predicate::all(query.predicate.clone().into_iter().chain([range]));
    Query { predicate, ..query.clone() }
}

/// The ranges of the key; none when the query cannot be read in ranges.
async fn ranges(
    shared: &Arc<Shared>,
    cx: &Context,
    query: &Query,
    parts: usize,
) -> Result<Option<Vec<Predicate>>> {
    let Target::Table(table) = &query.target else { return Ok(None) };
    if parts < 2 || query.limit.is_some() || !query.order.is_empty() {
        return Ok(None);
    }
    let place = shared.place(&table.name)?;
    let Some(key) = key(shared, cx, &place).await? else { return Ok(None) };
    let name = shared.forms.dialect().quote(&key.column);
    let from = shared.forms.dialect().table(&place.name());
    let sql = format!("SELECT MIN({name}), MAX({name}) FROM {from}");
    let answer = shared.question(cx, sql).await?;
    let bounds = answer.first().and_then(|row| Some((number(row, 0)?, number(row, 1)?)));
    let Some((least, most)) = bounds else { return Ok(None) };
    key.ranges(&starts(least, most, parts)).map(Some)
}

/// Where all ranges but the first begin.
fn starts(least: i64, most: i64, parts: usize) -> Vec<i64> {
    let (least, width) = (i128::from(least), i128::from(most) - i128::from(least) + 1);
    let mut starts: Vec<_> = (1..parts as i128)
        .filter_map(|part| i64::try_from(least + width * part / parts as i128).ok())
        .collect();
    starts.dedup();
    starts.retain(|start| i128::from(*start) > least);
    starts
}

struct Key {
    column: String,
    data_type: DataType,
    nullable: bool,
}

/// The one integer by which a table is identified or sorted.
async fn key(shared: &Arc<Shared>, cx: &Context, place: &Place) -> Result<Option<Key>> {
    let statistics = shared.statistics(cx, place).await?;
    let name = match (statistics.primary_key.as_slice(), statistics.sort_key.first()) {
        ([one], _) | (_, Some(one)) => one.clone(),
        _ => return Ok(None),
    };
    let columns = shared.describe(cx, place).await?;
    let column = columns.into_iter().find(|column| column.name == name);
    Ok(column.filter(|c| c.data_type().is_integer()).map(|column| Key {
        data_type: column.data_type(),
        nullable: column.nullable,
        column: column.name,
    }))
}

impl Key {
    /// Ranges that are open at both ends, so that rows which come later belong to one too.
    fn ranges(&self, starts: &[i64]) -> Result<Vec<Predicate>> {
        let compare = |op, start: i64| -> Result<Predicate> {
            Ok(Predicate::compare(&self.column, op, Literal::new(self.value(start)?)?))
        };
        let mut ranges = Vec::with_capacity(starts.len() + 1);
        for part in 0..=starts.len() {
            let mut conditions = Vec::new();
            if let Some(start) = part.checked_sub(1).and_then(|i| starts.get(i)) {
                conditions.push(compare(CompareOp::GtEq, *start)?);
            }
            if let Some(end) = starts.get(part) {
                conditions.push(compare(CompareOp::Lt, *end)?);
            }
            let range = Predicate::And(conditions);
            let is_null = Predicate::IsNull { column: self.column.clone(), negated: false };
            ranges.push(match (part, self.nullable) {
                (0, true) if !starts.is_empty() => Predicate::Or(vec![range, is_null]),
                _ => range,
            });
        }
        Ok(ranges)
    }

    fn value(&self, value: i64) -> Result<ArrayRef> {
        let fit = |_| Error::new(ErrorKind::DataInvalid, "a key is outside of its own type");
        Ok(match self.data_type {
            DataType::Int16 => Arc::new(Int16Array::from(vec![i16::try_from(value).map_err(fit)?])),
            DataType::Int32 => Arc::new(Int32Array::from(vec![i32::try_from(value).map_err(fit)?])),
            _ => Arc::new(Int64Array::from(vec![value])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn ranges_begin_evenly() {
        assert_eq!(starts(0, 99, 4), [25, 50, 75]);
        assert_eq!(starts(5, 5, 4), [] as [i64; 0]);
        assert_eq!(starts(0, 1, 4), [1]);
        assert_eq!(starts(i64::MIN, i64::MAX, 2), [0]);
    }
}
