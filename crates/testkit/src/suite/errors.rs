//! Errors are of the right kind, made for people, and the same with layers around.

use arrow_array::Int64Array;
use orbit_core::{
    CompareOp, Copy, Datasource, Describe, Effect, Error, ErrorKind, Literal, Predicate, Query,
    Read, ReadRanges, Result, Retry, SortKey, Stat, TableRef, WriteCondition, WriteEffect,
};
use std::sync::Arc;

use super::check::{equal, fails, gather};
use super::probe::{PROBES, Setting};
use super::{ensure, group};
use crate::bench::{Bench, DATASOURCE, Mode};
use crate::subject::{Stop, Verdict, connect};

group! { "errors":
    missing_table_is_not_found ["sql.query"];
    missing_column_is_refused ["sql.query"];
    misfit_literal_is_refused ["sql.query.predicate"];
    broken_statement_is_invalid ["sql.statement"];
    failures_name_the_datasource [];
    layers_change_no_error [];
    texts_are_for_people [];
    refused_settings_say_why [];
    closed_answers_unavailable [];
}

async fn answered(bench: &Bench, query: Query) -> Verdict<Result<usize>> {
    let answered = match bench.sql()?.query(&bench.cx(), query).await {
        Ok(stream) => gather(stream).await,
        Err(error) => Err(error),
    };
    Ok(answered.map(|rows| rows.num_rows()))
}

async fn suite_query(bench: &Bench) -> Verdict<Query> {
    let rows = bench.sql_fixture().await?.rows.as_ref();
    let (table, _) = rows.ok_or_else(|| Stop::failed("the fixture lacks the suite's table"))?;
    Ok(Query::table(TableRef::new(table.clone())))
}

async fn missing_table_is_not_found(bench: &Bench) -> Verdict {
    let table = bench.table("missing").await?;
    let name = table.table().to_owned();
    let error = answered(bench, Query::table(TableRef::new(table))).await?;
    let error = fails(error, &[ErrorKind::NotFound])?;
    ensure!(error.to_string().contains(&name), "the error does not name {name}: {error}");
    Ok(())
}

async fn missing_column_is_refused(bench: &Bench) -> Verdict {
    let kinds = [ErrorKind::QueryInvalid, ErrorKind::NotFound];
    let column = "behaviour_missing".to_owned();
    let columns = Some(vec![column.clone()]);
    fails(answered(bench, Query { columns, ..suite_query(bench).await? }).await?, &kinds)?;
    let claims = bench.claims();
    if claims.has("sql.query.predicate") {
        let predicate = Some(Predicate::IsNull { column: column.clone(), negated: false });
        fails(answered(bench, Query { predicate, ..suite_query(bench).await? }).await?, &kinds)?;
    }
    if claims.has("sql.query.order") {
        let order = vec![SortKey { column, descending: false, nulls_first: false }];
        fails(answered(bench, Query { order, ..suite_query(bench).await? }).await?, &kinds)?;
    }
    Ok(())
}

async fn misfit_literal_is_refused(bench: &Bench) -> Verdict {
    let number = Literal::new(Arc::new(Int64Array::from(vec![1])))?;
    let predicate = Some(Predicate::compare("day", CompareOp::Eq, number));
    let answered = answered(bench, Query { predicate, ..suite_query(bench).await? }).await?;
    let kinds = [ErrorKind::QueryInvalid, ErrorKind::Unsupported, ErrorKind::DataInvalid];
    fails(answered, &kinds).map(drop)
}

async fn broken_statement_is_invalid(bench: &Bench) -> Verdict {
    let query = Query::statement("SELEKT behaviour FROM", Effect::Read);
    fails(answered(bench, query).await?, &[ErrorKind::QueryInvalid]).map(drop)
}

/// Calls that fail on any source, and their errors; each must fail.
async fn failures(
    bench: &Bench,
    datasource: &dyn Datasource,
) -> Verdict<Vec<(&'static str, Error)>> {
    let mut errors = Vec::new();
    if let Some(sql) = datasource.facets().sql {
        let table = TableRef::new(bench.table("missing").await?);
        let answer = sql.query(&bench.cx(), Query::table(table.clone())).await.map(drop);
        errors.push(("a query of a missing table", answer));
        let answer = sql.describe(&bench.cx(), Describe::from(table)).await.map(drop);
        errors.push(("a description of a missing table", answer));
    }
    if let Some(files) = datasource.facets().files {
        let cx = bench.cx();
        let key = bench.key("missing");
        errors.push(("a stat", files.stat(&cx, Stat { key: key.clone() }).await.map(drop)));
        let read = Read { key: key.clone(), range: None, if_match: None };
        errors.push(("a read", files.read(&cx, read).await.map(drop)));
        let read = ReadRanges { key: key.clone(), ranges: vec![0..1, 1..2], if_match: None };
        errors.push(("a read of ranges", files.read_ranges(&cx, read).await.map(drop)));
        let copy =
            Copy { from: key.clone(), to: bench.key("to"), condition: WriteCondition::Always };
        errors.push(("a copy", files.copy(&cx, copy).await));
    }
    let failed = |(what, answer): (&'static str, Result<()>)| match answer {
        Err(error) => Ok((what, error)),
        Ok(()) => Err(Stop::failed(format!("{what} of nothing does not fail"))),
    };
    errors.into_iter().map(failed).collect()
}

async fn failures_name_the_datasource(bench: &Bench) -> Verdict {
    let expected = match bench.mode {
        Mode::Bare => None,
        Mode::Layered => Some(DATASOURCE),
    };
    for (what, error) in failures(bench, bench.datasource.as_ref()).await? {
        equal(&format!("the datasource of {what}"), &error.datasource(), &expected)?;
        if bench.mode == Mode::Layered {
            ensure!(error.operation().is_some(), "{what} does not tell its operation: {error:?}");
        }
    }
    Ok(())
}

/// What a caller acts on.
type Essence = (
    ErrorKind,
    String,
    Option<Retry>,
    Option<WriteEffect>,
    Option<String>,
    Option<String>,
    Vec<(&'static str, String)>,
);

fn essence(error: &Error) -> Essence {
    // Whoever repeats and gives up says so, hence only what can be repeated may differ.
    let retry = (error.retry() == Retry::Never).then_some(Retry::Never);
    let fields = error.context().map(|(name, value)| (name, value.to_owned())).collect();
    (
        error.kind(),
        error.message().to_owned(),
        retry,
        error.write_effect(),
        error.vendor_code().map(str::to_owned),
        error.hint().map(str::to_owned),
        fields,
    )
}

async fn layers_change_no_error(bench: &Bench) -> Verdict {
    let bare = failures(bench, bench.bare.as_ref()).await?;
    let own = failures(bench, bench.datasource.as_ref()).await?;
    for ((what, bare), (_, own)) in bare.iter().zip(&own) {
        equal(what, &essence(own), &essence(bare))?;
    }
    Ok(())
}

async fn texts_are_for_people(bench: &Bench) -> Verdict {
    for (what, error) in failures(bench, bench.datasource.as_ref()).await? {
        let text = error.message();
        ensure!(!text.is_empty(), "{what} has no text");
        ensure!(!text.ends_with(['.', '!', '\n']), "{what} ends in a stop: {text}");
        let mut letters = text.chars();
        let shouted = letters.next().is_some_and(char::is_uppercase)
            && letters.next().is_some_and(char::is_lowercase);
        ensure!(!shouted, "{what} begins with a capital letter: {text}");
        ensure!(error.kind() != ErrorKind::Unexpected, "{what} is unexpected: {error:?}");
    }
    Ok(())
}

async fn refused_settings_say_why(bench: &Bench) -> Verdict {
    let fixture = bench.fixture().await?;
    if fixture.refused.is_empty() {
        return Err(Stop::ignored("the fixture has no settings that are refused"));
    }
    for (settings, kind) in &fixture.refused {
        let cx = bench.cx();
        let refused = match connect(bench.subject().backend, &cx, settings).await {
            Ok(datasource) => datasource.ping(&cx).await,
            Err(error) => Err(error),
        };
        fails(refused, &[*kind])?;
    }
    Ok(())
}

async fn closed_answers_unavailable(bench: &Bench) -> Verdict {
    let datasource = bench.fresh().await?;
    datasource.ping(&bench.cx()).await?;
    datasource.close().await?;
    datasource.close().await?;
    fails(datasource.ping(&bench.cx()).await, &[ErrorKind::Unavailable])?;
    let claims = bench.claims();
    let cx = bench.cx();
    for probe in PROBES.iter().filter(|p| claims.has(p.claim)) {
        let setting = Setting::new(bench, "closed", datasource.as_ref(), &cx).await?;
        let closed = fails((probe.call)(&setting).await, &[ErrorKind::Unavailable]);
        ensure!(closed.is_ok(), "{} after closing: {closed:?}", probe.claim);
    }
    Ok(())
}
