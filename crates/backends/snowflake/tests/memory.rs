//! Ten million rows in pieces take no more memory than one million. A binary of its own, since
//! it measures the process. Against the responder of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use common::scripted::{SELECT, Stage, numbers, row_type};
use futures::TryStreamExt;
use orbit_core::Context;
use orbit_testkit::responders::{Answer, ipc};

const PIECE_ROWS: i64 = 100_000;

/// The most memory that the process has held, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_rows() {
    let stage = Stage::new().await;
    let piece = ipc(&[numbers(0..PIECE_ROWS)]).unwrap();
    let mut peaks = Vec::new();
    for millions in [1, 10] {
        let chunks = vec![(piece.clone(), PIECE_ROWS as u64); millions * 10];
        let total = chunks.len() as u64 * PIECE_ROWS as u64;
        let answer = Answer { row_type: row_type(), chunks, total, ..Answer::default() };
        stage.responder.answer(SELECT, answer);
        let stream = stage.query(&Context::builder().build()).await.unwrap();
        let rows = stream.try_fold(0, |rows, batch| async move { Ok(rows + batch.num_rows()) });
        assert_eq!(rows.await.unwrap() as u64, total);
        peaks.push(peak_kib());
    }
    assert!(peaks[1] < peaks[0] + (16 << 10), "{peaks:?} KiB");
}
