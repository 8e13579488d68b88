//! The statements that reach the source, as they are written. Against the responder of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, Time64NanosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema};
use common::scripted::Stage;
use orbit_core::{
    CompareOp, Context, Effect, Literal, Predicate, Query, SortKey, TableName, TableRef, Version,
};

async fn sent(stage: &Stage, query: Query) -> String {
    let before = stage.responder.seen().statements.len();
    // The planned schema spares the question for the columns; the answer does not matter.
    let schema = Some(Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)])));
    let error = stage.sql().query(&Context::builder().build(), Query { schema, ..query }).await;
    let seen = stage.responder.seen();
    match seen.statements.get(before) {
        Some(statement) => statement["sqlText"].as_str().unwrap().to_owned(),
        None => format!("refused: {}", error.unwrap_err()),
    }
}

fn table() -> Query {
    Query::table(TableRef::new(TableName::new(["DB", "My \"Schema\"", "Täble"])))
}

fn filtered(predicate: Predicate) -> Query {
    Query { predicate: Some(predicate), ..table() }
}

fn is(value: ArrayRef) -> Query {
    filtered(Predicate::compare("c", CompareOp::Eq, Literal::new(value).unwrap()))
}

fn like(pattern: &str, ignore_case: bool) -> Query {
    let (column, pattern) = ("c".to_owned(), pattern.to_owned());
    filtered(Predicate::Like { column, pattern, negated: true, ignore_case })
}

fn set(values: Vec<Option<i64>>, negated: bool) -> Predicate {
    Predicate::In { column: "k".to_owned(), values: Arc::new(Int64Array::from(values)), negated }
}

#[tokio::test]
async fn tables() {
    let stage = Stage::new().await;
    let key = |descending, nulls_first| SortKey { column: "c".to_owned(), descending, nulls_first };
    let old = |version| {
        let name = TableName::new(["T"]);
        Query::table(TableRef { name, version: Some(version) })
    };
    let null = Predicate::IsNull { column: "n".to_owned(), negated: false };
    let yes = Predicate::IsTrue { column: "b".to_owned() };
    let both = Predicate::And(vec![null.clone(), Predicate::Not(Box::new(yes.clone()))]);
    let queries = [
        table(),
        Query { columns: Some(vec!["a".to_owned(), "B".to_owned()]), ..table() },
        Query { columns: Some(Vec::new()), limit: Some(5), ..table() },
        Query { order: vec![key(false, true), key(true, false)], limit: Some(0), ..table() },
        filtered(Predicate::Or(vec![both, set(vec![Some(1), None], true)])),
        filtered(set(Vec::new(), false)),
        filtered(set(Vec::new(), true)),
        filtered(set(vec![Some(0); 10_001], false)),
        like("50\\%_it's", false),
        like("a%", true),
        old(Version::Timestamp(1_700_000_000_123_456)),
        old(Version::Number(3)),
    ];
    let mut texts = Vec::new();
    for query in queries {
        texts.push(sent(&stage, query).await);
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[tokio::test]
async fn values() {
    let stage = Stage::new().await;
    let decimal = Decimal128Array::from(vec![-12_345]).with_precision_and_scale(18, 2).unwrap();
    let moment = TimestampMicrosecondArray::from(vec![-62_135_596_800_000_000]);
    let zoned = TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC");
    let values: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![i64::MIN])),
        Arc::new(Float64Array::from(vec![0.1])),
        Arc::new(Float64Array::from(vec![f64::NAN])),
        Arc::new(Float64Array::from(vec![f64::NEG_INFINITY])),
        Arc::new(decimal),
        Arc::new(StringArray::from(vec!["it's \\ \"日本\""])),
        Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Date32Array::from(vec![-719_162])),
        Arc::new(Time64NanosecondArray::from(vec![1])),
        Arc::new(moment),
        Arc::new(zoned),
        Arc::new(StringArray::from(vec![None::<&str>])),
    ];
    let mut texts = Vec::new();
    for value in values {
        let text = sent(&stage, is(value)).await;
        texts.push(text.split(" WHERE ").nth(1).unwrap_or(&text).to_owned());
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[tokio::test]
async fn statements_and_their_parameters() {
    let stage = Stage::new().await;
    let text = "SELECT * FROM t -- all of it";
    let query = Query { limit: Some(3), ..Query::statement(text, Effect::Read) };
    let wrapped = sent(&stage, query).await;
    let write = Query { limit: Some(3), ..Query::statement("DELETE FROM t", Effect::Write) };
    let refused = sent(&stage, write).await;
    insta::assert_snapshot!(format!("{wrapped}\n{refused}"));
    let moment: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    let day: ArrayRef = Arc::new(Date32Array::from(vec![1]));
    let none: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    let row = RecordBatch::try_from_iter_with_nullable([
        ("a", moment, true),
        ("b", day, true),
        ("c", none, true),
    ]);
    let parameters = Some(row.unwrap());
    sent(&stage, Query { parameters, ..Query::statement("SELECT ?, ?, ?", Effect::Read) }).await;
    let seen = stage.responder.seen();
    insta::assert_json_snapshot!(seen.statements.last().unwrap()["bindings"]);
}
