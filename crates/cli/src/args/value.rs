//! Values of options: times, files of a datasource, parameters.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use orbit_engine::ParameterValue;

/// A time with its unit, such as `500ms`, `30s`, `5m` or `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis_of_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a number and its unit, such as 500ms, 30s, 5m or 1h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "the number is missing or too large")?;
    match number.checked_mul(millis_of_unit) {
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("the number is too large".to_owned()),
    }
}

/// A size with its unit, such as `64MiB` or `1GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bytes_of_unit: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("write a number and its unit, such as 128MiB or 1GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "the number is missing or too large")?;
    match number.checked_mul(bytes_of_unit) {
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("the number is too large".to_owned()),
    }
}

/// A moment with its zone, in microseconds since 1970 UTC.
pub(super) fn moment(text: &str) -> Result<i64, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.timestamp_micros())
        .map_err(|_| "write a moment with its zone, such as 2026-01-31T12:00:00Z".to_owned())
}

/// A setting by its path: `PATH=VALUE`.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    named(text).ok_or_else(|| "write PATH=VALUE, such as datasources.lake.path=data".to_owned())
}

/// A property of a Delta table: `NAME=VALUE`.
pub(super) fn property(text: &str) -> Result<(String, String), String> {
    named(text)
        .ok_or_else(|| "write NAME=VALUE, such as delta.enableChangeDataFeed=true".to_owned())
}

fn named(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

/// A file of a datasource: `NAME:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRef {
    /// The datasource.
    pub(crate) datasource: String,
    /// The key in it, without leading slashes.
    pub(crate) key: String,
}

impl FromStr for FileRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((name, _)) if name.is_empty() || name.contains('/') => {
                Err("the name of the datasource stands before the colon: NAME:PATH".to_owned())
            }
            Some((name, key)) => Ok(Self {
                datasource: name.to_owned(),
                key: key.strip_prefix('/').unwrap_or(key).to_owned(),
            }),
            None => Err("write NAME:PATH, where NAME is a datasource".to_owned()),
        }
    }
}

/// Where a result goes: a file of a datasource as `NAME:PATH`, one of this machine, or `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// A file of this machine; `-` is stdout.
    Local(PathBuf),
    /// A file of a datasource.
    Stored(FileRef),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((name, _)) if !is_local(name) => text.parse().map(Self::Stored),
            _ => Ok(Self::Local(PathBuf::from(text))),
        }
    }
}

/// Whether what stands before a colon begins a path of this machine; on Windows a drive has one
/// letter.
fn is_local(name: &str) -> bool {
    name.is_empty() || name.contains(['/', '\\']) || (cfg!(windows) && name.len() == 1)
}

impl Output {
    /// Its name, whose ending may tell a format.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Local(path) => path,
            Self::Stored(file) => Path::new(&file.key),
        }
    }
}

/// `NAME=VALUE` or `NAME:TYPE=VALUE`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameter {
    /// The name, without the dollar sign.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: ParameterValue,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        let (name, type_name) = match name.split_once(':') {
            Some((name, type_name)) => (name, Some(type_name)),
            None => (name, None),
        };
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) {
            return Err("a name has letters, digits and underscores only".to_owned());
        }
        let value = match type_name {
            None => inferred(value),
            Some(type_name) => typed(type_name, value)?,
        };
        Ok(Self { name: name.to_owned(), value })
    }
}

fn inferred(text: &str) -> ParameterValue {
    match text {
        "null" | "NULL" => return ParameterValue::Null,
        "true" | "TRUE" => return ParameterValue::Boolean(true),
        "false" | "FALSE" => return ParameterValue::Boolean(false),
        _ => {}
    }
    if let Some(quoted) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        return ParameterValue::Text(quoted.replace("''", "'"));
    }
    match number(text) {
        // A code such as 007 is a text: as a number it would lose its zeros.
        Some(value) if !has_leading_zero(text) => value,
        _ => ParameterValue::Text(text.to_owned()),
    }
}

fn typed(type_name: &str, text: &str) -> Result<ParameterValue, String> {
    let refused = || format!("the value is not of type {type_name}");
    match (type_name, text) {
        ("text", _) => Ok(ParameterValue::Text(text.to_owned())),
        ("integer" | "decimal" | "boolean", "null" | "NULL") => Ok(ParameterValue::Null),
        ("integer", _) => text.parse().map(ParameterValue::Integer).map_err(|_| refused()),
        ("decimal", _) => match number(text) {
            Some(_) => Ok(ParameterValue::Decimal(text.to_owned())),
            None => Err(refused()),
        },
        ("boolean", _) => {
            text.to_ascii_lowercase().parse().map(ParameterValue::Boolean).map_err(|_| refused())
        }
        _ => Err("the type is one of text, integer, decimal and boolean".to_owned()),
    }
}

/// A number in plain notation; one too large for an integer is a decimal.
fn number(text: &str) -> Option<ParameterValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !fraction.is_none_or(all_digits) {
        return None;
    }
    match (fraction, text.parse()) {
        (None, Ok(integer)) => Some(ParameterValue::Integer(integer)),
        _ => Some(ParameterValue::Decimal(text.to_owned())),
    }
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

/// How many rows a table shows on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowsShown(pub(crate) Option<usize>);

impl FromStr for RowsShown {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("all", _) => Ok(Self(None)),
            (_, Ok(0) | Err(_)) => Err("write a number above zero, or `all`".to_owned()),
            (_, Ok(rows)) => Ok(Self(Some(rows))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in
            ["", "5", "s", "0s", "5 s", "-1s", "99999999999999999999s", "9999999999999999h"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_and_properties_have_names() {
        assert_eq!(property("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for wrong in ["a", "=b"] {
            assert!(setting(wrong).is_err_and(|said| said.contains("PATH=VALUE")), "{wrong}");
            assert!(property(wrong).is_err_and(|said| said.contains("NAME=VALUE")), "{wrong}");
        }
    }

    #[test]
    fn files_are_named_by_their_datasource() {
        let file: FileRef = "lake:/a/b:c".parse().unwrap();
        assert_eq!((file.datasource.as_str(), file.key.as_str()), ("lake", "a/b:c"));
        for wrong in ["lake", ":a", "./a:b"] {
            assert!(wrong.parse::<FileRef>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_result_goes_to_a_datasource_where_a_name_stands_before_a_colon() {
        let stored = |text: &str| matches!(text.parse(), Ok(Output::Stored(_)));
        assert!(stored("lake:x.csv") && stored("lake:a/b.csv"));
        assert!(!stored("x.csv") && !stored("./a:b.csv") && !stored("-") && !stored(":x.csv"));
        assert_eq!(stored("m:x.csv"), !cfg!(windows), "a datasource may have one letter");
    }

    #[test]
    fn values_are_typed_by_their_look_or_by_name() {
        let value = |text: &str| text.parse::<Parameter>().map(|p| p.value);
        assert_eq!(value("a=null"), Ok(ParameterValue::Null));
        assert_eq!(value("a=-7"), Ok(ParameterValue::Integer(-7)));
        assert_eq!(value("a=10.50"), Ok(ParameterValue::Decimal("10.50".into())));
        let large = "9223372036854775808";
        assert_eq!(value(&format!("a={large}")), Ok(ParameterValue::Decimal(large.into())));
        for text in ["007", "1e3", "2026-01-31", "", "a=b", "+1", ".5", "5."] {
            assert_eq!(value(&format!("a={text}")), Ok(ParameterValue::Text(text.into())));
        }
        assert_eq!(value("a='it''s'"), Ok(ParameterValue::Text("it's".into())));
        assert_eq!(value("a:text=42"), Ok(ParameterValue::Text("42".into())));
        assert_eq!(value("a:decimal=42"), Ok(ParameterValue::Decimal("42".into())));
        for wrong in ["a", "=1", "a b=1", "a:integer=x", "a:boolean=1", "a:date=1"] {
            assert!(wrong.parse::<Parameter>().is_err(), "{wrong}");
        }
    }
}
