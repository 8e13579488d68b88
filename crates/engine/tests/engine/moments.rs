//! Moments: the present one, and those of several zones.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};

use crate::support::{lake, put_parquet, rows};

/// 2024-01-01 17:00 and 2024-07-01 16:00 in UTC: noon of New York in winter and in summer.
const NOONS: [i64; 2] = [1_704_128_400_000_000, 1_719_849_600_000_000];

#[tokio::test]
async fn the_present_is_that_of_the_query() {
    let folder = tempfile::tempdir().unwrap();
    let engine = lake(folder.path());
    let sql = "SELECT now() = current_timestamp, current_date = CAST(now() AS date), \
               now() > TIMESTAMP '2025-01-01 00:00:00'";
    assert_eq!(rows(&engine, sql).await, "true|true|true");
}

#[tokio::test]
async fn moments_of_other_zones_are_compared_as_moments() {
    let folder = tempfile::tempdir().unwrap();
    let column = |zone: &str| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(NOONS.to_vec()).with_timezone(zone))
    };
    let zones = ["America/New_York", "UTC", "Asia/Tokyo"];
    let columns = ["ny", "utc", "tokyo"].into_iter().zip(zones.map(column));
    put_parquet(folder.path(), "t.parquet", &RecordBatch::try_from_iter(columns).unwrap());
    let engine = lake(folder.path());
    for (condition, count) in [
        ("ny = TIMESTAMPTZ '2024-01-01 17:00:00+00'", "1"),
        ("TIMESTAMPTZ '2024-01-01 12:00:00-05:00' = ny", "1"),
        ("ny > TIMESTAMP '2024-01-01 16:59:59' AND ny < TIMESTAMP '2024-01-01 17:00:01'", "1"),
        ("ny = '2024-01-01 17:00:00'", "1"),
        ("ny < now()", "2"),
        ("now() > ny", "2"),
        ("ny = utc AND utc = ny AND ny = tokyo AND tokyo IS NOT DISTINCT FROM ny", "2"),
        ("ny BETWEEN TIMESTAMPTZ '2024-01-01 17:00:00+00' AND now()", "2"),
        ("TIMESTAMP '2024-01-01 17:00:00' BETWEEN ny AND utc", "1"),
        ("ny IN (TIMESTAMPTZ '2024-07-01 16:00:00+00', utc)", "2"),
        ("ny NOT IN (TIMESTAMPTZ '2024-07-01 16:00:00+00')", "1"),
        ("ny >= DATE '2024-01-02'", "1"),
        ("extract(epoch FROM TIMESTAMP '2024-01-01 18:00:00' - ny) = 3600", "1"),
        ("extract(epoch FROM ny - tokyo) = 0", "2"),
    ] {
        let sql = format!("SELECT count(*) FROM t WHERE {condition}");
        assert_eq!(rows(&engine, &sql).await, count, "{condition}");
    }
    let sql = "SELECT count(*) FROM t AS a JOIN t AS b ON a.ny = b.utc AND a.tokyo = b.ny";
    assert_eq!(rows(&engine, sql).await, "2");
}
