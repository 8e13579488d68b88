//! Federated SQL over every configured datasource, on DataFusion.
//!
//! An [`Engine`] plans one statement over named tables, pushes what it can to each source and
//! does the rest itself, within a memory budget. It knows sources only by the contract of
//! `orbit-core`, and table formats other than plain files only by [`TableFormat`].

mod engine;
mod explain;
mod format;
mod options;
mod request;

pub use engine::Engine;
pub use explain::{Explanation, SourceExplanation};
pub use format::{FormatTable, TableFormat};
pub use options::{EngineOptions, FileFormat, StatementLimits, TableOptions};
pub use request::{DescribedTable, ParameterValue, Request, TableFilter, TableInfo, TableList};
