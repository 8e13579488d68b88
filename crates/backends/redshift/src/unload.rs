//! The rows of a query as Parquet files in the staging bucket, which others read in parallel.
//!
//! Redshift names the files it wrote, and their rows, in a manifest; what it names must be there
//! in that size. They are deleted an hour after that, or when the datasource is closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow_schema::{DataType, Schema};
use futures::TryStreamExt;
use orbit_core::{
    Context, Error, ErrorKind, Partition, PartitionSet, PartitionSource, Query, Result, SqlForms,
    Target,
};
use serde::Deserialize;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::query::is_cut;
use crate::session::Server;
use crate::shared::Shared;
use crate::staging::{Folder, Staging};
use crate::statement::as_table;
use crate::types::SOURCE_TYPE;

/// How long the files stay.
const KEPT: Duration = Duration::from_secs(3600);
/// What the names of the files begin with; Redshift adds `manifest` to one.
const PART: &str = "part-";

/// What Redshift wrote.
#[derive(Debug, Deserialize)]
struct Manifest {
    entries: Vec<ManifestEntry>,
    meta: ManifestMeta,
}

#[derive(Debug, Deserialize)]
struct ManifestEntry {
    url: String,
    meta: ManifestMeta,
}

#[derive(Debug, Deserialize)]
struct ManifestMeta {
    content_length: u64,
    record_count: u64,
}

/// Whether a query can be answered so: a statement of UNLOAD has no limit, and Parquet has no
/// equal for some types.
pub(crate) fn fits(query: &Query, schema: &Schema) -> bool {
    let plain = |field: &Arc<arrow_schema::Field>| {
        let odd = matches!(
            field.data_type(),
            DataType::Time64(_) | DataType::Interval(_) | DataType::Binary
        );
        !odd && !field.metadata().contains_key(SOURCE_TYPE)
    };
    query.limit.is_none() && !schema.fields().is_empty() && schema.fields().iter().all(plain)
}

/// The statement that writes the rows of `select`.
fn unload_sql(
    shared: &Shared,
    staging: &Staging,
    folder: &Folder,
    select: &str,
    ordered: bool,
) -> Result<String> {
    let dialect = shared.forms.dialect();
    // Several slices write at once unless the order of the rows matters.
    let parallel = if ordered { " PARALLEL OFF" } else { "" };
    Ok(format!(
        "UNLOAD ({}) TO {} {} FORMAT AS PARQUET MANIFEST VERBOSE{parallel}{}",
        dialect.text(select)?,
        dialect.text(&staging.url(&format!("{}{PART}", folder.0)))?,
        staging.authorization(dialect)?,
        staging.region(dialect)?,
    ))
}

/// The parts of a query: groups of files, all of one statement and so of one snapshot.
pub(crate) async fn partitions(
    shared: &Arc<Shared>,
    staging: &Arc<Staging>,
    cx: &Context,
    query: &Query,
    schema: Arc<Schema>,
    partitions_max: usize,
) -> Result<PartitionSet> {
    debug_assert_eq!(shared.server, Server::Redshift);
    let is_table = matches!(query.target, Target::Table(_));
    let mut select = shared.statement_of(cx, query).await?;
    if !is_table && !is_cut(query) {
        // UNLOAD takes a limit, which the statement may have, only where it stands inside.
        select = format!("SELECT * FROM {}", as_table(&select));
    }
    let folder = Folder::fresh();
    let ordered = !query.order.is_empty();
    let sql = unload_sql(shared, staging, &folder, &select, ordered)?;
    // Whoever leaves in between leaves the files to the task behind it.
    let unloading = delete_later(shared, staging, &folder);
    let done = shared.command(cx, sql).await?;
    done.try_for_each(|_| async { Ok(()) }).await?;
    let files = written(staging, cx, &folder).await?;
    let expires_at = SystemTime::now() + KEPT;
    drop(unloading);
    let groups = groups(&files, partitions_max);
    let partitions = groups.into_iter().map(|group| {
        let rows = Some(group.iter().map(|(_, rows)| rows).sum());
        let keys = group.into_iter().map(|(key, _)| key).collect();
        let datasource = staging.datasource().to_owned();
        Partition { source: PartitionSource::Files { datasource, keys }, rows }
    });
    Ok(PartitionSet {
        schema,
        partitions: partitions.collect(),
        // A statement may have an order of its own, which files that were written at once lose.
        ordered: ordered || is_table,
        one_snapshot: true,
        expires_at: Some(expires_at),
        kept: None,
    })
}

/// The files and their rows, once all that the manifest names are seen to be there.
async fn written(staging: &Staging, cx: &Context, folder: &Folder) -> Result<Vec<(String, u64)>> {
    let manifest = staging.read(cx, &format!("{}{PART}manifest", folder.0)).await?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|e| {
        Error::new(ErrorKind::DataInvalid, "the manifest of an UNLOAD makes no sense")
            .with_source(e)
    })?;
    let there: HashMap<_, _> = staging.list(cx, folder).await?.into_iter().collect();
    let missing = |what: &str| {
        Error::new(ErrorKind::Truncated, format!("{what} of an UNLOAD is not as its manifest says"))
            .with_hint("check that `staging.url` is where the keys of its datasource begin")
    };
    let mut files = Vec::new();
    for entry in &manifest.entries {
        let key = staging.key(&entry.url).filter(|key| key.starts_with(&folder.0));
        let key = key.ok_or_else(|| missing("the place of a file"))?;
        if there.get(key) != Some(&entry.meta.content_length) {
            return Err(missing("a file"));
        }
        files.push((key.to_owned(), entry.meta.record_count));
    }
    let rows: u64 = files.iter().map(|(_, rows)| rows).sum();
    if rows != manifest.meta.record_count {
        return Err(missing("the number of rows"));
    }
    Ok(files)
}

/// So many groups at most, of neighbours, each of about as many files.
fn groups(files: &[(String, u64)], most: usize) -> Vec<Vec<(String, u64)>> {
    let each = files.len().div_ceil(most.max(1)).max(1);
    files.chunks(each).map(<[_]>::to_vec).collect()
}

/// Deletes the files when their time has come, which begins once what this answers is dropped,
/// or the datasource is closed.
fn delete_later(shared: &Shared, staging: &Arc<Staging>, folder: &Folder) -> DropGuard {
    let (closing, cleanup) = (shared.closing.clone(), staging.cleanup(&shared.tasks, folder));
    let unloaded = CancellationToken::new();
    let unloading = unloaded.clone().drop_guard();
    shared.tasks.spawn(async move {
        let kept = async {
            unloaded.cancelled().await;
            tokio::time::sleep(KEPT).await;
        };
        tokio::select! {
            () = closing.cancelled() => {}
            () = kept => {}
        }
        drop(cleanup);
    });
    unloading
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn files_are_grouped_in_order() {
        let files = |n: u64| (0..n).map(|i| (i.to_string(), i)).collect::<Vec<_>>();
        let sizes = |n, most| groups(&files(n), most).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(5, 2), [3, 2]);
        assert_eq!(sizes(2, 8), [1, 1]);
        assert_eq!(sizes(0, 8), [] as [usize; 0]);
    }
}
