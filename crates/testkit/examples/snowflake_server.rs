//! A server for the benchmark of clients of Snowflake: `snowflake_server fakesnow ROWS`, or
//! `responder` in place of `fakesnow`. Both have one table, `EVENTS`, of six columns.
//!
//! It prints its port, then for each line that it reads how many requests there were since the
//! last, and ends with its input.

#![allow(clippy::print_stdout, reason = "what it says is its answer")]

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow_schema::{DataType, Field, Fields, Schema};
use orbit_testkit::responders::{Answer, Snowflake, gzip, ipc};
use orbit_testkit::servers::Fakesnow;
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Rows of a piece, and of a batch in it: about what the vendor sends.
const PIECE_ROWS: u64 = 100_000;
const BATCH_ROWS: i64 = 10_000;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [server, rows] = arguments.as_slice() else {
        return Err("give fakesnow or responder, and ROWS".into());
    };
    let rows = rows.parse()?;
    match server.as_str() {
        "fakesnow" => {
            let server = Fakesnow::start().await?;
            server.run(vec![filled(rows)]).await?;
            told(server.port(), || Ok(server.requests()?))
        }
        "responder" => {
            let server = Snowflake::start().await?;
            server.answer("SELECT * FROM EVENTS", answer(rows)?);
            told(server.port(), || Ok(server.seen().requests.len() as u64))
        }
        other => Err(format!("there is no server `{other}`").into()),
    }
}

/// Prints what is asked for until nobody asks.
fn told(port: u16, requests: impl Fn() -> Outcome<u64>) -> Outcome {
    say(u64::from(port))?;
    let mut before = requests()?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let now = requests()?;
        say(now - before)?;
        before = now;
    }
    Ok(())
}

fn say(number: u64) -> Outcome {
    println!("{number}");
    Ok(std::io::stdout().flush()?)
}

/// The table at fakesnow.
fn filled(rows: u64) -> String {
    format!(
        "CREATE TABLE EVENTS AS SELECT i::NUMBER(18,0) AS id, \
         (i % 1000)::NUMBER(9,0) AS quantity, (i % 100000 / 100)::NUMBER(12,2) AS price, \
         (i / 7)::FLOAT AS rate, 'customer ' || (i % 5000) AS name, \
         ('2024-01-01'::TIMESTAMP_NTZ + INTERVAL (i) SECOND)::TIMESTAMP_NTZ AS at \
         FROM range({rows}) t(i)"
    )
}

/// The table at the responder, as the vendor sends it: the first batch within the answer, then
/// pieces, compressed as its stores have them; the same piece as often as it takes.
fn answer(rows: u64) -> Outcome<Answer> {
    let batches = (0..PIECE_ROWS as i64 / BATCH_ROWS).map(|n| batch(n * BATCH_ROWS));
    let batches = batches.collect::<Outcome<Vec<_>>>()?;
    let (first, rest) = batches.split_at(1);
    let plain = ipc(&batches)?;
    let mut chunks = vec![(gzip(&plain)?, PIECE_ROWS); usize::try_from(rows / PIECE_ROWS)?];
    if let Some(begun) = chunks.first_mut() {
        *begun = (gzip(&ipc(rest)?)?, PIECE_ROWS - BATCH_ROWS as u64);
    }
    let (inline, total) = (ipc(first)?, chunks.len() as u64 * PIECE_ROWS);
    let chunk_bytes = Some(plain.len() as u64);
    Ok(Answer { row_type: row_type(), inline, chunks, chunk_bytes, total, ..Answer::default() })
}

/// Rows as the vendor sends them: numbers in the narrowest type that holds their digits, moments
/// as seconds and nanoseconds.
fn batch(start: i64) -> Outcome<RecordBatch> {
    let ids = || start..start + BATCH_ROWS;
    let seconds: ArrayRef = Arc::new(ids().map(|i| 1_704_067_200 + i).collect::<Int64Array>());
    let nanos: ArrayRef = Arc::new(ids().map(|_| 0).collect::<Int32Array>());
    let parts = Fields::from(vec![
        Field::new("epoch", DataType::Int64, false),
        Field::new("fraction", DataType::Int32, false),
    ]);
    let names = ids().map(|i| Some(format!("customer {}", i % 5000)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids().collect::<Int64Array>()),
        Arc::new(ids().map(|i| i32::try_from(i % 1000).ok()).collect::<Int32Array>()),
        Arc::new(ids().map(|i| i32::try_from(i % 100_000).ok()).collect::<Int32Array>()),
        Arc::new(ids().map(|i| i as f64 / 7.0).collect::<Float64Array>()),
        Arc::new(names.collect::<StringArray>()),
        Arc::new(StructArray::try_new(parts, vec![seconds, nanos], None)?),
    ];
    let field = |(column, told): (&ArrayRef, &Value)| {
        let text = |key: &str| told[key].to_string().trim_matches('"').to_owned();
        let metadata = [
            ("logicalType", text("type").to_uppercase()),
            ("precision", text("precision")),
            ("scale", text("scale")),
            ("charLength", text("length")),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
        Field::new(text("name"), column.data_type().clone(), true).with_metadata(metadata)
    };
    let told = row_type();
    let fields: Vec<_> =
        columns.iter().zip(told.as_array().into_iter().flatten()).map(field).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn row_type() -> Value {
    let column = |name: &str, kind: &str, precision: u64, scale: u64, length: u64| {
        json!({ "name": name, "type": kind, "precision": precision, "scale": scale,
            "length": length, "byteLength": length, "nullable": true })
    };
    json!([
        column("ID", "fixed", 18, 0, 0),
        column("QUANTITY", "fixed", 9, 0, 0),
        column("PRICE", "fixed", 12, 2, 0),
        column("RATE", "real", 38, 0, 0),
        column("NAME", "text", 38, 0, 16_777_216),
        column("AT", "timestamp_ntz", 0, 9, 0),
    ])
}
