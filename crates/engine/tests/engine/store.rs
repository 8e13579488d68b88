//! Tables in a bucket: what is asked of the store, how much of it, and what is kept for whom.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, record_batch};
use orbit_core::ErrorKind;
use orbit_engine::{Engine, TableFilter, TableInfo, TableOptions};
use orbit_testkit::responders::{Bucket, BucketRequest};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::support::{Setup, context, refusal, rows};

/// Bytes of a column in one row group: so many that what lies between two is not read along.
const CHUNK_ROWS: i64 = 200_000;
const GROUPS: i64 = 4;

async fn bucket() -> Bucket {
    Bucket::start().await.unwrap()
}

fn engine(bucket: &Bucket) -> Engine {
    Setup::default().bucket("store", bucket, "ann").build()
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn numbers(values: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let values: ArrayRef = Arc::new(values.into_iter().collect::<Int64Array>());
    parquet(&RecordBatch::try_from_iter([("n", values)]).unwrap())
}

/// Four row groups of four columns: `id` is sorted, `even` holds even numbers only.
fn wide(more: impl FnOnce(WriterPropertiesBuilder) -> WriterPropertiesBuilder) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(CHUNK_ROWS as usize));
    let column = |of: fn(i64) -> i64| -> ArrayRef {
        Arc::new((0..GROUPS * CHUNK_ROWS).map(of).collect::<Int64Array>())
    };
    let scattered = |i: i64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> 1;
    let columns = [
        ("id", column(|i| i)),
        ("even", column(|i| (i.wrapping_mul(7919) % 1_000_003) * 2)),
        ("other", column(scattered)),
        ("price", column(|i| i % 1000)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = more(properties).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// The bytes of files that were handed out, and the keys, each once.
fn read(requests: &[BucketRequest]) -> (u64, Vec<String>) {
    let mut keys: Vec<_> = requests.iter().filter_map(|r| r.key.clone()).collect();
    keys.sort();
    keys.dedup();
    (requests.iter().map(|r| r.bytes).sum(), keys)
}

#[tokio::test]
async fn two_identities_share_nothing() {
    let bucket = bucket().await;
    bucket.put("t/a.parquet", numbers(0..1000));
    bucket.put("t/b.parquet", numbers(1000..2000));
    let setup = Setup::default().bucket("ann", &bucket, "ann-key");
    let engine = setup.bucket("bob", &bucket, "bob-key").build();
    let sum = |of: &str| format!("SELECT sum(n) FROM {of}.t");
    assert_eq!(rows(&engine, &sum("ann")).await, "1999000");
    let of_ann = bucket.take_requests();
    assert!(of_ann.iter().all(|request| request.access_key == "ann-key"), "{of_ann:?}");
    assert_eq!(rows(&engine, &sum("bob")).await, "1999000");
    let of_bob = bucket.take_requests();
    assert!(of_bob.iter().all(|request| request.access_key == "bob-key"), "{of_bob:?}");
    // Bob reads every byte that Ann read: nothing of hers was there for him.
    assert_eq!(read(&of_bob), read(&of_ann));

    bucket.deny("t/b.parquet", "bob-key");
    assert_eq!(rows(&engine, &sum("ann")).await, "1999000");
    let error = refusal(&engine, &sum("bob")).await;
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::PermissionDenied, Some("bob")));
    let fresh = Setup::default().bucket("bob", &bucket, "bob-key").build();
    let error = refusal(&fresh, &sum("bob")).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn a_second_query_reads_no_footer_again() {
    let bucket = bucket().await;
    for part in 0..5 {
        let key = format!("t/day={part}/x.parquet");
        bucket.put(&key, numbers(part * 1000..(part + 1) * 1000));
    }
    let engine = engine(&bucket);
    let sql = "SELECT sum(n), count(*) FROM store.t WHERE day = 3";
    assert_eq!(rows(&engine, sql).await, "3499500|1000");
    let (first, keys) = read(&bucket.take_requests());
    assert_eq!(keys.len(), 5, "the columns of a table are those of all its files");
    assert_eq!(rows(&engine, sql).await, "3499500|1000");
    let again = bucket.take_requests();
    let (second, keys) = read(&again);
    assert_eq!(keys, ["t/day=3/x.parquet"]);
    assert!(second < first, "{second} of {first}");
    // What a query costs that reads nothing of a file: counts come from kept footers.
    assert_eq!(rows(&engine, "SELECT count(*), min(n) FROM store.t").await, "5000|0");
    let (bytes, keys) = read(&bucket.take_requests());
    assert_eq!((bytes, keys), (0, Vec::new()));
}

#[tokio::test]
async fn a_small_file_is_read_by_one_request() {
    let bucket = bucket().await;
    let files: Vec<_> = (0..3).map(|part| numbers(part * 1000..(part + 1) * 1000)).collect();
    let whole: usize = files.iter().map(Vec::len).sum();
    for (part, file) in files.into_iter().enumerate() {
        bucket.put(&format!("t/{part}.parquet"), file);
    }
    let sql = "SELECT sum(n), count(*) FROM store.t";
    assert_eq!(rows(&engine(&bucket), sql).await, "4498500|3000");
    let requests = bucket.take_requests();
    let reads: Vec<_> = requests.iter().filter(|request| request.bytes > 0).collect();
    assert_eq!(reads.len(), 3, "{reads:?}");
    assert_eq!(read(&requests).0, whole as u64);
}

/// What was asked: a listing, what is known of a file, or how many bytes of one.
fn asked(bucket: &Bucket) -> Vec<String> {
    let requests = bucket.take_requests().into_iter();
    let told = requests.map(|request| match request {
        BucketRequest { key: None, .. } => "listing".to_owned(),
        BucketRequest { bytes: 0, .. } => "head".to_owned(),
        BucketRequest { bytes, .. } => bytes.to_string(),
    });
    told.collect()
}

/// Whose size is asked for first would be asked for twice.
#[tokio::test]
async fn a_file_that_is_named_is_not_looked_for() {
    let bucket = bucket().await;
    let (small, large) = (numbers(0..1000), wide(|properties| properties));
    let small_bytes = small.len().to_string();
    bucket.put("t/small.parquet", small);
    bucket.put("t/large.parquet", large);
    let table = |path: &str| TableOptions { path: path.to_owned(), ..TableOptions::default() };
    let engine = Setup::default()
        .bucket("store", &bucket, "ann")
        .table("store", "small", table("t/small.parquet"))
        .table("store", "large", table("t/large.parquet"))
        .table("store", "gone", table("t/gone.parquet"))
        .build();
    let sql = "SELECT sum(n) FROM store.small";
    assert_eq!(rows(&engine, sql).await, "499500");
    assert_eq!(asked(&bucket), [small_bytes.as_str()]);

    let sql = "SELECT sum(price) FROM store.large";
    assert_eq!(rows(&engine, sql).await, "399600000");
    let [first, groups @ ..] = &asked(&bucket)[..] else { panic!("nothing was asked") };
    assert_eq!((first.as_str(), groups.len()), ("262144", GROUPS as usize), "{groups:?}");
    // Its footer is kept, so that only its tag is asked for.
    assert_eq!(rows(&engine, sql).await, "399600000");
    let [first, groups @ ..] = &asked(&bucket)[..] else { panic!("nothing was asked") };
    assert_eq!((first.as_str(), groups.len()), ("head", GROUPS as usize), "{groups:?}");

    bucket.put("t/small.parquet", numbers(0..10));
    assert_eq!(rows(&engine, "SELECT sum(n) FROM store.small").await, "45");
    let error = refusal(&engine, "SELECT * FROM store.gone").await;
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::NotFound, Some("store")));
    assert!(error.to_string().contains("t/gone.parquet"), "{error}");
}

/// A file whose footer is as long as a note in it, 4 MiB.
fn with_a_long_footer(values: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let values: ArrayRef = Arc::new(values.into_iter().collect::<Int64Array>());
    let batch = RecordBatch::try_from_iter([("n", values)]).unwrap();
    let note = KeyValue::new("note".to_owned(), "x".repeat(4 << 20));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![note])).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// 128 MiB of footers are kept: of more, some are read again, and the answer is the same.
#[tokio::test]
async fn footers_beyond_what_is_kept_are_read_again() {
    let bucket = bucket().await;
    for part in 0..36 {
        let folder = if part < 8 { "few" } else { "many" };
        let file = with_a_long_footer(part * 10..part * 10 + 10);
        bucket.put(&format!("{folder}/{part:02}.parquet"), file);
    }
    let engine = engine(&bucket);
    let sum = |of: &str| format!("SELECT sum(n), count(*) FROM store.{of}");
    let second = async |of: &str, expected: &str| {
        assert_eq!(rows(&engine, &sum(of)).await, expected);
        bucket.take_requests();
        assert_eq!(rows(&engine, &sum(of)).await, expected);
        read(&bucket.take_requests()).0
    };
    let few = second("few", "3160|80").await;
    assert!(few < 1 << 20, "{few} bytes");
    let both = "SELECT sum(n), count(*) FROM (SELECT n FROM store.few UNION ALL \
                SELECT n FROM store.many) AS t";
    assert_eq!(rows(&engine, both).await, "64620|360");
    bucket.take_requests();
    assert_eq!(rows(&engine, both).await, "64620|360");
    let (again, _) = read(&bucket.take_requests());
    assert!(again > 4 << 20, "{again} bytes");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_read_anew() {
    let bucket = bucket().await;
    bucket.put("t.parquet", numbers(0..1000));
    let engine = engine(&bucket);
    let sql = "SELECT min(n), max(n), sum(n) FROM store.t";
    assert_eq!(rows(&engine, sql).await, "0|999|499500");
    // Of the same size and time: the tag alone tells.
    bucket.put("t.parquet", numbers(5000..6000));
    assert_eq!(rows(&engine, sql).await, "5000|5999|5499500");
    let text = record_batch!(("n", Utf8, ["x", "y"])).unwrap();
    bucket.put("t.parquet", parquet(&text));
    assert_eq!(rows(&engine, "SELECT max(n) FROM store.t").await, "y");
}

#[tokio::test]
async fn a_file_that_changes_after_it_was_listed_is_refused() {
    let bucket = bucket().await;
    bucket.put("t.parquet", numbers(0..1000));
    bucket.keep_changing("t.parquet");
    let error = refusal(&engine(&bucket), "SELECT sum(n) FROM store.t").await;
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::Conflict, Some("store")), "{error}");
    assert!(error.to_string().contains("t.parquet"), "{error}");
}

/// The rows must be of the content whose end was read.
#[tokio::test]
async fn a_file_that_changes_after_its_end_was_read_is_refused() {
    let bucket = bucket().await;
    bucket.put("t.parquet", wide(|properties| properties));
    bucket.keep_changing("t.parquet");
    let table = TableOptions { path: "t.parquet".to_owned(), ..TableOptions::default() };
    let setup = Setup::default().bucket("store", &bucket, "ann").table("store", "named", table);
    let error = refusal(&setup.build(), "SELECT sum(price) FROM store.named").await;
    assert_eq!((error.kind(), error.datasource()), (ErrorKind::Conflict, Some("store")), "{error}");
    assert!(error.to_string().contains("t.parquet"), "{error}");
    assert_eq!(asked(&bucket)[0], "262144");
}

#[tokio::test]
async fn folders_that_cannot_match_are_not_read() {
    let bucket = bucket().await;
    for part in 0..6 {
        let key = format!("t/year={}/month={}/x.parquet", 2025 + part / 3, part % 3);
        bucket.put(&key, numbers(part * 10..part * 10 + 10));
    }
    let engine = engine(&bucket);
    rows(&engine, "SELECT count(*) FROM store.t").await;
    bucket.take_requests();
    let sql = "SELECT sum(n) FROM store.t WHERE year = 2026 AND month IN (0, 2)";
    assert_eq!(rows(&engine, sql).await, "890");
    let (_, keys) = read(&bucket.take_requests());
    assert_eq!(keys, ["t/year=2026/month=0/x.parquet", "t/year=2026/month=2/x.parquet"]);
    let sql = "SELECT sum(n) FROM store.t WHERE n BETWEEN 31 AND 32";
    assert_eq!(rows(&engine, sql).await, "63");
    let (_, keys) = read(&bucket.take_requests());
    assert_eq!(keys, ["t/year=2026/month=0/x.parquet"], "footers tell what a file cannot hold");
}

/// The bytes that a statement reads of a file whose footer is known, and the file's own.
async fn bytes_of(file: Vec<u8>, sql: &str, expected: &str) -> (u64, u64) {
    let bucket = bucket().await;
    let size = file.len() as u64;
    bucket.put("wide.parquet", file);
    let engine = engine(&bucket);
    rows(&engine, "SELECT count(*) FROM store.wide").await;
    bucket.take_requests();
    assert_eq!(rows(&engine, sql).await, expected, "{sql}");
    (read(&bucket.take_requests()).0, size)
}

#[tokio::test]
async fn columns_and_row_groups_that_are_not_asked_for_are_not_read() {
    let file = wide(|properties| properties);
    let (one_column, whole) =
        bytes_of(file.clone(), "SELECT sum(price) FROM store.wide", "399600000").await;
    assert!(one_column * 100 <= whole * 26, "{one_column} of {whole}");
    let last = "SELECT sum(price) FROM store.wide WHERE id >= 600000";
    let (last_group, _) = bytes_of(file, last, "99900000").await;
    // Two columns of one group of four.
    assert!(last_group * 100 <= whole * 13, "{last_group} of {whole}");
}

#[tokio::test]
async fn pages_that_cannot_match_are_not_read() {
    let file = wide(|p| p.set_data_page_row_count_limit(10_000).set_write_batch_size(10_000));
    let sql = "SELECT sum(price) FROM store.wide WHERE id BETWEEN 650000 AND 650009";
    let (bytes, whole) = bytes_of(file, sql, "45").await;
    // A page or two of two columns, of 320 pages.
    assert!(bytes * 100 <= whole * 3, "{bytes} of {whole}");
}

#[tokio::test]
async fn row_groups_are_left_out_by_bloom_filters() {
    let with_filters = wide(|properties| {
        properties.set_bloom_filter_enabled(true).set_bloom_filter_max_ndv(CHUNK_ROWS as u64)
    });
    let sql = "SELECT count(price) FROM store.wide WHERE even = 10001";
    let (without, _) = bytes_of(wide(|properties| properties), sql, "0").await;
    let (with, whole) = bytes_of(with_filters, sql, "0").await;
    assert!(with < without, "{with} of {whole}, {without} without filters");
}

#[tokio::test]
async fn keys_that_are_no_table_hide_no_other() {
    let bucket = bucket().await;
    bucket.put("/lead.csv", "n\n1\n");
    bucket.put("deep/mixed/a.parquet", numbers(0..10));
    bucket.put("deep/mixed/b.csv", "n\n1\n");
    bucket.put("deep/whole/x.csv", "n\n1\n");
    bucket.put("t.parquet", numbers(0..10));
    let engine = engine(&bucket);
    let list = engine.tables(&context(), TableFilter::default()).await.unwrap();
    let names: Vec<_> = list.tables.iter().map(TableInfo::qualified_name).collect();
    assert_eq!(names, ["store.t", "store.deep.whole"], "{:?}", list.failures);
    let error = refusal(&engine, "SELECT * FROM store.deep.mixed").await;
    assert_eq!(error.kind(), ErrorKind::QueryInvalid, "{error}");
    assert_eq!(rows(&engine, "SELECT count(*) FROM store.deep.mixed.a").await, "10");
}
