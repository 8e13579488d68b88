//! What the files of a folder make it: a table of one format, or another crate's table.

use std::sync::Arc;

use orbit_core::FileInfo;

use super::format::{DataFormat, Packing};
use super::{list, partition};
use crate::{FileFormat, TableFormat, TableOptions};

/// The format that the configuration says, else the file's name.
pub(super) fn format_of(key: &str, options: &TableOptions) -> Option<DataFormat> {
    let by_name = DataFormat::of_name(key.rsplit('/').next().unwrap_or(key)).map(|(f, _)| f);
    match options.format {
        None => by_name,
        Some(format) => {
            let packing = by_name.map_or(Packing::None, |f| f.packing);
            Some(DataFormat { format, packing })
        }
    }
}

/// What a deep listing of a folder shows of the table in it.
pub(super) struct FolderScan<'a> {
    prefix: &'a str,
    options: &'a TableOptions,
    formats: &'a [Arc<dyn TableFormat>],
    pub(super) table_format: Option<Arc<dyn TableFormat>>,
    pub(super) format: Option<DataFormat>,
    pub(super) other_format: Option<DataFormat>,
    pub(super) files: Vec<FileInfo>,
}

impl<'a> FolderScan<'a> {
    pub(super) fn new(
        prefix: &'a str,
        options: &'a TableOptions,
        formats: &'a [Arc<dyn TableFormat>],
    ) -> Self {
        Self {
            prefix,
            options,
            formats,
            table_format: None,
            format: None,
            other_format: None,
            files: Vec::new(),
        }
    }

    /// Looks at one file; false once the folder is known to be another crate's format.
    pub(super) fn take(&mut self, info: FileInfo) -> bool {
        let relative = &info.key[self.prefix.len()..];
        let marked = |f: &&Arc<dyn TableFormat>| {
            relative.strip_prefix(f.marker()).is_some_and(|rest| rest.starts_with('/'))
        };
        if self.options.format.is_none_or(|f| f == FileFormat::Delta)
            && let Some(format) = self.formats.iter().find(marked)
        {
            self.table_format = Some(Arc::clone(format));
            return false;
        }
        if list::is_hidden(relative) || partition::segments(relative).is_none() {
            return true;
        }
        if let Some(format) = format_of(relative, self.options) {
            match self.format {
                None => self.format = Some(format),
                Some(first) if first != format => self.other_format = Some(format),
                Some(_) => {}
            }
            self.files.push(info);
        }
        true
    }
}
