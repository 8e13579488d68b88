//! One YAML text to a tree in which every name and every value knows its place.
//!
//! The parser's events are read, not its typed values: a scalar keeps the text as written, so
//! that the field which takes it decides its type (`0123` stays a password).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use orbit_core::{Entry, KeyPath, Node, Origin, Problem, Value};

/// Nodes of a file, aliases counted as what they stand for.
const NODES_MAX: usize = 10_000;
/// Levels of a file.
const DEPTH_MAX: usize = 64;
/// Bytes of all scalars, aliases counted as what they stand for.
const TEXT_BYTES_MAX: usize = 2 << 20;

/// What a text turned out to be.
#[derive(Default)]
pub(crate) struct Parsed {
    /// The tree; none for an empty text or one that could not be read to its end.
    pub(crate) root: Option<Node>,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
    /// What stands where, in the order of the text.
    pub(crate) marks: Vec<Mark>,
}

/// A stretch of the text that holds a name, a value, or what could not be read.
#[derive(Debug)]
pub(crate) struct Mark {
    /// Where it stands.
    pub(crate) bytes: Range<usize>,
    /// It is a name, so it may be shown.
    pub(crate) is_name: bool,
}

/// Reads `text`, which came from `file`.
pub(crate) fn parse(file: &Arc<str>, text: &str) -> Parsed {
    let options = granit_parser::options! {
        block_nesting_limit: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX,
        emit_comments: false,
        disallow_directives: true,
    };
    let mut builder = Builder::new(file, text);
    for event in Parser::new_from_str_with_options(text, options) {
        let outcome = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => Err(builder.syntax_problem(&error)),
        };
        if let Err(problem) = outcome {
            builder.give_up(*problem);
            break;
        }
    }
    builder.parsed
}

type Step = Result<(), Box<Problem>>;

struct Builder<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    open: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    spent: Size,
    documents: usize,
    parsed: Parsed,
}

struct Frame {
    children: Children,
    anchor: usize,
    origin: Origin,
    path: KeyPath,
}

enum Children {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, defaults: Vec<Entry>, key: Option<Key> },
}

struct Key {
    name: String,
    origin: Origin,
    is_merge: bool,
}

/// What a tree weighs.
#[derive(Default, Clone, Copy)]
struct Size {
    nodes: usize,
    text_bytes: usize,
    depth: usize,
}

impl Size {
    fn of(node: &Node) -> Self {
        let mut size = Self { nodes: 1, text_bytes: 0, depth: 1 };
        let mut add = |child: &Node| {
            let child = Self::of(child);
            size.nodes += child.nodes;
            size.text_bytes += child.text_bytes;
            size.depth = size.depth.max(1 + child.depth);
        };
        match &node.value {
            Value::Null => {}
            Value::List(items) => items.iter().for_each(add),
            Value::Map(entries) => entries.iter().for_each(|e| add(&e.node)),
            Value::Scalar { text, .. } => size.text_bytes = text.len(),
        }
        size
    }
}

impl<'a> Builder<'a> {
    fn new(file: &'a Arc<str>, text: &'a str) -> Self {
        Self {
            file,
            text,
            open: Vec::new(),
            anchors: HashMap::new(),
            spent: Size::default(),
            documents: 0,
            parsed: Parsed::default(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Step {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.refuse(span, "a second document begins here", "keep one per file");
                }
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => {
                return self.refuse(span, "a tag is not read here", "remove the `!...`");
            }
            Event::Scalar(text, style, anchor, None) => {
                return self.scalar(&text, style == ScalarStyle::Plain, anchor, span);
            }
            Event::Alias(id) => {
                self.mark(span, false);
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return self.refuse(span, "an alias stands inside its own anchor", "remove it");
                };
                self.spend(Size::of(&node), span)?;
                return self.value(node, 0);
            }
            Event::SequenceStart(_, anchor, None) => {
                return self.begin(Children::List(Vec::new()), anchor, span);
            }
            Event::MappingStart(_, anchor, None) => {
                let (entries, defaults) = (Vec::new(), Vec::new());
                return self.begin(Children::Map { entries, defaults, key: None }, anchor, span);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(),
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, plain: bool, anchor: usize, span: &Span) -> Step {
        let origin = self.origin(span);
        self.spend(Size { nodes: 1, text_bytes: text.len(), depth: 0 }, span)?;
        if self.awaits_key() {
            self.mark(span, true);
            self.key(text, plain, origin);
            return Ok(());
        }
        self.mark(span, false);
        let value = match text {
            "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
            _ => Value::Scalar { text: text.to_owned(), plain },
        };
        self.value(Node { value, origin }, anchor)
    }

    fn awaits_key(&self) -> bool {
        let children = self.open.last().map(|f| &f.children);
        matches!(children, Some(Children::Map { key: None, .. }))
    }

    fn key(&mut self, name: &str, plain: bool, origin: Origin) {
        let path = self.path_of(name);
        let Some(Frame { children: Children::Map { entries, key, .. }, .. }) = self.open.last_mut()
        else {
            return;
        };
        if let Some(first) = entries.iter().find(|e| e.key == name) {
            let message = format!("the name `{name}` is given twice");
            let hint = format!("it stands first at {}; keep one of them", first.key_origin);
            self.parsed.problems.push(Problem::new(path, origin.clone(), message).with_hint(hint));
        }
        *key = Some(Key { name: name.to_owned(), origin, is_merge: plain && name == "<<" });
    }

    fn begin(&mut self, children: Children, anchor: usize, span: &Span) -> Step {
        if self.awaits_key() {
            return self.refuse(span, "a name must be a text", "write `name: value`");
        }
        self.spend(Size { nodes: 1, text_bytes: 0, depth: 1 }, span)?;
        let (origin, path) = (self.origin(span), self.path());
        self.open.push(Frame { children, anchor, origin, path });
        Ok(())
    }

    fn end(&mut self) -> Step {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let value = match frame.children {
            Children::List(items) => Value::List(items),
            Children::Map { mut entries, defaults, .. } => {
                for default in defaults {
                    if !entries.iter().any(|e| e.key == default.key) {
                        entries.push(default);
                    }
                }
                Value::Map(entries)
            }
        };
        self.value(Node { value, origin: frame.origin }, frame.anchor)
    }

    fn value(&mut self, node: Node, anchor: usize) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let path = self.path();
        let Some(frame) = self.open.last_mut() else {
            self.parsed.root = Some(node);
            return Ok(());
        };
        let outcome = match &mut frame.children {
            Children::List(items) => {
                items.push(node);
                Ok(())
            }
            Children::Map { entries, defaults, key } => match key.take() {
                Some(key) if key.is_merge => take_defaults(defaults, node),
                Some(Key { name, origin, .. }) => {
                    if !entries.iter().any(|e| e.key == name) {
                        entries.push(Entry { key: name, key_origin: origin, node });
                    }
                    Ok(())
                }
                None => Err(("a name must be a text, not an alias", node.origin)),
            },
        };
        outcome.map_err(|(message, origin)| Box::new(Problem::new(path, origin, message)))
    }

    fn spend(&mut self, size: Size, span: &Span) -> Step {
        self.spent.nodes += size.nodes;
        self.spent.text_bytes += size.text_bytes;
        if self.open.len() + size.depth > DEPTH_MAX {
            let message = format!("the file nests deeper than {DEPTH_MAX} levels");
            return self.refuse(span, message, "flatten it");
        }
        if self.spent.nodes > NODES_MAX {
            let message = format!("the file holds more than {NODES_MAX} values");
            return self.refuse(span, message, "split it, or use fewer aliases");
        }
        if self.spent.text_bytes > TEXT_BYTES_MAX {
            let message = format!("the values hold more than {TEXT_BYTES_MAX} bytes together");
            return self.refuse(span, message, "split it, or use fewer aliases");
        }
        Ok(())
    }

    /// The path of what comes next.
    fn path(&self) -> KeyPath {
        match self.open.last() {
            None => KeyPath::default(),
            Some(Frame { children: Children::List(items), path, .. }) => path.index(items.len()),
            Some(Frame { children: Children::Map { key: Some(key), .. }, path, .. }) => {
                path.key(&key.name)
            }
            Some(Frame { path, .. }) => path.clone(),
        }
    }

    fn path_of(&self, name: &str) -> KeyPath {
        self.open.last().map_or_else(KeyPath::default, |f| f.path.key(name))
    }

    fn origin(&self, span: &Span) -> Origin {
        let file = Arc::clone(self.file);
        Origin::File { file, line: span.start.line(), column: span.start.col() + 1 }
    }

    fn mark(&mut self, span: &Span, is_name: bool) {
        // Without a place the whole text is hidden.
        let bytes = span.byte_range().unwrap_or(0..self.text.len());
        self.parsed.marks.push(Mark { bytes, is_name });
    }

    fn refuse(&self, span: &Span, message: impl Into<String>, hint: &str) -> Step {
        let problem = Problem::new(self.path(), self.origin(span), message).with_hint(hint);
        Err(Box::new(problem))
    }

    fn syntax_problem(&self, error: &ScanError) -> Box<Problem> {
        let marker = error.marker();
        let file = Arc::clone(self.file);
        let origin = Origin::File { file, line: marker.line(), column: marker.col() + 1 };
        let (message, hint) = syntax_message(error);
        let problem = Problem::new(KeyPath::default(), origin, message);
        Box::new(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        })
    }

    /// Keeps the problem, forgets the tree, and hides what was not read.
    fn give_up(&mut self, problem: Problem) {
        self.parsed.problems.push(problem);
        self.parsed.root = None;
        let read = self.parsed.marks.last().map_or(0, |m| m.bytes.end);
        self.parsed.marks.push(Mark { bytes: read..self.text.len(), is_name: false });
    }
}

/// `<<: *other` gives the settings that the map itself does not say.
fn take_defaults(defaults: &mut Vec<Entry>, node: Node) -> Result<(), (&'static str, Origin)> {
    let maps = match node.value {
        Value::List(items) => items,
        value => vec![Node { value, origin: node.origin }],
    };
    for map in maps {
        match map.value {
            Value::Map(entries) => defaults.extend(entries),
            _ => return Err(("`<<` takes a map, or a list of maps", map.origin)),
        }
    }
    Ok(())
}

fn syntax_message(error: &ScanError) -> (String, Option<&'static str>) {
    match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => {
            ("a tab stands where only spaces may".to_owned(), Some("indent with spaces"))
        }
        ErrorKind::UnclosedQuotedScalar => {
            ("a quoted text is not closed".to_owned(), Some("close the quote"))
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("a `{open}` is not closed"), Some("close the bracket"))
        }
        ErrorKind::RecursionLimitExceeded => {
            (format!("the file nests deeper than {DEPTH_MAX} levels"), Some("flatten it"))
        }
        ErrorKind::UnknownAnchor => (
            "an alias names no anchor above it".to_owned(),
            Some("quote a text that begins with `*`"),
        ),
        ErrorKind::DirectiveDisallowed => {
            ("a `%` directive is not read here".to_owned(), Some("remove the line"))
        }
        ErrorKind::UnexpectedCharacter { .. } => (
            "a text begins with a character that YAML keeps for itself".to_owned(),
            Some("quote it"),
        ),
        kind => (format!("not valid YAML: {kind}"), None),
    }
}
