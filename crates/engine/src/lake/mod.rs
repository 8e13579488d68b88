//! Tables over the files of any datasource.
//!
//! A table is a file, a folder of files of one format, or a folder that a [`TableFormat`]
//! knows. [`Lake`] finds them by name or by convention, [`FileTable`] scans them.
//!
//! [`TableFormat`]: crate::TableFormat

mod arrow;
mod arrow_packed;
mod arrow_stream;
mod bounded;
mod csv;
mod csv_rows;
mod find;
mod footers;
mod format;
mod infer;
mod json;
mod json_type;
mod kept;
mod list;
mod merge;
mod old_bounds;
mod partition;
mod scan;
mod source;
mod store;
mod table;
mod tables;
mod tail;
mod text;

pub(crate) use find::{FoundTable, Lake, TableData};
pub(crate) use infer::SchemaCache;
pub(crate) use partition::names as partition_names;
pub(crate) use store::{LakeStore, Place, QueryStores, TableStores};
pub(crate) use table::{FileTable, declared_types};
