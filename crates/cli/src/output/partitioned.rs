//! A result as a folder of files, one for each value of some columns: `year=2026/part-0.parquet`.
//!
//! The rows of one value come one after the other, so that one file is open at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema, SchemaRef};
use futures::StreamExt;
use orbit_core::{BatchStream, Context, Error, ErrorKind, ListFiles, WriteEffect};
use tempfile::TempDir;

use super::{Outcome, RowWriter, Sink, Style, Upload};
use crate::failure::{Failure, Result, note};
use crate::progress::Progress;
use crate::session::Session;
use crate::store::{Store, as_folder};

/// What Hive writes for NULL.
const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// How long removing what was written may take after a failure.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);

/// A folder that is written. It is empty before, and after a failure holds at most what may be
/// another's.
pub(crate) enum Folder {
    /// Of this machine: a folder beside it, renamed at the end.
    Local { path: PathBuf, partial: TempDir },
    /// Of a datasource.
    Stored(Box<StoredFolder>),
}

/// A folder of a datasource that is written.
pub(crate) struct StoredFolder {
    session: Session,
    cx: Context,
    store: Arc<Store>,
    prefix: String,
    /// What was written.
    keys: Vec<String>,
    /// What may have been written, or be another's: the store did not answer.
    unsure: Option<String>,
}

impl Folder {
    /// A folder of this machine.
    pub(crate) fn local(path: &Path) -> Result<Self> {
        let failed = |cause| Failure::local("write", path, cause);
        let is_empty = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => true,
            Err(cause) => return Err(failed(cause)),
        };
        if !is_empty {
            return Err(not_empty(path.display()));
        }
        let beside = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".orbit-").suffix(".partial");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What an ordinary new folder has: the user's mask takes its share.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let partial = builder.tempdir_in(beside).map_err(failed)?;
        Ok(Self::Local { path: path.to_owned(), partial })
    }

    /// A folder of a datasource.
    pub(crate) async fn stored(
        session: &Session,
        cx: &Context,
        store: Store,
        key: &str,
    ) -> Result<Self> {
        let prefix = as_folder(key);
        let of_store = store.context(cx);
        let request = ListFiles { prefix: prefix.clone(), delimited: true, start_after: None };
        let mut pages = store.files()?.list(&of_store, request).await?;
        let first = of_store.run(async { pages.next().await.transpose() }).await?;
        if first.is_some_and(|page| !page.is_empty()) {
            return Err(not_empty(&prefix));
        }
        let (session, cx, store) = (session.clone(), cx.clone(), Arc::new(store));
        let keys = Vec::new();
        let folder = StoredFolder { session, cx, store, prefix, keys, unsure: None };
        Ok(Self::Stored(Box::new(folder)))
    }

    /// A file in it.
    async fn create(&mut self, name: &str) -> Result<Sink> {
        match self {
            Self::Local { partial, .. } => {
                let path = partial.path().join(name);
                let folder = path.parent().unwrap_or(partial.path());
                fs::create_dir_all(folder).map_err(|e| Failure::local("write", folder, e))?;
                Sink::create(&path)
            }
            Self::Stored(folder) => {
                let StoredFolder { session, cx, store, prefix, .. } = folder.as_ref();
                let key = format!("{prefix}{name}");
                Ok(Sink::stored(Upload::start(session, cx, store, &key, false).await?))
            }
        }
    }

    /// Ends the file that is open. It stays open until its last byte is handed on: before, it
    /// cannot be there, and is given up as any other that is not whole.
    async fn close(&mut self, open: &mut Option<Part>, progress: &Progress) -> Result<()> {
        if let Some(part) = open.as_mut() {
            part.finish(progress).await?;
        }
        let Some(Part { name, sink, .. }) = open.take() else { return Ok(()) };
        let completed = sink.complete().await;
        let Self::Stored(folder) = self else { return completed };
        let key = format!("{}{name}", folder.prefix);
        match &completed {
            Ok(()) => folder.keys.push(key),
            Err(Failure::Orbit(error)) if wrote_nothing(error) => {}
            Err(_) => folder.unsure = Some(key),
        }
        completed
    }

    /// Shows it under its name.
    fn complete(self) -> Result<()> {
        let Self::Local { path, partial } = self else { return Ok(()) };
        let failed = |cause| Failure::local("write", &path, cause);
        // An empty folder gives way on Unix alone.
        fs::remove_dir(&path).ok();
        fs::rename(partial.path(), &path).map_err(failed)?;
        // It has gone from where it was.
        drop(partial.keep());
        Ok(())
    }

    /// Removes what was written, and nothing that may be another's.
    async fn abandon(self) {
        let Self::Stored(folder) = self else { return };
        let StoredFolder { store, keys, unsure, prefix, .. } = *folder;
        if let Some(key) = unsure {
            let message = "was written is not known: what is there may be another's, and is left";
            note("warning", format_args!("whether `{key}` {message}"));
        }
        if keys.is_empty() {
            return;
        }
        // The query's own time may be over.
        let cx = store.context(&Context::builder().timeout(CLEANUP_TIMEOUT).build());
        if let Err(failure) = store.delete(&cx, keys).await {
            note("warning", format_args!("files below `{prefix}` are left behind"));
            failure.tell(false);
        }
    }
}

fn wrote_nothing(error: &Error) -> bool {
    error.kind() == ErrorKind::AlreadyExists || error.write_effect() == Some(WriteEffect::None)
}

fn not_empty(folder: impl std::fmt::Display) -> Failure {
    let message = format!("the folder `{folder}` is not empty");
    let hint = "name another folder, or delete what is in it";
    Error::new(ErrorKind::AlreadyExists, message).with_hint(hint).into()
}

/// Writes a whole result whose rows come by `columns`; it is seen whole, or not at all where the
/// folder is of this machine. A failure leaves nothing that is known to be of this write.
///
/// # Errors
/// Those of the stream; a value that cannot name a folder; a file that cannot be written.
pub(crate) async fn pump_parts(
    stream: BatchStream,
    style: Style,
    mut folder: Folder,
    columns: &[String],
    progress: &Progress,
) -> Result<Outcome> {
    let mut open = None;
    let pumped = write_parts(stream, style, &mut folder, &mut open, columns, progress).await;
    progress.clear();
    match pumped {
        Ok(outcome) => folder.complete().map(|()| outcome),
        Err(failure) => {
            if let Some(part) = open {
                part.sink.abandon().await;
            }
            folder.abandon().await;
            Err(failure)
        }
    }
}

async fn write_parts(
    mut stream: BatchStream,
    style: Style,
    folder: &mut Folder,
    open: &mut Option<Part>,
    columns: &[String],
    progress: &Progress,
) -> Result<Outcome> {
    let split = Split::of(&stream.schema(), columns)?;
    style.check_columns(&split.kept)?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let mut rest = 0;
        while rest < batch.num_rows() {
            let folder_name = split.folder(&batch, rest)?;
            let end = split.end_of(&batch, rest, &folder_name)?;
            if open.as_ref().is_none_or(|part| part.folder_name != folder_name) {
                folder.close(open, progress).await?;
                let name = format!("{folder_name}/part-0.{}", style.format.extension());
                let sink = folder.create(&name).await?;
                *open = Some(Part::begin(folder_name, name, style, sink, &split.kept)?);
            }
            if let Some(part) = open.as_mut() {
                part.write(&split.rows(&batch, rest..end)?).await?;
            }
            rest = end;
        }
        progress.add_rows(batch.num_rows());
    }
    folder.close(open, progress).await?;
    Ok(progress.outcome(stream.summary()))
}

/// The file that is being written.
struct Part {
    folder_name: String,
    name: String,
    writer: Box<dyn RowWriter>,
    sink: Sink,
    bytes: Vec<u8>,
}

impl Part {
    fn begin(
        folder_name: String,
        name: String,
        style: Style,
        sink: Sink,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let (mut writer, mut bytes) = (style.writer(&sink), Vec::new());
        writer.begin(schema, &mut bytes)?;
        Ok(Self { folder_name, name, writer, sink, bytes })
    }

    async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.batch(rows, &mut self.bytes)?;
        self.sink.write(&mut self.bytes).await
    }

    async fn finish(&mut self, progress: &Progress) -> Result<()> {
        let outcome = progress.outcome(orbit_core::Summary::default());
        self.writer.finish(&outcome, &mut self.bytes)?;
        self.sink.write(&mut self.bytes).await
    }
}

/// Which columns name folders, and which stay.
struct Split {
    by: Vec<(String, usize)>,
    kept: SchemaRef,
    kept_at: Vec<usize>,
}

impl Split {
    fn of(schema: &Schema, columns: &[String]) -> Result<Self> {
        let mut by = Vec::with_capacity(columns.len());
        for column in columns {
            let at = schema.index_of(column).map_err(|_| {
                let message = format!("the result has no column `{column}`");
                Failure::from(Error::new(ErrorKind::QueryInvalid, message))
            })?;
            let names_folder = !column.starts_with('.') && !column.contains(['/', '=']);
            if !names_folder || !is_named_by(schema.field(at).data_type()) {
                let message = format!("the column `{column}` cannot name folders");
                let hint = "partition by integers, texts, dates, times, decimals or booleans";
                return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint).into());
            }
            by.push((column.clone(), at));
        }
        let kept_at: Vec<_> =
            (0..schema.fields().len()).filter(|at| by.iter().all(|(_, by)| by != at)).collect();
        if kept_at.is_empty() {
            let message = "no column is left for the files; partition by fewer columns";
            return Err(Failure::Usage(message.to_owned()));
        }
        let kept = Arc::new(schema.project(&kept_at).map_err(Failure::format)?);
        Ok(Self { by, kept, kept_at })
    }

    /// The folder of a row.
    fn folder(&self, batch: &RecordBatch, row: usize) -> Result<String> {
        let folder = |(name, at): &(String, usize)| {
            let text = folder_value(batch.column(*at), row, name)?;
            Ok(format!("{name}={text}"))
        };
        Ok(self.by.iter().map(folder).collect::<Result<Vec<_>>>()?.join("/"))
    }

    /// Where the rows of `folder` end that begin at `start`: the rows are sorted by folder.
    fn end_of(&self, batch: &RecordBatch, start: usize, folder: &str) -> Result<usize> {
        let (mut low, mut high) = (start + 1, batch.num_rows());
        if self.folder(batch, high - 1)? == folder {
            return Ok(high);
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.folder(batch, middle)? == folder {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    fn rows(&self, batch: &RecordBatch, rows: std::ops::Range<usize>) -> Result<RecordBatch> {
        let part = batch.slice(rows.start, rows.len());
        part.project(&self.kept_at).map_err(Failure::format)
    }
}

/// Whether values of this type are told apart by their text.
fn is_named_by(data_type: &DataType) -> bool {
    use DataType::{Boolean, Date32, Date64, Dictionary, LargeUtf8, Timestamp, Utf8, Utf8View};
    match data_type {
        Boolean | Utf8 | LargeUtf8 | Utf8View | Date32 | Date64 | Timestamp(..) => true,
        Dictionary(_, values) => is_named_by(values),
        other => other.is_integer() || other.is_decimal(),
    }
}

/// A value as the end of a folder's name, in the way of Hive.
fn folder_value(column: &dyn Array, row: usize, name: &str) -> Result<String> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(false);
    if column.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return Ok(NULL_VALUE.to_owned());
    }
    let formatter = ArrayFormatter::try_new(column, &OPTIONS).map_err(Failure::format)?;
    let text = formatter.value(row).try_to_string().map_err(Failure::format)?;
    if text == NULL_VALUE {
        let message = format!("a value of `{name}` is the text by which folders mean NULL");
        return Err(Error::new(ErrorKind::Unsupported, message).into());
    }
    Ok(escaped(&text))
}

fn escaped(text: &str) -> String {
    const SPECIAL: &str = "\"#%'*/:=?\\{}[]^";
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c.is_ascii_control() || SPECIAL.contains(c) {
            true => escaped.push_str(&format!("%{:02X}", u32::from(c))),
            false => escaped.push(c),
        }
        escaped
    })
}
