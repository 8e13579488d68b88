//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `${file:PATH}` in values.
//!
//! Only a scalar of the parsed tree is expanded: never a name, a comment or the text of the
//! file, so no variable can add a setting. What was put in is not expanded again, so nothing
//! goes round in a circle. `$$` is one `$`.

use std::path::Path;

use orbit_core::{KeyPath, Node, Problem, Value};

use crate::environment::Environment;
use crate::source::read_bounded;

/// Bytes of a file that `${file:}` puts in.
const INSERTED_BYTES_MAX: u64 = 64 << 10;
/// Bytes of all expanded values of one file.
const EXPANDED_BYTES_MAX: usize = 2 << 20;

/// Expands the values of one file in place; `folder` is the one the file stands in.
pub(crate) fn expand(node: &mut Node, environment: &Environment, folder: &Path) -> Vec<Problem> {
    let mut expander =
        Expander { environment, folder, left_bytes: EXPANDED_BYTES_MAX, problems: Vec::new() };
    expander.walk(&KeyPath::default(), node);
    expander.problems
}

struct Expander<'a> {
    environment: &'a Environment,
    folder: &'a Path,
    left_bytes: usize,
    problems: Vec<Problem>,
}

/// What is wrong and what to do.
type Refusal = (String, &'static str);

impl Expander<'_> {
    fn walk(&mut self, path: &KeyPath, node: &mut Node) {
        match &mut node.value {
            Value::Null => {}
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(&path.index(index), item);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.walk(&path.key(&entry.key), &mut entry.node);
                }
            }
            Value::Scalar { text, plain } if text.contains('$') => match self.text(text) {
                Ok(expanded) => {
                    *text = expanded;
                    *plain = false;
                }
                Err((message, hint)) => {
                    let problem = Problem::new(path.clone(), node.origin.clone(), message);
                    self.problems.push(problem.with_hint(hint));
                }
            },
            Value::Scalar { .. } => {}
        }
    }

    fn text(&mut self, text: &str) -> Result<String, Refusal> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let (expression, after) = after.split_once('}').ok_or_else(|| {
                    (
                        "a `${` is not closed".to_owned(),
                        "close it with `}`, or write `$$` for a `$`",
                    )
                })?;
                let value = self.value_of(expression)?;
                self.left_bytes = self.left_bytes.checked_sub(value.len()).ok_or_else(|| {
                    let message =
                        format!("the expanded values hold more than {EXPANDED_BYTES_MAX} bytes");
                    (message, "use fewer of them")
                })?;
                out.push_str(&value);
                rest = after;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value_of(&self, expression: &str) -> Result<String, Refusal> {
        if expression.contains("${") {
            let message = "a `${` stands inside another".to_owned();
            return Err((message, "they cannot be nested; close the first with `}`"));
        }
        if let Some(path) = expression.strip_prefix("file:") {
            return self.file(path);
        }
        let (name, fallback) = match expression.split_once(':') {
            Some((name, fallback)) => (name, Some(fallback)),
            None => (expression, None),
        };
        if !is_variable_name(name) {
            let message = "a `${` holds no variable's name".to_owned();
            return Err((message, "write `${NAME}`, or `$$` for a `$`"));
        }
        let value = self.environment.get(name).map(|value| {
            let message = format!("the variable `{name}` is not UTF-8 text");
            value.to_str().ok_or((message, "set it again"))
        });
        let value = value.transpose()?;
        match fallback.map(|f| f.split_at_checked(1).unwrap_or((f, ""))) {
            None => value.map(str::to_owned).ok_or_else(|| {
                let message = format!("the variable `{name}` is not set");
                (message, "set it, or give a default: `${NAME:-default}`")
            }),
            Some(("-", default)) => {
                Ok(value.filter(|v| !v.is_empty()).unwrap_or(default).to_owned())
            }
            Some(("?", said)) => value
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| (format!("the variable `{name}` is not set: {said}"), "set it")),
            Some(_) => Err((
                format!("what follows `${{{name}:` is not understood"),
                "write `${NAME:-default}` or `${NAME:?message}`",
            )),
        }
    }

    fn file(&self, path: &str) -> Result<String, Refusal> {
        let refuse = |reason: &str| {
            let message = format!("cannot read the file `{path}`: {reason}");
            (message, "its path is relative to the configuration file")
        };
        let bytes = read_bounded(&self.folder.join(path), INSERTED_BYTES_MAX)
            .map_err(|reason| refuse(&reason))?;
        let mut text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text"))?;
        if text.ends_with('\n') {
            text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
        }
        Ok(text)
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
