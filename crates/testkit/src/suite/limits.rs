//! Limits hold: of time, of sets, of names, of pages.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use orbit_core::{
    Context, Delete, ErrorKind, FileEntry, ListFiles, Predicate, Query, TableName, TableRef, Write,
    WriteCondition,
};
use tokio_util::sync::CancellationToken;

use super::check::{equal, fails, gather};
use super::probe::{PROBES, Setting};
use super::rows::same_rows;
use super::{ensure, group};
use crate::bench::Bench;
use crate::reference::answer;
use crate::subject::{Stop, Verdict};

/// More than the page of any store, which is 1,000 keys with most.
const MANY_KEYS: usize = 1050;
const PAGE_ENTRIES_MAX: usize = 10_000;
const WRITES_AT_ONCE: usize = 16;

group! { "limits":
    ended_context_does_nothing [];
    largest_set_is_applied ["sql.query.predicate.in_values_max"];
    larger_set_is_right_or_refused ["sql.query.predicate.in_values_max"];
    long_names_are_answered ["sql.query"];
    many_keys_come_by_pages ["files.read", "files.write", "files.delete"];
}

/// Every call under a context that ended before it.
async fn ended_context_does_nothing(bench: &Bench) -> Verdict {
    let token = CancellationToken::new();
    token.cancel();
    let cancelled = Context::builder().cancellation(token).build();
    let late = Context::builder().timeout(Duration::ZERO).build();
    let claims = bench.claims();
    for (cx, kind) in [(&cancelled, ErrorKind::Cancelled), (&late, ErrorKind::Timeout)] {
        fails(bench.datasource.ping(cx).await, &[kind])?;
        for probe in PROBES.iter().filter(|p| claims.has(p.claim)) {
            let setting = Setting::new(bench, "ended", bench.datasource.as_ref(), cx).await?;
            let ended = fails((probe.call)(&setting).await, &[kind]);
            ensure!(ended.is_ok(), "{}: {ended:?}", probe.claim);
        }
    }
    Ok(())
}

/// `id` is one of `count` values, most of which are not there.
async fn within_set(bench: &Bench, count: usize) -> Verdict<orbit_core::Result<()>> {
    let rows = bench.sql_fixture().await?.rows.as_ref();
    let (table, rows) = rows.ok_or_else(|| Stop::failed("the fixture lacks the suite's table"))?;
    let values: ArrayRef = Arc::new((0..count as i64).map(|i| i * 7).collect::<Int64Array>());
    let predicate = Predicate::In { column: "id".to_owned(), values, negated: false };
    let table = TableRef::new(table.clone());
    let query = Query { predicate: Some(predicate), ..Query::table(table) };
    let expected = answer(&query, rows)?;
    let answered = match bench.sql()?.query(&bench.cx(), query).await {
        Ok(stream) => gather(stream).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(got) => same_rows(&got, &expected, false).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

async fn largest_set_is_applied(bench: &Bench) -> Verdict {
    let most = bench.claims().level("sql.query.predicate.in_values_max");
    Ok(within_set(bench, most).await??)
}

async fn larger_set_is_right_or_refused(bench: &Bench) -> Verdict {
    let most = bench.claims().level("sql.query.predicate.in_values_max");
    match within_set(bench, most + 1).await? {
        Ok(()) => Ok(()),
        Err(error) => fails::<()>(Err(error), &[ErrorKind::Unsupported]).map(drop),
    }
}

async fn long_names_are_answered(bench: &Bench) -> Verdict {
    let longest = bench.sql()?.dialect().limits.identifier_bytes_max;
    let parent = bench.sql_fixture().await?.parent.clone();
    let table = TableName::new(parent.into_iter().chain(["n".repeat(longest + 1)]));
    let answered = bench.sql()?.query(&bench.cx(), Query::table(TableRef::new(table))).await;
    let kinds = [ErrorKind::NotFound, ErrorKind::QueryInvalid];
    fails(answered, &kinds).map(drop)
}

async fn many_keys_come_by_pages(bench: &Bench) -> Verdict {
    let (files, cx) = (bench.files()?, bench.cx());
    let keys: Vec<_> = (0..MANY_KEYS).map(|i| bench.key(&format!("many/{i:05}"))).collect();
    let write = |key: &String| {
        let request = Write::bytes(key, Bytes::from_static(b"x"), WriteCondition::Always);
        let cx = &cx;
        async move { files.write(cx, request).await }
    };
    let writes: Vec<_> = keys.iter().map(write).collect();
    stream::iter(writes)
        .buffer_unordered(WRITES_AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let request = ListFiles { prefix: bench.key("many/"), ..ListFiles::default() };
    let mut pages = files.list(&cx, request.clone()).await?;
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page?;
        ensure!(page.len() <= PAGE_ENTRIES_MAX, "a page holds {} entries", page.len());
        listed.extend(page.into_iter().filter_map(|entry| match entry {
            FileEntry::File(info) => Some(info.key),
            FileEntry::Prefix(_) => None,
        }));
    }
    equal("the keys listed", &listed, &keys)?;
    let outcomes = files.delete(&cx, Delete { keys: keys.clone() }).await?;
    let deleted: Vec<_> = outcomes.iter().map(|o| o.key.clone()).collect();
    equal("the keys deleted", &deleted, &keys)?;
    let failed = outcomes.iter().find(|o| o.result.is_err());
    ensure!(failed.is_none(), "a delete failed: {failed:?}");
    let left = files.list(&cx, request).await?.try_concat().await?;
    ensure!(left.is_empty(), "{} keys are left", left.len());
    Ok(())
}
