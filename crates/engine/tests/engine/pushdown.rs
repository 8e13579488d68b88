//! What reaches a source of SQL, and what the engine does itself.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, record_batch,
};
use orbit_core::{PredicateCapability, QueryCapability, SqlCapability};
use orbit_engine::Engine;
use orbit_testkit::scripted::{Builder, FULL_CAPABILITY, Scripted};

use crate::support::{Setup, asked, indented, put_parquet, rows, sorted};

fn orders() -> RecordBatch {
    let price = Decimal128Array::from(vec![Some(1050), Some(99), None, Some(200_000), Some(5)]);
    let price = price.with_precision_and_scale(12, 2).unwrap();
    let columns: [(&str, ArrayRef, bool); 8] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5])), false),
        ("units", Arc::new(Int32Array::from(vec![Some(3), None, Some(7), Some(1), Some(3)])), true),
        ("name", Arc::new(StringArray::from(vec!["ann", "Bob", "a_c", "50%", "dora"])), true),
        ("folded", Arc::new(StringArray::from(vec!["x", "X", "y", "Y", "z"])), true),
        ("ratio", Arc::new(Float64Array::from(vec![0.5, f64::NAN, -1.0, 2.5, 0.0])), true),
        (
            "paid",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true), None])),
            true,
        ),
        ("day", Arc::new(Date32Array::from(vec![20_000, 20_001, 20_002, 20_003, 20_004])), true),
        ("price", Arc::new(price), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn crm() -> Builder {
    Scripted::builder().table(["sales", "orders"], orders()).collated("folded")
}

fn engine(source: &Scripted) -> Engine {
    Setup::default().source("crm", source).build()
}

fn with_query(query: Option<QueryCapability>) -> SqlCapability {
    SqlCapability { query, ..FULL_CAPABILITY }
}

/// For each statement what the source was asked.
async fn pushed(source: &Scripted, statements: &[&str]) -> String {
    let engine = engine(source);
    let mut text = String::new();
    for sql in statements {
        rows(&engine, sql).await;
        text.push_str(&format!("{sql}\n{}\n\n", indented(&asked(source))));
    }
    text
}

const PREDICATES: [&str; 16] = [
    "SELECT id FROM crm.orders WHERE id = 3",
    "SELECT id FROM crm.orders WHERE id <> 3",
    "SELECT id FROM crm.orders WHERE 3 < id AND units <= 7",
    "SELECT id FROM crm.orders WHERE units > 1 OR name = 'Bob'",
    "SELECT id FROM crm.orders WHERE id BETWEEN 2 AND 4",
    "SELECT id FROM crm.orders WHERE units IS NULL OR paid IS NOT NULL",
    "SELECT id FROM crm.orders WHERE name >= 'b'",
    "SELECT id FROM crm.orders WHERE id IN (1, 2, 3, 9, 11)",
    "SELECT id FROM crm.orders WHERE name NOT IN ('ann', 'Bob', 'x', 'y', 'z')",
    "SELECT id FROM crm.orders WHERE name LIKE 'a%'",
    "SELECT id FROM crm.orders WHERE name NOT LIKE '%o%'",
    "SELECT id FROM crm.orders WHERE name ILIKE 'b_B'",
    "SELECT id FROM crm.orders WHERE paid",
    "SELECT id FROM crm.orders WHERE day >= DATE '2024-10-05'",
    "SELECT id FROM crm.orders WHERE price < 10.50",
    "SELECT id FROM crm.orders WHERE NOT (id = 2 OR units = 3)",
];

/// What a source could mean something else by.
const KEPT: [&str; 9] = [
    "SELECT id FROM crm.orders WHERE folded = 'x'",
    "SELECT id FROM crm.orders WHERE folded LIKE 'x%'",
    "SELECT id FROM crm.orders WHERE folded IN ('x', 'y', 'p', 'q', 'r')",
    "SELECT id FROM crm.orders WHERE id + 1 = 3",
    "SELECT id FROM crm.orders WHERE upper(name) = 'BOB'",
    "SELECT id FROM crm.orders WHERE NOT paid",
    "SELECT id FROM crm.orders WHERE units = 3.0",
    "SELECT id FROM crm.orders WHERE units = id",
    "SELECT id FROM crm.orders WHERE id + 1 = 3 LIMIT 1",
];

#[tokio::test]
async fn columns_and_predicates_reach_the_source() {
    let source = crm().build();
    insta::assert_snapshot!(pushed(&source, &PREDICATES).await);
}

#[tokio::test]
async fn what_a_source_may_judge_otherwise_stays() {
    let source = crm().build();
    insta::assert_snapshot!(pushed(&source, &KEPT).await);
}

#[tokio::test]
async fn limits_and_bounded_orders_reach_the_source() {
    let source = crm().build();
    let statements = [
        "SELECT id FROM crm.orders LIMIT 2",
        "SELECT id FROM crm.orders WHERE id > 1 LIMIT 2",
        "SELECT id FROM crm.orders ORDER BY id DESC LIMIT 2",
        "SELECT id FROM crm.orders ORDER BY units NULLS FIRST, id LIMIT 2",
        "SELECT id, name FROM crm.orders ORDER BY name LIMIT 1 OFFSET 2",
        "SELECT id FROM crm.orders ORDER BY id",
        "SELECT id FROM crm.orders ORDER BY ratio LIMIT 2",
        "SELECT id FROM crm.orders ORDER BY folded LIMIT 2",
        "SELECT id FROM crm.orders ORDER BY id + 1 LIMIT 2",
        "SELECT count(*) FROM crm.orders WHERE units = 3",
        "SELECT id FROM crm.orders WHERE name LIKE 'a!_c' ESCAPE '!'",
    ];
    insta::assert_snapshot!(pushed(&source, &statements).await);
}

#[tokio::test]
async fn a_source_is_asked_no_more_than_it_can() {
    let none = crm().capability(with_query(Some(QueryCapability::default()))).build();
    let few = QueryCapability {
        predicate: Some(PredicateCapability { in_values_max: 4, ..PredicateCapability::default() }),
        limit: true,
        ..QueryCapability::default()
    };
    let few = crm().capability(with_query(Some(few))).build();
    let statements = [
        "SELECT id FROM crm.orders WHERE id = 3 LIMIT 1",
        "SELECT id FROM crm.orders WHERE name < 'b' LIMIT 1",
        "SELECT id FROM crm.orders WHERE name LIKE 'a%'",
        "SELECT id FROM crm.orders WHERE id IN (1, 2, 3, 4, 5)",
        "SELECT id FROM crm.orders WHERE id NOT IN (1, 2, 3, 4)",
    ];
    insta::assert_snapshot!("no_capability", pushed(&none, &statements).await);
    insta::assert_snapshot!("few_capabilities", pushed(&few, &statements).await);
}

#[tokio::test]
async fn answers_are_the_same_with_and_without_pushdown() {
    let full = engine_of(crm());
    let none = engine_of(crm().capability(with_query(Some(QueryCapability::default()))));
    for sql in PREDICATES.iter().chain(&KEPT) {
        assert_eq!(sorted(&full.0, sql).await, sorted(&none.0, sql).await, "{sql}");
    }
    for order in ["id", "units", "units DESC", "name", "folded", "ratio DESC", "paid", "price"] {
        for nulls in ["NULLS FIRST", "NULLS LAST"] {
            let sql =
                format!("SELECT id, {order} FROM crm.orders ORDER BY {order} {nulls}, id LIMIT 3")
                    .replace(" DESC FROM", " FROM");
            assert_eq!(rows(&full.0, &sql).await, rows(&none.0, &sql).await, "{sql}");
        }
    }
}

/// The engine with the source that it must outlive.
fn engine_of(builder: Builder) -> (Engine, Scripted) {
    let source = builder.build();
    (engine(&source), source)
}

#[tokio::test]
async fn sources_and_folders_join() {
    let crm = crm().build();
    let regions = record_batch!(("name", Utf8, ["ann", "dora"]), ("region", Int32, [7, 8]));
    let erp = Scripted::builder().table(["people"], regions.unwrap()).build();
    let folder = tempfile::tempdir().unwrap();
    let names = record_batch!(("region", Int32, [7, 8]), ("label", Utf8, ["north", "south"]));
    put_parquet(folder.path(), "regions.parquet", &names.unwrap());
    let engine =
        Setup::default().source("crm", &crm).source("erp", &erp).folder("lake", folder.path());
    let sql = "SELECT o.id, p.region, r.label FROM crm.sales.orders o \
               JOIN erp.people p ON p.name = o.name JOIN regions r ON r.region = p.region \
               WHERE o.units = 3 ORDER BY o.id";
    assert_eq!(rows(&engine.build(), sql).await, "1|7|north\n5|8|south");
    assert_eq!(asked(&crm), "sales.orders (id, name) where units = Int32 3");
    assert_eq!(asked(&erp), "people (name, region)");
}

#[tokio::test]
async fn a_bare_name_wakes_no_warehouse() {
    let crm = crm().build();
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "orders.parquet", &record_batch!(("n", Int32, [42])).unwrap());
    let engine = Setup::default().source("crm", &crm).folder("lake", folder.path()).build();
    assert_eq!(rows(&engine, "SELECT n FROM orders").await, "42");
    assert_eq!((crm.connects(), crm.queries().len()), (0, 0));
}
