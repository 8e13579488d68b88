//! Twenty wrong queries, and what a person is told about each.

mod common;

use common::Place;

const QUERIES: &[(&str, &[&str])] = &[
    ("syntax", &["SELEC id FROM lake.orders"]),
    ("unclosed_text", &["SELECT 'abc FROM lake.orders"]),
    ("no_such_datasource", &["SELECT * FROM lak.orders"]),
    ("no_such_table", &["SELECT * FROM lake.order"]),
    ("no_such_column", &["SELECT custmer FROM lake.orders"]),
    ("no_such_function", &["SELECT lenght(customer) FROM lake.orders"]),
    ("ambiguous_column", &["SELECT id FROM lake.orders a JOIN lake.orders b ON a.id = b.id"]),
    ("wrong_types", &["SELECT id + customer FROM lake.orders"]),
    ("missing_group_by", &["SELECT customer, sum(price) FROM lake.orders"]),
    ("aggregate_in_where", &["SELECT id FROM lake.orders WHERE sum(price) > 1"]),
    ("two_statements", &["SELECT 1; SELECT 2"]),
    ("nothing", &["--", "-- only a comment"]),
    ("missing_parameter", &["SELECT * FROM lake.orders WHERE id = $id"]),
    ("unused_parameter", &["--param", "id=1", "SELECT 1"]),
    ("overflow", &["SELECT 9223372036854775807 + id FROM lake.orders"]),
    ("division_by_zero", &["SELECT 1 / (id - id) FROM lake.orders"]),
    ("bad_cast", &["SELECT CAST(customer AS INTEGER) FROM lake.orders"]),
    ("dropped_clause", &["SELECT * FROM lake.orders TABLESAMPLE (10 PERCENT)"]),
    ("write_not_asked_for", &["INSERT INTO drop.t SELECT 1 AS a"]),
    ("write_not_allowed", &["--write", "INSERT INTO lake.orders SELECT * FROM lake.orders"]),
    ("no_such_path", &["SELECT * FROM 'nothing/x.parquet'"]),
    ("union_of_different_widths", &["SELECT 1, 2 UNION ALL SELECT 1"]),
    ("pass_through_to_files", &["--on", "lake", "SELECT 1"]),
    ("no_such_version", &["SELECT * FROM \"lake\".\"orders@v3\""]),
];

#[test]
fn wrong_queries_are_told_so_that_a_person_can_act() {
    let place = Place::lake();
    for (name, args) in QUERIES {
        let ran = place.run(&[&["query"], *args].concat());
        assert!(ran.code.is_some_and(|code| code > 1), "{name}: {ran}");
        assert_eq!(ran.stdout, "", "{name}");
        insta::assert_snapshot!(
            *name,
            format!(
                "orbit query {}\n\nexit code {}\n{}",
                args.join(" "),
                ran.code.unwrap(),
                ran.stderr
            )
        );
    }
}
