//! Where the rows of a CSV text end: a quoted value may hold line breaks.
//!
//! DataFusion cuts what has come at its last line break, also where a value holds it, takes a chunk
//! of blank lines for one of rows without columns, and a column for text whose moments are of days
//! in one chunk and of seconds in the next.

use std::mem;

use bytes::BytesMut;
use datafusion::common::config::CsvOptions;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::bounded::ROW_BYTES_MAX;
use super::text::{Text, too_long};
use crate::error::to_datafusion;

/// Bytes of whole rows that are handed on, though more rows are wanted.
const GATHERED_BYTES_MIN: usize = 8 << 20;

/// The text in chunks of whole rows, the first of which holds `rows_max` and a line of names where
/// they are not very long: types are inferred of each chunk, and how the bytes come must not change
/// them. It ends in an error where a row is too long.
pub(super) fn in_rows(text: Text, csv: &CsvOptions, rows_max: usize) -> Text {
    let state = (text.fuse(), Rows::of(csv), BytesMut::new());
    let gathered = stream::try_unfold(state, move |(mut text, mut rows, mut held)| async move {
        let mut whole_bytes = 0;
        while let Some(chunk) = text.try_next().await? {
            let before = held.len();
            held.extend_from_slice(&chunk);
            if let Some(end) = rows.last_end(&chunk) {
                whole_bytes = before + end;
            }
            if rows.place == Place::Row && !rows.has_row {
                held.truncate(whole_bytes);
            }
            if held.len() - whole_bytes > ROW_BYTES_MAX {
                return Err(to_datafusion(too_long("row")));
            }
            let is_enough = whole_bytes >= GATHERED_BYTES_MIN || rows.ended > rows_max;
            if is_enough && whole_bytes > 0 {
                let whole = held.split_to(whole_bytes).freeze();
                return Ok(Some((whole, (text, rows, held))));
            }
        }
        let is_rest = mem::take(&mut rows.has_row) || whole_bytes > 0;
        let rest = held.split().freeze();
        Ok(is_rest.then_some((rest, (text, rows, held))))
    });
    gathered.boxed()
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
    /// Rows that have ended.
    ended: usize,
}

impl Rows {
    fn of(csv: &CsvOptions) -> Self {
        let CsvOptions { delimiter, quote, escape, comment, .. } = *csv;
        let (place, has_row, ended) = (Place::Row, false, 0);
        Self { delimiter, quote, escape, comment, place, has_row, ended }
    }

    /// Goes through a chunk, and answers where the last row ends that ends in it.
    fn last_end(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut end = None;
        for (at, byte) in chunk.iter().enumerate() {
            self.place = self.after(*byte);
            self.has_row |= !matches!(self.place, Place::Row | Place::Comment);
            if *byte == b'\n' && self.place == Place::Row && mem::take(&mut self.has_row) {
                end = Some(at + 1);
                self.ended += 1;
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
    use bytes::Bytes;

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
            let csv = CsvOptions { delimiter, quote, escape, comment, ..CsvOptions::default() };
            let mut reader = Rows::of(&csv);
            let mut start = 0;
            for chunk in text.as_bytes().chunks(chunk_bytes) {
                let place = start + 1..=start + chunk.len();
                let expected = ends.iter().rfind(|end| place.contains(*end)).map(|end| end - start);
                assert_eq!(reader.last_end(chunk), expected, "{chunk_bytes}: {start}");
                start += chunk.len();
            }
        }
    }

    #[tokio::test]
    async fn rows_that_are_wanted_come_at_once() {
        let text: String = (0..1000).map(|row| format!("{row},\"a\nb\"\n\n")).collect();
        for (rows_max, rows) in [(10_000, 1000), (1000, 1000), (99, 100)] {
            let pieces = text.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece)));
            let pieces: Vec<_> = pieces.collect();
            let mut gathered =
                in_rows(stream::iter(pieces).boxed(), &CsvOptions::default(), rows_max);
            let first = gathered.try_next().await.unwrap().unwrap();
            assert_eq!(first.iter().filter(|byte| **byte == b',').count(), rows, "{rows_max}");
        }
    }
}
