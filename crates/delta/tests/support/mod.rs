//! What the tests share: a folder as a datasource that remembers its requests, and a query
//! over one table as the engine would run it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::DefaultObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::stream::{self, StreamExt, TryStreamExt};
use orbit_core::{
    BatchStream, ByteRange, Context, Copy, Datasource, Delete, DeleteOutcome, Error, ErrorKind,
    Facets, FileCapability, FileDatasource, FileEntry, FileInfo, FileStream, ListFiles, Operation,
    Presign, Read, ReadBody, ReadCapability, ReadRanges, Result, Secret, Stat, Version, Write,
    WriteCapability, WriteCondition,
};
use orbit_engine::{Faults, FormatCommand, FormatTable, TableAnswer, TableCommand, TableFormat};

/// A local folder as a datasource.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    requests: Mutex<Vec<(Operation, String)>>,
    answers_lost: Mutex<Vec<Lost>>,
}

/// What becomes of a write whose answer does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The file was written.
    Written,
    /// It was written, and a request that was sent again found it there.
    SentAgain,
    /// It was not.
    NotWritten,
}

impl Folder {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            root: root.into(),
            requests: Mutex::default(),
            answers_lost: Mutex::default(),
        })
    }

    /// Loses the answer to the next commit.
    pub(crate) fn lose_commit(&self, lost: Lost) {
        self.answers_lost.lock().unwrap().push(lost);
    }

    /// What was asked since the last call.
    pub(crate) fn requests(&self) -> Vec<(Operation, String)> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn note(&self, operation: Operation, key: &str) {
        self.requests.lock().unwrap().push((operation, key.to_owned()));
    }

    fn info(&self, key: &str) -> Result<FileInfo> {
        let missing = |e| {
            Error::new(ErrorKind::NotFound, "no such file").with_context("key", key).with_source(e)
        };
        let metadata = fs::metadata(self.root.join(key)).map_err(missing)?;
        Ok(FileInfo {
            key: key.to_owned(),
            size_bytes: metadata.len(),
            modified: metadata.modified().unwrap(),
            etag: None,
            version: None,
        })
    }

    fn walk(&self, folder: &FsPath, keys: &mut BTreeMap<String, ()>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.walk(&path, keys);
            } else {
                let key = path.strip_prefix(&self.root).unwrap().to_str().unwrap();
                keys.insert(key.to_owned(), ());
            }
        }
    }
}

#[async_trait]
impl Datasource for Folder {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: None, files: Some(self) }
    }

    async fn ping(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl FileDatasource for Folder {
    fn capability(&self) -> FileCapability {
        let read = Some(ReadCapability { if_match: false, start_after: true });
        let write = Some(WriteCapability { if_absent: true, if_match: false });
        FileCapability { read, write, ..FileCapability::default() }
    }

    async fn list(&self, _: &Context, request: ListFiles) -> Result<FileStream> {
        self.note(Operation::ListFiles, &request.prefix);
        let mut keys = BTreeMap::new();
        self.walk(&self.root, &mut keys);
        let mut entries = Vec::new();
        for key in keys.into_keys() {
            let Some(rest) = key.strip_prefix(&request.prefix) else { continue };
            let late = request.start_after.as_ref().is_none_or(|after| key > *after);
            if late && !(request.delimited && rest.contains('/')) {
                entries.push(FileEntry::File(self.info(&key)?));
            }
        }
        Ok(stream::iter([Ok(entries)]).boxed())
    }

    async fn stat(&self, _: &Context, request: Stat) -> Result<FileInfo> {
        self.note(Operation::Stat, &request.key);
        self.info(&request.key)
    }

    async fn read(&self, _: &Context, request: Read) -> Result<ReadBody> {
        self.note(Operation::Read, &request.key);
        let info = self.info(&request.key)?;
        let range = match request.range {
            None => 0..info.size_bytes,
            Some(ByteRange::Bounded(range)) => range.start..range.end.min(info.size_bytes),
            Some(ByteRange::Suffix(bytes)) => {
                info.size_bytes.saturating_sub(bytes)..info.size_bytes
            }
        };
        let bytes = fs::read(self.root.join(&request.key)).unwrap();
        let bytes = Bytes::from(bytes).slice(range.start as usize..range.end as usize);
        Ok(ReadBody { info, range, bytes: stream::iter([Ok(bytes)]).boxed() })
    }

    async fn read_ranges(&self, _: &Context, request: ReadRanges) -> Result<Vec<Bytes>> {
        self.note(Operation::ReadRanges, &request.key);
        self.info(&request.key)?;
        let bytes = Bytes::from(fs::read(self.root.join(&request.key)).unwrap());
        let slice = |r: &std::ops::Range<u64>| bytes.slice(r.start as usize..r.end as usize);
        Ok(request.ranges.iter().map(slice).collect())
    }

    async fn write(&self, _: &Context, request: Write) -> Result<FileInfo> {
        self.note(Operation::Write, &request.key);
        let chunks: Vec<Bytes> = request.body.try_collect().await?;
        let path = self.root.join(&request.key);
        let lost = match request.key.ends_with(".json") {
            true => self.answers_lost.lock().unwrap().pop(),
            false => None,
        };
        let exists = || Error::new(ErrorKind::AlreadyExists, "the file exists");
        let unanswered = || Error::new(ErrorKind::Unavailable, "the connection was reset");
        if lost == Some(Lost::NotWritten) {
            return Err(unanswered());
        }
        if request.condition == WriteCondition::IfAbsent && path.exists() {
            return Err(exists().with_context("key", request.key));
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, chunks.concat()).unwrap();
        match lost {
            Some(Lost::Written) => Err(unanswered()),
            Some(Lost::SentAgain) => Err(exists().with_context("key", request.key)),
            _ => self.info(&request.key),
        }
    }

    async fn copy(&self, _: &Context, _: Copy) -> Result<()> {
        Err(Error::unsupported(Operation::Copy))
    }

    async fn delete(&self, _: &Context, _: Delete) -> Result<Vec<DeleteOutcome>> {
        Err(Error::unsupported(Operation::Delete))
    }

    async fn presign(&self, _: &Context, _: Presign) -> Result<Secret> {
        Err(Error::unsupported(Operation::Presign))
    }
}

/// A table of a datasource, to be asked.
pub(crate) struct Table {
    pub(crate) format: Arc<dyn TableFormat>,
    pub(crate) datasource: Arc<dyn Datasource>,
    pub(crate) scope: String,
    pub(crate) folder: String,
    pub(crate) allowed_roots: BTreeMap<String, String>,
}

impl Table {
    pub(crate) fn new(datasource: Arc<dyn Datasource>, folder: &str) -> Self {
        let format = orbit_delta::format();
        let (scope, allowed_roots) = ("lake".to_owned(), BTreeMap::new());
        Self { format, datasource, scope, folder: folder.to_owned(), allowed_roots }
    }

    /// Runs `sql` over the table `t` at a version.
    ///
    /// The registry knows the whole local disk under `file://`, which a hostile log would use.
    pub(crate) async fn query(&self, version: Option<Version>, sql: &str) -> Result<String> {
        self.query_in(&Context::builder().build(), version, sql).await
    }

    pub(crate) async fn query_in(
        &self,
        cx: &Context,
        version: Option<Version>,
        sql: &str,
    ) -> Result<String> {
        let stores = Arc::new(DefaultObjectStoreRegistry::new());
        let runtime = RuntimeEnvBuilder::new().with_object_store_registry(stores.clone());
        let runtime = runtime.build_arc().unwrap();
        let session = SessionContext::new_with_config_rt(SessionConfig::new(), runtime);
        let faults = Faults::default();
        let table = FormatTable {
            cx: cx.clone(),
            datasource: Arc::clone(&self.datasource),
            datasource_name: "lake".to_owned(),
            cache_scope: self.scope.clone(),
            folder: self.folder.clone(),
            allowed_roots: self.allowed_roots.clone(),
            version,
            stores,
            faults: faults.clone(),
        };
        session.register_table("t", self.format.open(table).await?).unwrap();
        let batches = match session.sql(sql).await {
            Ok(frame) => frame.collect().await,
            Err(error) => Err(error),
        };
        Ok(pretty_format_batches(&batches.map_err(|e| to_orbit(&e, &faults))?).unwrap().to_string())
    }

    /// Runs a command.
    pub(crate) async fn command(
        &self,
        command: TableCommand,
        rows: Option<RecordBatch>,
    ) -> Result<TableAnswer> {
        let table = FormatTable {
            cx: Context::builder().build(),
            datasource: Arc::clone(&self.datasource),
            datasource_name: "lake".to_owned(),
            cache_scope: self.scope.clone(),
            folder: self.folder.clone(),
            allowed_roots: self.allowed_roots.clone(),
            version: None,
            stores: Arc::new(DefaultObjectStoreRegistry::new()),
            faults: Faults::default(),
        };
        let rows = rows.map(|batch| BatchStream::from_batches(batch.schema(), vec![batch]));
        let command = FormatCommand { command, columns: None, rows };
        self.format.command(table, Arc::new(SessionContext::new().state()), command).await
    }

    /// The single value that `sql` answers.
    pub(crate) async fn value(&self, version: Option<Version>, sql: &str) -> Result<String> {
        let text = self.query(version, sql).await?;
        let line = text.lines().nth(3).unwrap_or_default();
        Ok(line.trim_matches(['|', ' ']).to_owned())
    }
}

fn to_orbit(error: &DataFusionError, faults: &Faults) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return error.clone();
        }
        cause = inner.source();
    }
    faults.first().unwrap_or_else(|| Error::new(ErrorKind::Unexpected, error.to_string()))
}
