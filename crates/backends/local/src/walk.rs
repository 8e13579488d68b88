//! Listing: a walk over the tree that yields keys in the order of their bytes.
//!
//! A folder is sorted as its name with a slash at the end, which gives `a.b`, `a/b`, `a0`
//! without holding more than the folders that lead to the place of the walk.

use std::io;
use std::sync::Arc;
use std::vec;

use cap_std::fs::{Dir, DirEntry, MetadataExt};
use orbit_core::{Context, ErrorKind, FileEntry, FileInfo, ListFiles, Result};

use crate::error::{self, is_escape, is_missing};
use crate::tree::{DRAFT_PREFIX, Tree, info_of, is_path};

/// How many entries a page has at most.
const PAGE_ENTRIES: usize = 1000;

/// A listing and its place in the tree.
pub(crate) struct Walk {
    tree: Arc<Tree>,
    request: ListFiles,
    folders: Vec<Folder>,
    /// The folders that lead to the place, by which a circle of links is found.
    above: Vec<FolderId>,
    begun: bool,
}

/// Device and inode; nothing where the roots stand side by side.
type FolderId = Option<(u64, u64)>;

struct Folder {
    /// Its key with a slash at the end, or nothing.
    path: String,
    /// The folder itself; none where the roots stand side by side.
    dir: Option<Dir>,
    children: vec::IntoIter<String>,
}

impl Walk {
    pub(crate) fn new(tree: Arc<Tree>, request: ListFiles) -> Self {
        Self { tree, request, folders: Vec::new(), above: Vec::new(), begun: false }
    }

    /// The next page, and the walk if there may be more.
    pub(crate) fn page(mut self, cx: &Context) -> Result<(Vec<FileEntry>, Option<Self>)> {
        let mut entries = Vec::new();
        while entries.len() < PAGE_ENTRIES {
            match self.next(cx)? {
                Some(entry) => entries.push(entry),
                None => return Ok((entries, None)),
            }
        }
        Ok((entries, Some(self)))
    }

    fn next(&mut self, cx: &Context) -> Result<Option<FileEntry>> {
        if !self.begun {
            self.begun = true;
            self.begin(cx)?;
        }
        while let Some(folder) = self.folders.last_mut() {
            let Some(child) = folder.children.next() else {
                self.folders.pop();
                self.above.pop();
                continue;
            };
            let key = format!("{}{child}", folder.path);
            if !child.ends_with('/') {
                if self.is_after_start(&key)
                    && let Some(info) = self.stat(&key, &child)?
                {
                    return Ok(Some(FileEntry::File(info)));
                }
            } else if self.may_hold(&key) {
                if !self.request.delimited {
                    self.enter(cx, key)?;
                } else if self.holds_a_file(cx, &key)? {
                    return Ok(Some(FileEntry::Prefix(key)));
                }
            }
        }
        Ok(None)
    }

    /// Goes to the folder that the prefix names, and keeps of it what goes on as the prefix
    /// does.
    fn begin(&mut self, cx: &Context) -> Result<()> {
        self.tree.check()?;
        let prefix = self.request.prefix.clone();
        let (folder, start) = match prefix.rfind('/') {
            Some(slash) if !is_path(&prefix[..slash]) => return Ok(()),
            Some(slash) => prefix.split_at(slash + 1),
            None => ("", prefix.as_str()),
        };
        // The folders above count too: a link back to one of them is a circle, wherever the
        // listing begins.
        let above = folder.rmatch_indices('/').skip(1).map(|(slash, _)| slash + 1);
        let mut above: Vec<_> = above.collect();
        above.extend((!folder.is_empty()).then_some(0));
        for end in above.into_iter().rev() {
            match self.open(cx, &folder[..end])? {
                Some((_, id)) => self.above.push(id),
                None => return Ok(()),
            }
        }
        self.enter(cx, folder.to_owned())?;
        if let Some(folder) = self.folders.last_mut() {
            let children: Vec<_> =
                folder.children.by_ref().filter(|c| c.starts_with(start)).collect();
            folder.children = children.into_iter();
        }
        Ok(())
    }

    fn is_after_start(&self, key: &str) -> bool {
        self.request.start_after.as_deref().is_none_or(|start| key > start)
    }

    /// Whether a key that begins with `folder` can come after the start.
    fn may_hold(&self, folder: &str) -> bool {
        let begins = |start: &str| start.starts_with(folder);
        self.is_after_start(folder) || self.request.start_after.as_deref().is_some_and(begins)
    }

    fn holds_a_file(&self, cx: &Context, folder: &str) -> Result<bool> {
        let request = ListFiles {
            prefix: folder.to_owned(),
            delimited: false,
            start_after: self.request.start_after.clone(),
        };
        match Self::new(Arc::clone(&self.tree), request).next(cx) {
            // It is there; what it holds is refused to whoever goes into it.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(true),
            first => first.map(|file| file.is_some()),
        }
    }

    /// What is known of a file of the folder at hand; `None` when it is gone or no file.
    fn stat(&self, key: &str, name: &str) -> Result<Option<FileInfo>> {
        let dir = self.folders.last().and_then(|f| f.dir.as_ref());
        let metadata = match dir.map(|dir| dir.symlink_metadata(name)) {
            Some(Ok(metadata)) if !metadata.is_symlink() => Ok(metadata),
            Some(Err(error)) => Err(error),
            _ => self.tree.metadata(key),
        };
        match metadata {
            Ok(metadata) => Ok(info_of(key, &metadata)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) if is_escape(&error) => Ok(left_out(key, "it leads outside")),
            Err(error) => Err(error::of_key(error, key)),
        }
    }

    /// Opens the folder of this key, unless it is gone, leads outside or in a circle.
    fn open(&self, cx: &Context, path: &str) -> Result<Option<(Option<Dir>, FolderId)>> {
        cx.check()?;
        let fail = |e: io::Error| error::of_key(e, path);
        let dir = match self.tree.folder(path.strip_suffix('/').unwrap_or(path)) {
            Ok(Some(dir)) => dir,
            Ok(None) => return Ok(Some((None, None))),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) if is_escape(&error) => return Ok(left_out(path, "it leads outside")),
            Err(error) => return Err(fail(error)),
        };
        let metadata = dir.dir_metadata().map_err(fail)?;
        let id = Some((metadata.dev(), metadata.ino()));
        if self.above.contains(&id) {
            return Ok(left_out(path, "it leads in a circle"));
        }
        Ok(Some((Some(dir), id)))
    }

    /// Goes into the folder of this key, if it can be opened.
    fn enter(&mut self, cx: &Context, path: String) -> Result<()> {
        let Some((dir, id)) = self.open(cx, &path)? else { return Ok(()) };
        let mut children = match &dir {
            Some(dir) => self.children(dir, &path)?,
            None => self.tree.names(),
        };
        children.sort_unstable();
        self.above.push(id);
        self.folders.push(Folder { path, dir, children: children.into_iter() });
        Ok(())
    }

    /// The names in a folder, those of folders with a slash at their end.
    fn children(&self, dir: &Dir, path: &str) -> Result<Vec<String>> {
        let fail = |e: io::Error| error::of_key(e, path);
        let mut children = Vec::new();
        for entry in dir.entries().map_err(fail)? {
            if let Some(child) = self.child(&entry.map_err(fail)?, path)? {
                children.push(child);
            }
        }
        Ok(children)
    }

    fn child(&self, entry: &DirEntry, path: &str) -> Result<Option<String>> {
        let mut name = match entry.file_name().into_string() {
            Ok(name) => name,
            Err(name) => {
                let key = format!("{path}{}", name.to_string_lossy());
                return Ok(left_out(&key, "its name is not valid UTF-8"));
            }
        };
        let fail = |e: io::Error| error::of_key(e, &format!("{path}{name}"));
        let kind = entry.file_type().map_err(fail)?;
        let is_folder = if kind.is_file() || kind.is_dir() {
            kind.is_dir()
        } else {
            // A link, or a file system that does not tell kinds along with names.
            let key = format!("{path}{name}");
            match self.tree.metadata(&key) {
                Ok(metadata) if metadata.is_file() || metadata.is_dir() => metadata.is_dir(),
                Ok(_) => return Ok(left_out(&key, "it is neither a file nor a folder")),
                Err(e) if is_missing(&e) => return Ok(left_out(&key, "it leads nowhere")),
                Err(e) if is_escape(&e) => return Ok(left_out(&key, "it leads outside")),
                Err(e) => return Err(fail(e)),
            }
        };
        if is_folder {
            name.push('/');
        } else if name.starts_with(DRAFT_PREFIX) {
            return Ok(None);
        }
        Ok(Some(name))
    }
}

/// Tells that something is not in a listing.
fn left_out<T>(key: &str, why: &str) -> Option<T> {
    tracing::warn!(key, "left out of a listing: {why}");
    None
}
