//! Files: listing, reading and writing keys, and the same through `object_store`.

mod keys;
mod listing;
mod reading;
mod store;
mod writing;

use bytes::Bytes;
use orbit_core::{
    ErrorKind, FileEntry, FileInfo, ListFiles, Read, Result, Stat, Write, WriteCondition,
};

use super::Trial;
use super::check::{bytes, entries, equal, fails};
use super::{ensure, group};
use crate::bench::Bench;
use crate::subject::Verdict;

pub(crate) fn trials() -> Vec<Trial> {
    let groups =
        [listing::trials(), reading::trials(), writing::trials(), keys::trials(), store::trials()];
    groups.into_iter().flatten().collect()
}

async fn put(bench: &Bench, key: &str, body: &'static [u8]) -> Verdict<FileInfo> {
    Ok(write(bench, key, body, WriteCondition::Always).await??)
}

async fn write(
    bench: &Bench,
    key: &str,
    body: &'static [u8],
    condition: WriteCondition,
) -> Verdict<Result<FileInfo>> {
    let request = Write::bytes(key, Bytes::from_static(body), condition);
    Ok(bench.files()?.write(&bench.cx(), request).await)
}

async fn stat(bench: &Bench, key: &str) -> Verdict<Result<FileInfo>> {
    Ok(bench.files()?.stat(&bench.cx(), Stat { key: key.to_owned() }).await)
}

async fn is_absent(bench: &Bench, key: &str) -> Verdict {
    fails(stat(bench, key).await?, &[ErrorKind::NotFound]).map(drop)
}

async fn content(bench: &Bench, key: &str) -> Verdict<Bytes> {
    let request = Read { key: key.to_owned(), range: None, if_match: None };
    let body = bench.files()?.read(&bench.cx(), request).await?;
    Ok(bytes(body).await?)
}

async fn holds(bench: &Bench, key: &str, expected: &[u8]) -> Verdict {
    let got = content(bench, key).await?;
    ensure!(got == expected, "{key} holds {} bytes, expected {}", got.len(), expected.len());
    Ok(())
}

async fn list(bench: &Bench, request: ListFiles) -> Verdict<Vec<FileEntry>> {
    Ok(entries(bench.files()?.list(&bench.cx(), request).await?).await?)
}

/// The keys and prefixes of a listing.
fn names(entries: &[FileEntry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| match entry {
            FileEntry::File(info) => info.key.as_str(),
            FileEntry::Prefix(prefix) => prefix.as_str(),
        })
        .collect()
}

/// Bytes that differ by place, so that a shifted range shows.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|i| (i % 251) as u8).collect()
}
