//! Encryption, HTTP/2 and proxies, against servers of ours with certificates made here.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use orbit_core::{Context, Error, ErrorKind, ProxySettings, Result, Secret, TlsSettings};
use orbit_http::header::HeaderMap;
use orbit_http::{Answer, Call, Client, ClientOptions, Method, Repeat, RetryPolicy, Url};
use orbit_testkit::servers::Certificates;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the servers saw, in order.
type Seen = Arc<Mutex<Vec<String>>>;

const ANSWER: &[u8] = b"{\"answer\": 42}";

fn client(ca: Option<&Path>, proxy: Option<&ProxySettings>) -> Client {
    let tls = TlsSettings { ca_path: ca.map(|path| path.display().to_string()) };
    Client::new(&ClientOptions {
        user_agent: "orbit-test",
        tls: &tls,
        proxy,
        connect_timeout: Duration::from_secs(5),
        requests_at_once_max: 32,
        requests_per_s_max: None,
        retry: RetryPolicy { attempts_max: 1, ..RetryPolicy::default() },
    })
    .unwrap()
}

async fn get(client: &Client, url: &str) -> Result<Answer> {
    let call = Call {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        repeat: Repeat::Always,
        repeat_parameter: None,
        urgent: false,
        timeout: Duration::from_secs(5),
        answer_bytes_max: 1 << 20,
    };
    client.send(&Context::builder().build(), &call).await?.success()
}

/// The lines of a request's head, without their ends.
async fn head(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line.trim_end().is_empty() {
            return lines;
        }
        lines.push(line.trim_end().to_owned());
    }
}

async fn reply(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok();
    stream.write_all(body).await.ok();
    stream.flush().await.ok();
}

async fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A server that speaks one of `protocols` over TLS.
async fn encrypted(certificates: &Certificates, protocols: &[&str], seen: &Seen) -> u16 {
    let chain = CertificateDer::pem_file_iter(&certificates.certificate).unwrap();
    let chain = chain.map(|certificate| certificate.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(&certificates.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, port) = listening().await;
    let seen = Arc::clone(seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => http2(stream, &seen).await,
                    _ => http1(stream, &seen).await,
                }
            });
        }
    });
    port
}

async fn http1(stream: TlsStream<TcpStream>, seen: &Seen) {
    let mut stream = BufReader::new(stream);
    loop {
        let lines = head(&mut stream).await;
        let Some(first) = lines.first() else { return };
        seen.lock().unwrap().push(format!("HTTP/1.1 {first}"));
        reply(&mut stream, "200 OK", ANSWER).await;
    }
}

async fn http2(stream: TlsStream<TcpStream>, seen: &Seen) {
    seen.lock().unwrap().push("a connection".to_owned());
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        seen.lock().unwrap().push(format!("HTTP/2 {} {}", request.method(), request.uri().path()));
        // Answers wait for those who come after, so that one connection must carry many.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(ANSWER), true).unwrap();
        });
    }
}

/// A proxy that wants `user:password`, for plain requests and for tunnels.
async fn proxy(seen: &Seen) -> u16 {
    let (listener, port) = listening().await;
    let seen = Arc::clone(seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(proxied(stream, Arc::clone(&seen)));
        }
    });
    port
}

async fn proxied(stream: TcpStream, seen: Seen) {
    let mut stream = BufReader::new(stream);
    let lines = head(&mut stream).await;
    let Some(first) = lines.first() else { return };
    let wanted = "proxy-authorization: basic dxnlcjpwyxnzd29yza==";
    let knows = lines.iter().any(|line| line.to_lowercase() == wanted);
    seen.lock().unwrap().push(format!("{first}, known: {knows}"));
    let Some(target) = first.strip_prefix("CONNECT ").filter(|_| knows) else {
        let status = if knows { "200 OK" } else { "407 Proxy Authentication Required" };
        return reply(&mut stream, status, if knows { ANSWER } else { b"" }).await;
    };
    let port = target.split([':', ' ']).nth(1).unwrap();
    let mut onwards = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    tokio::io::copy_bidirectional(&mut stream, &mut onwards).await.ok();
}

fn through(port: u16, password: &str, except: &[&str]) -> ProxySettings {
    ProxySettings {
        url: format!("http://127.0.0.1:{port}"),
        user: Some("user".to_owned()),
        password: Some(Secret::new(password)),
        except: except.iter().map(|host| (*host).to_owned()).collect(),
    }
}

/// None where `openssl` is not installed, which CI refuses.
async fn certificates() -> Option<Certificates> {
    match Certificates::new().await {
        Ok(made) => Some(made),
        Err(error) => {
            error.completion().expect("openssl is there where all is required");
            None
        }
    }
}

fn refused<T>(result: Result<T>) -> Error {
    let error = result.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    error
}

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_of_its_name_is_spoken_to() {
    let Some(made) = certificates().await else { return };
    let seen = Seen::default();
    let port = encrypted(&made, &["http/1.1"], &seen).await;
    let url = format!("https://localhost:{port}/path");
    let trusting = client(Some(&made.authority), None);
    assert_eq!(get(&trusting, &url).await.unwrap().body, ANSWER);
    refused(get(&trusting, &format!("https://127.0.0.1:{port}/path")).await);
    refused(get(&client(None, None), &url).await);
    refused(get(&client(Some(&made.other_authority), None), &url).await);
    assert_eq!(*seen.lock().unwrap(), ["HTTP/1.1 GET /path HTTP/1.1"]);
}

#[tokio::test]
async fn certificates_that_cannot_be_read_are_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for path in [empty.as_path(), Path::new("/no/such/file.pem")] {
        let tls = TlsSettings { ca_path: Some(path.display().to_string()) };
        let options = ClientOptions {
            user_agent: "orbit-test",
            tls: &tls,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            requests_at_once_max: 1,
            requests_per_s_max: None,
            retry: RetryPolicy::default(),
        };
        assert_eq!(Client::new(&options).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}

#[tokio::test]
async fn one_connection_of_http2_carries_many_requests() {
    let Some(made) = certificates().await else { return };
    let seen = Seen::default();
    let port = encrypted(&made, &["h2", "http/1.1"], &seen).await;
    let client = client(Some(&made.authority), None);
    let url = format!("https://localhost:{port}/many");
    get(&client, &url).await.unwrap();
    let all = futures::future::join_all((0..20).map(|_| get(&client, &url))).await;
    assert!(all.iter().all(|answer| answer.as_ref().is_ok_and(|a| a.body == ANSWER)));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().filter(|line| *line == "a connection").count(), 1);
    assert_eq!(seen.iter().filter(|line| *line == "HTTP/2 GET /many").count(), 21);
}

#[tokio::test]
async fn a_proxy_is_used_with_its_credentials() {
    let Some(made) = certificates().await else { return };
    let (seen, behind) = (Seen::default(), Seen::default());
    let (port, secure) = (proxy(&seen).await, encrypted(&made, &["h2"], &behind).await);
    let known = client(Some(&made.authority), Some(&through(port, "password", &[])));
    get(&known, "http://service.test/plain").await.unwrap();
    get(&known, &format!("https://localhost:{secure}/tunnel")).await.unwrap();
    let unknown = client(Some(&made.authority), Some(&through(port, "wrong", &[])));
    assert!(get(&unknown, "http://service.test/plain").await.is_err());
    refused(get(&unknown, &format!("https://localhost:{secure}/tunnel")).await);
    let expected = [
        "GET http://service.test/plain HTTP/1.1, known: true".to_owned(),
        format!("CONNECT localhost:{secure} HTTP/1.1, known: true"),
        "GET http://service.test/plain HTTP/1.1, known: false".to_owned(),
        format!("CONNECT localhost:{secure} HTTP/1.1, known: false"),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(*behind.lock().unwrap(), ["a connection", "HTTP/2 GET /tunnel"]);
}

#[tokio::test]
async fn excepted_hosts_are_reached_without_the_proxy() {
    let Some(made) = certificates().await else { return };
    let (seen, behind) = (Seen::default(), Seen::default());
    let (port, secure) = (proxy(&seen).await, encrypted(&made, &["h2"], &behind).await);
    let settings = through(port, "password", &["localhost"]);
    let client = client(Some(&made.authority), Some(&settings));
    get(&client, &format!("https://localhost:{secure}/direct")).await.unwrap();
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(*behind.lock().unwrap(), ["a connection", "HTTP/2 GET /direct"]);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let (listener, port) = listening().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sink = [0; 1024];
        let _read = stream.read(&mut sink).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while stream
            .write_all(format!("10000\r\n{}\r\n", "x".repeat(65536)).as_bytes())
            .await
            .is_ok()
        {}
    });
    let error = get(&client(None, None), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
}
