//! Each format of a result, with values of every type.

mod common;

use common::Place;

/// One row of values that formats like to spoil, and one of nulls.
const TYPES: &str = "SELECT * FROM (
  SELECT 1 AS row_no, true AS flag, CAST(9223372036854775807 AS BIGINT) AS big,
    CAST('12345678901234567890.1234567890' AS DECIMAL(38,10)) AS amount,
    CAST('NaN' AS DOUBLE) AS nan, CAST(0.1 AS REAL) AS small, 'a \"b\", c' AS text, '' AS empty,
    DATE '2026-01-31' AS day, TIMESTAMP '2026-01-31 12:34:56.123456' AS moment,
    arrow_cast('2026-01-31T12:34:56Z', 'Timestamp(Microsecond, Some(\"UTC\"))') AS moment_tz,
    X'00ff10' AS bytes, make_array(1, NULL, 3) AS list, named_struct('x', 1, 'y', 'two') AS pair
  UNION ALL
  SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
) ORDER BY row_no";

#[test]
fn each_text_format_keeps_every_value() {
    let place = Place::lake();
    for format in ["table", "json", "ndjson", "csv"] {
        let ran = place.run(&["query", "--format", format, TYPES]);
        insta::assert_snapshot!(format!("types_{format}"), ran.to_string());
    }
}

#[test]
fn the_envelope_tells_columns_rows_truncation_and_statistics() {
    let place = Place::lake();
    let sql = "SELECT id, price FROM lake.orders ORDER BY id";
    let ran = place.run(&["query", "--json", "--limit", "2", sql]);
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer["columns"][0]["name"], "id");
    assert_eq!(answer["rows"].as_array().unwrap().len(), 2);
    assert_eq!(answer["row_count"], 2);
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["truncation"]["limit_rows"], 2);
    assert!(answer["statistics"]["elapsed_ms"].is_u64());
    assert!(answer["statistics"]["sources"]["lake"]["bytes_read"].as_u64().unwrap() > 0);
}

#[test]
fn no_row_is_a_result_in_every_format() {
    let place = Place::lake();
    let sql = "SELECT id FROM lake.orders WHERE id > 99";
    let out = |format| place.run(&["query", "--format", format, sql]).stdout;
    let rows: serde_json::Value = serde_json::from_str(&out("json")).unwrap();
    assert_eq!(rows, serde_json::json!([]));
    assert_eq!(out("ndjson"), "");
    assert_eq!(out("csv"), "id\n");
    assert!(out("table").ends_with("0 rows\n"));
    let envelope = place.run(&["query", "--json", sql]).stdout;
    let envelope: serde_json::Value = serde_json::from_str(&envelope).unwrap();
    assert_eq!(
        (&envelope["rows"], &envelope["truncated"]),
        (&serde_json::json!([]), &false.into())
    );
}

#[test]
fn files_are_read_back_as_they_were_written() {
    let place = Place::lake();
    let text = |sql: &str| place.run(&["query", "--format", "csv", sql]);
    let expected = text(TYPES).stdout;
    for file in ["out.parquet", "out.arrow"] {
        let ran = place.run(&["query", "--output", file, TYPES]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
        let again = text(&format!("SELECT * FROM '{file}' ORDER BY row_no"));
        assert_eq!(again.stdout, expected, "{file} {}", again.stderr);
    }
}

#[test]
fn a_cut_result_says_so() {
    let place = Place::lake();
    let ran = place.run(&["query", "-F", "csv", "--limit", "1", "SELECT id FROM lake.orders"]);
    assert_eq!(ran.stdout.lines().count(), 2);
    insta::assert_snapshot!(ran.stderr, @"note: the result was cut at 1 row by the limit; there are more");
    let whole = place.run(&["query", "-F", "csv", "--limit", "3", "SELECT id FROM lake.orders"]);
    assert_eq!((whole.stdout.lines().count(), whole.stderr.as_str()), (4, ""));
}

#[test]
fn a_failed_query_leaves_no_file() {
    let place = Place::lake();
    place.write("out.csv", "before");
    let sql = "SELECT 1 / (id - 3) FROM lake.orders";
    let ran = place.run(&["query", "--output", "out.csv", sql]);
    assert_ne!(ran.code, Some(0));
    assert_eq!(place.read("out.csv"), "before");
    let names: Vec<_> =
        std::fs::read_dir(place.path(".")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|n| n.to_str().unwrap().contains("partial")), "{names:?}");
}

#[test]
fn the_envelope_is_not_put_into_a_file_of_another_format() {
    let place = Place::lake();
    let query = ["query", "SELECT 1 AS a", "--json", "--output"];
    assert_eq!(place.run(&[&query[..], &["x.csv"]].concat()).code, Some(2));
    assert!(!place.exists("x.csv"));
    assert_eq!(place.run(&[&query[..], &["x.json"]].concat()).code, Some(0));
    assert!(place.read("x.json").contains("\"row_count\":1"));
}

#[test]
fn a_table_off_a_terminal_is_whole() {
    let place = Place::lake();
    let rows: String = (0..3000).map(|n| format!("{n},{}\n", "x".repeat(n % 7))).collect();
    place.write("lake/many.csv", &format!("n,text\n{rows}"));
    let ran = place.run(&["query", "SELECT n, text FROM lake.many ORDER BY n"]);
    // Two of the lines that begin so are the names and the types.
    let lines = ran.stdout.lines().filter(|line| line.starts_with('│')).count();
    assert_eq!(lines, 3000 + 2);
    assert!(ran.stdout.ends_with("3,000 rows\n"));
}

#[test]
fn data_cannot_command_the_terminal() {
    let ran = Place::lake().run(&["query", "SELECT chr(27) || '[2J' AS x"]);
    assert!(ran.stdout.contains("\\u{1b}[2J"), "{ran}");
}

#[test]
fn statements_come_from_files_and_stdin_with_parameters() {
    let place = Place::lake();
    place.write("q.sql", "SELECT id FROM lake.orders WHERE customer = $who ORDER BY id;\n");
    let file = place.run(&["query", "-F", "csv", "--file", "q.sql", "--param", "who=ann"]);
    assert_eq!(file.stdout, "id\n1\n3\n", "{file}");
    let stdin = place.run_with_stdin(&["query", "-F", "csv", "-"], "SELECT 1 AS one");
    assert_eq!(stdin.stdout, "one\n1\n");
    let typed = [
        "query",
        "-F",
        "csv",
        "-p",
        "a=10.50",
        "-p",
        "b:text=42",
        "-p",
        "c=null",
        "SELECT $a AS a, $b AS b, $c AS c",
    ];
    assert_eq!(place.run(&typed).stdout, "a,b,c\n10.50,42,\n");
    assert!(place.run(&["query", "SELECT NULL AS c"]).stdout.contains("│ NULL │"));
}

#[test]
fn two_columns_of_one_name_are_refused_where_one_would_be_lost() {
    let place = Place::lake();
    let sql =
        "SELECT a.id, b.id FROM lake.orders a JOIN lake.orders b ON a.id = b.id ORDER BY a.id";
    assert_eq!(place.run(&["query", "-F", "csv", sql]).stdout, "id,id\n1,1\n2,2\n3,3\n");
    insta::assert_snapshot!("two_columns_of_one_name", place.run(&["query", "-F", "json", sql]));
}
