//! The files of a configuration: reading them within bounds, and showing a line of one with
//! every value masked.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use orbit_core::{KeyPath, Origin, Problem};
use serde::Serialize;

use crate::yaml::Mark;

/// Bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Characters of a line that is shown.
const LINE_CHARS_MAX: usize = 160;
/// Stands for a value.
const MASK: &str = "***";

/// The bytes of a file of at most `bytes_max`; the error says what is wrong, without the name.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        kind => kind.to_string(),
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    // A pipe or a device could keep the reader waiting for ever.
    if !metadata.is_file() {
        return Err(
            if metadata.is_dir() { "it is a folder" } else { "it is not a file" }.to_owned()
        );
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    Ok(bytes)
}

/// A file that was read, for as long as its problems are being told.
pub(crate) struct SourceFile {
    /// Its name, as it was given.
    pub(crate) name: Arc<str>,
    /// Its text.
    pub(crate) text: String,
    /// What stands where in the text.
    pub(crate) marks: Vec<Mark>,
}

impl SourceFile {
    /// Reads the file; `named_by` is who asked for it.
    pub(crate) fn read(path: &Path, named_by: &Origin) -> Result<Self, Box<Problem>> {
        let name: Arc<str> = path.to_string_lossy().into();
        let bytes = read_bounded(path, FILE_BYTES_MAX).map_err(|reason| {
            let message = format!("cannot read the configuration `{name}`: {reason}");
            Box::new(Problem::new(KeyPath::default(), named_by.clone(), message))
        })?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text, marks: Vec::new() }),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let (line, column) = position_after(&String::from_utf8_lossy(valid));
                let origin = Origin::File { file: name, line, column };
                let problem =
                    Problem::new(KeyPath::default(), origin, "the file is not UTF-8 text");
                Err(Box::new(problem.with_hint("save it as UTF-8")))
            }
        }
    }

    /// The line `line` without its values, and `column` in it.
    pub(crate) fn snippet(&self, line: usize, column: usize) -> Option<Snippet> {
        let bytes = line_range(&self.text, line)?;
        let start = self.text[bytes.clone()].char_indices().nth(column - 1);
        let wanted = start.map_or(bytes.end, |(at, _)| bytes.start + at);
        let (text, caret) = self.mask(bytes, wanted);
        let is_shown = !text.trim().is_empty() && text.chars().count() <= LINE_CHARS_MAX;
        is_shown.then_some(Snippet { line, text, caret })
    }

    /// The text of one line with [`MASK`] for each value, and where `wanted` went in it.
    fn mask(&self, line: Range<usize>, wanted: usize) -> (String, Range<usize>) {
        let mut out = String::new();
        let mut caret = None;
        let mut at = line.start;
        let here = |m: &&Mark| m.bytes.start < line.end && m.bytes.end > line.start;
        for mark in self.marks.iter().filter(here) {
            let stretch = mark.bytes.start.max(at)..mark.bytes.end.min(line.end);
            let between = &self.text[at..stretch.start.max(at)];
            let comment = show_structure(&mut out, between, at, wanted, &mut caret);
            if comment || stretch.is_empty() {
                continue;
            }
            let text = &self.text[stretch.clone()];
            // What could not be read begins with the separators before it.
            let separators: &[char] = if mark.is_name { &[] } else { &[' ', '\t', ':'] };
            let lead = text.len() - text.trim_start_matches(separators).len();
            show_structure(&mut out, &text[..lead], stretch.start, wanted, &mut caret);
            let mut from = out.chars().count();
            match text[lead..].trim_end() {
                "" => {}
                name if mark.is_name => out.push_str(name),
                _ if out.ends_with(MASK) => from -= MASK.len(),
                _ => out.push_str(MASK),
            }
            if (stretch.start + lead..stretch.end).contains(&wanted) {
                caret = Some(from..out.chars().count());
            }
            at = stretch.end;
        }
        show_structure(&mut out, &self.text[at..line.end], at, wanted, &mut caret);
        let text = out.trim_end().to_owned();
        let end = text.chars().count();
        let caret = caret.unwrap_or(end..end + 1);
        (text, caret.start..caret.end.max(caret.start + 1))
    }
}

/// Copies separators, and nothing else, of what stands between names and values; true once a
/// comment began.
fn show_structure(
    out: &mut String,
    between: &str,
    start: usize,
    wanted: usize,
    caret: &mut Option<Range<usize>>,
) -> bool {
    for (at, c) in between.char_indices() {
        if start + at == wanted {
            let here = out.chars().count();
            *caret = Some(here..here + 1);
        }
        match c {
            '#' => return true,
            '\t' => out.push(' '),
            ' ' | '-' | ':' | '{' | '}' | '[' | ']' | ',' | '?' => out.push(c),
            _ => {}
        }
    }
    false
}

/// The bytes of a line without its end; lines end as YAML says.
fn line_range(text: &str, line: usize) -> Option<Range<usize>> {
    let mut start = 0;
    for _ in 1..line {
        let end = start + text[start..].find(['\n', '\r'])?;
        start = end + if text[end..].starts_with("\r\n") { 2 } else { 1 };
    }
    let length = text[start..].find(['\n', '\r']).unwrap_or(text.len() - start);
    Some(start..start + length)
}

fn position_after(text: &str) -> (usize, usize) {
    let line = text.matches('\n').count() + 1;
    let last = text.rsplit('\n').next().unwrap_or_default();
    (line, last.chars().count() + 1)
}

/// A line of a file with every value masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// The number of the line, from one.
    pub line: usize,
    /// The line: names and separators as they stand, `***` for each value.
    pub text: String,
    /// The characters of `text` that the problem is about, from zero.
    #[serde(skip)]
    pub caret: Range<usize>,
}
