//! Names as people write them: found without regard to case where that is unambiguous.

use orbit_core::{Error, ErrorKind, Result};

/// One part of a name as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePart {
    /// The text, without quotes.
    pub(crate) text: String,
    /// It was quoted, so its case counts.
    pub(crate) quoted: bool,
}

impl NamePart {
    /// The text that must be matched exactly.
    pub(crate) fn exact(text: impl Into<String>) -> Self {
        Self { text: text.into(), quoted: true }
    }
}

/// The candidate that `wanted` names: the exact one, else the only one that differs by case.
///
/// # Errors
/// `QueryInvalid` when several differ by case alone.
pub(crate) fn pick<'a>(
    wanted: &NamePart,
    candidates: impl Iterator<Item = &'a str>,
) -> Result<Option<&'a str>> {
    let mut near: Option<&str> = None;
    let mut ambiguous = None;
    for candidate in candidates {
        if candidate == wanted.text {
            return Ok(Some(candidate));
        }
        if !wanted.quoted && candidate.to_lowercase() == wanted.text.to_lowercase() {
            match near {
                Some(first) if first != candidate => ambiguous = Some((first, candidate)),
                _ => near = Some(candidate),
            }
        }
    }
    match ambiguous {
        None => Ok(near),
        Some((a, b)) => {
            let message = format!("`{}` could be `{a}` or `{b}`", wanted.text);
            Err(Error::new(ErrorKind::QueryInvalid, message)
                .with_hint(format!("quote the one that is meant, such as \"{a}\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unquoted(text: &str) -> NamePart {
        NamePart { text: text.into(), quoted: false }
    }

    #[test]
    fn case_counts_only_when_it_must() {
        assert_eq!(pick(&unquoted("orders"), ["Orders"].into_iter()).unwrap(), Some("Orders"));
        assert_eq!(pick(&NamePart::exact("orders"), ["Orders"].into_iter()).unwrap(), None);
        let both = ["Orders", "orders"];
        assert_eq!(pick(&unquoted("orders"), both.into_iter()).unwrap(), Some("orders"));
        assert!(pick(&unquoted("ORDERS"), both.into_iter()).is_err());
    }
}
