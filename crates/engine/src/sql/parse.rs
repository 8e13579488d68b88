//! Parsing one statement.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use orbit_core::{Error, ErrorKind, Result};

use super::versions::{self, Versions};
use super::{clauses, limits};
use crate::StatementLimits;

/// Levels that the parser itself allows; the tokens were counted before.
const RECURSION_MAX: usize = 100_000;

/// A statement whose every clause has a meaning here.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    pub(crate) versions: Versions,
}

/// Parses exactly one statement. To be called on a big stack.
///
/// # Errors
/// `QueryInvalid` for what is no single statement, `ResourceExhausted` beyond the limits,
/// `Unsupported` for a clause that has no meaning here.
pub(crate) fn parse(sql: &str, limits: &StatementLimits) -> Result<Parsed> {
    limits::check_text(sql, limits)?;
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location();
    let tokens = tokens.map_err(|e| invalid(&ParserError::from(e)))?;
    limits::check_tokens(&tokens, limits)?;
    limits::check_numbers(&tokens)?;
    let (mut tokens, versions) = versions::take_clauses(&tokens)?;
    drop_materialized(&mut tokens);
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_MAX)
        .with_tokens_with_locations(tokens);
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token().token == Token::EOF {
        return Err(Error::new(ErrorKind::QueryInvalid, "the statement is empty"));
    }
    let statement = parser.parse_statement().map_err(|e| invalid(&e))?;
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let place = next.span.start;
        let message = format!(
            "expected the end of the statement at line {}, column {}, found `{}`",
            place.line, place.column, next.token
        );
        return Err(
            Error::new(ErrorKind::QueryInvalid, message).with_hint("one statement at a time")
        );
    }
    limits::check_joins(&statement, limits)?;
    clauses::check(&statement)?;
    Ok(Parsed { statement, versions })
}

/// Reads `WITH x AS [NOT] MATERIALIZED (` as `WITH x AS (`: how it runs changes no answer.
fn drop_materialized(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: &TokenWithSpan, keyword| matches!(&token.token, Token::Word(word) if word.keyword == keyword);
    let places =
        tokens.iter().enumerate().filter(|(_, t)| !matches!(t.token, Token::Whitespace(_)));
    let places: Vec<_> = places.map(|(index, _)| index).collect();
    let mut dropped = Vec::new();
    for window in places.windows(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| &tokens[window[at]]);
        if is(b, Keyword::AS) && is(c, Keyword::MATERIALIZED) && d.token == Token::LParen {
            dropped.push(window[2]);
        }
        let negated = is(a, Keyword::AS) && is(b, Keyword::NOT) && is(c, Keyword::MATERIALIZED);
        if negated && d.token == Token::LParen {
            dropped.extend([window[1], window[2]]);
        }
    }
    for index in dropped.into_iter().rev() {
        tokens.remove(index);
    }
}

/// Refuses an expression beyond the limits.
///
/// # Errors
/// `QueryInvalid` for what is no SQL, `ResourceExhausted` beyond the limits.
pub(crate) fn check_expression(sql: &str, limits: &StatementLimits) -> Result<()> {
    limits::check_text(sql, limits)?;
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    limits::check_tokens(&tokens.map_err(|e| invalid(&ParserError::from(e)))?, limits)
}

fn invalid(error: &ParserError) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text
            .replace("Expected: ", "expected ")
            .replace(" at Line: ", " at line ")
            .replace(", Column: ", ", column "),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
    };
    Error::new(ErrorKind::QueryInvalid, format!("not valid SQL: {text}"))
}
