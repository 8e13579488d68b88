//! How tables and columns are found by what people write.

use arrow_array::record_batch;
use orbit_engine::Engine;
use orbit_testkit::scripted::Scripted;
use tempfile::TempDir;

use crate::support::{Setup, put, put_parquet, transcript};

struct World {
    engine: Engine,
    _folder: TempDir,
    _crm: Scripted,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let orders = record_batch!(("id", Int32, [1, 2, 3]), ("Total", Int32, [10, 20, 30])).unwrap();
    put_parquet(folder.path(), "orders.parquet", &orders);
    put(folder.path(), "Mixed.csv", "Key,Val,val\n1,a,b\n");
    put(folder.path(), "twins/Twin.csv", "a\n1\n");
    put(folder.path(), "twins/TWIN.csv", "a\n2\n");
    put(folder.path(), "staff.csv", "ID,Total\n1,100\n3,300\n");
    let rows = record_batch!(("id", Int32, [1, 2]), ("City", Utf8, ["Oslo", "Rome"])).unwrap();
    let crm = Scripted::builder()
        .table(["sales", "Orders"], rows.clone())
        .table(["stock", "Orders"], rows.clone())
        .table(["sales", "items"], rows)
        .build();
    let engine = Setup::default().folder("lake", folder.path()).source("crm", &crm).build();
    World { engine, _folder: folder, _crm: crm }
}

async fn said(statements: &[&str]) -> String {
    let world = world();
    transcript(&world.engine, statements).await
}

#[tokio::test]
async fn case_counts_only_when_it_must() {
    let statements = [
        "SELECT ID, TOTAL FROM ORDERS ORDER BY id LIMIT 1",
        "SELECT total FROM Lake.Orders WHERE Id = 2",
        "SELECT key FROM mixed",
        "SELECT \"Key\" FROM \"Mixed\"",
        "SELECT \"key\" FROM mixed",
        "SELECT * FROM \"mixed\"",
        "SELECT val FROM mixed",
        "SELECT \"Val\", \"val\" FROM mixed",
        "SELECT VAL FROM mixed",
        "SELECT a FROM twins.twin",
        "SELECT a FROM twins.\"TWIN\"",
        "SELECT city FROM crm.sales.orders ORDER BY CITY",
        "SELECT sum(total) AS Total FROM orders",
    ];
    insta::assert_snapshot!(said(&statements).await);
}

#[tokio::test]
async fn names_may_leave_parts_out() {
    let statements = [
        "SELECT count(*) FROM crm.sales.orders",
        "SELECT count(*) FROM crm.items",
        "SELECT count(*) FROM crm.orders",
        "SELECT count(*) FROM items",
        "SELECT count(*) FROM lake.orders",
        "SELECT count(*) FROM lake.main.orders",
        "SELECT count(*) FROM orders",
        "SELECT lake.orders.id FROM lake.orders WHERE lake.orders.total = 20",
        "SELECT crm.sales.items.id FROM crm.sales.items WHERE Crm.Sales.Items.City = 'Rome'",
        "SELECT orders.id FROM lake.orders WHERE Orders.TOTAL = 30",
        "SELECT o.id FROM lake.orders AS O WHERE o.Total = 30",
    ];
    insta::assert_snapshot!(said(&statements).await);
}

#[tokio::test]
async fn common_table_expressions_shadow_tables() {
    let statements = [
        "WITH orders AS (SELECT * FROM orders WHERE id > 1) SELECT id FROM orders ORDER BY id",
        "WITH ORDERS AS (SELECT 7 AS id) SELECT id FROM orders",
        "WITH a AS (SELECT id FROM orders), orders AS (SELECT 9 AS id) SELECT count(*) FROM a",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 4) \
         SELECT sum(i) FROM n",
        "WITH RECURSIVE orders AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM orders WHERE i < 3) \
         SELECT max(i) FROM orders",
        "SELECT (SELECT max(id) FROM (WITH orders AS (SELECT 99 AS id) SELECT * FROM orders) x), \
         (SELECT max(id) FROM orders)",
        "WITH orders AS (SELECT 5 AS id) SELECT count(*) FROM lake.orders",
        "WITH x AS (WITH orders AS (SELECT 8 AS id) SELECT id FROM orders) \
         SELECT x.id, o.id FROM x CROSS JOIN orders o ORDER BY o.id",
    ];
    insta::assert_snapshot!(said(&statements).await);
}

#[tokio::test]
async fn columns_keep_their_case_through_joins_and_orders() {
    let statements = [
        "SELECT o.total, s.total FROM orders o JOIN staff s ON o.id = s.id ORDER BY O.TOTAL",
        "SELECT o.id AS ID, s.id FROM orders o, staff s WHERE o.ID = s.Id ORDER BY id LIMIT 1",
        "SELECT x.Id FROM (SELECT id FROM staff) x JOIN orders o ON X.id = O.ID ORDER BY x.id",
        "WITH s AS (SELECT * FROM staff) SELECT max(S.id), max(total) FROM s",
        "WITH s(a, b) AS (SELECT * FROM staff) SELECT A + 1, b FROM s ORDER BY B DESC LIMIT 1",
        "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM staff WHERE id = orders.id) ORDER BY 1",
        "SELECT id FROM orders WHERE id IN (SELECT id FROM staff) ORDER BY id",
        "SELECT id FROM staff UNION SELECT id FROM orders ORDER BY id",
        "SELECT a FROM staff AS s(a, b) ORDER BY b DESC LIMIT 1",
        "SELECT id FROM orders JOIN crm.sales.items USING (ID) ORDER BY id",
        "SELECT total AS Amount FROM orders ORDER BY amount DESC",
        "SELECT total + 1 AS \"Amount\" FROM orders ORDER BY \"Amount\" DESC LIMIT 1",
        "SELECT Total, count(*) AS n FROM orders GROUP BY TOTAL HAVING total > 10 ORDER BY total",
        "SELECT City FROM (SELECT city FROM crm.items) t ORDER BY t.CITY",
    ];
    insta::assert_snapshot!(said(&statements).await);
}

#[tokio::test]
async fn only_tables_with_versions_travel_in_time() {
    let statements = [
        "SELECT * FROM orders VERSION AS OF 3",
        "SELECT * FROM orders FOR VERSION AS OF 3",
        "SELECT * FROM orders TIMESTAMP AS OF '2026-01-31'",
        "SELECT * FROM \"orders@v3\"",
        "SELECT 1 VERSION AS OF 3",
        "SELECT City FROM crm.items VERSION AS OF 0 ORDER BY id",
        "SELECT City FROM crm.items VERSION AS OF 9",
        "SELECT City FROM crm.items VERSION AS OF 9 VERSION AS OF 0",
        "SELECT City FROM crm.\"items@v0\" VERSION AS OF 9",
        "SELECT * FROM 'x.parquet' VERSION AS OF 1",
        "SELECT 'x' VERSION AS OF 1",
        "WITH o AS (SELECT 1 AS a) SELECT * FROM o VERSION AS OF 1",
    ];
    insta::assert_snapshot!(said(&statements).await);
}

#[tokio::test]
async fn unknown_names_are_told_with_the_nearest() {
    let statements = [
        "SELECT * FROM ordres",
        "SELECT * FROM lakes.orders",
        "SELECT * FROM lake.ordres",
        "SELECT * FROM crm.sales.nothing",
        "SELECT idd FROM orders",
        "SELECT o.nothing FROM orders o",
        "SELECT 'x' FROM 'orders.parquet'",
        "SELECT nofunction(id) FROM orders",
        "SELECT id FROM orders, staff",
        "SELECT id FROM orders JOIN staff USING (id)",
        "SELECT orders.id FROM orders, crm.items WHERE id = 1",
    ];
    insta::assert_snapshot!(said(&statements).await);
}

#[tokio::test]
async fn joins_by_name_see_case() {
    let statements = [
        "SELECT count(*) FROM orders NATURAL JOIN crm.sales.items",
        "SELECT count(*) FROM orders NATURAL JOIN staff",
        "SELECT count(*) FROM orders o JOIN (staff s NATURAL JOIN crm.items i) ON o.id = i.id",
        "SELECT id FROM orders JOIN staff USING (id)",
        "SELECT o.id FROM (orders o JOIN staff s USING (total)) ORDER BY 1",
        "SELECT max(total) FROM orders o JOIN crm.items i USING (ID), mixed",
        "SELECT count(*) FROM orders o JOIN crm.items i USING (id), staff",
    ];
    insta::assert_snapshot!(said(&statements).await);
}
