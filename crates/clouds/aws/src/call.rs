//! A signed request to a service of which so little is needed that its client, hundreds of
//! thousands of generated lines, is not worth its build.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::interceptors::context;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::metadata::ErrorMetadata;
use orbit_core::Context;

use crate::bounded::limited;
use crate::{Failure, send};

/// A `POST` to the root of a service.
#[derive(Clone)]
pub struct Call {
    /// The service as signatures name it, such as `redshift`.
    service: &'static str,
    /// Where it is; by default under its own name in the region.
    endpoint_url: Option<String>,
    content_type: &'static str,
    /// The operation, for services that are told by a header.
    target: Option<&'static str>,
    body: String,
}

impl Call {
    /// A call of a service that takes an action with parameters, and answers in XML.
    pub fn query(
        service: &'static str,
        action: &str,
        version: &str,
        parameters: &[(String, String)],
    ) -> Self {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters);
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        Self { service, endpoint_url: None, content_type, target: None, body: body.finish() }
    }

    /// A call of a service that takes JSON, and answers in it.
    pub fn json(service: &'static str, target: &'static str, body: &serde_json::Value) -> Self {
        let (content_type, target) = ("application/x-amz-json-1.1", Some(target));
        Self { service, endpoint_url: None, content_type, target, body: body.to_string() }
    }

    /// The same at another place, if there is one.
    #[must_use]
    pub fn at(mut self, endpoint_url: Option<String>) -> Self {
        self.endpoint_url = endpoint_url.map(|url| url.trim_end_matches('/').to_owned());
        self
    }

    /// Sends it, signed by the credentials of `config`, and answers the body of a success.
    ///
    /// # Errors
    /// What the service answered, with its own code, or why it did not; `Timeout` and
    /// `Cancelled` of `cx`.
    pub async fn send(
        self,
        cx: &Context,
        config: &SdkConfig,
        limit: Duration,
    ) -> Result<String, Failure> {
        Box::pin(send(cx, limit, self.invoke(config))).await
    }

    async fn invoke(
        self,
        config: &SdkConfig,
    ) -> Result<String, SdkError<ErrorMetadata, HttpResponse>> {
        let unbuilt = |source: BoxError| SdkError::construction_failure(source);
        let region = config.region().map_or_else(String::new, ToString::to_string);
        let nobody = || CredentialsError::not_loaded("the configuration has no credentials");
        let provider = config.credentials_provider().ok_or_else(|| unbuilt(nobody().into()))?;
        let credentials = provider.provide_credentials().await;
        let credentials = credentials.map_err(|e| unbuilt(e.into()))?;
        let client = config.http_client().ok_or_else(|| unbuilt("no HTTP client".into()))?;
        let url = self.endpoint_url.clone().unwrap_or_else(|| endpoint(self.service, &region));
        let now = SystemTime::now();
        let request = self.signed(&url, &region, &credentials.into(), now).map_err(unbuilt)?;
        answer(operation(self.service, &url, client).invoke(Held(request)).await?).await
    }

    /// The request, which is sent to the root below `url`, and signed for that.
    fn signed(
        &self,
        url: &str,
        region: &str,
        identity: &Identity,
        now: SystemTime,
    ) -> Result<HttpRequest, BoxError> {
        let mut headers = vec![("content-type", self.content_type)];
        headers.extend(self.target.map(|target| ("x-amz-target", target)));
        let body = SignableBody::Bytes(self.body.as_bytes());
        let root = format!("{url}/");
        let signable = SignableRequest::new("POST", &root, headers.iter().copied(), body)?;
        let parameters = SigningParams::builder()
            .identity(identity)
            .region(region)
            .name(self.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()?;
        let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(self.body.as_str()));
        request.set_method("POST")?;
        request.set_uri("/")?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

/// A signed request, which no log may show.
struct Held(HttpRequest);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

fn endpoint(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{suffix}")
}

fn operation(
    service: &'static str,
    url: &str,
    client: SharedHttpClient,
) -> Operation<Held, HttpResponse, ErrorMetadata> {
    Operation::builder()
        .service_name(service)
        .operation_name("call")
        .http_client(client)
        .endpoint_url(url)
        .no_auth()
        .no_retry()
        .serializer(|Held(request)| Ok(request))
        .deserializer_impl(Unread)
        .build()
}

/// Hands an answer on before its body is read, since the client would read it whole.
#[derive(Debug)]
struct Unread;

impl DeserializeResponse for Unread {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _: &ConfigBag,
    ) -> Option<Result<context::Output, OrchestratorError<context::Error>>> {
        let taken = HttpResponse::new(response.status(), SdkBody::taken());
        Some(Ok(context::Output::erase(std::mem::replace(response, taken))))
    }
}

/// The body of a success, or what the service complains about.
async fn answer(
    mut response: HttpResponse,
) -> Result<String, SdkError<ErrorMetadata, HttpResponse>> {
    let text = match text(response.take_body()).await {
        Ok(text) => text,
        Err(cause) => return Err(SdkError::response_error(cause, response)),
    };
    if response.status().is_success() {
        return Ok(text);
    }
    let (code, message) = complaint(&text);
    let mut said = ErrorMetadata::builder();
    if let Some(code) = code {
        said = said.code(code);
    }
    let said = said.message(message.unwrap_or_default()).build();
    Err(SdkError::service_error(said, response))
}

/// The text of a body that is not too long.
async fn text(body: SdkBody) -> Result<String, BoxError> {
    let (mut body, mut bytes) = (ByteStream::new(limited(body)), Vec::new());
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(&part?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Code and message of an error, in either of the forms that the services answer in.
fn complaint(body: &str) -> (Option<String>, Option<String>) {
    if body.trim_start().starts_with('<') {
        return (element(body, "Code"), element(body, "Message"));
    }
    let told: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let text = |name: &str| told.get(name)?.as_str().map(str::to_owned);
    // It may have a namespace before it.
    let code = text("__type").map(|code| code.rsplit('#').next().unwrap_or_default().to_owned());
    (code, text("message").or_else(|| text("Message")))
}

/// A moment as services write it, such as `2026-11-23T10:00:00Z`.
pub fn moment(text: &str) -> Option<SystemTime> {
    let told = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(told).ok()
}

/// The text of the first element of this name in a document of XML.
pub fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let mut text = text.to_owned();
    for (escaped, plain) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(escaped, plain);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use http_body_util::LengthLimitError;

    use super::*;
    use crate::bounded::ANSWER_BYTES_MAX;

    #[test]
    fn errors_of_both_forms_have_their_code() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>ClusterNotFound</Code>\
                   <Message>a &lt; b</Message></Error></ErrorResponse>";
        let told = complaint(xml);
        assert_eq!(told, (Some("ClusterNotFound".to_owned()), Some("a < b".to_owned())));
        let json = r#"{"__type": "com.amazon#ResourceNotFoundException", "message": "none"}"#;
        let told = complaint(json);
        assert_eq!(told, (Some("ResourceNotFoundException".to_owned()), Some("none".to_owned())));
        assert_eq!(complaint("no answer of ours"), (None, None));
    }

    #[test]
    fn moments_with_and_without_an_offset() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(moment("2026-01-01T00:00:00Z"), Some(at));
        assert_eq!(moment("2026-01-01T01:00:00+01:00"), Some(at));
        assert_eq!(moment("soon"), None);
    }

    /// The client puts the path of an endpoint before the root, so that is what is signed.
    #[test]
    fn what_is_signed_is_what_is_sent() {
        let keys = Credentials::new("key", "secret", None, None, "test");
        let (identity, now) = (Identity::from(keys), SystemTime::UNIX_EPOCH);
        for (endpoint, sent) in [
            ("https://gate.example/redshift/", "https://gate.example/redshift/"),
            ("https://gate.example", "https://gate.example/"),
        ] {
            let call = Call::query("redshift", "Do", "1", &[]).at(Some(endpoint.to_owned()));
            let url = call.endpoint_url.clone().unwrap();
            let mut request = call.signed(&url, "eu-west-1", &identity, now).unwrap();
            request.uri_mut().set_endpoint(&url).unwrap();
            assert_eq!(request.uri(), sent);
            let headers = [("content-type", call.content_type)].into_iter();
            let body = SignableBody::Bytes(call.body.as_bytes());
            let signable = SignableRequest::new("POST", request.uri(), headers, body).unwrap();
            let parameters = SigningParams::builder()
                .identity(&identity)
                .region("eu-west-1")
                .name("redshift")
                .time(now)
                .settings(SigningSettings::default())
                .build()
                .unwrap();
            let signed = sign(signable, &parameters.into()).unwrap();
            let header = request.headers().get("authorization").unwrap();
            assert!(header.ends_with(&format!("Signature={}", signed.signature())), "{header}");
        }
    }

    #[tokio::test]
    async fn answers_are_bounded() {
        let of = |bytes: usize| text(SdkBody::from("x".repeat(bytes)));
        assert_eq!(of(ANSWER_BYTES_MAX).await.unwrap().len(), ANSWER_BYTES_MAX);
        let error = of(ANSWER_BYTES_MAX + 1).await.unwrap_err();
        let cause = error.source().and_then(|cause| cause.downcast_ref::<LengthLimitError>());
        assert!(cause.is_some(), "{error}");
    }

    #[test]
    fn parameters_are_escaped() {
        let call = Call::query("s", "Do", "1", &[("Name".to_owned(), "a&b=c d".to_owned())]);
        assert_eq!(call.body, "Action=Do&Version=1&Name=a%26b%3Dc+d");
    }
}
