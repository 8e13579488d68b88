//! Values come exactly, or not at all.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use orbit_core::{CompareOp, Effect, ErrorKind, Literal, Predicate, Query, SortKey};
use orbit_testkit::servers::RedshiftWire;

use crate::{Attempt, Stage, cx, read, rows, sql, table};

pub(crate) async fn wide_tables_and_long_texts(stage: &Stage) -> Attempt {
    let columns: Vec<_> = (0..1600).map(|i| format!("c{i} smallint")).collect();
    let values: Vec<_> = (0..1600).map(|i| i.to_string()).collect();
    stage
        .prepare(&format!(
            "CREATE TABLE wide ({}); INSERT INTO wide VALUES ({}); \
         CREATE TABLE long AS SELECT repeat('é', 100000000) AS text",
            columns.join(", "),
            values.join(", ")
        ))
        .await;
    let datasource = stage.connect(&[]).await?;
    for query in [table("wide"), Query::statement("SELECT * FROM wide", Effect::Read)] {
        let answer = read(&datasource, query).await?;
        let last = answer.first().map(|b| b.column(1599).as_primitive::<Int16Type>().value(0));
        ensure!(last == Some(1599), "the last of 1,600 columns is {last:?}");
    }
    for query in [table("long"), Query::statement("SELECT * FROM long", Effect::Read)] {
        let answer = read(&datasource, query).await?;
        let bytes = answer.first().map(|b| b.column(0).as_string::<i32>().value(0).len());
        ensure!(bytes == Some(200_000_000), "a text of 200 MB has {bytes:?} bytes");
    }
    Ok(datasource.close().await?)
}

pub(crate) async fn values_that_arrow_cannot_hold(stage: &Stage) -> Attempt {
    let cases = [
        ("date", "infinity"),
        ("timestamp", "-infinity"),
        ("numeric(5,2)", "NaN"),
        ("time", "24:00:00"),
        ("timestamp", "294276-12-31 23:59:59"),
        ("interval", "300000 years 99999999 hours"),
    ];
    let datasource = stage.connect(&[]).await?;
    for (i, (of, value)) in cases.iter().enumerate() {
        stage.prepare(&format!("CREATE TABLE odd{i} AS SELECT '{value}'::{of} AS v")).await;
        let by_text = format!("SELECT * FROM odd{i}");
        for query in [table(&format!("odd{i}")), Query::statement(by_text, Effect::Read)] {
            let kind = read(&datasource, query).await.err().map(|e| e.kind());
            ensure!(kind == Some(ErrorKind::DataInvalid), "{value} as {of} ends as {kind:?}");
        }
    }
    Ok(datasource.close().await?)
}

/// Both ways to read a table answer the same, and as the server writes it.
pub(crate) async fn types_beyond_the_suite(stage: &Stage) -> Attempt {
    stage
        .prepare(
            "CREATE DOMAIN money_of_ours AS numeric(12,3); CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE types AS SELECT 1.5::numeric(38,37) AS a, 0.000100::numeric AS b, \
         '12:34:56.789+02'::timetz AS c, '1 year 2 mons -3 days 04:05:06.5'::interval AS d, \
         '{\"a\": 1}'::json AS e, '0044-03-15 BC'::date AS f, 'ab'::char(4) AS g, \
         '00000000-0000-0000-0000-000000000001'::uuid AS h, ARRAY[1, NULL] AS i, 'ok'::mood AS j, \
         7.125::money_of_ours AS k, 4294967295::oid AS l, 'n'::name AS m, 'x'::\"char\" AS n, \
         '5874897-12-31'::date AS o, 99999999999999999999999999999999999999::numeric(38,0) AS p, \
         -0.01::numeric(4,2) AS q, '10000-01-01 00:00:00+00'::timestamptz AS r",
        )
        .await;
    let datasource = stage.connect(&[]).await?;
    let by_copy = read(&datasource, table("types")).await?;
    let by_text = rows(&datasource, "SELECT * FROM types").await?;
    let shown = |batches: &[RecordBatch]| {
        let batch = batches.first().unwrap();
        let value = |column: &ArrayRef| {
            let text = match column.data_type() {
                arrow_schema::DataType::Timestamp(unit, _) => {
                    let plain = arrow_schema::DataType::Timestamp(*unit, None);
                    let column = arrow_cast::cast(
                        &arrow_cast::cast(column, &arrow_schema::DataType::Int64).unwrap(),
                        &plain,
                    );
                    arrow_cast::display::array_value_to_string(&column.unwrap(), 0)
                }
                _ => arrow_cast::display::array_value_to_string(column, 0),
            };
            text.unwrap()
        };
        let fields = batch.schema();
        let line = |(i, column): (usize, &ArrayRef)| {
            let field = fields.field(i);
            let marker = field.metadata().get("orbit.source_type").cloned().unwrap_or_default();
            format!("{} {} {marker}: {:?}\n", field.name(), field.data_type(), value(column))
        };
        batch.columns().iter().enumerate().map(line).collect::<String>()
    };
    // A type that is made by the test has another number each time.
    insta::with_settings!({ filters => vec![(r"type \d+", "type [number]")] }, {
        insta::assert_snapshot!("types_by_copy", shown(&by_copy));
        insta::assert_snapshot!("types_by_text", shown(&by_text));
    });
    Ok(datasource.close().await?)
}

/// A scale that the driver hides is looked up, or the text is exact; a planned one is kept.
pub(crate) async fn computed_numbers_are_exact(stage: &Stage) -> Attempt {
    stage.prepare("CREATE TABLE prices AS SELECT 1.10::numeric(18,2) AS price").await;
    let datasource = stage.connect(&[]).await?;
    let answer = rows(&datasource, "SELECT price, price / 3 AS third FROM prices").await?;
    let schema = answer.first().ok_or("no row")?.schema();
    let types: Vec<_> = schema.fields().iter().map(|f| f.data_type().to_string()).collect();
    ensure!(types == ["Decimal128(18, 2)", "Utf8"], "the types are {types:?}");
    let planned = |scale| {
        let data_type = arrow_schema::DataType::Decimal128(18, scale);
        let field = arrow_schema::Field::new("price", data_type, true);
        Some(Arc::new(arrow_schema::Schema::new(vec![field])))
    };
    for (scale, fits) in [(2, true), (4, true), (1, true), (0, false)] {
        for query in [table("prices"), Query::statement("SELECT price FROM prices", Effect::Read)] {
            let answer = read(&datasource, Query { schema: planned(scale), ..query }).await;
            ensure!(answer.is_ok() == fits, "scale {scale}: {answer:?}");
        }
    }
    Ok(datasource.close().await?)
}

pub(crate) async fn text_of_other_types_is_compared_as_text(stage: &Stage) -> Attempt {
    stage
        .prepare(
            "CREATE TABLE marked AS SELECT i AS id, ('00000000-0000-0000-0000-00000000000' || i) \
             ::uuid AS u, i::numeric AS n, i::text::char(4) AS c FROM generate_series(1, 9) AS i",
        )
        .await;
    let datasource = stage.connect(&[]).await?;
    let two: ArrayRef = Arc::new(StringArray::from(vec!["2"]));
    let filtered = |column: &str| {
        let value = Literal::new(Arc::clone(&two)).unwrap();
        let predicate = Some(Predicate::compare(column, CompareOp::GtEq, value));
        let order = vec![SortKey { column: "u".to_owned(), descending: true, nulls_first: false }];
        Query { predicate, order, ..table("marked") }
    };
    let answer = read(&datasource, filtered("n")).await?;
    let first = answer.first().map(|b| b.column(2).as_string::<i32>().value(0).to_owned());
    ensure!(first.as_deref() == Some("9"), "the last by its text is {first:?}");
    let kind = read(&datasource, filtered("c")).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Unsupported), "padded text is compared: {kind:?}");
    Ok(datasource.close().await?)
}

/// Text whose collation leaves out letter case and blanks, as Redshift's comparisons may, is
/// compared by its bytes behind the proxy, and not at all before PostgreSQL.
pub(crate) async fn text_is_compared_by_its_bytes(stage: &Stage) -> Attempt {
    stage.prepare_catalog().await;
    stage
        .prepare(
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ka-shifted-ks-level2', \
             deterministic = false); CREATE TABLE loosely (id bigint, name text COLLATE loose); \
             INSERT INTO loosely VALUES (1, 'john'), (2, 'JOHN'), (3, 'john '), (4, NULL)",
        )
        .await;
    let same = stage.counted("SELECT count(*) FROM loosely WHERE name = 'john'").await;
    ensure!(same == 3, "the server takes {same} texts for the same");
    let (name, john) =
        ("name".to_owned(), || Literal::new(Arc::new(StringArray::from(vec!["john"]))));
    let set: ArrayRef = Arc::new(StringArray::from(vec![Some("JOHN"), Some("x")]));
    let like = |pattern: &str| Predicate::Like {
        column: name.clone(),
        pattern: pattern.to_owned(),
        negated: false,
        ignore_case: false,
    };
    let predicates: [(Predicate, Vec<i64>); 6] = [
        (Predicate::compare("name", CompareOp::Eq, john()?), vec![1]),
        (Predicate::compare("name", CompareOp::NotEq, john()?), vec![2, 3]),
        (Predicate::compare("name", CompareOp::Gt, john()?), vec![3]),
        (Predicate::In { column: name.clone(), values: set, negated: false }, vec![2]),
        (like("john%"), vec![1, 3]),
        (like("john"), vec![1]),
    ];
    let proxy = RedshiftWire::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let (wire, plain) =
        (stage.connect(&[("port", port.as_str())]).await?, stage.connect(&[]).await?);
    let by = |column: &str| {
        vec![SortKey { column: column.to_owned(), descending: false, nulls_first: false }]
    };
    for (predicate, expected) in predicates {
        let told = format!("{predicate:?}");
        let query = Query { predicate: Some(predicate), order: by("id"), ..table("loosely") };
        let ids = ids(&read(&wire, query.clone()).await?);
        ensure!(ids == expected, "{ids:?} in place of {expected:?} by {told}");
        let kind = read(&plain, query).await.err().map(|e| e.kind());
        ensure!(kind == Some(ErrorKind::Unsupported), "PostgreSQL compares {told}: {kind:?}");
    }
    let sorted = ids(&read(&wire, Query { order: by("name"), ..table("loosely") }).await?);
    ensure!(sorted == [2, 1, 3, 4], "the order is {sorted:?}");
    wire.close().await?;
    Ok(plain.close().await?)
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

pub(crate) async fn a_dropped_table_is_not_found(stage: &Stage) -> Attempt {
    stage.prepare("CREATE TABLE fleeting (n bigint)").await;
    let datasource = stage.connect(&[]).await?;
    let request = orbit_core::Describe { query: table("fleeting") };
    let schema = Some(sql(&datasource).describe(&cx(), request).await?.schema);
    stage.prepare("DROP TABLE fleeting").await;
    let query = Query { schema: schema.clone(), ..table("fleeting") };
    let kind = read(&datasource, query).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::NotFound), "it is {kind:?}");
    stage.prepare("CREATE TABLE fleeting (n text)").await;
    let kind =
        read(&datasource, Query { schema, ..table("fleeting") }).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::DataInvalid), "another type is {kind:?}");
    let longest = "n".repeat(63);
    stage.prepare(&format!("CREATE TABLE {longest} (n bigint)")).await;
    read(&datasource, table(&longest)).await?;
    let kind = read(&datasource, table(&format!("{longest}n"))).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::NotFound), "a name that is too long is {kind:?}");
    Ok(datasource.close().await?)
}
