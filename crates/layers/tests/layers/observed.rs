//! What trace and metrics tell, and what they never do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata,
    Recorder, SharedString, Unit,
};
use orbit_core::{Effect, Error, ErrorKind, Operation, Query};
use orbit_layers::LayerSettings;

use crate::scripted::{
    Item, Scripted, Step, answer, context, passing, run, run_with, stacked, table,
};

/// A sum, and the span in which it was last changed.
type Told = (u64, Option<&'static str>);

/// The sums of metrics.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, Told>>>);

struct Sum(Sums, String);

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        let span = tracing::Span::current().metadata().map(tracing::Metadata::name);
        let mut sums = self.0.0.lock().unwrap();
        let sum = sums.entry(self.1.clone()).or_default();
        *sum = (sum.0 + value, span);
    }

    fn absolute(&self, _: u64) {
        unreachable!("no layer sets a counter");
    }
}

impl HistogramFn for Sum {
    /// In milliseconds, to be whole.
    fn record(&self, seconds: f64) {
        self.increment(Duration::from_secs_f64(seconds).as_millis() as u64);
    }
}

impl Sums {
    fn sum(&self, key: &Key) -> Arc<Sum> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        Arc::new(Sum(self.clone(), key.name().to_owned() + &labels.collect::<String>()))
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sum(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.sum(key))
    }
}

thread_local! {
    /// What this thread logs, while a test wants to know.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// One for all threads, since what is enabled is decided for the whole process.
static LOGGING: Once = Once::new();

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Takes what this thread logs, at every level, and counts, until it is dropped.
pub(crate) struct Recorded {
    sums: Sums,
    _counting: LocalRecorderGuard<'static>,
}

impl Recorded {
    pub(crate) fn here() -> Self {
        LOGGING.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(|| Log)
                .with_ansi(false)
                .with_target(false)
                .without_time()
                .init();
        });
        LOG.set(Some(Vec::new()));
        let sums = Sums::default();
        // The guard borrows the recorder, which a test may leave behind.
        let recorder: &'static Sums = Box::leak(Box::new(sums.clone()));
        Self { sums, _counting: metrics::set_default_local_recorder(recorder) }
    }

    pub(crate) fn value(&self, metric: &str) -> Option<u64> {
        self.sums.0.lock().unwrap().get(metric).map(|sum| sum.0)
    }

    pub(crate) fn span_of(&self, metric: &str) -> Option<&'static str> {
        self.sums.0.lock().unwrap().get(metric).and_then(|sum| sum.1)
    }

    fn metrics(&self) -> String {
        let sums = self.sums.0.lock().unwrap();
        sums.iter().map(|(metric, (value, _))| format!("{metric}: {value}\n")).collect()
    }
}

/// What this thread logged since it began to record.
fn logged() -> String {
    String::from_utf8(LOG.take().unwrap()).unwrap()
}

/// A query in three batches with a pause, a read that fails at last, and a dropped stream.
async fn some_work() {
    let source = Scripted::new(|n| match n {
        0 => Step::Items(vec![Item::Some, Item::Late(Duration::from_secs(1)), Item::Some]),
        1..4 => Step::Fail(passing(ErrorKind::Timeout).with_vendor_code("57014")),
        _ => answer(),
    });
    let lake = stacked(LayerSettings::default(), &source);
    let cx = context();
    run(lake.as_ref(), &cx, Operation::Query).await.unwrap();
    run(lake.as_ref(), &cx, Operation::Stat).await.unwrap_err();
    run(lake.as_ref(), &cx, Operation::Read).await.unwrap();
    run(lake.as_ref(), &cx, Operation::Insert).await.unwrap();
    drop(lake.facets().sql.unwrap().query(&cx, table()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn metrics_are_by_datasource_operation_and_outcome() {
    let recorded = Recorded::here();
    some_work().await;
    let filters = [(r"(duration_seconds .*(?:stat|query).*): \d+", "$1: [ms]")];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!(recorded.metrics(), @"
        orbit_file_bytes_total datasource=lake operation=read: 4
        orbit_operation_duration_seconds datasource=lake operation=insert outcome=ok: 0
        orbit_operation_duration_seconds datasource=lake operation=query outcome=abandoned: [ms]
        orbit_operation_duration_seconds datasource=lake operation=query outcome=ok: [ms]
        orbit_operation_duration_seconds datasource=lake operation=read outcome=ok: 0
        orbit_operation_duration_seconds datasource=lake operation=stat outcome=timeout: [ms]
        orbit_operations_total datasource=lake operation=insert outcome=ok: 1
        orbit_operations_total datasource=lake operation=query outcome=abandoned: 1
        orbit_operations_total datasource=lake operation=query outcome=ok: 1
        orbit_operations_total datasource=lake operation=read outcome=ok: 1
        orbit_operations_total datasource=lake operation=stat outcome=timeout: 1
        orbit_rows_total datasource=lake operation=insert: 3
        orbit_rows_total datasource=lake operation=query: 6
        ");
    });
}

#[tokio::test(start_paused = true)]
async fn each_operation_leaves_one_line() {
    let _recorded = Recorded::here();
    some_work().await;
    let log = logged();
    let ended: Vec<_> = log.lines().filter(|line| line.contains("ended")).collect();
    let filters = [(r"query_id=\S+?( |\})", "query_id=[id]$1"), (r"(duration_ms=)\d+", "$1[ms]")];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!(ended.join("\n"), @r#"
         INFO operation{query_id=[id] datasource="lake" operation="query"}: ended outcome="ok" rows=6 bytes=0 duration_ms=[ms]
        DEBUG operation{query_id=[id] datasource="lake" operation="stat"}: ended outcome="timeout" vendor_code="57014" rows=0 bytes=0 duration_ms=[ms]
        DEBUG operation{query_id=[id] datasource="lake" operation="read"}: ended outcome="ok" rows=0 bytes=4 duration_ms=[ms]
         INFO operation{query_id=[id] datasource="lake" operation="insert"}: ended outcome="ok" rows=3 bytes=0 duration_ms=[ms]
         INFO operation{query_id=[id] datasource="lake" operation="query"}: ended outcome="abandoned" rows=0 bytes=0 duration_ms=[ms]
        "#);
    });
}

#[tokio::test(start_paused = true)]
async fn neither_statements_nor_values_are_told() {
    let recorded = Recorded::here();
    let source = Scripted::new(|_| {
        Step::Fail(Error::new(ErrorKind::QueryInvalid, "no such thing: 'canary'"))
    });
    let lake = stacked(LayerSettings::default(), &source);
    let query = Query::statement("SELECT 'canary'", Effect::Read);
    lake.facets().sql.unwrap().query(&context(), query).await.unwrap_err();
    let told = logged() + &recorded.metrics();
    assert!(told.contains("query_invalid"), "{told}");
    assert!(!told.contains("canary") && !told.contains("SELECT"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn errors_are_given_the_names_they_lack() {
    let cut = Error::new(ErrorKind::Truncated, "cut");
    for step in [
        |cut: &Error| Step::Fail(cut.clone()),
        |cut: &Error| Step::Items(vec![Item::Some, Item::Fail(cut.clone())]),
    ] {
        let cut = cut.clone();
        let lake = stacked(LayerSettings::default(), &Scripted::new(move |_| step(&cut)));
        let error = run(lake.as_ref(), &context(), Operation::Query).await.unwrap_err();
        assert_eq!(error.datasource(), Some("lake"));
        assert_eq!(error.operation(), Some(Operation::Query));
    }

    let source = Scripted::new(|_| {
        let error = Error::new(ErrorKind::Unavailable, "no answer").with_datasource("stage");
        Step::Fail(error.with_operation(Operation::Read))
    });
    let lake = stacked(LayerSettings::default(), &source);
    let error =
        run_with(lake.as_ref(), &context(), Operation::Query, Effect::Read).await.unwrap_err();
    assert_eq!(error.datasource(), Some("stage"));
    assert_eq!(error.operation(), Some(Operation::Read));
}
