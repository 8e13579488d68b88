//! Record batches to files.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// How the pages of a Parquet file are compressed.
#[derive(Clone, Copy)]
pub(crate) enum Pages {
    /// Quick to read: what benchmarks scan.
    Snappy,
    /// Small: what is kept in the repository.
    Zstd,
}

/// Writes all batches to a Parquet file of `row_group_rows_max` rows in each group.
///
/// The Arrow schema is left out of the file, so that each reader chooses its own types.
pub(crate) fn write_parquet(
    reader: impl RecordBatchReader,
    path: &Path,
    pages: Pages,
    row_group_rows_max: usize,
) -> anyhow::Result<()> {
    let compression = match pages {
        Pages::Snappy => Compression::SNAPPY,
        Pages::Zstd => Compression::ZSTD(ZstdLevel::try_new(12)?),
    };
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(row_group_rows_max))
        .build();
    let options =
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let file = create(path)?;
    let mut writer = ArrowWriter::try_new_with_options(file, reader.schema(), options)?;
    for batch in reader {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}

/// Writes all batches to a CSV file with a header, quoting only where it must.
pub(crate) fn write_csv(reader: impl RecordBatchReader, path: &Path) -> anyhow::Result<()> {
    let mut file = create(path)?;
    let names: Vec<_> = reader.schema().fields().iter().map(|f| f.name().clone()).collect();
    writeln!(file, "{}", names.join(","))?;
    for batch in reader {
        write_csv_rows(&batch?, &mut file)?;
    }
    Ok(())
}

fn write_csv_rows(batch: &RecordBatch, file: &mut File) -> anyhow::Result<()> {
    let options = FormatOptions::default();
    let columns = batch
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
        .collect::<Result<Vec<_>, ArrowError>>()?;
    for row in 0..batch.num_rows() {
        let fields: Vec<_> = columns.iter().map(|c| quoted(&c.value(row).to_string())).collect();
        writeln!(file, "{}", fields.join(","))?;
    }
    Ok(())
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// Batches that a function makes one after the other.
pub(crate) struct Generated<F> {
    schema: Arc<arrow_schema::Schema>,
    next: F,
}

impl<F: FnMut() -> Option<Result<RecordBatch, ArrowError>>> Generated<F> {
    pub(crate) fn new(schema: Arc<arrow_schema::Schema>, next: F) -> Self {
        Self { schema, next }
    }
}

impl<F: FnMut() -> Option<Result<RecordBatch, ArrowError>>> Iterator for Generated<F> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next)()
    }
}

impl<F: FnMut() -> Option<Result<RecordBatch, ArrowError>>> RecordBatchReader for Generated<F> {
    fn schema(&self) -> Arc<arrow_schema::Schema> {
        Arc::clone(&self.schema)
    }
}
