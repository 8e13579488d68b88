//! Whether two engines gave the same answer, though they write numbers and ties differently.

use anyhow::{Result, ensure};

/// Numbers that differ by less than this part of themselves are the same.
const RELATIVE_TOLERANCE: f64 = 1e-9;

/// The rows of a CSV text, without its header.
#[derive(Debug)]
pub(super) struct Answer {
    rows: Vec<Vec<String>>,
}

impl Answer {
    /// # Errors
    /// When the text does not even have a header.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut rows = records(text);
        ensure!(!rows.is_empty(), "the answer is empty");
        rows.remove(0);
        Ok(Self { rows })
    }
}

/// How `other` differs from `right`; none when it does not. Rows that tie in the query's order
/// may change places.
pub(super) fn compare(right: &Answer, other: &Answer) -> Option<String> {
    if right.rows.len() != other.rows.len() {
        return Some(format!("{} rows, not {}", other.rows.len(), right.rows.len()));
    }
    let mut right = right.rows.clone();
    let mut other = other.rows.clone();
    if first_difference(&right, &other).is_some() {
        right.sort_by_key(|row| sort_key(row));
        other.sort_by_key(|row| sort_key(row));
    }
    let (a, b) = first_difference(&right, &other)?;
    Some(format!("`{}`, not `{}`", b.join(","), a.join(",")))
}

type Rows = [Vec<String>];

fn first_difference<'a>(right: &'a Rows, other: &'a Rows) -> Option<(&'a [String], &'a [String])> {
    let rows = right.iter().zip(other).find(|(a, b)| !same_row(a, b));
    rows.map(|(a, b)| (a.as_slice(), b.as_slice()))
}

fn same_row(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_field(a, b))
}

fn same_field(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) else { return false };
    (a - b).abs() <= RELATIVE_TOLERANCE * a.abs().max(b.abs())
}

/// Texts as they are, numbers cut to a few digits so that the tolerance does not reorder rows.
fn sort_key(row: &[String]) -> Vec<String> {
    let key = |field: &String| match field.parse::<f64>() {
        Ok(number) => format!("{number:.4e}"),
        Err(_) => field.clone(),
    };
    row.iter().map(key).collect()
}

/// Records of a CSV text: quotes, doubled quotes and line breaks inside quotes.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(right: &str, other: &str) -> Option<String> {
        compare(&Answer::parse(right).unwrap(), &Answer::parse(other).unwrap())
    }

    #[test]
    fn the_same_in_other_words() {
        assert_eq!(difference("a,b\n1.50,x\n", "A,B\n1.5,x\n"), None);
        assert_eq!(difference("a\n0.1\n", "a\n0.10000000001\n"), None);
        assert_eq!(difference("a\n\"x,\"\"y\"\"\nz\"\n", "a\n\"x,\"\"y\"\"\nz\"\n"), None);
        assert_eq!(difference("a,b\n1,x\n1,y\n", "a,b\n1,y\n1,x\n"), None);
    }

    #[test]
    fn what_differs() {
        assert_eq!(difference("a\n1\n2\n", "a\n1\n").unwrap(), "1 rows, not 2");
        assert_eq!(difference("a\n1.0001\n", "a\n1.0002\n").unwrap(), "`1.0002`, not `1.0001`");
        assert_eq!(difference("a\nx\n", "a\ny\n").unwrap(), "`y`, not `x`");
        assert_eq!(difference("a\n\n", "a\n0\n").unwrap(), "`0`, not ``");
    }

    #[test]
    fn nothing_at_all_is_no_answer() {
        assert!(Answer::parse("").is_err());
        assert_eq!(difference("a\n", "a\n"), None);
    }
}
