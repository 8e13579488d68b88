//! A table that is read in parts while it changes.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use orbit_core::{Datasource, ErrorKind, PartitionRead, PartitionSet, Partitions, Result};

use crate::{Attempt, Stage, cx, gather, sql, table};

/// Transactions that keep a snapshot.
const KEPT: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' \
                    AND query LIKE '%pg_export_snapshot%'";

/// How many snapshots a datasource keeps at once.
const KEPT_MAX: i64 = 4;

async fn parted(datasource: &Arc<dyn Datasource>) -> Result<PartitionSet> {
    let request = Partitions { query: table("moments"), partitions_max: 4 };
    sql(datasource).partitions(&cx(), request).await
}

/// How many rows the parts have, and the sum of their numbers.
async fn total(datasource: &Arc<dyn Datasource>, set: &PartitionSet) -> Result<(usize, i64)> {
    let (mut rows, mut sum) = (0, 0);
    for partition in set.partitions.clone() {
        let request = PartitionRead { schema: Arc::clone(&set.schema), partition };
        for batch in gather(sql(datasource).read_partition(&cx(), request).await?).await? {
            rows += batch.num_rows();
            sum += batch.column(1).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        }
    }
    Ok((rows, sum))
}

async fn kept(stage: &Stage, wanted: i64) -> Attempt {
    for _ in 0..100 {
        if stage.counted(KEPT).await == wanted {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("{} snapshots are kept, not {wanted}", stage.counted(KEPT).await).into())
}

pub(crate) async fn parts_are_of_one_moment(stage: &Stage) -> Attempt {
    stage
        .prepare(
            "CREATE TABLE moments (id bigint PRIMARY KEY, n bigint NOT NULL); \
             INSERT INTO moments SELECT i, i FROM generate_series(1, 1000) AS i",
        )
        .await;
    let datasource = stage.connect(&[]).await?;
    let set = parted(&datasource).await?;
    ensure!(set.one_snapshot && set.partitions.len() == 4, "{set:?}");
    // Each row moves to another part, and one comes.
    stage
        .prepare(
            "UPDATE moments SET id = id + 10000, n = 0; INSERT INTO moments VALUES (5, 1000000)",
        )
        .await;
    let before = total(&datasource, &set).await?;
    ensure!(before == (1000, 500_500), "{before:?}");
    let after = total(&datasource, &parted(&datasource).await?).await?;
    ensure!(after == (1001, 1_000_000), "{after:?}");
    kept(stage, 1).await?;
    let late = PartitionSet { kept: None, ..set.clone() };
    drop(set);
    kept(stage, 0).await?;
    let gone = total(&datasource, &late).await.err().map(|error| error.kind());
    ensure!(gone == Some(ErrorKind::Truncated), "{gone:?}");

    let mut sets = Vec::new();
    for _ in 0..KEPT_MAX {
        sets.push(parted(&datasource).await?);
    }
    let whole = parted(&datasource).await?;
    ensure!(whole.one_snapshot && whole.partitions.len() == 1, "{whole:?}");
    ensure!(total(&datasource, &whole).await? == after, "the one part has other rows");
    kept(stage, KEPT_MAX).await?;
    datasource.close().await?;
    kept(stage, 0).await
}
