//! What a listing of a table's log tells: which versions there are, and whether each can be
//! rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;
use orbit_core::{
    Context, Datasource, Error, ErrorKind, FileEntry, FileInfo, ListFiles, Operation, Result,
};

/// The folder of the log inside a table's folder.
pub(crate) const LOG_FOLDER: &str = "_delta_log";

/// How many files a log may have.
const LOG_FILES_MAX: usize = 1_000_000;

/// A version in a file's name has this many digits.
const VERSION_DIGITS: usize = 20;

/// The parts of one checkpoint: the files that are there, of how many.
type Checkpoint = (usize, usize);

/// The commits and checkpoints of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// By name, which is by version.
    files: BTreeMap<String, FileInfo>,
    commits: BTreeSet<u64>,
    /// By version and the kind of checkpoint.
    checkpoints: BTreeMap<(u64, String), Checkpoint>,
}

/// The part of a log that makes one version.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The checkpoint to begin with; none begins with the first commit.
    pub(crate) checkpoint: Option<u64>,
    /// The names of the files, in order.
    pub(crate) files: Vec<String>,
    /// Their size.
    pub(crate) size_bytes: u64,
}

impl Log {
    /// Lists the log of the table in `folder` (a key prefix that is empty or ends in `/`).
    /// With `known`, only from its last version on: none means that what was known is no
    /// longer there.
    pub(crate) async fn list(
        cx: &Context,
        datasource: &dyn Datasource,
        folder: &str,
        known: Option<&Self>,
    ) -> Result<Option<Self>> {
        let files = datasource.facets().files;
        let files = files.ok_or_else(|| Error::unsupported(Operation::ListFiles))?;
        let prefix = format!("{folder}{LOG_FOLDER}/");
        let from = known.and_then(Self::last).map(|version| format!("{version:020}"));
        let start_after = match files.capability().read {
            Some(read) if read.start_after => from.as_ref().map(|from| format!("{prefix}{from}")),
            _ => None,
        };
        let request = ListFiles { prefix: prefix.clone(), delimited: true, start_after };
        let mut pages = files.list(cx, request).await?;
        let mut listed = Self::default();
        while let Some(page) = pages.try_next().await? {
            for entry in page {
                if let FileEntry::File(info) = entry {
                    listed.add(&prefix, info)?;
                }
            }
        }
        match (known, from) {
            (Some(known), Some(from)) => known.continued(&from, listed),
            _ => Ok(Some(listed)),
        }
    }

    /// This log and what was `listed` from `from` on, if that still begins as known.
    fn continued(&self, from: &str, listed: Self) -> Result<Option<Self>> {
        let mut tail = self.files.range(from.to_owned()..);
        if !tail.all(|(name, info)| listed.files.get(name) == Some(info)) {
            return Ok(None);
        }
        let mut log = self.clone();
        for (name, info) in listed.files {
            log.add("", FileInfo { key: name, ..info })?;
        }
        Ok(Some(log))
    }

    fn add(&mut self, prefix: &str, info: FileInfo) -> Result<()> {
        let Some(name) = info.key.strip_prefix(prefix).map(str::to_owned) else { return Ok(()) };
        let parts: Vec<_> = name.split('.').collect();
        let Some((version, rest)) = parts.split_first() else { return Ok(()) };
        let Ok(number) = version.parse::<u64>() else { return Ok(()) };
        if version.len() != VERSION_DIGITS || self.files.contains_key(&name) {
            return Ok(());
        }
        match rest {
            ["json"] => {
                self.commits.insert(number);
            }
            ["checkpoint", "parquet"] => self.checkpoint(number, "", 1),
            ["checkpoint", uuid, "parquet" | "json"] => self.checkpoint(number, uuid, 1),
            ["checkpoint", _, of, "parquet"] => match of.parse::<usize>() {
                Ok(parts) => self.checkpoint(number, of, parts),
                Err(_) => return Ok(()),
            },
            _ => return Ok(()),
        }
        self.files.insert(name.clone(), FileInfo { key: name, ..info });
        if self.files.len() > LOG_FILES_MAX {
            let message = format!("the log has more than {LOG_FILES_MAX} files");
            return Err(Error::new(ErrorKind::ResourceExhausted, message)
                .with_hint("let the table's writer clean its log up"));
        }
        Ok(())
    }

    fn checkpoint(&mut self, version: u64, kind: &str, parts: usize) {
        let (present, _) = self.checkpoints.entry((version, kind.to_owned())).or_insert((0, parts));
        *present += 1;
    }

    /// The versions of checkpoints of which all parts are there.
    fn complete_checkpoints(&self) -> impl DoubleEndedIterator<Item = u64> {
        let complete = self.checkpoints.iter().filter(|(_, (present, parts))| present >= parts);
        complete.map(|((version, _), _)| *version)
    }

    /// The newest version.
    pub(crate) fn last(&self) -> Option<u64> {
        self.commits.last().copied().max(self.complete_checkpoints().next_back())
    }

    /// The oldest version that can be rebuilt.
    pub(crate) fn first(&self) -> Option<u64> {
        match self.commits.first() {
            Some(0) => Some(0),
            _ => self.complete_checkpoints().next(),
        }
    }

    /// The versions whose commits are there, the newest first.
    pub(crate) fn versions(&self) -> impl Iterator<Item = u64> + '_ {
        self.commits.iter().rev().copied()
    }

    /// How many files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// What makes `version`.
    ///
    /// # Errors
    /// `NotFound` outside the versions that are there, `DataInvalid` naming the file when one
    /// is missing or empty.
    pub(crate) fn segment(&self, version: u64) -> Result<Segment> {
        let last = self.last().ok_or_else(|| broken(LOG_FOLDER, "the log holds no commit"))?;
        let first = self.first().ok_or_else(|| {
            broken(&commit_name(0), "the log's first commit is missing and no checkpoint stands in")
        })?;
        if version < first || version > last {
            let message = format!("version {version} does not exist");
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("the table has versions {first} to {last}")));
        }
        let checkpoint = self.complete_checkpoints().take_while(|c| *c <= version).last();
        let begin = checkpoint.map_or(0, |c| c.saturating_add(1));
        if let Some(hole) = (begin..=version).find(|v| !self.commits.contains(v)) {
            return Err(broken(&commit_name(hole), "a commit is missing from the log"));
        }
        self.checked(checkpoint, begin, version)
    }

    fn checked(&self, checkpoint: Option<u64>, begin: u64, version: u64) -> Result<Segment> {
        let from = format!("{:020}", checkpoint.unwrap_or(begin));
        let to = format!("{version:020}.~");
        let mut segment = Segment { checkpoint, files: Vec::new(), size_bytes: 0 };
        for (name, info) in self.files.range(from..to) {
            if info.size_bytes == 0 {
                return Err(broken(name, "a file of the log is empty"));
            }
            segment.files.push(name.clone());
            segment.size_bytes += info.size_bytes;
        }
        Ok(segment)
    }

    /// The files whose names come after `after`, below `folder`.
    pub(crate) fn metas_after(
        &self,
        folder: &Path,
        after: &str,
    ) -> Vec<object_store::Result<ObjectMeta>> {
        let later = self.files.range(after.to_owned()..);
        let later = later.filter(|(name, _)| name.as_str() != after);
        let meta = |(name, info): (&String, &FileInfo)| ObjectMeta {
            location: folder.clone().join(name.as_str()),
            last_modified: DateTime::<Utc>::from(info.modified),
            size: info.size_bytes,
            e_tag: info.etag.clone(),
            version: info.version.clone(),
        };
        later.map(|file| Ok(meta(file))).collect()
    }
}

/// The name of a version's commit.
pub(crate) fn commit_name(version: u64) -> String {
    format!("{version:020}.json")
}

/// The log cannot be trusted because of this file.
pub(crate) fn broken(file: &str, message: impl Into<String>) -> Error {
    let file = match file {
        LOG_FOLDER => file.to_owned(),
        file => format!("{LOG_FOLDER}/{file}"),
    };
    Error::new(ErrorKind::DataInvalid, message.into()).with_context("log file", file)
}
