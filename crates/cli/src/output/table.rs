//! Tables for people.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::layout::{Column, Layout};
use super::text::{Cells, count, counted, printable};
use super::{Outcome, RowWriter, is_right_aligned, type_name};
use crate::failure::{Failure, Result};

/// The widths of a streamed table are those of its first rows.
const LAYOUT_ROWS: usize = 1000;

type Row = Vec<String>;

fn columns(schema: &SchemaRef) -> Vec<Column> {
    let column = |field: &arrow_schema::FieldRef| Column {
        name: printable(field.name()),
        type_name: type_name(field.data_type()),
        right: is_right_aligned(field.data_type()),
    };
    schema.fields().iter().map(column).collect()
}

/// The rows of a batch as text.
fn rows(batch: &RecordBatch) -> Result<Vec<Row>> {
    let mut cells =
        batch.columns().iter().map(|array| Cells::new(array)).collect::<Result<Vec<_>>>()?;
    (0..batch.num_rows())
        .map(|row| cells.iter_mut().map(|column| column.get(row)).collect())
        .collect()
}

/// What stands below a table.
fn summary(outcome: &Outcome, rows_shown: u64, layout: &Layout) -> String {
    let mut text = match outcome.summary.rows_affected {
        Some(affected) => counted(affected, "row written", "rows written"),
        None => counted(outcome.rows, "row", "rows"),
    };
    if rows_shown < outcome.rows {
        text = format!("{text} ({} shown)", count(rows_shown));
    }
    if layout.columns_hidden() > 0 {
        let all = layout.columns_hidden() + layout.columns_shown();
        text = format!("{text}, {all} columns ({} shown)", layout.columns_shown());
    }
    text + "\n"
}

/// A table of any length, in bounded memory.
///
/// A value wider than those of the first rows moves what stands after it to the right, and is
/// never cut, except on a terminal.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    width_max: Option<usize>,
    columns: Vec<Column>,
    waiting: Vec<Row>,
    layout: Option<Layout>,
}

impl Streamed {
    /// Every row on a terminal of this width.
    fn on_terminal(width_max: usize) -> Self {
        Self { width_max: Some(width_max), ..Self::default() }
    }

    fn write_waiting(&mut self, out: &mut Vec<u8>) {
        let mut text = String::new();
        let layout = match &self.layout {
            Some(layout) => layout,
            None => {
                let columns = std::mem::take(&mut self.columns);
                let layout = Layout::new(columns, &self.waiting, self.width_max);
                if layout.columns_shown() > 0 {
                    layout.head(&mut text);
                }
                self.layout.insert(layout)
            }
        };
        for row in self.waiting.drain(..) {
            layout.row(&row, &mut text);
        }
        out.extend_from_slice(text.as_bytes());
    }
}

impl RowWriter for Streamed {
    fn begin(&mut self, schema: &SchemaRef, _out: &mut Vec<u8>) -> Result<()> {
        self.columns = columns(schema);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.waiting.extend(rows(batch)?);
        if self.layout.is_some() || self.waiting.len() >= LAYOUT_ROWS {
            self.write_waiting(out);
        }
        Ok(())
    }

    fn finish(&mut self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        self.write_waiting(out);
        let Some(layout) = &self.layout else { return Ok(()) };
        let mut text = String::new();
        if layout.columns_shown() > 0 {
            layout.foot(&mut text);
        }
        text += &summary(outcome, outcome.rows, layout);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// A table without its last line was cut.
    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {}
}

/// A table on a terminal: the first and the last rows of a long result.
pub(super) enum OnTerminal {
    /// Every row.
    All(Streamed),
    /// No more than so many.
    Cut(Ends),
}

impl OnTerminal {
    /// On a terminal of this width, with so many rows at most.
    pub(super) fn new(width_max: usize, rows_max: Option<usize>) -> Self {
        match rows_max {
            None => Self::All(Streamed::on_terminal(width_max)),
            Some(rows_max) => Self::Cut(Ends {
                width_max,
                rows_max,
                columns: Vec::new(),
                first: Vec::new(),
                last: VecDeque::new(),
            }),
        }
    }
}

impl RowWriter for OnTerminal {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::All(table) => table.begin(schema, out),
            Self::Cut(ends) => {
                ends.columns = columns(schema);
                Ok(())
            }
        }
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::All(table) => table.batch(batch, out),
            Self::Cut(ends) => ends.keep(batch),
        }
    }

    fn finish(&mut self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::All(table) => table.finish(outcome, out),
            Self::Cut(ends) => ends.write(outcome, out),
        }
    }

    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {}
}

/// The first and the last rows.
pub(super) struct Ends {
    width_max: usize,
    rows_max: usize,
    columns: Vec<Column>,
    first: Vec<Row>,
    last: VecDeque<RecordBatch>,
}

impl Ends {
    fn keep(&mut self, batch: &RecordBatch) -> Result<()> {
        let room = (self.rows_max - self.first.len()).min(batch.num_rows());
        self.first.extend(rows(&batch.slice(0, room))?);
        let kept = batch.num_rows().min(self.rows_max);
        self.last.push_back(batch.slice(batch.num_rows() - kept, kept));
        let mut rows_kept: usize = self.last.iter().map(RecordBatch::num_rows).sum();
        while let Some(oldest) = self.last.front() {
            if rows_kept - oldest.num_rows() < self.rows_max {
                break;
            }
            rows_kept -= oldest.num_rows();
            self.last.pop_front();
        }
        Ok(())
    }

    fn write(&mut self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<()> {
        let mut first = std::mem::take(&mut self.first);
        let mut last = Vec::new();
        if outcome.rows > first.len() as u64 {
            first.truncate(self.rows_max.div_ceil(2));
            for batch in self.last.drain(..) {
                last.extend(rows(&batch)?);
            }
            last.drain(..last.len() - (self.rows_max - first.len()));
        }
        let columns = std::mem::take(&mut self.columns);
        let layout = Layout::new(columns, first.iter().chain(&last), Some(self.width_max));
        let rows_shown = (first.len() + last.len()) as u64;
        let mut text = String::new();
        if layout.columns_shown() > 0 {
            layout.head(&mut text);
            first.iter().for_each(|row| layout.row(row, &mut text));
            if rows_shown < outcome.rows {
                (0..3).for_each(|_| layout.gap(&mut text));
            }
            last.iter().for_each(|row| layout.row(row, &mut text));
            layout.foot(&mut text);
        }
        text += &summary(outcome, rows_shown, &layout);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
