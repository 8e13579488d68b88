//! Writing: a draft beside its target that takes the target's name once it is whole.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::{Dir, Metadata, OpenOptions};
use orbit_core::{Error, ErrorKind, FileInfo, Result, WriteCondition, WriteEffect};

use crate::error;
use crate::reader::changed;
use crate::tree::{DRAFT_PREFIX, Tree, info_of, split};

/// Held from looking at the tag of a target until it is replaced, so that of the writers in
/// this process none comes in between. One for all, since links give a file several keys.
static REPLACING: Mutex<()> = Mutex::new(());

static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// A file that is being written, removed when it is dropped.
pub(crate) struct Draft {
    tree: Arc<Tree>,
    key: String,
    folder: Dir,
    draft_name: String,
    name: String,
    file: File,
    renamed: bool,
}

impl Draft {
    /// Begins to write `key`; folders that are missing on the way are made.
    pub(crate) fn create(tree: Arc<Tree>, key: String) -> Result<Self> {
        let (root, path) = tree.target(&key)?;
        let (parent, name) = split(path);
        let name = name.to_owned();
        let folder = open_folder(root, parent).map_err(|e| match e.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                let message = "a file stands where the key needs a folder";
                Error::new(ErrorKind::Unsupported, message).with_context("key", key.as_str())
            }
            _ => error::of_key(e, &key),
        })?;
        let (draft_name, file) = create_new(&folder).map_err(|e| error::of_key(e, &key))?;
        Ok(Self { tree, key, folder, draft_name, name, file, renamed: false })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| error::of_key(e, &self.key))
    }

    /// The draft itself, for a copy that the file system makes.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the draft the name of its target, if the condition holds.
    pub(crate) fn commit(mut self, condition: &WriteCondition, sync: bool) -> Result<FileInfo> {
        let key = self.key.clone();
        let fail = |e: io::Error| error::of_key(e, &key);
        if sync {
            self.file.sync_all().map_err(fail)?;
        }
        match condition {
            WriteCondition::IfAbsent => self.link()?,
            WriteCondition::Always => self.replace(None)?,
            WriteCondition::IfMatch(tag) => self.replace(Some(tag))?,
        }
        let written = |e: Error| e.with_write_effect(WriteEffect::Unknown);
        if sync {
            self.sync_folders().map_err(written)?;
        }
        let metadata = Metadata::from_file(&self.file).map_err(|e| written(fail(e)))?;
        info_of(&key, &metadata).ok_or_else(|| written(changed(&key)))
    }

    /// Writes to the disk the names that lead to the file: some may be new.
    fn sync_folders(&self) -> Result<()> {
        let (root, path) = self.tree.target(&self.key)?;
        for folder in Path::new(path).ancestors().skip(1) {
            let folder = if folder == Path::new("") { Path::new(".") } else { folder };
            let synced = root.open(folder).and_then(|f| f.sync_all());
            synced.map_err(|e| error::of_key(e, &self.key))?;
        }
        Ok(())
    }

    /// A link, unlike a rename, fails when the name is taken.
    fn link(&self) -> Result<()> {
        let linked = self.folder.hard_link(&self.draft_name, &self.folder, &self.name);
        linked.map_err(|e| match e.kind() {
            io::ErrorKind::Unsupported => {
                let message = "this file system has no hard links, which writing only if \
                               nothing is there needs";
                Error::new(ErrorKind::Unsupported, message)
                    .with_context("key", self.key.as_str())
                    .with_source(e)
            }
            _ => error::of_key(e, &self.key),
        })
    }

    fn replace(&mut self, tag: Option<&str>) -> Result<()> {
        let _alone = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tag) = tag {
            let found = match self.tree.metadata(&self.key) {
                Ok(metadata) => info_of(&self.key, &metadata).and_then(|info| info.etag),
                Err(error) if error::is_missing(&error) => None,
                Err(error) => return Err(error::of_key(error, &self.key)),
            };
            if found.as_deref() != Some(tag) {
                return Err(changed(&self.key));
            }
        }
        let renamed = self.folder.rename(&self.draft_name, &self.folder, &self.name);
        renamed.map_err(|e| error::of_key(e, &self.key))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.renamed {
            return;
        }
        if let Err(error) = self.folder.remove_file(&self.draft_name) {
            tracing::warn!(key = %self.key, "the draft of a write was left behind: {error}");
        }
    }
}

/// Removes a file, alone among the writers of this process.
pub(crate) fn remove(tree: &Tree, key: &str) -> Result<()> {
    let (root, path) = tree.find(key)?;
    let _alone = REPLACING.lock().unwrap_or_else(PoisonError::into_inner);
    match root.remove_file(path) {
        Err(error) if !error::is_missing(&error) => {
            // A folder is no file, so nothing is there to delete. Systems differ in what they
            // answer to the attempt.
            let is_folder = root.symlink_metadata(path).is_ok_and(|m| m.is_dir());
            if is_folder { Ok(()) } else { Err(error::of_key(error, key)) }
        }
        _ => Ok(()),
    }
}

fn open_folder(root: &Dir, path: &str) -> io::Result<Dir> {
    if path.is_empty() {
        return root.try_clone();
    }
    match root.open_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            root.create_dir_all(path)?;
            root.open_dir(path)
        }
        opened => opened,
    }
}

/// A new file under a name that nobody has.
fn create_new(folder: &Dir) -> io::Result<(String, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    loop {
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{DRAFT_PREFIX}{:x}-{number:x}", process::id());
        match folder.open_with(&name, &options) {
            // Left behind by a process that had the same id.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (name, file.into_std())),
        }
    }
}
