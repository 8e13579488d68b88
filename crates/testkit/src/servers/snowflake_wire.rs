//! A proxy of ours before fakesnow, which answers as the service does where fakesnow does not:
//! results in pieces behind links, statements that are not done at once, results that are kept
//! by their ids, plans, and statements that work until they are cancelled.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::read_record_batch;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{HttpAnswer, HttpRequest, HttpServer, ServerError, http};
use crate::responders::{gzip, ipc};

/// Rows of a piece.
const PIECE_ROWS: usize = 40;
/// Longer than any test waits.
const NEVER: Duration = Duration::from_secs(3600);
/// How long a question waits for a statement that still works.
const HELD: Duration = Duration::from_millis(50);

/// A result that is kept.
struct Kept {
    /// The answer, without links.
    data: Value,
    pieces: Vec<(Bytes, usize)>,
}

struct Work {
    request_id: String,
    /// Its id was told to the client, which has asked for it since.
    is_known: bool,
}

#[derive(Default)]
struct State {
    kept: BTreeMap<String, Kept>,
    /// Statements at work by their ids.
    working: BTreeMap<String, Work>,
    statements: u64,
}

/// The proxy. Ended when it is dropped.
pub struct SnowflakeWire {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

impl SnowflakeWire {
    /// A statement that works until it is cancelled.
    pub const SLOW: &'static str = "SELECT SYSTEM_WAIT_FOREVER";
    /// One that is done at once, and whose second piece never comes.
    pub const SLOW_ROWS: &'static str = "SELECT SYSTEM_ROWS_FOREVER";

    /// Starts one before the port `upstream` of loopback.
    ///
    /// # Errors
    /// `Failed` when no port is to be had.
    pub async fn start(upstream: u16) -> Result<Self, ServerError> {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let server = HttpServer::start_waiting(move |request| {
            let shared = Arc::clone(&shared);
            async move { answered(&shared, upstream, request).await }
        });
        Ok(Self { server: server.await?, state })
    }

    /// The port on 127.0.0.1, for plain HTTP.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Counts the statements at work whose ids the client knows.
    pub fn working(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || lock(&state).working.values().filter(|work| work.is_known).count() as u64
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answered(state: &Mutex<State>, upstream: u16, request: HttpRequest) -> HttpAnswer {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts: Vec<_> = request.route().trim_start_matches('/').split('/').collect();
    let reply = match parts.as_slice() {
        ["chunk", id, index] => Some(lock(state).chunk(id, index)),
        ["queries", "v1", "abort-request"] => {
            let id = body["requestId"].as_str().unwrap_or_default();
            lock(state).working.retain(|_, work| work.request_id != id);
            Some(success(&Value::Null))
        }
        ["queries", id, "abort-request"] => {
            lock(state).working.remove(*id);
            Some(success(&Value::Null))
        }
        ["queries", id, "result"] => Some(lock(state).result(id, &request)),
        ["queries", "v1", "query-request"] => {
            let of = request.parameter("requestId").unwrap_or_default();
            lock(state).own(body["sqlText"].as_str().unwrap_or_default(), of, &request)
        }
        _ => None,
    };
    match reply {
        Some(reply) => reply,
        None => match forwarded(upstream, &request).await {
            // The service answers SHOW and its like in texts, and never in pieces of Arrow.
            Ok(answer) if !reads(&body) => answer,
            Ok(answer) => kept(state, answer, &request),
            Err(error) => HttpAnswer::new(502, error.to_string()),
        },
    }
}

fn reads(statement: &Value) -> bool {
    let text = statement["sqlText"].as_str().unwrap_or_default();
    text.starts_with("SELECT") && statement["describeOnly"] != true
}

async fn forwarded(upstream: u16, request: &HttpRequest) -> Result<HttpAnswer, ServerError> {
    let own = ["host", "connection", "content-length", "accept-encoding"];
    let mut passed = request.clone();
    passed.headers.retain(|(name, _)| !own.contains(&name.as_str()));
    let answer = http(upstream, &passed).await?;
    Ok(HttpAnswer::new(answer.status, answer.body))
}

/// Keeps a result in pieces; every other one is not done when it is first asked for.
fn kept(state: &Mutex<State>, answer: HttpAnswer, request: &HttpRequest) -> HttpAnswer {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let data = &mut body["data"];
    let rows = data["rowsetBase64"].as_str().and_then(|text| divided(text).ok());
    let (Some(pieces), Some(id)) = (rows, data["queryId"].as_str().map(str::to_owned)) else {
        return answer;
    };
    let mut state = lock(state);
    state.kept.insert(id.clone(), Kept { data: data.take(), pieces });
    state.statements += 1;
    match state.statements.is_multiple_of(2) {
        true => in_progress(&id),
        false => state.result(&id, request),
    }
}

fn divided(text: &str) -> Result<Vec<(Bytes, usize)>, ArrowError> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|e| ArrowError::ParseError(e.to_string()))?;
    let mut pieces = Vec::new();
    for batch in decoded(&Buffer::from(bytes))? {
        for start in (0..batch.num_rows()).step_by(PIECE_ROWS) {
            let piece = batch.slice(start, PIECE_ROWS.min(batch.num_rows() - start));
            pieces.push((ipc(std::slice::from_ref(&piece))?, piece.num_rows()));
        }
    }
    Ok(pieces)
}

/// The batches of a stream. fakesnow leaves nulls in the parts of moments that it says have
/// none, which a strict reader refuses.
fn decoded(stream: &Buffer) -> Result<Vec<RecordBatch>, ArrowError> {
    let cut = || ArrowError::IpcError("the stream is cut".to_owned());
    let (mut schema, mut batches, mut at) = (None, Vec::new(), 0);
    loop {
        let length = stream.get(at + 4..at + 8).and_then(|bytes| bytes.try_into().ok());
        let length = u32::from_le_bytes(length.ok_or_else(cut)?) as usize;
        if length == 0 {
            return Ok(batches);
        }
        let header = stream.get(at + 8..at + 8 + length).ok_or_else(cut)?;
        let message = arrow_ipc::root_as_message(header)
            .map_err(|e| ArrowError::ParseError(e.to_string()))?;
        let body = at + 8 + length;
        let body_length = usize::try_from(message.bodyLength()).map_err(|_| cut())?;
        if let Some(told) = message.header_as_schema() {
            schema = Some(Arc::new(lenient(&fb_to_schema(told))));
        }
        if let (Some(batch), Some(schema)) = (message.header_as_record_batch(), &schema) {
            let body = stream.slice_with_length(body, body_length);
            let (none, version) = (HashMap::new(), message.version());
            let schema = Arc::clone(schema);
            batches.push(read_record_batch(&body, batch, schema, &none, None, &version)?);
        }
        at = body + body_length;
    }
}

fn lenient(schema: &Schema) -> Schema {
    let nullable = |field: &Arc<Field>| match field.data_type() {
        DataType::Struct(parts) => {
            let parts = parts.iter().map(|part| part.as_ref().clone().with_nullable(true));
            field.as_ref().clone().with_data_type(DataType::Struct(parts.collect()))
        }
        _ => field.as_ref().clone(),
    };
    Schema::new(schema.fields().iter().map(nullable).collect::<Vec<_>>())
}

impl State {
    /// What fakesnow has no answer to.
    fn own(&mut self, text: &str, request_id: &str, request: &HttpRequest) -> Option<HttpAnswer> {
        let is_slow = text == SnowflakeWire::SLOW;
        if is_slow || text == SnowflakeWire::SLOW_ROWS {
            self.statements += 1;
            let id = format!("slow-{}", self.statements);
            let work = Work { request_id: request_id.to_owned(), is_known: false };
            self.working.insert(id.clone(), work);
            return Some(if is_slow { in_progress(&id) } else { begun(&id, request) });
        }
        text.starts_with("EXPLAIN USING JSON ").then(|| {
            let plan = json!({ "GlobalStats": { "bytesAssigned": 4096 } }).to_string();
            let row_type = json!([{ "name": "content", "type": "text" }]);
            success(&json!({ "queryId": "plan", "rowtype": row_type, "rowset": [[plan]],
                "queryResultFormat": "json", "total": 1 }))
        })
    }

    fn result(&mut self, id: &str, request: &HttpRequest) -> HttpAnswer {
        if let Some(work) = self.working.get_mut(id) {
            work.is_known = true;
            return in_progress(id).after(HELD);
        }
        let Some(kept) = self.kept.get(id) else {
            let (code, what) = match id.starts_with("slow-") {
                true => ("000604", "SQL execution canceled"),
                false => ("000709", "Statement not found"),
            };
            return framed(code, what, false, &json!({ "queryId": id }));
        };
        let host = request.header("host").unwrap_or_default();
        let link = |(index, (body, rows)): (usize, &(Bytes, usize))| {
            let url = format!("http://{host}/chunk/{id}/{index}?signature=canary");
            json!({ "url": url, "rowCount": rows, "uncompressedSize": body.len() })
        };
        let mut data = kept.data.clone();
        data["chunks"] = kept.pieces.iter().enumerate().skip(1).map(link).collect();
        let first = kept.pieces.first().map(|(body, _)| body.as_ref()).unwrap_or_default();
        data["rowsetBase64"] = json!(BASE64_STANDARD.encode(first));
        success(&data)
    }

    fn chunk(&mut self, id: &str, index: &str) -> HttpAnswer {
        if let Some(work) = self.working.get_mut(id) {
            work.is_known = true;
            return HttpAnswer::new(200, "").after(NEVER);
        }
        let piece = self.kept.get(id).zip(index.parse::<usize>().ok());
        let piece = piece.and_then(|(kept, index)| kept.pieces.get(index));
        match piece.and_then(|(body, _)| gzip(body).ok()) {
            Some(body) => HttpAnswer::new(200, body),
            None => HttpAnswer::new(404, ""),
        }
    }
}

/// No rows yet, and a link to one that never comes.
fn begun(id: &str, request: &HttpRequest) -> HttpAnswer {
    let host = request.header("host").unwrap_or_default();
    let piece = json!({ "url": format!("http://{host}/chunk/{id}/1"), "rowCount": 1 });
    let row_type = json!([{ "name": "N", "type": "fixed", "precision": 18, "scale": 0 }]);
    success(&json!({ "queryId": id, "rowtype": row_type, "rowsetBase64": "", "total": 1,
        "queryResultFormat": "arrow", "chunks": [piece] }))
}

fn in_progress(id: &str) -> HttpAnswer {
    let data = json!({ "queryId": id, "getResultUrl": format!("/queries/{id}/result") });
    framed("333333", "in progress", true, &data)
}

fn success(data: &Value) -> HttpAnswer {
    framed("", "", true, data)
}

fn framed(code: &str, message: &str, success: bool, data: &Value) -> HttpAnswer {
    let code = if code.is_empty() { Value::Null } else { json!(code) };
    let body = json!({ "data": data, "code": code, "message": message, "success": success });
    HttpAnswer::new(200, body.to_string())
}
