//! Where a statement ends: at a `;` that is in no text, name or comment.

/// Finds the end of a statement in text that comes line by line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum State {
    #[default]
    Plain,
    /// In a text or a quoted name, ended by this character.
    Quoted(char),
    LineComment,
    /// Comments nest.
    BlockComment(usize),
    /// In a text between two of these marks, such as `$$`.
    Dollar(String),
}

/// The statements that are complete, and the rest that is not.
pub(super) fn split(text: &str) -> (Vec<&str>, &str) {
    let mut state = State::Plain;
    let mut complete = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if state == State::Plain && c == ';' {
            complete.push(text[start..at].trim());
            start = at + 1;
        }
        let (next, length) = step(state, &text[at..], c);
        state = next;
        at += length;
    }
    complete.retain(|statement| !statement.is_empty());
    let rest = &text[start..];
    (complete, if state == State::LineComment || !rest.trim().is_empty() { rest } else { "" })
}

/// The state after the token at the beginning of `rest`, and the length of that token.
fn step(state: State, rest: &str, c: char) -> (State, usize) {
    let one = c.len_utf8();
    match state {
        State::Plain => match c {
            '\'' | '"' | '`' => (State::Quoted(c), one),
            _ if rest.starts_with("--") => (State::LineComment, 2),
            _ if rest.starts_with("/*") => (State::BlockComment(1), 2),
            '$' => match dollar_mark(rest) {
                Some(mark) => (State::Dollar(mark.to_owned()), mark.len()),
                None => (State::Plain, one),
            },
            _ => (State::Plain, one),
        },
        // A doubled quote leaves the text and enters it again.
        State::Quoted(end) if c == end => (State::Plain, one),
        State::LineComment if c == '\n' => (State::Plain, one),
        State::BlockComment(1) if rest.starts_with("*/") => (State::Plain, 2),
        State::BlockComment(depth) if rest.starts_with("*/") => (State::BlockComment(depth - 1), 2),
        State::BlockComment(depth) if rest.starts_with("/*") => (State::BlockComment(depth + 1), 2),
        State::Dollar(mark) if rest.starts_with(&mark) => {
            let length = mark.len();
            (State::Plain, length)
        }
        inside => (inside, one),
    }
}

/// `$$` or `$name$` at the beginning; `$1` and `$name` are parameters.
fn dollar_mark(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 2;
    let name = &rest[1..end - 1];
    let word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (word && !name.starts_with(|c: char| c.is_ascii_digit())).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn statements_end_at_their_semicolon() {
        let check = |text, complete: &[&str], rest| {
            assert_eq!(split(text), (complete.to_vec(), rest), "{text}");
        };
        check("select 1;", &["select 1"], "");
        check("select 1; select 2;\n", &["select 1", "select 2"], "");
        check("select 1", &[], "select 1");
        check(";;", &[], "");
        check("select ';'", &[], "select ';'");
        check("select 'it''s;';", &["select 'it''s;'"], "");
        check("select \"a;b\";", &["select \"a;b\""], "");
        check("select 1 -- a;\n;", &["select 1 -- a;"], "");
        check("select /* ; /* ; */ ; */ 1;", &["select /* ; /* ; */ ; */ 1"], "");
        check("select $$a;b$$;", &["select $$a;b$$"], "");
        check("select $x$a;$y$;$x$;", &["select $x$a;$y$;$x$"], "");
        check("select $a, $b;", &["select $a, $b"], "");
    }
}
