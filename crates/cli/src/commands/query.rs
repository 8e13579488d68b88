//! `orbit query`: one statement, its result in a format.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use orbit_core::{BatchStream, Context, Effect, Operation, Query, Truncation};
use orbit_engine::{Engine, Request};

use super::statement;
use crate::args::{Format, Global, Output, QueryArgs};
use crate::failure::{Failure, Result, note};
use crate::output::{self, Folder, Outcome, Sink, Style, Upload};
use crate::session::{self, Session};
use crate::store::Store;

/// Runs it.
pub(crate) fn run(global: &Global, args: QueryArgs) -> Result<()> {
    if global.json && !args.partition_by.is_empty() {
        let message = "--json is one answer; --format json writes files";
        return Err(Failure::Usage(message.to_owned()));
    }
    // A folder's name tells no format.
    let format = match (args.format, args.partition_by.as_slice()) {
        (None, [_, ..]) => Some(Format::Parquet),
        (format, _) => format,
    };
    let output = args.output.as_ref().map(Output::path);
    let style = Style::choose(format, global.json, output, args.show.0)?;
    let sql = statement::text(&args.statement)?;
    session::run(global, |session| answer(session, args, sql, style))
}

async fn answer(session: Session, args: QueryArgs, sql: String, style: Style) -> Result<()> {
    let (cx, progress) = session.begin(args.limits.timeout);
    let target = Target::of(&session, &cx, &args).await?;
    // What ends the wait for one source alone bears its name.
    let cx = match &args.on {
        Some(name) => cx.for_datasource(name.as_str()),
        None => cx,
    };
    // Rows that stream to the same terminal would mix with the line.
    let streams_to_terminal = target.is_terminal() && style.format != Format::Table;
    if !streams_to_terminal && args.show.0.is_some() {
        progress.draw();
    }
    let opened = open(&session, &cx, &args, sql).await;
    let stream = match opened {
        Ok(stream) => session.in_background(&cx, stream),
        Err(failure) => {
            progress.clear();
            return Err(failure);
        }
    };
    let outcome = match target {
        Target::File(sink) => output::pump(stream, style, sink, &progress).await?,
        Target::Folder(folder) => {
            output::pump_parts(stream, style, folder, &args.partition_by, &progress).await?
        }
    };
    tell_end(&session, style, &outcome);
    Ok(())
}

/// Where the result goes.
enum Target {
    File(Sink),
    Folder(Folder),
}

impl Target {
    async fn of(session: &Session, cx: &Context, args: &QueryArgs) -> Result<Self> {
        match &args.output {
            Some(Output::Local(path)) if !args.partition_by.is_empty() => {
                Folder::local(path).map(Self::Folder)
            }
            Some(Output::Stored(file)) if !args.partition_by.is_empty() => {
                let store = Store::open(session, cx, &file.datasource).await?;
                store.require_writes(Operation::Write)?;
                Folder::stored(session, cx, store, &file.key).await.map(Self::Folder)
            }
            output => open_sink(session, cx, output.as_ref(), args.force).await.map(Self::File),
        }
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Self::File(sink) if sink.is_terminal())
    }
}

/// The one file that rows go to, or stdout.
pub(super) async fn open_sink(
    session: &Session,
    cx: &Context,
    output: Option<&Output>,
    replaces: bool,
) -> Result<Sink> {
    let file = match output {
        None => return Ok(Sink::stdout()),
        Some(Output::Local(path)) => return Sink::open(path),
        Some(Output::Stored(file)) => file,
    };
    if file.key.is_empty() || file.key.ends_with('/') {
        let message = "--output NAME:PATH must name a file, not a folder";
        return Err(Failure::Usage(message.to_owned()));
    }
    let store = Arc::new(Store::open(session, cx, &file.datasource).await?);
    let upload = Upload::start(session, cx, &store, &file.key, replaces).await?;
    Ok(Sink::stored(upload))
}

async fn open(
    session: &Session,
    cx: &Context,
    args: &QueryArgs,
    sql: String,
) -> Result<BatchStream> {
    let Some(datasource) = &args.on else {
        let request = Request {
            sql,
            parameters: statement::parameters(&args.statement.parameters)?,
            limit_rows: args.limit,
            clustered_by: args.partition_by.clone(),
            writes_allowed: args.write,
            paths_allowed: true,
        };
        let work = |engine: Arc<Engine>, cx| async move { engine.query(&cx, request).await };
        return Ok(session.on_workers(cx, work).await?);
    };
    let effect = if args.write { Effect::Write } else { Effect::Read };
    let query = Query {
        parameters: statement::parameter_row(&args.statement.parameters)?,
        ..Query::statement(sql, effect)
    };
    let datasource = datasource.clone();
    let work =
        |engine: Arc<Engine>, cx| async move { engine.pass_through(&cx, &datasource, query).await };
    let stream = session.on_workers(cx, work).await?;
    Ok(match args.limit {
        Some(limit_rows) => cut(stream, limit_rows),
        None => stream,
    })
}

/// The first rows of a statement that nobody else can put a limit on.
fn cut(stream: BatchStream, limit_rows: u64) -> BatchStream {
    let summary = stream.summary_handle();
    stream.map_batches(|batches| {
        let start = Some((batches, limit_rows));
        stream::unfold(start, move |state| {
            let summary = summary.clone();
            async move {
                let (mut batches, left) = state?;
                let batch = match batches.next().await? {
                    Ok(batch) => batch,
                    Err(error) => return Some((Err(error), None)),
                };
                let rows = batch.num_rows() as u64;
                if rows <= left {
                    return Some((Ok(batch), Some((batches, left - rows))));
                }
                summary.update(|summary| {
                    summary.truncation = Some(Truncation { limit_rows, total_rows: None });
                });
                // It is fewer than the rows of one batch.
                let kept = usize::try_from(left).unwrap_or(usize::MAX);
                Some((Ok(batch.slice(0, kept)), None))
            }
        })
    })
}

/// Says on stderr what the rows alone do not.
pub(super) fn tell_end(session: &Session, style: Style, outcome: &Outcome) {
    if style.envelope || session.global.json {
        return;
    }
    if let Some(truncation) = &outcome.summary.truncation {
        let of = match truncation.total_rows {
            Some(total) => format!("of {} ", output::text::count(total)),
            None => String::new(),
        };
        let limit = output::text::counted(truncation.limit_rows, "row", "rows");
        note(
            "note",
            format_args!("the result {of}was cut at {limit} by the limit; there are more"),
        );
    }
    for warning in &outcome.summary.warnings {
        note("warning", output::text::printable(warning));
    }
    if let (Some(affected), true) = (outcome.summary.rows_affected, style.format != Format::Table) {
        note("note", output::text::counted(affected, "row written", "rows written"));
    }
}
