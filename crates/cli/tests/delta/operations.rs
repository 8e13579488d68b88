//! What changes rows.

use crate::{Check, Desk};

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("create_makes_an_empty_table", create_makes_an_empty_table),
    ("create_takes_the_rows_of_a_query", create_takes_the_rows_of_a_query),
    ("append_adds_rows", append_adds_rows),
    ("insert_statements_append", insert_statements_append),
    ("overwrite_replaces_rows", overwrite_replaces_rows),
    ("delete_takes_rows_away", delete_takes_rows_away),
    ("delete_decides_by_the_whole_condition", delete_decides_by_the_whole_condition),
    ("update_changes_rows", update_changes_rows),
    ("decimals_are_exact", decimals_are_exact),
    ("merge_does_what_its_clauses_say", merge_does_what_its_clauses_say),
    ("columns_are_added", columns_are_added),
    ("constraints_hold", constraints_hold),
    ("changes_are_told", changes_are_told),
];

fn create_makes_an_empty_table(desk: &Desk) {
    desk.orbit(&[
        "delta",
        "create",
        "drop.prices",
        "--column",
        "id bigint not null",
        "--column",
        "price decimal(9,2)",
        "--column",
        "day date",
        "--column",
        "at timestamp with time zone",
        "--partition-by",
        "day",
        "--property",
        "delta.appendOnly=false",
        "--comment",
        "what",
    ]);
    let script = "
t = DeltaTable(path)
m = t.metadata()
print([(f.name, str(f.type), f.nullable) for f in t.schema().fields],
      m.partition_columns, m.description, m.configuration, t.version(), rows())";
    assert_eq!(
        desk.wheel.run(&desk.path("prices"), script),
        "[('id', 'PrimitiveType(\"long\")', False), \
         ('price', 'PrimitiveType(\"decimal(9,2)\")', True), \
         ('day', 'PrimitiveType(\"date\")', True), \
         ('at', 'PrimitiveType(\"timestamp\")', True)] \
         ['day'] what {'delta.appendOnly': 'false'} 0 []"
    );
    let (code, said) = desk.refused(&["delta", "create", "drop.prices", "--column", "id bigint"]);
    assert_eq!(code, 11, "{said}");
    let other = ["delta", "create", "drop.other", "--column", "id bigint", "--column", "n bigint"];
    for wrong in ["nothing", "id,id", "id,n"] {
        let (code, said) = desk.refused(&[&other[..], &["--partition-by", wrong]].concat());
        assert_eq!(code, 4, "no table that cannot be read or written: {wrong}: {said}");
    }
    desk.orbit(&other);
}

fn create_takes_the_rows_of_a_query(desk: &Desk) {
    desk.prices();
    assert_eq!(desk.wheel_rows(), r#"[[1, 10, "a"], [2, 20, "a"], [3, 30, "b"]]"#);
    let path = desk.place.path("loose").display().to_string();
    desk.orbit(&["delta", "create", &path, "--from", "SELECT id FROM lake.orders"]);
    assert_eq!(desk.wheel.rows(&desk.place.path("loose")), "[[1], [2], [3]]");
    let (code, _) = desk.refused(&["delta", "create", "lake.prices", "--from", "SELECT 1 AS id"]);
    assert_eq!(code, 6, "a datasource that is only read");
}

fn append_adds_rows(desk: &Desk) {
    desk.prices();
    let sql = "SELECT $id AS id, 40 AS price, 'c' AS shop";
    let append = ["delta", "append", "drop.prices", "--json", "--from", sql, "--param", "id=4"];
    let answer: serde_json::Value = serde_json::from_str(&desk.orbit(&append)).unwrap();
    assert_eq!((&answer["version"], &answer["metrics"]["num_added_rows"]), (&1.into(), &1.into()));
    assert_eq!(desk.wheel_rows(), r#"[[1, 10, "a"], [2, 20, "a"], [3, 30, "b"], [4, 40, "c"]]"#);
    let (code, said) = desk.refused(&["delta", "append", "drop.nothing", "--from", "SELECT 1"]);
    assert_eq!(code, 5, "{said}");
    let failing = "SELECT 10 / (id - 2) AS id, 1 AS price, 'x' AS shop FROM lake.orders";
    let (code, said) = desk.refused(&["delta", "append", "drop.prices", "--from", failing]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("divide by zero"), "{said}");
    assert_eq!(desk.wheel.run(&desk.path("prices"), "print(DeltaTable(path).version())"), "1");
}

fn insert_statements_append(desk: &Desk) {
    desk.prices();
    let sql = "INSERT INTO drop.prices (price, id) VALUES (40, 4), (50, 5)";
    desk.orbit(&["query", "--write", sql]);
    assert_eq!(
        desk.wheel_rows(),
        r#"[[1, 10, "a"], [2, 20, "a"], [3, 30, "b"], [4, 40, null], [5, 50, null]]"#
    );
    desk.orbit(&["query", "--write", "INSERT OVERWRITE drop.prices VALUES (9, 90, 'z')"]);
    assert_eq!(desk.wheel_rows(), r#"[[9, 90, "z"]]"#);
}

fn overwrite_replaces_rows(desk: &Desk) {
    desk.prices();
    let from = "SELECT 7 AS id, 70 AS price, 'a' AS shop";
    let narrow = ["delta", "overwrite", "drop.prices", "--where", "shop = 'a'", "--from", from];
    desk.orbit(&narrow);
    assert_eq!(desk.wheel_rows(), r#"[[3, 30, "b"], [7, 70, "a"]]"#);
    let wrong = ["delta", "overwrite", "drop.prices", "--where", "shop = 'b'", "--from", from];
    let (_, said) = desk.refused(&wrong);
    assert!(said.contains("predicate"), "{said}");
    let all = ["delta", "overwrite", "drop.prices", "--from", "SELECT 'x' AS word"];
    let (code, said) = desk.refused(&all);
    assert!(code == 2 && said.contains("--yes"), "{said}");
    let (code, said) = desk.refused(&[&all[..], &["--yes"]].concat());
    assert_eq!(code, 4, "other columns are refused: {said}");
    desk.orbit(&[&all[..], &["--yes", "--schema", "replace"]].concat());
    assert_eq!(desk.wheel_rows(), r#"[["x"]]"#);
}

fn delete_takes_rows_away(desk: &Desk) {
    desk.prices();
    desk.orbit(&["delta", "delete", "drop.prices", "--where", "price > 10 AND shop = 'a'"]);
    assert_eq!(desk.wheel_rows(), r#"[[1, 10, "a"], [3, 30, "b"]]"#);
    let (code, said) = desk.refused(&["delta", "delete", "drop.prices", "--where", "prize > 1"]);
    assert!(code == 4 && said.contains("prize"), "{said}");
    // What would be read as less, or as something else, than was written.
    for (wrong, why) in [
        ("id = 1 adn price = 10", "expected the end of the expression"),
        ("shop IS DISTINCT FROM 'b' AND id = 2", "two ways"),
        ("shop SIMILAR TO 'a|b'", "SIMILAR TO"),
    ] {
        let (code, said) = desk.refused(&["delta", "delete", "drop.prices", "--where", wrong]);
        assert!(code == 4 && said.contains(why), "{wrong}: {code} {said}");
    }
    assert_eq!(desk.refused(&["delta", "delete", "drop.prices"]).0, 2);
    desk.orbit(&["delta", "delete", "drop.prices", "--yes"]);
    assert_eq!(desk.wheel_rows(), "[]");
}

fn delete_decides_by_the_whole_condition(desk: &Desk) {
    let from = "SELECT * FROM (VALUES (1, 10), (2, 20), (3, 30), (4, 40)) AS v(id, price)";
    desk.orbit(&["delta", "create", "drop.prices", "--partition-by", "id", "--from", from]);
    for (condition, left) in [
        ("id = NULL", "1\n2\n3\n4\n"),
        ("id = 2.5", "1\n2\n3\n4\n"),
        ("id + 1 = 3", "1\n3\n4\n"),
        ("id > 1 AND NOT (id * 2 = 6)", "1\n3\n"),
        ("price < 10.5", "3\n"),
        ("id IN (3, 5)", ""),
    ] {
        desk.orbit(&["delta", "delete", "drop.prices", "--where", condition]);
        let sql = "SELECT id FROM drop.prices ORDER BY id";
        let ids = desk.orbit(&["query", "-F", "csv", sql]);
        assert_eq!(ids, format!("id\n{left}"), "{condition}");
    }
}

fn update_changes_rows(desk: &Desk) {
    desk.prices();
    let set = ["--assign", "price = price * 2", "--assign", "shop = upper(shop)"];
    desk.orbit(&[&["delta", "update", "drop.prices", "--where", "id < 3"][..], &set].concat());
    assert_eq!(desk.wheel_rows(), r#"[[1, 20, "A"], [2, 40, "A"], [3, 30, "b"]]"#);
    let overflow =
        ["delta", "update", "drop.prices", "--assign", "price = price + 9223372036854775807"];
    let (code, said) = desk.refused(&overflow);
    assert!(code == 4 && said.contains("range"), "no value wraps: {said}");
    for (wrong, why) in [
        (&["prize = 1"][..], "no column `prize`"),
        (&["PRICE = 1"][..], "no column `PRICE`"),
        (&["price = 1", "price = 2"][..], "assigned twice"),
        (&["price = 'dear'"][..], "error: drop: cast error"),
    ] {
        let set: Vec<_> = wrong.iter().flat_map(|set| ["--assign", *set]).collect();
        let (code, said) = desk.refused(&[&["delta", "update", "drop.prices"][..], &set].concat());
        assert!(code == 4 && said.contains(why), "{wrong:?}: {said}");
    }
    assert_eq!(desk.wheel_rows(), r#"[[1, 20, "A"], [2, 40, "A"], [3, 30, "b"]]"#);
}

fn decimals_are_exact(desk: &Desk) {
    let from = "SELECT 1 AS id, CAST(1.15 AS decimal(10,2)) AS n, \
        CAST('9007199254740993.000000001' AS decimal(38,9)) AS d";
    desk.orbit(&["delta", "create", "drop.prices", "--from", from]);
    // The statistics of the only file say 9007199254740994.0.
    for condition in ["d = 9007199254740993.000000001", "id > 0 AND d < 9007199254740993.5"] {
        let sql = format!("SELECT id FROM drop.prices WHERE {condition}");
        assert_eq!(desk.orbit(&["query", "-F", "csv", &sql]), "id\n1\n", "{condition}");
    }
    let rows = ["--where", "d = 9007199254740993.000000001"];
    let set = ["delta", "update", "drop.prices", "--assign", "n = n * 1.1"];
    desk.orbit(&[&set[..], &rows].concat());
    let sql = "SELECT n FROM drop.prices";
    assert_eq!(desk.orbit(&["query", "-F", "csv", sql]), "n\n1.27\n", "as 1.265 is rounded");
    let from = format!("{from} WHERE false");
    let overwrite = ["delta", "overwrite", "drop.prices", "--from", &from];
    desk.orbit(&[&overwrite[..], &rows].concat());
    assert_eq!(desk.wheel_rows(), "[]");
    desk.orbit(&["delta", "restore", "drop.prices", "--version", "1"]);
    desk.orbit(&[&["delta", "delete", "drop.prices"][..], &rows].concat());
    assert_eq!(desk.wheel_rows(), "[]");
}

fn merge_does_what_its_clauses_say(desk: &Desk) {
    desk.prices();
    let from = "SELECT * FROM (VALUES (2, 21, 'a'), (4, 40, 'd')) AS v(id, price, shop)";
    let merge = ["delta", "merge", "drop.prices", "--on", "t.id = s.id", "--from", from];
    assert_eq!(desk.refused(&merge).0, 2);
    let stray = ["--not-matched", "insert", "--matched-if", "s.id = 4"];
    assert_eq!(desk.refused(&[&merge[..], &stray].concat()).0, 2);
    let upsert = ["--matched", "update", "--not-matched", "insert"];
    let ran = desk.place.run(&[&merge[..], &upsert].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran}");
    let (code, said) = desk.refused(&[&merge[..], &["--assign", "prize = 1"]].concat());
    assert!(code == 4 && said.contains("no column `prize`"), "{said}");
    let after = r#"[[1, 10, "a"], [2, 21, "a"], [3, 30, "b"], [4, 40, "d"]]"#;
    assert_eq!(desk.wheel_rows(), after);
    let cut = ["delta", "merge", "drop.prices", "--on", "t.price < 21.5", "--from", from];
    let (code, said) = desk.refused(&[&cut[..], &["--matched", "delete"]].concat());
    assert!(code == 4 && said.contains("--matched-if"), "{said}");
    let set = ["--assign", "price = 22", "--matched-if", "t.price < 21.5"];
    desk.orbit(&[&merge[..], &set].concat());
    let set = ["--assign", "price = t.price + s.price", "--matched-if", "s.id = 4"];
    desk.orbit(&[&merge[..], &set, &["--not-matched-by-source", "delete"]].concat());
    assert_eq!(desk.wheel_rows(), r#"[[2, 22, "a"], [4, 80, "d"]]"#);
    desk.orbit(&[&merge[..], &["--matched", "delete"]].concat());
    assert_eq!(desk.wheel_rows(), "[]");
    let twice = "SELECT * FROM (VALUES (1, 1, 'x'), (1, 2, 'y')) AS v(id, price, shop)";
    desk.orbit(&[
        "delta",
        "append",
        "drop.prices",
        "--from",
        "SELECT 1 AS id, 5 AS price, 'a' AS shop",
    ]);
    let merge = ["delta", "merge", "drop.prices", "--on", "t.id = s.id", "--from", twice];
    let (code, said) = desk.refused(&[&merge[..], &["--matched", "update"]].concat());
    assert!(code == 4 && said.contains("several rows of the query meet one row"), "{said}");
    assert_eq!(desk.wheel_rows(), r#"[[1, 5, "a"]]"#);
}

fn columns_are_added(desk: &Desk) {
    desk.prices();
    let wide = "SELECT 4 AS id, 40 AS price, 'c' AS shop, 'new' AS note";
    let append = ["delta", "append", "drop.prices", "--from", wide];
    assert_eq!(desk.refused(&append).0, 4, "columns are not added unasked");
    desk.orbit(&[&append[..], &["--merge-schema"]].concat());
    desk.orbit(&["delta", "add-columns", "drop.prices", "weight double", "\"When\" date"]);
    for (wrong, why) in [("note varchar", "already"), ("owner varchar not null", "is NULL in")] {
        let (code, said) = desk.refused(&["delta", "add-columns", "drop.prices", wrong]);
        assert!(code == 4 && said.contains(why), "{wrong}: {said}");
    }
    let expected = r#"[[1, 10, "a", null, null, null], [2, 20, "a", null, null, null], [3, 30, "b", null, null, null], [4, 40, "c", "new", null, null]]"#;
    assert_eq!(desk.wheel_rows(), expected);
    let sql = "SELECT count(\"When\") AS n, count(note) AS notes FROM drop.prices";
    assert_eq!(desk.orbit(&["query", "-F", "csv", sql]), "n,notes\n0,1\n");
}

fn constraints_hold(desk: &Desk) {
    desk.prices();
    let (_, said) =
        desk.refused(&["delta", "add-constraint", "drop.prices", "cheap", "price < 20"]);
    assert!(said.contains("price"), "rows that are there must obey: {said}");
    desk.orbit(&["delta", "add-constraint", "drop.prices", "positive", "price > 0"]);
    let bad =
        ["delta", "append", "drop.prices", "--from", "SELECT 4 AS id, -1 AS price, 'c' AS shop"];
    let (code, said) = desk.refused(&bad);
    assert!(code == 10 && said.contains("constraint"), "{said}");
    let script = "
try:
    write_deltalake(path, pa.table({'id': [5], 'price': [-5], 'shop': ['x']}), mode='append')
    print('written')
except Exception as e:
    print('refused')
print(DeltaTable(path).metadata().configuration)";
    assert_eq!(
        desk.wheel.run(&desk.path("prices"), script),
        "refused\n{'delta.constraints.positive': 'price > 0'}"
    );
    desk.orbit(&["delta", "drop-constraint", "drop.prices", "positive"]);
    desk.orbit(&bad);
}

fn changes_are_told(desk: &Desk) {
    desk.prices();
    assert_eq!(desk.refused(&["delta", "changes", "drop.prices", "--since", "0"]).0, 4);
    desk.orbit(&["delta", "set", "drop.prices", "delta.enableChangeDataFeed=true"]);
    desk.orbit(&["delta", "update", "drop.prices", "--where", "id = 1", "--assign", "price = 11"]);
    desk.orbit(&["delta", "delete", "drop.prices", "--where", "id = 3"]);
    let ours = desk.orbit(&["delta", "changes", "drop.prices", "--since", "2", "-F", "ndjson"]);
    let mut ours: Vec<_> = ours
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["_commit_version"],
                row["_change_type"].as_str().unwrap(),
                row["id"],
                row["price"]
            )
        })
        .collect();
    ours.sort();
    let script = "
found = DeltaTable(path).load_cdf(starting_version=2).read_all()
found = pa.table(found).to_pylist()
print('\\n'.join(sorted(f\"{r['_commit_version']} {r['_change_type']} {r['id']} {r['price']}\" for r in found)))";
    assert_eq!(ours.join("\n"), desk.wheel.run(&desk.path("prices"), script));
    assert_eq!(ours.len(), 3);
    let to_file = ["delta", "changes", "drop.prices", "--since", "2", "--output", "drop:told.csv"];
    desk.orbit(&to_file);
    assert_eq!(desk.orbit(&["cat", "drop:told.csv"]).lines().count(), 4);
    assert_eq!(desk.refused(&to_file).0, 11);
    desk.orbit(&["delta", "set", "drop.prices", "delta.enableChangeDataFeed=false"]);
    desk.orbit(&["delta", "update", "drop.prices", "--where", "id = 1", "--assign", "price = 12"]);
    for since in ["2", "5"] {
        let (code, said) = desk.refused(&["delta", "changes", "drop.prices", "--since", since]);
        assert!(code == 4 && said.contains("did not record its changes in version 5"), "{said}");
    }
}
