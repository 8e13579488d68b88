//! UNLOAD and COPY through a bucket. No server here has either, so the proxy turns what was
//! asked into PostgreSQL's COPY to and from files of a folder that stands for the bucket: the
//! statements are golden, the rows and the counting are real, Parquet is not.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use orbit_core::{
    BatchStream, Datasources, Effect, Insert, InsertMode, Instances, KeyPath, PartitionSource,
    Partitions, Registry, Settings, TableName,
};
use orbit_layers::Stack;
use orbit_testkit::servers::RedshiftWire;
use orbit_testkit::settings;

use crate::common::{count, observer, reaching_port};
use crate::folder::{FOLDER, files_below};
use crate::{Attempt, Stage, cx, read, sql, table};

const BUCKET: &str = "s3://warehouse-files/orbit/";

/// What the proxy has seen, and what stands for the bucket.
#[derive(Debug)]
struct Bucket {
    folder: tempfile::TempDir,
    seen: Mutex<Vec<String>>,
    loaded: Mutex<usize>,
    /// Fewer rows are said to be loaded than were.
    miscounts: bool,
}

impl Bucket {
    fn new(miscounts: bool) -> Arc<Self> {
        let folder = tempfile::Builder::new().prefix("orbit-bucket-").tempdir().unwrap();
        open_to_all(folder.path());
        let (seen, loaded) = (Mutex::default(), Mutex::default());
        Arc::new(Self { folder, seen, loaded, miscounts })
    }

    fn path(&self, url: &str) -> PathBuf {
        self.folder.path().join(url.strip_prefix(BUCKET).unwrap())
    }

    /// What PostgreSQL is asked in place of a statement.
    fn instead(&self, sql: &str) -> Option<String> {
        if sql.contains("pg_last_copy_count") {
            let loaded = *self.loaded.lock().unwrap();
            return Some(format!("SELECT {}", loaded - usize::from(self.miscounts)));
        }
        if sql.starts_with("UNLOAD (") {
            self.seen.lock().unwrap().push(sql.to_owned());
            return Some(self.unloading(sql));
        }
        if sql.starts_with("COPY ") && sql.contains(" FROM 's3://") {
            self.seen.lock().unwrap().push(sql.to_owned());
            return Some(self.loading(sql));
        }
        None
    }

    fn unloading(&self, sql: &str) -> String {
        let (select, rest) = sql.strip_prefix("UNLOAD ('").unwrap().split_once("') TO '").unwrap();
        let (select, url) = (select.replace("''", "'"), rest.split_once('\'').unwrap().0);
        let path = self.path(url);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for folder in path.ancestors().skip(1).take_while(|p| *p != self.folder.path()) {
            open_to_all(folder);
        }
        let path = path.display();
        let meta = format!(
            "json_build_object('content_length', (pg_stat_file('{path}0000')).size, \
             'record_count', (SELECT count(*) FROM ({select}) AS q))"
        );
        format!(
            "COPY ({select}) TO '{path}0000'; COPY (SELECT json_build_object('entries', \
             json_build_array(json_build_object('url', '{url}0000', 'meta', {meta})), 'meta', \
             {meta})) TO '{path}manifest'"
        )
    }

    fn loading(&self, sql: &str) -> String {
        let (target, rest) = sql.strip_prefix("COPY ").unwrap().split_once(" FROM '").unwrap();
        let manifest = std::fs::read(self.path(rest.split_once('\'').unwrap().0)).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let entries = manifest["entries"].as_array().unwrap().iter();
        let files: Vec<_> = entries.map(|e| self.path(e["url"].as_str().unwrap())).collect();
        let lines = |path: &PathBuf| std::fs::read_to_string(path).unwrap().replace("\\\n", "");
        *self.loaded.lock().unwrap() = files.iter().map(|path| lines(path).lines().count()).sum();
        let copy = |path: &PathBuf| {
            open_to_all(path.parent().unwrap());
            open_to_all(path.parent().unwrap().parent().unwrap());
            let path = path.display();
            format!("COPY {target} FROM '{path}' WITH (FORMAT text, DELIMITER '|', NULL '\\N')")
        };
        files.iter().map(copy).collect::<Vec<_>>().join(";")
    }

    /// The statements so far, with the names of folders and this process's tables taken out.
    fn golden(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let folder = |text: &String| {
            let (before, rest) = text.split_once("orbit-staging/").unwrap();
            format!("{before}orbit-staging/[folder]{}", rest.split_at(36).1)
        };
        seen.iter().map(folder).collect::<Vec<_>>().join("\n")
    }

    async fn is_emptied(&self) -> bool {
        let begun = Instant::now();
        while !files_below(self.folder.path()).is_empty() {
            if begun.elapsed() > Duration::from_secs(5) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// A Redshift and its bucket, as a configuration names them.
async fn staged(
    stage: &Stage,
    bucket: &Arc<Bucket>,
) -> std::result::Result<(RedshiftWire, Datasources), libtest_mimic::Failed> {
    let translating = Arc::clone(bucket);
    let proxy =
        RedshiftWire::start_with(stage.server.port(), move |sql| translating.instead(sql)).await?;
    let staging = settings::texts([
        ("datasource", "bucket".to_owned()),
        ("url", BUCKET.to_owned()),
        ("iam_role", "arn:aws:iam::123456789012:role/orbit".to_owned()),
    ]);
    let mut node = reaching_port(&proxy.port().to_string(), stage.server.user(), []);
    node.merge(settings::map([("staging", staging)]));
    let path = bucket.folder.path().display().to_string();
    let folder = settings::texts([("path", path)]);
    let registry = Registry::new([&orbit_redshift::BACKEND, &FOLDER])?;
    let mut datasources = Datasources::builder(registry, Instances::default());
    for (name, backend, node) in
        [("warehouse", &orbit_redshift::BACKEND, node), ("bucket", &FOLDER, folder)]
    {
        let settings = Settings::new(KeyPath::new(format!("datasources.{name}")), node);
        let config = (backend.parse)(&settings).map_err(|problems| format!("{problems:?}"))?;
        let problems = config.validate(&settings, &["warehouse", "bucket"]);
        ensure!(problems.is_empty(), "{problems:?}");
        datasources.add(name, backend, settings, config, true, Arc::new(Stack::default()));
    }
    Ok((proxy, datasources.build()))
}

fn batch() -> RecordBatch {
    let texts = ["a|b", "line\nbreak\r\\", "", "\\N", "tab\tß'\""];
    let texts = texts.into_iter().map(Some).chain([None]).collect::<Vec<_>>();
    let money = vec![Some(-1), Some(99_999_999_999), None, Some(0), Some(5), Some(6)];
    let money = Decimal128Array::from(money).with_precision_and_scale(12, 2).unwrap();
    let floats = [f64::NAN, f64::NEG_INFINITY, 1e-300, 0.1, -0.0, 5e300];
    let flags = vec![Some(true), None, Some(false), None, None, None];
    let moments = vec![Some(-1), Some(253_402_300_799_999_999), None, Some(0), None, None];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(1..=6))),
        ("text", Arc::new(StringArray::from(texts))),
        ("money", Arc::new(money)),
        ("ratio", Arc::new(Float64Array::from_iter_values(floats))),
        ("flag", Arc::new(BooleanArray::from(flags))),
        ("day", Arc::new(Date32Array::from(vec![Some(-719_162), None, Some(0), None, None, None]))),
        ("moment", Arc::new(TimestampMicrosecondArray::from(moments))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

pub(crate) fn insert(name: &str, batch: &RecordBatch) -> Insert {
    let rows = BatchStream::new(batch.schema(), futures::stream::iter([Ok(batch.clone())]));
    let table = TableName::new(["public", name]);
    Insert { table, mode: InsertMode::Append, rows, idempotency_key: None }
}

const COLUMNS: &str = "id bigint, text text, money numeric(12,2), ratio double precision, \
                       flag boolean, day date, moment timestamp";

/// Rows go through the bucket, come back the same, and nothing stays in it.
pub(crate) async fn rows_are_loaded_from_the_bucket(stage: &Arc<Stage>) -> Attempt {
    stage.prepare_catalog().await;
    stage.prepare(&format!("CREATE TABLE loaded ({COLUMNS})")).await;
    let bucket = Bucket::new(false);
    let (_proxy, datasources) = staged(stage, &bucket).await?;
    let warehouse = datasources.require("warehouse")?.open(&cx()).await?;
    let outcome = sql(&warehouse).insert(&cx(), insert("loaded", &batch())).await?;
    ensure!(outcome.rows_written == 6, "{outcome:?}");
    let plain = stage.connect(&[]).await?;
    let back = read(&plain, table("loaded")).await?;
    // NaN equals nothing, so what is compared is what is shown.
    let (back, sent) = (format!("{:?}", back.first().map(RecordBatch::columns)), batch());
    ensure!(back == format!("{:?}", Some(sent.columns())), "rows come back otherwise: {back}");
    ensure!(bucket.is_emptied().await, "files are left in the bucket");
    insta::assert_snapshot!(bucket.golden(), @r#"COPY "public"."loaded" ("id", "text", "money", "ratio", "flag", "day", "moment") FROM 's3://warehouse-files/orbit/orbit-staging/[folder]/manifest' IAM_ROLE 'arn:aws:iam::123456789012:role/orbit' MANIFEST DELIMITER '|' ESCAPE DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF"#);
    Ok(datasources.close().await?)
}

/// A count that is not the sent one undoes the insert.
pub(crate) async fn a_short_load_is_undone(stage: &Arc<Stage>) -> Attempt {
    stage.prepare_catalog().await;
    stage.prepare(&format!("CREATE TABLE short ({COLUMNS})")).await;
    let bucket = Bucket::new(true);
    let (_proxy, datasources) = staged(stage, &bucket).await?;
    let warehouse = datasources.require("warehouse")?.open(&cx()).await?;
    let error = sql(&warehouse).insert(&cx(), insert("short", &batch())).await.unwrap_err();
    ensure!(error.to_string().contains("6 rows were sent, and 5 loaded"), "{error}");
    let mut connection = observer(stage.server.port(), stage.server.user()).await?;
    let begun = Instant::now();
    // The lock of what is rolled back may be held a moment longer.
    let left = count(&mut connection, "SELECT count(*) FROM short").await?;
    ensure!(left == 0, "{left} rows stayed after {:?}", begun.elapsed());
    ensure!(bucket.is_emptied().await, "files are left in the bucket");
    Ok(datasources.close().await?)
}

/// A query in parts is files of the bucket, whose rows are counted, until it is closed.
pub(crate) async fn parts_are_files_of_the_bucket(stage: &Arc<Stage>) -> Attempt {
    stage.prepare_catalog().await;
    stage
        .prepare(
            "CREATE TABLE unloaded AS SELECT i::bigint AS id, 'it''s ' || i AS text \
             FROM generate_series(1, 50) AS i; \
             CREATE TABLE clocked AS SELECT i::bigint AS id, '12:00'::time AS struck \
             FROM generate_series(1, 50) AS i; ALTER TABLE clocked ADD PRIMARY KEY (id)",
        )
        .await;
    let bucket = Bucket::new(false);
    let (_proxy, datasources) = staged(stage, &bucket).await?;
    let warehouse = datasources.require("warehouse")?.open(&cx()).await?;
    let some = orbit_core::Predicate::compare(
        "text",
        orbit_core::CompareOp::NotEq,
        orbit_core::Literal::new(Arc::new(StringArray::from(vec!["it's 7"])))?,
    );
    let query = orbit_core::Query { predicate: Some(some), ..table("unloaded") };
    let request = Partitions { query, partitions_max: 4 };
    let set = sql(&warehouse).partitions(&cx(), request).await?;
    ensure!(set.one_snapshot && set.expires_at.is_some(), "{set:?}");
    let [part] = set.partitions.as_slice() else { return Err(format!("{set:?}").into()) };
    let PartitionSource::Files { datasource, keys } = &part.source else {
        return Err(format!("{part:?}").into());
    };
    ensure!(datasource == "bucket" && part.rows == Some(49), "{part:?}");
    let key = keys.first().ok_or("no file")?;
    let text = std::fs::read_to_string(bucket.folder.path().join(key))?;
    ensure!(text.lines().count() == 49, "the file has {} rows", text.lines().count());
    insta::assert_snapshot!(bucket.golden(), @r#"UNLOAD ('SELECT "id", "text" FROM "public"."unloaded" WHERE CAST("text" AS varbyte(65535)) <> FROM_HEX(''697427732037'')') TO 's3://warehouse-files/orbit/orbit-staging/[folder]/part-' IAM_ROLE 'arn:aws:iam::123456789012:role/orbit' FORMAT AS PARQUET MANIFEST VERBOSE"#);
    let text = "SELECT id FROM unloaded ORDER BY id LIMIT 5 -- few";
    let few = orbit_core::Query::statement(text, Effect::Read);
    let few = Partitions { query: few, partitions_max: 4 };
    let few = sql(&warehouse).partitions(&cx(), few).await?;
    ensure!(!few.ordered && few.partitions.iter().all(|p| p.rows == Some(5)), "{few:?}");
    let inside = format!("UNLOAD ('SELECT * FROM ({text}\n) AS q') TO");
    ensure!(bucket.golden().contains(&inside), "{}", bucket.golden());
    let one = Partitions { query: table("unloaded"), partitions_max: 1 };
    let whole = sql(&warehouse).partitions(&cx(), one).await?;
    ensure!(
        matches!(whole.partitions.as_slice(), [p] if matches!(p.source, PartitionSource::Query { .. })),
        "one part needs no bucket: {whole:?}"
    );
    // An UNLOAD does not take it, so that one moment of all parts is not claimed ahead.
    let ranges = Partitions { query: table("clocked"), partitions_max: 4 };
    let ranges = sql(&warehouse).partitions(&cx(), ranges).await?;
    ensure!(ranges.partitions.len() == 4 && !ranges.one_snapshot, "{ranges:?}");
    let claimed = sql(&warehouse).capability().partitions;
    ensure!(claimed.is_some_and(|p| p.ordered && !p.one_snapshot), "{claimed:?} is claimed");
    datasources.close().await?;
    ensure!(bucket.is_emptied().await, "files are left in the bucket");
    Ok(())
}
