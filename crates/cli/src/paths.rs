//! Paths of this machine in place of tables, such as `'data/*.parquet'`.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use orbit::connect_unnamed;
use orbit_core::{Context, Entry, Error, ErrorKind, KeyPath, Node, Origin, Result, Settings};
use orbit_engine::{OpenedPath, PathTables};

/// The backend that has folders of this machine.
const BACKEND: &str = "local";

/// Opens the folder in which a path lies; a query sees nothing outside of it.
#[derive(Debug)]
pub(crate) struct LocalPaths;

#[async_trait]
impl PathTables for LocalPaths {
    async fn open(&self, cx: &Context, path: &str) -> Result<OpenedPath> {
        let failed = |error: Error| error.with_context("path", path);
        let (folder, key) = split(path).map_err(failed)?;
        let settings = settings(&folder).map_err(failed)?;
        let datasource = connect_unnamed(cx, BACKEND, settings).await.map_err(failed)?;
        Ok(OpenedPath { datasource, key })
    }
}

/// The folder that is opened and the key within it: a file's or folder's own name, or all from
/// the first pattern on.
fn split(path: &str) -> Result<(PathBuf, String)> {
    if path.contains("://") {
        let message = "only paths of this machine stand in place of tables";
        let hint = "name a store as a datasource of the configuration";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    let path = path.trim_end_matches('/');
    let is_pattern = |part: &str| part.contains(['*', '?', '[', '{']);
    let start = match path.split('/').position(is_pattern) {
        Some(first) => path.split('/').take(first).map(|part| part.len() + 1).sum(),
        None => path.rfind('/').map_or(0, |slash| slash + 1),
    };
    let (folder, key) = path.split_at(start);
    if matches!(key, "" | "." | "..") {
        let message = "a path in place of a table ends in the name of a file or folder";
        return Err(Error::new(ErrorKind::QueryInvalid, message));
    }
    let folder = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
    Ok((folder.to_owned(), key.to_owned()))
}

fn settings(folder: &Path) -> Result<Settings> {
    let folder = folder.canonicalize().map_err(|cause| {
        let message = format!("there is no folder `{}`", folder.display());
        Error::new(ErrorKind::NotFound, message).with_source(cause)
    })?;
    let folder = folder.to_str().ok_or_else(|| {
        let message = format!("the name of the folder `{}` is not UTF-8", folder.display());
        Error::new(ErrorKind::Unsupported, message)
    })?;
    let path = Entry {
        key: "path".to_owned(),
        key_origin: Origin::Default,
        node: Node::text(folder, Origin::Default),
    };
    Ok(Settings::new(KeyPath::default(), Node::map(vec![path], Origin::Default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_ends_before_the_first_pattern() {
        let check = |path, folder: &str, key: &str| {
            assert_eq!(split(path).unwrap(), (PathBuf::from(folder), key.to_owned()), "{path}");
        };
        check("x.parquet", ".", "x.parquet");
        check("./x.parquet", "./", "x.parquet");
        check("/data/x.parquet", "/data/", "x.parquet");
        check("/x.parquet", "/", "x.parquet");
        check("../lake/orders/", "../lake/", "orders");
        check("data/*/part-*.csv", "data/", "*/part-*.csv");
        check("*.csv", ".", "*.csv");
        for wrong in ["", ".", "..", "/", "a/..", "s3://bucket/x.parquet"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
