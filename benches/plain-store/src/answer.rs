//! Answers: a file or a range of it, a page of a listing, or an error.

use std::fmt::Write as _;
use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files::{File, Files};
use crate::request::Request;

const BUCKET: &str = "bench";
const PAGE_KEYS_MAX: usize = 1000;
const MODIFIED: &str = "2026-01-02T03:04:05.000Z";
const TAG: &str = "&quot;0123456789abcdef0123456789abcdef&quot;";
const COMMON: &str = "x-amz-request-id: 0123456789ABCDEF\r\n\
 Server: plain-store\r\n";

/// An answer; the length of its body stands in its head.
pub(crate) struct Answer<'a> {
    head: String,
    body: Body<'a>,
}

enum Body<'a> {
    Text(String),
    File { files: &'a Files, file: &'a File, range: Range<u64> },
}

impl<'a> Answer<'a> {
    pub(crate) fn text(status: u16, text: String) -> Self {
        let length = text.len();
        let head = format!(
            "HTTP/1.1 {status} -\r\n{COMMON}Content-Type: application/xml\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        Self { head, body: Body::Text(text) }
    }

    fn error(status: u16, code: &str) -> Self {
        Self::text(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>"))
    }

    fn file(files: &'a Files, file: &'a File, asked: Option<&str>) -> Self {
        let size = file.size_bytes;
        let range = match asked.map(|text| range(text, size)) {
            None => 0..size,
            Some(Some(range)) => range,
            Some(None) => return Self::error(416, "InvalidRange"),
        };
        let status = if asked.is_some() { 206 } else { 200 };
        let mut head = format!(
            "HTTP/1.1 {status} -\r\n{COMMON}Content-Type: application/octet-stream\r\n\
             Accept-Ranges: bytes\r\nLast-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\n\
             ETag: \"0123456789abcdef0123456789abcdef\"\r\nContent-Length: {}\r\n",
            range.end - range.start
        );
        if asked.is_some() {
            head += &format!("Content-Range: bytes {}-{}/{size}\r\n", range.start, range.end - 1);
        }
        head += "\r\n";
        Self { head, body: Body::File { files, file, range } }
    }

    /// Sends it, and adds to `sent` what went out of its body: a client may leave in the middle.
    pub(crate) fn send(
        &self,
        mut stream: &TcpStream,
        head_alone: bool,
        sent: &AtomicU64,
    ) -> io::Result<()> {
        let count = |bytes: usize| sent.fetch_add(bytes as u64, Ordering::Relaxed);
        match &self.body {
            _ if head_alone => stream.write_all(self.head.as_bytes()),
            Body::Text(text) => {
                stream.write_all(format!("{}{text}", self.head).as_bytes())?;
                count(text.len());
                Ok(())
            }
            Body::File { files, file, range } => {
                let mut slices = files.slices(file, range.clone());
                let (head, first) = (self.head.as_bytes(), slices.next().unwrap_or_default());
                let written = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(first)])?;
                stream.write_all(head.get(written..).unwrap_or_default())?;
                let begun = written.saturating_sub(head.len()).min(first.len());
                count(begun);
                for mut slice in std::iter::once(&first[begun..]).chain(slices) {
                    while !slice.is_empty() {
                        let written = stream.write(slice)?;
                        count(written);
                        slice = &slice[written..];
                    }
                }
                Ok(())
            }
        }
    }
}

/// The bytes of `bytes=a-b`, `bytes=a-` and `bytes=-n`.
fn range(text: &str, size: u64) -> Option<Range<u64>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) => from..size.min(to.saturating_add(1)),
        (Ok(from), Err(_)) => from..size,
        (Err(_), Ok(last)) => size.saturating_sub(last)..size,
        (Err(_), Err(_)) => return None,
    };
    (!range.is_empty()).then_some(range)
}

/// The answer to a request: of the bucket, or of a file in it.
pub(crate) fn answer<'a>(request: &Request, files: &'a Files) -> Answer<'a> {
    let path = request.path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket != BUCKET {
        return Answer::error(404, "NoSuchBucket");
    }
    match request.method.as_str() {
        "GET" if key.is_empty() && request.value("location").is_some() => {
            Answer::text(200, "<LocationConstraint>us-east-1</LocationConstraint>".to_owned())
        }
        "GET" if key.is_empty() => Answer::text(200, page(request, files)),
        "HEAD" if key.is_empty() => Answer::text(200, String::new()),
        "GET" | "HEAD" => match files.get(key) {
            Some(file) => Answer::file(files, file, request.range.as_deref()),
            None => Answer::error(404, "NoSuchKey"),
        },
        _ => Answer::error(501, "NotImplemented"),
    }
}

/// One page, in either version of the request: what the next one begins after is a key.
fn page(request: &Request, files: &Files) -> String {
    let value = |name| request.value(name).unwrap_or_default();
    let (prefix, delimiter) = (value("prefix"), request.value("delimiter"));
    let after = value("continuation-token").max(value("start-after")).max(value("marker"));
    let keys_max = value("max-keys").parse().unwrap_or(PAGE_KEYS_MAX).min(PAGE_KEYS_MAX);
    let mut entries = String::with_capacity(400 * keys_max);
    let (mut count, mut last, mut is_truncated) = (0, String::new(), false);
    for file in files.below(prefix, after) {
        let folder = delimiter.filter(|d| !d.is_empty()).and_then(|delimiter| {
            let end = file.key[prefix.len()..].find(delimiter)? + delimiter.len();
            Some(&file.key[..prefix.len() + end])
        });
        if folder.is_some_and(|folder| last == folder || after == folder) {
            continue;
        }
        if count == keys_max {
            is_truncated = true;
            break;
        }
        count += 1;
        last.clear();
        last += folder.unwrap_or(&file.key);
        entry(&mut entries, file, folder);
    }
    let encoding = request.value("encoding-type");
    let encoding = encoding.map_or("", |_| "<EncodingType>url</EncodingType>");
    let next = match is_truncated {
        true => format!(
            "<NextContinuationToken>{last}</NextContinuationToken><NextMarker>{last}</NextMarker>"
        ),
        false => String::new(),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{BUCKET}</Name>\
         <Prefix>{prefix}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{keys_max}</MaxKeys>\
         {encoding}<IsTruncated>{is_truncated}</IsTruncated>{next}{entries}</ListBucketResult>"
    )
}

fn entry(entries: &mut String, file: &File, folder: Option<&str>) {
    let File { key, size_bytes, .. } = file;
    // Writing to a text cannot fail.
    let written = match folder {
        Some(folder) => {
            write!(entries, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>")
        }
        None => write!(
            entries,
            "<Contents><Key>{key}</Key><LastModified>{MODIFIED}</LastModified><ETag>{TAG}</ETag>\
             <Size>{size_bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        ),
    };
    written.unwrap_or_default();
}
