//! The file facet with one layer around it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use orbit_core::{
    Context, Copy, Datasource, Delete, DeleteOutcome, Error, FileCapability, FileDatasource,
    FileInfo, FileStream, ListFiles, Operation, Presign, Read, ReadBody, ReadRanges, Result,
    Secret, Stat, Write,
};

use crate::layer::{Attempts, Call, Layer};

pub(crate) struct LayeredFiles<L> {
    layer: Arc<L>,
    datasource: Arc<dyn Datasource>,
    capability: FileCapability,
}

impl<L> LayeredFiles<L> {
    pub(crate) fn new(
        layer: &Arc<L>,
        datasource: &Arc<dyn Datasource>,
        facet: &dyn FileDatasource,
    ) -> Self {
        Self {
            layer: Arc::clone(layer),
            datasource: Arc::clone(datasource),
            capability: facet.capability(),
        }
    }

    fn below(&self, operation: Operation) -> Result<&dyn FileDatasource> {
        self.datasource.facets().files.ok_or_else(|| Error::unsupported(operation))
    }
}

#[async_trait]
impl<L: Layer> FileDatasource for LayeredFiles<L> {
    fn capability(&self) -> FileCapability {
        self.capability
    }

    async fn list(&self, cx: &Context, request: ListFiles) -> Result<FileStream> {
        let call = Call::new(Operation::ListFiles);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.list(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn stat(&self, cx: &Context, request: Stat) -> Result<FileInfo> {
        let call = Call::new(Operation::Stat);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.stat(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn read(&self, cx: &Context, request: Read) -> Result<ReadBody> {
        let call = Call::new(Operation::Read);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.read(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn read_ranges(&self, cx: &Context, request: ReadRanges) -> Result<Vec<Bytes>> {
        let call = Call::new(Operation::ReadRanges);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.read_ranges(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn write(&self, cx: &Context, request: Write) -> Result<FileInfo> {
        let call = Call::new(Operation::Write);
        let attempts = Attempts::once(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.write(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn copy(&self, cx: &Context, request: Copy) -> Result<()> {
        let call = Call::new(Operation::Copy);
        let attempts = Attempts::once(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.copy(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn delete(&self, cx: &Context, request: Delete) -> Result<Vec<DeleteOutcome>> {
        let call = Call::new(Operation::Delete);
        let attempts = Attempts::once(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.delete(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }

    async fn presign(&self, cx: &Context, request: Presign) -> Result<Secret> {
        let call = Call::new(Operation::Presign);
        let attempts = Attempts::repeatable(request, move |cx, request| {
            Box::pin(async move { self.below(call.operation)?.presign(&cx, request).await })
        });
        self.layer.around(cx.clone(), call, attempts).await
    }
}
