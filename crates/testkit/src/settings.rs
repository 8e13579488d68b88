//! Settings as a test writes them.

use orbit_core::{Entry, Node, Origin};

/// A map of these values.
pub fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Node)>) -> Node {
    let entry = |(key, node): (&str, Node)| Entry {
        key: key.to_owned(),
        key_origin: Origin::Default,
        node,
    };
    Node::map(entries.into_iter().map(entry).collect(), Origin::Default)
}

/// A map of these texts.
pub fn texts<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> Node {
    map(entries.into_iter().map(|(key, text)| (key, Node::text(text, Origin::Default))))
}
