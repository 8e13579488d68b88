//! Tables that Spark wrote, by `spark/make.py`: read with the right rows, or refused by name.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::path::Path;

use orbit_core::{ErrorKind, Version};
use support::{Folder, Table};

/// Rows and the sum of `id`, as Spark counted them.
const READ: [(&str, &str); 13] = [
    ("cdf", "99 4900"),
    ("cmid", "100 4950"),
    ("cmname", "100 4950"),
    ("constr", "100 4950"),
    ("dv", "90 4470"),
    ("gen", "5 10"),
    ("ict", "100 4950"),
    ("liquid", "200 19900"),
    ("merge", "105 5985"),
    ("ntz", "1 1"),
    ("rowtrack", "100 4950"),
    ("v1cp", "50 1225"),
    ("v2cp", "50 1225"),
];

fn table(name: &str) -> Table {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark/tables");
    Table::new(Folder::new(tables), name)
}

#[tokio::test]
async fn every_feature_is_read_with_the_right_rows() {
    let totals = "SELECT count(*) || ' ' || sum(id) FROM t";
    for (name, expected) in READ {
        assert_eq!(table(name).value(None, totals).await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn conditions_are_right_where_names_and_rows_are_mapped() {
    let count = async |name: &str, condition: &str| {
        let sql = format!("SELECT count(*) FROM t WHERE {condition}");
        table(name).value(None, &sql).await.unwrap()
    };
    assert_eq!(count("cmname", "\"s 2\" = 's3'").await, "14");
    assert_eq!(count("cmid", "s = 's3' AND d < DATE '2024-01-11'").await, "5");
    assert_eq!(count("dv", "id % 10 = 3").await, "0");
    assert_eq!(count("dv", "id IN (12, 13, 14)").await, "2");
    assert_eq!(count("merge", "s = 'upd' OR s = 'new'").await, "20");
    assert_eq!(count("gen", "g = id * 2 AND i = id + 1").await, "5");
    assert_eq!(count("rowtrack", "s = 'z' AND id = 7").await, "1");
    assert_eq!(count("liquid", "id BETWEEN 150 AND 159").await, "10");
    assert_eq!(count("ntz", "t = TIMESTAMP '2024-01-01 00:00:00'").await, "1");
    let x = table("v2cp").value(None, "SELECT sum(x) FROM t WHERE id < 4").await.unwrap();
    assert_eq!(x, "7.50");
}

#[tokio::test]
async fn old_versions_are_read_before_and_after_checkpoints() {
    for name in ["v1cp", "v2cp"] {
        for version in 1..=5 {
            let at = Some(Version::Number(version));
            let rows = table(name).value(at, "SELECT count(*) FROM t").await.unwrap();
            assert_eq!(rows, (version * 10).to_string(), "{name} at {version}");
        }
    }
    let before = table("dv").value(Some(Version::Number(1)), "SELECT count(*) FROM t").await;
    assert_eq!(before.unwrap(), "100", "a deletion vector belongs to its version");
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let error = table("typewiden").value(None, "SELECT * FROM t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains("typeWidening"), "{error}");
    // Its other columns are read.
    assert_eq!(table("variant").value(None, "SELECT sum(id) FROM t").await.unwrap(), "1");
}
