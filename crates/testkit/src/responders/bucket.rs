//! A store in memory that answers as much of S3 as listing and reading need. It checks no
//! signature: it tells whose key signed each request, and what was handed out for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::servers::{HttpAnswer, HttpRequest, HttpServer, ServerError};

const MODIFIED: &str = "Sat, 31 Jan 2026 12:00:00 GMT";
const MODIFIED_ISO: &str = "2026-01-31T12:00:00.000Z";

/// What a bucket was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRequest {
    /// The key that was read or told; none lists.
    pub key: Option<String>,
    /// Who asked.
    pub access_key: String,
    /// Bytes of the file that were handed out.
    pub bytes: u64,
}

/// A bucket in memory, on loopback. Ended when it is dropped.
#[derive(Debug)]
pub struct Bucket {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    requests: Vec<BucketRequest>,
    tags: u64,
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Bytes,
    tag: u64,
    denied_to: Vec<String>,
    changes: bool,
}

impl Bucket {
    /// Its name.
    pub const NAME: &str = "bucket";

    /// Starts an empty one.
    ///
    /// # Errors
    /// `Failed` when no port is to be had.
    pub async fn start() -> Result<Self, ServerError> {
        let state: Arc<Mutex<State>> = Arc::default();
        let served = Arc::clone(&state);
        let server = HttpServer::start(move |request| lock(&served).answer(request)).await?;
        Ok(Self { server, state })
    }

    /// Where it is, for a client.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Puts a file there, under a new tag, in the same second as every other.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let mut state = lock(&self.state);
        state.tags += 1;
        let (bytes, tag) = (bytes.into(), state.tags);
        let object = Object { bytes, tag, denied_to: Vec::new(), changes: false };
        state.objects.insert(key.to_owned(), object);
    }

    /// Does not let an access key read a file; it is listed all the same.
    pub fn deny(&self, key: &str, access_key: &str) {
        self.change(key, |object| object.denied_to.push(access_key.to_owned()));
    }

    /// Gives a file a new tag each time it is listed or read.
    pub fn keep_changing(&self, key: &str) {
        self.change(key, |object| object.changes = true);
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Object)) {
        lock(&self.state).objects.get_mut(key).map(change);
    }

    /// What it was asked for since the last call.
    pub fn take_requests(&self) -> Vec<BucketRequest> {
        std::mem::take(&mut lock(&self.state).requests)
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &HttpRequest) -> HttpAnswer {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path.as_str(), ""));
        let key = decoded(path.trim_start_matches('/'));
        let key = key.strip_prefix(Bucket::NAME).unwrap_or_default().trim_start_matches('/');
        let is_listing = key.is_empty();
        let answer = if is_listing { self.list(query) } else { self.read(request, key) };
        let is_read = request.method == "GET" && !is_listing && answer.status < 300;
        self.requests.push(BucketRequest {
            key: (!is_listing).then(|| key.to_owned()),
            access_key: signer(request),
            bytes: if is_read { answer.body.len() as u64 } else { 0 },
        });
        answer
    }

    fn list(&mut self, query: &str) -> HttpAnswer {
        let asked = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(n, _)| *n == name).map(|(_, value)| decoded(value)).unwrap_or_default()
        };
        let (prefix, delimiter, after) =
            (asked("prefix"), asked("delimiter"), asked("start-after"));
        let mut body = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
        let mut folders: Vec<String> = Vec::new();
        for (key, object) in &mut self.objects {
            let Some(rest) = key.strip_prefix(&prefix).filter(|_| *key > after) else { continue };
            if let (false, Some(end)) = (delimiter.is_empty(), rest.find(&delimiter)) {
                let folder = format!("{prefix}{}", &rest[..=end]);
                if folders.last() != Some(&folder) {
                    folders.push(folder);
                }
                continue;
            }
            let Object { bytes, tag, .. } = object;
            // Writing to a text does not fail.
            write!(
                body,
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>&quot;{tag}&quot;</ETag>\
                 <LastModified>{MODIFIED_ISO}</LastModified></Contents>",
                bytes.len()
            )
            .ok();
            if object.changes {
                self.tags += 1;
                object.tag = self.tags;
            }
        }
        for folder in folders {
            write!(body, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>").ok();
        }
        HttpAnswer::new(200, body + "</ListBucketResult>").with("content-type", "application/xml")
    }

    fn read(&mut self, request: &HttpRequest, key: &str) -> HttpAnswer {
        let Some(object) = self.objects.get_mut(key) else { return failure(404, "NoSuchKey") };
        if object.denied_to.contains(&signer(request)) {
            return failure(403, "AccessDenied");
        }
        let tag = format!("\"{}\"", object.tag);
        if request.header("if-match").is_some_and(|wanted| wanted != tag) {
            return failure(412, "PreconditionFailed");
        }
        if object.changes {
            self.tags += 1;
            object.tag = self.tags;
        }
        let size = object.bytes.len();
        let answer = match request.header("range").and_then(|header| range_of(header, size)) {
            None => HttpAnswer::new(200, object.bytes.clone()),
            Some(range) => {
                let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                HttpAnswer::new(206, object.bytes.slice(range)).with("content-range", told)
            }
        };
        answer.with("etag", tag).with("last-modified", MODIFIED)
    }
}

/// `bytes=FIRST-LAST` of a file, or `bytes=-LENGTH` of its end.
fn range_of(header: &str, size: usize) -> Option<Range<usize>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let length: usize = last.parse().ok()?;
        return (size > 0).then_some(size.saturating_sub(length)..size);
    }
    let first: usize = first.parse().ok()?;
    let end = last.parse().map_or(size, |last: usize| size.min(last.saturating_add(1)));
    (first < end).then_some(first..end)
}

/// The access key in `AWS4-HMAC-SHA256 Credential=KEY/20260131/...`.
fn signer(request: &HttpRequest) -> String {
    let signed = request.header("authorization").unwrap_or_default();
    let credential = signed.split_once("Credential=").map_or("", |(_, rest)| rest);
    credential.split('/').next().unwrap_or_default().to_owned()
}

fn failure(status: u16, code: &str) -> HttpAnswer {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    HttpAnswer::new(status, body).with("content-type", "application/xml")
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
