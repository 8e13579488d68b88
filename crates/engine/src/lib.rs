//! Federated SQL over every configured datasource, on DataFusion.
//!
//! An [`Engine`] plans one statement over named tables, pushes what it can to each source and
//! does the rest itself, within a memory budget. It knows sources only by the contract of
//! `orbit-core`, and table formats other than plain files only by [`TableFormat`].

mod catalog;
mod command;
mod describe;
mod ending;
mod engine;
mod error;
mod explain;
mod format;
mod lake;
mod maintain;
mod name;
mod options;
mod plan;
mod remote;
mod request;
mod rules;
mod run;
mod semantics;
mod session;
mod spill;
mod sql;
mod write;

pub use command::{
    FormatCommand, MergeAction, MergeClause, NewTable, TableAnswer, TableChange, TableCommand,
    TableMerge, TableRequest, TableWrite, Vacuum, WriteColumns, WriteMode,
};
pub use engine::Engine;
pub use explain::{Explanation, SourceExplanation};
pub use format::{Faults, FormatTable, OpenedPath, PathTables, TableFormat};
pub use options::{EngineOptions, FileFormat, StatementLimits, TableOptions};
pub use request::{DescribedTable, ParameterValue, Request, TableFilter, TableInfo, TableList};
