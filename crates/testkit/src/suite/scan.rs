//! What is pushed to the source gives what the reference gives: differential trials.

use orbit_core::{
    Describe, Effect, ErrorKind, PartitionRead, Partitions, Predicate, Query, TableRef,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use std::sync::Arc;

use super::check::{equal, fails, gather};
use super::random::{Palette, is_text};
use super::rows::{same_rows, some_of};
use super::{ensure, group};
use crate::bench::Bench;
use crate::reference::{answer, one_batch};
use crate::subject::{Stop, Verdict};

const PREDICATES: u64 = 150;
const ORDERS: u64 = 40;

group! { "scan":
    whole_table ["sql.query"];
    columns_in_the_order_asked ["sql.query"];
    no_columns_count_the_rows ["sql.query"];
    limit_cuts ["sql.query.limit"];
    random_predicates ["sql.query.predicate"];
    random_orders ["sql.query.order"];
    predicate_order_and_limit ["sql.query.predicate", "sql.query.order", "sql.query.limit"];
    sets_and_nulls ["sql.query.predicate.in_values_max"];
    old_state ["sql.query.time_travel"];
    partitions_hold_each_row_once ["sql.partitions"];
    partitions_keep_the_order ["sql.partitions.ordered", "sql.query.order"];
    partitions_are_of_one_snapshot ["sql.partitions.one_snapshot"];
    statement_answers ["sql.statement"];
    parameters_are_bound ["sql.statement.parameters"];
}

/// The suite's table and its rows.
async fn suite_table(bench: &Bench) -> Verdict<(Query, &RecordBatch)> {
    let rows = bench.sql_fixture().await?.rows.as_ref();
    let (table, rows) = rows.ok_or_else(|| Stop::failed("the fixture lacks the suite's table"))?;
    Ok((Query::table(TableRef::new(table.clone())), rows))
}

async fn run(bench: &Bench, query: &Query) -> Verdict<RecordBatch> {
    let stream = bench.sql()?.query(&bench.cx(), query.clone()).await?;
    Ok(gather(stream).await?)
}

/// The source must answer `query` as the reference does.
async fn compared(bench: &Bench, query: &Query, rows: &RecordBatch) -> Verdict {
    let expected = answer(query, rows)?;
    let told = |stop: Stop| match stop {
        Stop::Failed(message) => Stop::Failed(format!("{message}\nof {query:?}")),
        ignored @ Stop::Ignored(_) => ignored,
    };
    let got = run(bench, query).await.map_err(told)?;
    same_rows(&got, &expected, !query.order.is_empty()).map_err(told)
}

async fn palette<'a>(bench: &Bench, query: &Query, rows: &'a RecordBatch) -> Verdict<Palette<'a>> {
    let claims = bench.claims();
    let mut binary = Vec::new();
    if claims.has("sql.describe") {
        let request = Describe { query: query.clone() };
        let described = bench.sql()?.describe(&bench.cx(), request).await?;
        let collated = described.columns.into_iter().filter(|c| c.binary_collation);
        binary.extend(collated.map(|c| c.name));
    }
    let schema = rows.schema();
    let text = |name: &String| schema.field_with_name(name).is_ok_and(is_text);
    binary.retain(text);
    Ok(Palette::new(rows, &claims, binary))
}

async fn whole_table(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    compared(bench, &query, rows).await
}

async fn columns_in_the_order_asked(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let mut names: Vec<_> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    names.reverse();
    for count in [1, 2, names.len()] {
        let columns = Some(names.iter().take(count).cloned().collect());
        compared(bench, &Query { columns, ..query.clone() }, rows).await?;
    }
    Ok(())
}

async fn no_columns_count_the_rows(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    compared(bench, &Query { columns: Some(Vec::new()), ..query }, rows).await
}

async fn limit_cuts(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let count = rows.num_rows() as u64;
    for limit in [0, 1, count - 1, count, count + 1, u64::from(u32::MAX)] {
        let got = run(bench, &Query { limit: Some(limit), ..query.clone() }).await?;
        equal("rows", &(got.num_rows() as u64), &limit.min(count))?;
        some_of(&got, rows)?;
    }
    Ok(())
}

async fn random_predicates(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let palette = palette(bench, &query, rows).await?;
    for seed in 0..PREDICATES {
        let mut rng = StdRng::seed_from_u64(seed);
        let predicate = Some(palette.predicate(&mut rng)?);
        let columns = palette.columns(&mut rng);
        compared(bench, &Query { predicate, columns, ..query.clone() }, rows).await?;
    }
    Ok(())
}

async fn random_orders(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let palette = palette(bench, &query, rows).await?;
    for seed in 0..ORDERS {
        let mut rng = StdRng::seed_from_u64(seed);
        let order = palette.order(&mut rng);
        compared(bench, &Query { order, ..query.clone() }, rows).await?;
    }
    Ok(())
}

async fn predicate_order_and_limit(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let palette = palette(bench, &query, rows).await?;
    for seed in 0..ORDERS {
        let mut rng = StdRng::seed_from_u64(seed);
        let query = Query {
            predicate: Some(palette.predicate(&mut rng)?),
            order: palette.order(&mut rng),
            limit: Some(seed),
            columns: palette.columns(&mut rng),
            ..query.clone()
        };
        compared(bench, &query, rows).await?;
    }
    Ok(())
}

async fn sets_and_nulls(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let sets: [Int64Array; 4] = [
        vec![Some(1), Some(5)].into(),
        vec![Some(1), None].into(),
        vec![None].into(),
        Vec::<i64>::new().into(),
    ];
    for set in sets {
        for (column, negated) in [("id", false), ("id", true), ("big", false), ("big", true)] {
            let values: ArrayRef = Arc::new(set.clone());
            let inside = Predicate::In { column: column.to_owned(), values, negated };
            for predicate in [inside.clone(), Predicate::Not(Box::new(inside))] {
                let query = Query { predicate: Some(predicate), ..query.clone() };
                compared(bench, &query, rows).await?;
            }
        }
    }
    Ok(())
}

async fn old_state(bench: &Bench) -> Verdict {
    let Some((table, rows)) = &bench.sql_fixture().await?.old_state else {
        return Err(Stop::ignored("the fixture has no old state"));
    };
    let got = run(bench, &Query::table(table.clone())).await?;
    same_rows(&got, rows, false)
}

/// All parts of `query`, in the order of the set.
async fn parted(bench: &Bench, query: &Query, partitions_max: usize) -> Verdict<RecordBatch> {
    let (sql, cx) = (bench.sql()?, bench.cx());
    let request = Partitions { query: query.clone(), partitions_max };
    let set = sql.partitions(&cx, request).await?;
    let count = set.partitions.len();
    ensure!(count <= partitions_max, "{count} parts are more than {partitions_max}");
    let claims = bench.claims();
    ensure!(
        set.one_snapshot || !claims.has("sql.partitions.one_snapshot"),
        "the parts are not of one snapshot, as is claimed"
    );
    ensure!(
        set.ordered || query.order.is_empty() || !claims.has("sql.partitions.ordered"),
        "the parts are not in order, as is claimed"
    );
    let mut parts = Vec::new();
    for partition in set.partitions {
        let told = partition.rows;
        let request = PartitionRead { schema: Arc::clone(&set.schema), partition };
        let part = gather(sql.read_partition(&cx, request).await?).await?;
        let rows = part.num_rows() as u64;
        ensure!(told.is_none_or(|t| t == rows), "a part has {rows} rows, {told:?} were told");
        parts.push(part);
    }
    Ok(one_batch(&set.schema, &parts)?)
}

async fn partitions_hold_each_row_once(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    for partitions_max in [1, 3, 7] {
        let got = parted(bench, &query, partitions_max).await?;
        same_rows(&got, rows, false)?;
    }
    Ok(())
}

async fn partitions_keep_the_order(bench: &Bench) -> Verdict {
    let (query, rows) = suite_table(bench).await?;
    let palette = palette(bench, &query, rows).await?;
    let order = palette.order(&mut StdRng::seed_from_u64(1));
    let query = Query { order, ..query };
    let got = parted(bench, &query, 4).await?;
    same_rows(&got, &answer(&query, rows)?, true)
}

async fn partitions_are_of_one_snapshot(bench: &Bench) -> Verdict {
    let (query, _) = suite_table(bench).await?;
    parted(bench, &query, 4).await.map(drop)
}

async fn statement_answers(bench: &Bench) -> Verdict {
    let statements = &bench.sql_fixture().await?.statements;
    let Some((text, rows)) = &statements.read else {
        return Err(Stop::ignored("the fixture has no statement"));
    };
    let got = run(bench, &Query::statement(text, Effect::Read)).await?;
    same_rows(&got, rows, false)?;
    let Some(text) = &statements.two_results else { return Ok(()) };
    let query = Query::statement(text, Effect::Read);
    let answered = match bench.sql()?.query(&bench.cx(), query).await {
        Ok(stream) => gather(stream).await,
        Err(error) => Err(error),
    };
    fails(answered, &[ErrorKind::Unsupported, ErrorKind::QueryInvalid]).map(drop)
}

async fn parameters_are_bound(bench: &Bench) -> Verdict {
    let Some((text, row)) = &bench.sql_fixture().await?.statements.parameters else {
        return Err(Stop::ignored("the fixture has no statement with parameters"));
    };
    let parameters = Some(row.clone());
    let got = run(bench, &Query { parameters, ..Query::statement(text, Effect::Read) }).await?;
    same_rows(&got, row, false)
}
