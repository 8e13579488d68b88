//! Rows that are written are there, whole or not at all, and once.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use futures::{StreamExt, stream};
use orbit_core::{
    BatchStream, Context, Effect, Error, ErrorKind, Insert, InsertMode, InsertOutcome, Query,
    Result, TableName, TableRef, WriteEffect,
};
use tokio_util::sync::CancellationToken;

use super::check::{equal, fails, gather};
use super::rows::same_rows;
use super::{ensure, group};
use crate::bench::Bench;
use crate::subject::{Stop, Verdict};
use crate::tables::{TYPES, types};

group! { "write":
    create_then_append ["sql.insert.create", "sql.query"];
    create_refuses_what_exists ["sql.insert.create", "sql.query"];
    overwrite_replaces ["sql.insert.create", "sql.insert.overwrite", "sql.query"];
    append_needs_a_table ["sql.insert"];
    no_rows_are_written_too ["sql.insert.create", "sql.query"];
    every_type_comes_back ["sql.insert.create", "sql.query"];
    other_columns_are_refused ["sql.insert.create", "sql.query"];
    broken_rows_leave_nothing ["sql.insert.create", "sql.insert.atomic", "sql.query"];
    cancelled_write_leaves_nothing ["sql.insert.create", "sql.insert.atomic", "sql.query"];
    same_key_is_written_once ["sql.insert.create", "sql.insert.idempotency_key", "sql.query"];
    statement_tells_the_rows_it_changed ["sql.statement.write"];
    unknown_effect_is_a_write ["sql.statement.write"];
}

fn rows(ids: std::ops::Range<i64>) -> Verdict<RecordBatch> {
    let names: StringArray = ids.clone().map(|i| (i % 3 != 0).then(|| format!("n{i}"))).collect();
    let id: ArrayRef = Arc::new(ids.collect::<Int64Array>());
    let columns = [("id", id), ("name", Arc::new(names) as ArrayRef)];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .map_err(|e| Stop::failed(e.to_string()))
}

fn joined(parts: &[RecordBatch]) -> Verdict<RecordBatch> {
    let schema = parts.first().map(RecordBatch::schema);
    let schema = schema.ok_or_else(|| Stop::failed("nothing to join"))?;
    Ok(crate::reference::one_batch(&schema, parts)?)
}

async fn put(
    bench: &Bench,
    table: &TableName,
    mode: InsertMode,
    rows: &RecordBatch,
) -> Verdict<Result<InsertOutcome>> {
    let halves = rows.num_rows() / 2;
    let batches = vec![rows.slice(0, halves), rows.slice(halves, rows.num_rows() - halves)];
    let rows = BatchStream::from_batches(rows.schema(), batches);
    let request = Insert { table: table.clone(), mode, rows, idempotency_key: None };
    Ok(bench.sql()?.insert(&bench.cx(), request).await)
}

async fn holds(bench: &Bench, table: &TableName, expected: &RecordBatch) -> Verdict {
    let query = Query::table(TableRef::new(table.clone()));
    let got = gather(bench.sql()?.query(&bench.cx(), query).await?).await?;
    same_rows(&got, expected, false)
}

async fn is_missing(bench: &Bench, table: &TableName) -> Verdict {
    let query = Query::table(TableRef::new(table.clone()));
    fails(bench.sql()?.query(&bench.cx(), query).await, &[ErrorKind::NotFound]).map(drop)
}

async fn create_then_append(bench: &Bench) -> Verdict {
    let table = bench.table("append").await?;
    let (first, second) = (rows(0..50)?, rows(50..70)?);
    let outcome = put(bench, &table, InsertMode::Create, &first).await??;
    equal("rows created", &outcome, &InsertOutcome { rows_written: 50, rows_rejected: 0 })?;
    let outcome = put(bench, &table, InsertMode::Append, &second).await??;
    equal("rows appended", &outcome, &InsertOutcome { rows_written: 20, rows_rejected: 0 })?;
    holds(bench, &table, &joined(&[first, second])?).await
}

async fn create_refuses_what_exists(bench: &Bench) -> Verdict {
    let table = bench.table("create").await?;
    let first = rows(0..5)?;
    put(bench, &table, InsertMode::Create, &first).await??;
    let again = put(bench, &table, InsertMode::Create, &rows(5..9)?).await?;
    let error = fails(again, &[ErrorKind::AlreadyExists])?;
    equal("its effect", &error.write_effect(), &Some(WriteEffect::None))?;
    holds(bench, &table, &first).await
}

async fn overwrite_replaces(bench: &Bench) -> Verdict {
    let table = bench.table("overwrite").await?;
    put(bench, &table, InsertMode::Create, &rows(0..30)?).await??;
    let second = rows(100..103)?;
    put(bench, &table, InsertMode::Overwrite, &second).await??;
    holds(bench, &table, &second).await
}

async fn append_needs_a_table(bench: &Bench) -> Verdict {
    let table = bench.table("absent").await?;
    let answer = put(bench, &table, InsertMode::Append, &rows(0..3)?).await?;
    let error = fails(answer, &[ErrorKind::NotFound])?;
    equal("its effect", &error.write_effect(), &Some(WriteEffect::None))
}

async fn no_rows_are_written_too(bench: &Bench) -> Verdict {
    let table = bench.table("empty").await?;
    let none = rows(0..0)?;
    let outcome = put(bench, &table, InsertMode::Create, &none).await??;
    equal("rows created", &outcome, &InsertOutcome::default())?;
    put(bench, &table, InsertMode::Append, &none).await??;
    holds(bench, &table, &none).await
}

/// The table must hold these values; a source without a type as narrow may widen it.
async fn keeps(bench: &Bench, table: &TableName, expected: &RecordBatch) -> Verdict {
    let query = Query::table(TableRef::new(table.clone()));
    let got = gather(bench.sql()?.query(&bench.cx(), query).await?).await?;
    let schema = expected.schema();
    let narrowed = got.columns().iter().zip(schema.fields()).map(|(array, field)| {
        let (kept, wanted) = (array.data_type(), field.data_type());
        let wider = kept.is_numeric() && wanted.is_numeric()
            || matches!((kept, wanted), (DataType::Time64(_), DataType::Time64(_)));
        let options = CastOptions { safe: false, ..CastOptions::default() };
        match wider {
            true => cast_with_options(array, wanted, &options),
            false => Ok(Arc::clone(array)),
        }
    });
    let names = got.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    let narrowed = narrowed.collect::<std::result::Result<Vec<_>, _>>();
    let narrowed = narrowed.map_err(|e| Stop::failed(e.to_string()))?;
    let narrowed = RecordBatch::try_from_iter(names.into_iter().zip(narrowed))
        .map_err(|e| Stop::failed(e.to_string()))?;
    same_rows(&narrowed, expected, false)
}

/// A type that the source cannot keep is refused by name, and nothing is there then.
async fn every_type_comes_back(bench: &Bench) -> Verdict {
    for case in TYPES {
        let table = bench.table(&format!("type_{case}")).await?;
        let rows = types(case)?;
        match put(bench, &table, InsertMode::Create, &rows).await? {
            Ok(_) => {
                let kept = keeps(bench, &table, &rows).await;
                ensure!(kept.is_ok(), "{case}: {kept:?}");
            }
            Err(error) => {
                let refused = fails::<()>(Err(error), &[ErrorKind::Unsupported]);
                ensure!(refused.is_ok(), "{case}: {refused:?}");
                is_missing(bench, &table).await?;
            }
        }
    }
    Ok(())
}

async fn other_columns_are_refused(bench: &Bench) -> Verdict {
    let table = bench.table("columns").await?;
    let first = rows(0..4)?;
    put(bench, &table, InsertMode::Create, &first).await??;
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let other = RecordBatch::try_from_iter([("behaviour_other", other)])
        .map_err(|e| Stop::failed(e.to_string()))?;
    let answer = put(bench, &table, InsertMode::Append, &other).await?;
    let kinds = [ErrorKind::DataInvalid, ErrorKind::QueryInvalid, ErrorKind::NotFound];
    let error = fails(answer, &kinds)?;
    equal("its effect", &error.write_effect(), &Some(WriteEffect::None))?;
    holds(bench, &table, &first).await
}

async fn broken_rows_leave_nothing(bench: &Bench) -> Verdict {
    let table = bench.table("broken").await?;
    let first = rows(0..4)?;
    put(bench, &table, InsertMode::Create, &first).await??;
    let fault = Error::new(ErrorKind::DataInvalid, "the behaviour suite breaks these rows");
    let items = vec![Ok(rows(10..20)?), Err(fault)];
    let rows = BatchStream::new(first.schema(), stream::iter(items));
    let request =
        Insert { table: table.clone(), mode: InsertMode::Append, rows, idempotency_key: None };
    let answer = bench.sql()?.insert(&bench.cx(), request).await;
    let error = fails(answer, &[ErrorKind::DataInvalid])?;
    equal("its effect", &error.write_effect(), &Some(WriteEffect::None))?;
    holds(bench, &table, &first).await
}

async fn cancelled_write_leaves_nothing(bench: &Bench) -> Verdict {
    let table = bench.table("cancelled").await?;
    let first = rows(0..4)?;
    put(bench, &table, InsertMode::Create, &first).await??;
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let endless = stream::iter([Ok(rows(10..20)?)]).chain(stream::pending());
    let rows = BatchStream::new(first.schema(), endless);
    let request =
        Insert { table: table.clone(), mode: InsertMode::Append, rows, idempotency_key: None };
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel();
    };
    let (answer, ()) = tokio::join!(bench.sql()?.insert(&cx, request), cancel);
    let error = fails(answer, &[ErrorKind::Cancelled])?;
    ensure!(error.write_effect().is_some(), "it does not tell what was written: {error:?}");
    holds(bench, &table, &first).await
}

async fn same_key_is_written_once(bench: &Bench) -> Verdict {
    let table = bench.table("keyed").await?;
    let first = rows(0..4)?;
    put(bench, &table, InsertMode::Create, &first).await??;
    let more = rows(4..9)?;
    let key = format!("behaviour-{table}");
    for key in [&key, &key] {
        let request = Insert {
            table: table.clone(),
            mode: InsertMode::Append,
            rows: BatchStream::from_batches(more.schema(), vec![more.clone()]),
            idempotency_key: Some(key.clone()),
        };
        bench.sql()?.insert(&bench.cx(), request).await?;
    }
    holds(bench, &table, &joined(&[first, more])?).await
}

async fn statement_tells_the_rows_it_changed(bench: &Bench) -> Verdict {
    let Some((text, rows)) = &bench.sql_fixture().await?.statements.write else {
        return Err(Stop::ignored("the fixture has no statement that writes"));
    };
    let stream = bench.sql()?.query(&bench.cx(), Query::statement(text, Effect::Write)).await?;
    let summary = stream.summary_handle();
    let answer = gather(stream).await?;
    equal("its columns", &answer.num_columns(), &0)?;
    equal("its rows", &answer.num_rows(), &0)?;
    equal("rows changed", &summary.get().rows_affected, &Some(*rows))
}

/// A statement of unknown effect is treated as a write, which this datasource allows.
async fn unknown_effect_is_a_write(bench: &Bench) -> Verdict {
    let Some((text, rows)) = &bench.sql_fixture().await?.statements.write else {
        return Err(Stop::ignored("the fixture has no statement that writes"));
    };
    let stream = bench.sql()?.query(&bench.cx(), Query::statement(text, Effect::Unknown)).await?;
    let summary = stream.summary_handle();
    gather(stream).await?;
    equal("rows changed", &summary.get().rows_affected, &Some(*rows))
}
