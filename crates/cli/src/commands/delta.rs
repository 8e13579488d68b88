//! `orbit delta`: what is done to Delta tables.

use std::sync::Arc;
use std::time::Duration;

use orbit_core::{BatchStream, Context, Version};
use orbit_engine::{
    Engine, MergeAction, MergeClause, NewTable, Request, TableAnswer, TableChange, TableCommand,
    TableMerge, TableRequest, TableWrite, Vacuum, WriteColumns, WriteMode,
};
use serde_json::{Value, json};

use super::query::{open_sink, tell_end};
use super::statement;
use crate::args::delta::{
    BySourceAction, ChangesArgs, CreateArgs, DeltaCommand, MatchedAction, MergeArgs,
    NotMatchedAction, OverwriteArgs, RowsArgs, SchemaChange, TableArgs, VacuumArgs,
};
use crate::args::{Global, Output, Parameter};
use crate::failure::{Failure, Result, note};
use crate::output::listing::{number, print_json, print_table, print_text, text};
use crate::output::text::{bytes, count, counted, printable};
use crate::output::{self, Style};
use crate::progress::Progress;
use crate::session::{self, Session};

/// How many files a vacuum names for people.
const FILES_SHOWN: usize = 20;

/// What is asked of the engine, and how long it may take.
struct Asked {
    request: TableRequest,
    timeout: Option<Duration>,
}

/// Runs a command.
pub(crate) fn run(global: &Global, command: DeltaCommand) -> Result<()> {
    let view = View::of(&command, global)?;
    let asked = asked(command)?;
    session::run(global, |session| answer(session, asked, view))
}

/// How the answer is shown.
enum View {
    Detail,
    History { limit: usize },
    Rows { style: Style, output: Option<Output>, replaces: bool },
    Vacuum { dry_run: bool },
    Change,
}

impl View {
    fn of(command: &DeltaCommand, global: &Global) -> Result<Self> {
        Ok(match command {
            DeltaCommand::Describe(_) => Self::Detail,
            DeltaCommand::History(args) => Self::History { limit: args.limit },
            DeltaCommand::Changes(args) => {
                let ChangesArgs { format, output, force, show, .. } = args;
                let path = output.as_ref().map(Output::path);
                let style = Style::choose(*format, global.json, path, show.0)?;
                Self::Rows { style, output: output.clone(), replaces: *force }
            }
            DeltaCommand::Vacuum(args) => Self::Vacuum { dry_run: !args.yes },
            _ => Self::Change,
        })
    }
}

async fn answer(session: Session, asked: Asked, view: View) -> Result<()> {
    let (cx, progress) = session.begin(asked.timeout);
    let request = asked.request;
    let work = |engine: Arc<Engine>, cx| async move { engine.command(&cx, request).await };
    match session.on_workers(&cx, work).await? {
        TableAnswer::Rows(rows) => {
            let rows = session.in_background(&cx, rows);
            print_rows(&session, &cx, rows, view, &progress).await
        }
        TableAnswer::Facts(facts) => match view {
            View::History { limit } => tell_history(&session, facts, limit),
            _ if session.global.json => print_json(&facts),
            _ => print_detail(&facts),
        },
        TableAnswer::Changed(change) => print_change(&session, &change, &view),
    }
}

async fn print_rows(
    session: &Session,
    cx: &Context,
    rows: BatchStream,
    view: View,
    progress: &Progress,
) -> Result<()> {
    let View::Rows { style, output, replaces } = view else { return Ok(()) };
    let sink = open_sink(session, cx, output.as_ref(), replaces).await?;
    let outcome = output::pump(rows, style, sink, progress).await?;
    tell_end(session, style, &outcome);
    Ok(())
}

fn print_change(session: &Session, change: &TableChange, view: &View) -> Result<()> {
    let TableChange { version, metrics, warnings } = change;
    if session.global.json {
        return print_json(&json!({
            "version": version, "metrics": metrics, "warnings": warnings,
        }));
    }
    for warning in warnings {
        note("warning", printable(warning));
    }
    if let View::Vacuum { dry_run } = view {
        return print_vacuum(metrics.get("files"), *dry_run);
    }
    match version {
        Some(version) => print_text(&format!("version {version}\n"))?,
        None => print_text("there was nothing to do\n")?,
    }
    let rows: Vec<_> = metrics
        .iter()
        .filter(|(_, value)| value.is_number() || value.is_boolean())
        .map(|(name, value)| vec![name.clone(), shown(value)])
        .collect();
    match rows.is_empty() {
        true => Ok(()),
        false => print_table(&[text("figure"), number("value")], &rows),
    }
}

fn print_vacuum(files: Option<&Value>, dry_run: bool) -> Result<()> {
    let files = files.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names = files.iter().filter_map(Value::as_str);
    for name in names.take(FILES_SHOWN) {
        print_text(&format!("{}\n", printable(name)))?;
    }
    if files.len() > FILES_SHOWN {
        let more = count((files.len() - FILES_SHOWN) as u64);
        print_text(&format!("... and {more} more\n"))?;
    }
    let files = counted(files.len() as u64, "file", "files");
    match dry_run {
        true => note("note", format_args!("{files} would be deleted; --yes deletes them")),
        false => note("deleted", files),
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), count),
        other => other.to_string(),
    }
}

/// Prints so many versions, and says so if there are more.
fn tell_history(session: &Session, mut versions: Value, limit: usize) -> Result<()> {
    let is_cut = versions.as_array_mut().is_some_and(|versions| {
        let is_cut = versions.len() > limit;
        versions.truncate(limit);
        is_cut
    });
    if session.global.json {
        return print_json(&json!({ "versions": versions, "truncated": is_cut }));
    }
    print_history(&versions)?;
    if is_cut {
        let limit = counted(limit as u64, "version", "versions");
        note("note", format_args!("the history was cut at {limit}; --limit shows more"));
    }
    Ok(())
}

fn print_history(facts: &Value) -> Result<()> {
    let field = |entry: &Value, key: &str| match entry.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let entries = facts.as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            ["version", "time", "operation", "user", "parameters"].map(|k| field(entry, k)).into()
        })
        .collect();
    let headings =
        [number("version"), text("time"), text("operation"), text("user"), text("parameters")];
    print_table(&headings, &rows)
}

fn print_detail(facts: &Value) -> Result<()> {
    let rows: Vec<_> = facts
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| *key != "columns" && !is_empty(value))
        .map(|(key, value)| {
            let value = match (key.as_str(), value.as_u64()) {
                ("bytes", Some(size)) => bytes(size),
                ("files" | "rows", Some(n)) => count(n),
                _ => shown(value),
            };
            vec![key.replace('_', " "), value]
        })
        .collect();
    print_table(&[text("fact"), text("value")], &rows)?;
    let columns = facts.get("columns").and_then(Value::as_array).cloned().unwrap_or_default();
    let columns: Vec<_> = columns
        .iter()
        .map(|column| {
            let nullable = column.get("nullable").and_then(Value::as_bool).unwrap_or(true);
            vec![
                column.get("name").map(shown).unwrap_or_default(),
                column.get("type").map(shown).unwrap_or_default(),
                if nullable { "" } else { "not null" }.to_owned(),
            ]
        })
        .collect();
    print_text("\n")?;
    print_table(&["column", "type", "null"].map(text), &columns)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn asked(command: DeltaCommand) -> Result<Asked> {
    let (table, command, rows) = match command {
        DeltaCommand::Describe(table) => (table, TableCommand::Detail, None),
        DeltaCommand::History(args) => {
            // One more than is wanted, by which a cut is seen.
            (args.table, TableCommand::History { limit: args.limit.saturating_add(1) }, None)
        }
        DeltaCommand::Changes(args) => {
            let command = TableCommand::Changes { from: args.since, to: args.until };
            (args.table, command, None)
        }
        DeltaCommand::Create(args) => create(args)?,
        DeltaCommand::Append(args) => {
            let columns = match args.merge_schema {
                true => WriteColumns::Merge,
                false => WriteColumns::Keep,
            };
            let write = TableWrite { mode: WriteMode::Append, columns };
            (args.table, TableCommand::Write(write), Some(rows(args.rows)?))
        }
        DeltaCommand::Overwrite(args) => overwrite(args)?,
        DeltaCommand::Delete(args) => {
            confirm(args.yes || args.predicate.is_some(), "all rows of the table are deleted")?;
            (args.table, TableCommand::Delete { predicate: args.predicate }, None)
        }
        DeltaCommand::Update(args) => {
            let command = TableCommand::Update { predicate: args.predicate, set: args.assign };
            (args.table, command, None)
        }
        DeltaCommand::Merge(args) => merge(args)?,
        DeltaCommand::Optimize(args) => {
            let command =
                TableCommand::Optimize { order_by: args.zorder, file_bytes: args.target_size };
            (args.table, command, None)
        }
        DeltaCommand::Vacuum(args) => vacuum(args),
        DeltaCommand::Restore(args) => {
            let version = match (args.version, args.time) {
                (Some(number), _) => Version::Number(number),
                (None, time) => Version::Timestamp(time.unwrap_or_default()),
            };
            (args.table, TableCommand::Restore { version }, None)
        }
        DeltaCommand::AddConstraint(args) => {
            let (name, expression) = (args.name, args.expression);
            (args.table, TableCommand::AddConstraint { name, expression }, None)
        }
        DeltaCommand::DropConstraint(args) => {
            (args.table, TableCommand::DropConstraint { name: args.name }, None)
        }
        DeltaCommand::AddColumns(args) => {
            (args.table, TableCommand::AddColumns { columns: args.columns }, None)
        }
        DeltaCommand::Set(args) => {
            let properties = args.properties.into_iter().collect();
            (args.table, TableCommand::SetProperties { properties }, None)
        }
        DeltaCommand::Convert(args) => {
            let properties = args.properties.into_iter().collect();
            (args.table, TableCommand::Convert { properties }, None)
        }
    };
    let TableArgs { table, limits } = table;
    let request = TableRequest { table: table.0, command, rows, paths_allowed: true };
    Ok(Asked { request, timeout: limits.timeout })
}

type Command = (TableArgs, TableCommand, Option<Request>);

fn create(args: CreateArgs) -> Result<Command> {
    let CreateArgs { table, columns, from, parameters, partition_by, properties, comment } = args;
    let properties = properties.into_iter().collect();
    let new = NewTable { columns, partition_by, properties, comment };
    let rows = from.map(|sql| query(sql, &parameters)).transpose()?;
    Ok((table, TableCommand::Create(new), rows))
}

fn overwrite(args: OverwriteArgs) -> Result<Command> {
    let OverwriteArgs { table, rows: from, predicate, schema, yes } = args;
    confirm(yes || predicate.is_some(), "all rows of the table are replaced")?;
    let columns = match schema {
        SchemaChange::Keep => WriteColumns::Keep,
        SchemaChange::Merge => WriteColumns::Merge,
        SchemaChange::Replace => WriteColumns::Replace,
    };
    let write = TableWrite { mode: WriteMode::Overwrite { predicate }, columns };
    Ok((table, TableCommand::Write(write), Some(rows(from)?)))
}

fn merge(args: MergeArgs) -> Result<Command> {
    let matched = match (args.matched, args.assign.is_empty()) {
        (Some(MatchedAction::Update), _) => Some(MergeAction::Set(Vec::new())),
        (Some(MatchedAction::Delete), _) => Some(MergeAction::Delete),
        (None, false) => Some(MergeAction::Set(args.assign)),
        (None, true) => None,
    };
    if matched.is_none() && args.matched_if.is_some() {
        let message = "--matched-if is for --matched or --assign";
        return Err(Failure::Usage(message.to_owned()));
    }
    let not_matched = args.not_matched.map(|NotMatchedAction::Insert| MergeAction::Set(Vec::new()));
    let by_source = args.not_matched_by_source.map(|BySourceAction::Delete| MergeAction::Delete);
    if matched.is_none() && not_matched.is_none() && by_source.is_none() {
        let message =
            "say what is done: --matched, --assign, --not-matched or --not-matched-by-source";
        return Err(Failure::Usage(message.to_owned()));
    }
    let clause = |action: Option<MergeAction>, predicate| {
        action.map(|action| MergeClause { predicate, action }).into_iter().collect()
    };
    let merge = TableMerge {
        on: args.on,
        matched: clause(matched, args.matched_if),
        not_matched: clause(not_matched, args.not_matched_if),
        not_matched_by_source: clause(by_source, None),
        add_columns: args.merge_schema,
    };
    Ok((args.table, TableCommand::Merge(merge), Some(rows(args.rows)?)))
}

fn vacuum(args: VacuumArgs) -> Command {
    let VacuumArgs { table, retention_hours, force, full, yes } = args;
    let vacuum = Vacuum { retention_hours, force, full, dry_run: !yes };
    (table, TableCommand::Vacuum(vacuum), None)
}

fn rows(args: RowsArgs) -> Result<Request> {
    query(args.from, &args.parameters)
}

fn query(sql: String, parameters: &[Parameter]) -> Result<Request> {
    let parameters = statement::parameters(parameters)?;
    Ok(Request { sql, parameters, paths_allowed: true, ..Request::default() })
}

fn confirm(is_meant: bool, what: &str) -> Result<()> {
    match is_meant {
        true => Ok(()),
        false => Err(Failure::Usage(format!("{what}; --yes says that this is meant"))),
    }
}
