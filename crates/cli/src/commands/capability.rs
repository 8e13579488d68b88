//! What a backend can do, as data and in a few words.

use orbit_core::{
    Capability, DescribeCapability, EstimateCapability, FileCapability, InsertCapability,
    ListTablesCapability, PartitionCapability, PredicateCapability, QueryCapability,
    ReadCapability, SqlCapability, StatementCapability, WriteCapability,
};
use serde_json::{Value, json};

/// The capability as data: null is off.
pub(super) fn to_json(capability: Capability) -> Value {
    let Capability { sql, files } = capability;
    json!({ "sql": sql.map(sql_json), "files": files.map(files_json) })
}

fn sql_json(sql: SqlCapability) -> Value {
    let SqlCapability { list, describe, query, statement, estimate, partitions, insert, cancel } =
        sql;
    json!({
        "list": list.map(|ListTablesCapability { without_waking }| json!({
            "without_waking": without_waking,
        })),
        "describe": describe.map(
            |DescribeCapability { statement, statistics, without_waking }| json!({
                "statement": statement,
                "statistics": statistics,
                "without_waking": without_waking,
            })
        ),
        "query": query.map(|QueryCapability { predicate, order, limit, time_travel }| json!({
            "predicate": predicate.map(predicate_json),
            "order": order,
            "limit": limit,
            "time_travel": time_travel,
        })),
        "statement": statement.map(|StatementCapability { parameters, write }| json!({
            "parameters": parameters,
            "write": write,
        })),
        "estimate": estimate.map(|EstimateCapability { rows, bytes, money }| json!({
            "rows": rows,
            "bytes": bytes,
            "money": money,
        })),
        "partitions": partitions.map(|PartitionCapability { one_snapshot, ordered }| json!({
            "one_snapshot": one_snapshot,
            "ordered": ordered,
        })),
        "insert": insert.map(
            |InsertCapability { create, overwrite, idempotency_key, atomic }| json!({
                "create": create,
                "overwrite": overwrite,
                "idempotency_key": idempotency_key,
                "atomic": atomic,
            })
        ),
        "cancel": cancel,
    })
}

fn predicate_json(predicate: PredicateCapability) -> Value {
    let PredicateCapability { text_order, like, like_ignore_case, in_values_max } = predicate;
    json!({
        "text_order": text_order,
        "like": like,
        "like_ignore_case": like_ignore_case,
        "in_values_max": in_values_max,
    })
}

fn files_json(files: FileCapability) -> Value {
    let FileCapability { read, write, copy, delete, presign } = files;
    json!({
        "read": read.map(|ReadCapability { if_match, start_after }| json!({
            "if_match": if_match,
            "start_after": start_after,
        })),
        "write": write.map(|WriteCapability { if_absent, if_match }| json!({
            "if_absent": if_absent,
            "if_match": if_match,
        })),
        "copy": copy,
        "delete": delete,
        "presign": presign,
    })
}

/// The operations in a few words.
pub(super) fn words(capability: Capability) -> String {
    let mut words = Vec::new();
    if let Some(sql) = capability.sql {
        let operations = [
            ("query", sql.query.is_some()),
            ("statement", sql.statement.is_some()),
            ("estimate", sql.estimate.is_some()),
            ("insert", sql.insert.is_some()),
        ];
        words.extend(operations.into_iter().filter(|(_, can)| *can).map(|(word, _)| word));
    }
    if let Some(files) = capability.files {
        let operations = [
            ("read", files.read.is_some()),
            ("write", files.write.is_some()),
            ("copy", files.copy),
            ("delete", files.delete),
        ];
        words.extend(operations.into_iter().filter(|(_, can)| *can).map(|(word, _)| word));
    }
    words.join(", ")
}
