//! A datasource over a folder that is removed after the test.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a helper that fails must end its test")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use orbit_core::{
    BackendConfig, Context, Datasource, Entry, FileDatasource, FileEntry, FileInfo, KeyPath,
    ListFiles, Node, Origin, Problem, Read, Result, Settings, Sources, Stat, Value, Write,
    WriteCondition,
};
use tempfile::TempDir;

/// The settings of a datasource `lake`, with the lists and texts of `entries`.
pub(crate) fn settings(entries: &[(&str, &[&str])]) -> Settings {
    let text = |text: &&str| Node::text(*text, Origin::Default);
    let entry = |(key, values): &(&str, &[&str])| {
        let node = match (*key, *values) {
            ("paths", values) => Node {
                value: Value::List(values.iter().map(text).collect()),
                origin: Origin::Default,
            },
            (_, values) => text(&values[0]),
        };
        Entry { key: (*key).to_owned(), key_origin: Origin::Default, node }
    };
    let map = Node::map(entries.iter().map(entry).collect(), Origin::Default);
    Settings::new(KeyPath::new("datasources.lake"), map)
}

pub(crate) fn parse(settings: &Settings) -> Result<Box<dyn BackendConfig>, Vec<Problem>> {
    (orbit_local::BACKEND.parse)(settings)
}

pub(crate) async fn connect(entries: &[(&str, &[&str])]) -> Result<Arc<dyn Datasource>> {
    let settings = settings(entries);
    let config = parse(&settings).unwrap();
    assert_eq!(config.validate(&settings, &["lake"]), []);
    config.connect(&cx(), &Sources::none()).await
}

pub(crate) fn cx() -> Context {
    Context::builder().build()
}

/// A folder and the datasource over it.
pub(crate) struct Lake {
    pub(crate) folder: TempDir,
    pub(crate) datasource: Arc<dyn Datasource>,
}

impl Lake {
    /// An empty folder `root` beneath a folder of its own, so that there is an outside.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let datasource = connect(&[("path", &[root.to_str().unwrap()])]).await.unwrap();
        Self { folder, datasource }
    }

    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    /// Puts a file there without the datasource.
    pub(crate) fn plant(&self, path: &str, content: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn files(&self) -> &dyn FileDatasource {
        self.datasource.facets().files.unwrap()
    }

    pub(crate) async fn pages(&self, request: ListFiles) -> Result<Vec<Vec<FileEntry>>> {
        self.files().list(&cx(), request).await?.try_collect().await
    }

    /// The listed keys and prefixes.
    pub(crate) async fn list(&self, request: ListFiles) -> Vec<String> {
        let entries = self.pages(request).await.unwrap().into_iter().flatten();
        let name = |entry| match entry {
            FileEntry::File(info) => info.key,
            FileEntry::Prefix(prefix) => prefix,
        };
        entries.map(name).collect()
    }

    pub(crate) async fn all(&self) -> Vec<String> {
        self.list(ListFiles::default()).await
    }

    pub(crate) async fn stat(&self, key: &str) -> Result<FileInfo> {
        self.files().stat(&cx(), Stat { key: key.to_owned() }).await
    }

    pub(crate) async fn read_with(&self, request: Read) -> Result<Bytes> {
        let body = self.files().read(&cx(), request).await?;
        let chunks: Vec<Bytes> = body.bytes.try_collect().await?;
        Ok(chunks.concat().into())
    }

    pub(crate) async fn read(&self, key: &str) -> Result<Bytes> {
        self.read_with(Read { key: key.to_owned(), range: None, if_match: None }).await
    }

    pub(crate) async fn write(
        &self,
        key: &str,
        content: &str,
        condition: WriteCondition,
    ) -> Result<FileInfo> {
        let bytes = Bytes::copy_from_slice(content.as_bytes());
        self.files().write(&cx(), Write::bytes(key, bytes, condition)).await
    }
}

/// Everything beneath a folder, hidden or not.
pub(crate) fn on_disk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
