//! Listing, telling and reading files.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::{ByteStream as StoreBytes, DateTime};
use aws_sdk_s3::types::EncodingType;
use bytes::Bytes;
use futures::future::FutureExt;
use futures::stream::{self, StreamExt};
use orbit_aws::Failure;
use orbit_core::{
    ByteRange, ByteStream, Context, Error, ErrorKind, FileEntry, FileInfo, FileStream, ListFiles,
    Read, ReadBody, ReadRanges, Result,
};
use orbit_file::{
    PageToken, ReadAhead, Resume, checked_body, clip_range, fetch_ranges, first_bytes,
    in_key_order, pages, read_ahead, require_within, resuming_body, wants_size, whole,
};
use percent_encoding::percent_decode_str;

use crate::bucket::{ATTEMPTS_MAX, Bucket};
use crate::checksum::Checksum;
use crate::error;

/// The beginning of an answer with bytes.
struct Opened {
    info: FileInfo,
    range: Range<u64>,
    bytes: ByteStream,
    /// That of the whole file, if the answer has it.
    checksum: Option<Checksum>,
}

/// One content of a file, for whoever reads it.
#[derive(Clone)]
struct Content {
    cx: Context,
    key: String,
    etag: String,
}

impl Bucket {
    pub(crate) fn list(self: Arc<Self>, cx: &Context, request: ListFiles) -> FileStream {
        let (request, page_cx) = (Arc::new(request), cx.clone());
        pages(cx, None::<PageToken>, move |position| {
            let (bucket, request, cx) = (Arc::clone(&self), Arc::clone(&request), page_cx.clone());
            async move {
                let page = || bucket.page(&cx, &request, position.as_ref());
                let answered = bucket.repeat(&cx, page).await;
                answered.map(|(entries, next)| (entries, next.map(Some)))
            }
        })
    }

    async fn page(
        &self,
        cx: &Context,
        request: &ListFiles,
        position: Option<&PageToken>,
    ) -> Result<(Vec<FileEntry>, Option<PageToken>)> {
        let plain = self.answer(cx, request, position, None).await;
        let (answer, is_encoded) = match plain {
            // Keys may hold what XML cannot. Stores exist that say that they encode them and do
            // not, so it is asked for only where it must be.
            Err(failure) if failure.error.kind() == ErrorKind::DataInvalid => {
                (self.answer(cx, request, position, Some(EncodingType::Url)).await, true)
            }
            plain => (plain, false),
        };
        let answer = answer.map_err(|failure| self.error(failure))?;
        let next = match (answer.is_truncated(), answer.next_continuation_token()) {
            (Some(true), Some(token)) => {
                let next = PageToken::after(position, token.to_owned());
                Some(next.ok_or_else(|| self.senseless("the store's listing goes in a circle"))?)
            }
            (Some(true), None) => {
                let message = "the store says that the listing goes on, but not where";
                return Err(self.senseless(message));
            }
            _ => None,
        };
        Ok((self.entries(&answer, &request.prefix, is_encoded)?, next))
    }

    async fn answer(
        &self,
        cx: &Context,
        request: &ListFiles,
        position: Option<&PageToken>,
        encoding: Option<EncodingType>,
    ) -> Result<ListObjectsV2Output, Failure> {
        let ListFiles { prefix, delimited, start_after } = request;
        let list = |client: Client| {
            let list = client.list_objects_v2().bucket(&self.name).prefix(self.full(prefix));
            let list = list.set_delimiter(delimited.then(|| "/".to_owned()));
            let list = list.set_encoding_type(encoding.clone());
            match position {
                None => list.set_start_after(start_after.as_ref().map(|k| self.full(k))),
                Some(token) => list.continuation_token(token.text()),
            }
            .send()
        };
        self.send(cx, 0, list).await
    }

    pub(crate) fn senseless(&self, message: &'static str) -> Error {
        Error::new(ErrorKind::DataInvalid, message).with_context("bucket", &self.name)
    }

    fn entries(
        &self,
        page: &ListObjectsV2Output,
        prefix: &str,
        is_encoded: bool,
    ) -> Result<Vec<FileEntry>> {
        let key = |text: Option<&str>| {
            let full = match is_encoded {
                true => decoded(text.unwrap_or_default()),
                false => text.map(str::to_owned),
            };
            let relative = full.and_then(|full| self.relative(&full));
            let asked = relative.filter(|key| key.starts_with(prefix));
            asked.ok_or_else(|| self.senseless("the store listed a key that was not asked for"))
        };
        let mut files = Vec::with_capacity(page.contents().len());
        for object in page.contents() {
            let key = key(object.key())?;
            files.push(FileInfo {
                size_bytes: size_of(object.size(), &key)?,
                key,
                modified: modified_of(object.last_modified()),
                etag: object.e_tag().map(str::to_owned),
                version: None,
            });
        }
        let prefixes = page.common_prefixes().iter().map(|p| key(p.prefix()));
        Ok(in_key_order(files, prefixes.collect::<Result<Vec<_>>>()?))
    }

    pub(crate) async fn stat(&self, cx: &Context, key: &str) -> Result<FileInfo> {
        let head =
            |client: Client| client.head_object().bucket(&self.name).key(self.full(key)).send();
        let mut sent = self.send(cx, 0, head).await;
        if sent.as_ref().is_err_and(|failure| self.is_doubtful(failure)) {
            let region = self.region();
            match self.look(cx).await {
                Err(reason) if !reason.is("AccessDenied") => sent = Err(reason),
                _ if self.region() != region => sent = Box::pin(self.send(cx, 0, head)).await,
                _ => {}
            }
        }
        let answer = sent.map_err(|failure| error::of_key(failure, key))?;
        Ok(FileInfo {
            key: key.to_owned(),
            size_bytes: size_of(answer.content_length(), key)?,
            modified: modified_of(answer.last_modified()),
            etag: answer.e_tag().map(str::to_owned),
            version: None,
        })
    }

    /// Whether another request is to be asked why one was refused: the answer to it has no body
    /// to say so in, nor to say where the bucket lies.
    fn is_doubtful(&self, failure: &Failure) -> bool {
        let has_reason = failure.code.as_deref().is_some_and(|code| code != "NotFound");
        // Of a bucket that was never found, not the file may be missing but the bucket itself.
        let is_doubtful = match failure.status {
            Some(400) => true,
            Some(403 | 404) => !self.is_found(),
            _ => false,
        };
        is_doubtful && !has_reason
    }

    pub(crate) async fn read(self: Arc<Self>, cx: &Context, request: Read) -> Result<ReadBody> {
        let Read { key, range, if_match } = request;
        let how = ReadAhead { parallel_max: self.parallel_max, ..ReadAhead::default() };
        // A range that is long by itself begins with a request for its first piece. That a whole
        // file is long is known from the answer, which has the checksum of the whole.
        let piece = match &range {
            Some(ByteRange::Bounded(range)) => how.first_piece(range),
            None | Some(ByteRange::Suffix(_)) => None,
        };
        let is_piece = piece.is_some();
        let asked = piece.map(ByteRange::Bounded).or_else(|| range.clone());
        let mut opened = self.open(cx, &key, asked, if_match.as_deref()).await?;
        if is_piece && opened.info.etag.is_none() {
            opened = self.open(cx, &key, range.clone(), if_match.as_deref()).await?;
        }
        let Opened { info, range: sent, bytes, checksum } = opened;
        let Some(etag) = info.etag.clone() else {
            let bytes = checked_body(cx, key, sent.clone(), bytes);
            return Ok(ReadBody { info, range: sent, bytes });
        };
        let end = match range {
            Some(ByteRange::Bounded(range)) if is_piece => range.end.min(info.size_bytes),
            _ => sent.end,
        };
        let range = sent.start..end;
        let first = if is_piece { sent } else { how.first_piece(&sent).unwrap_or(sent) };
        let content = Content { cx: cx.clone(), key, etag };
        if first == range {
            let bytes = self.resuming(&content, first, bytes);
            return Ok(ReadBody { info, range, bytes });
        }
        let bytes = first_bytes(bytes, first.end - first.start);
        let first = self.resuming(&content, first, bytes);
        let bytes = read_ahead(range.clone(), &how, first, move |piece| {
            Arc::clone(&self).piece(content.clone(), piece)
        });
        let bytes = match checksum {
            Some(checksum) => checksum.verified(bytes, &info.key),
            None => bytes,
        };
        Ok(ReadBody { info, range, bytes })
    }

    /// One piece of a file that is read ahead.
    async fn piece(self: Arc<Self>, content: Content, range: Range<u64>) -> Result<ByteStream> {
        let Content { cx, key, etag } = &content;
        let asked = ByteRange::Bounded(range.clone());
        let open = || self.open(cx, key, Some(asked.clone()), Some(etag)).boxed();
        let opened = self.repeat(cx, open).await?;
        Ok(self.resuming(&content, range.clone(), opened.bytes))
    }

    /// The bytes of `range`, asked for again where they break off.
    fn resuming(
        self: &Arc<Self>,
        content: &Content,
        range: Range<u64>,
        bytes: ByteStream,
    ) -> ByteStream {
        let Content { cx, key, etag } = content.clone();
        let (bucket, open_cx) = (Arc::clone(self), cx.clone());
        let resume = Resume {
            key: key.clone(),
            range,
            etag,
            attempts_max: ATTEMPTS_MAX,
            silence_max: self.silence_max,
        };
        resuming_body(&cx, resume, bytes, move |range, etag| {
            let (bucket, cx, key) = (Arc::clone(&bucket), open_cx.clone(), key.clone());
            let range = Some(ByteRange::Bounded(range));
            async move { Ok(bucket.open(&cx, &key, range, Some(&etag)).await?.bytes) }.boxed()
        })
    }

    pub(crate) async fn read_ranges(
        self: &Arc<Self>,
        cx: &Context,
        request: ReadRanges,
    ) -> Result<Vec<Bytes>> {
        let ReadRanges { key, ranges, if_match } = request;
        let in_file = |size| require_within(&ranges, size).map_err(|e| e.with_context("key", &key));
        if wants_size(&ranges) {
            let info = self.stat(cx, &key).await?;
            unchanged(&info, if_match.as_deref())?;
            in_file(info.size_bytes)?;
        }
        // What the first answer tells of the file: the others must be of the same content.
        let first: Arc<OnceLock<FileInfo>> = Arc::default();
        let fetched = fetch_ranges(&ranges, &self.coalescing, |range| {
            let (bucket, cx, first) = (Arc::clone(self), cx.clone(), Arc::clone(&first));
            let request = Read { key: key.clone(), range: None, if_match: if_match.clone() };
            async move {
                let fetch = || bucket.fetch(&cx, &request, range.clone(), &first).boxed();
                bucket.repeat(&cx, fetch).await
            }
            .boxed()
        });
        let fetched = fetched.await;
        if let Some(info) = first.get() {
            in_file(info.size_bytes)?;
        }
        fetched
    }

    /// One range, if it is of the content that `first` tells of.
    async fn fetch(
        self: &Arc<Self>,
        cx: &Context,
        request: &Read,
        range: Range<u64>,
        first: &OnceLock<FileInfo>,
    ) -> Result<Bytes> {
        let request = Read { range: Some(ByteRange::Bounded(range)), ..request.clone() };
        let body = Arc::clone(self).read(cx, request).await?;
        let info = first.get_or_init(|| body.info.clone());
        if info.etag != body.info.etag {
            return Err(changed(&body.info.key));
        }
        whole(body.bytes, body.range.end - body.range.start).await
    }

    /// Sends a request for the bytes of `range` and waits for the beginning of its answer.
    async fn open(
        &self,
        cx: &Context,
        key: &str,
        range: Option<ByteRange>,
        if_match: Option<&str>,
    ) -> Result<Opened> {
        if let Some(range) = range.as_ref().filter(|range| is_empty(range)) {
            return self.open_nothing(cx, key, range.clone(), if_match).await;
        }
        let get = |client: Client| {
            let get = client.get_object().bucket(&self.name).key(self.full(key));
            let get = get.set_range(range.as_ref().map(header_of));
            get.set_if_match(if_match.map(str::to_owned)).send()
        };
        match (self.send(cx, 0, get).await, range) {
            (Ok(answer), range) => opened(answer, key, range, if_match),
            (Err(failure), Some(range)) if error::is_range(&failure) => {
                self.open_nothing(cx, key, range, if_match).await
            }
            // Stores exist that fail where the suffix is longer than the file.
            (Err(failure), Some(range @ ByteRange::Suffix(_)))
                if failure.error.kind() == ErrorKind::Unavailable =>
            {
                let info = self.stat(cx, key).await?;
                unchanged(&info, if_match)?;
                let range = ByteRange::Bounded(clip_range(Some(range), info.size_bytes)?);
                Box::pin(self.open(cx, key, Some(range), info.etag.as_deref())).await
            }
            (Err(failure), _) => Err(error::of_key(failure, key)),
        }
    }

    /// A range without bytes: an empty one, or one that begins at the end of the file or after.
    async fn open_nothing(
        &self,
        cx: &Context,
        key: &str,
        range: ByteRange,
        if_match: Option<&str>,
    ) -> Result<Opened> {
        let info = self.stat(cx, key).await?;
        unchanged(&info, if_match)?;
        let range =
            clip_range(Some(range), info.size_bytes).map_err(|e| e.with_context("key", key))?;
        if !range.is_empty() {
            // It has grown between the two requests.
            return Err(changed(key));
        }
        Ok(Opened { info, range, bytes: stream::empty().boxed(), checksum: None })
    }
}

fn opened(
    answer: GetObjectOutput,
    key: &str,
    asked: Option<ByteRange>,
    if_match: Option<&str>,
) -> Result<Opened> {
    let length = size_of(answer.content_length(), key)?;
    let senseless = |message: &'static str| {
        Error::new(ErrorKind::DataInvalid, message).with_context("key", key)
    };
    let (start, size_bytes) = match answer.content_range().map(place_of) {
        Some(Some(place)) => place,
        Some(None) => return Err(senseless("the store's answer does not say which bytes it has")),
        None => (0, length),
    };
    let range = clip_range(asked, size_bytes).map_err(|e| e.with_context("key", key))?;
    if range != (start..start.saturating_add(length)) {
        return Err(senseless("the store sent other bytes than were asked for"));
    }
    let info = FileInfo {
        key: key.to_owned(),
        size_bytes,
        modified: modified_of(answer.last_modified()),
        etag: answer.e_tag().map(str::to_owned),
        version: None,
    };
    unchanged(&info, if_match)?;
    let checksum = Checksum::of(&answer);
    Ok(Opened { info, range, bytes: bytes_of(answer.body, key), checksum })
}

fn bytes_of(body: StoreBytes, key: &str) -> ByteStream {
    stream::unfold((body, key.to_owned()), |(mut body, key)| async move {
        let item = body.next().await?;
        Some((item.map_err(|e| error::of_body(&e, &key)), (body, key)))
    })
    .boxed()
}

/// Stores exist that do not heed the condition, so the answer is looked at too.
fn unchanged(info: &FileInfo, if_match: Option<&str>) -> Result<()> {
    match if_match {
        Some(tag) if info.etag.as_deref() != Some(tag) => Err(changed(&info.key)),
        _ => Ok(()),
    }
}

fn changed(key: &str) -> Error {
    let status = Some(412);
    let error = Error::new(ErrorKind::Conflict, "the file has changed");
    error::of_key(Failure { status, code: None, region: None, may_have_worked: false, error }, key)
}

/// Whether no byte is asked for, which HTTP cannot say.
fn is_empty(range: &ByteRange) -> bool {
    match range {
        ByteRange::Bounded(range) => range.start >= range.end,
        ByteRange::Suffix(bytes) => *bytes == 0,
    }
}

fn header_of(range: &ByteRange) -> String {
    match range {
        ByteRange::Bounded(range) if range.end == u64::MAX => format!("bytes={}-", range.start),
        ByteRange::Bounded(range) => format!("bytes={}-{}", range.start, range.end - 1),
        ByteRange::Suffix(bytes) => format!("bytes=-{bytes}"),
    }
}

/// First byte and size of the file, of a text such as `bytes 2-5/10`.
fn place_of(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
}

/// A key out of a listing that was asked to be encoded: like a form's field.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

/// An answer without a size is no empty file: what comes between may pack bodies anew and drop it.
fn size_of(bytes: Option<i64>, key: &str) -> Result<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(|| {
        let message = "the store's answer does not say how long the file is";
        Error::new(ErrorKind::DataInvalid, message).with_context("key", key)
    })
}

/// In whole seconds: listings tell finer times than other answers do.
fn modified_of(time: Option<&DateTime>) -> SystemTime {
    let seconds = time.and_then(|time| u64::try_from(time.secs()).ok()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
