//! The tree itself.

use std::fmt;
use std::sync::Arc;

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file; line and column count from one.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In an environment variable.
    Variable(Arc<str>),
    /// On the command line.
    Flag(Arc<str>),
    /// Nowhere: it is a default, or came from a program.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Flag(name) => write!(f, "the flag {name}"),
            Self::Default => f.write_str("the defaults"),
        }
    }
}

/// A value and where it was said.
#[derive(Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was said.
    pub origin: Origin,
}

/// A value.
#[derive(Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// A text; the field that takes it decides what it means.
    Scalar {
        /// The text as it was written.
        text: String,
        /// It was written without quotes, so it may be a number or a boolean.
        plain: bool,
    },
    /// Several values.
    List(Vec<Node>),
    /// Named values, each name once.
    Map(Vec<Entry>),
}

/// A named value.
#[derive(Clone)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// Where the name stands.
    pub key_origin: Origin,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A text, as from a variable, a flag or a program.
    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self { value: Value::Scalar { text: text.into(), plain: true }, origin }
    }

    /// Named values.
    pub fn map(entries: Vec<Entry>, origin: Origin) -> Self {
        Self { value: Value::Map(entries), origin }
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            _ => None,
        }
    }

    /// Takes the entry `key` out of a map.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|e| e.key == key)?;
        Some(entries.remove(index))
    }

    /// The node under a path such as `tables.orders.columns[2]`.
    pub fn find(&self, path: &str) -> Option<&Node> {
        let mut node = self;
        for part in path.split('.') {
            let mut indexes = part.split('[');
            node = match indexes.next() {
                Some("") | None => node,
                Some(key) => node.get(key)?,
            };
            for index in indexes {
                let Value::List(items) = &node.value else { return None };
                node = items.get(index.trim_end_matches(']').parse::<usize>().ok()?)?;
            }
        }
        Some(node)
    }

    /// This tree with `over` laid on top: maps are merged by name, all else is replaced.
    pub fn merge(&mut self, over: Node) {
        match (&mut self.value, over.value) {
            (Value::Map(entries), Value::Map(others)) => {
                for other in others {
                    match entries.iter_mut().find(|e| e.key == other.key) {
                        Some(entry) => entry.node.merge(other.node),
                        None => entries.push(other),
                    }
                }
            }
            (_, value) => *self = Node { value, origin: over.origin },
        }
    }

    /// Whether both hold the same values, wherever they were said.
    pub fn same_values(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Scalar { text: a, .. }, Value::Scalar { text: b, .. }) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_values(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|e| other.get(&e.key).is_some_and(|o| e.node.same_values(o)))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Node {
    /// Shows the shape and the names, never a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Null => f.write_str("null"),
            Value::Scalar { .. } => f.write_str("***"),
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Map(entries) => {
                f.debug_map().entries(entries.iter().map(|e| (&e.key, &e.node))).finish()
            }
        }
    }
}
