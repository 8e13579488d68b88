//! The bucket through which Redshift and ORBIT hand whole files to each other.
//!
//! ORBIT reaches it as another datasource, Redshift under a role of its own. What either puts
//! there is in a folder for one operation, and is deleted when that is over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use orbit_core::{
    Context, Datasource, Delete, Error, ErrorKind, FileDatasource, FileEntry, ListFiles, Problem,
    Read, Result, Settings, Sources, SqlDialect, Write, WriteCondition,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// The folder in which the folders of operations are.
const FOLDER: &str = "orbit-staging";
/// How long deleting a folder may take.
const DELETE_TIMEOUT: Duration = Duration::from_secs(4);
/// The largest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// The bucket through which Redshift and ORBIT hand whole files to each other.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StagingConfig {
    /// The datasource by which ORBIT reaches the bucket.
    datasource: String,
    /// Where that datasource's keys begin, such as `s3://bucket/` or `s3://bucket/prefix/`.
    url: String,
    /// The ARN of the role by which Redshift reaches the bucket; `default` is the cluster's own.
    #[serde(default = "default_role")]
    iam_role: String,
    /// The region of the bucket, where it is not the warehouse's.
    region: Option<String>,
}

fn default_role() -> String {
    "default".to_owned()
}

impl StagingConfig {
    /// What is wrong; `settings` are those of this section, `names` all datasources.
    pub(crate) fn validate(&self, settings: &Settings, names: &[&str]) -> Vec<Problem> {
        let checks = [
            (
                "datasource",
                names.contains(&self.datasource.as_str()),
                "there is no such datasource",
            ),
            ("url", self.url.starts_with("s3://"), "must begin with `s3://`"),
            ("url", self.url.ends_with('/'), "must end with `/`"),
            (
                "iam_role",
                self.iam_role == "default" || self.iam_role.starts_with("arn:"),
                "must be `default` or begin with `arn:`",
            ),
        ];
        let wrong = checks.iter().filter(|(_, holds, _)| !holds);
        wrong.map(|(key, _, message)| settings.problem(key, *message)).collect()
    }

    pub(crate) async fn open(&self, cx: &Context, sources: &Sources) -> Result<Staging> {
        let files = sources.datasource(cx, &self.datasource).await?;
        if files.facets().files.is_none() {
            let message = "the datasource of `staging` has no files";
            return Err(Error::new(ErrorKind::ConfigInvalid, message));
        }
        Ok(Staging { config: self.clone(), files })
    }
}

/// The bucket, reached.
pub(crate) struct Staging {
    config: StagingConfig,
    files: Arc<dyn Datasource>,
}

impl fmt::Debug for Staging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staging").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The folder of one operation: the key that all of its files begin with.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub(crate) String);

impl Folder {
    /// One that nobody else has.
    pub(crate) fn fresh() -> Self {
        Self(format!("{FOLDER}/{}/", uuid::Uuid::new_v4()))
    }
}

impl Staging {
    /// The datasource's name.
    pub(crate) fn datasource(&self) -> &str {
        &self.config.datasource
    }

    /// A key as Redshift names it.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("{}{key}", self.config.url)
    }

    /// The key of what Redshift names so.
    pub(crate) fn key<'a>(&self, url: &'a str) -> Option<&'a str> {
        url.strip_prefix(&self.config.url)
    }

    /// How Redshift reaches the bucket, as a clause of a statement.
    pub(crate) fn authorization(&self, dialect: &SqlDialect) -> Result<String> {
        Ok(match self.config.iam_role.as_str() {
            "default" => "IAM_ROLE default".to_owned(),
            arn => format!("IAM_ROLE {}", dialect.text(arn)?),
        })
    }

    /// The bucket's region, as a clause of a statement.
    pub(crate) fn region(&self, dialect: &SqlDialect) -> Result<String> {
        let region = self.config.region.as_ref();
        let clause = |region: &String| Ok(format!(" REGION {}", dialect.text(region)?));
        region.map_or(Ok(String::new()), clause)
    }

    fn files(&self) -> Result<&dyn FileDatasource> {
        self.files.facets().files.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "the datasource of `staging` has no files any more")
        })
    }

    pub(crate) async fn write(&self, cx: &Context, key: &str, bytes: Bytes) -> Result<()> {
        let write = Write::bytes(key, bytes, WriteCondition::Always);
        self.files()?.write(cx, write).await.map(drop)
    }

    /// A file of a few megabytes at most.
    pub(crate) async fn read(&self, cx: &Context, key: &str) -> Result<Vec<u8>> {
        let request = Read { key: key.to_owned(), range: None, if_match: None };
        let body = self.files()?.read(cx, request).await?;
        if body.info.size_bytes > MANIFEST_BYTES_MAX {
            let message = format!("a manifest has more than {MANIFEST_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::ResourceExhausted, message));
        }
        body.bytes
            .try_fold(Vec::new(), |mut all, part| async move {
                all.extend_from_slice(&part);
                Ok(all)
            })
            .await
    }

    /// The files of a folder, with their sizes.
    pub(crate) async fn list(&self, cx: &Context, folder: &Folder) -> Result<Vec<(String, u64)>> {
        let request = ListFiles { prefix: folder.0.clone(), ..ListFiles::default() };
        let mut pages = self.files()?.list(cx, request).await?;
        let mut found = Vec::new();
        while let Some(page) = pages.try_next().await? {
            found.extend(page.into_iter().filter_map(|entry| match entry {
                FileEntry::File(info) => Some((info.key, info.size_bytes)),
                FileEntry::Prefix(_) => None,
            }));
        }
        Ok(found)
    }

    /// Deletes the files of a folder once what this answers is dropped.
    pub(crate) fn cleanup(self: &Arc<Self>, tasks: &TaskTracker, folder: &Folder) -> Cleanup {
        let (tasks, runtime) = (tasks.clone(), Handle::current());
        Cleanup { tasks, runtime, staging: Arc::clone(self), folder: folder.clone() }
    }

    /// Deletes the files of a folder. What is left is told to the log: nobody waits for it.
    pub(crate) async fn delete(&self, cx: &Context, folder: &Folder) {
        let deleted = async {
            let keys = self.list(cx, folder).await?.into_iter().map(|(key, _)| key).collect();
            let outcomes = self.files()?.delete(cx, Delete { keys }).await?;
            outcomes.into_iter().try_for_each(|outcome| outcome.result)
        };
        if let Err(error) = deleted.await {
            tracing::warn!(%error, folder = folder.0, "staged files were not deleted");
        }
    }
}

/// Deletes a folder when it is dropped, in a task for which closing waits.
pub(crate) struct Cleanup {
    tasks: TaskTracker,
    /// It may be dropped outside of it.
    runtime: Handle,
    staging: Arc<Staging>,
    folder: Folder,
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let (staging, folder) = (Arc::clone(&self.staging), self.folder.clone());
        let deleting = async move {
            let cx = Context::builder().timeout(DELETE_TIMEOUT).build();
            staging.delete(&cx, &folder).await;
        };
        self.tasks.spawn_on(deleting, &self.runtime);
    }
}
