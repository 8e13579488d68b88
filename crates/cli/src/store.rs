//! A datasource whose files a command reads and writes.

use std::sync::Arc;

use orbit_core::{
    Context, Datasource, Delete, Error, ErrorKind, FileDatasource, Handle, Operation,
    WriteCondition,
};

use crate::failure::{Failure, Result};
use crate::session::Session;

/// A datasource that has files.
pub(crate) struct Store {
    handle: Arc<Handle>,
    datasource: Arc<dyn Datasource>,
}

impl Store {
    /// Opens a datasource that must have files.
    pub(crate) async fn open(session: &Session, cx: &Context, name: &str) -> Result<Self, Error> {
        let handle = Arc::clone(session.datasources().require(name)?);
        let datasource = handle.open(cx).await?;
        let store = Self { handle, datasource };
        store.files().map(|_| ())?;
        Ok(store)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.handle.name()
    }

    /// Its files.
    pub(crate) fn files(&self) -> Result<&dyn FileDatasource, Error> {
        self.datasource.facets().files.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this datasource has no files")
                .with_datasource(self.handle.name())
                .with_hint("`orbit sources` shows the kind of each datasource")
        })
    }

    /// The context of its operations.
    pub(crate) fn context(&self, cx: &Context) -> Context {
        cx.for_datasource(self.handle.name())
    }

    /// Fails where the configuration does not let it be written.
    pub(crate) fn require_writes(&self, operation: Operation) -> Result<(), Error> {
        if self.handle.writable() {
            return Ok(());
        }
        let hint = format!("set datasources.{}.allow_writes: true", self.handle.name());
        Err(Error::new(ErrorKind::PermissionDenied, "the configuration does not allow writes")
            .with_datasource(self.handle.name())
            .with_operation(operation)
            .with_hint(hint))
    }

    /// The error with the names of the datasource and the file.
    pub(crate) fn named(&self, error: Error, key: &str) -> Failure {
        let error = error.with_datasource(self.handle.name());
        let names_key = error.context().any(|(_, value)| value == key);
        match names_key || error.message().contains(key) {
            true => error.into(),
            false => error.with_context("file", key).into(),
        }
    }

    /// Deletes each of the keys; the first failure is told after all were tried.
    pub(crate) async fn delete(&self, cx: &Context, keys: Vec<String>) -> Result<u64> {
        let outcomes = cx.run(self.files()?.delete(cx, Delete { keys })).await?;
        let deleted = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count() as u64;
        for outcome in outcomes {
            outcome.result.map_err(|error| self.named(error, &outcome.key))?;
        }
        Ok(deleted)
    }

    /// How a file is written that may, or may not, replace another.
    pub(crate) fn condition(&self, replaces: bool) -> Result<WriteCondition, Error> {
        if replaces {
            return Ok(WriteCondition::Always);
        }
        if !self.files()?.capability().write.is_some_and(|write| write.if_absent) {
            let message = "this datasource cannot promise to leave a file that is there alone";
            let error = Error::new(ErrorKind::Unsupported, message);
            return Err(error.with_hint("--force writes without looking"));
        }
        Ok(WriteCondition::IfAbsent)
    }
}

/// The key as a prefix: everything below it.
pub(crate) fn as_folder(key: &str) -> String {
    match key {
        "" => String::new(),
        key if key.ends_with('/') => key.to_owned(),
        key => format!("{key}/"),
    }
}
