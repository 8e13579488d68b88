//! Engines over sources that a test makes, and their answers as text.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use orbit_core::{
    Context, Datasources, Error, Instances, KeyPath, Node, Origin, Predicate, Query, Registry,
    Settings, Target,
};
use orbit_engine::{Engine, EngineOptions, Request, TableOptions};
use orbit_testkit::responders::Bucket;
use orbit_testkit::scripted::{self, NoLayers, Scripted};
use orbit_testkit::settings;
use parquet::arrow::ArrowWriter;

/// No test may wait longer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(120);

/// `id,name` and three rows, packed by gzip.
pub(crate) const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 76, 209, 201, 75, 204, 77, 229, 50, 212, 73, 204, 203,
    227, 50, 210, 73, 202, 79, 226, 50, 214, 225, 2, 0, 204, 85, 164, 16, 23, 0, 0, 0,
];
/// The same, packed by zstd.
pub(crate) const ZSTD: &[u8] = &[
    40, 181, 47, 253, 4, 88, 185, 0, 0, 105, 100, 44, 110, 97, 109, 101, 10, 49, 44, 97, 110, 110,
    10, 50, 44, 98, 111, 98, 10, 51, 44, 10, 180, 33, 57, 160,
];

/// What an engine is made of.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) options: EngineOptions,
    entries: Vec<(String, Entry, bool)>,
    tables: BTreeMap<String, BTreeMap<String, TableOptions>>,
}

enum Entry {
    Scripted(Node),
    Folder(String),
    Bucket(Node),
}

impl Setup {
    pub(crate) fn source(self, name: &str, source: &Scripted) -> Self {
        self.entry(name, Entry::Scripted(source.settings()), true)
    }

    pub(crate) fn read_only_source(self, name: &str, source: &Scripted) -> Self {
        self.entry(name, Entry::Scripted(source.settings()), false)
    }

    pub(crate) fn folder(self, name: &str, path: &Path) -> Self {
        self.entry(name, Entry::Folder(path.display().to_string()), true)
    }

    pub(crate) fn read_only_folder(self, name: &str, path: &Path) -> Self {
        self.entry(name, Entry::Folder(path.display().to_string()), false)
    }

    /// A bucket, read with an access key.
    pub(crate) fn bucket(self, name: &str, bucket: &Bucket, access_key: &str) -> Self {
        let text = |value: &str| Node::text(value, Origin::Default);
        let node = settings::map([
            ("bucket_name", text(Bucket::NAME)),
            ("endpoint_url", text(&bucket.endpoint())),
            ("region", text("us-east-1")),
            ("access_key", text(access_key)),
            ("secret_key", text("any secret")),
        ]);
        self.entry(name, Entry::Bucket(node), false)
    }

    /// A table that the configuration names.
    pub(crate) fn table(mut self, datasource: &str, name: &str, options: TableOptions) -> Self {
        self.tables.entry(datasource.to_owned()).or_default().insert(name.to_owned(), options);
        self
    }

    fn entry(mut self, name: &str, entry: Entry, writable: bool) -> Self {
        self.entries.push((name.to_owned(), entry, writable));
        self
    }

    pub(crate) fn build(self) -> Engine {
        let registry =
            Registry::new([&scripted::BACKEND, &orbit_local::BACKEND, &orbit_s3::BACKEND]).unwrap();
        let mut datasources = Datasources::builder(registry, Instances::default());
        for (name, entry, writable) in self.entries {
            let (backend, node) = match entry {
                Entry::Scripted(node) => (&scripted::BACKEND, node),
                Entry::Bucket(node) => (&orbit_s3::BACKEND, node),
                Entry::Folder(path) => {
                    let path = Node::text(path, Origin::Default);
                    (&orbit_local::BACKEND, settings::map([("path", path)]))
                }
            };
            let settings = Settings::new(KeyPath::new(format!("datasources.{name}")), node);
            let config = (backend.parse)(&settings).unwrap();
            datasources.add(&name, backend, settings, config, writable, Arc::new(NoLayers));
        }
        Engine::new(self.options, datasources.build(), Vec::new(), self.tables).unwrap()
    }
}

/// An engine over one folder, known as `lake`.
pub(crate) fn lake(path: &Path) -> Engine {
    Setup::default().folder("lake", path).build()
}

pub(crate) fn context() -> Context {
    Context::builder().timeout(QUERY_TIMEOUT).build()
}

pub(crate) fn request(sql: impl Into<String>) -> Request {
    Request { sql: sql.into(), ..Request::default() }
}

/// A request that may write.
pub(crate) fn writing(sql: &str) -> Request {
    Request { writes_allowed: true, ..request(sql) }
}

pub(crate) async fn ask(engine: &Engine, sql: &str) -> Result<Vec<RecordBatch>, Error> {
    engine.query(&context(), request(sql)).await?.try_collect().await
}

/// The rows of a statement, one a line, with `|` between the values.
pub(crate) async fn rows(engine: &Engine, sql: &str) -> String {
    let batches = ask(engine, sql).await.unwrap_or_else(|e| panic!("{sql}\n{e:?}"));
    lines(&batches).join("\n")
}

/// The same for a statement that does not say in which order.
pub(crate) async fn sorted(engine: &Engine, sql: &str) -> Vec<String> {
    let batches = ask(engine, sql).await.unwrap_or_else(|e| panic!("{sql}\n{e:?}"));
    let mut lines = lines(&batches);
    lines.sort();
    lines
}

/// How a statement is refused; the test fails when it is not.
pub(crate) async fn refusal(engine: &Engine, sql: &str) -> Error {
    match ask(engine, sql).await {
        Err(error) => error,
        Ok(batches) => panic!("{sql}\nanswered {:?}", lines(&batches)),
    }
}

pub(crate) async fn refusal_text(engine: &Engine, sql: &str) -> String {
    let error = refusal(engine, sql).await;
    format!("{}: {error}", error.kind())
}

/// For each statement its rows or its refusal.
pub(crate) async fn transcript(engine: &Engine, statements: &[&str]) -> String {
    let mut text = String::new();
    for sql in statements {
        let said = match ask(engine, sql).await {
            Ok(batches) => lines(&batches).join("\n"),
            Err(error) => format!("{}: {error}", error.kind()),
        };
        text.push_str(&format!("{sql}\n{}\n\n", indented(&said)));
    }
    text
}

pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        let columns: Vec<_> =
            columns.map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        let line = |row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>();
        lines.extend((0..batch.num_rows()).map(|row| line(row).join("|")));
    }
    lines
}

/// What a source was asked, one query a line.
pub(crate) fn asked(source: &Scripted) -> String {
    let queries = source.take_queries();
    queries.iter().map(query_text).collect::<Vec<_>>().join("\n")
}

fn query_text(query: &Query) -> String {
    let mut text = match &query.target {
        Target::Table(table) => table.name.to_string(),
        Target::Statement { text, .. } => text.clone(),
    };
    if let Some(columns) = &query.columns {
        text.push_str(&format!(" ({})", columns.join(", ")));
    }
    if let Some(predicate) = &query.predicate {
        text.push_str(&format!(" where {}", predicate_text(predicate)));
    }
    for key in &query.order {
        let direction = if key.descending { "desc" } else { "asc" };
        let nulls = if key.nulls_first { "first" } else { "last" };
        text.push_str(&format!(" order {} {direction} nulls {nulls}", key.column));
    }
    if let Some(limit) = query.limit {
        text.push_str(&format!(" limit {limit}"));
    }
    text
}

/// A predicate with the types of its values.
fn predicate_text(predicate: &Predicate) -> String {
    let not = |negated: &bool| if *negated { "not " } else { "" };
    let joined = |parts: &[Predicate], word: &str| {
        format!("({})", parts.iter().map(predicate_text).collect::<Vec<_>>().join(word))
    };
    match predicate {
        Predicate::Compare { column, op, value } => {
            format!("{column} {} {}", op.as_sql(), values_text(value.array()))
        }
        Predicate::In { column, values, negated } => {
            format!("{column} {}in {}", not(negated), values_text(values))
        }
        Predicate::Like { column, pattern, negated, ignore_case } => {
            let like = if *ignore_case { "ilike" } else { "like" };
            format!("{column} {}{like} {pattern:?}", not(negated))
        }
        Predicate::IsNull { column, negated } => format!("{column} is {}null", not(negated)),
        Predicate::IsTrue { column } => format!("{column} is true"),
        Predicate::And(parts) => joined(parts, " and "),
        Predicate::Or(parts) => joined(parts, " or "),
        Predicate::Not(part) => format!("not ({})", predicate_text(part)),
    }
}

fn values_text(values: &ArrayRef) -> String {
    let formatter = ArrayFormatter::try_new(values, &FormatOptions::default()).unwrap();
    let texts: Vec<_> = (0..values.len()).map(|i| formatter.value(i).to_string()).collect();
    format!("{} {}", values.data_type(), texts.join(","))
}

/// Writes a file below `folder`, with the folders that it needs.
pub(crate) fn put(folder: &Path, key: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn put_parquet(folder: &Path, key: &str, batch: &RecordBatch) {
    put(folder, key, "");
    let file = File::create(folder.join(key)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}
