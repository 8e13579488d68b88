//! Uploads over a store in memory: what it is sent, and what is left of what fails.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use orbit_core::{
    ByteStream, Context, Error, ErrorKind, FileInfo, Result, Retry, Write, WriteCondition,
    WriteEffect,
};
use orbit_file::{Cleanups, PartSizes, PartStore, upload};

const SIZES: PartSizes =
    PartSizes { part_bytes_min: 4, parts_max: 6, parallel_max: 3, under_way_bytes_max: 8 };

/// A store whose parts take a moment, and which fails where it is told to.
#[derive(Default)]
struct Memory {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    parts: Mutex<BTreeMap<u32, Bytes>>,
    log: Mutex<Vec<String>>,
    uploads: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    parts_to_fail: AtomicUsize,
    begin_takes: Duration,
    fails_at_end: bool,
}

impl Memory {
    fn log(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }

    fn holds(&self, key: &str, bytes: Vec<u8>) -> FileInfo {
        let size_bytes = bytes.len() as u64;
        self.files.lock().unwrap().insert(key.to_owned(), bytes);
        let modified = SystemTime::UNIX_EPOCH;
        FileInfo { key: key.to_owned(), size_bytes, modified, etag: None, version: None }
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection broke")
        .with_retry(Retry::After(Duration::ZERO))
}

#[async_trait]
impl PartStore for Memory {
    type Upload = String;
    type Part = u32;

    async fn put(
        &self,
        _: &Context,
        key: &str,
        bytes: Bytes,
        _: &WriteCondition,
    ) -> Result<FileInfo> {
        self.log("put");
        Ok(self.holds(key, bytes.to_vec()))
    }

    async fn begin(&self, _: &Context, key: &str) -> Result<String> {
        self.uploads.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.begin_takes).await;
        self.log("begin");
        Ok(key.to_owned())
    }

    async fn put_part(&self, _: &Context, _: &String, number: u32, bytes: Bytes) -> Result<u32> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let fail = |left: usize| left.checked_sub(1);
        if self.parts_to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail).is_ok() {
            return Err(broken());
        }
        self.parts.lock().unwrap().insert(number, bytes);
        Ok(number)
    }

    async fn complete(
        &self,
        _: &Context,
        key: &String,
        parts: Vec<u32>,
        _: &WriteCondition,
    ) -> Result<FileInfo> {
        self.log("complete");
        if self.fails_at_end {
            return Err(broken().with_write_effect(WriteEffect::Unknown));
        }
        self.uploads.fetch_sub(1, Ordering::SeqCst);
        let sent = self.parts.lock().unwrap().clone();
        let bytes = parts.iter().flat_map(|number| sent[number].to_vec()).collect();
        Ok(self.holds(key, bytes))
    }

    async fn abort(&self, _: &Context, _: &String) -> Result<()> {
        self.log("abort");
        self.uploads.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

fn body(text: &'static str, chunk: usize) -> ByteStream {
    let chunks: Vec<_> = text.as_bytes().chunks(chunk).map(|c| Ok(Bytes::from_static(c))).collect();
    stream::iter(chunks).boxed()
}

async fn write(store: &Arc<Memory>, cleanups: &Cleanups, body: ByteStream) -> Result<FileInfo> {
    let condition = WriteCondition::Always;
    let request = Write { key: "k".to_owned(), condition, body, size_hint_bytes: None };
    upload(&Context::builder().build(), store, request, &SIZES, cleanups).await
}

#[tokio::test(start_paused = true)]
async fn what_fits_one_part_is_one_request() {
    for text in ["", "abc", "abcd"] {
        let (store, cleanups) = (Arc::new(Memory::default()), Cleanups::new());
        let info = write(&store, &cleanups, body(text, 1)).await.unwrap();
        assert_eq!(info.size_bytes, text.len() as u64);
        assert_eq!(*store.log.lock().unwrap(), ["put"]);
    }
}

#[tokio::test(start_paused = true)]
async fn more_goes_in_parts_of_which_some_are_under_way_at_once() {
    for chunk in [1, 3, 4, 7, 23] {
        let store = Arc::new(Memory { parts_to_fail: 3.into(), ..Memory::default() });
        let cleanups = Cleanups::new();
        let text = "twenty-three characters";
        write(&store, &cleanups, body(text, chunk)).await.unwrap();
        assert_eq!(store.files.lock().unwrap()["k"], text.as_bytes());
        assert_eq!(*store.log.lock().unwrap(), ["begin", "complete"]);
        // Eight bytes may be under way, which are two parts of four.
        assert_eq!(store.most_under_way.load(Ordering::SeqCst), 2);
        cleanups.close().await;
        assert_eq!(store.uploads.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_what_fails() {
    let fault = || Err(Error::new(ErrorKind::DataInvalid, "the body breaks"));
    let too_many = "more bytes than six parts of four hold";
    let cases: [(Memory, ByteStream, ErrorKind, WriteEffect); 4] = [
        (
            Memory::default(),
            body("twelve bytes", 4).chain(stream::iter([fault()])).boxed(),
            ErrorKind::DataInvalid,
            WriteEffect::None,
        ),
        (Memory::default(), body(too_many, 5), ErrorKind::ResourceExhausted, WriteEffect::None),
        (
            Memory { parts_to_fail: 1000.into(), ..Memory::default() },
            body("twelve bytes", 4),
            ErrorKind::Unavailable,
            WriteEffect::None,
        ),
        (
            Memory { fails_at_end: true, ..Memory::default() },
            body("twelve bytes", 4),
            ErrorKind::Unavailable,
            WriteEffect::Unknown,
        ),
    ];
    for (store, body, kind, effect) in cases {
        let (store, cleanups) = (Arc::new(store), Cleanups::new());
        let error = write(&store, &cleanups, body).await.unwrap_err();
        assert_eq!((error.kind(), error.write_effect()), (kind, Some(effect)));
        cleanups.close().await;
        assert_eq!(store.uploads.load(Ordering::SeqCst), 0);
        assert!(store.files.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_caller_leaves() {
    // While it begins, while parts are sent, while the body is waited for.
    for milliseconds in [50, 105, 500] {
        let begin_takes = Duration::from_millis(100);
        let store = Arc::new(Memory { begin_takes, ..Memory::default() });
        let cleanups = Cleanups::new();
        let body = body("twelve bytes", 4).chain(stream::pending()).boxed();
        let writing = write(&store, &cleanups, body);
        let ended = tokio::time::timeout(Duration::from_millis(milliseconds), writing).await;
        assert!(ended.is_err());
        cleanups.close().await;
        assert_eq!(*store.log.lock().unwrap(), ["begin", "abort"], "{milliseconds}");
        assert_eq!(store.uploads.load(Ordering::SeqCst), 0);
    }
}
