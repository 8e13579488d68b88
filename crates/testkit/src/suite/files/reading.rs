//! Reading: whole, by ranges, by tag, and until it is told to stop.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt, stream};
use orbit_core::{ByteRange, Context, ErrorKind, Read, ReadRanges, Result, Write, WriteCondition};
use tokio_util::sync::CancellationToken;

use super::super::check::bytes;
use super::{ensure, equal, fails, group, holds, pattern, put};
use crate::bench::Bench;
use crate::subject::{Stop, Verdict};

const MEBIBYTE: usize = 1 << 20;
/// No piece of a read may be larger: memory stays bounded however large the file is.
const CHUNK_BYTES_MAX: usize = 8 * MEBIBYTE;
const LARGE_PIECES: usize = 12;

group! { "files":
    empty_file_is_a_file ["files.read", "files.write"];
    ranges_at_the_edges ["files.read", "files.write"];
    suffix_is_the_end_of_the_file ["files.read", "files.write"];
    range_beyond_the_end_is_refused ["files.read", "files.write"];
    several_ranges_come_in_order ["files.read", "files.write"];
    several_ranges_must_lie_within ["files.read", "files.write"];
    missing_file_is_not_found ["files.read"];
    changed_file_is_a_conflict ["files.read.if_match", "files.write"];
    large_file_comes_in_pieces ["files.read", "files.write"];
    read_tells_the_range_it_gives ["files.read", "files.write"];
    cancelled_read_ends_in_an_error ["files.read", "files.write"];
}

const BODY: &[u8] = b"0123456789";

async fn read(bench: &Bench, key: &str, range: Range<u64>) -> Verdict<Result<Bytes>> {
    read_part(bench, key, ByteRange::Bounded(range)).await
}

async fn read_part(bench: &Bench, key: &str, range: ByteRange) -> Verdict<Result<Bytes>> {
    let request = Read { key: key.to_owned(), range: Some(range), if_match: None };
    Ok(match bench.files()?.read(&bench.cx(), request).await {
        Ok(body) => bytes(body).await,
        Err(error) => Err(error),
    })
}

async fn read_ranges(
    bench: &Bench,
    key: &str,
    ranges: &[Range<u64>],
) -> Verdict<Result<Vec<Bytes>>> {
    let request = ReadRanges { key: key.to_owned(), ranges: ranges.to_vec(), if_match: None };
    Ok(bench.files()?.read_ranges(&bench.cx(), request).await)
}

async fn empty_file_is_a_file(bench: &Bench) -> Verdict {
    let key = bench.key("empty");
    let info = put(bench, &key, b"").await?;
    equal("the size", &info.size_bytes, &0)?;
    holds(bench, &key, b"").await
}

async fn ranges_at_the_edges(bench: &Bench) -> Verdict {
    let key = bench.key("ten");
    put(bench, &key, BODY).await?;
    for range in [0..1, 0..10, 9..10, 3..7, 9..11, 5..1000, 0..u64::MAX] {
        let cut = range.start as usize..(range.end.min(10) as usize);
        let got = read(bench, &key, range.clone()).await??;
        equal(&format!("bytes {range:?}"), &got.as_ref(), &&BODY[cut])?;
    }
    Ok(())
}

async fn suffix_is_the_end_of_the_file(bench: &Bench) -> Verdict {
    let (ten, empty) = (bench.key("ten"), bench.key("empty"));
    put(bench, &ten, BODY).await?;
    put(bench, &empty, b"").await?;
    for length in [0, 1, 4, 10, 11, 1000] {
        let got = read_part(bench, &ten, ByteRange::Suffix(length)).await??;
        let cut = BODY.len().saturating_sub(length as usize);
        equal(&format!("the last {length}"), &got.as_ref(), &&BODY[cut..])?;
        let got = read_part(bench, &empty, ByteRange::Suffix(length)).await??;
        equal(&format!("the last {length} of nothing"), &got.as_ref(), &&b""[..])?;
    }
    let missing = read_part(bench, &bench.key("missing"), ByteRange::Suffix(4)).await?;
    fails(missing, &[ErrorKind::NotFound]).map(drop)
}

async fn range_beyond_the_end_is_refused(bench: &Bench) -> Verdict {
    let key = bench.key("ten");
    put(bench, &key, BODY).await?;
    for range in [11..12, 1000..1001] {
        fails(read(bench, &key, range).await?, &[ErrorKind::QueryInvalid])?;
    }
    Ok(())
}

async fn several_ranges_come_in_order(bench: &Bench) -> Verdict {
    let key = bench.key("ten");
    put(bench, &key, BODY).await?;
    let ranges = [8..10, 0..3, 2..5, 0..3, 0..10, 9..10];
    let got = read_ranges(bench, &key, &ranges).await??;
    let expected: Vec<_> = ranges.iter().map(|r| &BODY[r.start as usize..r.end as usize]).collect();
    equal("the ranges", &got.iter().map(AsRef::as_ref).collect(), &expected)?;
    let none = read_ranges(bench, &key, &[]).await??;
    ensure!(none.is_empty(), "no range was asked, {} came", none.len());
    Ok(())
}

async fn several_ranges_must_lie_within(bench: &Bench) -> Verdict {
    let key = bench.key("ten");
    put(bench, &key, BODY).await?;
    // A damaged footer may name more than any file has.
    for ranges in [[0..1, 5..11], [0..1, 20..30], [0..1, 4..1 << 60]] {
        fails(read_ranges(bench, &key, &ranges).await?, &[ErrorKind::QueryInvalid])?;
    }
    Ok(())
}

async fn missing_file_is_not_found(bench: &Bench) -> Verdict {
    let key = bench.key("missing");
    fails(read(bench, &key, 0..1).await?, &[ErrorKind::NotFound])?;
    let range = 0..1;
    fails(read_ranges(bench, &key, &[range]).await?, &[ErrorKind::NotFound])?;
    let request = Read { key, range: None, if_match: None };
    fails(bench.files()?.read(&bench.cx(), request).await, &[ErrorKind::NotFound]).map(drop)
}

async fn changed_file_is_a_conflict(bench: &Bench) -> Verdict {
    let (files, cx) = (bench.files()?, bench.cx());
    let key = bench.key("file");
    let tag = put(bench, &key, BODY).await?.etag;
    ensure!(tag.is_some(), "the file has no tag");
    let whole = Read { key: key.clone(), range: None, if_match: tag.clone() };
    equal("the same", &bytes(files.read(&cx, whole.clone()).await?).await?.as_ref(), &BODY)?;
    let ranges = ReadRanges { key: key.clone(), ranges: vec![0..2, 4..5], if_match: tag };
    files.read_ranges(&cx, ranges.clone()).await?;
    put(bench, &key, b"9876543210").await?;
    fails(files.read(&cx, whole).await, &[ErrorKind::Conflict])?;
    // Ranges without a byte, and more than any file has, say the same.
    for asked in [ranges.ranges.clone(), Vec::new(), vec![0..2, 4..1 << 60]] {
        let ranges = ReadRanges { ranges: asked, ..ranges.clone() };
        fails(files.read_ranges(&cx, ranges).await, &[ErrorKind::Conflict])?;
    }
    Ok(())
}

/// A file of several pieces, written without saying how large it will be.
async fn put_large(bench: &Bench, key: &str) -> Verdict<Bytes> {
    let piece = pattern(MEBIBYTE);
    let pieces = vec![Ok(piece.clone()); LARGE_PIECES];
    let request = Write {
        key: key.to_owned(),
        condition: WriteCondition::Always,
        body: stream::iter(pieces).boxed(),
        size_hint_bytes: None,
    };
    let info = bench.files()?.write(&bench.cx(), request).await?;
    equal("the size", &info.size_bytes, &((LARGE_PIECES * MEBIBYTE) as u64))?;
    Ok(piece)
}

async fn large_file_comes_in_pieces(bench: &Bench) -> Verdict {
    let key = bench.key("large");
    let piece = put_large(bench, &key).await?;
    let request = Read { key: key.clone(), range: None, if_match: None };
    let mut body = bench.files()?.read(&bench.cx(), request).await?.bytes;
    let mut place = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        ensure!(chunk.len() <= CHUNK_BYTES_MAX, "a piece has {} bytes", chunk.len());
        let right = |(i, byte): (usize, &u8)| *byte == piece[(place + i) % MEBIBYTE];
        ensure!(chunk.iter().enumerate().all(right), "wrong bytes after {place}");
        place += chunk.len();
    }
    equal("the bytes", &place, &(LARGE_PIECES * MEBIBYTE))?;
    let edge = (MEBIBYTE - 2) as u64..(MEBIBYTE + 2) as u64;
    let got = read(bench, &key, edge).await??;
    let expected = [piece[MEBIBYTE - 2], piece[MEBIBYTE - 1], piece[0], piece[1]];
    equal("bytes across pieces", &got.as_ref(), &expected.as_slice())
}

async fn read_tells_the_range_it_gives(bench: &Bench) -> Verdict {
    let key = bench.key("ten");
    let written = put(bench, &key, BODY).await?;
    let bounded = |range| Some(ByteRange::Bounded(range));
    let suffix = Some(ByteRange::Suffix(3));
    let cases = [(None, 0..10), (bounded(2..4), 2..4), (bounded(8..99), 8..10), (suffix, 7..10)];
    for (asked, given) in cases {
        let request = Read { key: key.clone(), range: asked, if_match: None };
        let body = bench.files()?.read(&bench.cx(), request).await?;
        equal("the range", &body.range, &given)?;
        equal("the file", &body.info, &written)?;
        let length = given.end - given.start;
        equal("the bytes", &(bytes(body).await?.len() as u64), &length)?;
    }
    Ok(())
}

async fn cancelled_read_ends_in_an_error(bench: &Bench) -> Verdict {
    let key = bench.key("large");
    put_large(bench, &key).await?;
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let request = Read { key, range: None, if_match: None };
    let mut body = bench.files()?.read(&cx, request).await?.bytes;
    let first = body.next().await;
    ensure!(matches!(first, Some(Ok(_))), "the first piece is {first:?}");
    token.cancel();
    // What lay ready may still come, then the error must.
    let mut items = 0;
    while let Some(item) = body.next().await {
        if let Err(error) = item {
            fails::<()>(Err(error), &[ErrorKind::Cancelled])?;
            let after = body.next().await;
            ensure!(after.is_none(), "after its error the read goes on with {after:?}");
            return Ok(());
        }
        items += 1;
        ensure!(items < LARGE_PIECES * MEBIBYTE, "the read has no end");
    }
    Err(Stop::failed("the read ended without an error item"))
}
