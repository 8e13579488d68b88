//! Writing, deleting and lending files.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use bytes::Bytes;
use orbit_aws::{Failure, quiet};
use orbit_core::{
    Context, DeleteOutcome, Error, ErrorKind, FileInfo, Operation, Presign, PresignMethod, Result,
    Retry, Secret, WriteCondition, WriteEffect,
};
use orbit_file::{PartStore, repeat};

use crate::bucket::{ATTEMPTS_MAX, Bucket};
use crate::error;

/// How many keys one request deletes at most.
const DELETE_KEYS_MAX: usize = 1000;

/// The most that is sent to a bucket that was not found yet. A store may refuse a longer body
/// before it has come whole and close the connection, and then its answer, which names the
/// bucket's region, may be lost; one of this size has left before.
const UNMET_BYTES_MAX: u64 = 64 << 10;

/// The shortest and the longest time that the store lends a file for, in whole seconds.
const LENT_MIN: Duration = Duration::from_secs(1);
const LENT_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An upload that has begun.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) id: String,
}

/// A part that the store has.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) length: u64,
    pub(crate) completed: CompletedPart,
}

/// The two headers of a condition.
pub(crate) fn headers_of(condition: &WriteCondition) -> (Option<String>, Option<String>) {
    match condition {
        WriteCondition::Always => (None, None),
        WriteCondition::IfAbsent => (None, Some("*".to_owned())),
        WriteCondition::IfMatch(tag) => (Some(tag.clone()), None),
    }
}

/// The failure of a write under a condition.
pub(crate) fn refused(failure: Failure, key: &str, condition: &WriteCondition) -> Error {
    if *condition == WriteCondition::IfAbsent && error::is_condition(&failure) {
        let error = Error::new(ErrorKind::AlreadyExists, "the file exists already");
        return error.with_context("key", key).with_write_effect(WriteEffect::None);
    }
    error::of_write(failure, key)
}

/// The same of the end of an upload. The store's documentation wants all parts to be sent again
/// after a conflict with another write, so the end alone is not asked for again.
fn refused_at_the_end(failure: Failure, key: &str, condition: &WriteCondition) -> Error {
    let is_conflict = error::is_conflict(&failure);
    let refused = refused(failure, key, condition);
    match is_conflict {
        true => refused.with_retry(Retry::Never).with_hint("nothing was written; write it again"),
        false => refused,
    }
}

#[async_trait]
impl PartStore for Bucket {
    type Upload = Upload;
    type Part = Part;

    async fn put(
        &self,
        cx: &Context,
        key: &str,
        bytes: Bytes,
        condition: &WriteCondition,
    ) -> Result<FileInfo> {
        let length = bytes.len() as u64;
        let (if_match, if_none_match) = headers_of(condition);
        let put = |client: Client| {
            let put = client.put_object().bucket(&self.name).key(self.full(key));
            let put = put.set_if_match(if_match.clone()).set_if_none_match(if_none_match.clone());
            put.body(bytes.clone().into()).send()
        };
        let put = || async {
            if length > UNMET_BYTES_MAX {
                let met = self.locate(cx).await;
                met.map_err(|error| error.with_write_effect(WriteEffect::None))?;
            }
            self.send(cx, length, put).await.map_err(|e| refused(e, key, condition))
        };
        let answer = Box::pin(repeat_if_nothing_was_written(cx, put)).await?;
        Ok(self.written(cx, key, length, answer.e_tag).await)
    }

    async fn begin(&self, cx: &Context, key: &str) -> Result<Upload> {
        let create = |client: Client| {
            client.create_multipart_upload().bucket(&self.name).key(self.full(key)).send()
        };
        let create =
            || async { self.send(cx, 0, create).await.map_err(|e| error::of_write(e, key)) };
        let answer = Box::pin(repeat_if_nothing_was_written(cx, create)).await?;
        let id = answer.upload_id.ok_or_else(|| {
            let message = "the store began an upload and did not name it";
            Error::new(ErrorKind::DataInvalid, message).with_context("key", key)
        })?;
        Ok(Upload { key: key.to_owned(), id })
    }

    async fn put_part(
        &self,
        cx: &Context,
        upload: &Upload,
        number: u32,
        bytes: Bytes,
    ) -> Result<Part> {
        let Upload { key, id } = upload;
        let (length, place) = (bytes.len() as u64, part_number(number));
        let put = |client: Client| {
            let put = client.upload_part().bucket(&self.name).key(self.full(key));
            put.upload_id(id).part_number(place).body(bytes.clone().into()).send()
        };
        let answer = self.send(cx, length, put).await.map_err(|e| error::of_key(e, key))?;
        let completed = CompletedPart::builder()
            .part_number(place)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build();
        Ok(Part { number, length, completed })
    }

    async fn complete(
        &self,
        cx: &Context,
        upload: &Upload,
        mut parts: Vec<Part>,
        condition: &WriteCondition,
    ) -> Result<FileInfo> {
        let Upload { key, id } = upload;
        let length = parts.iter().map(|part| part.length).sum();
        parts.sort_unstable_by_key(|part| part.number);
        let parts = parts.into_iter().map(|part| part.completed).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = |client: Client| {
            let (if_match, if_none_match) = headers_of(condition);
            let complete = client.complete_multipart_upload().bucket(&self.name);
            let complete = complete.key(self.full(key)).upload_id(id);
            let complete = complete.multipart_upload(parts.clone());
            complete.set_if_match(if_match).set_if_none_match(if_none_match).send()
        };
        let complete = || async {
            let answer = self.send(cx, length, complete).await;
            answer.map_err(|failure| refused_at_the_end(failure, key, condition))
        };
        let answer = Box::pin(repeat_if_nothing_was_written(cx, complete)).await?;
        Ok(self.written(cx, key, length, answer.e_tag).await)
    }

    async fn abort(&self, cx: &Context, upload: &Upload) -> Result<()> {
        let Upload { key, id } = upload;
        let abort = |client: Client| {
            let abort = client.abort_multipart_upload().bucket(&self.name);
            abort.key(self.full(key)).upload_id(id).send()
        };
        match self.send(cx, 0, abort).await {
            Err(failure) if !failure.is("NoSuchUpload") => Err(error::of_key(failure, key)),
            _ => Ok(()),
        }
    }
}

/// A part's number as the store counts them.
pub(crate) fn part_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX).saturating_add(1)
}

/// Repeats a write while the store says that it did not begin.
pub(crate) async fn repeat_if_nothing_was_written<T, Fut>(
    cx: &Context,
    write: impl Fn() -> Fut,
) -> Result<T>
where
    Fut: Future<Output = Result<T>>,
{
    let once = || async {
        write().await.map_err(|error| match error.write_effect() {
            Some(WriteEffect::None) => error,
            _ => error.with_retry(Retry::Never),
        })
    };
    repeat(cx, ATTEMPTS_MAX, once).await
}

impl Bucket {
    /// What is told of a file that has just been written. The answer to a write lacks the time,
    /// so it is asked for; a failure of that is none of the write.
    async fn written(
        &self,
        cx: &Context,
        key: &str,
        size_bytes: u64,
        etag: Option<String>,
    ) -> FileInfo {
        let modified = match self.stat(cx, key).await {
            Ok(info) if info.etag == etag => info.modified,
            // Somebody else has written since, or the rights are for writing alone.
            _ => SystemTime::now(),
        };
        FileInfo { key: key.to_owned(), size_bytes, modified, etag, version: None }
    }

    pub(crate) async fn delete(
        &self,
        cx: &Context,
        keys: Vec<String>,
    ) -> Result<Vec<DeleteOutcome>> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for batch in keys.chunks(DELETE_KEYS_MAX) {
            match self.delete_batch(cx, batch).await {
                Ok(deleted) => outcomes.extend(deleted),
                Err(error) if outcomes.is_empty() => return Err(error),
                // What was deleted before must be told all the same.
                Err(error) => outcomes.extend(
                    batch
                        .iter()
                        .map(|key| DeleteOutcome { key: key.clone(), result: Err(error.clone()) }),
                ),
            }
        }
        Ok(outcomes)
    }

    async fn delete_batch(&self, cx: &Context, keys: &[String]) -> Result<Vec<DeleteOutcome>> {
        let (listed, alone): (Vec<_>, Vec<_>) = keys.iter().partition(|key| fits_xml(key));
        let mut errors = HashMap::new();
        if !listed.is_empty() {
            let delete = || self.delete_listed(cx, &listed);
            errors = Box::pin(repeat_if_nothing_was_written(cx, delete)).await?;
        }
        for key in alone {
            let delete = |client: Client| {
                client.delete_object().bucket(&self.name).key(self.full(key)).send()
            };
            let delete =
                || async { self.send(cx, 0, delete).await.map_err(|e| error::of_write(e, key)) };
            if let Err(error) = Box::pin(repeat_if_nothing_was_written(cx, delete)).await {
                errors.insert(key.clone(), error);
            }
        }
        let outcome = |key: &String| {
            let result = errors.get(key).map_or(Ok(()), |error| Err(error.clone()));
            DeleteOutcome { key: key.clone(), result }
        };
        Ok(keys.iter().map(outcome).collect())
    }

    /// Deletes by one request; the answer is the errors by key.
    async fn delete_listed(
        &self,
        cx: &Context,
        keys: &[&String],
    ) -> Result<HashMap<String, Error>> {
        let invalid = |error| {
            Error::new(ErrorKind::QueryInvalid, "the request cannot be sent").with_source(error)
        };
        let object = |key: &&String| ObjectIdentifier::builder().key(self.full(key)).build();
        let objects = keys.iter().map(object).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        let list = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let list = list.map_err(invalid)?;
        let delete =
            |client: Client| client.delete_objects().bucket(&self.name).delete(list.clone()).send();
        let answer = self.send(cx, 0, delete).await.map_err(|failure| {
            let effect = match failure.may_have_worked {
                true => WriteEffect::Unknown,
                false => WriteEffect::None,
            };
            self.error(failure).with_write_effect(effect)
        })?;
        let failed = answer.errors().iter().map(|failed| {
            let key = failed.key().and_then(|full| self.relative(full)).ok_or_else(|| {
                let message = "the store could not delete a key that it was not asked for";
                self.senseless(message).with_write_effect(WriteEffect::Unknown)
            })?;
            let told = error::of_code(failed.code(), &key).with_write_effect(WriteEffect::None);
            Ok((key, told))
        });
        failed.collect()
    }

    pub(crate) async fn presign(&self, cx: &Context, request: Presign) -> Result<Secret> {
        let Presign { key, method, expires_in } = request;
        if self.is_anonymous {
            return Err(Error::unsupported(Operation::Presign));
        }
        let invalid = |message: &'static str| {
            Error::new(ErrorKind::QueryInvalid, message).with_context("key", &key)
        };
        if !(LENT_MIN..=LENT_MAX).contains(&expires_in) {
            return Err(invalid("a URL is made for at least a second and at most seven days"));
        }
        let lent = PresigningConfig::expires_in(expires_in)
            .map_err(|e| invalid("a URL cannot be made for so long").with_source(e))?;
        self.locate(cx).await?;
        let (client, bucket, full) = (self.client(), &self.name, self.full(&key));
        let url = async {
            Ok(match method {
                PresignMethod::Get => {
                    let get = client.get_object().bucket(bucket).key(full);
                    quiet(get.presigned(lent)).await.map_err(|e| Failure::of(&e))
                }
                PresignMethod::Put => {
                    let put = client.put_object().bucket(bucket).key(full);
                    quiet(put.presigned(lent)).await.map_err(|e| Failure::of(&e))
                }
            })
        };
        let url = Box::pin(cx.run(url)).await?.map_err(|e| error::of_key(e, &key))?;
        if let Some((header, _)) = url.headers().next() {
            let message = format!("a URL alone cannot carry the header `{header}` that is needed");
            return Err(Error::new(ErrorKind::Unsupported, message).with_context("key", &key));
        }
        Ok(Secret::new(url.uri()))
    }
}

/// Whether a key can stand in the list of a request to delete.
fn fits_xml(key: &str) -> bool {
    !key.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
}
