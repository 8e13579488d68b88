//! What a text may ask, counted over its tokens before anything recursive sees them, and its
//! joins before they are planned.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Select, Statement, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use orbit_core::{Error, ErrorKind, Result};

use crate::StatementLimits;

/// Refuses a text that is longer than the limit.
pub(crate) fn check_text(sql: &str, limits: &StatementLimits) -> Result<()> {
    within("bytes", sql.len(), limits.bytes_max, "bytes_max")
}

/// Refuses a number that runs into a word, which would be read as a value and its alias.
pub(crate) fn check_numbers(tokens: &[TokenWithSpan]) -> Result<()> {
    let joined = tokens.windows(2).find(|pair| {
        matches!((&pair[0].token, &pair[1].token), (Token::Number(..), Token::Word(_)))
    });
    match joined {
        None => Ok(()),
        Some(pair) => {
            let place = pair[0].span.start;
            let message = format!(
                "`{}{}` at line {}, column {} is no number",
                pair[0].token, pair[1].token, place.line, place.column
            );
            Err(Error::new(ErrorKind::QueryInvalid, message))
        }
    }
}

/// Refuses a statement with too many tokens or levels.
pub(crate) fn check_tokens(tokens: &[TokenWithSpan], limits: &StatementLimits) -> Result<()> {
    let meaningful = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_)));
    let (mut count, mut depth, mut deepest) = (0, 0_usize, 0);
    // A run of prefix operators (`NOT NOT NOT`, `- - -`) nests as parentheses do.
    let mut prefix_run = 0;
    for token in meaningful {
        count += 1;
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Word(word) => match word.keyword {
                Keyword::CASE => depth += 1,
                Keyword::END => depth = depth.saturating_sub(1),
                _ => {}
            },
            _ => {}
        }
        let is_prefix = match &token.token {
            Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark => true,
            Token::Word(word) => word.keyword == Keyword::NOT,
            _ => false,
        };
        prefix_run = if is_prefix { prefix_run + 1 } else { 0 };
        deepest = deepest.max(depth + prefix_run);
    }
    within("tokens", count, limits.tokens_max, "tokens_max")?;
    within("levels of nesting", deepest, limits.depth_max, "depth_max")
}

/// Refuses a statement with too many joins, those of commas among them.
pub(crate) fn check_joins(statement: &Statement, limits: &StatementLimits) -> Result<()> {
    let mut joins = Joins(0);
    let ControlFlow::Continue(()) = statement.visit(&mut joins);
    within("joins", joins.0, limits.joins_max, "joins_max")
}

/// Counts joins.
struct Joins(usize);

impl Visitor for Joins {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Infallible> {
        let joined: usize = select.from.iter().map(|from| from.joins.len()).sum();
        self.0 += joined + select.from.len().saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            self.0 += table_with_joins.joins.len();
        }
        ControlFlow::Continue(())
    }
}

fn within(what: &str, count: usize, max: usize, setting: &str) -> Result<()> {
    if count <= max {
        return Ok(());
    }
    let message = format!("the statement has {count} {what}, the limit is {max}");
    Err(Error::new(ErrorKind::ResourceExhausted, message)
        .with_hint(format!("split it, or raise `engine.limits.{setting}`")))
}
