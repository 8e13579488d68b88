//! What needs a process of its own: this program again, started with a way in place of a filter.

use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use orbit_core::{Context, Effect, KeyPath, Query, Settings, Sources};
use orbit_testkit::servers::RedshiftWire;
use sqlx::AssertSqlSafe;

use crate::common::{observer, reaching_port};
use crate::{Attempt, Stage, rows, sql, table};

/// Waits for an answer until it is killed.
const WAITS: &str = "child-waits";
/// Reads and fails while every log is shown.
const LOGS: &str = "child-logs";

/// What stands in a statement of the driver's own, by which logs are seen to be shown.
const SHOWN: &str = "marked-by-the-driver";
/// What stands in statements and must not stand in a log.
const MARKERS: [&str; 3] = ["marked-by-text", "marked-by-failing", "marked-by-copy"];

/// Does what the first argument says, if this is a child.
pub(crate) fn run() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [way, port, user] = arguments.as_slice() else { return None };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match way.as_str() {
        WAITS => runtime.block_on(wait(port, user)),
        LOGS => {
            let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
            all.with_writer(std::io::stdout).with_ansi(false).init();
            runtime.block_on(speak(port, user));
        }
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

async fn connected(cx: &Context, port: &str, user: &str) -> Arc<dyn orbit_core::Datasource> {
    let changed = [("application_name", "orbit-child".to_owned())];
    let node = reaching_port(port, user, changed);
    let settings = Settings::new(KeyPath::new("datasources.t"), node);
    let config = (orbit_redshift::BACKEND.parse)(&settings).unwrap();
    config.connect(cx, &Sources::none()).await.unwrap()
}

async fn wait(port: &str, user: &str) {
    let cx = Context::builder().timeout(Duration::from_secs(6)).build();
    let datasource = connected(&cx, port, user).await;
    let query = Query::statement("SELECT pg_sleep(600), 'orphaned'", Effect::Read);
    drop(sql(&datasource).query(&cx, query).await);
}

async fn speak(port: &str, user: &str) {
    let cx = Context::builder().timeout(Duration::from_secs(60)).build();
    let datasource = connected(&cx, port, user).await;
    // Drivers like to tell of statements that take longer than a second.
    rows(&datasource, "SELECT pg_sleep(1.2), 'marked-by-text'").await.unwrap();
    rows(&datasource, "SELECT 1 / 0, 'marked-by-failing'").await.unwrap_err();
    let mut stream = sql(&datasource).query(&cx, table("marked-by-copy")).await.unwrap();
    while stream.next().await.is_some() {}
    datasource.close().await.unwrap();
    let mut plain = observer(port.parse().unwrap(), user).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("SELECT '{SHOWN}'"))).execute(&mut plain).await.unwrap();
}

fn start(way: &str, port: u16, stage: &Stage) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([way, &port.to_string(), stage.server.user()]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()
}

const AT_WORK: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE \
                       '%orphaned%' AND pid <> pg_backend_pid()";

/// How long the statement of a process outlives it that is killed with no chance to say so.
async fn outlives(stage: &Stage, port: u16) -> Result<Duration, libtest_mimic::Failed> {
    let mut child = start(WAITS, port, stage)?;
    while stage.counted(AT_WORK).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill()?;
    child.wait()?;
    let begun = Instant::now();
    while stage.counted(AT_WORK).await > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(20), "it is at work for 20 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(begun.elapsed())
}

/// PostgreSQL looks every two seconds whether somebody is there; behind the proxy, where it may
/// not be told to, the deadline of the query, which it was told, is what ends the statement.
pub(crate) async fn a_killed_process_leaves_no_statement(stage: &Arc<Stage>) -> Attempt {
    let noticed = outlives(stage, stage.server.port()).await?;
    ensure!(noticed < Duration::from_secs(4), "it was noticed after {noticed:?}");
    let proxy = RedshiftWire::start(stage.server.port()).await?;
    let ended = outlives(stage, proxy.port()).await?;
    ensure!(ended < Duration::from_secs(8), "it was ended after {ended:?}");
    Ok(())
}

/// At the finest level, with nothing filtered, no log holds a statement.
pub(crate) async fn statements_are_not_logged(stage: &Arc<Stage>) -> Attempt {
    stage.prepare("CREATE TABLE \"marked-by-copy\" AS SELECT 1::bigint AS id").await;
    let child = start(LOGS, stage.server.port(), stage)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the child failed: {}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains(SHOWN), "logs are not shown");
    for marker in MARKERS {
        let line = said.lines().find(|line| line.contains(marker));
        ensure!(line.is_none(), "a statement was logged: {line:?}");
    }
    Ok(())
}
