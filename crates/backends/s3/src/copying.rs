//! Copies within the store: by one request, or in parts where a condition or the size needs it.

use std::ops::Range;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use orbit_core::{Context, Copy, Error, ErrorKind, FileInfo, Result, WriteCondition, WriteEffect};
use orbit_file::{Cleanups, PartStore, in_parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bucket::Bucket;
use crate::error;
use crate::writing::{Part, Upload, part_number, repeat_if_nothing_was_written};

/// The most that one request copies.
const COPY_BYTES_MAX: u64 = 5 << 30;

/// How much a part of a copy has at least, but for the last.
const PART_BYTES_MIN: u64 = 1 << 30;

/// How many parts the store takes.
const PARTS_MAX: u64 = 10_000;

/// What stays as it is in the name of a source.
const IN_SOURCE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Bucket {
    pub(crate) async fn copy(
        self: &Arc<Self>,
        cx: &Context,
        request: Copy,
        cleanups: &Cleanups,
    ) -> Result<()> {
        let Copy { from, to, condition } = request;
        let stat = || self.stat(cx, &from);
        let source = Box::pin(self.repeat(cx, stat)).await.map_err(nothing_written)?;
        if condition == WriteCondition::Always && source.size_bytes <= COPY_BYTES_MAX {
            return self.copy_at_once(cx, &source, &to).await;
        }
        // No part is empty, so an empty file is written anew.
        if source.size_bytes == 0 {
            return self.put(cx, &to, Bytes::new(), &condition).await.map(drop);
        }
        // Stores took conditions on the end of an upload long before they took them on copies.
        let send = |upload: Arc<Upload>| async move { self.copy_parts(cx, &upload, &source).await };
        in_parts(cx, self, &to, &condition, cleanups, send).await.map(drop)
    }

    async fn copy_at_once(&self, cx: &Context, source: &FileInfo, to: &str) -> Result<()> {
        let copy = |client: Client| {
            let copy = client.copy_object().bucket(&self.name).key(self.full(to));
            let copy = copy.copy_source(self.source_of(source));
            copy.set_copy_source_if_match(source.etag.clone()).send()
        };
        let copy = || async {
            let answer = self.send(cx, source.size_bytes, copy).await;
            answer.map(drop).map_err(|failure| error::of_write(failure, &source.key))
        };
        Box::pin(repeat_if_nothing_was_written(cx, copy)).await
    }

    async fn copy_parts(
        &self,
        cx: &Context,
        upload: &Upload,
        source: &FileInfo,
    ) -> Result<Vec<Part>> {
        let copy = |(number, range): (u32, Range<u64>)| async move {
            let part = || self.copy_part(cx, upload, number, source, &range);
            self.repeat(cx, part).await
        };
        let copies: Vec<_> = (0_u32..).zip(part_ranges(source.size_bytes)).map(copy).collect();
        stream::iter(copies).buffered(self.parallel_max).try_collect().await
    }

    async fn copy_part(
        &self,
        cx: &Context,
        upload: &Upload,
        number: u32,
        source: &FileInfo,
        range: &Range<u64>,
    ) -> Result<Part> {
        let (length, place) = (range.end - range.start, part_number(number));
        let copy = |client: Client| {
            let copy = client.upload_part_copy().bucket(&self.name).key(self.full(&upload.key));
            let copy = copy.upload_id(&upload.id).part_number(place);
            let copy = copy.copy_source(self.source_of(source));
            let copy = copy.copy_source_range(format!("bytes={}-{}", range.start, range.end - 1));
            copy.set_copy_source_if_match(source.etag.clone()).send()
        };
        let answer = self.send(cx, length, copy).await;
        let answer = answer.map_err(|failure| error::of_key(failure, &source.key))?;
        let copied = answer.copy_part_result.ok_or_else(|| {
            let message = "the store copied a part and did not tell its tag";
            Error::new(ErrorKind::DataInvalid, message).with_context("key", &source.key)
        })?;
        let completed = CompletedPart::builder()
            .part_number(place)
            .set_e_tag(copied.e_tag)
            .set_checksum_crc32(copied.checksum_crc32)
            .build();
        Ok(Part { number, length, completed })
    }

    /// The source as a copy names it: what is reached through an access point stands below its ARN.
    fn source_of(&self, source: &FileInfo) -> String {
        let full = self.full(&source.key);
        let key = utf8_percent_encode(&full, IN_SOURCE);
        match self.name.starts_with("arn:") {
            true => format!("{}/object/{key}", utf8_percent_encode(&self.name, IN_SOURCE)),
            false => format!("{}/{key}", self.name),
        }
    }
}

/// The parts of a file, no more of them than the store takes.
fn part_ranges(size_bytes: u64) -> Vec<Range<u64>> {
    let part_bytes = PART_BYTES_MIN.max(size_bytes.div_ceil(PARTS_MAX));
    let starts = (0..size_bytes).step_by(part_bytes as usize);
    starts.map(|start| start..size_bytes.min(start + part_bytes)).collect()
}

fn nothing_written(error: Error) -> Error {
    error.with_write_effect(WriteEffect::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_size_has_parts_that_the_store_takes() {
        for size in [1, PART_BYTES_MIN, PART_BYTES_MIN + 1, 5 << 40, 48 << 40] {
            let parts = part_ranges(size);
            assert!(parts.len() as u64 <= PARTS_MAX, "{size}: {} parts", parts.len());
            assert!(parts.iter().all(|part| part.end - part.start <= COPY_BYTES_MAX));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, size));
        }
    }
}
