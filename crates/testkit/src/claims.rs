//! A capability as a flat list of named claims, by which trials are chosen and tables made.

use std::fmt;

use orbit_core::{
    Capability, DescribeCapability, EstimateCapability, FileCapability, InsertCapability,
    ListTablesCapability, PartitionCapability, PredicateCapability, QueryCapability,
    ReadCapability, SqlCapability, StatementCapability, WriteCapability,
};

/// What is claimed of one point: off is `0`, on is `1`, and a limit is its value.
pub(crate) type Level = usize;

/// The claims of a capability, by names such as `sql.query.order`, in the contract's order.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Claims(Vec<(&'static str, Level)>);

impl Claims {
    /// The claims of `capability`. Each struct is taken apart in full, so that a claim that is
    /// added to the contract does not compile until the suite has decided about it.
    pub(crate) fn of(capability: &Capability) -> Self {
        let Capability { sql, files } = *capability;
        let mut claims = Vec::new();
        sql_claims(sql, &mut claims);
        file_claims(files, &mut claims);
        Self(claims)
    }

    /// The level of one claim; off for a name that is none.
    pub(crate) fn level(&self, name: &str) -> Level {
        self.0.iter().find(|(n, _)| *n == name).map_or(0, |(_, level)| *level)
    }

    /// Whether the claim is made.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.level(name) > 0
    }

    /// The first of `needs` that is not claimed.
    pub(crate) fn missing(&self, needs: &[&'static str]) -> Option<&'static str> {
        needs.iter().copied().find(|need| !self.has(need))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, Level)> {
        self.0.iter().copied()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().copied()).finish()
    }
}

type List = Vec<(&'static str, Level)>;

fn sql_claims(sql: Option<SqlCapability>, claims: &mut List) {
    let on = Level::from(sql.is_some());
    let SqlCapability { list, describe, query, statement, estimate, partitions, insert, cancel } =
        sql.unwrap_or_default();
    claims.push(("sql", on));
    claims.push(("sql.list", list.is_some().into()));
    let ListTablesCapability { without_waking } = list.unwrap_or_default();
    claims.push(("sql.list.without_waking", without_waking.into()));
    claims.push(("sql.describe", describe.is_some().into()));
    let DescribeCapability { statement: of_statement, statistics, without_waking } =
        describe.unwrap_or_default();
    claims.push(("sql.describe.statement", of_statement.into()));
    claims.push(("sql.describe.statistics", statistics.into()));
    claims.push(("sql.describe.without_waking", without_waking.into()));
    query_claims(query, claims);
    claims.push(("sql.statement", statement.is_some().into()));
    let StatementCapability { parameters, write } = statement.unwrap_or_default();
    claims.push(("sql.statement.parameters", parameters.into()));
    claims.push(("sql.statement.write", write.into()));
    claims.push(("sql.estimate", estimate.is_some().into()));
    let EstimateCapability { rows, bytes, money } = estimate.unwrap_or_default();
    claims.push(("sql.estimate.rows", rows.into()));
    claims.push(("sql.estimate.bytes", bytes.into()));
    claims.push(("sql.estimate.money", money.into()));
    claims.push(("sql.partitions", partitions.is_some().into()));
    let PartitionCapability { one_snapshot, ordered } = partitions.unwrap_or_default();
    claims.push(("sql.partitions.one_snapshot", one_snapshot.into()));
    claims.push(("sql.partitions.ordered", ordered.into()));
    claims.push(("sql.insert", insert.is_some().into()));
    let InsertCapability { create, overwrite, idempotency_key, atomic } =
        insert.unwrap_or_default();
    claims.push(("sql.insert.create", create.into()));
    claims.push(("sql.insert.overwrite", overwrite.into()));
    claims.push(("sql.insert.idempotency_key", idempotency_key.into()));
    claims.push(("sql.insert.atomic", atomic.into()));
    claims.push(("sql.cancel", cancel.into()));
}

fn query_claims(query: Option<QueryCapability>, claims: &mut List) {
    claims.push(("sql.query", query.is_some().into()));
    let QueryCapability { predicate, order, limit, time_travel } = query.unwrap_or_default();
    claims.push(("sql.query.predicate", predicate.is_some().into()));
    let PredicateCapability { text_order, like, like_ignore_case, in_values_max } =
        predicate.unwrap_or_default();
    claims.push(("sql.query.predicate.text_order", text_order.into()));
    claims.push(("sql.query.predicate.like", like.into()));
    claims.push(("sql.query.predicate.like_ignore_case", like_ignore_case.into()));
    claims.push(("sql.query.predicate.in_values_max", in_values_max));
    claims.push(("sql.query.order", order.into()));
    claims.push(("sql.query.limit", limit.into()));
    claims.push(("sql.query.time_travel", time_travel.into()));
}

fn file_claims(files: Option<FileCapability>, claims: &mut List) {
    let on = Level::from(files.is_some());
    let FileCapability { read, write, copy, delete, presign } = files.unwrap_or_default();
    claims.push(("files", on));
    claims.push(("files.read", read.is_some().into()));
    let ReadCapability { if_match, start_after } = read.unwrap_or_default();
    claims.push(("files.read.if_match", if_match.into()));
    claims.push(("files.read.start_after", start_after.into()));
    claims.push(("files.write", write.is_some().into()));
    let WriteCapability { if_absent, if_match } = write.unwrap_or_default();
    claims.push(("files.write.if_absent", if_absent.into()));
    claims.push(("files.write.if_match", if_match.into()));
    claims.push(("files.copy", copy.into()));
    claims.push(("files.delete", delete.into()));
    claims.push(("files.presign", presign.into()));
}
