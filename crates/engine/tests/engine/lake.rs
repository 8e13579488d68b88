//! Tables made of files: their folders and changes.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, RecordBatch, StringArray, UInt32Array, record_batch};
use bytes::Bytes;
use futures::TryStreamExt;
use orbit_core::{Context, Tally};
use orbit_engine::{Engine, TableFilter};
use parquet::arrow::ArrowWriter;
use parquet::data_type::FixedLenByteArray;
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics;
use tempfile::TempDir;

use crate::support::{
    GZIPPED, Setup, ZSTD, lake, put, put_parquet, refusal_text, request, rows, sorted,
};

fn people() -> RecordBatch {
    record_batch!(("id", Int64, [1, 2, 3]), ("name", Utf8, [Some("ann"), Some("bob"), None]))
        .unwrap()
}

fn numbers(values: [i32; 2]) -> RecordBatch {
    record_batch!(("n", Int32, values.to_vec())).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn bytes_read(engine: &Engine, sql: &str) -> (Vec<String>, u64) {
    let tally = Arc::new(Tally::default());
    let cx = Context::builder().reporter(Arc::clone(&tally) as _).build();
    let stream = engine.query(&cx, request(sql)).await.unwrap();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    (crate::support::lines(&batches), tally.snapshot()["lake"].bytes_read)
}

#[tokio::test]
async fn a_quoted_value_may_hold_line_breaks() {
    let folder = folder();
    let many: String =
        (0..5_000).map(|i| format!("{i},\"line one\nline, \"\"two\"\"\"\n")).collect();
    put(folder.path(), "t.csv", format!("id,text\r\n{many}"));
    let engine = lake(folder.path());
    let sql = "SELECT count(*), sum(id), min(length(text)), max(length(text)) FROM t";
    assert_eq!(rows(&engine, sql).await, "5000|12497500|20|20");
}

#[tokio::test]
async fn equal_keys_of_two_folders_are_two_files() {
    let (left, right) = (folder(), folder());
    put_parquet(left.path(), "t.parquet", &numbers([1, 2]));
    put_parquet(right.path(), "t.parquet", &numbers([30, 40]));
    let engine = Setup::default().folder("west", left.path()).folder("east", right.path()).build();
    for _ in 0..2 {
        assert_eq!(rows(&engine, "SELECT sum(n), max(n) FROM west.t").await, "3|2");
        assert_eq!(rows(&engine, "SELECT sum(n), max(n) FROM east.t").await, "70|40");
        let sql = "SELECT (SELECT sum(n) FROM west.t), (SELECT min(n) FROM east.t)";
        assert_eq!(rows(&engine, sql).await, "3|30");
        let sql = "SELECT l.n, r.n FROM west.t l JOIN east.t r ON l.n * 20 + 10 = r.n + 0";
        assert_eq!(sorted(&engine, sql).await, ["1|30"]);
    }
    let ambiguous = refusal_text(&engine, "SELECT * FROM t").await;
    assert!(ambiguous.contains("west.t") && ambiguous.contains("east.t"), "{ambiguous}");
}

#[tokio::test]
async fn tables_whose_names_look_alike_are_not_mixed() {
    let folder = folder();
    for (key, n) in [
        ("a/b/t.csv", 1),
        ("a.b/t.csv", 2),
        ("t.csv", 4),
        ("main/t.csv", 8),
        ("main/u.csv", 16),
        ("v.csv", 32),
    ] {
        put(folder.path(), key, format!("n\n{n}\n"));
    }
    let engine = lake(folder.path());
    let sum = |tables: &[&str]| {
        let sums: Vec<_> = tables.iter().map(|t| format!("(SELECT sum(n) FROM {t})")).collect();
        format!("SELECT {}", sums.join(", "))
    };
    let sql = sum(&["lake.a.b.t", "lake.\"a.b\".t", "lake.t", "lake.main.t", "main.u", "main.v"]);
    assert_eq!(rows(&engine, &sql).await, "1|2|4|8|16|32");
    let list = engine.tables(&Context::builder().build(), TableFilter::default()).await.unwrap();
    let names: Vec<_> = list.tables.iter().map(|t| t.parts().collect::<Vec<_>>()).collect();
    let expected: [&[&str]; 5] =
        [&["lake", "a.b"], &["lake", "main"], &["lake", "t"], &["lake", "v"], &["lake", "a", "b"]];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_replaced_file_is_seen_anew() {
    let folder = folder();
    let engine = lake(folder.path());
    put_parquet(folder.path(), "t.parquet", &numbers([1, 2]));
    assert_eq!(rows(&engine, "SELECT max(n), count(*) FROM t").await, "2|2");
    put_parquet(folder.path(), "t.parquet", &numbers([1, 9]));
    assert_eq!(rows(&engine, "SELECT max(n), count(*) FROM t").await, "9|2");
    put_parquet(folder.path(), "t.parquet", &people());
    assert_eq!(rows(&engine, "SELECT max(name) FROM t").await, "bob");
    let gone = refusal_text(&engine, "SELECT n FROM t").await;
    assert!(gone.starts_with("query_invalid"), "{gone}");
    put(folder.path(), "u.csv", "a\n1\n");
    assert_eq!(rows(&engine, "SELECT * FROM u").await, "1");
    put(folder.path(), "u.csv", "a,b\nx,2\n");
    assert_eq!(rows(&engine, "SELECT * FROM u").await, "x|2");
    std::fs::remove_file(folder.path().join("u.csv")).unwrap();
    assert!(refusal_text(&engine, "SELECT * FROM u").await.starts_with("not_found"));
}

/// The smallest and the largest value of a footer leave NaN out, which is greater than any number.
#[tokio::test]
async fn nan_is_found_where_statistics_leave_it_out() {
    let folder = folder();
    let files = [[9.0, 5.0], [1.0, f64::NAN], [2.0, 3.0], [0.5, f64::NAN]];
    for (index, [a, b]) in files.into_iter().enumerate() {
        let narrow = [a as f32, b as f32];
        let batch = record_batch!(("f", Float64, [a, b]), ("g", Float32, narrow.to_vec()));
        put_parquet(folder.path(), &format!("t/{index}.parquet"), &batch.unwrap());
    }
    let mut setup = Setup::default();
    setup.options.target_partitions = Some(1);
    let engine = setup.folder("lake", folder.path()).build();
    for (condition, count) in [
        ("f > 8", "3"),
        ("NOT (f < 8)", "3"),
        ("(f < 8) = false", "3"),
        ("NOT f BETWEEN -1 AND 8", "3"),
        ("f NOT IN (1, 0.5)", "6"),
        ("f IN ('NaN'::double, 7)", "2"),
        ("g > 8.5", "3"),
        ("f < 0.6", "1"),
        ("f = 5", "1"),
    ] {
        let sql = format!("SELECT count(*) FROM t WHERE {condition}");
        assert_eq!(rows(&engine, &sql).await, count, "{condition}");
    }
    assert_eq!(rows(&engine, "SELECT f FROM t ORDER BY f DESC LIMIT 2").await, "NaN\nNaN");
    let sql =
        "SELECT count(*) FROM t JOIN (SELECT f FROM t WHERE f = 'NaN'::double) n ON t.f = n.f";
    assert_eq!(rows(&engine, sql).await, "4");
    let cx = Context::builder().build();
    let pruned = engine.explain(&cx, request("SELECT g FROM t WHERE f < 0.6"), false).await;
    let plan = pruned.unwrap().plan;
    assert!(plan.contains("pruning_predicate"), "{plan}");
}

/// The rows as a file whose footer has these bounds and no others.
fn with_bounds(batch: &RecordBatch, bounds: Vec<Statistics>) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    let mut file = writer.into_inner().unwrap();
    let footer = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(file.clone()));
    let mut footer = footer.unwrap().into_builder();
    let mut group = footer.take_row_groups().remove(0).into_builder();
    let columns = group.take_columns().into_iter().zip(bounds);
    let columns = columns.map(|(column, bounds)| column.into_builder().set_statistics(bounds));
    let columns = columns.map(|column| column.build().unwrap()).collect();
    let group = group.set_column_metadata(columns).build().unwrap();
    let footer = footer.set_row_groups(vec![group]).build();
    let length = file.len() - 8;
    let told = u32::from_le_bytes(file[length..length + 4].try_into().unwrap());
    file.truncate(length - told as usize);
    ParquetMetaDataWriter::new(&mut file, &footer).finish().unwrap();
    file
}

/// Writers of old took bytes and numbers as signed: so the second value of each column here is
/// the smaller one.
#[tokio::test]
async fn bounds_of_another_order_prune_nothing() {
    let folder = folder();
    let decimals = Decimal128Array::from(vec![100, 200]).with_precision_and_scale(30, 0).unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        ("s", Arc::new(StringArray::from(vec!["a", "é"]))),
        ("u", Arc::new(UInt32Array::from(vec![1, 3_000_000_000]))),
        ("d", Arc::new(decimals)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let decimal = |last: u8| Some(FixedLenByteArray::from([vec![0; 12], vec![last]].concat()));
    let unsigned = 3_000_000_000_u32 as i32;
    let bounds = vec![
        Statistics::byte_array(Some("é".into()), Some("a".into()), None, Some(0), true),
        Statistics::int32(Some(unsigned), Some(1), None, Some(0), true),
        Statistics::fixed_len_byte_array(decimal(200), decimal(100), None, Some(0), true),
    ];
    put(folder.path(), "t.parquet", with_bounds(&batch, bounds));
    let engine = lake(folder.path());
    for condition in ["s > 'b'", "s = 'é'", "u > 5", "d > 150"] {
        let sql = format!("SELECT count(*) FROM t WHERE {condition}");
        assert_eq!(rows(&engine, &sql).await, "1", "{condition}");
    }
    let sql = "SELECT max(s), max(u), max(d) FROM t";
    assert_eq!(rows(&engine, sql).await, "é|3000000000|200");
}

#[tokio::test]
async fn packed_text_is_read() {
    let folder = folder();
    put(folder.path(), "g.csv.gz", GZIPPED);
    put(folder.path(), "z.csv.zst", ZSTD);
    let engine = lake(folder.path());
    for table in ["g", "z"] {
        let sql = format!("SELECT count(*), sum(id), count(name) FROM {table}");
        assert_eq!(rows(&engine, &sql).await, "3|6|2", "{table}");
    }
}

#[tokio::test]
async fn folders_that_cannot_match_are_not_read() {
    let folder = folder();
    for year in [2023, 2024] {
        put_parquet(folder.path(), &format!("t/year={year}/a.parquet"), &people());
    }
    let engine = lake(folder.path());
    let (all, bytes_of_all) = bytes_read(&engine, "SELECT sum(id), sum(year) FROM t").await;
    let (one, bytes_of_one) =
        bytes_read(&engine, "SELECT sum(id), sum(year) FROM t WHERE year = 2024").await;
    assert_eq!((all, one), (vec!["12|12141".to_owned()], vec!["6|6072".to_owned()]));
    assert!(bytes_of_one < bytes_of_all, "{bytes_of_one} of {bytes_of_all}");
}

#[tokio::test]
async fn folders_of_null_match_no_comparison() {
    let folder = folder();
    for (key, id) in [("t/k=1", 1), ("t/k=2", 2), ("t/k=__HIVE_DEFAULT_PARTITION__", 4)] {
        put(folder.path(), &format!("{key}/a.csv"), format!("id\n{id}\n"));
    }
    for (key, id) in [("u/k=", 1), ("u/k=x", 2), ("u/k=__HIVE_DEFAULT_PARTITION__", 4)] {
        put(folder.path(), &format!("{key}/a.csv"), format!("id\n{id}\n"));
    }
    let engine = lake(folder.path());
    for (condition, sum) in [
        ("k <> 1", "2"),
        ("NOT (k = 1)", "2"),
        ("NOT (k IN (1, 7))", "2"),
        ("k IS DISTINCT FROM 1", "6"),
        ("k < 2 OR k IS NULL", "5"),
        ("k IS NULL", "4"),
    ] {
        let sql = format!("SELECT sum(id) FROM t WHERE {condition}");
        assert_eq!(rows(&engine, &sql).await, sum, "{condition}");
    }
    assert_eq!(rows(&engine, "SELECT sum(id) FROM u WHERE k = ''").await, "1");
    assert_eq!(rows(&engine, "SELECT sum(id) FROM u WHERE k <> 'x'").await, "1");
}

#[tokio::test]
async fn folders_named_by_values_are_columns_and_prune() {
    let folder = folder();
    let text: String = (0..20_000).map(|i| format!("{i}\n")).collect();
    for (year, month) in [(2023, 12), (2024, 1), (2024, 2)] {
        let key = format!("events/year={year}/month={month}/a.csv");
        put(folder.path(), &key, format!("v\n{text}"));
    }
    put(folder.path(), "events/year=2025/month=__HIVE_DEFAULT_PARTITION__/a.csv", "v\n1\n");
    let engine = lake(folder.path());
    let one = text.len() as u64;
    // The schema is learned once.
    assert_eq!(rows(&engine, "SELECT count(*) FROM events").await, "60001");
    let sql = "SELECT year, month, count(*) FROM events WHERE year = 2024 AND month = 2 GROUP BY year, month";
    let (answer, pruned) = bytes_read(&engine, sql).await;
    assert_eq!(answer, ["2024|2|20000"]);
    let (answer, all) = bytes_read(&engine, "SELECT sum(v) FROM events WHERE year < 2025").await;
    assert_eq!(answer, ["599970000"]);
    assert!(pruned < 2 * one && all > 2 * one, "{pruned} {all} {one}");
    let sql = "SELECT year FROM events WHERE month IS NULL";
    assert_eq!(rows(&engine, sql).await, "2025");
    put(folder.path(), "events/year=2026/a.csv", "v\n1\n");
    insta::assert_snapshot!(refusal_text(&engine, "SELECT count(*) FROM events").await);
}
