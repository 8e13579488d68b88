//! How long an answer of the store may be.

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use orbit_aws::bound;

/// Bounds each answer that the client reads whole: all but the bytes of files.
#[derive(Debug)]
pub(crate) struct BoundedAnswers;

#[dyn_dispatch_hint]
impl Intercept for BoundedAnswers {
    fn name(&self) -> &'static str {
        "BoundedAnswers"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let gets = bag.load::<Metadata>().is_some_and(|m| m.name() == "GetObject");
        let answer = context.response_mut();
        if !(gets && answer.status().is_success()) {
            bound(answer);
        }
        Ok(())
    }
}
