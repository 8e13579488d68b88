//! Where bytes go: stdout, or a file, here or of a datasource, that appears once it is complete.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::upload::Upload;
use crate::failure::{Failure, Result};

/// Where bytes go.
pub(crate) struct Sink(Target);

enum Target {
    Stdout,
    /// A device or a pipe, which cannot be replaced.
    Direct(PathBuf, File),
    /// A file beside the target, renamed at the end.
    Replaced {
        path: PathBuf,
        partial: NamedTempFile,
        overwrite: bool,
    },
    /// A file of a datasource.
    Stored(Upload),
}

impl Sink {
    /// A file of a datasource.
    pub(crate) fn stored(upload: Upload) -> Self {
        Self(Target::Stored(upload))
    }

    /// Stdout.
    pub(crate) fn stdout() -> Self {
        Self(Target::Stdout)
    }

    /// A file, or stdout for `-`; a file that is there is replaced at the end.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, true)
    }

    /// A file that must not be there yet, or stdout for `-`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Self::open_with(path, false)
    }

    fn open_with(path: &Path, overwrite: bool) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::stdout());
        }
        let failed = |cause| Failure::local("write", path, cause);
        // Through a link, so that the file it names is replaced and not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let file = File::options().write(true).open(&path).map_err(failed)?;
                return Ok(Self(Target::Direct(path, file)));
            }
            Ok(found) if found.is_dir() => {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            Ok(_) if !overwrite => return Err(exists(&path)),
            _ => {}
        }
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".orbit-").suffix(".partial");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What an ordinary new file has: the user's mask takes its share.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let partial = builder.tempfile_in(folder).map_err(failed)?;
        Ok(Self(Target::Replaced { path, partial, overwrite }))
    }

    /// Whether it can be read back as a file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.0, Target::Replaced { .. } | Target::Stored(_))
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.0, Target::Stdout) && io::stdout().is_terminal()
    }

    /// The columns of the terminal that it is.
    pub(crate) fn terminal_columns(&self) -> Option<usize> {
        if !self.is_terminal() {
            return None;
        }
        let size = terminal_size::terminal_size_of(io::stdout());
        Some(size.map_or(80, |(width, _)| usize::from(width.0)))
    }

    /// Writes and empties `bytes`.
    pub(crate) async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let written = match &mut self.0 {
            Target::Stored(upload) => return upload.write(mem::take(bytes)).await,
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::output)
            }
            Target::Direct(path, file) => {
                file.write_all(bytes).map_err(|cause| match cause.kind() {
                    io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
                    _ => Failure::local("write", path, cause),
                })
            }
            Target::Replaced { path, partial, .. } => partial
                .as_file_mut()
                .write_all(bytes)
                .map_err(|cause| Failure::local("write", path, cause)),
        };
        bytes.clear();
        written
    }

    /// Shows the file under its name.
    pub(crate) async fn complete(self) -> Result<()> {
        let (path, partial, overwrite) = match self.0 {
            Target::Stdout | Target::Direct(..) => return Ok(()),
            Target::Stored(upload) => return upload.complete().await,
            Target::Replaced { path, partial, overwrite } => (path, partial, overwrite),
        };
        let shown =
            if overwrite { partial.persist(&path) } else { partial.persist_noclobber(&path) };
        match shown {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path)),
            Err(error) => Err(Failure::local("write", &path, error.error)),
        }
    }
}

fn exists(path: &Path) -> Failure {
    use orbit_core::{Error, ErrorKind};

    let message = format!("`{}` exists already", path.display());
    Error::new(ErrorKind::AlreadyExists, message).with_hint("--force replaces it").into()
}
