//! Rows as files in a temporary stage, and the one COPY that takes them into a table.
//!
//! The service answers a PUT with a place in the store of its cloud and what lets a file in for
//! a while; the file goes there from here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orbit_core::{
    Context, Entry, Error, ErrorKind, KeyPath, Node, Origin, Result, Secret, Settings, TableName,
    Write, WriteCondition,
};
use orbit_http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use orbit_http::{Call, Method, Repeat, Url};
use uuid::Uuid;

use crate::config::Protocol;
use crate::datasource::Connected;
use crate::error::malformed;
use crate::protocol::{QueryData, StageInfo};
use crate::session::Lane;
use crate::statement::{Statement, execute};

/// A store's answer to an upload is short.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How the rows are written, so that every text stays what it is: a null is nothing, or the one
/// text that is told beside this, all else stands in quotes.
const FORMAT: &str = "TYPE = CSV COMPRESSION = GZIP FIELD_OPTIONALLY_ENCLOSED_BY = '\"' \
                      ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE \
                      EMPTY_FIELD_AS_NULL = TRUE TRIM_SPACE = FALSE BINARY_FORMAT = HEX \
                      DATE_FORMAT = AUTO TIME_FORMAT = AUTO TIMESTAMP_FORMAT = AUTO \
                      ENCODING = 'UTF8' ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE";

/// A stage that ends with its session.
pub(crate) struct Stage {
    connected: Arc<Connected>,
    lane: Arc<Lane>,
    /// Its name as SQL.
    name: String,
    /// Stands for a null. The service may take it for one in quotes too, so it is made here and is
    /// no value.
    null: Arc<str>,
    files: u64,
}

impl Stage {
    /// Makes one in the schema of `table`. It comes before a transaction, which it would end.
    pub(crate) async fn create(
        cx: &Context,
        connected: &Arc<Connected>,
        lane: &Arc<Lane>,
        table: &TableName,
    ) -> Result<Self> {
        let own = format!("ORBIT_{}", Uuid::new_v4().simple());
        let null: Arc<str> = own.as_str().into();
        let name = TableName::new(table.parent().iter().cloned().chain([own]));
        let name = connected.dialect().table(&name);
        let (connected, lane) = (Arc::clone(connected), Arc::clone(lane));
        let stage = Self { connected, lane, name, null, files: 0 };
        // Files are encrypted by the store, so that no keys are needed here.
        let encryption = "ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')";
        let text = format!("CREATE TEMPORARY STAGE {} {encryption}", stage.name);
        stage.run(cx, &text).await.map_err(|e| {
            e.with_hint("the role needs the right to create stages; or set `insert_by: binding`")
        })?;
        Ok(stage)
    }

    /// What stands for a null in its files.
    pub(crate) fn null(&self) -> Arc<str> {
        Arc::clone(&self.null)
    }

    async fn run(&self, cx: &Context, text: &str) -> Result<QueryData> {
        let statement = Statement::new(text);
        let executed = execute(cx, &self.connected.api, &self.lane, &statement).await?;
        Ok(executed.finish())
    }

    /// Puts a file of compressed rows into it.
    pub(crate) async fn put(&mut self, cx: &Context, file: Bytes) -> Result<()> {
        self.files += 1;
        let name = format!("{:06}.csv.gz", self.files);
        let place = self.connected.dialect().text(&format!("@{}", self.name))?;
        let text = format!(
            "PUT 'file:///orbit/{name}' {place} SOURCE_COMPRESSION = GZIP AUTO_COMPRESS = FALSE \
             OVERWRITE = TRUE"
        );
        let data = self.run(cx, &text).await?;
        let info = data.stage_info.ok_or_else(|| malformed("PUT was answered without a place"))?;
        if info.is_client_side_encrypted {
            let message = "the stage wants files that are encrypted here, which is not supported";
            return Err(
                Error::new(ErrorKind::Unsupported, message).with_hint("set `insert_by: binding`")
            );
        }
        self.upload(cx, &info, &name, file).await.map_err(|e| e.with_context("file", name))
    }

    /// Takes all files into a table; answers the rows.
    ///
    /// # Errors
    /// `DataInvalid` when a file or a row was left out.
    pub(crate) async fn copy(&self, cx: &Context, target: &str, columns: &str) -> Result<u64> {
        if self.files == 0 {
            return Ok(0);
        }
        let text = format!(
            "COPY INTO {target} ({columns}) FROM @{} \
             FILE_FORMAT = ({FORMAT} NULL_IF = ('{}')) ON_ERROR = ABORT_STATEMENT",
            self.name, self.null
        );
        let data = self.run(cx, &text).await?;
        loaded(&data, self.files)
    }

    async fn upload(&self, cx: &Context, info: &StageInfo, name: &str, file: Bytes) -> Result<()> {
        match info.location_type.to_uppercase().as_str() {
            "S3" => self.upload_to_s3(cx, info, name, file).await,
            "GCS" => self.send(cx, self.gcs(info, name)?, file).await,
            "AZURE" => self.send(cx, self.azure(info, name)?, file).await,
            other => {
                let message = format!("stages in `{}` are not supported", other.escape_debug());
                Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("set `insert_by: binding`"))
            }
        }
    }

    /// Through the backend of that store, with the keys that the service lent.
    async fn upload_to_s3(
        &self,
        cx: &Context,
        info: &StageInfo,
        name: &str,
        file: Bytes,
    ) -> Result<()> {
        let (bucket, folder) = info.location.split_once('/').unwrap_or((&info.location, ""));
        let secret = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
        let creds = &info.creds;
        let settings = [
            ("bucket_name", Some(bucket.to_owned())),
            ("region", info.region.clone()),
            ("endpoint_url", end_point(info).map(|host| self.address(host))),
            ("access_key", secret(&creds.aws_key_id)),
            ("secret_key", secret(&creds.aws_secret_key)),
            ("session_token", secret(&creds.aws_token)),
        ];
        let entry = |(key, text): (&str, String)| Entry {
            key: key.to_owned(),
            key_origin: Origin::Default,
            node: Node::text(text, Origin::Default),
        };
        let given = settings.into_iter().filter_map(|(key, text)| text.map(|text| (key, text)));
        let node = Node::map(given.map(entry).collect(), Origin::Default);
        let settings = Settings::new(KeyPath::new("stage"), node);
        let store = self.connected.sources.open(cx, "s3", &settings).await.map_err(|e| {
            e.with_hint("a stage in S3 needs the backend s3; or set `insert_by: binding`")
        })?;
        let files = store.facets().files.ok_or_else(|| malformed("a store has no files"))?;
        let key = format!("{}{name}", as_folder(folder));
        let written = files.write(cx, Write::bytes(key, file, WriteCondition::Always)).await;
        let closed = store.close().await;
        written.map(drop).and(closed)
    }

    /// By a signed address, or else under a token that was lent.
    fn gcs(&self, info: &StageInfo, name: &str) -> Result<(Url, HeaderMap)> {
        if let Some(url) = info.presigned_url.as_ref().filter(|url| !url.expose().is_empty()) {
            return Ok((place(url.expose())?, HeaderMap::new()));
        }
        let token = info.creds.gcs_access_token.as_ref().ok_or_else(lent_nothing)?;
        let host = end_point(info).unwrap_or("storage.googleapis.com");
        let mut url = place(&self.address(host))?;
        let key = format!("{}{name}", as_folder(&info.location));
        extend(&mut url, &key)?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose()))?);
        Ok((url, headers))
    }

    fn azure(&self, info: &StageInfo, name: &str) -> Result<(Url, HeaderMap)> {
        let (Some(account), Some(end)) = (&info.storage_account, end_point(info)) else {
            return Err(malformed("a place in Azure came without its account"));
        };
        let sas = info.creds.azure_sas_token.as_ref().ok_or_else(lent_nothing)?;
        let mut url = place(&self.address(&format!("{account}.{end}")))?;
        extend(&mut url, &format!("{}{name}", as_folder(&info.location)))?;
        url.set_query(Some(sas.expose().trim_start_matches('?')));
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("BlockBlob");
        headers.insert(HeaderName::from_static("x-ms-blob-type"), kind);
        Ok((url, headers))
    }

    async fn send(
        &self,
        cx: &Context,
        (url, headers): (Url, HeaderMap),
        body: Bytes,
    ) -> Result<()> {
        let mut headers = headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let call = Call {
            method: Method::PUT,
            url,
            headers,
            body,
            // The same file under the same name.
            repeat: Repeat::Always,
            repeat_parameter: None,
            urgent: false,
            timeout: Duration::from_secs(self.connected.api.config.api_timeout),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.connected.api.client.send(cx, &call).await?.success().map(drop)
    }

    /// Stores are spoken to as the service is: in the open only where that is.
    fn address(&self, host: &str) -> String {
        match self.connected.api.config.protocol {
            Protocol::Https => format!("https://{host}/"),
            Protocol::Http => format!("http://{host}/"),
        }
    }
}

/// The store's own host, where it has one; none may come as an empty text.
fn end_point(info: &StageInfo) -> Option<&str> {
    info.end_point.as_deref().filter(|host| !host.is_empty())
}

fn place(url: &str) -> Result<Url> {
    // The parser's own error may show the address, which may hold a signature.
    Url::parse(url).map_err(|_| malformed("the place of a file in a stage is none"))
}

fn extend(url: &mut Url, key: &str) -> Result<()> {
    let mut path =
        url.path_segments_mut().map_err(|()| malformed("the place of a stage is none"))?;
    path.pop_if_empty().extend(key.split('/'));
    Ok(())
}

fn lent_nothing() -> Error {
    malformed("PUT was answered without the right to write")
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| lent_nothing())?;
    value.set_sensitive(true);
    Ok(value)
}

fn as_folder(path: &str) -> String {
    match path {
        "" => String::new(),
        path if path.ends_with('/') => path.to_owned(),
        path => format!("{path}/"),
    }
}

/// The rows that COPY says it took, if it took every file whole.
fn loaded(data: &QueryData, files: u64) -> Result<u64> {
    let index = |name: &str| {
        let index = data.row_type.iter().position(|told| told.name.eq_ignore_ascii_case(name));
        index.ok_or_else(|| malformed("COPY does not say what it took"))
    };
    let (parsed, taken, status) = (index("rows_parsed")?, index("rows_loaded")?, index("status")?);
    let rows = data.row_set.as_deref().unwrap_or_default();
    let mut sum = 0_u64;
    for row in rows {
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        let count = text(taken).parse::<u64>();
        match count {
            Ok(count) if text(parsed) == text(taken) && text(status) == "LOADED" => {
                sum = sum.saturating_add(count);
            }
            _ => return Err(malformed("COPY left rows of a file out")),
        }
    }
    match rows.len() as u64 == files {
        true => Ok(sum),
        false => Err(malformed("COPY took another number of files than was put there")),
    }
}
