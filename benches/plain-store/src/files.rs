//! The files of the bucket, in the order of their keys.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

const MANY: usize = 100_000;
const SMALL: usize = 10_000;
const SMALL_BYTES: u64 = 4 << 10;
const LARGE_BYTES: u64 = 1 << 30;
const PATTERN_BYTES: usize = 1 << 20;

/// A file of the bucket.
pub(crate) struct File {
    pub(crate) key: String,
    pub(crate) size_bytes: u64,
    /// What it holds, over and over.
    content: Content,
}

enum Content {
    Pattern,
    Bytes(Vec<u8>),
}

/// All of them.
pub(crate) struct Files {
    files: Vec<File>,
    pattern: Vec<u8>,
}

impl Files {
    pub(crate) fn new(folder: Option<PathBuf>) -> io::Result<Self> {
        let made = |key, size_bytes| File { key, size_bytes, content: Content::Pattern };
        let many = (0..MANY).map(|i| made(format!("many/part-{i:06}.snappy.parquet"), SMALL_BYTES));
        let small = (0..SMALL).map(|i| made(format!("small/{i:05}"), SMALL_BYTES));
        let mut files: Vec<_> = many.chain(small).collect();
        files.push(made("large/file".to_owned(), LARGE_BYTES));
        for entry in folder.map(std::fs::read_dir).transpose()?.into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "parquet") {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let (key, bytes) = (format!("tpch/{name}"), std::fs::read(&path)?);
                let size_bytes = bytes.len() as u64;
                files.push(File { key, size_bytes, content: Content::Bytes(bytes) });
            }
        }
        files.sort_by(|a, b| a.key.cmp(&b.key));
        let pattern = (0..PATTERN_BYTES).map(|i| (i ^ (i >> 8)) as u8).collect();
        Ok(Self { files, pattern })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&File> {
        let place = self.files.binary_search_by(|file| file.key.as_str().cmp(key));
        place.ok().map(|place| &self.files[place])
    }

    /// The files whose keys begin with `prefix` and come after `after`.
    pub(crate) fn below<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
    ) -> impl Iterator<Item = &'a File> {
        let begin = self.files.partition_point(|f| f.key.as_str() < prefix || *f.key <= *after);
        self.files[begin..].iter().take_while(move |file| file.key.starts_with(prefix))
    }

    /// The bytes of `range` as slices that follow each other.
    pub(crate) fn slices<'a>(
        &'a self,
        file: &'a File,
        range: Range<u64>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let content = match &file.content {
            Content::Pattern => &self.pattern,
            Content::Bytes(bytes) => bytes,
        };
        let (mut at, end) = (range.start, range.end);
        std::iter::from_fn(move || {
            let left = usize::try_from(end - at).ok().filter(|left| *left > 0)?;
            let place = usize::try_from(at % content.len() as u64).ok()?;
            let slice = &content[place..content.len().min(place + left)];
            at += slice.len() as u64;
            Some(slice)
        })
    }
}
