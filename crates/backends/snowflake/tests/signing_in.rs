//! Every way to sign in, and that no secret of it is ever told. Against the responder of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use common::scripted::{SELECT, connect, ids, pieces, settings_of};
use orbit_core::{Context, Effect, Entry, ErrorKind, Origin, Query, Settings, Sources, Value};
use orbit_snowflake::BACKEND;
use orbit_testkit::responders::{Answer, Snowflake};
use orbit_testkit::servers::{HttpAnswer, HttpServer};
use pkcs8::der::pem::LineEnding;
use serde_json::json;

type Own = Vec<(&'static str, String)>;

struct Key {
    pair: RsaKeyPair,
    folder: tempfile::TempDir,
}

impl Key {
    fn new() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self { pair, folder: tempfile::tempdir().unwrap() }
    }

    /// A file of the key, encrypted if there is a passphrase.
    fn file(&self, passphrase: Option<&str>) -> PathBuf {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().unwrap();
        let (label, document) = match passphrase {
            None => ("PRIVATE KEY", pkcs8::SecretDocument::try_from(der.as_ref()).unwrap()),
            Some(passphrase) => {
                let info = pkcs8::PrivateKeyInfo::try_from(der.as_ref()).unwrap();
                let parameters = pkcs8::pkcs5::pbes2::Parameters::pbkdf2_sha256_aes256cbc(
                    2048,
                    b"saltsalt",
                    &[7; 16],
                );
                let info = info.encrypt_with_params(parameters.unwrap(), passphrase).unwrap();
                ("ENCRYPTED PRIVATE KEY", info)
            }
        };
        let path = self.folder.path().join(passphrase.map_or("plain", |_| "encrypted"));
        std::fs::write(&path, document.to_pem(label, LineEnding::LF).unwrap().as_bytes()).unwrap();
        path
    }

    /// What the service does with a token.
    fn check(&self, token: &str) -> serde_json::Value {
        let (text, signature) = token.rsplit_once('.').unwrap();
        let public: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        key.verify(text.as_bytes(), &signature).unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let fingerprint = BASE64_STANDARD.encode(digest(&SHA256, public.as_ref()));
        assert_eq!(claims["iss"], format!("ORBIT.ORBIT.SHA256:{fingerprint}"));
        claims
    }
}

#[tokio::test]
async fn a_key_pair_signs_a_token_that_verifies() {
    let key = Key::new();
    for passphrase in [None, Some("a passphrase")] {
        let responder = Snowflake::start().await.unwrap();
        let path = key.file(passphrase).display().to_string();
        let mut own: Own = vec![("private_key_path", path)];
        own.extend(passphrase.map(|text| ("private_key_passphrase", text.to_owned())));
        connect(responder.port(), &own).await.unwrap();
        let login = responder.seen().logins.remove(0);
        assert_eq!(login["AUTHENTICATOR"], "SNOWFLAKE_JWT");
        let claims = key.check(login["TOKEN"].as_str().unwrap());
        assert_eq!(claims["sub"], "ORBIT.ORBIT");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (from, until) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!(from <= now && now < until && until - from <= 3600, "{claims}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_used_say_why() {
    let key = Key::new();
    let garbage = key.folder.path().join("garbage");
    std::fs::write(&garbage, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let (plain, secret) = (key.file(None), key.file(Some("right")));
    let cases = [
        (plain.as_path(), Some("any")),
        (secret.as_path(), None),
        (secret.as_path(), Some("wrong")),
        (garbage.as_path(), None),
        (std::path::Path::new("/no/such/key"), None),
    ];
    let mut said = Vec::new();
    for (path, passphrase) in cases {
        let mut own: Own = vec![("private_key_path", path.display().to_string())];
        own.extend(passphrase.map(|text| ("private_key_passphrase", text.to_owned())));
        let error = connect(1, &own).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        said.push(error.message().to_owned());
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn tokens_are_shown_as_what_they_are() {
    for (setting, authenticator) in
        [("oauth_token", "OAUTH"), ("access_token", "PROGRAMMATIC_ACCESS_TOKEN")]
    {
        let responder = Snowflake::start().await.unwrap();
        connect(responder.port(), &[(setting, "a-token".to_owned())]).await.unwrap();
        let login = responder.seen().logins.remove(0);
        assert_eq!(
            (&login["AUTHENTICATOR"], &login["TOKEN"]),
            (&json!(authenticator), &json!("a-token"))
        );
    }
}

/// A service that gives out tokens.
async fn token_service() -> HttpServer {
    let server = HttpServer::start(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if !body.contains("grant_type=client_credentials") {
            return HttpAnswer::new(400, body);
        }
        let answer = json!({ "access_token": "canary-oauth-answer", "expires_in": 600 });
        HttpAnswer::new(200, answer.to_string())
    });
    server.await.unwrap()
}

/// What every logger of every crate was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn text(&self) -> String {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&told).into_owned()
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Told {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(self.clone(), "{} {} {}", record.level(), record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

/// Any piece of a secret, as it is, encoded for a URL or a form, or as base64: three texts,
/// since bytes may come before it.
fn traces(secret: &str) -> Vec<String> {
    let shifted = |before: usize| {
        let text = BASE64_STANDARD.encode(format!("{}{secret}", "x".repeat(before)));
        // The first and the last signs depend on what stands around.
        text[4..text.len().saturating_sub(4)].to_owned()
    };
    let shifted: Vec<_> = (0..3).map(shifted).collect();
    let of_urls = shifted.iter().map(|text| text.replace('+', "-").replace('/', "_"));
    let all: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let odd = |byte: u8| match byte.is_ascii_alphanumeric() || byte == b'-' {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let some: String = secret.bytes().map(odd).collect();
    of_urls.chain([secret.to_owned(), all, some]).chain(shifted.clone()).collect()
}

#[tokio::test]
async fn a_token_that_was_revoked_is_asked_for_anew_once() {
    let tokens = token_service().await;
    let url = format!("http://127.0.0.1:{}/token", tokens.port());
    for (refused, logins) in [(1, 2), (usize::MAX, 2)] {
        let responder = Snowflake::start().await.unwrap();
        responder.fault(move |request, before| {
            let body = json!({ "data": null, "code": "390303", "message": "x", "success": false });
            let login = request.route().ends_with("login-request") && before < refused;
            login.then(|| HttpAnswer::new(200, body.to_string()))
        });
        let block = [("token_url", url.as_str()), ("client_id", "c"), ("client_secret", "s")];
        let settings = with_block(responder.port(), &[], "oauth", &block);
        let config = (BACKEND.parse)(&settings).unwrap();
        let connected = config.connect(&Context::builder().build(), &Sources::none()).await;
        assert_eq!(responder.seen().count("/session/v1/login-request"), logins);
        match refused {
            1 => drop(connected.unwrap()),
            _ => assert_eq!(connected.unwrap_err().kind(), ErrorKind::Unauthenticated),
        }
    }
}

#[tokio::test]
async fn no_secret_is_told_to_any_logger() {
    let told = Told::default();
    let writer = told.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    log::set_boxed_logger(Box::new(told.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let key = Key::new();
    let tokens = token_service().await;
    let path = key.file(Some("canary-passphrase")).display().to_string();
    let oauth = format!("http://127.0.0.1:{}/token", tokens.port());
    let ways: Vec<Own> = vec![
        vec![("password", "canary-password/+ü".to_owned())],
        vec![
            ("private_key_path", path),
            ("private_key_passphrase", "canary-passphrase".to_owned()),
        ],
        vec![("oauth_token", "canary-oauth-token".to_owned())],
        vec![("access_token", "canary-access-token".to_owned())],
    ];
    let mut signed = Vec::new();
    for own in ways {
        let logins = use_it(&own, &told).await;
        let tokens = logins.iter().filter(|login| login["AUTHENTICATOR"] == "SNOWFLAKE_JWT");
        signed.extend(tokens.map(|login| login["TOKEN"].as_str().unwrap().to_owned()));
    }
    assert!(!signed.is_empty());
    oauth_is_quiet(&oauth, &told).await;
    proxy_is_quiet(&told).await;
    let text = told.text();
    // The key as it lies in the file, and the proofs that it signed.
    let plain = std::fs::read_to_string(key.file(None)).unwrap();
    let own = plain.lines().nth(4).unwrap().to_owned();
    let proofs = signed.iter().map(|token| token[token.len() - 40..].to_owned());
    let own: Vec<_> = proofs.chain([own]).collect();
    assert!(text.contains("TRACE") && text.contains("hyper"), "the loggers were told nothing");
    let secrets = [
        "canary",
        "canary-password/+ü",
        "canary-passphrase",
        "canary-oauth-token",
        "canary-access-token",
        "canary-client-secret",
        "canary-oauth-answer",
        "session-canary-0",
        "master-canary",
        "link-canary",
        "chunk-key-canary",
    ];
    let secrets = secrets.into_iter().chain(own.iter().map(String::as_str));
    for trace in secrets.flat_map(traces).filter(|t| t.len() > 4) {
        let line = text.lines().find(|line| line.contains(&trace));
        assert!(line.is_none(), "{trace} is told: {line:?}");
    }
}

/// Signs in, reads, loses its session and its links, fails, and shows everything it has.
async fn use_it(own: &[(&'static str, String)], told: &Told) -> Vec<serde_json::Value> {
    let responder = Snowflake::start().await.unwrap();
    let cx = Context::builder().build();
    let datasource = connect(responder.port(), own).await.unwrap();
    let sql = datasource.facets().sql.unwrap();
    let query = || Query::statement(SELECT, Effect::Read);
    responder.answer(SELECT, Answer { polls: 1, ..pieces(3, &[10, 10]) });
    ids(sql.query(&cx, query()).await.unwrap()).await.unwrap();
    responder.expire_sessions();
    ids(sql.query(&cx, query()).await.unwrap()).await.unwrap();
    responder.fault(|request, _| {
        request.route().starts_with("/chunk/").then(|| HttpAnswer::new(200, "broken").cut_at(3))
    });
    let broken = ids(sql.query(&cx, query()).await.unwrap()).await.unwrap_err();
    let refused =
        sql.query(&cx, Query::statement("SELECT nothing", Effect::Read)).await.unwrap_err();
    let config = (BACKEND.parse)(&settings_of(1, own)).unwrap();
    let unreachable = connect(1, own).await.unwrap_err();
    let mut told = told.clone();
    for error in [&broken, &refused, &unreachable] {
        writeln!(told, "{error} {error:?}").unwrap();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            writeln!(told, "{error} {error:?}").unwrap();
            cause = error.source();
        }
    }
    writeln!(told, "{config:?} {datasource:?}").unwrap();
    datasource.close().await.unwrap();
    responder.seen().logins
}

/// Settings for the responder with a block of their own.
fn with_block(
    port: u16,
    own: &[(&'static str, String)],
    key: &str,
    block: &[(&str, &str)],
) -> Settings {
    let settings = settings_of(port, own);
    let mut root = settings.root().clone();
    let node = orbit_testkit::settings::texts(block.iter().map(|(k, v)| (*k, (*v).to_owned())));
    if let Value::Map(entries) = &mut root.value {
        entries.push(Entry { key: key.to_owned(), key_origin: Origin::Default, node });
    }
    Settings::new(settings.path().clone(), root)
}

async fn oauth_is_quiet(url: &str, told: &Told) {
    let responder = Snowflake::start().await.unwrap();
    let secret = ("client_secret", "canary-client-secret");
    let block = [("token_url", url), ("client_id", "client"), secret];
    let settings = with_block(responder.port(), &[], "oauth", &block);
    let config = (BACKEND.parse)(&settings).unwrap();
    assert!(config.validate(&settings, &[]).is_empty());
    let cx = Context::builder().timeout(Duration::from_secs(10)).build();
    let datasource = config.connect(&cx, &Sources::none()).await.unwrap();
    assert_eq!(responder.seen().logins[0]["TOKEN"], "canary-oauth-answer");
    writeln!(told.clone(), "{config:?} {datasource:?}").unwrap();
}

/// The responder takes the proxy's place: it sees the credentials that are for the proxy.
async fn proxy_is_quiet(told: &Told) {
    let responder = Snowflake::start().await.unwrap();
    let url = format!("http://127.0.0.1:{}", responder.port());
    let block = [("url", url.as_str()), ("user", "u"), ("password", "canary-proxy-password")];
    let own = [("access_token", "canary-access-token".to_owned())];
    let settings = with_block(1, &own, "proxy", &block);
    let config = (BACKEND.parse)(&settings).unwrap();
    let cx = Context::builder().timeout(Duration::from_secs(10)).build();
    let answered = config.connect(&cx, &Sources::none()).await;
    assert_eq!(responder.seen().requests.len(), 1, "{answered:?}");
    writeln!(told.clone(), "{config:?} {answered:?}").unwrap();
}
