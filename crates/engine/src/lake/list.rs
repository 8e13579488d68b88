//! Listing for tables: bounded, and without what writers leave beside the data.

use futures::TryStreamExt;
use orbit_core::{
    Context, Datasource, Error, ErrorKind, FileEntry, FileInfo, ListFiles, Operation, Result,
};

/// One level of a folder: the names of subfolders and the files.
#[derive(Debug, Default)]
pub(crate) struct Level {
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<FileInfo>,
}

/// Lists `prefix` (empty or ending in a slash) without going deeper.
pub(crate) async fn level(
    cx: &Context,
    datasource: &dyn Datasource,
    prefix: &str,
    entries_max: usize,
) -> Result<Level> {
    let mut level = Level::default();
    let request = ListFiles { prefix: prefix.to_owned(), delimited: true, ..ListFiles::default() };
    each_entry(cx, datasource, request, entries_max, |entry| {
        match entry {
            FileEntry::Prefix(folder) => {
                let name = folder[prefix.len()..].trim_end_matches('/');
                level.folders.push(name.to_owned());
            }
            FileEntry::File(info) => level.files.push(info),
        }
        true
    })
    .await?;
    Ok(level)
}

/// Lists every file below `prefix`, until `take` answers that it has seen enough.
pub(crate) async fn deep(
    cx: &Context,
    datasource: &dyn Datasource,
    prefix: &str,
    entries_max: usize,
    mut take: impl FnMut(FileInfo) -> bool + Send,
) -> Result<()> {
    let request = ListFiles { prefix: prefix.to_owned(), ..ListFiles::default() };
    each_entry(cx, datasource, request, entries_max, |entry| match entry {
        FileEntry::File(info) => take(info),
        FileEntry::Prefix(_) => true,
    })
    .await
}

async fn each_entry(
    cx: &Context,
    datasource: &dyn Datasource,
    request: ListFiles,
    entries_max: usize,
    mut take: impl FnMut(FileEntry) -> bool + Send,
) -> Result<()> {
    let files =
        datasource.facets().files.ok_or_else(|| Error::unsupported(Operation::ListFiles))?;
    let prefix = request.prefix.clone();
    let mut pages = files.list(cx, request).await?;
    let mut seen = 0;
    while let Some(page) = pages.try_next().await? {
        seen += page.len();
        if seen > entries_max {
            let message = format!("more than {entries_max} files in one folder");
            return Err(Error::new(ErrorKind::ResourceExhausted, message)
                .with_context("folder", prefix)
                .with_hint("name the table's files by a narrower path, or raise `files_max`"));
        }
        for entry in page {
            if !take(entry) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a writer put it beside the data: `_SUCCESS`, `_delta_log/`, `.part.crc`.
pub(crate) fn is_hidden(relative_key: &str) -> bool {
    let hidden = |s: &str| s.starts_with('.') || (s.starts_with('_') && !s.contains('='));
    relative_key.split('/').any(hidden)
}
