//! Headers that the client does not put on requests: who pays, how the store encrypts, and the
//! digest of a list of keys to delete.

use std::fmt;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::base64;
use md5::{Digest, Md5};
use orbit_core::Secret;

use crate::config::{RequestPayer, S3Config, Sse};

const CUSTOMER_KEY_BYTES: usize = 32;

/// The headers, by the requests that carry them; all of them are signed.
#[derive(Default)]
pub(crate) struct ExtraHeaders {
    every_request: Vec<(&'static str, String)>,
    new_files: Vec<(&'static str, String)>,
    contents: Vec<(&'static str, String)>,
    sources: Vec<(&'static str, String)>,
}

impl ExtraHeaders {
    pub(crate) fn of(config: &S3Config) -> Self {
        let mut headers = Self::default();
        if config.request_payer == Some(RequestPayer::Requester) {
            headers.every_request.push(("x-amz-request-payer", "requester".to_owned()));
        }
        const SSE: &str = "x-amz-server-side-encryption";
        match config.sse {
            Some(Sse::S3) => headers.new_files.push((SSE, "AES256".to_owned())),
            Some(Sse::Kms) => {
                headers.new_files.push((SSE, "aws:kms".to_owned()));
                let id = config.sse_kms_key_id.clone();
                let id = id.map(|id| ("x-amz-server-side-encryption-aws-kms-key-id", id));
                headers.new_files.extend(id);
            }
            Some(Sse::C) | None => {}
        }
        if let Some((key, md5)) = config.sse_customer_key.as_ref().and_then(Self::customer_key) {
            let algorithm = || "AES256".to_owned();
            headers.contents = vec![
                ("x-amz-server-side-encryption-customer-algorithm", algorithm()),
                ("x-amz-server-side-encryption-customer-key", key.clone()),
                ("x-amz-server-side-encryption-customer-key-md5", md5.clone()),
            ];
            headers.sources = vec![
                ("x-amz-copy-source-server-side-encryption-customer-algorithm", algorithm()),
                ("x-amz-copy-source-server-side-encryption-customer-key", key),
                ("x-amz-copy-source-server-side-encryption-customer-key-md5", md5),
            ];
        }
        headers
    }

    /// The key and its digest as the store wants them, if the key is one.
    pub(crate) fn customer_key(key: &Secret) -> Option<(String, String)> {
        let bytes = base64::decode(key.expose()).ok()?;
        let digest = || base64::encode(Md5::digest(&bytes));
        (bytes.len() == CUSTOMER_KEY_BYTES).then(|| (key.expose().to_owned(), digest()))
    }

    fn of_operation(&self, operation: &str) -> impl Iterator<Item = &(&'static str, String)> {
        let makes = matches!(operation, "PutObject" | "CreateMultipartUpload" | "CopyObject");
        let copies = matches!(operation, "CopyObject" | "UploadPartCopy");
        let moves = matches!(operation, "GetObject" | "HeadObject" | "UploadPart");
        // The end of an upload needs the key too where its parts have checksums.
        let ends = operation == "CompleteMultipartUpload";
        let chosen = [
            (true, &self.every_request),
            (makes, &self.new_files),
            (makes || copies || moves || ends, &self.contents),
            (copies, &self.sources),
        ];
        chosen.into_iter().filter(|(wanted, _)| *wanted).flat_map(|(_, headers)| headers)
    }
}

#[dyn_dispatch_hint]
impl Intercept for ExtraHeaders {
    fn name(&self) -> &'static str {
        "ExtraHeaders"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = bag.load::<Metadata>().map(|m| m.name().to_owned()).unwrap_or_default();
        // The store's documentation wants it, and stores exist that take no newer checksum for it.
        if operation == "DeleteObjects"
            && let Some(list) = context.request().body().bytes()
        {
            let digest = base64::encode(Md5::digest(list));
            context.request_mut().headers_mut().try_insert("content-md5", digest)?;
        }
        let headers = context.request_mut().headers_mut();
        for (name, value) in self.of_operation(&operation) {
            headers.try_insert(*name, value.clone())?;
        }
        Ok(())
    }
}

/// Names alone: one of the values may be a key.
impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.every_request, &self.new_files, &self.contents, &self.sources];
        f.debug_set().entries(all.into_iter().flatten().map(|(name, _)| name)).finish()
    }
}
