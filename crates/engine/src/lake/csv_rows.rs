//! Where the rows of a CSV text end: a quoted value may hold line breaks.
//!
//! DataFusion cuts what has come at its last line break, also where a value holds it, and takes a
//! chunk of blank lines for one of rows without columns.

use std::mem;

use bytes::BytesMut;
use datafusion::common::config::CsvOptions;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::bounded::ROW_BYTES_MAX;
use super::text::{Text, too_long};
use crate::error::to_datafusion;

/// The text in chunks of whole rows, at least one in each; it ends in an error where a row is too
/// long.
pub(super) fn in_rows(text: Text, csv: &CsvOptions) -> Text {
    let state = (text.fuse(), Rows::of(csv), BytesMut::new());
    let whole = stream::try_unfold(state, |(mut text, mut rows, mut held)| async move {
        while let Some(chunk) = text.try_next().await? {
            let end = rows.last_end(&chunk);
            let (ended, begun) = chunk.split_at(end.unwrap_or(0));
            held.extend_from_slice(ended);
            let taken = end.map(|_| held.split().freeze());
            held.extend_from_slice(begun);
            if rows.place == Place::Row && !rows.has_row {
                held.clear();
            }
            if held.len() > ROW_BYTES_MAX {
                return Err(to_datafusion(too_long("row")));
            }
            if let Some(taken) = taken {
                return Ok(Some((taken, (text, rows, held))));
            }
        }
        let rest = held.split().freeze();
        Ok(mem::take(&mut rows.has_row).then_some((rest, (text, rows, held))))
    });
    whole.boxed()
}

/// What the next byte belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A row that has not begun.
    Row,
    /// A value that has not begun.
    Value,
    Plain,
    Quoted,
    /// A quoted value, where it means itself.
    Escaped,
    /// What follows a quote in a quoted value: it was the value's end, or the first of two.
    Quote,
    Comment,
}

/// Goes through a text byte by byte, as the decoder does.
struct Rows {
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    place: Place,
    /// Whether there is a row behind the last end: a blank line is none, nor is a comment.
    has_row: bool,
}

impl Rows {
    fn of(csv: &CsvOptions) -> Self {
        let CsvOptions { delimiter, quote, escape, comment, .. } = *csv;
        Self { delimiter, quote, escape, comment, place: Place::Row, has_row: false }
    }

    /// Goes through a chunk, and answers where the last row ends that ends in it.
    fn last_end(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut end = None;
        for (at, byte) in chunk.iter().enumerate() {
            self.place = self.after(*byte);
            self.has_row |= !matches!(self.place, Place::Row | Place::Comment);
            if *byte == b'\n' && self.place == Place::Row && mem::take(&mut self.has_row) {
                end = Some(at + 1);
            }
        }
        end
    }

    fn after(&self, byte: u8) -> Place {
        match self.place {
            Place::Comment if byte != b'\n' => Place::Comment,
            Place::Escaped => Place::Quoted,
            Place::Quoted if byte == self.quote => Place::Quote,
            Place::Quoted if self.escape == Some(byte) => Place::Escaped,
            Place::Quoted => Place::Quoted,
            Place::Quote if byte == self.quote => Place::Quoted,
            Place::Row if matches!(byte, b'\n' | b'\r') => Place::Row,
            Place::Row if self.comment == Some(byte) => Place::Comment,
            Place::Row | Place::Value if byte == self.quote => Place::Quoted,
            _ if byte == self.delimiter => Place::Value,
            _ if matches!(byte, b'\n' | b'\r') => Place::Row,
            _ => Place::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_where_no_value_holds_the_line_break() {
        let rows = [
            "a,b\n",
            "\"x\ny\",\"q\"\"\n\"\r\n",
            "1,5\" z\n",
            "#\"\n",
            "2,\"\\\"\n\"\n",
            "\n",
            "\"\",\"a\"b\n",
        ];
        let (text, last) = (rows.concat() + "\"3\n", "\"3\n".len());
        let ends = rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some((*end, row))
        });
        let of_rows = ends.filter(|(_, row)| !row.starts_with(['#', '\n']));
        let ends: Vec<_> = of_rows.map(|(end, _)| end).collect();
        assert_eq!(ends.last(), Some(&(text.len() - last)));
        for chunk_bytes in 1..=text.len() {
            let (escape, comment) = (Some(b'\\'), Some(b'#'));
            let (delimiter, quote) = (b',', b'"');
            let place = Place::Row;
            let mut reader = Rows { delimiter, quote, escape, comment, place, has_row: false };
            let mut start = 0;
            for chunk in text.as_bytes().chunks(chunk_bytes) {
                let place = start + 1..=start + chunk.len();
                let expected = ends.iter().rfind(|end| place.contains(*end)).map(|end| end - start);
                assert_eq!(reader.last_end(chunk), expected, "{chunk_bytes}: {start}");
                start += chunk.len();
            }
        }
    }
}
