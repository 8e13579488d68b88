//! A statement looked at before it is sent: that it is one, how it begins, where its parameters
//! are. Literals, quoted names and comments are skipped as the server skips them.

use std::ops::Range;

use arrow_array::RecordBatch;
use orbit_core::{Error, ErrorKind, Result};

/// How a server reads the characters of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Lexing {
    /// A backslash escapes in a plain literal too, not only in `E'...'`.
    pub backslash_escapes: bool,
    /// Bytes at most.
    pub bytes_max: usize,
}

/// What a piece of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A bare word: a keyword or an unquoted name.
    Word,
    /// `$1` and its like.
    Parameter(usize),
    /// Anything else that is not white space or a comment.
    Other,
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// One statement that was looked at.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::QueryInvalid, message)
}

impl<'a> Statement<'a> {
    /// Looks at `text`, which must be one statement; a semicolon may end it.
    ///
    /// # Errors
    /// `QueryInvalid` for no statement, several, a literal or comment without an end, a NUL
    /// character or too many bytes.
    pub fn scan(text: &'a str, lexing: Lexing) -> Result<Self> {
        if text.len() > lexing.bytes_max {
            let message = format!("the statement has more than {} bytes", lexing.bytes_max);
            return Err(invalid(message));
        }
        if text.contains('\0') {
            return Err(invalid("the statement holds a NUL character"));
        }
        let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0, lexing };
        let (mut tokens, mut end) = (Vec::new(), None);
        while let Some(token) = scanner.next_token()? {
            if end.is_some() {
                return Err(invalid("the text holds more than one statement")
                    .with_hint("send each by itself"));
            }
            if &text[token.at.clone()] == ";" {
                end = Some(token.at.start);
            } else {
                tokens.push(token);
            }
        }
        if tokens.is_empty() {
            return Err(invalid("the text holds no statement"));
        }
        Ok(Self { text: &text[..end.unwrap_or(text.len())], tokens })
    }

    /// The text without its semicolon.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Its bare words in upper case, in order.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        let words = self.tokens.iter().filter(|token| token.kind == TokenKind::Word);
        words.map(|token| self.text[token.at.clone()].to_ascii_uppercase())
    }

    /// The word that it begins with, in upper case, parentheses left out.
    pub fn keyword(&self) -> String {
        let is_open = |token: &&Token| &self.text[token.at.clone()] == "(";
        match self.tokens.iter().find(|token| !is_open(token)) {
            Some(token) => self.text[token.at.clone()].to_ascii_uppercase(),
            None => String::new(),
        }
    }

    /// The statement with literals in the place of its parameters, each by its number in the
    /// columns of the one row of `values`.
    ///
    /// # Errors
    /// `QueryInvalid` when parameters and values are not as many; those of `literal`.
    pub fn bind(
        &self,
        values: Option<&RecordBatch>,
        literal: impl Fn(&RecordBatch, usize) -> Result<String>,
    ) -> Result<String> {
        let given = values.map_or(0, RecordBatch::num_columns);
        if let Some(values) = values
            && values.num_rows() != 1
        {
            return Err(invalid(format!("parameters are one row, not {}", values.num_rows())));
        }
        let (mut out, mut copied, mut used) = (String::new(), 0, vec![false; given]);
        for token in &self.tokens {
            let TokenKind::Parameter(number) = token.kind else { continue };
            let index = number.checked_sub(1).filter(|index| *index < given);
            let (Some(index), Some(values)) = (index, values) else {
                return Err(invalid(format!("parameter ${number} has no value"))
                    .with_hint(format!("{given} values were given")));
            };
            used[index] = true;
            out.push_str(&self.text[copied..token.at.start]);
            out.push_str(&format!(" {} ", literal(values, index)?));
            copied = token.at.end;
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            return Err(invalid(format!("the statement has no parameter ${}", unused + 1)));
        }
        out.push_str(&self.text[copied..]);
        Ok(out)
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    lexing: Lexing,
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn next_token(&mut self) -> Result<Option<Token>> {
        self.skip_blank()?;
        let start = self.at;
        let Some(first) = self.peek(0) else { return Ok(None) };
        let kind = match first {
            b'\'' => self.literal(self.lexing.backslash_escapes)?,
            b'"' => self.quoted(b'"', false, "a quoted name")?,
            b'e' | b'E' if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                self.literal(true)?
            }
            b'$' => self.dollar()?,
            b if starts_word(b) => {
                self.skip_while(in_word);
                TokenKind::Word
            }
            b if b.is_ascii_digit() => {
                self.skip_while(|b| b.is_ascii_digit() || b == b'.');
                TokenKind::Other
            }
            _ => {
                self.at += 1;
                TokenKind::Other
            }
        };
        Ok(Some(Token { kind, at: start..self.at }))
    }

    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&holds) {
            self.at += 1;
        }
    }

    fn skip_blank(&mut self) -> Result<()> {
        loop {
            self.skip_while(|b| b.is_ascii_whitespace() || b == 0x0b);
            match (self.peek(0), self.peek(1)) {
                (Some(b'-'), Some(b'-')) => self.skip_while(|b| b != b'\n' && b != b'\r'),
                (Some(b'/'), Some(b'*')) => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// Comments nest, as the standard and PostgreSQL have it.
    fn comment(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(invalid("a comment has no end")),
            }
        }
    }

    fn literal(&mut self, backslash_escapes: bool) -> Result<TokenKind> {
        self.quoted(b'\'', backslash_escapes, "a literal")
    }

    fn quoted(&mut self, quote: u8, escapes: bool, what: &str) -> Result<TokenKind> {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if escapes => self.at += 2,
                b if b == quote && self.peek(1) == Some(quote) => self.at += 2,
                b if b == quote => {
                    self.at += 1;
                    return Ok(TokenKind::Other);
                }
                _ => self.at += 1,
            }
        }
        Err(invalid(format!("{what} has no end")))
    }

    /// `$1`, or a literal such as `$tag$...$tag$`.
    fn dollar(&mut self) -> Result<TokenKind> {
        let rest = &self.text[self.at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            self.at += 1 + digits;
            let number = rest[..digits].parse().map_err(|_| invalid("a parameter's number"))?;
            return Ok(TokenKind::Parameter(number));
        }
        let tag = rest.bytes().take_while(|b| in_word(*b) && *b != b'$').count();
        if rest.as_bytes().get(tag) != Some(&b'$') {
            self.at += 1;
            return Ok(TokenKind::Other);
        }
        let delimiter = &self.text[self.at..self.at + tag + 2];
        let body = self.at + delimiter.len();
        let end = self.text[body..].find(delimiter);
        let end = end.ok_or_else(|| invalid("a dollar-quoted literal has no end"))?;
        self.at = body + end + delimiter.len();
        Ok(TokenKind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Statement<'_>> {
        Statement::scan(text, Lexing { backslash_escapes: false, bytes_max: 1000 })
    }

    #[test]
    fn one_statement_and_no_more() {
        for one in [
            "SELECT 1",
            "SELECT 1;",
            "SELECT ';' ; -- a comment; and more",
            "SELECT \"a;b\" /* ; /* ; */ ; */",
            "SELECT $$a;b$$, $t$;$$;$t$",
            "SELECT E'\\';', 'a\\'",
            "SELECT 'it''s;'",
            "SELECT a$b;",
        ] {
            assert!(scan(one).is_ok(), "{one}");
        }
        for more in [
            "SELECT 1; SELECT 2",
            "SELECT 1;;",
            "SELECT 'a\\'; DROP TABLE t; --'",
            "SELECT $$a$$; SELECT 1",
            "SELECT $1;$1",
            "SELECT a$$;$$ ",
            "SELECT 1 --\r; SELECT 2",
            "/* */ SELECT 1 /**/; /* */ SELECT 2",
        ] {
            let error = scan(more).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::QueryInvalid, "{more}");
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        for open in ["SELECT 'a", "SELECT \"a", "SELECT $$a", "SELECT /* a", "", ";", "SELECT\0"] {
            assert!(scan(open).is_err(), "{open}");
        }
    }

    #[test]
    fn a_backslash_is_read_as_the_server_reads_it() {
        let text = "SELECT 'a\\'; SELECT 'b'";
        assert!(scan(text).is_err());
        let old = Statement::scan(text, Lexing { backslash_escapes: true, bytes_max: 1000 });
        assert!(old.is_err(), "the last literal has no end then");
        let text = "SELECT 'a\\'' ; '";
        assert!(Statement::scan(text, Lexing { backslash_escapes: true, bytes_max: 99 }).is_err());
    }

    #[test]
    fn parameters_stand_outside_of_literals() {
        let text = "SELECT '$1', \"$1\", $$ $1 $$, a$1, $1, $2 -- $3";
        let kinds = scan(text).unwrap().tokens;
        let numbers: Vec<_> = kinds
            .iter()
            .filter_map(|t| match t.kind {
                TokenKind::Parameter(n) => Some(n),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn the_keyword_is_found_behind_parentheses_and_comments() {
        assert_eq!(scan("/* x */ ((select 1))").unwrap().keyword(), "SELECT");
        assert_eq!(scan("-- y\ncopy t from 's3://b'").unwrap().keyword(), "COPY");
    }
}
