//! The first steps of a new user.

use crate::Check;
use crate::desk::Desk;

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("walk::files_are_put_listed_read_and_deleted", files_are_put_listed_read_and_deleted),
    ("walk::parquet_is_queried", parquet_is_queried),
    ("walk::every_format_is_queried", every_format_is_queried),
    ("walk::globs_are_tables", globs_are_tables),
    ("walk::delta_tables_travel_in_time", delta_tables_travel_in_time),
    ("walk::a_store_is_joined_with_the_local_lake", a_store_is_joined_with_the_local_lake),
    ("walk::explain_tells_requests_and_bytes", explain_tells_requests_and_bytes),
];

/// Sales of three months, in folders by year and month.
const SALES: &str = "SELECT 2025 + v / 200 AS year, 1 + v / 100 AS month, v AS id, \
    'item ' || (v % 7) AS item, v * 1.5 AS price FROM generate_series(0, 299) AS t(v)";

fn sales(desk: &Desk) {
    let output = ["--output", "store:sales", "--partition-by", "year,month"];
    desk.orbit(&[&["query", SALES][..], &output].concat());
}

fn files_are_put_listed_read_and_deleted(desk: &Desk) {
    let checked = desk.orbit(&["check"]);
    assert!(checked.contains("store"), "{checked}");
    let sources = desk.json(&["sources"]);
    assert!(sources.to_string().contains("\"s3\""), "{sources}");
    assert_eq!(desk.orbit(&["ls", "store:"]), "");
    desk.place.write("a file.txt", "hello\n");
    desk.orbit(&["put", "a file.txt", "store:in/"]);
    let put_again = desk.run(&["put", "a file.txt", "store:in/a file.txt"]);
    insta::assert_snapshot!("put_refused_on_a_store", put_again);
    desk.orbit(&["put", "--force", "a file.txt", "store:in/ä#%20?.txt"]);
    assert_eq!(desk.keys(), ["in/a file.txt", "in/ä#%20?.txt"]);
    let listed = desk.orbit(&["ls", "store:in"]);
    assert_eq!(listed.lines().filter(|line| line.trim_start().starts_with("6 B")).count(), 2);
    assert_eq!(desk.orbit(&["ls", "store:"]).trim(), "in/");
    assert_eq!(desk.orbit(&["cat", "store:in/a file.txt"]), "hello\n");
    desk.orbit(&["get", "store:in/ä#%20?.txt", "back.txt"]);
    assert_eq!(desk.place.read("back.txt"), "hello\n");
    assert_eq!(desk.run(&["rm", "store:in/"]).code, Some(4));
    desk.orbit(&["rm", "store:in/a file.txt"]);
    assert_eq!(desk.keys(), ["in/ä#%20?.txt"]);
    desk.orbit(&["rm", "--recursive", "store:in/"]);
    assert_eq!(desk.keys(), [""; 0]);
    assert_eq!(desk.run(&["cat", "store:in/a file.txt"]).code, Some(5));
}

fn parquet_is_queried(desk: &Desk) {
    sales(desk);
    let tables = desk.orbit(&["tables"]);
    assert!(tables.contains("sales") && tables.contains("parquet"), "{tables}");
    let described = desk.json(&["describe", "store.sales"]);
    for column in ["id", "item", "price", "year", "month"] {
        assert!(described.to_string().contains(&format!("\"{column}\"")), "{described}");
    }
    let sql = "SELECT year, month, count(*) AS n, sum(price) AS total FROM store.sales \
        GROUP BY year, month ORDER BY year, month";
    let expected =
        "year,month,n,total\n2025,1,100,7425.0\n2025,2,100,22425.0\n2026,3,100,37425.0\n";
    assert_eq!(desk.csv(sql), expected);
    assert_eq!(desk.csv("SELECT max(id) AS m FROM store.sales WHERE month = 2"), "m\n199\n");
    assert_eq!(desk.csv("SELECT count(*) AS n FROM store.sales WHERE year > 2026"), "n\n0\n");
}

fn every_format_is_queried(desk: &Desk) {
    for format in ["parquet", "csv", "ndjson", "json", "arrow"] {
        let output = format!("store:t_{format}.{format}");
        desk.orbit(&["query", "SELECT * FROM lake.orders", "--output", &output]);
        let sql = format!("SELECT count(*) AS n, sum(price) AS s, max(day) AS d FROM t_{format}");
        assert_eq!(desk.csv(&sql), "n,s,d\n3,17.75,2026-02-02\n", "{format}");
    }
}

fn globs_are_tables(desk: &Desk) {
    sales(desk);
    desk.orbit(&["query", "SELECT -1 AS id", "--output", "store:sales/year=2025/note.parquet"]);
    let tables = "    tables:\n      first_year:\n        path: sales/year=2025/*/part-*.parquet\n";
    desk.configure(&desk.server.endpoint(), tables);
    assert_eq!(desk.csv("SELECT count(*) AS n, min(id) AS m FROM first_year"), "n,m\n200,0\n");
}

fn delta_tables_travel_in_time(desk: &Desk) {
    let from = "SELECT id, customer FROM lake.orders";
    desk.orbit(&["delta", "create", "store.orders", "--from", from]);
    desk.orbit(&["delta", "append", "store.orders", "--from", "SELECT 4 AS id, 'eve' AS customer"]);
    desk.orbit(&["delta", "delete", "store.orders", "--where", "customer = 'ann'"]);
    let count = |at: &str| desk.csv(&format!("SELECT count(*) AS n FROM store.orders {at}"));
    assert_eq!(count(""), "n\n2\n");
    assert_eq!(count("VERSION AS OF 1"), "n\n4\n");
    assert_eq!(count("VERSION AS OF 0"), "n\n3\n");
    assert_eq!(desk.run(&["query", "SELECT * FROM store.orders VERSION AS OF 9"]).code, Some(5));
    let explained = desk.json(&["explain", "SELECT id FROM store.orders WHERE id > 1"]);
    let source = &explained["sources"][0];
    assert_eq!((&source["datasource"], &source["table"]), (&"store".into(), &"orders".into()));
    assert!(explained["plan"].as_str().unwrap().contains("[store:orders/"), "{explained}");
    let history = desk.json(&["delta", "history", "store.orders"]);
    let versions = history["versions"].as_array().unwrap();
    let operations: Vec<_> = versions.iter().map(|version| &version["operation"]).collect();
    assert_eq!(operations, ["DELETE", "WRITE", "WRITE"]);
}

fn a_store_is_joined_with_the_local_lake(desk: &Desk) {
    desk.orbit(&["query", "SELECT * FROM lake.customers", "-o", "store:people/all.parquet"]);
    let sql = "SELECT c.city, sum(o.price) AS total FROM lake.orders AS o \
        JOIN store.people AS c ON c.name = o.customer GROUP BY c.city ORDER BY c.city";
    assert_eq!(desk.csv(sql), "city,total\nBergen,\nOslo,17.75\n");
}

fn explain_tells_requests_and_bytes(desk: &Desk) {
    sales(desk);
    let sql = "SELECT count(*) FROM lake.orders AS o, store.sales AS s \
        WHERE s.month = 3 AND s.price > 400 AND o.price > 8";
    let text = desk.orbit(&["explain", "--analyze", sql]);
    let line = text.lines().find(|line| line.starts_with("  store: ")).unwrap();
    assert!(line.contains(" read, ") && line.contains(" requests"), "{text}");
    let told = desk.json(&["explain", "--analyze", sql]);
    let (store, lake) = (&told["measured"]["store"], &told["measured"]["lake"]);
    let number = |of: &serde_json::Value, name: &str| of[name].as_u64().unwrap();
    let files = desk.json(&["ls", "--recursive", "store:sales"]);
    let sizes = files["entries"].as_array().unwrap().iter();
    let sizes: Vec<u64> = sizes.map(|entry| entry["size_bytes"].as_u64().unwrap()).collect();
    // It connects, looks for the table and lists it; three footers, which are the whole of files
    // so small, and the rows of one file again, because s3s-fs lists no tags to know it by.
    assert!(number(store, "requests") <= 8, "{told}");
    let whole: u64 = sizes.iter().sum();
    assert!((whole..=whole + sizes[2]).contains(&number(store, "bytes_read")), "{told} {sizes:?}");
    assert!(number(lake, "bytes_read") > 0, "{told}");
    assert_eq!(told["rows"], 1);
}
