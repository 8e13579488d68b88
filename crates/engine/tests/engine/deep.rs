//! Long and deeply nested statements are answered or refused; none takes the process down.
//!
//! The threads have the stack that `orbit` gives its own.

use std::future::Future;

use arrow_array::record_batch;
use orbit_core::ErrorKind;
use orbit_engine::Engine;

use crate::support::{lake, put_parquet, refusal, rows};

const STACK_BYTES: usize = 16 << 20;

fn on_worker<F>(ask: impl FnOnce(Engine) -> F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    put_parquet(folder.path(), "t.parquet", &record_batch!(("id", Int64, [1, 2, 3])).unwrap());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        builder.worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build().unwrap();
    runtime.block_on(runtime.spawn(ask(lake(folder.path())))).unwrap()
}

fn answer(sql: String) -> String {
    on_worker(|engine| async move { rows(&engine, &sql).await })
}

fn repeated(count: usize, separator: &str, each: impl Fn(usize) -> String) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(separator)
}

#[test]
fn three_hundred_joins() {
    let joins = repeated(300, " ", |i| format!("JOIN t t{i} ON t{i}.id = t.id"));
    assert_eq!(answer(format!("SELECT count(*) FROM t {joins}")), "3");
}

#[test]
fn five_thousand_alternatives() {
    let terms = repeated(5_000, " OR ", |i| format!("id * 2 = {}", i * 2 + 2));
    assert_eq!(answer(format!("SELECT count(*) FROM t WHERE {terms}")), "3");
}

#[test]
fn a_thousand_parentheses() {
    let (open, close) = ("(".repeat(1_000), ")".repeat(1_000));
    assert_eq!(answer(format!("SELECT {open}id{close} FROM t WHERE id = 2")), "2");
}

#[test]
fn five_hundred_subqueries() {
    let (open, close) = ("SELECT id FROM (".repeat(500), ") x".repeat(500));
    assert_eq!(answer(format!("{open}SELECT id FROM t WHERE id = 3{close}")), "3");
}

#[test]
fn a_list_of_five_thousand_values() {
    let values = repeated(5_001, ", ", |i| (i + 2).to_string());
    assert_eq!(answer(format!("SELECT count(*) FROM t WHERE id IN ({values})")), "2");
}

#[test]
fn a_text_of_a_hundred_thousand_bytes() {
    let text = "x".repeat(100_000);
    assert_eq!(answer(format!("SELECT length('{text}')")), "100000");
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let statements = [
        ("bytes_max", format!("SELECT '{}'", "x".repeat(1 << 20))),
        ("tokens_max", format!("SELECT {}", repeated(60_000, ", ", |_| "1".into()))),
        (
            "joins_max",
            format!("SELECT 1 FROM t {}", repeated(513, " ", |i| format!("JOIN t t{i} ON true"))),
        ),
        ("joins_max", format!("SELECT 1 FROM t {}", repeated(513, " ", |i| format!(", t t{i}")))),
        ("depth_max", format!("SELECT {}1{}", "(".repeat(2_049), ")".repeat(2_049))),
        ("depth_max", format!("SELECT {} true", "NOT ".repeat(2_049))),
        ("depth_max", format!("SELECT {}1", "- ".repeat(2_049))),
    ];
    on_worker(|engine| async move {
        for (limit, sql) in statements {
            let error = refusal(&engine, &sql).await;
            assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{limit}: {error}");
            assert!(error.hint().is_some_and(|hint| hint.contains(limit)), "{limit}: {error}");
        }
        assert_eq!(rows(&engine, "SELECT max(id) FROM t").await, "3");
    });
}
