//! The servers that the tests share, and short ways to the calls under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use orbit_core::{
    Context, Datasource, Error, FileDatasource, FileEntry, FileInfo, KeyPath, ListFiles, Node,
    Problem, Read, Result, Settings, Sources, Stat, Write, WriteCondition,
};
use orbit_testkit::servers::{Moto, S3s, ServerError};
use orbit_testkit::settings::texts;
use tokio::sync::OnceCell;

/// What a test may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// Servers, started when a test first wants them.
pub(crate) struct World {
    s3s: OnceCell<Result<S3s, ServerError>>,
    moto: OnceCell<Result<Moto, ServerError>>,
    /// All that has been logged by this process.
    pub(crate) log: Arc<Mutex<String>>,
}

impl World {
    pub(crate) fn new(log: Arc<Mutex<String>>) -> Self {
        Self { s3s: OnceCell::new(), moto: OnceCell::new(), log }
    }

    pub(crate) async fn s3s(&self) -> Result<&S3s, ServerError> {
        self.s3s.get_or_init(S3s::start).await.as_ref().map_err(Clone::clone)
    }

    pub(crate) async fn moto(&self) -> Result<&Moto, ServerError> {
        self.moto.get_or_init(Moto::start).await.as_ref().map_err(Clone::clone)
    }
}

/// Settings of a datasource; a later value of a key stands.
pub(crate) fn settings(base: &[(&'static str, &str)], more: &[(&'static str, &str)]) -> Node {
    let kept = base.iter().filter(|(key, _)| !more.iter().any(|(k, _)| k == key));
    texts(kept.chain(more).map(|(key, value)| (*key, (*value).to_owned())))
}

pub(crate) fn of_s3s(server: &S3s, more: &[(&'static str, &str)]) -> Node {
    let endpoint = server.endpoint();
    let base = [
        ("bucket_name", S3s::BUCKET),
        ("endpoint_url", endpoint.as_str()),
        ("region", "us-east-1"),
        ("access_key", server.access_key()),
        ("secret_key", server.secret_key()),
    ];
    settings(&base, more)
}

pub(crate) fn of_moto(server: &Moto, more: &[(&'static str, &str)]) -> Node {
    let endpoint = server.endpoint();
    let base = [
        ("bucket_name", Moto::BUCKET),
        ("endpoint_url", endpoint.as_str()),
        ("region", "us-east-1"),
        ("access_key", "anybody"),
        ("secret_key", "anything"),
    ];
    settings(&base, more)
}

/// Settings for a store of a test's own making.
pub(crate) fn of_endpoint(endpoint: &str, more: &[(&'static str, &str)]) -> Node {
    let base = [
        ("bucket_name", "bucket"),
        ("endpoint_url", endpoint),
        ("region", "us-east-1"),
        ("access_key", "anybody"),
        ("secret_key", "anything"),
    ];
    settings(&base, more)
}

pub(crate) fn cx() -> Context {
    Context::builder().timeout(LIMIT).build()
}

pub(crate) fn problems(node: Node) -> Vec<Problem> {
    let settings = Settings::new(KeyPath::new("datasources.subject"), node);
    match (orbit_s3::BACKEND.parse)(&settings) {
        Ok(config) => config.validate(&settings, &["subject"]),
        Err(problems) => problems,
    }
}

/// A connected datasource.
pub(crate) struct Store(pub(crate) Arc<dyn Datasource>);

impl Store {
    pub(crate) async fn connect(node: Node) -> Result<Self> {
        assert_eq!(problems(node.clone()), []);
        let settings = Settings::new(KeyPath::new("datasources.subject"), node);
        let config = (orbit_s3::BACKEND.parse)(&settings).unwrap();
        config.connect(&cx(), &Sources::none()).await.map(Self)
    }

    pub(crate) fn files(&self) -> &dyn FileDatasource {
        self.0.facets().files.unwrap()
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let request = ListFiles { prefix: prefix.to_owned(), ..ListFiles::default() };
        let entries = self.files().list(&cx(), request).await?.try_concat().await?;
        let name = |entry| match entry {
            FileEntry::File(info) => info.key,
            FileEntry::Prefix(prefix) => prefix,
        };
        Ok(entries.into_iter().map(name).collect())
    }

    pub(crate) async fn stat(&self, key: &str) -> Result<FileInfo> {
        self.files().stat(&cx(), Stat { key: key.to_owned() }).await
    }

    pub(crate) async fn read(&self, key: &str) -> Result<Bytes> {
        self.read_in(&cx(), key).await
    }

    pub(crate) async fn read_in(&self, cx: &Context, key: &str) -> Result<Bytes> {
        let request = Read { key: key.to_owned(), range: None, if_match: None };
        let body = self.files().read(cx, request).await?;
        let chunks: Vec<Bytes> = body.bytes.try_collect().await?;
        Ok(chunks.concat().into())
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<FileInfo> {
        self.put_if(key, bytes, WriteCondition::Always).await
    }

    pub(crate) async fn put_if(
        &self,
        key: &str,
        bytes: Bytes,
        condition: WriteCondition,
    ) -> Result<FileInfo> {
        self.files().write(&cx(), Write::bytes(key, bytes, condition)).await
    }
}

/// The error of connecting, or of the first look at the bucket.
pub(crate) async fn refused(node: Node) -> Error {
    let looked = async { Store::connect(node).await?.0.ping(&cx()).await };
    looked.await.unwrap_err()
}

/// Bytes in which every place can be told from its neighbours.
pub(crate) fn pattern(length: usize) -> Bytes {
    (0..length).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}
