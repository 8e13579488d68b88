//! The checksum of a whole file, for a file that is read in pieces: the client checks only bodies
//! that it reads to their end.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_types::base64;
use futures::stream::{self, StreamExt};
use orbit_core::ByteStream;

use crate::error;

/// What the bytes of a file have to come to.
pub(crate) struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: Vec<u8>,
}

impl Checksum {
    /// That of an answer with a whole file. One that was made of the checksums of parts (it ends
    /// in a number of parts) is none of the whole.
    pub(crate) fn of(answer: &GetObjectOutput) -> Option<Self> {
        let candidates = [
            (ChecksumAlgorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
            (ChecksumAlgorithm::Crc32c, answer.checksum_crc32_c()),
            (ChecksumAlgorithm::Crc32, answer.checksum_crc32()),
        ];
        if answer.content_range().is_some() {
            return None;
        }
        candidates.into_iter().find_map(|(algorithm, text)| {
            let value = text.filter(|text| !text.contains('-'))?;
            Some(Self { algorithm, value: base64::decode(value).ok()? })
        })
    }

    /// The same bytes, and an error at their end when they do not fit.
    pub(crate) fn verified(self, bytes: ByteStream, key: &str) -> ByteStream {
        let sum = self.algorithm.into_impl();
        let state = Some((bytes, sum, self.value, key.to_owned()));
        stream::unfold(state, |state| async move {
            let (mut bytes, mut sum, value, key) = state?;
            match bytes.next().await {
                Some(Ok(chunk)) => {
                    sum.update(&chunk);
                    Some((Ok(chunk), Some((bytes, sum, value, key))))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None if sum.finalize() == value => None,
                None => Some((Err(error::of_checksum(&key)), None)),
            }
        })
        .boxed()
    }
}
