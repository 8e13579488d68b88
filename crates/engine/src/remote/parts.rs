//! A query at a source in parts, which several readers take one after the other.
//!
//! The parts are asked for when the first reader begins: a plan that is only shown starts
//! nothing at the source.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::future;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use orbit_core::{
    Context, Datasources, Error, ErrorKind, Partition, PartitionRead, PartitionSet,
    PartitionSource, Partitions, Query, Result, SqlDatasource,
};
use tokio::sync::OnceCell;
use tokio_util::sync::DropGuard;

use super::part_files;

/// How tables of sources are read in parts.
#[derive(Debug, Clone)]
pub(crate) struct PartReading {
    /// Parts that are read at once, and the most that are asked for.
    pub(crate) parts_max: usize,
    /// Rows of a batch of a file.
    pub(crate) batch_rows: usize,
    /// Where the files of a part are.
    pub(crate) datasources: Datasources,
}

/// The parts of one query; each is read once.
pub(super) struct Parts {
    reading: PartReading,
    asked: OnceCell<Asked>,
    readers: Mutex<BTreeSet<usize>>,
}

struct Asked {
    schema: SchemaRef,
    waiting: Mutex<VecDeque<Waiting>>,
    expires_at: Option<SystemTime>,
}

/// A part that nobody has taken, and what the source keeps for it until it is open.
type Waiting = (Partition, Option<Arc<DropGuard>>);

impl Parts {
    pub(super) fn new(reading: PartReading) -> Self {
        Self { reading, asked: OnceCell::new(), readers: Mutex::default() }
    }

    /// How many readers there are.
    pub(super) fn readers_max(&self) -> usize {
        self.reading.parts_max
    }

    /// The same parts, not yet asked for.
    pub(super) fn afresh(&self) -> Self {
        Self::new(self.reading.clone())
    }

    /// Begins the work of one reader.
    ///
    /// # Errors
    /// When it has begun before: what is left would be taken for the whole.
    pub(super) fn begin(&self, reader: usize) -> Result<()> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.insert(reader) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected, "a query in parts was run twice"))
    }

    /// The rows of the next part that nobody has taken; none when all are taken.
    pub(super) async fn next(
        &self,
        cx: &Context,
        sql: &dyn SqlDatasource,
        query: &Query,
    ) -> Result<Option<BoxStream<'static, Result<RecordBatch>>>> {
        let asked = self.asked.get_or_try_init(|| self.ask(cx, sql, query)).await?;
        let next = asked.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((partition, kept)) = next else { return Ok(None) };
        if asked.expires_at.is_some_and(|end| SystemTime::now() > end) {
            let message = "the parts of the result expired before all of them were read";
            return Err(Error::new(ErrorKind::Truncated, message)
                .with_hint("ask for fewer rows, or raise `engine.source_partitions_max`"));
        }
        let schema = Arc::clone(&asked.schema);
        let rows = self.open(cx, sql, PartitionRead { schema, partition }).await;
        drop(kept);
        rows.map(Some)
    }

    async fn ask(&self, cx: &Context, sql: &dyn SqlDatasource, query: &Query) -> Result<Asked> {
        let request = Partitions { query: query.clone(), partitions_max: self.reading.parts_max };
        let set = sql.partitions(cx, request).await?;
        let PartitionSet { schema, partitions, ordered: _, one_snapshot: _, expires_at, kept } =
            set;
        let waiting = partitions.into_iter().map(|partition| (partition, kept.clone())).collect();
        Ok(Asked { schema, waiting: Mutex::new(waiting), expires_at })
    }

    async fn open(
        &self,
        cx: &Context,
        sql: &dyn SqlDatasource,
        read: PartitionRead,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let promised = read.partition.rows;
        let batches = match &read.partition.source {
            PartitionSource::Statement { .. } | PartitionSource::Query { .. } => {
                sql.read_partition(cx, read).await?.boxed()
            }
            PartitionSource::Files { datasource, keys } => {
                let PartReading { parts_max: _, batch_rows, datasources } = &self.reading;
                let store = part_files::store(cx, datasources, datasource).await?;
                part_files::read(store, keys.clone(), read.schema, *batch_rows).boxed()
            }
        };
        Ok(match promised {
            Some(rows) => counted(batches, rows).boxed(),
            None => batches,
        })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("parts_max", &self.reading.parts_max).finish_non_exhaustive()
    }
}

/// The batches, and an error at their end when their rows are not as many as promised.
fn counted(
    batches: BoxStream<'static, Result<RecordBatch>>,
    promised: u64,
) -> impl Stream<Item = Result<RecordBatch>> {
    let seen = Arc::new(AtomicU64::new(0));
    let end = Arc::clone(&seen);
    let check = stream::once(async move {
        let read = end.load(Ordering::Relaxed);
        (read != promised).then(|| {
            let message = format!("a part of {promised} rows ended after {read}");
            Err(Error::new(ErrorKind::Truncated, message))
        })
    });
    let batches = batches.inspect_ok(move |batch| {
        seen.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
    });
    batches.chain(check.filter_map(future::ready))
}
