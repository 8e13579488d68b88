//! Commands on a table: its facts, its changes, and what makes a new version of it.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use deltalake::DeltaTableError;
use deltalake::kernel::EagerSnapshot;
use deltalake::kernel::transaction::PROTOCOL;
use futures::{StreamExt, TryStreamExt};
use orbit_core::{
    BatchStream, Context, Error, ErrorKind, FileEntry, FileInfo, FileStore, ListFiles, Operation,
    Result, Version, WriteEffect,
};
use orbit_engine::{Faults, FormatCommand, FormatTable, TableAnswer, TableChange, TableCommand};
use serde_json::{Map, Value};

use crate::error;
use crate::facts::{self, commit_info};
use crate::format::{Delta, Opened, prefix};
use crate::log::Log;
use crate::log_store::TableLog;
use crate::root::Root;
use crate::roots::AllowedRoots;
use crate::rows::Rows;
use crate::store::TableStore;
use crate::work::{Running, Work, changed};

/// The property by which a table records its changes.
const RECORDS_CHANGES: &str = "delta.enableChangeDataFeed";

/// How a table is made where the files cannot stay.
const BY_ROWS: &str = "make another table of its rows, by `orbit delta create NAME --from SQL`";

impl Delta {
    /// Runs a command.
    pub(crate) async fn run(
        &self,
        cx: &Context,
        table: &FormatTable,
        session: Arc<dyn Session>,
        command: FormatCommand,
    ) -> Result<TableAnswer> {
        if matches!(command.command, TableCommand::Create(_) | TableCommand::Convert { .. }) {
            return make(cx, table, session.as_ref(), command).await.map(TableAnswer::Changed);
        }
        let opened = self.opened(cx, table).await?;
        match command.command {
            TableCommand::Detail => facts::detail(&opened.snapshot).map(TableAnswer::Facts),
            TableCommand::History { limit } => {
                let source = TableLog::new(&opened.loader.store)?;
                let history = facts::history(&source, &opened.loader.log, limit).await?;
                Ok(TableAnswer::Facts(history))
            }
            TableCommand::Changes { from, to } => {
                let work = work(cx, table, &opened, session.as_ref())?;
                let to = to.unwrap_or(opened.snapshot.version());
                self.check_recorded(table, &opened, from, to).await?;
                changes(cx, &work, from, to).await.map(TableAnswer::Rows)
            }
            TableCommand::Restore { version } => {
                let work = writing(cx, table, &opened, session.as_ref())?;
                let restore = self.restore(table, &opened, &work, version).await?;
                finish(&work, restore, None, false).await.map(TableAnswer::Changed)
            }
            _ => {
                let work = writing(cx, table, &opened, session.as_ref())?;
                change(&work, command).await.map(TableAnswer::Changed)
            }
        }
    }

    /// Fails for versions that did not record their changes. delta-rs sees only the commits
    /// between them that turn recording on or off.
    async fn check_recorded(
        &self,
        table: &FormatTable,
        opened: &Opened,
        from: u64,
        to: u64,
    ) -> Result<()> {
        let newest = opened.snapshot.version();
        if from > to || to > newest {
            let message = "the table has no such versions";
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("its newest version is {newest}")));
        }
        for version in [from, to] {
            let state = self.snapshot_of(table, opened, version).await?;
            let recorded = state.metadata().configuration().get(RECORDS_CHANGES);
            if !recorded.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
                return Err(error::unrecorded(version));
            }
        }
        Ok(())
    }

    async fn restore(
        &self,
        table: &FormatTable,
        opened: &Opened,
        work: &Work,
        version: Version,
    ) -> Result<Running> {
        let target = match version {
            Version::Number(number) => number,
            Version::Timestamp(timestamp) => opened.loader.version_at(timestamp).await?,
        };
        // Reading it here refuses what lies outside of the table before delta-rs looks at it.
        self.snapshot_of(table, opened, target).await?;
        let newest = opened.snapshot.version();
        if target >= newest {
            let message = format!("version {target} is the newest one already");
            return Err(Error::new(ErrorKind::QueryInvalid, message));
        }
        let restore = work.table().restore().with_version_to_restore(target);
        Ok(changed(restore.with_commit_properties(work.properties())))
    }
}

/// Work on the table; listings tell what is there now.
fn work(cx: &Context, table: &FormatTable, opened: &Opened, session: &dyn Session) -> Result<Work> {
    let files = FileStore::new(Arc::clone(&table.datasource), cx.clone())?;
    let root = opened.loader.store.root().clone();
    let allowed = Arc::new(AllowedRoots::new(&table.allowed_roots)?);
    let (folder, faults) = (prefix(&table.folder), table.faults.clone());
    let store = Arc::new(TableStore::new(files, folder, root, None, allowed, faults));
    Work::new(cx, &store, Some(EagerSnapshot::clone(&opened.snapshot)), session)
}

/// The same, for a command that writes.
fn writing(
    cx: &Context,
    table: &FormatTable,
    opened: &Opened,
    session: &dyn Session,
) -> Result<Work> {
    let can_write = PROTOCOL.can_write_to(opened.snapshot.as_ref());
    can_write.map_err(|failure| {
        let failure = DeltaTableError::from(failure);
        let unsupported = error::unsupported(&failure, "writer");
        let error = unsupported.unwrap_or_else(|| error::of_request(&failure));
        error.with_source(failure).with_write_effect(WriteEffect::None)
    })?;
    if let Some(file) = error::foreign_file(&opened.snapshot, &AllowedRoots::default()) {
        let message = "a table with files outside of its folder is only read";
        let error = Error::new(ErrorKind::Unsupported, message).with_context("file", file);
        return Err(error.with_write_effect(WriteEffect::None));
    }
    work(cx, table, opened, session)
}

/// Makes a table where there is none.
async fn make(
    cx: &Context,
    table: &FormatTable,
    session: &dyn Session,
    command: FormatCommand,
) -> Result<TableChange> {
    let folder = prefix(&table.folder);
    let log = Log::list(cx, table.datasource.as_ref(), &folder, None).await?;
    if log.is_some_and(|log| log.len() > 0) {
        let error = Error::new(ErrorKind::AlreadyExists, "there is a Delta table already");
        return Err(error.with_write_effect(WriteEffect::None));
    }
    if matches!(command.command, TableCommand::Convert { .. }) {
        let checked = check_folder(cx, table).await;
        checked.map_err(|error| error.with_write_effect(WriteEffect::None))?;
    }
    let files = FileStore::new(Arc::clone(&table.datasource), cx.clone())?;
    let (root, faults) = (Root::next()?, table.faults.clone());
    let store = Arc::new(TableStore::new(files, folder, root, None, Arc::default(), faults));
    let work = Work::new(cx, &store, None, session)?;
    change(&work, command).await
}

/// Fails where delta-rs would make a table of other files than a query reads: it takes hidden
/// ones, too, and decodes their names.
async fn check_folder(cx: &Context, table: &FormatTable) -> Result<()> {
    let files = table.datasource.facets().files;
    let files = files.ok_or_else(|| Error::unsupported(Operation::ListFiles))?;
    let prefix = prefix(&table.folder);
    let request = ListFiles { prefix: prefix.clone(), delimited: false, start_after: None };
    let mut pages = files.list(cx, request).await?;
    while let Some(page) = pages.try_next().await? {
        for entry in page {
            let FileEntry::File(FileInfo { key, .. }) = entry else { continue };
            let name = key.strip_prefix(&prefix).unwrap_or(&key);
            let is_hidden = name.split('/').any(|part| {
                part.starts_with('.') || (part.starts_with('_') && !part.contains('='))
            });
            let (message, hint) = match name.ends_with(".parquet") {
                true if is_hidden => {
                    ("a hidden Parquet file would be converted", "move it elsewhere")
                }
                true if name.contains('%') => ("a name with a `%` cannot be converted", BY_ROWS),
                _ => continue,
            };
            let error = Error::new(ErrorKind::Unsupported, message);
            return Err(error.with_context("key", key).with_hint(hint));
        }
    }
    Ok(())
}

async fn change(work: &Work, command: FormatCommand) -> Result<TableChange> {
    let FormatCommand { command, columns, rows } = command;
    let rows = rows.map(Rows::new);
    let running = work.start(&command, columns.as_ref(), rows.as_ref())?;
    // Such a command begins with a commit of its own.
    let in_steps = matches!(command, TableCommand::Vacuum(_));
    finish(work, running, rows.as_deref(), in_steps).await
}

/// Waits for a command, and tells what it committed.
async fn finish(
    work: &Work,
    running: Running,
    rows: Option<&Rows>,
    in_steps: bool,
) -> Result<TableChange> {
    let outcome = running.await;
    let committed = work.log.committed();
    let mut change = TableChange::default();
    if let Some(last) = committed.last() {
        change.version = Some(last.version);
        // It is our own, just made.
        let info = commit_info(&last.actions).unwrap_or_default();
        if let Some(Value::Object(metrics)) = info.get("operationMetrics") {
            change.metrics = metrics.clone();
        }
    }
    let failure = match outcome {
        Ok(figures) => {
            let figures: Map<_, _> = figures;
            change.metrics.extend(figures);
            return Ok(change);
        }
        Err(failure) => failure,
    };
    let cause = rows.and_then(Rows::take_failure);
    let error = error::of_write(failure, cause, work.log.store());
    match (change.version, in_steps) {
        (None, _) => {
            let effect = error.write_effect().unwrap_or(WriteEffect::None);
            Err(error.with_write_effect(effect))
        }
        (Some(_), true) => Err(error.with_write_effect(WriteEffect::Partial)),
        (Some(version), false) => {
            let message = format!("version {version} stands, but cleaning up after it failed");
            change.warnings.push(format!("{message}: {error}"));
            Ok(change)
        }
    }
}

/// The rows that changed from version `from` to version `to`.
async fn changes(cx: &Context, work: &Work, from: u64, to: u64) -> Result<BatchStream> {
    let builder = work.table().scan_cdf().with_starting_version(from).with_ending_version(to);
    let plan = builder.build(work.session.as_ref(), None).await;
    let plan = plan.map_err(|failure| error::of_changes(failure, work.log.store()))?;
    run_plan(cx, plan, work.session.task_ctx(), work.log.store().faults())
}

fn run_plan(
    cx: &Context,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    faults: Faults,
) -> Result<BatchStream> {
    let schema = plan.schema();
    let failed = move |failure: DataFusionError| {
        let cause = error::orbit_cause(&failure).cloned();
        cause.or_else(|| faults.first()).unwrap_or_else(|| {
            Error::new(ErrorKind::DataInvalid, "the changes cannot be read").with_source(failure)
        })
    };
    let batches = execute_stream(plan, task).map_err(&failed)?;
    let batches = batches.map(move |batch| batch.map_err(&failed));
    Ok(BatchStream::new(schema, batches).bounded_by(cx))
}
