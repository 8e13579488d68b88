//! The roots as one tree of keys, and what leads from a key to a place beneath a root.
//!
//! Every path is resolved by [`Dir`], which never leaves its folder: not by `..`, not by an
//! absolute path and not by a symbolic link, even one that is swapped meanwhile.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use orbit_core::{Error, ErrorKind, FileInfo, Result};

use crate::error;

/// How the files begin that a write makes before it is complete.
pub(crate) const DRAFT_PREFIX: &str = ".orbit-draft-";

/// One configured path.
#[derive(Debug)]
pub(crate) struct Mount {
    /// The first segment of its keys; empty for the only folder.
    name: String,
    folder: Dir,
    /// The only file of the folder that belongs to it, when the path names a file.
    file: Option<String>,
    /// Whether the file system counted the folder's names when it was opened; some never do.
    counts_names: bool,
}

impl Mount {
    /// Opens a path of the configuration. A folder among several appears under its own name,
    /// as a file always does.
    pub(crate) fn open(path: &str, named: bool) -> Result<Self> {
        let fail = |e: io::Error| {
            let error = match e.kind() {
                io::ErrorKind::NotFound => {
                    Error::new(ErrorKind::NotFound, "no such file or folder")
                        .with_hint("create it, or correct the setting")
                        .with_source(e)
                }
                _ => error::of(e),
            };
            error.with_context("path", path)
        };
        // The configured path may itself lead through links; what lies beneath may not.
        let place = Path::new(path).canonicalize().map_err(fail)?;
        let base = |p: &Path| Some(p.file_name()?.to_str()?.to_owned());
        let metadata = place.metadata().map_err(fail)?;
        if metadata.is_dir() {
            let folder = Dir::open_ambient_dir(&place, ambient_authority()).map_err(fail)?;
            let name = if named { base(Path::new(path)) } else { None };
            return Self::new(name.unwrap_or_default(), folder, None).map_err(fail);
        }
        let names = (base(Path::new(path)), base(&place), place.parent());
        let (Some(name), Some(file), Some(parent)) = names else {
            let message = "the path is not valid UTF-8";
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with_context("path", path));
        };
        if !metadata.is_file() {
            let message = "the path is neither a folder nor a regular file";
            return Err(Error::new(ErrorKind::ConfigInvalid, message).with_context("path", path));
        }
        let folder = Dir::open_ambient_dir(parent, ambient_authority()).map_err(fail)?;
        Self::new(name, folder, Some(file)).map_err(fail)
    }

    fn new(name: String, folder: Dir, file: Option<String>) -> io::Result<Self> {
        let counts_names = folder.dir_metadata()?.nlink() > 0;
        Ok(Self { name, folder, file, counts_names })
    }

    /// Its name as a listing sorts it: a folder's ends in a slash.
    fn child(&self) -> String {
        let slash = if self.file.is_some() { "" } else { "/" };
        format!("{}{slash}", self.name)
    }
}

/// All roots of a datasource.
#[derive(Debug)]
pub(crate) struct Tree {
    mounts: Vec<Mount>,
}

/// Whether a key can be a path: no empty, `.` or `..` segment and no NUL.
pub(crate) fn is_path(key: &str) -> bool {
    let normal = |segment: &str| !matches!(segment, "" | "." | "..");
    key.split('/').all(normal) && !key.contains('\0')
}

/// The key, if a file can have it.
fn file_key(key: &str, otherwise: ErrorKind) -> Result<&str> {
    let name = key.rsplit('/').next().unwrap_or(key);
    if is_path(key) && !name.starts_with(DRAFT_PREFIX) {
        return Ok(key);
    }
    let message = if is_path(key) {
        "names with this beginning are kept for files that are being written"
    } else {
        "a local file system cannot hold a key with empty, `.` or `..` segments"
    };
    Err(Error::new(otherwise, message).with_context("key", key))
}

/// A key's root and its path beneath it.
pub(crate) type Place<'a> = (&'a Dir, &'a str);

impl Tree {
    pub(crate) fn new(mounts: Vec<Mount>) -> Self {
        Self { mounts }
    }

    /// Where the file `key` is to be found.
    ///
    /// # Errors
    /// `NotFound` when it cannot be anywhere.
    pub(crate) fn find<'a>(&'a self, key: &'a str) -> Result<Place<'a>> {
        self.locate(file_key(key, ErrorKind::NotFound)?)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "no such file").with_context("key", key))
    }

    /// Where the file `key` is to be written.
    ///
    /// # Errors
    /// `Unsupported` when it cannot be anywhere.
    pub(crate) fn target<'a>(&'a self, key: &'a str) -> Result<Place<'a>> {
        self.locate(file_key(key, ErrorKind::Unsupported)?).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "the key lies in none of the datasource's paths")
                .with_hint("keys begin with the last name of a configured path")
                .with_context("key", key)
        })
    }

    fn locate<'a>(&'a self, key: &'a str) -> Option<Place<'a>> {
        let (first, rest) = match key.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (key, None),
        };
        let mount = self.mounts.iter().find(|m| m.name.is_empty() || m.name == first)?;
        match (&mount.file, rest) {
            (None, _) if mount.name.is_empty() => Some((&mount.folder, key)),
            (None, Some(rest)) => Some((&mount.folder, rest)),
            (Some(file), None) => Some((&mount.folder, file)),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// The folder of this path (without a slash at its end); `None` for the one that has only
    /// the roots in it.
    pub(crate) fn folder(&self, path: &str) -> io::Result<Option<Dir>> {
        let whole = |m: &&Mount| m.file.is_none() && m.name == path;
        if let Some(mount) = self.mounts.iter().find(whole) {
            return mount.folder.try_clone().map(Some);
        }
        if path.is_empty() {
            return Ok(None);
        }
        match self.locate(path) {
            Some((root, rest)) if !self.is_single_file(path) => root.open_dir(rest).map(Some),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn is_single_file(&self, key: &str) -> bool {
        self.mounts.iter().any(|m| m.file.is_some() && m.name == key)
    }

    /// The roots' names, those of folders with a slash at their end.
    pub(crate) fn names(&self) -> Vec<String> {
        self.mounts.iter().map(Mount::child).collect()
    }

    /// What lies at a key, links followed while they stay inside.
    pub(crate) fn metadata(&self, key: &str) -> io::Result<Metadata> {
        match self.locate(key) {
            Some((root, path)) => root.metadata(path),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether every root is still there.
    pub(crate) fn check(&self) -> Result<()> {
        for mount in &self.mounts {
            let metadata = mount.folder.dir_metadata().map_err(error::of)?;
            // An open folder outlives its removal, empty and without a name.
            if mount.counts_names && metadata.nlink() == 0 {
                let message = "the configured folder was removed";
                return Err(Error::new(ErrorKind::NotFound, message)
                    .with_hint("if it was made anew, load the configuration again"));
            }
        }
        Ok(())
    }
}

/// The folder part and the last name of a path beneath a root.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// What is known of a regular file; `None` for anything else.
pub(crate) fn info_of(key: &str, metadata: &Metadata) -> Option<FileInfo> {
    if !metadata.is_file() {
        return None;
    }
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    let mtime_ns = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let etag = format!("{:x}-{mtime_ns:x}-{:x}", metadata.ino(), metadata.size());
    Some(FileInfo {
        key: key.to_owned(),
        size_bytes: metadata.size(),
        modified: time_of(seconds, nanos),
        etag: Some(etag),
        version: None,
    })
}

fn time_of(seconds: i64, nanos: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    let fraction = Duration::from_nanos(nanos.unsigned_abs());
    base.and_then(|t| t.checked_add(fraction)).unwrap_or(SystemTime::UNIX_EPOCH)
}
