//! The responder of ours, connected, and answers for it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use futures::TryStreamExt;
use orbit_core::{
    BatchStream, Context, Datasource, Effect, KeyPath, Query, Result, Settings, Sources,
    SqlDatasource,
};
use orbit_snowflake::BACKEND;
use orbit_testkit::responders::{Answer, Snowflake, ipc};
use orbit_testkit::settings;
use serde_json::{Value, json};

/// The statement that the tests send.
pub(crate) const SELECT: &str = "SELECT id FROM numbers";

/// A responder and a datasource on it.
pub(crate) struct Stage {
    pub responder: Snowflake,
    pub datasource: Arc<dyn Datasource>,
}

/// Settings that lead to the responder, by password unless `own` says otherwise.
pub(crate) fn settings_of(port: u16, own: &[(&'static str, String)]) -> Settings {
    let mut texts = vec![
        ("account", "orbit".to_owned()),
        ("user", "orbit".to_owned()),
        ("host", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("protocol", "http".to_owned()),
    ];
    texts.extend(own.iter().cloned());
    Settings::new(KeyPath::new("datasources.snow"), settings::texts(texts))
}

/// Signs in.
pub(crate) async fn connect(
    port: u16,
    own: &[(&'static str, String)],
) -> Result<Arc<dyn Datasource>> {
    let config = (BACKEND.parse)(&settings_of(port, own)).expect("the settings are good");
    config.connect(&Context::builder().build(), &Sources::none()).await
}

impl Stage {
    /// A responder with a datasource that signed in by password.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with other settings.
    pub(crate) async fn with(own: &[(&'static str, String)]) -> Self {
        let responder = Snowflake::start().await.expect("a port is free");
        let mut all = vec![("password", "password-canary".to_owned())];
        all.extend(own.iter().cloned());
        let datasource = connect(responder.port(), &all).await.expect("it signs in");
        Self { responder, datasource }
    }

    pub(crate) fn sql(&self) -> &dyn SqlDatasource {
        self.datasource.facets().sql.expect("it has tables")
    }

    /// Runs the statement.
    pub(crate) async fn query(&self, cx: &Context) -> Result<BatchStream> {
        self.sql().query(cx, Query::statement(SELECT, Effect::Read)).await
    }

    /// The ids that the statement answers.
    pub(crate) async fn ids(&self) -> Result<Vec<i64>> {
        ids(self.query(&Context::builder().build()).await?).await
    }
}

/// The first column, whole.
pub(crate) async fn ids(stream: BatchStream) -> Result<Vec<i64>> {
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    Ok(batches
        .iter()
        .flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect())
}

/// The column `ID`.
pub(crate) fn row_type() -> Value {
    json!([{ "name": "ID", "type": "fixed", "precision": 18, "scale": 0, "nullable": false }])
}

/// Ids as the service sends them.
pub(crate) fn numbers(ids: std::ops::Range<i64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(ids.collect::<Int64Array>());
    RecordBatch::try_from_iter([("ID", ids)]).expect("it is a batch")
}

/// `inline` ids in the answer, then pieces of these lengths.
pub(crate) fn pieces(inline: i64, lengths: &[i64]) -> Answer {
    let mut from = inline;
    let mut chunks = Vec::new();
    for length in lengths {
        let body = ipc(&[numbers(from..from + length)]).expect("it is a stream");
        chunks.push((body, *length as u64));
        from += length;
    }
    Answer {
        row_type: row_type(),
        inline: ipc(&[numbers(0..inline)]).expect("it is a stream"),
        chunks,
        total: from as u64,
        ..Answer::default()
    }
}
