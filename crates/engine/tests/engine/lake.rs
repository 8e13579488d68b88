//! Tables made of files: their formats, folders, faults and changes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{RecordBatch, record_batch};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use futures::TryStreamExt;
use orbit_core::{Context, Tally};
use orbit_engine::{Engine, FileFormat, TableOptions};
use tempfile::TempDir;

use crate::support::{
    Setup, lake, put, put_parquet, refusal_text, request, rows, sorted, transcript,
};

/// `id,name` and three rows, packed by gzip.
const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 76, 209, 201, 75, 204, 77, 229, 50, 212, 73, 204, 203,
    227, 50, 210, 73, 202, 79, 226, 50, 214, 225, 2, 0, 204, 85, 164, 16, 23, 0, 0, 0,
];
/// The same, packed by zstd.
const ZSTD: &[u8] = &[
    40, 181, 47, 253, 4, 88, 185, 0, 0, 105, 100, 44, 110, 97, 109, 101, 10, 49, 44, 97, 110, 110,
    10, 50, 44, 98, 111, 98, 10, 51, 44, 10, 180, 33, 57, 160,
];

fn people() -> RecordBatch {
    record_batch!(("id", Int64, [1, 2, 3]), ("name", Utf8, [Some("ann"), Some("bob"), None]))
        .unwrap()
}

fn numbers(values: [i32; 2]) -> RecordBatch {
    record_batch!(("n", Int32, values)).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn put_arrow(folder: &Path, key: &str, as_stream: bool) {
    let (file, batch) = (File::create(folder.join(key)).unwrap(), people());
    if as_stream {
        let mut writer = StreamWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
}

#[tokio::test]
async fn every_format_answers_the_same() {
    let folder = folder();
    let at = folder.path();
    put_parquet(at, "t_parquet.parquet", &people());
    put(at, "t_csv.csv", "id,name\n1,ann\n2,bob\n3,\n");
    put(at, "t_tsv.tsv", "id\tname\n1\tann\n2\tbob\n3\t\n");
    let objects =
        ["{\"id\":1,\"name\":\"ann\"}", "{\"id\":2,\"name\":\"bob\"}", "{\"id\":3,\"name\":null}"];
    put(at, "t_lines.ndjson", objects.join("\n"));
    put(at, "t_array.json", format!("[{}]\n", objects.join(",\n")));
    put_arrow(at, "t_arrow.arrow", false);
    put_arrow(at, "t_stream.arrows", true);
    put(at, "t_gzip.csv.gz", GZIPPED);
    put(at, "t_zstd.csv.zst", ZSTD);
    let engine = lake(at);
    let names = ["parquet", "csv", "tsv", "lines", "array", "arrow", "stream", "gzip", "zstd"];
    for name in names {
        let sql = format!("SELECT id, name, id + 1 FROM t_{name} ORDER BY id");
        assert_eq!(rows(&engine, &sql).await, "1|ann|2\n2|bob|3\n3|NULL|4", "{name}");
        let sql = format!("SELECT count(*) FROM t_{name} WHERE name LIKE 'b%'");
        assert_eq!(rows(&engine, &sql).await, "1", "{name}");
    }
}

async fn bytes_read(engine: &Engine, sql: &str) -> (Vec<String>, u64) {
    let tally = Arc::new(Tally::default());
    let cx = Context::builder().reporter(Arc::clone(&tally) as _).build();
    let stream = engine.query(&cx, request(sql)).await.unwrap();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    (crate::support::lines(&batches), tally.snapshot()["lake"].bytes_read)
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

#[tokio::test]
async fn configured_tables_say_how_they_are_read() {
    let folder = folder();
    put(folder.path(), "raw/2024/a.txt", "# made by hand\n1;'x;y';N/A;1.10\n2;-;7;2.20\n");
    put(folder.path(), "raw/2025/b.txt", "3;'it\\'s';8;3.30\n");
    put(folder.path(), "raw/2025/other.log", "no");
    put(folder.path(), "codes.csv", "code,day\n007,2024-01-31\n042,2024-02-29\n");
    let raw = TableOptions {
        path: "raw/*/*.txt".into(),
        format: Some(FileFormat::Csv),
        header: Some(false),
        delimiter: Some(';'),
        quote: Some('\''),
        escape: Some('\\'),
        comment: Some('#'),
        null_values: vec!["N/A".into(), "-".into()],
        ..TableOptions::default()
    };
    let columns = [("code", "varchar"), ("day", "date")];
    let columns = columns.map(|(name, of)| (name.to_owned(), of.to_owned()));
    let codes = TableOptions {
        path: "codes.csv".into(),
        columns: BTreeMap::from(columns),
        ..TableOptions::default()
    };
    let unmatched = TableOptions { path: "raw/*/*.parquet".into(), ..TableOptions::default() };
    let long = TableOptions { delimiter: Some('→'), ..codes.clone() };
    let badly = BTreeMap::from([("code".to_owned(), "nosuchtype".to_owned())]);
    let badly = TableOptions { columns: badly, ..codes.clone() };
    let setup = Setup::default().folder("lake", folder.path()).table("lake", "raw", raw);
    let setup = setup.table("lake", "codes", codes).table("lake", "unmatched", unmatched);
    let engine = setup.table("lake", "long", long).table("lake", "badly", badly).build();
    let statements = [
        "SELECT * FROM raw ORDER BY 1",
        "SELECT code, extract(month FROM day) FROM codes ORDER BY code",
        "SELECT count(*) FROM unmatched",
        "SELECT count(*) FROM long",
        "SELECT count(*) FROM badly",
    ];
    insta::assert_snapshot!(transcript(&engine, &statements).await);
}

#[tokio::test]
async fn faulty_files_are_refused_by_name() {
    let folder = folder();
    let at = folder.path();
    put_parquet(at, "mixed/a.parquet", &people());
    put(at, "mixed/b.csv", "id\n1\n");
    std::fs::create_dir(at.join("nothing")).unwrap();
    put(at, "zero.parquet", "");
    put(at, "zero.csv.gz", "");
    put(at, "zero.json", "");
    put(at, "junk.parquet", "this is no Parquet file, but it is long enough");
    put_parquet(at, "cut.parquet", &people());
    let whole = std::fs::read(at.join("cut.parquet")).unwrap();
    put(at, "cut.parquet", &whole[..whole.len() - 20]);
    put(at, "junk.csv.gz", "not packed at all");
    put(at, "junk.ndjson", "{\"a\": 1}\n{\"a\": \n");
    put(at, "ragged.csv", "a,b\n1,2\n3\n");
    put(at, "late.csv", format!("a\n{}oops\n", "1\n".repeat(20_000)));
    put_parquet(at, "twin.parquet", &people());
    put(at, "twin.csv", "id\n1\n");
    let engine = lake(at);
    let statements = [
        "SELECT * FROM mixed",
        "SELECT * FROM nothing",
        "SELECT * FROM \"zero.parquet\"",
        "SELECT * FROM lake.junk",
        "SELECT * FROM \"junk.parquet\"",
        "SELECT * FROM cut",
        "SELECT * FROM \"junk.csv.gz\"",
        "SELECT * FROM \"junk.ndjson\"",
        "SELECT * FROM ragged",
        "SELECT sum(a) FROM late",
        "SELECT * FROM twin",
        "SELECT count(*) FROM \"twin.csv\"",
    ];
    insta::assert_snapshot!(transcript(&engine, &statements).await);
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
