//! The suite finds lies: each of these sources is wrong in one way, and a trial says so.

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use orbit_core::{
    Backend, BackendConfig, BatchStream, Context, Datasource, Describe, Estimate, Facets, Insert,
    InsertOutcome, ListTables, Node, Origin, PartitionRead, PartitionSet, Partitions, Predicate,
    Problem, Query, Result, Settings, Sources, SqlCapability, SqlDatasource, SqlDialect,
    TableDescription, TablePage,
};
use orbit_testkit::scripted::BACKEND;
use orbit_testkit::{Stop, Subject, examine, settings};

/// The lie, and the trial that must find it.
const LIES: &[(&str, &str)] = &[
    ("none", "honesty::on_never_answers_unsupported"),
    ("order is not claimed, yet done", "honesty::off_answers_unsupported"),
    ("the predicate is dropped", "scan::random_predicates"),
    ("the limit comes before the predicate", "scan::predicate_order_and_limit"),
    ("nulls always come last", "scan::random_orders"),
    ("one row is lost", "scan::whole_table"),
    ("one row is lost", "types::utf8"),
    ("one row is lost", "write::create_then_append"),
    ("a part comes twice", "scan::partitions_hold_each_row_once"),
    ("the planned schema is not read", "stream::other_schema_is_refused"),
    ("errors end the stream in silence", "stream::token_ends_in_an_error"),
    ("errors end the stream in silence", "stream::deadline_ends_in_an_error"),
    ("the work goes on alone", "stream::dropping_stops_the_work"),
    ("the context is not read", "limits::ended_context_does_nothing"),
    ("closing does nothing", "errors::closed_answers_unavailable"),
    ("pages overlap", "catalog::pages_hold_every_table_once"),
    ("the key is not read", "write::same_key_is_written_once"),
    ("half of a broken insert stays", "write::broken_rows_leave_nothing"),
    ("listing panics", "catalog::pages_hold_every_table_once"),
];

static LIAR: Backend = Backend { name: "liar", parse, ..BACKEND };

fn parse(settings: &Settings) -> Result<Box<dyn BackendConfig>, Vec<Problem>> {
    let mut root = settings.root().clone();
    let lie = root.take("lie").map(|entry| entry.node.value);
    let Some(orbit_core::Value::Scalar { text: lie, .. }) = lie else { return Err(Vec::new()) };
    let truth = (BACKEND.parse)(&Settings::new(settings.path().clone(), root))?;
    Ok(Box::new(LiarConfig { truth, lie }))
}

#[derive(Debug)]
struct LiarConfig {
    truth: Box<dyn BackendConfig>,
    lie: String,
}

#[async_trait]
impl BackendConfig for LiarConfig {
    fn validate(&self, settings: &Settings, names: &[&str]) -> Vec<Problem> {
        self.truth.validate(settings, names)
    }

    async fn connect(&self, cx: &Context, sources: &Sources) -> Result<Arc<dyn Datasource>> {
        let truth = self.truth.connect(cx, sources).await?;
        Ok(Arc::new(Liar { truth, lie: self.lie.clone() }))
    }
}

#[derive(Debug)]
struct Liar {
    truth: Arc<dyn Datasource>,
    lie: String,
}

impl Liar {
    fn lies(&self, lie: &str) -> bool {
        self.lie == lie
    }

    fn truth(&self) -> &dyn SqlDatasource {
        match self.truth.facets().sql {
            Some(sql) => sql,
            None => unreachable!("a scripted source has tables"),
        }
    }

    /// What the source is really asked.
    fn twisted(&self, mut query: Query) -> Query {
        if self.lies("the predicate is dropped") {
            query.predicate = None;
        }
        if self.lies("nulls always come last") {
            query.order.iter_mut().for_each(|key| key.nulls_first = false);
        }
        if self.lies("the limit comes before the predicate") && query.limit.is_some() {
            let all = Predicate::IsNull { column: "id".to_owned(), negated: true };
            query.predicate = query.predicate.map(|_| all);
        }
        if self.lies("the planned schema is not read") {
            query.schema = None;
        }
        query
    }
}

#[async_trait]
impl Datasource for Liar {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: Some(self), files: None }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        if self.lies("the context is not read") {
            return Ok(());
        }
        self.truth.ping(cx).await
    }

    async fn close(&self) -> Result<()> {
        if self.lies("closing does nothing") {
            return Ok(());
        }
        self.truth.close().await
    }
}

#[async_trait]
impl SqlDatasource for Liar {
    fn capability(&self) -> SqlCapability {
        let mut capability = self.truth().capability();
        if self.lies("order is not claimed, yet done")
            && let Some(query) = &mut capability.query
        {
            query.order = false;
        }
        capability
    }

    fn dialect(&self) -> Arc<SqlDialect> {
        self.truth().dialect()
    }

    async fn list(&self, cx: &Context, request: ListTables) -> Result<TablePage> {
        assert!(!self.lies("listing panics"), "the liar panics");
        let first = ListTables { page: None, ..request.clone() };
        let again = self.truth().list(cx, first).await?.tables;
        let mut page = self.truth().list(cx, request).await?;
        if self.lies("pages overlap") && page.tables.len() == 1 && page.tables != again {
            page.tables = again;
        }
        Ok(page)
    }

    async fn describe(&self, cx: &Context, request: Describe) -> Result<TableDescription> {
        self.truth().describe(cx, request).await
    }

    async fn query(&self, cx: &Context, request: Query) -> Result<BatchStream> {
        if self.lies("the work goes on alone") {
            let stream = self.truth().query(&Context::builder().build(), request).await?;
            let schema = stream.schema();
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            tokio::spawn(stream.for_each(move |item| {
                drop(sender.send(item));
                async {}
            }));
            let items = stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|item| (item, receiver))
            });
            return Ok(BatchStream::new(schema, items));
        }
        let stream = self.truth().query(cx, self.twisted(request)).await?;
        if self.lies("errors end the stream in silence") {
            return Ok(
                stream.map_batches(|b| b.take_while(|item| std::future::ready(item.is_ok())))
            );
        }
        if self.lies("one row is lost") {
            return Ok(stream.map_batches(|batches| {
                batches.map_ok(|b| b.slice(0, b.num_rows().saturating_sub(1)))
            }));
        }
        Ok(stream)
    }

    async fn estimate(&self, cx: &Context, request: Query) -> Result<Estimate> {
        self.truth().estimate(cx, request).await
    }

    async fn partitions(&self, cx: &Context, request: Partitions) -> Result<PartitionSet> {
        let mut set = self.truth().partitions(cx, request).await?;
        if self.lies("a part comes twice") && set.partitions.len() > 1 {
            set.partitions[1] = set.partitions[0].clone();
        }
        Ok(set)
    }

    async fn read_partition(&self, cx: &Context, request: PartitionRead) -> Result<BatchStream> {
        self.truth().read_partition(cx, request).await
    }

    async fn insert(&self, cx: &Context, mut request: Insert) -> Result<InsertOutcome> {
        if self.lies("the key is not read") {
            request.idempotency_key = None;
        }
        if !self.lies("half of a broken insert stays") {
            return self.truth().insert(cx, request).await;
        }
        let mut taken = Vec::new();
        let schema = request.rows.schema();
        let mut fault = Ok(InsertOutcome::default());
        while let Some(item) = request.rows.next().await {
            match item {
                Ok(batch) => taken.push(batch),
                Err(error) => fault = Err(error),
            }
        }
        let rows = BatchStream::from_batches(schema, taken);
        let written = self.truth().insert(cx, Insert { rows, ..request }).await?;
        fault.map(|_| written)
    }

    async fn cancel(&self, cx: &Context, statement_id: &str) -> Result<()> {
        self.truth().cancel(cx, statement_id).await
    }
}

fn liar(lie: &'static str) -> Subject {
    Subject::new(&LIAR, move || async move {
        let mut fixture = common::fixture()?;
        let lie = Node::text(lie, Origin::Default);
        fixture.settings.merge(settings::map([("lie", lie)]));
        Ok(fixture)
    })
}

#[test]
fn each_lie_is_found() {
    for (lie, trial) in LIES.iter().copied() {
        let found = examine(liar(lie), &[trial]).expect("a runtime starts");
        let [(_, verdict)] = &found[..] else { panic!("there is no trial {trial}") };
        match lie {
            "none" => assert!(verdict.is_ok(), "{trial} on the truth: {verdict:?}"),
            _ => assert!(matches!(verdict, Err(Stop::Failed(_))), "{trial}, {lie}: {verdict:?}"),
        }
    }
}

#[test]
fn the_truth_passes_where_lies_fail() {
    for (_, trial) in LIES.iter().copied() {
        let found = examine(liar("none"), &[trial]).expect("a runtime starts");
        assert!(found.iter().all(|(_, verdict)| verdict.is_ok()), "{found:?}");
    }
}
