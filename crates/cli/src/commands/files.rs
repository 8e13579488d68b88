//! `orbit ls`, `cat`, `get`, `put` and `rm`: files of a datasource.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, stream};
use orbit_core::{
    ByteStream, Context, Error, ErrorKind, FileEntry, FileInfo, ListFiles, Operation, Read, Stat,
    Write,
};
use serde_json::{Value, json};

use crate::args::{CatArgs, FileRef, GetArgs, LsArgs, PutArgs, RmArgs};
use crate::failure::{Failure, Result, note};
use crate::output::Sink;
use crate::output::listing::{print_json, print_text};
use crate::output::text::{bytes, counted, printable};
use crate::session::Session;
use crate::store::{Store, as_folder};

/// Bytes read from a local file at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Files deleted with one request.
const DELETE_KEYS_MAX: usize = 500;

/// Stands before the first entry, so that a listing that fails at once prints no half document.
const LISTING_BEGIN: &str = "{\"entries\":[";

/// Lists files.
pub(crate) async fn ls(session: Session, args: LsArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    let store = Store::open(&session, &cx, &args.path.datasource).await?;
    let mut listing = Listing { as_json: session.global.json, left: args.limit, rows: 0 };
    let folder = as_folder(&args.path.key);
    let request =
        ListFiles { prefix: folder.clone(), delimited: !args.recursive, start_after: None };
    let cut = listing.print_all(&store, &cx, request).await?;
    if listing.rows == 0 && !cut && !folder.is_empty() {
        let stat = Stat { key: args.path.key.clone() };
        let found = store.files()?.stat(&store.context(&cx), stat).await;
        listing.print(&FileEntry::File(found.map_err(|e| store.named(e, &args.path.key))?))?;
    }
    if listing.as_json {
        let begin = if listing.rows == 0 { LISTING_BEGIN } else { "" };
        return print_text(&format!("{begin}\n],\"truncated\":{cut}}}\n"));
    }
    if cut {
        let entries = counted(listing.rows, "entry", "entries");
        note("note", format_args!("the listing was cut at {entries} by --limit; there are more"));
    }
    Ok(())
}

/// A listing being printed.
struct Listing {
    as_json: bool,
    left: Option<u64>,
    rows: u64,
}

impl Listing {
    /// Prints entries as they come; answers whether the limit cut them.
    async fn print_all(&mut self, store: &Store, cx: &Context, request: ListFiles) -> Result<bool> {
        let prefix = request.prefix.clone();
        let cx = store.context(cx);
        let mut pages = store.files()?.list(&cx, request).await?;
        while let Some(page) = cx.run(async { pages.next().await.transpose() }).await? {
            for entry in &page {
                // A store may keep a folder as an empty file of its name.
                if matches!(entry, FileEntry::File(info) if info.key == prefix) {
                    continue;
                }
                if self.left == Some(0) {
                    return Ok(true);
                }
                self.left = self.left.map(|left| left - 1);
                self.print(entry)?;
            }
        }
        Ok(false)
    }

    fn print(&mut self, entry: &FileEntry) -> Result<()> {
        self.rows += 1;
        if self.as_json {
            let before = if self.rows == 1 { LISTING_BEGIN } else { "," };
            return print_text(&format!("{before}\n{}", entry_json(entry)));
        }
        print_text(&match entry {
            FileEntry::Prefix(key) => format!("{:>10}  {:>19}  {}\n", "", "", printable(key)),
            FileEntry::File(FileInfo { key, size_bytes, modified, .. }) => {
                let modified = utc((*modified).into());
                format!("{:>10}  {modified:>19}  {}\n", bytes(*size_bytes), printable(key))
            }
        })
    }
}

fn utc(time: chrono::DateTime<chrono::Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn entry_json(entry: &FileEntry) -> Value {
    match entry {
        FileEntry::Prefix(key) => json!({ "key": key, "folder": true }),
        FileEntry::File(info) => {
            let FileInfo { key, size_bytes, modified, etag, version } = info;
            let modified: chrono::DateTime<chrono::Utc> = (*modified).into();
            json!({
                "key": key,
                "folder": false,
                "size_bytes": size_bytes,
                "modified": modified.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                "etag": etag,
                "version": version,
            })
        }
    }
}

/// Prints a file.
pub(crate) async fn cat(session: Session, args: CatArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    download(&session, &cx, &args.path, Sink::stdout()).await?;
    Ok(())
}

/// Copies a file to this machine.
pub(crate) async fn get(session: Session, args: GetArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    let mut target = args.local.clone();
    if target.is_dir() {
        target.push(file_name(&args.path.key)?);
    }
    let sink = match args.force {
        true => Sink::open(&target)?,
        false => Sink::create(&target)?,
    };
    let size_bytes = download(&session, &cx, &args.path, sink).await?;
    // What goes to stdout is the answer itself.
    if target == Path::new("-") {
        return Ok(());
    }
    let target = target.display().to_string();
    match session.global.json {
        true => print_json(&json!({ "path": target, "size_bytes": size_bytes })),
        false => {
            note("wrote", format_args!("{} ({})", printable(&target), bytes(size_bytes)));
            Ok(())
        }
    }
}

/// The last part of a key, which may become a local name.
fn file_name(key: &str) -> Result<&str> {
    match key.rsplit('/').next().unwrap_or_default() {
        "" | "." | ".." => Err(Failure::Usage("NAME:PATH must be a file, not a folder".to_owned())),
        name => Ok(name),
    }
}

/// Answers how many bytes it was.
async fn download(session: &Session, cx: &Context, from: &FileRef, mut sink: Sink) -> Result<u64> {
    let store = Store::open(session, cx, &from.datasource).await?;
    let cx = store.context(cx);
    let request = Read { key: from.key.clone(), range: None, if_match: None };
    let body = cx.run(store.files()?.read(&cx, request)).await;
    let mut body = body.map_err(|e| store.named(e, &from.key))?;
    let mut size_bytes = 0;
    while let Some(chunk) = cx.run(async { body.bytes.next().await.transpose() }).await? {
        size_bytes += chunk.len() as u64;
        let mut chunk = Vec::from(chunk);
        sink.write(&mut chunk).await?;
    }
    sink.complete().await?;
    Ok(size_bytes)
}

/// Copies a local file to a datasource.
pub(crate) async fn put(session: Session, args: PutArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    let key = target_key(&args)?;
    let store = Store::open(&session, &cx, &args.path.datasource).await?;
    store.require_writes(Operation::Write)?;
    let files = store.files()?;
    let cx = store.context(&cx);
    let condition = store.condition(args.force)?;
    let (body, size_hint_bytes) = local_body(&args.local)?;
    let request = Write { key: key.clone(), condition, body, size_hint_bytes };
    let written = cx.run(files.write(&cx, request)).await.map_err(|error| {
        let exists = error.kind() == ErrorKind::AlreadyExists;
        let error = if exists { error.with_hint("--force replaces it") } else { error };
        store.named(error, &key)
    })?;
    match session.global.json {
        true => print_json(&entry_json(&FileEntry::File(written))),
        false => {
            note(
                "wrote",
                format_args!(
                    "{}:{} ({})",
                    args.path.datasource,
                    printable(&key),
                    bytes(written.size_bytes)
                ),
            );
            Ok(())
        }
    }
}

fn target_key(args: &PutArgs) -> Result<String> {
    let key = &args.path.key;
    if !key.is_empty() && !key.ends_with('/') {
        return Ok(key.clone());
    }
    let name = args.local.file_name().and_then(|name| name.to_str());
    match name {
        Some(name) if args.local != Path::new("-") => Ok(format!("{key}{name}")),
        _ => Err(Failure::Usage("NAME:PATH must name the file".to_owned())),
    }
}

/// The bytes of a local file or of stdin, a chunk at a time.
fn local_body(path: &Path) -> Result<(ByteStream, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((chunks(io::stdin()), None));
    }
    let failed = |cause| Failure::local("read", path, cause);
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    Ok((chunks(file), found.is_file().then_some(found.len())))
}

fn chunks(from: impl io::Read + Send + 'static) -> ByteStream {
    stream::try_unfold(from, |mut from| async {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let read = from.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
            read.map(|_| (chunk, from))
        });
        let failed = || Error::new(ErrorKind::Unexpected, "the local file cannot be read");
        let (chunk, from) = read
            .await
            .map_err(|cause| failed().with_source(cause))?
            .map_err(|cause| failed().with_source(cause))?;
        Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), from)))
    })
    .boxed()
}

/// Deletes files.
pub(crate) async fn rm(session: Session, args: RmArgs) -> Result<()> {
    let (cx, _) = session.begin(args.limits.timeout);
    let mut deleted = 0;
    for path in &args.paths {
        let store = Store::open(&session, &cx, &path.datasource).await?;
        store.require_writes(Operation::Delete)?;
        deleted += match args.recursive {
            true => delete_folder(&store, &cx, &path.key).await?,
            false => delete_file(&store, &cx, &path.key).await?,
        };
    }
    match session.global.json {
        true => print_json(&json!({ "files_deleted": deleted })),
        false => {
            note("deleted", counted(deleted, "file", "files"));
            Ok(())
        }
    }
}

async fn delete_file(store: &Store, cx: &Context, key: &str) -> Result<u64> {
    let cx = store.context(cx);
    let is_folder = || {
        let message = format!("`{key}` is a folder");
        let error = Error::new(ErrorKind::QueryInvalid, message).with_datasource(store.name());
        Failure::from(error.with_hint("--recursive deletes it and all that is in it"))
    };
    if key.is_empty() || key.ends_with('/') {
        return Err(is_folder());
    }
    let stat = cx.run(store.files()?.stat(&cx, Stat { key: key.to_owned() })).await;
    match stat {
        Ok(_) => store.delete(&cx, vec![key.to_owned()]).await,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let below = ListFiles { prefix: as_folder(key), delimited: true, start_after: None };
            let mut pages = store.files()?.list(&cx, below).await?;
            let first = cx.run(async { pages.next().await.transpose() }).await?;
            match first.is_some_and(|page| !page.is_empty()) {
                true => Err(is_folder()),
                false => Err(store.named(error, key)),
            }
        }
        Err(error) => Err(store.named(error, key)),
    }
}

async fn delete_folder(store: &Store, cx: &Context, key: &str) -> Result<u64> {
    let cx = store.context(cx);
    if key.is_empty() {
        let message = "a whole datasource is not deleted; name its folders";
        return Err(Failure::Usage(message.to_owned()));
    }
    let mut deleted = 0;
    if !key.ends_with('/') {
        let stat = cx.run(store.files()?.stat(&cx, Stat { key: key.to_owned() })).await;
        match stat {
            Ok(_) => deleted += store.delete(&cx, vec![key.to_owned()]).await?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(store.named(error, key)),
        }
    }
    let below = ListFiles { prefix: as_folder(key), delimited: false, start_after: None };
    let mut pages = store.files()?.list(&cx, below).await?;
    while let Some(page) = cx.run(async { pages.next().await.transpose() }).await? {
        let keys: Vec<_> = page
            .into_iter()
            .filter_map(|entry| match entry {
                FileEntry::File(info) => Some(info.key),
                FileEntry::Prefix(_) => None,
            })
            .collect();
        for some in keys.chunks(DELETE_KEYS_MAX) {
            deleted += store.delete(&cx, some.to_vec()).await?;
        }
    }
    if deleted == 0 {
        let error = Error::new(ErrorKind::NotFound, "no file or folder of this name");
        return Err(store.named(error, key));
    }
    Ok(deleted)
}
