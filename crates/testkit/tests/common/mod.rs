//! A scripted source that has all that the suite asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use orbit_core::{Effect, ErrorKind, Query, TableName, TableRef, Version};
use orbit_testkit::scripted::{Builder, Scripted, Statement};
use orbit_testkit::{Fixture, SqlFixture, Statements, Stop, Verdict, settings, tables};

const READ: &str = "SELECT 1 AS one";
const PARAMETERS: &str = "SELECT $1 AS one";
const WRITE: &str = "DELETE FROM done";
const TWO_RESULTS: &str = "SELECT 1; SELECT 2";
const SLOW: &str = "SELECT sleep(60)";

fn one() -> Verdict<RecordBatch> {
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    RecordBatch::try_from_iter([("one", one)]).map_err(|e| Stop::failed(e.to_string()))
}

fn with_tables(mut builder: Builder, fixture: &mut SqlFixture) -> Verdict<Builder> {
    let rows = tables::rows()?;
    let name = ["main", "Behaviour Rows"];
    let old = rows.slice(0, 10);
    builder = builder.table(name, old.clone()).table(name, rows.clone());
    let table = TableName::new(name);
    let before = TableRef { name: table.clone(), version: Some(Version::Number(0)) };
    fixture.old_state = Some((before, old));
    fixture.rows = Some((table, rows));
    for case in tables::TYPES {
        let name = ["main", case];
        let rows = tables::types(case)?;
        builder = builder.table(name, rows.clone());
        fixture.types.insert(*case, (TableName::new(name), rows));
    }
    Ok(builder)
}

/// The source, with the suite's tables and statements.
pub(crate) fn fixture() -> Verdict<Fixture> {
    let mut sql = SqlFixture {
        parent: vec!["main".to_owned()],
        types: BTreeMap::new(),
        statements: Statements {
            read: Some((READ.to_owned(), one()?)),
            parameters: Some((PARAMETERS.to_owned(), one()?)),
            write: Some((WRITE.to_owned(), 3)),
            two_results: Some(TWO_RESULTS.to_owned()),
        },
        ..SqlFixture::default()
    };
    let source = with_tables(Scripted::builder(), &mut sql)?
        .statement(READ, Statement::Rows(one()?))
        .statement(PARAMETERS, Statement::Parameters(one()?.schema()))
        .statement(WRITE, Statement::Affects(3))
        .statement(TWO_RESULTS, Statement::TwoResults)
        .statement(SLOW, Statement::Endless(one()?))
        .build();
    let watched = source.clone();
    sql.slow = Some((
        Query::statement(SLOW, Effect::Read),
        Box::new(move || {
            let running = watched.running_on(SLOW) as u64;
            Box::pin(async move { Ok(running) })
        }),
    ));
    let nowhere = settings::texts([("source", u64::MAX.to_string())]);
    Ok(Fixture {
        server: "memory".to_owned(),
        settings: source.settings(),
        refused: vec![(nowhere, ErrorKind::ConfigInvalid)],
        sql: Some(sql),
        guard: Box::new(source),
    })
}
