//! How wide the columns of a table are, and its lines.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// No column is cut below this width to make others fit.
const WIDTH_MIN: usize = 8;

/// A column of a table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// Its type; empty shows none.
    pub(super) type_name: String,
    /// Values stand at the right.
    pub(super) right: bool,
}

/// The columns that are shown and their widths; an index of none stands for those left out.
#[derive(Debug)]
pub(super) struct Layout {
    columns: Vec<Column>,
    shown: Vec<(Option<usize>, usize)>,
    cuts: bool,
}

impl Layout {
    /// The layout for these rows, no wider than `width_max`.
    pub(super) fn new<'a>(
        columns: Vec<Column>,
        rows: impl IntoIterator<Item = &'a Vec<String>>,
        width_max: Option<usize>,
    ) -> Self {
        let mut widths: Vec<usize> =
            columns.iter().map(|c| c.name.width().max(c.type_name.width())).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let shown = match width_max {
            Some(width_max) => fit(&widths, width_max),
            None => widths.iter().enumerate().map(|(i, &w)| (Some(i), w)).collect(),
        };
        Self { columns, shown, cuts: width_max.is_some() }
    }

    /// How many columns are shown.
    pub(super) fn columns_shown(&self) -> usize {
        self.shown.iter().filter(|(index, _)| index.is_some()).count()
    }

    /// How many columns are left out.
    pub(super) fn columns_hidden(&self) -> usize {
        self.columns.len() - self.columns_shown()
    }

    /// The lines above the rows.
    pub(super) fn head(&self, out: &mut String) {
        self.rule(["┌", "┬", "┐"], out);
        self.line(|_, column| (&column.name, Align::Center), out);
        if self.columns.iter().any(|column| !column.type_name.is_empty()) {
            self.line(|_, column| (&column.type_name, Align::Center), out);
        }
        self.rule(["├", "┼", "┤"], out);
    }

    /// A row; what does not fit its column is cut where the layout had to fit, else it moves
    /// the rest of the line.
    pub(super) fn row(&self, cells: &[String], out: &mut String) {
        let cell = |index: usize, column: &Column| {
            let align = if column.right { Align::Right } else { Align::Left };
            (cells.get(index).map_or("", String::as_str), align)
        };
        self.line(cell, out);
    }

    /// The row that stands for rows that are left out.
    pub(super) fn gap(&self, out: &mut String) {
        self.line(|_, _| ("·", Align::Center), out);
    }

    /// The line below the rows.
    pub(super) fn foot(&self, out: &mut String) {
        self.rule(["└", "┴", "┘"], out);
    }

    fn line<'a>(&'a self, cell: impl Fn(usize, &'a Column) -> (&'a str, Align), out: &mut String) {
        out.push('│');
        for &(index, width) in &self.shown {
            let (text, align) = match index.and_then(|i| Some((i, self.columns.get(i)?))) {
                Some((index, column)) => cell(index, column),
                None => ("…", Align::Left),
            };
            out.push(' ');
            if self.cuts && text.width() > width {
                out.push_str(&cut_at(text, width));
            } else {
                pad(text, width, align, out);
            }
            out.push_str(" │");
        }
        out.push('\n');
    }

    fn rule(&self, [left, middle, right]: [&str; 3], out: &mut String) {
        for (i, (_, width)) in self.shown.iter().enumerate() {
            out.push_str(if i == 0 { left } else { middle });
            out.push_str(&"─".repeat(width + 2));
        }
        out.push_str(right);
        out.push('\n');
    }
}

/// Where a text stands in its column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// Appends `text` in `width` columns of the terminal.
pub(super) fn pad(text: &str, width: usize, align: Align, out: &mut String) {
    let room = width.saturating_sub(text.width());
    let left = match align {
        Align::Left => 0,
        Align::Center => room / 2,
        Align::Right => room,
    };
    out.push_str(&" ".repeat(left));
    out.push_str(text);
    out.push_str(&" ".repeat(room - left));
}

/// As much of `text` as fits, with a mark that it was cut.
fn cut_at(text: &str, width: usize) -> String {
    let mut cut = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    let room = width.saturating_sub(cut.width());
    cut + &" ".repeat(room)
}

/// Makes columns narrower, the widest first, then leaves out those in the middle.
fn fit(widths: &[usize], width_max: usize) -> Vec<(Option<usize>, usize)> {
    let total = |widths: &[usize]| widths.iter().map(|w| w + 3).sum::<usize>() + 1;
    let mut narrowed = widths.to_vec();
    let mut excess = total(&narrowed).saturating_sub(width_max);
    while excess > 0 {
        let Some(widest) = narrowed.iter_mut().max() else { break };
        if *widest <= WIDTH_MIN {
            break;
        }
        *widest -= 1;
        excess -= 1;
    }
    if excess == 0 {
        return narrowed.into_iter().enumerate().map(|(i, w)| (Some(i), w)).collect();
    }
    leave_out_middle(&narrowed, width_max)
}

/// Takes columns from the left and the right in turn while they and the mark between fit.
fn leave_out_middle(widths: &[usize], width_max: usize) -> Vec<(Option<usize>, usize)> {
    let (mut left, mut right) = (0, widths.len());
    let mut room = width_max.saturating_sub(1 + 4);
    while left < right {
        let from_left = left <= widths.len() - right;
        let next = if from_left { left } else { right - 1 };
        let needed = widths[next] + 3;
        // One column is shown however narrow the terminal is.
        if needed > room && left > 0 {
            break;
        }
        room = room.saturating_sub(needed);
        if from_left {
            left += 1;
        } else {
            right -= 1;
        }
    }
    let shown = |range: std::ops::Range<usize>| range.map(|i| (Some(i), widths[i]));
    shown(0..left).chain([(None, 1)]).chain(shown(right..widths.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(widths: &[usize], width_max: usize) -> Vec<usize> {
        let columns = widths
            .iter()
            .map(|w| Column { name: "n".repeat(*w), type_name: String::new(), right: false })
            .collect();
        let rows: Vec<Vec<String>> = Vec::new();
        let layout = Layout::new(columns, &rows, Some(width_max));
        let mut text = String::new();
        layout.head(&mut text);
        text.lines().map(UnicodeWidthStr::width).collect()
    }

    #[test]
    fn tables_fit_the_terminal() {
        for widths in [vec![5, 5], vec![100, 3], vec![9; 40], vec![1; 60], vec![200; 3]] {
            assert!(lines(&widths, 80).iter().all(|w| *w <= 80), "{widths:?}");
        }
    }

    #[test]
    fn wide_characters_count_as_two() {
        assert_eq!(cut_at("日本語日本語", 7), "日本語…");
        let mut text = String::new();
        pad("日本", 6, Align::Right, &mut text);
        assert_eq!(text, "  日本");
    }
}
