//! Parsing one statement.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use orbit_core::{Error, ErrorKind, Result};

use super::dialect::OrbitDialect;
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
    let tokens = check_size(sql, limits)?;
    limits::check_numbers(&tokens)?;
    let (mut tokens, versions) = versions::take_clauses(&tokens)?;
    drop_materialized(&mut tokens);
    let mut parser = Parser::new(&OrbitDialect)
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
        return Err(expected("statement", &next).with_hint("one statement at a time"));
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

/// The tokens of a text; refuses one beyond the limits.
///
/// # Errors
/// `QueryInvalid` for what is no SQL, `ResourceExhausted` beyond the limits.
pub(crate) fn check_size(sql: &str, limits: &StatementLimits) -> Result<Vec<TokenWithSpan>> {
    limits::check_text(sql, limits)?;
    let tokens = Tokenizer::new(&OrbitDialect, sql).tokenize_with_location();
    let tokens = tokens.map_err(|e| invalid(&ParserError::from(e)))?;
    limits::check_tokens(&tokens, limits)?;
    Ok(tokens)
}

/// Refuses an expression that a table format, which reads it by itself, would not read as it is
/// meant: it reads the general dialect, up to the end of the first expression.
///
/// # Errors
/// As for a statement.
pub(crate) fn check_expression(sql: &str, limits: &StatementLimits) -> Result<()> {
    let tokens = check_size(sql, limits)?;
    limits::check_numbers(&tokens)?;
    let read = |dialect: &dyn Dialect| {
        let mut parser = Parser::new(dialect)
            .with_recursion_limit(RECURSION_MAX)
            .with_tokens_with_locations(tokens.clone());
        let expression = parser.parse_expr().map_err(|e| invalid(&e))?;
        match parser.peek_token() {
            end if end.token == Token::EOF => Ok(expression),
            next => Err(expected("expression", &next)),
        }
    };
    let meant = read(&OrbitDialect)?;
    clauses::check_expression(&meant)?;
    if read(&GenericDialect).is_ok_and(|read| read == meant) {
        return Ok(());
    }
    let message = format!("`{sql}` can be read in two ways");
    Err(Error::new(ErrorKind::QueryInvalid, message)
        .with_hint("put what belongs together in parentheses"))
}

/// Something follows where a `what` was to end.
fn expected(what: &str, next: &TokenWithSpan) -> Error {
    let place = next.span.start;
    let message = format!(
        "expected the end of the {what} at line {}, column {}, found `{}`",
        place.line, place.column, next.token
    );
    Error::new(ErrorKind::QueryInvalid, message)
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
