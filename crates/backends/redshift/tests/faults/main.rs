//! What goes wrong, on a PostgreSQL of the tests' own: each ends in a clear error in bounded
//! time, or in the right result.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use futures::TryStreamExt;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use orbit_core::{
    BatchStream, Context, Datasource, Effect, ErrorKind, KeyPath, Query, Result, Settings, Sources,
    SqlDatasource, TableName, TableRef,
};
use orbit_testkit::servers::{Postgres, REDSHIFT_CATALOG};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use common::{count, observer, reaching};

struct Stage {
    server: Postgres,
    catalog: OnceCell<()>,
    runtime: Runtime,
}

type Attempt = std::result::Result<(), Failed>;

/// Ends the trial as failed unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}

mod child;
mod connecting;
mod ends;
mod folder;
mod logins;
mod parts;
mod staged;
mod statements;
mod values;

/// A table that is still under way when its first rows are here.
const SERIES: &str = "CREATE TABLE series AS SELECT i::bigint AS id, repeat('x', 100) AS text \
                      FROM generate_series(1, 300000) AS i";

fn main() -> std::process::ExitCode {
    if let Some(code) = child::run() {
        return code;
    }
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().unwrap();
    let started = runtime.block_on(Postgres::start());
    let stage = started.map(|server| Arc::new(Stage { server, catalog: OnceCell::new(), runtime }));
    if let Ok(stage) = &stage {
        stage.runtime.block_on(stage.prepare(SERIES));
    }
    macro_rules! trials {
        ($($module:ident::$name:ident),* $(,)?) => {
            vec![$({
                let stage = stage.clone();
                Trial::ignorable_test(stringify!($name), move || match &stage {
                    Ok(stage) => {
                        stage.runtime.block_on(async {
                            let limit = Duration::from_secs(60);
                            tokio::time::timeout(limit, $module::$name(stage)).await
                        })??;
                        Ok(Completion::Completed)
                    }
                    Err(missing) => missing.completion(),
                })
            }),*]
        };
    }
    let tests = trials![
        ends::early_ends_leave_right_answers,
        ends::many_queries_on_few_connections,
        ends::cancelled_within_a_second,
        ends::a_busy_side_delays_no_cancel,
        ends::a_lost_cancel_is_sent_again,
        ends::a_lost_cancel_of_an_insert_is_sent_again,
        ends::abandoned_questions_are_cancelled,
        ends::a_stream_that_nobody_looks_at_is_ended,
        ends::a_task_that_is_gone_is_an_error,
        ends::a_panic_leaves_nothing_at_work,
        ends::closing_is_bounded,
        ends::an_exhausted_pool_says_so,
        statements::session_settings_do_not_leak,
        statements::statements_do_not_write_unless_they_may,
        statements::the_limit_of_redshift_is_a_timeout,
        statements::hostile_parameters_come_back,
        statements::more_than_one_statement_is_not_sent,
        statements::a_slow_catalog_loses_no_row,
        values::wide_tables_and_long_texts,
        values::values_that_arrow_cannot_hold,
        values::types_beyond_the_suite,
        values::computed_numbers_are_exact,
        ends::a_killed_server_process_is_an_error,
        connecting::a_silent_server_is_bounded,
        ends::the_deadline_is_the_servers_too,
        ends::an_abandoned_insert_is_ended,
        statements::statement_results_without_rows_have_columns,
        connecting::encryption_is_as_strict_as_asked,
        connecting::catalogs_of_redshift_are_asked,
        values::a_dropped_table_is_not_found,
        values::text_of_other_types_is_compared_as_text,
        values::text_is_compared_by_its_bytes,
        ends::a_silent_connection_is_bounded,
        child::a_killed_process_leaves_no_statement,
        child::statements_are_not_logged,
        logins::a_cluster_gives_out_logins,
        logins::logins_are_renewed,
        logins::a_refused_login_is_asked_for_once,
        logins::a_silent_service_is_told,
        logins::a_vast_answer_is_refused,
        logins::a_rotated_password,
        logins::sections_are_checked,
        parts::parts_are_of_one_moment,
        staged::rows_are_loaded_from_the_bucket,
        staged::a_short_load_is_undone,
        staged::parts_are_files_of_the_bucket,
    ];
    let conclusion = libtest_mimic::run(&arguments, tests);
    conclusion.exit_code()
}

impl Stage {
    async fn connect(&self, changed: &[(&'static str, &str)]) -> Result<Arc<dyn Datasource>> {
        let changed = changed.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let node = reaching(&self.server, changed);
        let settings = Settings::new(KeyPath::new("datasources.t"), node);
        let config = (orbit_redshift::BACKEND.parse)(&settings).map_err(|problems| {
            orbit_core::Error::new(ErrorKind::ConfigInvalid, format!("{problems:?}"))
        })?;
        config.connect(&cx(), &Sources::none()).await
    }

    /// Runs statements by means of the server's own.
    async fn prepare(&self, sql: &str) {
        let mut connection = observer(self.server.port(), self.server.user()).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }

    /// Makes the views that have the names of Redshift's catalogs, once.
    async fn prepare_catalog(&self) {
        let prepare = || self.prepare(REDSHIFT_CATALOG);
        self.catalog.get_or_init(prepare).await;
    }

    async fn counted(&self, sql: &str) -> i64 {
        let mut connection = observer(self.server.port(), self.server.user()).await.unwrap();
        count(&mut connection, sql).await.unwrap()
    }
}

fn cx() -> Context {
    Context::builder().timeout(Duration::from_secs(60)).build()
}

fn sql(datasource: &Arc<dyn Datasource>) -> &dyn SqlDatasource {
    datasource.facets().sql.unwrap()
}

fn table(name: &str) -> Query {
    Query::table(TableRef::new(TableName::new(["public", name])))
}

async fn gather(stream: BatchStream) -> Result<Vec<RecordBatch>> {
    stream.try_collect().await
}

async fn read(datasource: &Arc<dyn Datasource>, query: Query) -> Result<Vec<RecordBatch>> {
    gather(sql(datasource).query(&cx(), query).await?).await
}

async fn rows(datasource: &Arc<dyn Datasource>, text: &str) -> Result<Vec<RecordBatch>> {
    read(datasource, Query::statement(text, Effect::Read)).await
}

async fn kind_of(
    datasource: &Arc<dyn Datasource>,
    text: &str,
    effect: Effect,
) -> Option<ErrorKind> {
    read(datasource, Query::statement(text, effect)).await.err().map(|error| error.kind())
}

fn first_number(batches: &[RecordBatch]) -> Option<i64> {
    batches.first().map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0))
}
