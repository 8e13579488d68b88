//! A table of many rows whose keys are many too: grouping and sorting it must spill.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};

use crate::table::{Generated, Pages, write_parquet};

const BATCH_ROWS: u64 = 65_536;
const ROW_GROUP_ROWS_MAX: usize = 1 << 19;
const COUNTRIES: [&str; 8] = ["AT", "BR", "CN", "DE", "FR", "GB", "JP", "US"];
/// 2020-01-01 in microseconds since 1970 UTC.
const START_MICROSECONDS: i64 = 1_577_836_800_000_000;

/// Writes `rows` rows: `user_id` has about half as many values as there are rows, `session` is
/// different in each, and no column is sorted but `id`.
pub(crate) fn write(rows: u64, path: &Path) -> anyhow::Result<()> {
    let schema = schema();
    let mut from = 0;
    let batches = {
        let schema = Arc::clone(&schema);
        move || {
            let to = rows.min(from + BATCH_ROWS);
            let batch = (from < to).then(|| batch(&schema, from, to, rows));
            from = to;
            batch
        }
    };
    write_parquet(Generated::new(schema, batches), path, Pages::Snappy, ROW_GROUP_ROWS_MAX)
}

fn schema() -> Arc<Schema> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("user_id", DataType::Int64, false),
        Field::new("session", DataType::Utf8, false),
        Field::new("country", DataType::Utf8, true),
        Field::new("amount", DataType::Decimal128(18, 2), true),
        Field::new("score", DataType::Float64, false),
        Field::new("created", utc, false),
    ]))
}

fn batch(schema: &Arc<Schema>, from: u64, to: u64, rows: u64) -> Result<RecordBatch, ArrowError> {
    let users = (rows / 2).max(1);
    let ids = || from..to;
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let amount =
        |id| (!noise(id, 3).is_multiple_of(20)).then(|| i128::from(noise(id, 4) % 1_000_000));
    let amounts: Decimal128Array = ids().map(amount).collect();
    let created = |id| START_MICROSECONDS + signed(noise(id, 5) % 100_000_000) * 1_000_000;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids().map(signed))),
        Arc::new(Int64Array::from_iter_values(ids().map(|id| signed(noise(id, 1) % users)))),
        Arc::new(StringArray::from_iter_values(ids().map(session))),
        Arc::new(ids().map(country).collect::<StringArray>()),
        Arc::new(amounts.with_precision_and_scale(18, 2)?),
        Arc::new(Float64Array::from_iter_values(ids().map(score))),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(ids().map(created)).with_timezone("UTC"),
        ),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn session(id: u64) -> String {
    format!("{:016x}{:016x}", noise(id, 6), id)
}

fn country(id: u64) -> Option<&'static str> {
    let index = usize::try_from(noise(id, 2) % 9).unwrap_or(0);
    COUNTRIES.get(index).copied()
}

/// In [0, 1), in steps that a double holds exactly.
fn score(id: u64) -> f64 {
    f64::from(u32::try_from(noise(id, 7) >> 32).unwrap_or(0)) / 4_294_967_296.0
}

/// The mixing function of SplitMix64: column and row to 64 bits that look random.
fn noise(id: u64, column: u64) -> u64 {
    let mut z = id.wrapping_add(column << 56).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
