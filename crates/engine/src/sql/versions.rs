//! Time travel in SQL: `VERSION AS OF 3`, `TIMESTAMP AS OF '2026-01-31'`, `"orders@v3"`.
//!
//! The clauses are taken out of the tokens before they are parsed, because the dialects that
//! parse them read other things differently; what was taken is found again by the place of the
//! table's name, and one that follows no table is an error.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use orbit_core::{Error, ErrorKind, Result, Version};

/// The versions asked for, by where the last part of the table's name begins.
#[derive(Debug, Default)]
pub(crate) struct Versions(HashMap<(u64, u64), Version>);

impl Versions {
    /// Takes the version of the table whose name's last part begins at `place`.
    pub(crate) fn take(&mut self, place: Location) -> Option<Version> {
        self.0.remove(&(place.line, place.column))
    }

    /// Refuses what is left: it did not follow a table.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.0.keys().min() {
            None => Ok(()),
            Some((line, column)) => {
                let message =
                    format!("AS OF at line {line}, column {column} does not follow a table's name");
                Err(Error::new(ErrorKind::QueryInvalid, message))
            }
        }
    }
}

/// Takes the clauses out of `tokens`.
pub(crate) fn take_clauses(tokens: &[TokenWithSpan]) -> Result<(Vec<TokenWithSpan>, Versions)> {
    let mut versions = Versions::default();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let Some((value, used)) = clause(rest) else {
            kept.push(first.clone());
            rest = &rest[1..];
            continue;
        };
        let name = kept.iter_mut().rev().find(|t| !is_space(t));
        let Some(name) = name.filter(|t| is_name(t)) else {
            kept.push(first.clone());
            rest = &rest[1..];
            continue;
        };
        if let Token::SingleQuotedString(path) = &name.token {
            // The parser forgets where a text in place of a table stands, and not a word's place.
            name.token = Token::make_word(path, Some('\''));
        }
        let place = name.span.start;
        if versions.0.insert((place.line, place.column), value?).is_some() {
            return Err(unclear("a table has one AS OF"));
        }
        rest = &rest[used..];
    }
    Ok((kept, versions))
}

/// The version that `tokens` begin with, and how many tokens it takes.
fn clause(tokens: &[TokenWithSpan]) -> Option<(Result<Version>, usize)> {
    let mut words = tokens.iter().enumerate().filter(|(_, t)| !is_space(t));
    let mut word = || match words.next() {
        Some((_, TokenWithSpan { token: Token::Word(w), .. })) if w.quote_style.is_none() => {
            Some(w.value.to_ascii_uppercase())
        }
        _ => None,
    };
    let first = word()?;
    let by_number = match first.as_str() {
        "VERSION" => true,
        "TIMESTAMP" => false,
        "FOR" => match word()?.as_str() {
            "VERSION" => true,
            "TIMESTAMP" | "SYSTEM_TIME" => false,
            _ => return None,
        },
        _ => return None,
    };
    if word()? != "AS" || word()? != "OF" {
        return None;
    }
    let (index, value) = words.next()?;
    let version = match &value.token {
        Token::Number(number, _) if by_number => parse_number(number),
        Token::SingleQuotedString(text) if !by_number => parse_timestamp(text),
        // `TIMESTAMP AS OF TIMESTAMP '...'`, as some write it.
        Token::Word(_) if !by_number => match words.next()? {
            (index, TokenWithSpan { token: Token::SingleQuotedString(text), .. }) => {
                return Some((parse_timestamp(text), index + 1));
            }
            _ => Err(unclear("AS OF takes a literal")),
        },
        _ => Err(unclear("VERSION AS OF takes a number, TIMESTAMP AS OF a quoted time")),
    };
    Some((version, index + 1))
}

/// The table's name and version of `orders@v3` or `orders@2026-01-31`.
pub(crate) fn split_suffix(name: &str) -> Option<(&str, Result<Version>)> {
    let (table, suffix) = name.rsplit_once('@')?;
    let version = match suffix.strip_prefix(['v', 'V']) {
        Some(number) => parse_number(number),
        None => parse_timestamp(suffix),
    };
    (!table.is_empty()).then_some((table, version))
}

fn parse_number(text: &str) -> Result<Version> {
    text.parse().map(Version::Number).map_err(|_| unclear("a version is a whole number"))
}

fn parse_timestamp(text: &str) -> Result<Version> {
    let text = text.trim();
    let with_zone = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)).map(|t| t.to_utc());
    let without = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || text.parse::<NaiveDate>().ok().and_then(|d| d.and_hms_opt(0, 0, 0));
    let time = with_zone.ok().or_else(|| without.or_else(day).map(|t| t.and_utc()));
    time.map(|t| Version::Timestamp(t.timestamp_micros()))
        .ok_or_else(|| unclear("a time is written as 2026-01-31 or 2026-01-31T12:00:00Z"))
}

fn unclear(message: &'static str) -> Error {
    Error::new(ErrorKind::QueryInvalid, message)
}

fn is_name(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Word(_) | Token::SingleQuotedString(_))
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_name_versions() {
        let split = |name| split_suffix(name).map(|(t, v)| (t, v.ok()));
        assert_eq!(split("orders@v3"), Some(("orders", Some(Version::Number(3)))));
        let day = Version::Timestamp(1_769_817_600_000_000);
        assert_eq!(split("a@b@2026-01-31"), Some(("a@b", Some(day))));
        assert_eq!(split("orders@2026-01-31T00:00:00+00:00"), Some(("orders", Some(day))));
        assert_eq!(split("orders@latest"), Some(("orders", None)));
        assert_eq!(split("orders"), None);
    }
}
