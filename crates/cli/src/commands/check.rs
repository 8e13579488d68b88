//! `orbit check`: the configuration, then each datasource apart and all at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use orbit_core::{Context, Error, Handle};
use serde_json::{Value, json};

use crate::args::CheckArgs;
use crate::failure::{Failure, Result};
use crate::output::listing::{print_json, print_text};
use crate::output::text::elapsed;
use crate::session::Session;

/// How one datasource answered.
struct Checked {
    handle: Arc<Handle>,
    elapsed: Duration,
    failure: Option<Failure>,
}

/// Checks. The exit code is that of the first datasource, by name, that failed.
pub(crate) async fn run(session: Session, args: CheckArgs) -> Result<()> {
    let as_json = session.global.json;
    if !as_json {
        print_text("ok      configuration\n")?;
    }
    let handles = match args.config_only {
        true => Vec::new(),
        false => chosen(&session, &args.datasources)?,
    };
    let width = handles.iter().map(|h| h.name().len()).max().unwrap_or(0);
    let (cx, _) = session.begin(None);
    let mut running: FuturesUnordered<_> =
        handles.into_iter().map(|handle| check(&cx, handle, args.timeout)).collect();
    let mut done = Vec::new();
    while let Some(checked) = running.next().await {
        if !as_json {
            print(&checked, width)?;
        }
        done.push(checked);
    }
    done.sort_by(|a, b| a.handle.name().cmp(b.handle.name()));
    if as_json {
        let datasources: Vec<_> = done.iter().map(checked_json).collect();
        print_json(&json!({ "configuration": "ok", "datasources": datasources }))?;
    }
    if let Some(code) = session.interrupts.exit_code() {
        return Err(Failure::Told(code));
    }
    match done.iter().find_map(|checked| checked.failure.as_ref()) {
        Some(failure) => Err(Failure::Told(failure.exit_code())),
        None => Ok(()),
    }
}

fn chosen(session: &Session, names: &[String]) -> Result<Vec<Arc<Handle>>, Error> {
    let datasources = session.datasources();
    if names.is_empty() {
        return Ok(datasources.iter().cloned().collect());
    }
    names.iter().map(|name| datasources.require(name).cloned()).collect()
}

async fn check(cx: &Context, handle: Arc<Handle>, timeout: Duration) -> Checked {
    let started = Instant::now();
    let cx = cx.within(timeout);
    let answer = async {
        let datasource = handle.open(&cx).await?;
        cx.run(datasource.ping(&cx)).await
    };
    let failure = answer.await.err().map(|e| Failure::Orbit(e.with_datasource(handle.name())));
    Checked { handle, elapsed: started.elapsed(), failure }
}

fn print(checked: &Checked, width: usize) -> Result<()> {
    let Checked { handle, elapsed: time, failure } = checked;
    let (color, word) = match failure {
        None => ("32", "ok    "),
        Some(_) => ("31", "failed"),
    };
    let (name, backend, time) = (handle.name(), handle.backend().name, elapsed(*time));
    let line = format!("\x1b[{color}m{word}\x1b[0m  {name:width$}  {backend}, {time}\n");
    print_text(&line)?;
    if let Some(failure) = failure {
        failure.tell(false);
    }
    Ok(())
}

fn checked_json(checked: &Checked) -> Value {
    let Checked { handle, elapsed, failure } = checked;
    json!({
        "datasource": handle.name(),
        "backend": handle.backend().name,
        "ok": failure.is_none(),
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "error": failure.as_ref().map(Failure::json),
    })
}
