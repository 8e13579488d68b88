//! Links to the pieces of a result: followed, and asked for again when they have run out.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use bytes::Bytes;
use orbit_core::{Context, Error, ErrorKind, Result};
use orbit_http::header::{HeaderMap, HeaderName, HeaderValue};
use orbit_http::{Call, Kept, Method, Renewing, Repeat, Url, decode_ipc, inflate, off_the_workers};

use crate::api::Api;
use crate::columns::Columns;
use crate::error::malformed;
use crate::protocol::QueryData;
use crate::session::Lane;
use crate::statement::result_of;
use crate::text_rows::TextRow;

/// The longest piece, as it travels and in memory.
const CHUNK_BYTES_MAX: usize = 1 << 30;
/// A piece that came broken, or whose link had run out, is fetched this often.
const FETCHES_MAX: u32 = 3;

/// The links of one result.
pub(crate) struct Links {
    api: Arc<Api>,
    lane: Arc<Lane>,
    statement: Option<String>,
    columns: Arc<Columns>,
    arrow: bool,
    count: usize,
    current: Renewing<LinkSet>,
}

/// Links that are good for the same time.
struct LinkSet {
    urls: Vec<Url>,
    headers: HeaderMap,
}

impl LinkSet {
    fn of(data: &QueryData) -> Result<Self> {
        let parse = |url: &str| {
            Url::parse(url).map_err(|_| malformed("a link to a piece of the result is none"))
        };
        let urls = data.chunks.iter().map(|chunk| parse(&chunk.url)).collect::<Result<_>>()?;
        Ok(Self { urls, headers: headers(data)? })
    }
}

/// Where the service says none, the key of the pieces is told to the store in the store's way.
fn headers(data: &QueryData) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(value);
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(malformed("a header for the pieces of the result is none"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    match (&data.chunk_headers, &data.qrmk) {
        (Some(told), _) => told.iter().try_for_each(|(name, value)| add(name, value))?,
        (None, Some(key)) => {
            add("x-amz-server-side-encryption-customer-algorithm", "AES256")?;
            add("x-amz-server-side-encryption-customer-key", key)?;
        }
        (None, None) => {}
    }
    Ok(headers)
}

impl Links {
    /// The links of a result whose values come as Arrow, or else as texts.
    pub(crate) fn new(
        api: &Arc<Api>,
        lane: &Arc<Lane>,
        columns: &Arc<Columns>,
        data: &QueryData,
        arrow: bool,
    ) -> Result<Self> {
        Ok(Self {
            api: Arc::clone(api),
            lane: Arc::clone(lane),
            statement: data.query_id.clone(),
            columns: Arc::clone(columns),
            arrow,
            count: data.chunks.len(),
            current: Renewing::holding(LinkSet::of(data)?),
        })
    }

    /// The rows of piece number `index`.
    ///
    /// # Errors
    /// `DataInvalid` when it comes broken each time; `PermissionDenied` when even fresh links
    /// are refused; those of sending.
    pub(crate) async fn fetch(&self, cx: &Context, index: usize) -> Result<Vec<RecordBatch>> {
        let mut links = self.current.get(cx, |_| self.fresh(cx)).await?;
        for last in 1..=FETCHES_MAX {
            let error = match self.attempt(cx, &links, index).await {
                Ok(batches) => return Ok(batches),
                Err(error) => error.with_context("chunk", index.to_string()),
            };
            match error.kind() {
                _ if last == FETCHES_MAX => return Err(error),
                ErrorKind::PermissionDenied | ErrorKind::Unauthenticated => {
                    tracing::debug!(chunk = index, "a link has run out");
                    let stale = links.generation;
                    links = self.current.renewed(cx, stale, |_| self.fresh(cx)).await?;
                }
                ErrorKind::DataInvalid => tracing::debug!(chunk = index, %error, "fetched again"),
                _ => return Err(error),
            }
        }
        Err(malformed("a piece of the result was never fetched"))
    }

    async fn fresh(&self, cx: &Context) -> Result<LinkSet> {
        let id = self.statement.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::PermissionDenied, "a link to the result has run out")
        })?;
        let data = result_of(cx, &self.api, &self.lane, id).await?;
        if data.chunks.len() != self.count {
            return Err(malformed("the result has other pieces when asked for again"));
        }
        LinkSet::of(&data)
    }

    async fn attempt(
        &self,
        cx: &Context,
        links: &Kept<LinkSet>,
        index: usize,
    ) -> Result<Vec<RecordBatch>> {
        let url = links.value.urls.get(index).ok_or_else(|| malformed("a link is missing"))?;
        let call = Call {
            method: Method::GET,
            url: url.clone(),
            headers: links.value.headers.clone(),
            body: Bytes::new(),
            repeat: Repeat::Always,
            repeat_parameter: None,
            urgent: false,
            timeout: Duration::from_secs(self.api.config.api_timeout),
            answer_bytes_max: CHUNK_BYTES_MAX,
        };
        let answer = self.api.client.send(cx, &call).await?;
        let answer = match answer.status.as_u16() {
            // Stores tell a link that has run out by any of these, in a page of XML.
            400 | 401 | 403 => {
                let message = "the store refuses the link to a piece of the result";
                return Err(answer.told(Error::new(ErrorKind::PermissionDenied, message)));
            }
            _ => answer.success()?,
        };
        let (columns, arrow) = (Arc::clone(&self.columns), self.arrow);
        let body = answer.body;
        cx.run(off_the_workers(move || match arrow {
            true => arrow_rows(&columns, body),
            false => text_rows(&columns, body),
        }))
        .await
    }
}

/// The rows of an IPC stream, in the columns' types.
pub(crate) fn arrow_rows(columns: &Columns, body: Bytes) -> Result<Vec<RecordBatch>> {
    let decoded = decode_ipc(inflate(body, CHUNK_BYTES_MAX)?)?;
    decoded.batches.iter().map(|batch| columns.convert(batch)).collect()
}

/// The rows of a list of lists that lacks its outer brackets.
fn text_rows(columns: &Columns, body: Bytes) -> Result<Vec<RecordBatch>> {
    let body = inflate(body, CHUNK_BYTES_MAX)?;
    let whole = [b"[".as_slice(), body.as_ref(), b"]".as_slice()].concat();
    let rows: Vec<TextRow> = serde_json::from_slice(&whole)
        .map_err(|_| malformed("a piece of the result is not whole JSON"))?;
    Ok(vec![columns.parse(&rows)?])
}
