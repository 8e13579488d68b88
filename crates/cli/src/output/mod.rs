//! Results as bytes: one writer for each format, and the pump that feeds it.
//!
//! A writer turns each batch into bytes and keeps none, so that the memory stays flat; only a
//! table on a terminal keeps rows, and only those that it will show.

mod arrow;
mod csv;
mod json;
mod layout;
pub(crate) mod listing;
mod parquet;
mod partitioned;
mod sink;
mod table;
pub(crate) mod text;
mod upload;

use std::path::Path;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use futures::StreamExt;
use orbit_core::{BatchStream, Error, ErrorKind, QueryId, Summary, TallySnapshot};
use std::collections::BTreeMap;

pub(crate) use json::moved_json;
pub(crate) use partitioned::{Folder, pump_parts};
pub(crate) use sink::Sink;
pub(crate) use text::type_name;
pub(crate) use upload::Upload;

use crate::args::Format;
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// What is known once the last batch has come.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The query.
    pub(crate) query_id: Option<QueryId>,
    /// Rows written.
    pub(crate) rows: u64,
    /// What the stream said beside its rows.
    pub(crate) summary: Summary,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// What was moved, by datasource.
    pub(crate) sources: BTreeMap<String, TallySnapshot>,
}

/// Turns batches into bytes.
pub(crate) trait RowWriter {
    /// Begins.
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()>;
    /// One batch.
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;
    /// Ends well.
    fn finish(&mut self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<()>;
    /// Ends because of a failure; what is written must not pass for a whole result.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>);
}

/// How results are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// The format.
    pub(crate) format: Format,
    /// The machine's envelope around JSON rows.
    pub(crate) envelope: bool,
    /// How many rows a table shows on a terminal; none is all.
    pub(crate) rows_shown: Option<usize>,
}

impl Style {
    /// The style asked for; the file's ending tells the format where no option does.
    pub(crate) fn choose(
        format: Option<Format>,
        envelope: bool,
        output: Option<&Path>,
        rows_shown: Option<usize>,
    ) -> Result<Self> {
        let usage = |message: &str| Failure::Usage(message.to_owned());
        let named = output.and_then(Path::extension).and_then(|extension| extension.to_str());
        let named = named.and_then(Format::of_extension);
        let format = match (format, envelope, output) {
            (_, true, _) if named.is_some_and(|named| named != Format::Json) => {
                return Err(usage("--json writes JSON, but the output file is named otherwise"));
            }
            (_, true, _) => Format::Json,
            (Some(format), ..) => format,
            (None, false, Some(path)) if path != Path::new("-") => named.ok_or_else(|| {
                usage("the ending of the output file tells no format; add --format")
            })?,
            _ => Format::Table,
        };
        Ok(Self { format, envelope, rows_shown })
    }

    /// Formats in which a column is found by its name cannot hold two of one name.
    fn check_columns(&self, schema: &Schema) -> Result<()> {
        match self.format {
            Format::Json | Format::Ndjson | Format::Parquet => unique_columns(schema),
            Format::Table | Format::Csv | Format::Arrow => Ok(()),
        }
    }

    /// The writer for a sink.
    fn writer(&self, sink: &Sink) -> Box<dyn RowWriter> {
        match self.format {
            Format::Json if self.envelope => Box::new(json::Envelope::default()),
            Format::Json => Box::new(json::Rows::array()),
            Format::Ndjson => Box::new(json::Rows::lines()),
            Format::Csv => Box::new(csv::Csv::default()),
            Format::Arrow => Box::new(arrow::Ipc::new(sink.is_file())),
            Format::Parquet => Box::new(parquet::Parquet::default()),
            Format::Table => match sink.terminal_columns() {
                Some(columns) => Box::new(table::OnTerminal::new(columns, self.rows_shown)),
                None => Box::new(table::Streamed::default()),
            },
        }
    }
}

/// Writes a whole result; the sink shows it only once it is complete, where it can.
///
/// # Errors
/// Those of the stream; a value that the format cannot hold; an output that cannot be written.
pub(crate) async fn pump(
    mut stream: BatchStream,
    style: Style,
    mut sink: Sink,
    progress: &Progress,
) -> Result<Outcome> {
    if style.format.is_binary() && sink.is_terminal() {
        let message = "binary output would garble the terminal; add --output FILE";
        return Err(Failure::Usage(message.to_owned()));
    }
    let mut writer = style.writer(&sink);
    let mut bytes = Vec::new();
    style.check_columns(&stream.schema())?;
    let result = async {
        writer.begin(&stream.schema(), &mut bytes)?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            writer.batch(&batch, &mut bytes)?;
            progress.add_rows(batch.num_rows());
            sink.write(&mut bytes).await?;
        }
        let outcome = progress.outcome(stream.summary());
        writer.finish(&outcome, &mut bytes)?;
        Ok(outcome)
    };
    let outcome = result.await;
    progress.clear();
    match outcome {
        Ok(outcome) => {
            sink.write(&mut bytes).await?;
            sink.complete().await?;
            Ok(outcome)
        }
        Err(failure) => {
            writer.fail(&failure, &mut bytes);
            // The first failure is the one to tell.
            sink.write(&mut bytes).await.ok();
            sink.abandon().await;
            Err(failure)
        }
    }
}

fn unique_columns(schema: &Schema) -> Result<()> {
    let mut names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let message = format!("two columns of the result are named `{}`", pair[0]);
            let hint = "name one of them anew: SELECT a.id AS a_id, ...";
            Err(Error::new(ErrorKind::QueryInvalid, message).with_hint(hint).into())
        }
    }
}

/// Whether values of this type stand at the right, as numbers do.
fn is_right_aligned(data_type: &DataType) -> bool {
    data_type.is_numeric()
}
