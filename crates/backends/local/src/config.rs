//! The settings, and connecting by them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use orbit_core::{BackendConfig, Context, Datasource, Problem, Result, Settings, Sources};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::datasource::{LocalDatasource, blocking};
use crate::tree::{Mount, Tree};

/// The settings of a `local` datasource: one of `path` and `paths`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalConfig {
    /// The folder whose files the datasource has, or a single file.
    path: Option<String>,
    /// Several folders or files; each appears under its own last name.
    paths: Option<Vec<String>>,
    /// Whether a write is on the disk before it is reported as done. It survives a power cut
    /// then, and takes longer.
    #[serde(default)]
    sync_writes: bool,
}

/// The last name of a path, under which it appears among several.
fn base_name(path: &str) -> Option<&str> {
    Path::new(path).file_name()?.to_str()
}

impl LocalConfig {
    fn check_paths(paths: &[String], settings: &Settings) -> Vec<Problem> {
        if paths.is_empty() {
            return vec![settings.problem("paths", "the list is empty")];
        }
        let mut problems = Vec::new();
        for (i, path) in paths.iter().enumerate() {
            let problem = |message: String| settings.problem(&format!("paths[{i}]"), message);
            let Some(name) = base_name(path) else {
                let message = "the path does not end in a name, so its files would have none";
                problems.push(problem(message.to_owned()).with_hint("write the path in full"));
                continue;
            };
            if let Some(first) = paths[..i].iter().position(|p| base_name(p) == Some(name)) {
                let message = format!("ends in the same name as paths[{first}]");
                let hint = "each path appears under its last name; make them differ, or use \
                            two datasources";
                problems.push(problem(message).with_hint(hint));
            }
        }
        problems
    }

    /// The paths with the setting that each of them stands in, and whether each gets a name.
    fn roots(&self) -> (Vec<(String, String)>, bool) {
        match (&self.path, &self.paths) {
            (Some(path), _) => (vec![("path".to_owned(), path.clone())], false),
            (None, paths) => {
                let paths = paths.iter().flatten().enumerate();
                (paths.map(|(i, path)| (format!("paths[{i}]"), path.clone())).collect(), true)
            }
        }
    }
}

#[async_trait]
impl BackendConfig for LocalConfig {
    fn validate(&self, settings: &Settings, _: &[&str]) -> Vec<Problem> {
        match (&self.path, &self.paths) {
            (None, None) => {
                let problem = settings.problem("", "the setting `path` is missing");
                vec![problem.with_hint("name a folder with `path`, or several with `paths`")]
            }
            (Some(_), Some(_)) => {
                let problem = settings.problem("paths", "`path` and `paths` exclude each other");
                vec![problem.with_hint("put all of them into `paths`")]
            }
            (Some(path), None) if path.is_empty() => {
                vec![settings.problem("path", "the path is empty")]
            }
            (Some(_), None) => Vec::new(),
            (None, Some(paths)) => Self::check_paths(paths, settings),
        }
    }

    async fn connect(&self, cx: &Context, _: &Sources) -> Result<Arc<dyn Datasource>> {
        let (roots, named) = self.roots();
        let open = move |_: &Context| {
            let mount = |(setting, path): &(String, String)| {
                Mount::open(path, named).map_err(|e| e.with_context("setting", setting.as_str()))
            };
            roots.iter().map(mount).collect::<Result<Vec<_>>>()
        };
        let tree = Tree::new(blocking(cx, open).await?);
        Ok(Arc::new(LocalDatasource::new(tree, self.sync_writes)))
    }
}
