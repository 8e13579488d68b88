//! What a statement does, seen before it is sent.
//!
//! The service has no transaction that only reads, so what is said to read must be seen to
//! read. Only statements whose every form is known to change nothing pass as such.

use orbit_core::{Effect, Error, ErrorKind, Result};

/// First words of statements that change nothing.
const READING: &[&str] =
    &["SELECT", "WITH", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "LIST", "LS", "VALUES"];
/// First words of statements that change tables and nothing of the session. Of others no word
/// tells: CREATE SCHEMA makes the new one current, CALL and EXECUTE may do anything.
const KEEPING: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY"];
/// First words of statements that change the session, which other queries share.
const OF_THE_SESSION: &[&str] =
    &["BEGIN", "START", "COMMIT", "ROLLBACK", "SET", "UNSET", "USE", "DECLARE"];
/// Words that stand for a change within a statement that otherwise reads: the next value of a
/// sequence is used up, and a result goes into a variable.
const CHANGING: &[&str] = &["NEXTVAL", "INTO"];
/// Functions of the system whose names begin so do things; these only tell.
const TELLING: &[&str] =
    &["SYSTEM$TYPEOF", "SYSTEM$CLUSTERING_INFORMATION", "SYSTEM$CLUSTERING_DEPTH"];

/// Requires that `text` is one statement, that it leaves the session alone, and that it reads
/// if `effect` says so.
///
/// # Errors
/// `Unsupported` for several statements and those of the session, `QueryInvalid` for one that
/// does not only read, or has none.
pub(crate) fn admit(text: &str, effect: Effect) -> Result<()> {
    match statements(text).as_slice() {
        [_, _, ..] => {
            let message = "several statements at once are not supported";
            let hint = "send one at a time, or set `multi_statement`";
            Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint))
        }
        statements => admit_each(statements, effect),
    }
}

/// Requires the same of each statement in `text`, and counts them.
///
/// # Errors
/// As of [`admit`], but for their number.
pub(crate) fn admit_script(text: &str, effect: Effect) -> Result<usize> {
    let statements = statements(text);
    admit_each(&statements, effect)?;
    Ok(statements.len())
}

/// Whether every statement in `text` is known to leave its session as it was.
pub(crate) fn keeps_session(text: &str) -> bool {
    statements(text).iter().all(|statement| match first_word(statement) {
        Some(first) if KEEPING.contains(&first) => !statement.contains(&Token::Flow),
        Some(first) => reads(first, statement).is_ok(),
        None => false,
    })
}

/// The tokens of each statement; one that has none is none.
fn statements(text: &str) -> Vec<Vec<Token>> {
    let tokens: Vec<_> = Tokens { text, at: 0, in_path: false }.collect();
    let statements = tokens.split(|token| *token == Token::Symbol(';'));
    statements.filter(|statement| !statement.is_empty()).map(<[Token]>::to_vec).collect()
}

fn admit_each(statements: &[Vec<Token>], effect: Effect) -> Result<()> {
    if statements.is_empty() {
        return Err(Error::new(ErrorKind::QueryInvalid, "there is no statement"));
    }
    statements.iter().try_for_each(|statement| admit_one(statement, effect))
}

/// The word that a statement begins with, behind its parentheses.
fn first_word(statement: &[Token]) -> Option<&str> {
    statement.iter().find(|token| **token != Token::Symbol('('))?.word()
}

fn admit_one(statement: &[Token], effect: Effect) -> Result<()> {
    if statement.contains(&Token::Unclear) {
        let message = "a comment may begin within the path of a stage";
        return Err(Error::new(ErrorKind::QueryInvalid, message)
            .with_hint("write the path in quotes, as in '@stage/a//b'"));
    }
    let Some(first) = first_word(statement) else {
        return Err(Error::new(ErrorKind::QueryInvalid, "there is no statement"));
    };
    let second = statement.get(1).and_then(Token::word);
    let alters_session = first == "ALTER" && second == Some("SESSION");
    if OF_THE_SESSION.contains(&first) || alters_session {
        let message = format!("{first} is not supported: each statement stands for itself");
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("use the settings of the datasource and names in full"));
    }
    if effect == Effect::Read { reads(first, statement) } else { Ok(()) }
}

fn reads(first: &str, statement: &[Token]) -> Result<()> {
    let refused = |what: &str| {
        let message = format!("{what} is not known to only read");
        Err(Error::new(ErrorKind::QueryInvalid, message)
            .with_hint("allow writes if it is meant to change something"))
    };
    if !READING.contains(&first) {
        return refused(&format!("a statement that begins with {first}"));
    }
    if statement.windows(3).any(is_procedure) {
        return refused("a procedure");
    }
    if names_by_text(statement) {
        return refused("a function that is named by a text");
    }
    for token in statement {
        match token {
            Token::Word(word) if CHANGING.contains(&word.as_str()) => return refused(word),
            Token::Word(word)
                if word.starts_with("SYSTEM$") && !TELLING.contains(&word.as_str()) =>
            {
                return refused(word);
            }
            Token::Quoted(word) if word.to_uppercase().starts_with("SYSTEM$") => {
                return refused(word);
            }
            // One statement's result flows into the next, which may be of any kind.
            Token::Flow => return refused("a chain of statements"),
            _ => {}
        }
    }
    Ok(())
}

/// `AS PROCEDURE (`, which WITH may define and call.
fn is_procedure(tokens: &[Token]) -> bool {
    tokens[0].word() == Some("AS")
        && tokens[1].word() == Some("PROCEDURE")
        && tokens[2] == Token::Symbol('(')
}

/// `IDENTIFIER(...)(`, whose name could be any function's.
fn names_by_text(statement: &[Token]) -> bool {
    let (mut before, mut open, mut named) = (None, Vec::new(), false);
    for token in statement {
        if *token == Token::Symbol('(') {
            if named {
                return true;
            }
            open.push(before.and_then(Token::word) == Some("IDENTIFIER"));
        }
        named = *token == Token::Symbol(')') && open.pop().unwrap_or(false);
        before = Some(token);
    }
    false
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// An unquoted word, in upper case.
    Word(String),
    /// A quoted name.
    Quoted(String),
    /// A text or a number.
    Value,
    /// `->>`
    Flow,
    /// What begins a comment elsewhere, in the path of a stage.
    Unclear,
    /// Any other character.
    Symbol(char),
}

impl Token {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// The tokens of a statement, as the service reads it: `--`, `//` and `/* */` are comments,
/// `\` escapes in a text, `$$` opens and closes one without escapes.
///
/// The vendor does not say whether a comment may begin in `@stage/a//b`, which has no quotes.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// It is in such a path.
    in_path: bool,
}

impl<'a> Tokens<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes to the end of `what` after here, or to the end of all.
    fn skip_past(&mut self, from: usize, what: &str) {
        let found = self.text.get(self.at + from..).and_then(|rest| rest.find(what));
        self.at = found.map_or(self.text.len(), |at| self.at + from + at + what.len());
    }

    /// Goes past what is quoted by `quote`, which is doubled inside, and answers what it held.
    fn quoted(&mut self, quote: char, escapes: bool) -> String {
        let mut held = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((_, c)) = characters.next() {
            if c == '\\' && escapes {
                characters.next();
            } else if c != quote {
                held.push(c);
            } else if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
                held.push(quote);
            } else {
                break;
            }
        }
        self.at = characters.next().map_or(self.text.len(), |(end, _)| self.at + end);
        held
    }

    fn word(&mut self) -> &'a str {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let rest = self.rest();
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            let comment = ["--", "//", "/*"].iter().any(|start| rest.starts_with(start));
            self.in_path &= !(first.is_whitespace() || matches!(first, ';' | '(' | ')' | ','));
            match first {
                _ if comment && self.in_path => {
                    self.at += 2;
                    return Some(Token::Unclear);
                }
                _ if rest.starts_with("--") || rest.starts_with("//") => self.skip_past(2, "\n"),
                _ if rest.starts_with("/*") => self.skip_past(2, "*/"),
                c if c.is_whitespace() => self.at += c.len_utf8(),
                _ if rest.starts_with("->>") => {
                    self.at += 3;
                    return Some(Token::Flow);
                }
                _ if rest.starts_with("$$") => {
                    self.skip_past(2, "$$");
                    return Some(Token::Value);
                }
                '\'' => {
                    self.quoted('\'', true);
                    return Some(Token::Value);
                }
                '"' => return Some(Token::Quoted(self.quoted('"', false))),
                c if c.is_alphabetic() || matches!(c, '_' | '$') => {
                    return Some(Token::Word(self.word().to_uppercase()));
                }
                c if c.is_ascii_digit() => {
                    self.word();
                    return Some(Token::Value);
                }
                c => {
                    self.at += c.len_utf8();
                    self.in_path |= c == '@';
                    return Some(Token::Symbol(c));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, effect: Effect) -> Option<ErrorKind> {
        admit(text, effect).err().map(|error| error.kind())
    }

    #[test]
    fn what_only_reads_passes() {
        for text in [
            "SELECT 1",
            "select 1;",
            "  -- a comment; DELETE\n SELECT 1 ;; ",
            "/* ; */ WITH a AS (SELECT ';') SELECT * FROM a",
            "(SELECT 1) UNION ALL (SELECT 2)",
            "SHOW TABLES",
            "DESCRIBE TABLE t",
            "EXPLAIN SELECT 1",
            "SELECT 'it''s; \\' ; ', $$ ; DELETE $$, \"a;b\"\"c\" FROM t // ; \n",
            "SELECT \"INTO\", \"nextval\" FROM t",
            "SELECT SYSTEM$TYPEOF(1)",
            "SELECT a.value -> 'x' FROM t",
            "WITH a AS (SELECT x AS procedure FROM t) SELECT procedure FROM a",
            "SELECT * FROM IDENTIFIER('t') AS t",
            "SELECT * FROM IDENTIFIER(:1) JOIN (SELECT 1)",
            "SELECT $1 FROM @db.s/a-b/c.csv (PATTERN => '.*//') -- a comment",
            "(SELECT $1 FROM @\"a//b\".s/c)-- a comment",
            "LIST @s/a/;// a comment",
            "LIST '@s/a//b'",
        ] {
            assert_eq!(judged(text, Effect::Read), None, "{text}");
        }
    }

    #[test]
    fn what_may_change_something_does_not() {
        for text in [
            "DELETE FROM t",
            "INSERT INTO t SELECT 1",
            "/* SELECT */ DROP TABLE t",
            "CALL p()",
            "EXECUTE IMMEDIATE 'SELECT 1'",
            "COPY INTO @s FROM t",
            "PUT file:///etc/passwd @s",
            "GET @s file:///tmp",
            "REMOVE @s",
            "GRANT ROLE a TO USER b",
            "SELECT s.NEXTVAL",
            "SELECT SYSTEM$CANCEL_QUERY('x')",
            "select system$abort_session(1)",
            "SELECT \"SYSTEM$CANCEL_QUERY\"('x')",
            "SHOW TABLES ->> DROP TABLE t",
            "SELECT 1 INTO :x",
            "WITH p AS PROCEDURE () RETURNS INT AS $$ BEGIN DROP TABLE t; END $$ CALL p()",
            "SELECT IDENTIFIER('SYSTEM$CANCEL_QUERY')('x')",
            "SELECT IDENTIFIER(:1)('x')",
            "SELECT IDENTIFIER(('SYSTEM$' || 'CANCEL_QUERY'))('x')",
            "LIST @s//a ->> DROP TABLE t",
            "LIST @\"s\"/a--b",
            "LIST @~/a/*b",
            "SELEKT 1",
            "",
            " ; ",
        ] {
            assert_eq!(judged(text, Effect::Read), Some(ErrorKind::QueryInvalid), "{text}");
        }
    }

    #[test]
    fn several_statements_and_those_of_the_session_are_refused_always() {
        for text in [
            "SELECT 1; SELECT 2",
            "SELECT 1; -- x\n DELETE FROM t",
            "SELECT 'a'; DROP TABLE t",
            "SELECT '\\'; DROP TABLE t; --'; DELETE FROM t",
            "BEGIN",
            "USE ROLE ACCOUNTADMIN",
            "alter session set TIMEZONE = 'X'",
            "SET x = 1",
            "COMMIT",
        ] {
            for effect in [Effect::Read, Effect::Write, Effect::Unknown] {
                assert_eq!(judged(text, effect), Some(ErrorKind::Unsupported), "{text}");
            }
        }
        assert_eq!(judged("ALTER TABLE t ADD c INT", Effect::Write), None);
    }

    #[test]
    fn what_may_change_the_session_is_told_apart() {
        for text in ["DELETE FROM t", "copy into t from @s", "SELECT 1; INSERT INTO t SELECT 2"] {
            assert!(keeps_session(text), "{text}");
        }
        for text in [
            "CREATE SCHEMA s",
            "CALL p()",
            "EXECUTE IMMEDIATE 'USE ROLE x'",
            "DELETE FROM t ->> CREATE SCHEMA s",
            "DELETE FROM t; CREATE DATABASE d",
        ] {
            assert!(!keeps_session(text), "{text}");
        }
    }
}
