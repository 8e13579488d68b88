//! A client whose requests take a proxy.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use orbit_core::{Error, ErrorKind, ProxySettings, Result, Secret};
use url::Url;

/// Where machines and containers are asked for their roles, which no proxy reaches.
const OF_THE_MACHINE: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"];

/// The client. All its requests share the connections of one connector: the builder of clients
/// knows no proxy.
///
/// # Errors
/// `ConfigInvalid` for what is no URL of a proxy.
pub(crate) fn client(
    settings: &ProxySettings,
    provider: Provider,
    tls: TlsContext,
    connect_timeout: Duration,
) -> Result<SharedHttpClient> {
    let proxy = config(settings).ok_or_else(|| {
        Error::new(ErrorKind::ConfigInvalid, "the proxy's URL cannot be used")
            .with_hint("write `proxy.url` as http://host:port")
    })?;
    let limits = HttpConnectorSettings::builder().connect_timeout(connect_timeout).build();
    let connector = Connector::builder().connector_settings(limits).proxy_config(proxy);
    let connector = connector.tls_provider(provider).tls_context(tls).build();
    let connector = SharedHttpConnector::new(connector);
    Ok(http_client_fn(move |_, _| connector.clone()))
}

fn config(settings: &ProxySettings) -> Option<ProxyConfig> {
    let mut url = Url::parse(&settings.url).ok()?;
    if let Some(user) = &settings.user {
        // A URL escapes what it is given, and the client undoes that.
        url.set_username(user).ok()?;
        url.set_password(settings.password.as_ref().map(Secret::expose)).ok()?;
    }
    let except = settings.except.iter().map(String::as_str).chain(OF_THE_MACHINE);
    let proxy = ProxyConfig::all(url.as_str()).ok()?;
    Some(proxy.no_proxy(except.collect::<Vec<_>>().join(",")))
}
