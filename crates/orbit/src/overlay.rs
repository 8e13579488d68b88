//! Single settings laid over a tree: `ORBIT_CONFIG__A__B` variables and `a.b=value` flags.

use orbit_core::{Entry, KeyPath, Node, Origin, Problem, Value};

use crate::environment::Environment;

const PREFIX: &str = "ORBIT_CONFIG__";

/// Lays the variables over the tree. `__` stands between names, which are found without regard
/// to case, since variables are upper-case by habit; a new name becomes lower-case.
pub(crate) fn lay_variables(tree: &mut Node, environment: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (variable, path, value) in environment.under(PREFIX) {
        let origin = Origin::Variable(variable.into());
        let Some(text) = value.to_str() else {
            problems.push(Problem::new(KeyPath::default(), origin, "the value is not UTF-8 text"));
            continue;
        };
        let names: Vec<_> = path.split("__").collect();
        let leaf = Node::text(text, origin);
        problems.extend(place(tree, &names, leaf, Case::Folded).err());
    }
    problems
}

/// Lays `path` (such as `datasources.lake.path`) over the tree, where names are exact.
pub(crate) fn lay_setting(tree: &mut Node, path: &str, leaf: Node) -> Result<(), Problem> {
    place(tree, &path.split('.').collect::<Vec<_>>(), leaf, Case::Exact)
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Exact,
    Folded,
}

fn place(tree: &mut Node, names: &[&str], leaf: Node, case: Case) -> Result<(), Problem> {
    let origin = leaf.origin.clone();
    let outcome = if names.iter().any(|name| name.is_empty()) {
        Err("a name in the path of the setting is empty".to_owned())
    } else {
        lay(tree, names, leaf, case)
    };
    outcome.map_err(|message| Problem::new(KeyPath::default(), origin, message))
}

/// Lays `leaf` under `names`; what is not a map gives way to one.
fn lay(node: &mut Node, names: &[&str], leaf: Node, case: Case) -> Result<(), String> {
    let [name, rest @ ..] = names else {
        *node = leaf;
        return Ok(());
    };
    if !matches!(node.value, Value::Map(_)) {
        *node = Node::map(Vec::new(), leaf.origin.clone());
    }
    let Value::Map(entries) = &mut node.value else { return Ok(()) };
    let index = match find(entries, name, case) {
        Found::One(index) => index,
        Found::Several => {
            return Err(format!("several settings are named `{name}` but for their case"));
        }
        Found::None => {
            let key = if case == Case::Folded { name.to_lowercase() } else { (*name).to_owned() };
            let key_origin = leaf.origin.clone();
            let node = Node { value: Value::Null, origin: leaf.origin.clone() };
            entries.push(Entry { key, key_origin, node });
            entries.len() - 1
        }
    };
    lay(&mut entries[index].node, rest, leaf, case)
}

enum Found {
    None,
    One(usize),
    Several,
}

fn find(entries: &[Entry], name: &str, case: Case) -> Found {
    if let Some(index) = entries.iter().position(|e| e.key == name) {
        return Found::One(index);
    }
    if case == Case::Exact {
        return Found::None;
    }
    let mut same = (0..entries.len()).filter(|i| entries[*i].key.eq_ignore_ascii_case(name));
    match (same.next(), same.next()) {
        (None, _) => Found::None,
        (Some(index), None) => Found::One(index),
        (Some(_), Some(_)) => Found::Several,
    }
}
