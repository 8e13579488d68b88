//! Text files: marks at their start, rows that have more than those before, lines without an end.

use std::collections::BTreeMap;

use orbit_core::ErrorKind;
use orbit_engine::TableOptions;

use crate::support::{Setup, lake, put, refusal, rows, sorted, transcript};

#[tokio::test]
async fn marks_at_the_start_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "plain.csv", "\u{feff}id,name\n1,ann\n");
    put(at, "quoted.csv", "\u{feff}\"id\",\"na,me\"\n1,ann\n");
    put(at, "tabs.tsv", "\u{feff}id\tname\n1\tann\n");
    put(at, "bare.csv", "\u{feff}1,ann\n");
    put(at, "lines.ndjson", "\u{feff}{\"id\":1,\"name\":\"ann\"}\n");
    put(at, "list.json", "\u{feff}\n [{\"id\":1,\"name\":\"ann\"}]");
    put(at, "mark.csv", "\u{feff}");
    put(at, "other.csv", b"\xff\xfei\x00d\x00\n\x001\x00\n\x00");
    let bare =
        TableOptions { path: "bare.csv".into(), header: Some(false), ..TableOptions::default() };
    let engine = Setup::default().folder("lake", at).table("lake", "bare", bare).build();
    let statements = [
        "SELECT id, name FROM plain",
        "SELECT id, \"na,me\" FROM quoted",
        "SELECT id, name FROM tabs",
        "SELECT column_1 + 1, column_2 FROM bare",
        "SELECT id, name FROM lines",
        "SELECT id, name FROM list",
        "SELECT count(*) FROM mark",
        "SELECT * FROM other",
    ];
    insta::assert_snapshot!(transcript(&engine, &statements).await);
}

/// More rows than columns are inferred from, and one that has more columns.
fn late_rows(first: &str, last: &str) -> String {
    format!("{}{last}\n", format!("{first}\n").repeat(20_000))
}

fn options(path: &str) -> TableOptions {
    TableOptions { path: path.into(), ..TableOptions::default() }
}

#[tokio::test]
async fn columns_that_come_late_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "late.ndjson", late_rows(r#"{"a":1}"#, r#"{"a":2,"b":3}"#));
    put(at, "deep.ndjson", late_rows(r#"{"a":{"x":1}}"#, r#"{"a":{"x":2,"y":3}}"#));
    let list = late_rows(r#"{"a":1},"#, r#"{"a":2,"b":3}"#);
    put(at, "list.json", format!("[{list}]"));
    put(at, "parts/a.ndjson", late_rows(r#"{"a":1}"#, r#"{"a":1}"#));
    put(at, "parts/b.ndjson", "{\"b\":7}\n");
    let more = TableOptions { infer_rows_max: Some(30_000), ..options("late.ndjson") };
    let columns = BTreeMap::from([("b".to_owned(), "bigint".to_owned())]);
    let named = TableOptions { columns, ..options("late.ndjson") };
    let setup = Setup::default().folder("lake", at).table("lake", "more", more);
    let engine = setup.table("lake", "named", named).build();
    for of in ["late", "list"] {
        for sql in ["SELECT *", "SELECT sum(a)", "SELECT count(*)"] {
            let error = refusal(&engine, &format!("{sql} FROM {of}")).await;
            assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
            assert!(error.message().contains("`b`"), "{error}");
        }
    }
    let error = refusal(&engine, "SELECT * FROM deep").await;
    assert!(error.message().contains("`y`"), "{error}");
    for of in ["more", "named"] {
        let sql = format!("SELECT count(*), sum(a), sum(b) FROM {of}");
        assert_eq!(rows(&engine, &sql).await, "20001|20002|3", "{of}");
    }
    assert_eq!(rows(&engine, "SELECT sum(a), sum(b) FROM parts").await, "20001|7");
}

#[tokio::test]
async fn numbers_of_json_are_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "late.ndjson", late_rows(r#"{"a":1}"#, r#"{"a":2.5}"#));
    put(at, "deep.ndjson", late_rows(r#"{"b":[{"x":1}]}"#, r#"{"b":[{"x":2.5}]}"#));
    put(at, "told.ndjson", "{\"c\":1.5}\n");
    put(at, "fit.ndjson", late_rows(r#"{"d":-1}"#, r#"{"d":9223372036854775807}"#));
    let more = TableOptions { infer_rows_max: Some(30_000), ..options("late.ndjson") };
    let columns = BTreeMap::from([("c".to_owned(), "bigint".to_owned())]);
    let told = TableOptions { columns, ..options("told.ndjson") };
    let setup = Setup::default().folder("lake", at).table("lake", "more", more);
    let engine = setup.table("lake", "typed", told).build();
    for (of, column) in [("late", "a"), ("deep", "b"), ("typed", "c")] {
        let error = refusal(&engine, &format!("SELECT {column} FROM {of}")).await;
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
        assert!(error.message().contains(&format!("`{column}`")), "{error}");
    }
    assert_eq!(rows(&engine, "SELECT max(a), count(*) FROM more").await, "2.5|20001");
    assert_eq!(rows(&engine, "SELECT max(d), min(d) FROM fit").await, "9223372036854775807|-1");
}

#[tokio::test]
async fn whole_numbers_beyond_64_bits_keep_their_digits() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "ids.ndjson", "{\"id\":18446744073709551615}\n{\"id\":7}\n");
    put(at, "list.json", "[{\"a\":[{\"id\":-36893488147419103233}]},{\"a\":[]}]");
    put(at, "ids.csv", "id\n18446744073709551615\n7\n");
    put(at, "late.ndjson", late_rows(r#"{"id":1}"#, r#"{"id":18446744073709551616}"#));
    let columns = BTreeMap::from([("id".to_owned(), "decimal(38,0)".to_owned())]);
    let typed = TableOptions { columns, ..options("ids.ndjson") };
    let setup = Setup::default().folder("lake", at).table("lake", "typed", typed);
    let engine = setup.build();
    for of in ["\"ids.ndjson\"", "\"ids.csv\"", "typed"] {
        let sql = format!("SELECT id FROM {of}");
        assert_eq!(sorted(&engine, &sql).await, ["18446744073709551615", "7"], "{of}");
    }
    assert_eq!(rows(&engine, "SELECT sum(id) FROM typed").await, "18446744073709551622");
    let deep = rows(&engine, "SELECT a FROM list").await;
    assert!(deep.contains("{id: -36893488147419103233}"), "{deep}");
    let error = refusal(&engine, "SELECT id FROM late").await;
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
}

#[tokio::test]
async fn decimals_are_rounded_to_their_type() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "a.csv", "p\n1.239\n-1.235\n7\n\"\"\n");
    put(at, "b.ndjson", "{\"p\":1.239}\n{\"p\":-1.235}\n{\"p\":7}\n{}\n");
    let typed = |path: &str| {
        let columns = BTreeMap::from([("p".to_owned(), "decimal(12,2)".to_owned())]);
        TableOptions { columns, ..options(path) }
    };
    let setup = Setup::default().folder("lake", at).table("lake", "csv", typed("a.csv"));
    let engine = setup.table("lake", "json", typed("b.ndjson")).build();
    for of in ["csv", "json"] {
        let sql = format!("SELECT p FROM {of} ORDER BY p");
        assert_eq!(rows(&engine, &sql).await, "-1.24\n1.24\n7.00\nNULL", "{of}");
    }
}

#[tokio::test]
async fn times_of_csv_are_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let whole = "2026-01-31 10:00:00";
    put(at, "late.csv", format!("t\n{}", late_rows(whole, "2026-01-31 10:00:00.75")));
    put(at, "fit.csv", format!("t\n{}", late_rows(whole, "9999-12-31 23:59:59")));
    put(at, "day.csv", format!("t\n{}", late_rows("2026-01-31", whole)));
    put(at, "days.csv", format!("t\n{}", late_rows("2026-01-31", "2026-02-01 00:00:00")));
    let more = TableOptions { infer_rows_max: Some(30_000), ..options("late.csv") };
    let engine = Setup::default().folder("lake", at).table("lake", "more", more).build();
    for of in ["late", "day"] {
        let error = refusal(&engine, &format!("SELECT max(t) FROM {of}")).await;
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
        assert!(error.message().contains("`t`"), "{error}");
    }
    assert_eq!(rows(&engine, "SELECT max(t), count(t) FROM days").await, "2026-02-01|20001");
    assert_eq!(rows(&engine, "SELECT count(DISTINCT t) FROM more").await, "2");
    assert_eq!(
        rows(&engine, "SELECT max(t), count(t) FROM fit").await,
        "9999-12-31T23:59:59|20001"
    );
}

#[tokio::test]
async fn times_of_csv_with_a_zone_are_moments_in_utc() {
    let folder = tempfile::tempdir().unwrap();
    let zoned =
        "id,t\n1,2024-01-01T00:00:00+02:00\n2,2024-01-01 00:00:00Z\n3,2024-01-01 00:00:00\n";
    put(folder.path(), "zoned.csv", zoned);
    let sql = "SELECT t FROM zoned ORDER BY id";
    let utc = "2023-12-31T22:00:00\n2024-01-01T00:00:00\n2024-01-01T00:00:00";
    assert_eq!(rows(&lake(folder.path()), sql).await, utc);
}

#[tokio::test]
async fn columns_are_inferred_beside_values_of_many_lines() {
    let folder = tempfile::tempdir().unwrap();
    let value = "line, and more\n".repeat(200);
    let rows_of: String = (0..800).map(|row| format!("{row},\"{value}\",{row}\n")).collect();
    assert!(rows_of.len() > 2 << 20, "it comes in several chunks");
    put(folder.path(), "lines.csv", format!("id,text,n\n{rows_of}"));
    let sql = "SELECT sum(id), sum(n), min(length(text)), max(length(text)) FROM lines";
    assert_eq!(rows(&lake(folder.path()), sql).await, "319600|319600|3000|3000");
}

#[tokio::test]
async fn blank_lines_and_comments_are_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let blank = "\n".repeat(3 << 20);
    let comments = "# a comment, \"not closed\n".repeat(100_000);
    assert!(comments.len() > 2 << 20, "it comes in several chunks");
    for (key, lines) in [("blank.csv", blank), ("comments.csv", comments)] {
        put(at, key, format!("{lines}id,t\n1,a\n{lines}2,b\n{lines}"));
    }
    put(at, "nothing.csv", "\n\r\n\n");
    let commented = TableOptions { comment: Some('#'), ..options("comments.csv") };
    let setup = Setup::default().folder("lake", at).table("lake", "commented", commented);
    let engine = setup.build();
    for of in ["blank", "commented"] {
        let sql = format!("SELECT sum(id), max(t), count(*) FROM {of}");
        assert_eq!(rows(&engine, &sql).await, "3|b|2", "{of}");
    }
    assert_eq!(rows(&engine, "SELECT count(*) FROM nothing").await, "0");
}

#[tokio::test]
async fn a_text_of_many_columns_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..5000).map(|column| format!("c{column}")).collect();
    let row = |row: i32| ((row % 10).to_string() + ",").repeat(4999) + "1\n";
    let text: String = (0..1000).map(row).collect();
    put(folder.path(), "wide.csv", format!("{}\n{text}", names.join(",")));
    let few = TableOptions { infer_rows_max: Some(10), ..options("wide.csv") };
    let setup = Setup::default().folder("lake", folder.path()).table("lake", "few", few);
    let sql = "SELECT sum(c0), sum(c4998), sum(c4999), count(*) FROM few";
    assert_eq!(rows(&setup.build(), sql).await, "4500|4500|1000|1000");
}

#[tokio::test]
async fn a_text_of_too_many_columns_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..=100_000).map(|column| format!("c{column}")).collect();
    put(folder.path(), "wide.csv", names.join(",") + "\n");
    let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":1")).collect();
    put(folder.path(), "wide.ndjson", format!("{{{}}}\n", members.join(",")));
    for key in ["wide.csv", "wide.ndjson"] {
        let error = refusal(&lake(folder.path()), &format!("SELECT * FROM \"{key}\"")).await;
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{key}: {error}");
    }
}

#[tokio::test]
async fn json_columns_have_the_type_that_holds_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(
        at,
        "order.ndjson",
        "{\"z\":1,\"a\":[1,2]}\n{\"z\":2.5,\"m\":{\"y\":1,\"x\":\"[\\\"]\"}}\n",
    );
    put(at, "mixed/a.ndjson", "{\"v\":1}\n");
    put(at, "mixed/b.ndjson", "{\"v\":\"x\"}\n{\"v\":true}\n");
    put(at, "list.json", "[{\"t\":\"a],[\\\"{\"},\n{\"t\":null},{}]\n");
    put(at, "none.json", "[]");
    put(at, "cut.json", "[{\"a\":1},");
    put(at, "more.json", "[{\"a\":1}] {\"a\":2}");
    put(at, "scalars.ndjson", "1\n2\n");
    let statements = [
        "SELECT * FROM \"order\"",
        "SELECT v FROM mixed ORDER BY v",
        "SELECT t, count(*) OVER () FROM list ORDER BY t",
        "SELECT count(*) FROM \"none\"",
        "SELECT * FROM cut",
        "SELECT * FROM more",
        "SELECT * FROM scalars",
    ];
    insta::assert_snapshot!(transcript(&lake(at), &statements).await);
}

#[tokio::test]
async fn objects_beside_other_values_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    put(at, "object.ndjson", "{\"v\":{\"a\":1}}\n{\"v\":\"x\"}\n");
    put(at, "list.json", "[{\"w\":{\"v\":[1]}},{\"w\":{\"v\":2}}]");
    put(at, "late_object.ndjson", late_rows(r#"{"v":1}"#, r#"{"v":{"a":1}}"#));
    put(at, "late_number.ndjson", late_rows(r#"{"v":[1]}"#, r#"{"v":1}"#));
    let engine = lake(at);
    for of in ["object", "list", "late_object", "late_number"] {
        let error = refusal(&engine, &format!("SELECT * FROM {of}")).await;
        assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error}");
        let is_told = error.hint().is_some_and(|hint| hint.contains("objects or lists"));
        assert!(is_told && error.to_string().contains(of), "{error:?}");
    }
}

#[tokio::test]
async fn a_large_file_of_lines_is_read_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let rows_of: String =
        (0..400_000).map(|id| format!("{{\"id\":{id},\"t\":\"some text\"}}\n")).collect();
    put(folder.path(), "t.ndjson", rows_of);
    let mut setup = Setup::default();
    setup.options.target_partitions = Some(4);
    let engine = setup.folder("lake", folder.path()).build();
    let sql = "SELECT count(*), sum(id), count(DISTINCT id), count(t) FROM t";
    assert_eq!(rows(&engine, sql).await, "400000|79999800000|400000|400000");
}
