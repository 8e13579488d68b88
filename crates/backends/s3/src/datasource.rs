//! The contract over a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use orbit_core::{
    Context, Copy, Datasource, Delete, DeleteOutcome, Error, ErrorKind, Facets, FileCapability,
    FileDatasource, FileInfo, FileStream, ListFiles, Presign, Read, ReadBody, ReadCapability,
    ReadRanges, Result, Secret, Stat, Write, WriteCapability,
};
use orbit_file::{Cleanups, PartSizes, upload};

use crate::bucket::Bucket;

/// What a bucket can do.
pub(crate) const CAPABILITY: FileCapability = FileCapability {
    read: Some(ReadCapability { if_match: true, start_after: true }),
    write: Some(WriteCapability { if_absent: true, if_match: true }),
    copy: true,
    delete: true,
    presign: true,
};

/// The files of a bucket.
#[derive(Debug)]
pub(crate) struct S3Datasource {
    bucket: Arc<Bucket>,
    cleanups: Cleanups,
    closed: AtomicBool,
}

impl S3Datasource {
    pub(crate) fn new(bucket: Bucket) -> Self {
        let closed = AtomicBool::new(false);
        Self { bucket: Arc::new(bucket), cleanups: Cleanups::new(), closed }
    }

    fn bucket(&self, cx: &Context) -> Result<&Arc<Bucket>> {
        cx.check()?;
        match self.closed.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Unavailable, "the datasource has been closed")),
            false => Ok(&self.bucket),
        }
    }
}

#[async_trait]
impl Datasource for S3Datasource {
    fn facets(&self) -> Facets<'_> {
        Facets { sql: None, files: Some(self) }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        self.bucket(cx)?.ping(cx).await
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Relaxed);
        self.cleanups.close().await;
        Ok(())
    }
}

#[async_trait]
impl FileDatasource for S3Datasource {
    fn capability(&self) -> FileCapability {
        FileCapability { presign: !self.bucket.is_anonymous, ..CAPABILITY }
    }

    async fn list(&self, cx: &Context, request: ListFiles) -> Result<FileStream> {
        Ok(Arc::clone(self.bucket(cx)?).list(cx, request))
    }

    async fn stat(&self, cx: &Context, request: Stat) -> Result<FileInfo> {
        self.bucket(cx)?.stat(cx, &request.key).await
    }

    async fn read(&self, cx: &Context, request: Read) -> Result<ReadBody> {
        Arc::clone(self.bucket(cx)?).read(cx, request).await
    }

    async fn read_ranges(&self, cx: &Context, request: ReadRanges) -> Result<Vec<Bytes>> {
        self.bucket(cx)?.read_ranges(cx, request).await
    }

    async fn write(&self, cx: &Context, request: Write) -> Result<FileInfo> {
        let bucket = self.bucket(cx)?;
        let sizes = PartSizes { parallel_max: bucket.parallel_max, ..PartSizes::default() };
        upload(cx, bucket, request, &sizes, &self.cleanups).await
    }

    async fn copy(&self, cx: &Context, request: Copy) -> Result<()> {
        self.bucket(cx)?.copy(cx, request, &self.cleanups).await
    }

    async fn delete(&self, cx: &Context, request: Delete) -> Result<Vec<DeleteOutcome>> {
        self.bucket(cx)?.delete(cx, request.keys).await
    }

    async fn presign(&self, cx: &Context, request: Presign) -> Result<Secret> {
        Box::pin(self.bucket(cx)?.presign(cx, request)).await
    }
}
