//! A folder as a datasource of files: as much of one as staging needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use orbit_core::{
    Backend, BackendConfig, Capability, ConnectionKind, Context, Copy, Datasource, Delete,
    DeleteOutcome, Error, ErrorKind, Facets, FileCapability, FileDatasource, FileEntry, FileInfo,
    FileStream, ListFiles, Operation, Presign, Problem, Read, ReadBody, ReadRanges, Result, Secret,
    Settings, Sources, Stat, Write,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) static FOLDER: Backend = Backend {
    name: "folder",
    kind: ConnectionKind::File,
    summary: "a folder of a test",
    capability: Capability { sql: None, files: None },
    dialect: None,
    parse: |settings| Ok(Box::new(settings.parse::<Folder>()?) as Box<dyn BackendConfig>),
    schema: || schemars::schema_for!(Folder),
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Folder {
    path: PathBuf,
}

#[async_trait]
impl BackendConfig for Folder {
    fn validate(&self, _: &Settings, _: &[&str]) -> Vec<Problem> {
        Vec::new()
    }

    async fn connect(&self, _: &Context, _: &Sources) -> Result<Arc<dyn Datasource>> {
        Ok(Arc::new(self.clone()))
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

/// The files below `folder`, with their paths.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

impl Folder {
    fn info(&self, key: &str) -> Result<FileInfo> {
        let metadata = std::fs::metadata(self.path.join(key));
        let metadata = metadata.map_err(|_| Error::new(ErrorKind::NotFound, "no such file"))?;
        Ok(FileInfo {
            key: key.to_owned(),
            size_bytes: metadata.len(),
            modified: SystemTime::UNIX_EPOCH,
            etag: None,
            version: None,
        })
    }
}

#[async_trait]
impl FileDatasource for Folder {
    fn capability(&self) -> FileCapability {
        FileCapability::default()
    }

    async fn list(&self, _: &Context, request: ListFiles) -> Result<FileStream> {
        let key = |path: &PathBuf| path.strip_prefix(&self.path).unwrap().display().to_string();
        let keys = files_below(&self.path).iter().map(key).collect::<Vec<_>>();
        let wanted = keys.into_iter().filter(|key| key.starts_with(&request.prefix));
        let entries = wanted.map(|key| Ok(FileEntry::File(self.info(&key)?)));
        Ok(stream::iter([entries.collect()]).boxed())
    }

    async fn stat(&self, _: &Context, request: Stat) -> Result<FileInfo> {
        self.info(&request.key)
    }

    async fn read(&self, _: &Context, request: Read) -> Result<ReadBody> {
        let info = self.info(&request.key)?;
        let bytes = Bytes::from(std::fs::read(self.path.join(&request.key)).unwrap());
        let range = 0..info.size_bytes;
        Ok(ReadBody { info, range, bytes: stream::iter([Ok(bytes)]).boxed() })
    }

    async fn read_ranges(&self, _: &Context, _: ReadRanges) -> Result<Vec<Bytes>> {
        Err(Error::unsupported(Operation::ReadRanges))
    }

    async fn write(&self, _: &Context, request: Write) -> Result<FileInfo> {
        let parts: Vec<Bytes> = request.body.try_collect().await?;
        let path = self.path.join(&request.key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, parts.concat()).unwrap();
        self.info(&request.key)
    }

    async fn copy(&self, _: &Context, _: Copy) -> Result<()> {
        Err(Error::unsupported(Operation::Copy))
    }

    async fn delete(&self, _: &Context, request: Delete) -> Result<Vec<DeleteOutcome>> {
        let delete = |key: String| {
            // The server's own user wrote some of them; the folder is the test's.
            std::fs::remove_file(self.path.join(&key)).unwrap();
            DeleteOutcome { key, result: Ok(()) }
        };
        Ok(request.keys.into_iter().map(delete).collect())
    }

    async fn presign(&self, _: &Context, _: Presign) -> Result<Secret> {
        Err(Error::unsupported(Operation::Presign))
    }
}
