//! Files for rows that do not fit into memory.
//!
//! They have no name: nobody else can open them, and however the process ends, killed or by
//! itself, the system takes them back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use futures::stream::try_unfold;
use orbit_core::{Error, ErrorKind, Result};

use crate::EngineOptions;
use crate::error::to_datafusion;

/// What is read back at once: many files are merged at a time, each with one of these.
const READ_BYTES: usize = 128 << 10;

/// Makes the files of an engine, all within one budget.
pub(crate) struct SpillFolder {
    path: PathBuf,
    budget: Arc<Budget>,
}

impl SpillFolder {
    /// # Errors
    /// `ConfigInvalid` when there is no such folder and it cannot be made.
    pub(crate) fn new(options: &EngineOptions) -> Result<Self> {
        let path = options.spill_path.clone().unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&path).map_err(|e| {
            let message = format!("`{}` cannot be a folder for spilled rows", path.display());
            Error::new(ErrorKind::ConfigInvalid, message)
                .with_hint("name another with `engine.spill_path`")
                .with_source(e)
        })?;
        let budget = Budget { bytes_max: options.spill_bytes_max, bytes_used: AtomicU64::new(0) };
        Ok(Self { path, budget: Arc::new(budget) })
    }

    fn refused(&self, cause: io::Error) -> DataFusionError {
        let message = format!("rows cannot be spilled to `{}`", self.path.display());
        let error = Error::new(ErrorKind::ResourceExhausted, message).with_source(cause);
        to_datafusion(
            error.with_hint("see to that folder, or name another with `engine.spill_path`"),
        )
    }
}

impl TempFileFactory for SpillFolder {
    fn create_temp_file(&self, _reason: &str) -> DataFusionResult<Arc<dyn SpillFile>> {
        let file = tempfile::tempfile_in(&self.path).map_err(|e| self.refused(e))?;
        let budget = Arc::clone(&self.budget);
        let bytes = AtomicU64::new(0);
        Ok(Arc::new(Spilled(Arc::new(Unnamed { file: Mutex::new(file), bytes, budget }))))
    }
}

/// The disk that all files of an engine may use together.
struct Budget {
    bytes_max: u64,
    bytes_used: AtomicU64,
}

impl Budget {
    fn take(&self, bytes: u64) -> io::Result<()> {
        let used = self.bytes_used.fetch_add(bytes, Ordering::Relaxed);
        if used.saturating_add(bytes) <= self.bytes_max {
            return Ok(());
        }
        self.give_back(bytes);
        let message = format!("spilled rows would take more than {} bytes", self.bytes_max);
        Err(io::Error::other(
            Error::new(ErrorKind::ResourceExhausted, message)
                .with_hint("raise `engine.spill_bytes_max` or ask for less"),
        ))
    }

    fn give_back(&self, bytes: u64) {
        self.bytes_used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A file that goes with the last who holds it.
struct Unnamed {
    file: Mutex<File>,
    bytes: AtomicU64,
    budget: Arc<Budget>,
}

impl Unnamed {
    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the end, wherever somebody reads meanwhile.
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.budget.take(length)?;
        self.bytes.fetch_add(length, Ordering::Relaxed);
        let mut file = self.file();
        file.seek(SeekFrom::End(0))?;
        file.write_all(bytes).map_err(|e| {
            let error = Error::new(ErrorKind::ResourceExhausted, "rows cannot be spilled");
            io::Error::other(
                error.with_hint("see to the room in `engine.spill_path`").with_source(e),
            )
        })
    }

    fn read(&self, offset: u64) -> io::Result<Bytes> {
        let mut chunk = vec![0; READ_BYTES];
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))?;
        let read = loop {
            match file.read(&mut chunk) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        chunk.truncate(read);
        Ok(chunk.into())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes.load(Ordering::Relaxed));
    }
}

struct Spilled(Arc<Unnamed>);

impl SpillFile for Spilled {
    fn size(&self) -> Option<u64> {
        Some(self.0.bytes.load(Ordering::Relaxed))
    }

    fn read_stream(
        &self,
    ) -> DataFusionResult<Pin<Box<dyn Stream<Item = DataFusionResult<Bytes>> + Send>>> {
        let chunks = try_unfold((Arc::clone(&self.0), 0), async |(file, offset)| {
            let source = Arc::clone(&file);
            let read = tokio::task::spawn_blocking(move || source.read(offset)).await;
            let chunk = read.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            let next = offset + chunk.len() as u64;
            Ok((!chunk.is_empty()).then_some((chunk, (file, next))))
        });
        Ok(Box::pin(chunks))
    }

    fn open_writer(&self) -> DataFusionResult<Box<dyn SpillWriter>> {
        Ok(Box::new(Appender(Arc::clone(&self.0))))
    }
}

struct Appender(Arc<Unnamed>);

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Appender {
    fn finish(&mut self) -> DataFusionResult<()> {
        Ok(())
    }
}
