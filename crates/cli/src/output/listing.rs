//! Lists of things: aligned columns for people, one JSON document for machines.

use anstream::stdout;
use std::io::Write as _;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::layout::{Align, pad};
use super::text::printable;
use crate::failure::{Failure, Result};

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heading {
    /// What stands above it.
    pub(crate) title: &'static str,
    /// Values stand at the right.
    pub(crate) right: bool,
}

/// A column of texts.
pub(crate) const fn text(title: &'static str) -> Heading {
    Heading { title, right: false }
}

/// A column of numbers.
pub(crate) const fn number(title: &'static str) -> Heading {
    Heading { title, right: true }
}

/// Prints aligned columns.
pub(crate) fn print_table(headings: &[Heading], rows: &[Vec<String>]) -> Result<()> {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let mut widths: Vec<usize> = headings.iter().map(|h| h.title.width()).collect();
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |row: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for ((cell, heading), width) in row.zip(headings).zip(&widths) {
            if !text.is_empty() {
                text.push_str("  ");
            }
            pad(cell, *width, if heading.right { Align::Right } else { Align::Left }, &mut text);
        }
        text.trim_end().to_owned()
    };
    let mut text = format!("\x1b[1m{}\x1b[0m\n", line(&mut headings.iter().map(|h| h.title)));
    for row in &cells {
        text = text + &line(&mut row.iter().map(String::as_str)) + "\n";
    }
    print_text(&text)
}

/// Prints a JSON document.
pub(crate) fn print_json(value: &Value) -> Result<()> {
    print_text(&format!("{value:#}\n"))
}

/// Prints text; its colours are dropped where there are none.
pub(crate) fn print_text(text: &str) -> Result<()> {
    stdout().write_all(text.as_bytes()).map_err(Failure::output)
}
