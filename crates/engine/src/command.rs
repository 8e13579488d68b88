//! What can be done to a table of a format, such as Delta, beside reading its rows.

use std::collections::BTreeMap;

use arrow_schema::SchemaRef;
use orbit_core::{BatchStream, Version};
use serde_json::{Map, Value};

use crate::Request;

/// A command on a table, and how to find both.
#[derive(Debug, Clone)]
pub struct TableRequest {
    /// The table, named as in SQL; with quotes around it, a path of this machine.
    pub table: String,
    /// What is to be done.
    pub command: TableCommand,
    /// The query whose rows are written, for the commands that take rows.
    pub rows: Option<Request>,
    /// Paths of this machine may stand in place of the table: for the command line, never for
    /// a server.
    pub paths_allowed: bool,
}

/// A command on a table. Predicates and expressions are SQL over the table's columns, named in
/// their exact case.
#[derive(Debug, Clone, PartialEq)]
pub enum TableCommand {
    /// What the table is: its columns, properties, protocol and size.
    Detail,
    /// Its versions, the newest first.
    History {
        /// How many at most.
        limit: usize,
    },
    /// The rows that changed, where the table records changes.
    Changes {
        /// The first version whose changes are told.
        from: u64,
        /// The last one; none is the newest.
        to: Option<u64>,
    },
    /// Makes a table that does not exist. The rows, if any, are its first.
    Create(NewTable),
    /// Adds rows to a table, or puts them in place of what it holds.
    Write(TableWrite),
    /// Deletes rows.
    Delete {
        /// Which; none is all of them.
        predicate: Option<String>,
    },
    /// Changes rows.
    Update {
        /// Which; none is all of them.
        predicate: Option<String>,
        /// The columns and their new values.
        set: Vec<(String, String)>,
    },
    /// Joins the table with rows, and changes it by what meets.
    Merge(TableMerge),
    /// Rewrites many small files as few large ones.
    Optimize {
        /// The columns along which rows are put together; none keeps their order.
        order_by: Vec<String>,
        /// How large a file shall be.
        file_bytes: Option<u64>,
    },
    /// Deletes files that no version needs which is younger than the retention.
    Vacuum(Vacuum),
    /// Makes an old version the newest again.
    Restore {
        /// Which.
        version: Version,
    },
    /// Refuses rows for which an expression is not true, from now on.
    AddConstraint {
        /// Its name.
        name: String,
        /// What must be true.
        expression: String,
    },
    /// Lifts a constraint.
    DropConstraint {
        /// Its name.
        name: String,
    },
    /// Adds columns, which are NULL in the rows that are there.
    AddColumns {
        /// The columns, as `name type`.
        columns: Vec<String>,
    },
    /// Sets properties of the table.
    SetProperties {
        /// The properties.
        properties: BTreeMap<String, String>,
    },
    /// Makes a table of a folder of Parquet files, where they lie.
    Convert {
        /// The properties of the table.
        properties: BTreeMap<String, String>,
    },
}

/// A table that is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTable {
    /// The columns, as `name type` or `name type NOT NULL`; none are those of the rows.
    pub columns: Vec<String>,
    /// The columns whose values become folders.
    pub partition_by: Vec<String>,
    /// The properties of the table.
    pub properties: BTreeMap<String, String>,
    /// What the table is for.
    pub comment: Option<String>,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableWrite {
    /// What becomes of the rows that are there.
    pub mode: WriteMode,
    /// What becomes of the table's columns.
    pub columns: WriteColumns,
}

/// What becomes of the rows that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteMode {
    /// They stay.
    Append,
    /// They give way, all of them or those for which the predicate is true; it must be true for
    /// each new row then.
    Overwrite {
        /// Which.
        predicate: Option<String>,
    },
}

/// What becomes of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteColumns {
    /// They stay; rows with others are refused.
    Keep,
    /// Those of the rows are added.
    Merge,
    /// They become those of the rows, where all rows give way.
    Replace,
}

/// What a merge does. The table is known as `t`, the rows as `s`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableMerge {
    /// When a row of the table and a given one meet.
    pub on: String,
    /// What becomes of a row that meets one, by the first clause that applies.
    pub matched: Vec<MergeClause>,
    /// What becomes of a given row that meets none.
    pub not_matched: Vec<MergeClause>,
    /// What becomes of a row of the table that meets none.
    pub not_matched_by_source: Vec<MergeClause>,
    /// Columns of the rows that the table lacks are added.
    pub add_columns: bool,
}

/// A clause of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeClause {
    /// It applies where this is true; none is everywhere.
    pub predicate: Option<String>,
    /// What is done.
    pub action: MergeAction,
}

/// What a clause of a merge does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeAction {
    /// The row is deleted.
    Delete,
    /// The row takes, or is made of, these values by column; none are those of the given row,
    /// by name.
    Set(Vec<(String, String)>),
}

/// How files are cleaned up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vacuum {
    /// Files needed by a version of the last hours stay; none is what the table says.
    pub retention_hours: Option<u64>,
    /// A retention that is shorter than the table's is allowed.
    pub force: bool,
    /// Files that no version ever knew go, too.
    pub full: bool,
    /// Nothing is deleted, only told.
    pub dry_run: bool,
}

/// The answer to a command.
#[derive(Debug)]
pub enum TableAnswer {
    /// The table was changed, or there was nothing to do.
    Changed(TableChange),
    /// Facts: an object, or a list of them.
    Facts(Value),
    /// Rows.
    Rows(BatchStream),
}

/// What a command changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableChange {
    /// The version that was made; none when there was nothing to do.
    pub version: Option<u64>,
    /// What was done, in the format's own figures.
    pub metrics: Map<String, Value>,
    /// What should be read by a person.
    pub warnings: Vec<String>,
}

/// A command as a format gets it: what was text and name is resolved.
#[derive(Debug)]
pub struct FormatCommand {
    /// What is to be done.
    pub command: TableCommand,
    /// The columns that the command spells as texts; for [`TableCommand::Convert`] those read
    /// from the folders' names.
    pub columns: Option<SchemaRef>,
    /// The rows, for the commands that take rows.
    pub rows: Option<BatchStream>,
}

impl TableCommand {
    /// Whether it may change the table.
    pub fn writes(&self) -> bool {
        match self {
            Self::Detail | Self::History { .. } | Self::Changes { .. } => false,
            Self::Vacuum(vacuum) => !vacuum.dry_run,
            _ => true,
        }
    }

    /// The columns that it spells as texts.
    pub(crate) fn column_texts(&self) -> &[String] {
        match self {
            Self::Create(NewTable { columns, .. }) | Self::AddColumns { columns } => columns,
            _ => &[],
        }
    }

    /// The texts that are expressions.
    pub(crate) fn expressions(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        match self {
            Self::Write(TableWrite { mode: WriteMode::Overwrite { predicate }, .. })
            | Self::Delete { predicate } => texts.extend(predicate.as_deref()),
            Self::Update { predicate, set } => {
                texts.extend(predicate.as_deref());
                texts.extend(set.iter().map(|(_, value)| value.as_str()));
            }
            Self::Merge(merge) => {
                texts.push(&merge.on);
                let clauses = [&merge.matched, &merge.not_matched, &merge.not_matched_by_source];
                for clause in clauses.into_iter().flatten() {
                    texts.extend(clause.predicate.as_deref());
                    if let MergeAction::Set(set) = &clause.action {
                        texts.extend(set.iter().map(|(_, value)| value.as_str()));
                    }
                }
            }
            Self::AddConstraint { expression, .. } => texts.push(expression),
            _ => {}
        }
        texts
    }
}
