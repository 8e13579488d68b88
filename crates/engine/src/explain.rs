//! What a plan will do, source by source.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use datafusion::common::ScalarValue;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use orbit_core::{Estimate, EstimateQuality, Predicate, SortKey, Statistic, TallySnapshot};

use crate::lake::LakeStore;
use crate::remote::{RemoteExec, is_text};

/// Values of an `IN` list that are written out.
const VALUES_SHOWN_MAX: usize = 10;

/// What a statement will do, or did.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// One for each scan of a source.
    pub sources: Vec<SourceExplanation>,
    /// The plan as text, one node a line.
    pub plan: String,
    /// What was really moved, by datasource: only when the statement ran.
    pub measured: BTreeMap<String, TallySnapshot>,
    /// Rows of the result: only when the statement ran.
    pub rows: Option<u64>,
    /// Time it took in milliseconds: only when the statement ran.
    pub elapsed_ms: Option<u64>,
}

/// What one scan pushes to its source and what stays.
#[derive(Debug, Clone, Default)]
pub struct SourceExplanation {
    /// The datasource.
    pub datasource: String,
    /// The table, or the first of its files.
    pub table: String,
    /// The source runs a query; otherwise its files are read.
    pub is_query: bool,
    /// The statement or the files that are read, such as `SELECT ...` or `3 of 8 files`.
    pub reads: String,
    /// What the source applies, such as `columns: a, b` or `filter: a > 1`.
    pub pushed: Vec<String>,
    /// What ORBIT applies after it.
    pub stayed: Vec<String>,
    /// What it will cost, where the source says so.
    pub estimate: Estimate,
}

/// What each scan of `plan` pushes and what the plan does itself.
///
/// `scopes` are the datasources by the first segment of their files' paths.
pub(crate) fn sources(
    plan: &Arc<dyn ExecutionPlan>,
    scopes: &HashMap<String, String>,
) -> Vec<SourceExplanation> {
    let mut found = Vec::new();
    walk(plan, scopes, &mut Vec::new(), &mut found);
    found
}

/// Asks each source that can for what its part will cost.
pub(crate) async fn add_estimates(
    plan: &Arc<dyn ExecutionPlan>,
    sources: &mut [SourceExplanation],
) {
    let mut remotes = Vec::new();
    collect_remotes(plan, &mut remotes);
    for (remote, source) in remotes.iter().zip(sources.iter_mut().filter(|s| s.is_query)) {
        let Some(sql) = remote.datasource().facets().sql else { continue };
        if sql.capability().estimate.is_some() {
            match sql.estimate(remote.cx(), remote.query().clone()).await {
                Ok(estimate) => source.estimate = estimate,
                Err(error) => source.stayed.push(format!("no estimate: {error}")),
            }
        }
    }
}

fn collect_remotes(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<RemoteExec>) {
    found.extend(plan.downcast_ref::<RemoteExec>().cloned());
    plan.children().into_iter().for_each(|child| collect_remotes(child, found));
}

/// Visits the scans below `plan`; `above` are the filters between it and the root.
fn walk(
    plan: &Arc<dyn ExecutionPlan>,
    scopes: &HashMap<String, String>,
    above: &mut Vec<String>,
    found: &mut Vec<SourceExplanation>,
) {
    let depth = above.len();
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        above.push(format!("filter: {}", filter.predicate()));
    } else if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let limit = sort.fetch().map_or(String::new(), |n| format!(" limit {n}"));
        above.push(format!("order: {}{limit}", sort.expr()));
    } else if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() {
        above.extend(limit.fetch().map(|n| format!("limit: {n}")));
    } else if plan.children().len() > 1 {
        // What stands above a join belongs to none of its sides alone.
        above.clear();
    }
    if let Some(remote) = plan.downcast_ref::<RemoteExec>() {
        found.push(remote_source(remote, above));
    } else if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        found.extend(file_source(source, scopes, above));
    }
    for child in plan.children() {
        walk(child, scopes, above, found);
    }
    above.truncate(depth);
}

fn remote_source(remote: &RemoteExec, above: &[String]) -> SourceExplanation {
    let query = remote.query();
    let (mut pushed, mut stayed) = (Vec::new(), above.to_vec());
    if let Some(columns) = &query.columns {
        pushed.push(format!("columns: {}", columns.join(", ")));
    }
    pushed.extend(query.predicate.as_ref().map(|p| format!("filter: {}", predicate_text(p))));
    if !query.order.is_empty() {
        pushed.push(format!("order: {}", order_text(&query.order)));
    }
    pushed.extend(query.limit.map(|n| format!("limit: {n}")));
    stayed.retain(|part| !pushed.contains(part));
    SourceExplanation {
        datasource: remote.cx().datasource().unwrap_or_default().to_owned(),
        table: remote.table(),
        is_query: true,
        reads: remote.reads(),
        pushed,
        stayed,
        estimate: Estimate::default(),
    }
}

fn file_source(
    source: &DataSourceExec,
    scopes: &HashMap<String, String>,
    above: &[String],
) -> Option<SourceExplanation> {
    let config = (source.data_source().as_ref() as &dyn Any).downcast_ref::<FileScanConfig>()?;
    let files = config.file_groups.iter().flat_map(FileGroup::files);
    let first = files.clone().next().map(|f| f.object_meta.location.as_ref().to_owned());
    // A file that is read in several parts is in several groups.
    let sizes: BTreeMap<_, _> =
        files.map(|f| (&f.object_meta.location, f.object_meta.size)).collect();
    let bytes: u64 = sizes.values().sum();
    let schema = source.schema();
    let columns: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let mut pushed = vec![format!("columns: {}", columns.join(", "))];
    pushed.extend(config.file_source.filter().map(|f| format!("pruning: {f}")));
    pushed.extend(config.limit.map(|n| format!("limit: {n}")));
    let first = first.as_deref().unwrap_or("");
    let (scope, key) = (first.split('/').next().unwrap_or(""), LakeStore::key(first).to_owned());
    Some(SourceExplanation {
        datasource: scopes.get(scope).cloned().unwrap_or_default(),
        table: key,
        is_query: false,
        reads: format!(
            "{} {} {}, {bytes} bytes",
            sizes.len(),
            config.file_source.file_type(),
            if sizes.len() == 1 { "file" } else { "files" }
        ),
        pushed,
        stayed: above.to_vec(),
        estimate: Estimate {
            bytes: Some(Statistic { value: bytes, quality: EstimateQuality::UpperBound }),
            ..Estimate::default()
        },
    })
}

/// The plan's text with files named as `datasource:key`, as people write them.
pub(crate) fn with_file_names(plan: &str, scopes: &HashMap<String, String>) -> String {
    let mut text = plan.to_owned();
    for (scope, datasource) in scopes {
        let mut named = String::with_capacity(text.len());
        let mut rest = text.as_str();
        let start = format!("{scope}/");
        while let Some((before, after)) = rest.split_once(&start) {
            named.push_str(before);
            named.push_str(datasource);
            named.push(':');
            // The tag of the file's content stands before its key.
            rest = after.split_once('/').map_or(after, |(_, key)| key);
        }
        named.push_str(rest);
        text = named;
    }
    text
}

/// A predicate as a person reads it; not the SQL of any source.
pub(crate) fn predicate_text(predicate: &Predicate) -> String {
    let not = |negated: &bool| if *negated { "not " } else { "" };
    let joined = |parts: &[Predicate], word: &str| {
        let parts: Vec<_> = parts.iter().map(|p| format!("({})", predicate_text(p))).collect();
        parts.join(word)
    };
    match predicate {
        Predicate::Compare { column, op, value } => {
            format!("{column} {} {}", op.as_sql(), value_text(value.array(), 0))
        }
        Predicate::In { column, values, negated } => {
            let shown = values.len().min(VALUES_SHOWN_MAX);
            let mut texts: Vec<_> = (0..shown).map(|i| value_text(values, i)).collect();
            if shown < values.len() {
                texts.push(format!("... {} values", values.len()));
            }
            format!("{column} {}in ({})", not(negated), texts.join(", "))
        }
        Predicate::Like { column, pattern, negated, ignore_case } => {
            let like = if *ignore_case { "ilike" } else { "like" };
            format!("{column} {}{like} '{pattern}'", not(negated))
        }
        Predicate::IsNull { column, negated } => format!("{column} is {}null", not(negated)),
        Predicate::IsTrue { column } => column.clone(),
        Predicate::And(parts) => joined(parts, " and "),
        Predicate::Or(parts) => joined(parts, " or "),
        Predicate::Not(part) => format!("not ({})", predicate_text(part)),
    }
}

/// An order as a person reads it.
pub(crate) fn order_text(order: &[SortKey]) -> String {
    let key = |key: &SortKey| {
        let direction = if key.descending { " desc" } else { "" };
        let nulls = if key.nulls_first { "first" } else { "last" };
        format!("{}{direction} nulls {nulls}", key.column)
    };
    order.iter().map(key).collect::<Vec<_>>().join(", ")
}

fn value_text(array: &ArrayRef, index: usize) -> String {
    match ScalarValue::try_from_array(array, index) {
        Ok(value) if is_text(&value.data_type()) => format!("'{value}'"),
        Ok(value) => value.to_string(),
        Err(_) => "?".to_owned(),
    }
}
