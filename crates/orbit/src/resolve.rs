//! From the merged tree to typed settings, with every problem that can be seen without I/O.

use std::collections::BTreeMap;
use std::path::Path;

use orbit_core::{
    Backend, BackendConfig, ConnectionKind, Entry, KeyPath, Node, Origin, Problem, Registry,
    Settings, Value, closest,
};
use orbit_engine::{EngineOptions, TableOptions};
use orbit_layers::LayerSettings;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::backends;

/// The format of configurations that this build reads.
const VERSION: &str = "1";

/// The settings that every datasource has; the backend parses the others.
const COMMON: &[&str] = &["type", "allow_writes", "limits", "tables"];

/// Settings of file backends that are paths of this machine.
const FILE_PATHS: &[&str] = &["path", "paths"];

/// What a tree says.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) engine: EngineOptions,
    pub(crate) datasources: Vec<DatasourceConfig>,
}

/// The settings of one datasource, checked.
#[derive(Debug)]
pub struct DatasourceConfig {
    /// Its name.
    pub name: String,
    /// Its backend.
    pub backend: &'static Backend,
    /// Whether statements and file operations may write to it.
    pub allow_writes: bool,
    /// The limits and retries around it.
    pub limits: LayerSettings,
    /// The tables that are named for it: only a file datasource has any.
    pub tables: BTreeMap<String, TableOptions>,
    pub(crate) settings: Settings,
    pub(crate) config: Box<dyn BackendConfig>,
}

/// The names at the top; the values are parsed one by one, so that each tells its problems.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    #[serde(rename = "version")]
    _version: IgnoredAny,
    #[serde(rename = "engine")]
    _engine: IgnoredAny,
    #[serde(rename = "datasources")]
    _datasources: IgnoredAny,
}

/// Reads a whole tree.
pub(crate) fn resolve(mut tree: Node, registry: &Registry) -> Result<Resolved, Vec<Problem>> {
    if let Some(problem) = version_problem(&tree) {
        // Another version may mean another thing by every other setting.
        return Err(vec![problem]);
    }
    let mut problems = Vec::new();
    let top = Settings::new(KeyPath::default(), tree.clone());
    problems.extend(top.parse::<Top>().err().into_iter().flatten());

    let mut engine_entry = tree.take("engine");
    if let Some(spill) = engine_entry.as_mut().and_then(|e| child_mut(&mut e.node, "spill_path")) {
        problems.extend(make_absolute(&KeyPath::new("engine.spill_path"), spill).err());
    }
    let engine: EngineOptions = section(&KeyPath::default(), engine_entry.as_ref(), &mut problems);

    let datasources = entries_of("datasources", tree.take("datasources"), &mut problems);
    let names: Vec<_> = datasources.iter().map(|e| e.key.clone()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    problems.extend(name_problems(&datasources));
    if let (Some(name), Some(entry)) = (&engine.default_datasource, &engine_entry) {
        problems.extend(default_problem(name, entry, &names));
    }
    let mut resolved = Resolved { engine, datasources: Vec::new() };
    for entry in datasources {
        match datasource(entry, registry, &names) {
            Ok(datasource) => resolved.datasources.push(datasource),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn version_problem(tree: &Node) -> Option<Problem> {
    let node = tree.get("version")?;
    let is_read = matches!(&node.value, Value::Scalar { text, .. } if text.trim() == VERSION);
    let message = "the configuration is of a version that this build does not read";
    let hint = format!("this build reads `version: {VERSION}`");
    (!is_read).then(|| {
        Problem::new(KeyPath::new("version"), node.origin.clone(), message).with_hint(hint)
    })
}

/// The value of one setting; what does not fit is told, and its default stands in.
fn section<T: DeserializeOwned + Default>(
    parent: &KeyPath,
    entry: Option<&Entry>,
    problems: &mut Vec<Problem>,
) -> T {
    let Some(Entry { key, node, .. }) = entry else { return T::default() };
    match Settings::new(parent.key(key), node.clone()).parse() {
        Ok(value) => value,
        Err(found) => {
            problems.extend(found);
            T::default()
        }
    }
}

/// The entries of a map of named things; an empty section has none.
fn entries_of(path: &str, entry: Option<Entry>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let Some(Entry { node, .. }) = entry else { return Vec::new() };
    match node.value {
        Value::Map(entries) => entries,
        Value::Null => Vec::new(),
        Value::List(_) | Value::Scalar { .. } => {
            let message = "must be a map of names to settings";
            problems.push(Problem::new(KeyPath::new(path), node.origin, message));
            Vec::new()
        }
    }
}

/// Names are found without regard to case, and stand in SQL, in paths and in logs.
fn name_problems(datasources: &[Entry]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<String, &Entry> = BTreeMap::new();
    for entry in datasources {
        let path = KeyPath::new("datasources").key(&entry.key);
        if !is_datasource_name(&entry.key) {
            let message = "not a name for a datasource";
            let hint =
                "a name begins with a letter; letters, digits, `_` and `-` follow, at most 64";
            problems.push(Problem::new(path, entry.key_origin.clone(), message).with_hint(hint));
            continue;
        }
        if let Some(first) = seen.insert(entry.key.to_lowercase(), entry) {
            let message = format!("`{}` and `{}` differ only in case", first.key, entry.key);
            let hint = format!("rename one; the first stands at {}", first.key_origin);
            problems.push(Problem::new(path, entry.key_origin.clone(), message).with_hint(hint));
        }
    }
    problems
}

fn is_datasource_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn default_problem(name: &str, engine: &Entry, names: &[&str]) -> Option<Problem> {
    if names.contains(&name) {
        return None;
    }
    let settings = Settings::new(KeyPath::new("engine"), engine.node.clone());
    let problem = settings.problem("default_datasource", "no datasource has this name");
    Some(match closest(name, names.iter().copied()) {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem.with_hint("it must be one of `datasources`"),
    })
}

fn datasource(
    entry: Entry,
    registry: &Registry,
    names: &[&str],
) -> Result<DatasourceConfig, Vec<Problem>> {
    let Entry { key: name, key_origin, node: mut root } = entry;
    let path = KeyPath::new("datasources").key(&name);
    match root.value {
        Value::Map(_) => {}
        Value::Null => root.value = Value::Map(Vec::new()),
        Value::List(_) | Value::Scalar { .. } => {
            return Err(vec![Problem::new(path, root.origin, "must be a map of settings")]);
        }
    }
    let mut problems = Vec::new();
    let backend = backend_of(&name, &key_origin, &path, root.take("type"), registry)
        .map_err(|problem| vec![problem])?;
    let allow_writes = section(&path, root.take("allow_writes").as_ref(), &mut problems);
    let limits_entry = root.take("limits");
    let limits = limits_of(limits_entry.as_ref(), &path, &mut problems);
    let tables = tables_of(root.take("tables"), &path, backend, &mut problems);
    if backend.kind == ConnectionKind::File {
        for key in FILE_PATHS {
            if let Some(node) = child_mut(&mut root, key) {
                problems.extend(make_absolute(&path.key(key), node).err());
            }
        }
    }

    let settings = Settings::new(path.clone(), root.clone()).with_known_elsewhere(COMMON);
    let config = match (backend.parse)(&settings) {
        Ok(config) => {
            problems.extend(config.validate(&settings, names));
            config
        }
        Err(found) => {
            problems.extend(found);
            return Err(problems);
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    // Instances are shared by equal settings; their retry budget and breaker come from `limits`.
    if let (Some(limits), Value::Map(entries)) = (limits_entry, &mut root.value) {
        entries.push(limits);
    }
    let settings = Settings::new(path, root);
    Ok(DatasourceConfig { name, backend, allow_writes, limits, tables, settings, config })
}

fn backend_of(
    name: &str,
    name_origin: &Origin,
    path: &KeyPath,
    said: Option<Entry>,
    registry: &Registry,
) -> Result<&'static Backend, Problem> {
    let Some(Entry { node, .. }) = said else {
        if backends::is_name(name, registry) {
            return backends::find(name, registry).map_err(|(message, hint)| {
                Problem::new(path.clone(), name_origin.clone(), message).with_hint(hint)
            });
        }
        let message = "the setting `type` is missing";
        let hint = match closest(name, backends::names(registry)) {
            Some(near) => format!("add `type: BACKEND`, or did you mean to name it `{near}`?"),
            None => {
                let linked: Vec<_> = registry.iter().map(|b| b.name).collect();
                format!("add `type: BACKEND`; this build has: {}", linked.join(", "))
            }
        };
        return Err(Problem::new(path.clone(), name_origin.clone(), message).with_hint(hint));
    };
    let type_path = path.key("type");
    let Value::Scalar { text, .. } = &node.value else {
        return Err(Problem::new(type_path, node.origin, "must be the name of a backend"));
    };
    backends::find(text.trim(), registry)
        .map_err(|(message, hint)| Problem::new(type_path, node.origin, message).with_hint(hint))
}

fn limits_of(
    entry: Option<&Entry>,
    datasource: &KeyPath,
    problems: &mut Vec<Problem>,
) -> LayerSettings {
    let limits: LayerSettings = section(datasource, entry, problems);
    if let Some(entry) = entry {
        let settings = Settings::new(datasource.key("limits"), entry.node.clone());
        problems.extend(limits.validate(&settings));
    }
    limits
}

fn tables_of(
    entry: Option<Entry>,
    datasource: &KeyPath,
    backend: &Backend,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, TableOptions> {
    let path = datasource.key("tables");
    if let Some(entry) = entry.as_ref().filter(|_| backend.kind != ConnectionKind::File) {
        let message = format!("a `{}` datasource has its own tables", backend.name);
        let problem = Problem::new(path, entry.key_origin.clone(), message);
        problems.push(problem.with_hint("remove `tables`: it is for file datasources"));
        return BTreeMap::new();
    }
    let entries = entries_of(path.as_str(), entry, problems);
    entries.iter().map(|e| (e.key.clone(), section(&path, Some(e), problems))).collect()
}

fn child_mut<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node)
}

/// A path that a file says is relative to the folder of that file; any other to the working
/// folder of the process.
fn make_absolute(path: &KeyPath, node: &mut Node) -> Result<(), Problem> {
    if let Value::List(items) = &mut node.value {
        let mut items = items.iter_mut().enumerate();
        return items.try_for_each(|(index, item)| make_absolute(&path.index(index), item));
    }
    let Value::Scalar { text, .. } = &mut node.value else { return Ok(()) };
    // An empty path is for the backend to refuse.
    if text.is_empty() {
        return Ok(());
    }
    let folder = match &node.origin {
        Origin::File { file, .. } => Path::new(file.as_ref()).parent().unwrap_or(Path::new("")),
        Origin::Variable(_) | Origin::Flag(_) | Origin::Default => Path::new(""),
    };
    let absolute = std::path::absolute(folder.join(&*text)).ok();
    match absolute.as_deref().and_then(Path::to_str) {
        Some(absolute) => {
            absolute.clone_into(text);
            Ok(())
        }
        None => {
            let message = "cannot tell where the path is, seen from the working folder";
            Err(Problem::new(path.clone(), node.origin.clone(), message))
        }
    }
}
