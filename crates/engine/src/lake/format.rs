//! The formats of data files, by their names.

use std::sync::Arc;

use datafusion::common::config::{CsvOptions, JsonOptions};
use datafusion::datasource::file_format::FileFormat as DataFusionFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use orbit_core::{Error, ErrorKind, Result};

use crate::{FileFormat, TableOptions};

/// Rows from which the types of a text file are inferred, unless the configuration says.
const INFER_ROWS_MAX: usize = 10_000;

/// How the bytes of a text file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// How a data file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataFormat {
    pub(crate) format: FileFormat,
    pub(crate) packing: Packing,
}

/// File name endings, longest first where one ends another.
const EXTENSIONS: [(&str, FileFormat); 12] = [
    ("parquet", FileFormat::Parquet),
    ("parq", FileFormat::Parquet),
    ("pq", FileFormat::Parquet),
    ("csv", FileFormat::Csv),
    ("tsv", FileFormat::Tsv),
    ("tab", FileFormat::Tsv),
    ("ndjson", FileFormat::Json),
    ("jsonl", FileFormat::Json),
    ("json", FileFormat::Json),
    ("arrow", FileFormat::Arrow),
    ("arrows", FileFormat::Arrow),
    ("feather", FileFormat::Arrow),
];

impl DataFormat {
    /// The format that a file's name tells, and the name without what tells it.
    pub(crate) fn of_name(name: &str) -> Option<(Self, &str)> {
        let (rest, last) = name.rsplit_once('.')?;
        let packing = match last.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Packing::Gzip,
            "zst" | "zstd" => Packing::Zstd,
            _ => Packing::None,
        };
        let (stem, extension) =
            if packing == Packing::None { (rest, last) } else { rest.rsplit_once('.')? };
        let extension = extension.to_ascii_lowercase();
        let format = EXTENSIONS.iter().find(|(e, _)| *e == extension)?.1;
        let packs_itself = matches!(format, FileFormat::Parquet | FileFormat::Arrow);
        let packed_twice = packs_itself && packing != Packing::None;
        let known = !stem.is_empty() && !packed_twice;
        known.then_some((Self { format, packing }, stem))
    }

    /// The name in listings.
    pub(crate) fn name(self) -> &'static str {
        match self.format {
            FileFormat::Parquet => "parquet",
            FileFormat::Csv => "csv",
            FileFormat::Tsv => "tsv",
            FileFormat::Json => "json",
            FileFormat::Arrow => "arrow",
            FileFormat::Delta => "delta",
        }
    }

    /// How DataFusion names the packing.
    pub(crate) fn compression(self) -> FileCompressionType {
        match self.packing {
            Packing::None => FileCompressionType::UNCOMPRESSED,
            Packing::Gzip => FileCompressionType::GZIP,
            Packing::Zstd => FileCompressionType::ZSTD,
        }
    }

    /// DataFusion's reader of it, which reads `tail_bytes` of a Parquet file's end at first.
    ///
    /// # Errors
    /// `ConfigInvalid` for options that are not one byte long.
    pub(crate) fn reader(
        self,
        options: &TableOptions,
        tail_bytes: usize,
    ) -> Result<Arc<dyn DataFusionFormat>> {
        Ok(match self.format {
            FileFormat::Parquet | FileFormat::Delta => {
                Arc::new(ParquetFormat::default().with_metadata_size_hint(Some(tail_bytes)))
            }
            FileFormat::Arrow => Arc::new(ArrowFormat),
            FileFormat::Json => Arc::new(
                JsonFormat::default()
                    .with_options(JsonOptions::default())
                    .with_file_compression_type(self.compression()),
            ),
            FileFormat::Csv | FileFormat::Tsv => {
                let default = if self.format == FileFormat::Tsv { '\t' } else { ',' };
                let delimiter = options.delimiter.unwrap_or(default);
                let byte = |option: &str, c: char| {
                    u8::try_from(c).map_err(|_| {
                        let message = format!("`{option}` of a text file must be one byte");
                        Error::new(ErrorKind::ConfigInvalid, message)
                    })
                };
                let null_values = &options.null_values;
                let csv = CsvFormat::default()
                    .with_options(CsvOptions::default())
                    .with_has_header(options.header.unwrap_or(true))
                    .with_delimiter(byte("delimiter", delimiter)?)
                    .with_quote(byte("quote", options.quote.unwrap_or('"'))?)
                    .with_escape(options.escape.map(|c| byte("escape", c)).transpose()?)
                    .with_comment(options.comment.map(|c| byte("comment", c)).transpose()?)
                    .with_null_regex((!null_values.is_empty()).then(|| null_regex(null_values)))
                    // A quoted value may hold a line break, so a file is not cut at any of them.
                    .with_newlines_in_values(true)
                    .with_file_compression_type(self.compression());
                Arc::new(csv)
            }
        })
    }
}

/// Rows from which the columns of a table of text files are inferred.
pub(super) fn infer_rows_max(options: &TableOptions) -> usize {
    options.infer_rows_max.unwrap_or(INFER_ROWS_MAX)
}

/// A pattern that matches exactly these texts, and the empty one.
fn null_regex(values: &[String]) -> String {
    let escape = |value: &String| {
        value.chars().fold(String::new(), |mut text, c| {
            if c.is_ascii_punctuation() {
                text.push('\\');
            }
            text.push(c);
            text
        })
    };
    let values: Vec<_> = values.iter().map(escape).collect();
    format!("^(?:{})?$", values.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        let of = |name| DataFormat::of_name(name).map(|(f, stem)| (f.name(), f.packing, stem));
        assert_eq!(of("a.b.CSV.gz"), Some(("csv", Packing::Gzip, "a.b")));
        assert_eq!(of("orders.parquet"), Some(("parquet", Packing::None, "orders")));
        assert_eq!(of("orders.parquet.gz"), None);
        assert_eq!(of("orders"), None);
        assert_eq!(of(".parquet"), None);
        assert_eq!(of("x.jsonl.zst"), Some(("json", Packing::Zstd, "x")));
    }

    #[test]
    fn null_texts_match_whole_values() {
        let pattern = regex::Regex::new(&null_regex(&["N/A".into(), "\\N".into()])).unwrap();
        let matches = ["N/A", "\\N", "", "N", "xN/A"].map(|v| pattern.is_match(v));
        assert_eq!(matches, [true, true, true, false, false]);
    }
}
