//! Loading a configuration: defaults, files, variables and flags, in this order.

use std::path::{Path, PathBuf};

use orbit_core::{KeyPath, Node, Origin, Problem, Registry, Value};
use orbit_engine::EngineOptions;

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::expand::expand;
use crate::locate::{Located, locate};
use crate::overlay::{lay_setting, lay_variables};
use crate::resolve::{DatasourceConfig, Resolved, resolve};
use crate::source::SourceFile;
use crate::yaml;

/// What a configuration is loaded from.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The files to read, each laid over the one before (`--config`); none means the search
    /// path.
    pub files: Vec<PathBuf>,
    /// Single settings by path, such as `datasources.lake.path`, laid over all else.
    pub settings: Vec<(String, String)>,
    /// The variables for `${VAR}`, `ORBIT_CONFIG__A__B` and the search path.
    pub environment: Environment,
    /// The folder in which the search begins.
    pub folder: PathBuf,
    /// The backends that may be named; those that are linked if none are given.
    pub registry: Option<Registry>,
}

impl Default for LoadOptions {
    /// The search path from the working folder, with the variables of the process.
    fn default() -> Self {
        Self {
            files: Vec::new(),
            settings: Vec::new(),
            environment: Environment::process(),
            folder: PathBuf::new(),
            registry: None,
        }
    }
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// These files, in the order in which they were laid over each other.
    Files(Vec<PathBuf>),
    /// No file was found in these places, so there are no datasources but those that variables
    /// and flags name.
    Nowhere {
        /// Where a file was looked for, in order.
        searched: Vec<PathBuf>,
    },
    /// A program made it.
    Program,
}

/// A configuration without a problem that can be seen without I/O.
#[derive(Debug)]
pub struct Config {
    pub(crate) source: ConfigSource,
    pub(crate) registry: Registry,
    pub(crate) resolved: Resolved,
}

impl Config {
    /// Loads a configuration. Blocks on the reading of small files.
    ///
    /// # Errors
    /// Every problem that can be seen without connecting, each with its place.
    pub fn load(options: LoadOptions) -> Result<Self, ConfigError> {
        let LoadOptions { files, settings, environment, folder, registry } = options;
        let Located { files, searched } = locate(&files, &folder, &environment);
        let mut tree = Node::map(Vec::new(), Origin::Default);
        let mut problems = Vec::new();
        let mut read = Vec::new();
        for (path, named_by) in &files {
            match SourceFile::read(path, named_by) {
                Ok(mut file) => {
                    let folder = path.parent().unwrap_or(Path::new(""));
                    let (root, found) = parse_file(&mut file, folder, &environment);
                    problems.extend(found);
                    tree.merge(root);
                    read.push(file);
                }
                Err(problem) => problems.push(*problem),
            }
        }
        problems.extend(lay_variables(&mut tree, &environment));
        for (path, value) in settings {
            let flag = Origin::Flag(format!("--set {path}").into());
            problems.extend(lay_setting(&mut tree, &path, Node::text(value, flag)).err());
        }
        let source = if files.is_empty() {
            ConfigSource::Nowhere { searched }
        } else {
            ConfigSource::Files(files.into_iter().map(|(path, _)| path).collect())
        };
        Self::from_tree(source, tree, registry, problems)
            .map_err(|problems| ConfigError::new(problems, &read))
    }

    /// Resolves a tree that was read with `problems`; all problems are told together.
    pub(crate) fn from_tree(
        source: ConfigSource,
        tree: Node,
        registry: Option<Registry>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, Vec<Problem>> {
        let registry = registry.map_or_else(Registry::linked, Ok).map_err(|error| {
            vec![Problem::new(KeyPath::default(), Origin::Default, error.to_string())]
        })?;
        match resolve(tree, &registry) {
            Ok(resolved) if problems.is_empty() => Ok(Self { source, registry, resolved }),
            Ok(_) => Err(problems),
            Err(found) => {
                problems.extend(found);
                Err(problems)
            }
        }
    }

    /// Where it came from.
    pub fn source(&self) -> &ConfigSource {
        &self.source
    }

    /// What the engine may use.
    pub fn engine(&self) -> &EngineOptions {
        &self.resolved.engine
    }

    /// The datasources, in the order of the configuration.
    pub fn datasources(&self) -> &[DatasourceConfig] {
        &self.resolved.datasources
    }
}

/// The tree of one file, its values expanded; an empty map where it could not be read.
fn parse_file(
    file: &mut SourceFile,
    folder: &Path,
    environment: &Environment,
) -> (Node, Vec<Problem>) {
    let parsed = yaml::parse(&file.name, &file.text);
    file.marks = parsed.marks;
    let mut problems = parsed.problems;
    let empty = || Node::map(Vec::new(), Origin::Default);
    let Some(mut root) = parsed.root.filter(|root| !matches!(root.value, Value::Null)) else {
        return (empty(), problems);
    };
    if !matches!(root.value, Value::Map(_)) {
        let message = "a configuration is a map of settings";
        let problem = Problem::new(KeyPath::default(), root.origin, message);
        problems.push(problem.with_hint("begin with `datasources:`"));
        return (empty(), problems);
    }
    problems.extend(expand(&mut root, environment, folder));
    (root, problems)
}
