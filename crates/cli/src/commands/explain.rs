//! `orbit explain`: what a statement pushes to each source, and what it will cost.

use std::sync::Arc;

use orbit_core::{Estimate, TallySnapshot};
use orbit_engine::{Engine, Explanation, Request, SourceExplanation};
use serde_json::{Value, json};

use super::describe::{bytes_text, rows_text, statistic_json};
use super::statement;
use crate::args::{ExplainArgs, Global};
use crate::failure::Result;
use crate::output::listing::{print_json, print_text};
use crate::output::moved_json;
use crate::output::text::{bytes, counted, printable};
use crate::session;

/// Explains it.
pub(crate) fn run(global: &Global, args: &ExplainArgs) -> Result<()> {
    let sql = statement::text(&args.statement)?;
    let request = Request {
        sql,
        parameters: statement::parameters(&args.statement.parameters)?,
        limit_rows: None,
        clustered_by: Vec::new(),
        writes_allowed: false,
        paths_allowed: true,
    };
    session::run(global, |session| async move {
        let (cx, progress) = session.begin(args.limits.timeout);
        progress.draw();
        let analyze = args.analyze;
        let work =
            |engine: Arc<Engine>, cx| async move { engine.explain(&cx, request, analyze).await };
        let explained = session.on_workers(&cx, work).await;
        progress.clear();
        match session.global.json {
            true => print_json(&explanation_json(&explained?)),
            false => print_text(&explanation_text(&explained?)),
        }
    })
}

fn explanation_text(explanation: &Explanation) -> String {
    let Explanation { sources, plan, measured, rows, elapsed_ms } = explanation;
    let mut lines = Vec::new();
    for source in sources {
        lines.extend(source_lines(source));
        lines.push(String::new());
    }
    lines.push("plan".to_owned());
    lines.extend(plan.trim_end().lines().map(|line| format!("  {line}")));
    if let (Some(rows), Some(elapsed_ms)) = (rows, elapsed_ms) {
        lines.push(String::new());
        lines.push(format!("ran: {} in {elapsed_ms} ms", counted(*rows, "row", "rows")));
        lines.extend(measured.iter().map(|(name, moved)| measured_line(name, moved)));
    }
    lines.into_iter().map(|line| printable(&line) + "\n").collect()
}

fn source_lines(source: &SourceExplanation) -> Vec<String> {
    let SourceExplanation { datasource, table, is_query: _, reads, pushed, stayed, estimate } =
        source;
    let mut lines = vec![format!("{datasource}.{table}")];
    let mut field = |name: &str, text: &str| lines.push(format!("  {name:<9} {text}"));
    field("reads", reads);
    pushed.iter().for_each(|item| field("pushed", item));
    stayed.iter().for_each(|item| field("stays", item));
    let Estimate { rows, bytes, cost_usd, rate } = estimate;
    let estimates = [
        rows.map(rows_text),
        bytes.map(bytes_text),
        cost_usd.map(|cost| format!("{:.4} USD", cost.value)),
        rate.as_ref().map(|rate| format!("{} {} an hour", rate.amount, rate.unit)),
    ];
    let estimates: Vec<_> = estimates.into_iter().flatten().collect();
    if !estimates.is_empty() {
        field("estimate", &estimates.join(", "));
    }
    lines
}

fn measured_line(name: &str, moved: &TallySnapshot) -> String {
    let TallySnapshot { statements, requests, bytes_read, bytes_written, rows, retries } = moved;
    let counts = [
        // Whoever reads files counts requests, and whoever asks in SQL counts rows.
        (*rows > 0 || *requests == 0, counted(*rows, "row", "rows")),
        (true, format!("{} read", bytes(*bytes_read))),
        (*requests > 0, counted(*requests, "request", "requests")),
        (*bytes_written > 0, format!("{} written", bytes(*bytes_written))),
        (*retries > 0, counted(*retries, "retry", "retries")),
    ];
    let mut parts: Vec<_> =
        counts.into_iter().filter_map(|(is_told, text)| is_told.then_some(text)).collect();
    if !statements.is_empty() {
        parts.push(format!("statements {}", statements.join(", ")));
    }
    format!("  {name}: {}", parts.join(", "))
}

fn explanation_json(explanation: &Explanation) -> Value {
    let Explanation { sources, plan, measured, rows, elapsed_ms } = explanation;
    let source_json = |source: &SourceExplanation| {
        let SourceExplanation { datasource, table, is_query: _, reads, pushed, stayed, estimate } =
            source;
        let Estimate { rows, bytes, cost_usd, rate } = estimate;
        json!({
            "datasource": datasource,
            "table": table,
            "reads": reads,
            "pushed": pushed,
            "stayed": stayed,
            "estimate": {
                "rows": statistic_json(*rows),
                "bytes": statistic_json(*bytes),
                "cost_usd": statistic_json(*cost_usd),
                "rate": rate.as_ref().map(|rate| json!({
                    "amount_per_h": rate.amount,
                    "unit": rate.unit,
                })),
            },
        })
    };
    let measured: serde_json::Map<String, Value> =
        measured.iter().map(|(name, moved)| (name.clone(), moved_json(moved))).collect();
    json!({
        "sources": sources.iter().map(source_json).collect::<Vec<_>>(),
        "plan": plan,
        "measured": measured,
        "rows": rows,
        "elapsed_ms": elapsed_ms,
    })
}
