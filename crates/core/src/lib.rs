//! The contract between ORBIT and every warehouse and lake it reads.
//!
//! A *backend* (one crate per vendor) exports a [`Backend`]; configured settings turn it into
//! a *datasource*, which answers with the facets it has: SQL, files, or both.
//! The engine, the layers and the command line know only what stands here.
//!
//! This crate knows no vendor and no query engine, reads no file and no environment.

mod backend;
mod bridge;
mod capability;
mod context;
mod datasource;
mod datasources;
mod dialect;
mod error;
mod file;
mod operation;
mod packed;
mod predicate;
mod query;
mod render;
mod repetition;
mod reporter;
mod secret;
mod settings;
mod sources;
mod sql;
mod stream;
mod suggest;

pub use backend::{Backend, BackendConfig, ConnectionKind, ParseSettings, Registration, Registry};
pub use bridge::FileStore;
pub use capability::{
    Capability, DescribeCapability, EstimateCapability, FileCapability, InsertCapability,
    ListTablesCapability, PartitionCapability, PredicateCapability, QueryCapability,
    ReadCapability, SqlCapability, StatementCapability, WriteCapability,
};
pub use context::{Context, ContextBuilder, Identity, Principal, QueryId, Wake};
pub use datasource::{Datasource, Facets};
pub use datasources::{Connect, Datasources, DatasourcesBuilder, Handle, Instances, Layering};
pub use dialect::{
    BooleanForm, DialectLimits, IdentifierCase, IntegerDivision, LimitForm, NullOrder,
    ParameterMarker, SqlDialect, TimeTravelForm,
};
pub use error::{Error, ErrorKind, Result, Retry, WriteEffect};
pub use file::{
    ByteRange, ByteStream, Copy, Delete, DeleteOutcome, FileDatasource, FileEntry, FileInfo,
    FileStream, ListFiles, Presign, PresignMethod, Read, ReadBody, ReadRanges, Stat, Write,
    WriteCondition,
};
pub use inventory;
pub use operation::{Operation, OperationEffect};
pub use packed::{BATCH_ROWS_MAX, unpacked_bytes_max};
pub use predicate::{CompareOp, Literal, Predicate};
pub use query::{Effect, Query, SortKey, TableName, TableRef, Target, Version};
pub use render::{Select, SqlForms};
pub use repetition::{RetryBackoff, RetryBudget};
pub use reporter::{Event, Reporter, Tally, TallySnapshot};
pub use secret::Secret;
pub use settings::{
    Entry, KeyPath, Node, Origin, Problem, ProxySettings, Settings, TlsSettings, Value,
    keeps_secrets,
};
pub use sources::Sources;
pub use sql::{
    ColumnDescription, Describe, Estimate, EstimateQuality, HourlyRate, Insert, InsertMode,
    InsertOutcome, ListTables, Partition, PartitionRead, PartitionSet, PartitionSource, Partitions,
    SqlDatasource, Statistic, TableDescription, TableEntry, TableKind, TablePage, TableStatistics,
};
pub use stream::{BatchStream, Summary, SummaryHandle, Truncation};
pub use suggest::closest;
