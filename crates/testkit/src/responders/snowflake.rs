//! The statement protocol of Snowflake, as its open clients speak it: sessions that expire and
//! are renewed, statements that run for a while, results in pieces behind links.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::servers::{HttpAnswer, HttpRequest, HttpServer, ServerError};

/// How compressed bytes begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a statement answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The columns, as the service tells them.
    pub row_type: Value,
    /// The first rows as an IPC stream, in the answer itself.
    pub inline: Bytes,
    /// The other rows: an IPC stream and how many rows are promised in it.
    pub chunks: Vec<(Bytes, u64)>,
    /// How long each of them is when it is not compressed; none is as long as it is.
    pub chunk_bytes: Option<u64>,
    /// How many rows are promised in all.
    pub total: u64,
    /// How often it is not done yet when asked for.
    pub polls: usize,
    /// Other fields of the answer, which replace those above.
    pub fields: Value,
    /// A code and a message: it fails.
    pub failure: Option<(String, String)>,
}

/// What happened at the responder.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Every request: method, path and query.
    pub requests: Vec<String>,
    /// The bodies of requests to sign in.
    pub logins: Vec<Value>,
    /// The bodies of statements.
    pub statements: Vec<Value>,
    /// Request ids that were cancelled.
    pub aborted: Vec<String>,
    /// Statement ids that were cancelled.
    pub aborted_statements: Vec<String>,
    /// Renewals of sessions.
    pub renewals: usize,
    /// Sessions that were ended.
    pub logouts: usize,
}

impl Seen {
    /// How many requests went to a path that begins so.
    pub fn count(&self, path: &str) -> usize {
        self.requests
            .iter()
            .filter(|r| r.split(' ').nth(1).is_some_and(|p| p.starts_with(path)))
            .count()
    }
}

/// Answers in place of the protocol; none lets the protocol answer. It is given how many
/// requests came before to the same path.
type Fault = Box<dyn Fn(&HttpRequest, usize) -> Option<HttpAnswer> + Send + Sync>;

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    seen: Seen,
    /// The session's token, which changes with each renewal.
    token: usize,
    polls_left: BTreeMap<String, usize>,
    links: usize,
    fault: Option<Fault>,
}

type Shared = Arc<Mutex<State>>;

/// A responder of ours in place of Snowflake. It runs no SQL: it answers the texts it knows.
pub struct Snowflake {
    server: HttpServer,
    state: Shared,
}

impl Snowflake {
    /// Starts it without any answer.
    ///
    /// # Errors
    /// `Failed` when no port is to be had.
    pub async fn start() -> Result<Self, ServerError> {
        let state = Shared::default();
        let shared = Arc::clone(&state);
        let server = HttpServer::start(move |request| respond(&shared, request)).await?;
        Ok(Self { server, state })
    }

    /// The port on 127.0.0.1, for plain HTTP.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Answers the statement `text`, and that whose text begins so if it ends in `*`.
    pub fn answer(&self, text: &str, answer: Answer) {
        lock(&self.state).answers.insert(text.to_owned(), answer);
    }

    /// Answers some requests itself.
    pub fn fault(
        &self,
        fault: impl Fn(&HttpRequest, usize) -> Option<HttpAnswer> + Send + Sync + 'static,
    ) {
        lock(&self.state).fault = Some(Box::new(fault));
    }

    /// Every token that was given out until now has expired.
    pub fn expire_sessions(&self) {
        lock(&self.state).token += 1;
    }

    /// Every link that was given out until now has run out.
    pub fn expire_links(&self) {
        lock(&self.state).links += 1;
    }

    /// What happened.
    pub fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn respond(shared: &Shared, request: &HttpRequest) -> HttpAnswer {
    let mut state = lock(shared);
    let before = state.seen.count(request.route());
    state.seen.requests.push(format!("{} {}", request.method, request.path));
    if let Some(reply) = state.fault.as_ref().and_then(|fault| fault(request, before)) {
        if request.route().ends_with("abort-request") {
            state.abort(request);
        }
        return reply;
    }
    let body = body(request);
    match request.route() {
        "/session/v1/login-request" => {
            state.seen.logins.push(body["data"].clone());
            // Some clients read no moment before they know it.
            let parameters = json!([{ "name": "TIMEZONE", "value": "UTC" }]);
            success(&json!({ "token": state.session(), "masterToken": "master-canary",
                "parameters": parameters }))
        }
        "/session/token-request" => {
            state.seen.renewals += 1;
            success(&json!({ "sessionToken": state.session(), "masterToken": "master-canary" }))
        }
        path if path.starts_with("/chunk/") => state.chunk(request),
        _ if !state.knows(request) => failure("390112", "the session has expired", &json!({})),
        "/session/heartbeat" => success(&Value::Null),
        "/session" => {
            state.seen.logouts += 1;
            success(&Value::Null)
        }
        "/queries/v1/query-request" => {
            state.seen.statements.push(body.clone());
            let host = request.header("host").unwrap_or_default();
            state.statement(body["sqlText"].as_str().unwrap_or_default(), host)
        }
        path if path.ends_with("abort-request") => {
            state.abort(request);
            success(&Value::Null)
        }
        path => {
            let host = request.header("host").unwrap_or_default();
            let id = path.split('/').nth(2).unwrap_or_default().to_owned();
            state.result(&id, host)
        }
    }
}

impl State {
    fn session(&self) -> String {
        format!("session-canary-{}", self.token)
    }

    fn knows(&self, request: &HttpRequest) -> bool {
        let shown = request.header("authorization");
        shown.is_some_and(|shown| shown.contains(&format!("\"{}\"", self.session())))
    }

    fn abort(&mut self, request: &HttpRequest) {
        let body = body(request);
        match body["requestId"].as_str() {
            Some(id) => self.seen.aborted.push(id.to_owned()),
            None => {
                let id = request.route().split('/').nth(2).unwrap_or_default();
                self.seen.aborted_statements.push(id.to_owned());
            }
        }
    }

    fn find(&self, text: &str) -> Option<(usize, &Answer)> {
        let fits = |known: &str| match known.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text == known,
        };
        let mut known = self.answers.iter().enumerate();
        known.find(|(_, (known, _))| fits(known)).map(|(index, (_, answer))| (index, answer))
    }

    fn statement(&mut self, text: &str, host: &str) -> HttpAnswer {
        let Some((index, answer)) = self.find(text) else {
            return failure(
                "001003",
                "syntax error: no such script",
                &json!({"sqlState": "42000"}),
            );
        };
        let (id, polls) = (format!("01-{index}"), answer.polls);
        self.polls_left.insert(id.clone(), polls);
        self.result(&id, host)
    }

    fn result(&mut self, id: &str, host: &str) -> HttpAnswer {
        let index = id.strip_prefix("01-").and_then(|index| index.parse::<usize>().ok());
        let Some(answer) = index.and_then(|index| self.answers.values().nth(index)).cloned() else {
            return failure("000709", "the statement was not found", &json!({"sqlState": "02000"}));
        };
        let left = self.polls_left.entry(id.to_owned()).or_default();
        if *left > 0 {
            *left -= 1;
            let data = json!({ "queryId": id, "getResultUrl": format!("/queries/{id}/result") });
            return failure("333333", "in progress", &data);
        }
        if let Some((code, message)) = &answer.failure {
            return failure(code, message, &json!({ "queryId": id }));
        }
        success(&self.data(id, &answer, host))
    }

    fn data(&self, id: &str, answer: &Answer, host: &str) -> Value {
        use base64::Engine;
        let generation = self.links;
        let link = |index: usize| {
            format!(
                "http://{host}/chunk/{id}/{index}?generation={generation}&signature=link-canary"
            )
        };
        let chunk = |(index, (body, rows)): (usize, &(Bytes, u64))| {
            let bytes = answer.chunk_bytes.unwrap_or(body.len() as u64);
            json!({ "url": link(index), "rowCount": rows, "uncompressedSize": bytes,
                "compressedSize": body.len() })
        };
        let chunks: Vec<_> = answer.chunks.iter().enumerate().map(chunk).collect();
        let mut data = json!({
            "queryId": id,
            "queryResultFormat": "arrow",
            "statementTypeId": 0x1000,
            "rowtype": answer.row_type,
            "rowsetBase64": base64::prelude::BASE64_STANDARD.encode(&answer.inline),
            "total": answer.total,
            "chunks": chunks,
            "chunkHeaders": { "x-amz-server-side-encryption-customer-key": "chunk-key-canary" },
        });
        if let (Some(data), Some(fields)) = (data.as_object_mut(), answer.fields.as_object()) {
            data.extend(fields.clone());
        }
        data
    }

    fn chunk(&self, request: &HttpRequest) -> HttpAnswer {
        let generation = request.parameter("generation").and_then(|g| g.parse().ok());
        if generation != Some(self.links) {
            let page = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
            return HttpAnswer::new(403, page).with("content-type", "application/xml");
        }
        let mut parts = request.route().split('/').skip(2);
        let id = parts.next().and_then(|id| id.strip_prefix("01-")?.parse::<usize>().ok());
        let index = parts.next().and_then(|index| index.parse::<usize>().ok());
        let answer = id.and_then(|id| self.answers.values().nth(id));
        match answer.zip(index).and_then(|(answer, index)| answer.chunks.get(index)) {
            // As the stores tell it, and some clients need to hear.
            Some((body, _)) if body.starts_with(&GZIP) => {
                HttpAnswer::new(200, body.clone()).with("content-encoding", "gzip")
            }
            Some((body, _)) => HttpAnswer::new(200, body.clone()),
            None => HttpAnswer::new(404, ""),
        }
    }
}

/// What was sent, which some clients compress.
fn body(request: &HttpRequest) -> Value {
    let mut plain = Vec::new();
    let body = match flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut plain) {
        Ok(_) => &plain,
        Err(_) => &request.body,
    };
    serde_json::from_slice(body).unwrap_or_default()
}

fn success(data: &Value) -> HttpAnswer {
    let body = json!({ "data": data, "code": null, "message": null, "success": true });
    HttpAnswer::new(200, body.to_string())
}

fn failure(code: &str, message: &str, data: &Value) -> HttpAnswer {
    let success = code == "333333";
    let body = json!({ "data": data, "code": code, "message": message, "success": success });
    HttpAnswer::new(200, body.to_string()).after(Duration::from_millis(1))
}

/// Batches as an IPC stream.
///
/// # Errors
/// When they are not of one schema.
pub fn ipc(batches: &[RecordBatch]) -> Result<Bytes, arrow_schema::ArrowError> {
    let mut bytes = Vec::new();
    if let Some(first) = batches.first() {
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &first.schema())?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.finish()?;
    }
    Ok(bytes.into())
}

/// Compressed bytes.
///
/// # Errors
/// None on memory.
pub fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?.into())
}
