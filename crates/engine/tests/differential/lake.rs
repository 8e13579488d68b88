//! The corpus's tables as a folder of Parquet files, and an engine over it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use orbit_core::{Context, Datasources, Instances, KeyPath, Node, Origin, Registry, Settings};
use orbit_engine::{Engine, EngineOptions, Request};
use orbit_testkit::oracle::{Answer, Corpus, Table, batches_to_rows};
use orbit_testkit::scripted::NoLayers;
use orbit_testkit::settings;
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

const QUERY_TIMEOUT: Duration = Duration::from_secs(60);
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An engine whose only datasource is a folder with the corpus's tables.
pub(crate) struct Lake {
    engine: Engine,
    _folder: TempDir,
}

impl Lake {
    pub(crate) fn new(corpus: &Corpus) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        for table in &corpus.tables {
            write(table, folder.path())?;
        }
        let root = Node::text(folder.path().display().to_string(), Origin::Default);
        let settings =
            Settings::new(KeyPath::new("datasources.lake"), settings::map([("path", root)]));
        let config = (orbit_local::BACKEND.parse)(&settings).map_err(|p| format!("{p:?}"))?;
        let registry = Registry::new([&orbit_local::BACKEND])?;
        let mut datasources = Datasources::builder(registry, Instances::default());
        let backend = &orbit_local::BACKEND;
        datasources.add("lake", backend, settings, config, false, Arc::new(NoLayers));
        let options = EngineOptions::default();
        let engine = Engine::new(options, datasources.build(), Vec::new(), BTreeMap::new())?;
        Ok(Self { engine, _folder: folder })
    }

    /// ORBIT's answers, in the order of the queries. A panic is its own outcome: none.
    pub(crate) async fn answers(&self, corpus: &Corpus) -> Vec<Option<Answer>> {
        let mut answers = Vec::new();
        for query in &corpus.queries {
            let (engine, sql) = (self.engine.clone(), query.sql.clone());
            answers.push(tokio::spawn(async move { answer(&engine, sql).await }).await.ok());
        }
        answers
    }
}

async fn answer(engine: &Engine, sql: String) -> Answer {
    let cx = Context::builder().timeout(QUERY_TIMEOUT).build();
    let request = Request { sql, ..Request::default() };
    let answered = async { engine.query(&cx, request).await?.try_collect::<Vec<_>>().await };
    let batches = answered.await.map_err(|e| format!("{}: {e}", e.kind()))?;
    batches_to_rows(&batches).map_err(|e| e.to_string())
}

fn write(table: &Table, folder: &Path) -> Result<(), Failure> {
    let batch = table.batch()?;
    let file = File::create(folder.join(format!("{}.parquet", table.name)))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
