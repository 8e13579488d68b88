//! Writing: whole or not at all, under conditions, against others.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt, stream};
use orbit_core::{
    Context, Copy, Error, ErrorKind, FileInfo, ListFiles, Result, Write, WriteCondition,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{content, ensure, equal, fails, group, holds, is_absent, list, pattern, put, write};
use crate::bench::Bench;
use crate::subject::{Stop, Verdict};

const RACERS: usize = 8;
const A_WHILE: Duration = Duration::from_millis(200);

group! { "files":
    write_replaces ["files.read", "files.write"];
    write_if_absent_keeps_what_is_there ["files.read", "files.write.if_absent"];
    one_of_many_creates ["files.read", "files.write.if_absent"];
    write_if_match_wants_the_tag ["files.read", "files.write.if_match"];
    one_of_many_replaces ["files.read", "files.write.if_match"];
    broken_body_leaves_what_was_there ["files.read", "files.write"];
    nothing_is_seen_before_the_last_byte ["files.read", "files.write"];
    dropped_write_leaves_nothing ["files.read", "files.write"];
    cancelled_write_leaves_nothing ["files.read", "files.write"];
    copy_copies ["files.read", "files.write", "files.copy"];
    copy_if_absent_keeps_what_is_there ["files.read", "files.write.if_absent", "files.copy"];
    presigned_url_is_made ["files.write", "files.presign"];
}

async fn write_replaces(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    put(bench, &key, b"the first content").await?;
    let info = put(bench, &key, b"shorter").await?;
    equal("the size", &info.size_bytes, &7)?;
    holds(bench, &key, b"shorter").await
}

async fn write_if_absent_keeps_what_is_there(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    write(bench, &key, b"one", WriteCondition::IfAbsent).await??;
    let again = write(bench, &key, b"two", WriteCondition::IfAbsent).await?;
    fails(again, &[ErrorKind::AlreadyExists])?;
    holds(bench, &key, b"one").await
}

/// Many write at once under one condition; exactly one must win, the others fail so.
async fn race(bench: &Bench, key: &str, condition: WriteCondition, lost: ErrorKind) -> Verdict {
    let bodies: Vec<_> = (0..RACERS).map(|i| pattern(64 * 1024 + i)).collect();
    let (files, cx) = (bench.files()?, bench.cx());
    let racers = bodies
        .iter()
        .map(|body| files.write(&cx, Write::bytes(key, body.clone(), condition.clone())));
    let outcomes: Vec<Result<FileInfo>> = join_all(racers).await;
    let won: Vec<_> = (0..RACERS).filter(|i| outcomes[*i].is_ok()).collect();
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        fails(outcome, &[lost])?;
    }
    let [winner] = won[..] else {
        return Err(Stop::failed(format!("{} of {RACERS} writers won", won.len())));
    };
    holds(bench, key, &bodies[winner]).await
}

async fn one_of_many_creates(bench: &Bench) -> Verdict {
    for round in 0..3 {
        let key = bench.key(&format!("round{round}"));
        race(bench, &key, WriteCondition::IfAbsent, ErrorKind::AlreadyExists).await?;
    }
    Ok(())
}

fn tag(info: FileInfo) -> Verdict<WriteCondition> {
    let tag = info.etag.ok_or_else(|| Stop::failed("the file has no tag"))?;
    Ok(WriteCondition::IfMatch(tag))
}

async fn write_if_match_wants_the_tag(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    let first = tag(put(bench, &key, b"one").await?)?;
    write(bench, &key, b"two", first.clone()).await??;
    fails(write(bench, &key, b"three", first.clone()).await?, &[ErrorKind::Conflict])?;
    holds(bench, &key, b"two").await?;
    let missing = bench.key("missing");
    let kinds = [ErrorKind::Conflict, ErrorKind::NotFound];
    fails(write(bench, &missing, b"x", first).await?, &kinds)?;
    is_absent(bench, &missing).await
}

async fn one_of_many_replaces(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    let before = tag(put(bench, &key, b"before").await?)?;
    race(bench, &key, before, ErrorKind::Conflict).await
}

/// A write of one piece, then whatever follows.
fn partly(key: &str, then: impl futures::Stream<Item = Result<Bytes>> + Send + 'static) -> Write {
    Write {
        key: key.to_owned(),
        condition: WriteCondition::Always,
        body: stream::iter([Ok(pattern(1 << 20))]).chain(then).boxed(),
        size_hint_bytes: None,
    }
}

async fn nothing_else_is_left(bench: &Bench, expected: &[&str]) -> Verdict {
    let request = ListFiles { prefix: bench.key(""), ..ListFiles::default() };
    let listed = list(bench, request).await?;
    equal("what is left", &super::names(&listed), &expected.to_vec())
}

async fn broken_body_leaves_what_was_there(bench: &Bench) -> Verdict {
    let (key, new) = (bench.key("file"), bench.key("new"));
    put(bench, &key, b"kept").await?;
    for key in [&key, &new] {
        let fault = Error::new(ErrorKind::DataInvalid, "the behaviour suite breaks this body");
        let request = partly(key, stream::iter([Err(fault)]));
        let answer = bench.files()?.write(&bench.cx(), request).await;
        fails(answer, &[ErrorKind::DataInvalid])?;
    }
    holds(bench, &key, b"kept").await?;
    is_absent(bench, &new).await?;
    nothing_else_is_left(bench, &[&key]).await
}

async fn nothing_is_seen_before_the_last_byte(bench: &Bench) -> Verdict {
    let (old, new) = (bench.key("old"), bench.key("new"));
    put(bench, &old, b"old").await?;
    for key in [&old, &new] {
        let (last, wait) = tokio::sync::oneshot::channel::<()>();
        let rest = stream::once(async move {
            wait.await.ok();
            Ok(Bytes::from_static(b"last"))
        });
        let cx = bench.cx();
        let writing = bench.files()?.write(&cx, partly(key, rest));
        let looking = async {
            sleep(A_WHILE).await;
            let seen = match key == &old {
                true => holds(bench, key, b"old").await,
                false => is_absent(bench, key).await,
            };
            drop(last);
            seen
        };
        let (written, seen) = tokio::join!(writing, looking);
        seen?;
        let size = (1 << 20) + 4;
        equal("the size", &written?.size_bytes, &size)?;
        equal("the bytes", &(content(bench, key).await?.len() as u64), &size)?;
    }
    Ok(())
}

/// Waits until only `expected` is listed: cleaning up may go on after the caller left.
async fn is_cleaned_up(bench: &Bench, expected: &[&str]) -> Verdict {
    let mut verdict = nothing_else_is_left(bench, expected).await;
    for _ in 0..50 {
        if verdict.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
        verdict = nothing_else_is_left(bench, expected).await;
    }
    verdict
}

async fn dropped_write_leaves_nothing(bench: &Bench) -> Verdict {
    let (key, new) = (bench.key("file"), bench.key("new"));
    put(bench, &key, b"kept").await?;
    for key in [&key, &new] {
        let cx = bench.cx();
        let writing = bench.files()?.write(&cx, partly(key, stream::pending()));
        let ended = tokio::time::timeout(A_WHILE, writing).await;
        ensure!(ended.is_err(), "the write ended before its body: {ended:?}");
    }
    holds(bench, &key, b"kept").await?;
    is_absent(bench, &new).await?;
    is_cleaned_up(bench, &[&key]).await
}

async fn cancelled_write_leaves_nothing(bench: &Bench) -> Verdict {
    let key = bench.key("new");
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let cancel = async {
        sleep(A_WHILE).await;
        token.cancel();
    };
    let request = partly(&key, stream::pending());
    let (answer, ()) = tokio::join!(bench.files()?.write(&cx, request), cancel);
    fails(answer, &[ErrorKind::Cancelled])?;
    is_absent(bench, &key).await?;
    is_cleaned_up(bench, &[]).await
}

fn copy_of(bench: &Bench, condition: WriteCondition) -> Copy {
    Copy { from: bench.key("from"), to: bench.key("folder/to"), condition }
}

async fn copy_copies(bench: &Bench) -> Verdict {
    let (files, cx) = (bench.files()?, bench.cx());
    put(bench, &bench.key("from"), b"one").await?;
    files.copy(&cx, copy_of(bench, WriteCondition::Always)).await?;
    holds(bench, &bench.key("folder/to"), b"one").await?;
    put(bench, &bench.key("from"), b"two").await?;
    holds(bench, &bench.key("folder/to"), b"one").await?;
    files.copy(&cx, copy_of(bench, WriteCondition::Always)).await?;
    holds(bench, &bench.key("folder/to"), b"two").await?;
    let missing = Copy { from: bench.key("missing"), ..copy_of(bench, WriteCondition::Always) };
    fails(files.copy(&cx, missing).await, &[ErrorKind::NotFound])?;
    holds(bench, &bench.key("folder/to"), b"two").await
}

async fn copy_if_absent_keeps_what_is_there(bench: &Bench) -> Verdict {
    let (files, cx) = (bench.files()?, bench.cx());
    put(bench, &bench.key("from"), b"one").await?;
    files.copy(&cx, copy_of(bench, WriteCondition::IfAbsent)).await?;
    put(bench, &bench.key("from"), b"two").await?;
    let again = files.copy(&cx, copy_of(bench, WriteCondition::IfAbsent)).await;
    fails(again, &[ErrorKind::AlreadyExists])?;
    holds(bench, &bench.key("folder/to"), b"one").await
}

async fn presigned_url_is_made(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    put(bench, &key, b"x").await?;
    let request = orbit_core::Presign {
        key,
        method: orbit_core::PresignMethod::Get,
        expires_in: Duration::from_secs(60),
    };
    let url = bench.files()?.presign(&bench.cx(), request).await?;
    ensure!(url.expose().contains("://"), "it is no URL");
    Ok(())
}
