//! What a plan will do, source by source.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use datafusion::common::ScalarValue;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use orbit_core::{Estimate, EstimateQuality, Predicate, SortKey, Statistic, TallySnapshot};

use crate::lake::Place;
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

/// What each scan of `plan` pushes and what the plan does itself; `places` tell where its files
/// lie.
pub(crate) fn sources(plan: &Arc<dyn ExecutionPlan>, places: &[Place]) -> Vec<SourceExplanation> {
    let mut found = Vec::new();
    walk(plan, places, &mut Vec::new(), &mut found);
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
    places: &[Place],
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
        found.extend(file_source(source, places, above));
    }
    for child in plan.children() {
        walk(child, places, above, found);
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
    places: &[Place],
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
    // A constant is left where every condition was taken from the scan.
    let pruning = config.file_source.filter().filter(|f| !f.is::<Literal>());
    pushed.extend(pruning.map(|f| format!("pruning: {f}")));
    pushed.extend(config.limit.map(|n| format!("limit: {n}")));
    let (datasource, table) = named(first.unwrap_or_default(), places);
    Some(SourceExplanation {
        datasource,
        table,
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

/// The datasource of a file, and the table's folder or, where any file may be one, its key.
fn named(path: String, places: &[Place]) -> (String, String) {
    let place = places.iter().find_map(|place| Some((place, path.strip_prefix(&place.start)?)));
    match place {
        Some((place, rest)) => {
            let folder = place.table.clone().filter(|folder| !folder.is_empty());
            (place.datasource.clone(), folder.unwrap_or_else(|| place.key(rest)))
        }
        None => (String::new(), path),
    }
}

/// The plan's text with files named as `datasource:key`, as people write them.
pub(crate) fn with_file_names(plan: &str, places: &[Place]) -> String {
    let mut text = plan.to_owned();
    for place in places {
        let mut named = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(&place.start) {
            named.push_str(before);
            rest = after;
            if named.ends_with(is_of_a_path) {
                named.push_str(&place.start);
                continue;
            }
            let end = rest.find(ENDS_A_FILE).unwrap_or(rest.len());
            named.push_str(&format!("{}:{}", place.datasource, place.key(&rest[..end])));
            rest = &rest[end..];
        }
        named.push_str(rest);
        text = named;
    }
    text
}

/// What follows a file in a plan: another one, or the end of the group.
const ENDS_A_FILE: [char; 2] = [',', ']'];

/// What may stand before the begin of a path only as a part of it.
fn is_of_a_path(before: char) -> bool {
    before.is_alphanumeric() || matches!(before, '/' | ':' | '.' | '-' | '_' | '%' | '=')
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

#[cfg(test)]
mod tests {
    use super::*;

    fn place(start: &str, datasource: &str, table: Option<&str>) -> Place {
        let (start, datasource) = (start.to_owned(), datasource.to_owned());
        Place { start, datasource, table: table.map(str::to_owned) }
    }

    #[test]
    fn files_are_named_as_people_write_them() {
        let places = [
            place("0./", "lake", None),
            place("10./", "store", None),
            place("t0/", "delta", Some("in/orders")),
        ];
        let plan = "[[0./61/day=1/a.csv:0..9, 10./62/part0/0./b.csv], [t0/at0/c.parquet]], x=[t]";
        let expected = "[[lake:day=1/a.csv:0..9, store:part0/0./b.csv], \
                        [delta:in/orders/at0/c.parquet]], x=[t]";
        assert_eq!(with_file_names(plan, &places), expected);
        let named = |path: &str| named(path.to_owned(), &places);
        assert_eq!(named("10./62/b.csv"), ("store".to_owned(), "b.csv".to_owned()));
        assert_eq!(named("t0/c.parquet"), ("delta".to_owned(), "in/orders".to_owned()));
        assert_eq!(named("t1/c.parquet"), (String::new(), "t1/c.parquet".to_owned()));
    }
}
