//! The kernel's engine over one table.
//!
//! Reading goes through an engine that looks every file up by scheme and authority, and so
//! cannot be led to another store. It cannot write checkpoints; the engine that can looks at
//! paths alone, and is given only what belongs to the table.

use std::sync::Arc;

use bytes::Bytes;
use delta_kernel::schema::SchemaRef;
use delta_kernel::{
    DeltaResult, DeltaResultIteratorStatic, Engine, EngineData, Error as KernelError,
    EvaluationHandler, FileDataReadResultIterator, FileMeta, FileSlice, JsonHandler, ParquetFooter,
    ParquetHandler, PredicateRef, StorageHandler,
};
use url::Url;

use crate::root::Root;
use crate::store::outside;

/// Reads by one engine, writes by the other.
pub(crate) struct LogEngine {
    reads: Arc<dyn Engine>,
    files: Arc<Files>,
}

impl LogEngine {
    /// The engine of the table that is named `root`.
    pub(crate) fn new(reads: Arc<dyn Engine>, writes: &dyn Engine, root: Root) -> Self {
        let files = Arc::new(Files {
            storage: reads.storage_handler(),
            parquet: reads.parquet_handler(),
            written_storage: writes.storage_handler(),
            written_parquet: writes.parquet_handler(),
            root,
        });
        Self { reads, files }
    }
}

impl Engine for LogEngine {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        self.reads.evaluation_handler()
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        Arc::clone(&self.files) as Arc<dyn StorageHandler>
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        self.reads.json_handler()
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        Arc::clone(&self.files) as Arc<dyn ParquetHandler>
    }
}

/// The table's files.
struct Files {
    storage: Arc<dyn StorageHandler>,
    parquet: Arc<dyn ParquetHandler>,
    written_storage: Arc<dyn StorageHandler>,
    written_parquet: Arc<dyn ParquetHandler>,
    root: Root,
}

impl Files {
    fn check(&self, url: &Url) -> DeltaResult<()> {
        if self.root.is_store_of(url) && url.query().is_none() {
            return Ok(());
        }
        Err(KernelError::generic_err(outside(url.as_str())))
    }
}

impl StorageHandler for Files {
    fn list_from(
        &self,
        path: &Url,
    ) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<FileMeta>>>> {
        self.storage.list_from(path)
    }

    fn read_files(
        &self,
        files: Vec<FileSlice>,
    ) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<Bytes>>>> {
        self.storage.read_files(files)
    }

    fn copy_atomic(&self, from: &Url, to: &Url) -> DeltaResult<()> {
        self.check(from)?;
        self.check(to)?;
        self.written_storage.copy_atomic(from, to)
    }

    fn put(&self, path: &Url, data: Bytes, overwrite: bool) -> DeltaResult<()> {
        self.check(path)?;
        self.written_storage.put(path, data, overwrite)
    }

    fn head(&self, path: &Url) -> DeltaResult<FileMeta> {
        self.check(path)?;
        self.written_storage.head(path)
    }

    fn delete(&self, path: &Url) -> DeltaResult<()> {
        self.check(path)?;
        self.written_storage.delete(path)
    }
}

impl ParquetHandler for Files {
    fn read_parquet_files(
        &self,
        files: &[FileMeta],
        physical_schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> DeltaResult<FileDataReadResultIterator> {
        self.parquet.read_parquet_files(files, physical_schema, predicate)
    }

    fn write_parquet_file(
        &self,
        location: Url,
        data: DeltaResultIteratorStatic<Box<dyn EngineData>>,
    ) -> DeltaResult<()> {
        self.check(&location)?;
        self.written_parquet.write_parquet_file(location, data)
    }

    fn read_parquet_footer(&self, file: &FileMeta) -> DeltaResult<ParquetFooter> {
        self.parquet.read_parquet_footer(file)
    }
}
