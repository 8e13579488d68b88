//! The operations of the contract, by name.
//!
//! Layers match on [`Operation`] without a wildcard, so an operation that is added here does
//! not compile until each layer has decided about it.

use std::fmt;

/// One operation of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Turning settings into a datasource.
    Connect,
    /// Asking whether the source answers.
    Ping,
    /// Listing tables.
    ListTables,
    /// Columns and statistics of a table or statement.
    Describe,
    /// Running a query.
    Query,
    /// Rows, bytes and money before running.
    Estimate,
    /// Splitting a query into parts.
    Partitions,
    /// Reading one part.
    ReadPartition,
    /// Writing rows into a table.
    Insert,
    /// Stopping a statement by its id.
    Cancel,
    /// Listing files.
    ListFiles,
    /// Size, time and tag of one file.
    Stat,
    /// Reading a file or a range of it.
    Read,
    /// Reading several ranges of a file.
    ReadRanges,
    /// Writing a file.
    Write,
    /// Copying a file within the store.
    Copy,
    /// Deleting files.
    Delete,
    /// A URL that needs no further credentials.
    Presign,
}

/// What an operation may change at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationEffect {
    /// Nothing: it may be repeated.
    Read,
    /// Something: it is never repeated by a layer.
    Write,
    /// The request says, as with a query.
    OfTheRequest,
}

impl Operation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::Connect,
        Self::Ping,
        Self::ListTables,
        Self::Describe,
        Self::Query,
        Self::Estimate,
        Self::Partitions,
        Self::ReadPartition,
        Self::Insert,
        Self::Cancel,
        Self::ListFiles,
        Self::Stat,
        Self::Read,
        Self::ReadRanges,
        Self::Write,
        Self::Copy,
        Self::Delete,
        Self::Presign,
    ];

    /// The name in logs, metrics and machine-readable output, such as `list_tables`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ping => "ping",
            Self::ListTables => "list_tables",
            Self::Describe => "describe",
            Self::Query => "query",
            Self::Estimate => "estimate",
            Self::Partitions => "partitions",
            Self::ReadPartition => "read_partition",
            Self::Insert => "insert",
            Self::Cancel => "cancel",
            Self::ListFiles => "list_files",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::ReadRanges => "read_ranges",
            Self::Write => "write",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::Presign => "presign",
        }
    }

    /// What it may change at the source.
    pub fn effect(self) -> OperationEffect {
        match self {
            Self::Connect
            | Self::Ping
            | Self::ListTables
            | Self::Describe
            | Self::Estimate
            | Self::ListFiles
            | Self::Stat
            | Self::Read
            | Self::ReadRanges
            | Self::Presign => OperationEffect::Read,
            // Planning partitions may run an export, so it follows its query.
            Self::Query | Self::Partitions | Self::ReadPartition => OperationEffect::OfTheRequest,
            Self::Insert | Self::Cancel | Self::Write | Self::Copy | Self::Delete => {
                OperationEffect::Write
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
