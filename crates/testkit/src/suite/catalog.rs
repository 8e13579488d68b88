//! Tables are listed by pages, found by name, and described as they are read.

use arrow_schema::SchemaRef;
use orbit_core::{
    Context, Describe, Effect, ErrorKind, EstimateQuality, ListTables, Query, TableDescription,
    TableName, TableRef, Wake,
};

use super::check::{equal, fails, gather};
use super::{ensure, group};
use crate::bench::{Bench, TRIAL_TIMEOUT};
use crate::subject::{SqlFixture, Stop, Verdict};

const PAGES_MAX: usize = 10_000;

group! { "catalog":
    pages_hold_every_table_once ["sql.list"];
    parent_and_name_filter ["sql.list"];
    name_filter_takes_no_wildcards ["sql.list"];
    lists_without_waking ["sql.list.without_waking"];
    describe_is_the_schema_of_the_query ["sql.describe", "sql.query"];
    describe_of_columns_is_theirs ["sql.describe", "sql.query"];
    describe_tells_the_statistics ["sql.describe.statistics"];
    describe_without_waking ["sql.describe.without_waking"];
    statement_is_described ["sql.describe.statement", "sql.statement"];
    missing_table_is_not_found ["sql.describe"];
}

/// Every table of the fixture.
fn own_tables(fixture: &SqlFixture) -> Vec<&TableName> {
    let types = fixture.types.values().map(|(table, _)| table);
    fixture.rows.iter().map(|(table, _)| table).chain(types).collect()
}

async fn list(bench: &Bench, request: ListTables) -> Verdict<Vec<TableName>> {
    list_with(bench, &bench.cx(), request).await
}

async fn list_with(
    bench: &Bench,
    cx: &Context,
    mut request: ListTables,
) -> Verdict<Vec<TableName>> {
    let mut names = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = bench.sql()?.list(cx, request.clone()).await?;
        let most = request.page_size_max.unwrap_or(usize::MAX);
        ensure!(page.tables.len() <= most, "a page holds {} of {most}", page.tables.len());
        names.extend(page.tables.into_iter().map(|t| t.name));
        match page.next_page {
            Some(next) => request.page = Some(next),
            None => return Ok(names),
        }
    }
    Err(Stop::failed(format!("no end after {PAGES_MAX} pages")))
}

async fn pages_hold_every_table_once(bench: &Bench) -> Verdict {
    let fixture = bench.sql_fixture().await?;
    for page_size_max in [Some(1), Some(2), None] {
        let parent = fixture.parent.clone();
        let listed =
            list(bench, ListTables { parent, page_size_max, ..Default::default() }).await?;
        for table in own_tables(fixture) {
            let times = listed.iter().filter(|t| *t == table).count();
            ensure!(times == 1, "{table} is listed {times} times by pages of {page_size_max:?}");
        }
    }
    Ok(())
}

async fn parent_and_name_filter(bench: &Bench) -> Verdict {
    let fixture = bench.sql_fixture().await?;
    let Some((table, _)) = &fixture.rows else { return Ok(()) };
    let name = table.table();
    let (_, part) = name.split_at(name.len() / 3);
    for name_contains in [part.to_uppercase(), part.to_lowercase()] {
        let request = ListTables {
            parent: table.parent().to_vec(),
            name_contains: Some(name_contains.clone()),
            ..ListTables::default()
        };
        let listed = list(bench, request).await?;
        ensure!(listed.contains(table), "{table} is not found by {name_contains}");
        let fits = |t: &TableName| t.table().to_lowercase().contains(&part.to_lowercase());
        let stray = listed.iter().find(|t| !fits(t) || !t.parent().starts_with(table.parent()));
        ensure!(stray.is_none(), "{stray:?} does not contain {name_contains}");
    }
    if table.parent().is_empty() {
        return Ok(());
    }
    let parent = vec!["behaviour_no_such_parent".to_owned()];
    let elsewhere = list(bench, ListTables { parent, ..ListTables::default() }).await;
    ensure!(
        elsewhere.as_ref().map_or(true, Vec::is_empty),
        "a parent that does not exist holds {elsewhere:?}"
    );
    Ok(())
}

async fn name_filter_takes_no_wildcards(bench: &Bench) -> Verdict {
    let parent = bench.sql_fixture().await?.parent.clone();
    for name_contains in ["%", "'", "\\", "*"] {
        let request = ListTables {
            parent: parent.clone(),
            name_contains: Some(name_contains.to_owned()),
            ..ListTables::default()
        };
        let listed = list(bench, request).await?;
        let stray = listed.iter().find(|t| !t.table().contains(name_contains));
        ensure!(stray.is_none(), "{stray:?} does not contain {name_contains}");
    }
    Ok(())
}

fn sleeping() -> Context {
    Context::builder().wake(Wake::Forbidden).timeout(TRIAL_TIMEOUT).build()
}

async fn lists_without_waking(bench: &Bench) -> Verdict {
    let parent = bench.sql_fixture().await?.parent.clone();
    let request = ListTables { parent, ..ListTables::default() };
    list_with(bench, &sleeping(), request).await.map(drop)
}

async fn describe_without_waking(bench: &Bench) -> Verdict {
    for table in own_tables(bench.sql_fixture().await?) {
        let request = Describe::from(TableRef::new(table.clone()));
        bench.sql()?.describe(&sleeping(), request).await?;
    }
    Ok(())
}

async fn describe(bench: &Bench, query: Query) -> Verdict<TableDescription> {
    Ok(bench.sql()?.describe(&bench.cx(), Describe { query }).await?)
}

/// A description says the same twice: as Arrow's schema and by columns.
fn consistent(what: &str, described: &TableDescription, schema: &SchemaRef) -> Verdict {
    equal(&format!("the schema of {what}"), &described.schema, schema)?;
    let columns: Vec<_> = described.columns.iter().map(|c| (&c.name, &c.data_type)).collect();
    let fields: Vec<_> = schema.fields().iter().map(|f| (f.name(), f.data_type())).collect();
    equal(&format!("the columns of {what}"), &columns, &fields)?;
    let untold = described.columns.iter().find(|c| c.source_type.is_empty());
    ensure!(untold.is_none(), "{untold:?} of {what} has no type at the source");
    Ok(())
}

async fn describe_is_the_schema_of_the_query(bench: &Bench) -> Verdict {
    for table in own_tables(bench.sql_fixture().await?) {
        let query = Query::table(TableRef::new(table.clone()));
        let described = describe(bench, query.clone()).await?;
        let stream = bench.sql()?.query(&bench.cx(), query).await?;
        consistent(&table.to_string(), &described, &stream.schema())?;
        gather(stream).await?;
    }
    Ok(())
}

async fn describe_of_columns_is_theirs(bench: &Bench) -> Verdict {
    let Some((table, _)) = &bench.sql_fixture().await?.rows else { return Ok(()) };
    let columns = Some(vec!["text".to_owned(), "id".to_owned()]);
    let query = Query { columns, ..Query::table(TableRef::new(table.clone())) };
    let described = describe(bench, query.clone()).await?;
    let stream = bench.sql()?.query(&bench.cx(), query).await?;
    consistent("two columns", &described, &stream.schema())
}

async fn describe_tells_the_statistics(bench: &Bench) -> Verdict {
    let Some((table, rows)) = &bench.sql_fixture().await?.rows else { return Ok(()) };
    let described = describe(bench, Query::table(TableRef::new(table.clone()))).await?;
    let statistics = described.statistics;
    ensure!(
        statistics.rows.is_some() || statistics.bytes.is_some(),
        "it claims statistics and tells none"
    );
    let Some(told) = statistics.rows else { return Ok(()) };
    let real = rows.num_rows() as u64;
    match told.quality {
        EstimateQuality::Exact => equal("exact rows", &told.value, &real),
        EstimateQuality::UpperBound => {
            ensure!(told.value >= real, "at most {} rows are told, there are {real}", told.value);
            Ok(())
        }
        EstimateQuality::Guess => Ok(()),
    }
}

async fn statement_is_described(bench: &Bench) -> Verdict {
    let Some((text, _)) = &bench.sql_fixture().await?.statements.read else {
        return Err(Stop::ignored("the fixture has no statement"));
    };
    let query = Query::statement(text, Effect::Read);
    let described = describe(bench, query.clone()).await?;
    let stream = bench.sql()?.query(&bench.cx(), query).await?;
    consistent("the statement", &described, &stream.schema())
}

async fn missing_table_is_not_found(bench: &Bench) -> Verdict {
    let table = bench.table("missing").await?;
    let request = Describe::from(TableRef::new(table.clone()));
    let described = bench.sql()?.describe(&bench.cx(), request).await;
    let error = fails(described, &[ErrorKind::NotFound])?;
    ensure!(error.to_string().contains(table.table()), "the error does not name {table}: {error}");
    Ok(())
}
