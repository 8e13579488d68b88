//! Answers that are read whole, and how long they may be: one that never ends would fill memory.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// The most that is read. The longest answers are pages of a listing: 1,000 keys of 1,024 bytes,
/// each of which may take six to be written, and some hundred bytes beside each key.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Has the body of an answer end in an error where it is longer than any that is read whole.
pub fn bound(answer: &mut HttpResponse) {
    let body = limited(answer.take_body());
    *answer.body_mut() = body;
}

/// The body, which ends in an error where it is longer than any that is read whole.
pub(crate) fn limited(body: SdkBody) -> SdkBody {
    SdkBody::from_body_1_x(Limited::new(body, ANSWER_BYTES_MAX))
}

/// The same client, of whose answers each is bounded: for services whose answers are all read
/// whole.
pub(crate) fn bounded(client: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Bounded(client.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct Bounded(SharedHttpConnector);

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            bound(&mut answer);
            Ok(answer)
        })
    }
}
