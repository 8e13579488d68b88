//! What a plan will do, source by source.

use std::collections::BTreeMap;

use orbit_core::{Estimate, TallySnapshot};

/// What a statement will do, or did.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// One for each scan of a source.
    pub sources: Vec<SourceExplanation>,
    /// The plan as text, one node a line.
    pub plan: String,
    /// What was really moved, by datasource: only when the statement ran.
    pub measured: BTreeMap<String, TallySnapshot>,
    /// Rows of the result: only when the statement ran.
    pub rows: Option<u64>,
    /// Time it took in milliseconds: only when the statement ran.
    pub elapsed_ms: Option<u64>,
}

/// What one scan pushes to its source and what stays.
#[derive(Debug, Clone, Default)]
pub struct SourceExplanation {
    /// The datasource.
    pub datasource: String,
    /// The table.
    pub table: String,
    /// The statement or the files that are read, such as `SELECT ...` or `3 of 8 files`.
    pub reads: String,
    /// What the source applies, such as `columns: a, b` or `filter: a > 1`.
    pub pushed: Vec<String>,
    /// What ORBIT applies after it.
    pub stayed: Vec<String>,
    /// What it will cost, where the source says so.
    pub estimate: Estimate,
}
