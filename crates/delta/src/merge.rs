//! Merging rows into a table.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::prelude::SessionContext;
use deltalake::DeltaResult;
use deltalake::kernel::EagerSnapshot;
use deltalake::operations::merge::{InsertBuilder, MergeBuilder, UpdateBuilder};
use orbit_core::{Error, ErrorKind, Result};
use orbit_engine::{MergeAction, MergeClause, TableMerge};

use crate::error;
use crate::expression::{cuts, exact};
use crate::rows::Rows;
use crate::work::{Running, Work, changed};

/// What the table is called in a merge's expressions.
const TABLE: &str = "t";

/// What the given rows are called.
const SOURCE: &str = "s";

/// A column and its new value, in SQL.
type Assignment = (Column, String);

impl Work {
    /// Begins a merge of `rows`.
    pub(crate) fn merge(&self, merge: &TableMerge, rows: &Arc<Rows>) -> Result<Running> {
        let source = rows.table().and_then(|table| {
            SessionContext::new_with_state(self.session.as_ref().clone()).read_table(table)
        });
        let source = source.map_err(|failure| {
            Error::new(ErrorKind::Unexpected, "the rows cannot be planned").with_source(failure)
        })?;
        let builder = self
            .table()
            .merge(source, merge.on.as_str())
            .with_source_alias(SOURCE)
            .with_target_alias(TABLE)
            // The rows come once.
            .with_streaming(true)
            .with_merge_schema(merge.add_columns)
            .with_session_state(self.session())
            .with_commit_properties(self.properties());
        self.check_meeting(&merge.on)?;
        let all = self.by_name(merge, rows)?;
        let builder = with_clauses(builder, merge, &all);
        Ok(changed(builder.map_err(|failure| error::of_request(&failure))?))
    }

    /// Fails for a condition of which delta-rs would cut a number.
    fn check_meeting(&self, on: &str) -> Result<()> {
        let schema = self.snapshot.as_ref().map(EagerSnapshot::arrow_schema);
        let is_integer = |name: &str| {
            let field = schema.as_ref().and_then(|schema| schema.field_with_name(name).ok());
            field.is_some_and(|field| field.data_type().is_integer())
        };
        if !cuts(on, is_integer) {
            return Ok(());
        }
        let message = "`on` compares a column of integers with a number that is none";
        Err(Error::new(ErrorKind::QueryInvalid, message)
            .with_hint("compare it with an integer, or in --matched-if"))
    }

    /// Every column that the rows and the table share, each from its namesake.
    fn by_name(&self, merge: &TableMerge, rows: &Rows) -> Result<Vec<Assignment>> {
        use datafusion::physical_plan::streaming::PartitionStream;
        let given = rows.schema();
        let names: Vec<_> = given.fields().iter().map(|field| field.name()).collect();
        if let Some(unknown) = names.iter().find(|n| !merge.add_columns && !self.has_column(n)) {
            let takes_all = |clause: &MergeClause| matches!(&clause.action, MergeAction::Set(set) if set.is_empty());
            let clauses = merge.matched.iter().chain(&merge.not_matched);
            if clauses.into_iter().any(takes_all) {
                let message = format!("the table has no column `{unknown}`");
                return Err(Error::new(ErrorKind::QueryInvalid, message)
                    .with_hint("leave it out of the query, say what is set, or add the columns"));
            }
        }
        let new: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        let new = if merge.add_columns { &new[..] } else { &[] };
        let clauses = [&merge.matched, &merge.not_matched, &merge.not_matched_by_source];
        for clause in clauses.into_iter().flatten() {
            if let MergeAction::Set(set) = &clause.action {
                self.check_assigned(set, new)?;
            }
        }
        let assign = |name: &String| {
            let quoted = name.replace('"', "\"\"");
            (Column::from_name(name), format!("{SOURCE}.\"{quoted}\""))
        };
        Ok(names.into_iter().map(assign).collect())
    }
}

fn with_clauses(
    mut builder: MergeBuilder,
    merge: &TableMerge,
    all: &[Assignment],
) -> DeltaResult<MergeBuilder> {
    for clause in &merge.matched {
        builder = match &clause.action {
            MergeAction::Delete => {
                builder.when_matched_delete(|delete| match &clause.predicate {
                    Some(predicate) => delete.predicate(exact(predicate)),
                    None => delete,
                })?
            }
            MergeAction::Set(set) => {
                builder.when_matched_update(|update| with_update(update, clause, set, all))?
            }
        };
    }
    for clause in &merge.not_matched {
        if let MergeAction::Set(set) = &clause.action {
            builder =
                builder.when_not_matched_insert(|insert| with_insert(insert, clause, set, all))?;
        }
    }
    for clause in &merge.not_matched_by_source {
        builder = match &clause.action {
            MergeAction::Delete => {
                builder.when_not_matched_by_source_delete(|delete| match &clause.predicate {
                    Some(predicate) => delete.predicate(exact(predicate)),
                    None => delete,
                })?
            }
            MergeAction::Set(set) => builder.when_not_matched_by_source_update(|update| {
                with_update(update, clause, set, &[])
            })?,
        };
    }
    Ok(builder)
}

fn assignments(set: &[(String, String)], all: &[Assignment]) -> Vec<Assignment> {
    match set {
        [] => all.to_vec(),
        set => {
            set.iter().map(|(column, value)| (Column::from_name(column), exact(value))).collect()
        }
    }
}

fn with_update(
    mut update: UpdateBuilder,
    clause: &MergeClause,
    set: &[(String, String)],
    all: &[Assignment],
) -> UpdateBuilder {
    if let Some(predicate) = &clause.predicate {
        update = update.predicate(exact(predicate));
    }
    assignments(set, all)
        .into_iter()
        .fold(update, |update, (column, value)| update.update(column, value))
}

fn with_insert(
    mut insert: InsertBuilder,
    clause: &MergeClause,
    set: &[(String, String)],
    all: &[Assignment],
) -> InsertBuilder {
    if let Some(predicate) = &clause.predicate {
        insert = insert.predicate(exact(predicate));
    }
    assignments(set, all)
        .into_iter()
        .fold(insert, |insert, (column, value)| insert.set(column, value))
}
