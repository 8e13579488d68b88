//! Lists files of a store, reads one, many small ones, or ranges, and tells how much came: a
//! program that depends on one backend alone, which `cargo xtask bench files` times.
//!
//! `cargo run -p example-s3-transfer -- ENDPOINT BUCKET list|get|each|ranges|tiny KEY_OR_PREFIX`

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use orbit_core::{
    Context, Datasource, Entry, Error, ErrorKind, FileDatasource, FileEntry, FileStore, KeyPath,
    ListFiles, Node, Origin, Read, Result, Settings, Sources,
};

/// How many small files are read at once.
const PARALLEL: usize = 16;

/// The binary `orbit` has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [endpoint, bucket, work, key] = arguments.as_slice() else {
        return Err(wrong("four arguments are needed: where, the bucket, what, and which"));
    };
    let cx = Context::builder().build();
    let datasource = connect(&cx, endpoint, bucket).await?;
    let files = datasource.facets().files.ok_or_else(|| wrong("the store has no files"))?;
    let (count, bytes) = match work.as_str() {
        "list" => list(&cx, files, key).await?,
        "get" => (1, get(&cx, files, key.clone()).await?),
        "each" => each(&cx, files, key).await?,
        // As the engine reads: 8 ranges of 256 KiB that lie 2 MiB apart, and 4 KiB alone.
        "ranges" => ranges(&cx, &datasource, key, (500, 2), 8, 256 << 10).await?,
        "tiny" => ranges(&cx, &datasource, key, (10_000, 16), 1, 4 << 10).await?,
        _ => return Err(wrong("what is `list`, `get`, `each`, `ranges` or `tiny`")),
    };
    println!("{count} {bytes}");
    datasource.close().await
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, message)
}

async fn connect(cx: &Context, endpoint: &str, bucket: &str) -> Result<Arc<dyn Datasource>> {
    let entry = |(key, value): (&str, &str)| Entry {
        key: key.to_owned(),
        key_origin: Origin::Default,
        node: Node::text(value, Origin::Default),
    };
    let settings = [
        ("bucket_name", bucket),
        ("endpoint_url", endpoint),
        ("region", "us-east-1"),
        ("access_key", "anybody"),
        ("secret_key", "anything"),
    ];
    let node = Node::map(settings.map(entry).to_vec(), Origin::Default);
    let config = (orbit_s3::BACKEND.parse)(&Settings::new(KeyPath::default(), node));
    let config = config.map_err(|_| wrong("the settings of the store do not fit"))?;
    config.connect(cx, &Sources::none()).await
}

async fn list(cx: &Context, files: &dyn FileDatasource, prefix: &str) -> Result<(usize, u64)> {
    let request = ListFiles { prefix: prefix.to_owned(), ..ListFiles::default() };
    let mut pages = files.list(cx, request).await?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(page) = pages.try_next().await? {
        count += page.len();
        bytes += page.iter().map(size_of).sum::<u64>();
    }
    Ok((count, bytes))
}

fn size_of(entry: &FileEntry) -> u64 {
    match entry {
        FileEntry::File(info) => info.size_bytes,
        FileEntry::Prefix(_) => 0,
    }
}

async fn get(cx: &Context, files: &dyn FileDatasource, key: String) -> Result<u64> {
    let body = files.read(cx, Read { key, range: None, if_match: None }).await?;
    let count = |sum, chunk: bytes::Bytes| async move { Ok(sum + chunk.len() as u64) };
    body.bytes.try_fold(0, count).await
}

async fn each(cx: &Context, files: &dyn FileDatasource, prefix: &str) -> Result<(usize, u64)> {
    let request = ListFiles { prefix: prefix.to_owned(), ..ListFiles::default() };
    let keys = files.list(cx, request).await?.map_ok(|page| {
        stream::iter(page.into_iter().filter_map(|entry| match entry {
            FileEntry::File(info) => Some(Ok(info.key)),
            FileEntry::Prefix(_) => None,
        }))
    });
    let bodies = keys.try_flatten().map_ok(|key| get(cx, files, key));
    let add = |(count, sum), bytes| async move { Ok((count + 1, sum + bytes)) };
    bodies.try_buffer_unordered(PARALLEL).try_fold((0, 0), add).await
}

/// Calls through the bridge to `object_store`, some at once, each for several ranges.
async fn ranges(
    cx: &Context,
    datasource: &Arc<dyn Datasource>,
    key: &str,
    (calls, parallel): (u64, usize),
    per_call: u64,
    length: u64,
) -> Result<(usize, u64)> {
    let store = FileStore::new(Arc::clone(datasource), cx.clone())?;
    let (store, path) = (&store, &Path::from(key));
    let calls = stream::iter(0..calls).map(|call| async move {
        let base = (call % 60) * (16 << 20) + (call * 65_536) % (1 << 20);
        let ranges: Vec<_> =
            (0..per_call).map(|i| base + i * (2 << 20)).map(|from| from..from + length).collect();
        store.get_ranges(path, &ranges).await
    });
    let failed = |e| Error::new(ErrorKind::Unavailable, "the ranges did not come").with_source(e);
    let add = |(count, sum), parts: Vec<bytes::Bytes>| async move {
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        Ok((count + parts.len(), sum + bytes))
    };
    calls.buffer_unordered(parallel).map_err(failed).try_fold((0, 0), add).await
}
