//! As much HTTP as tests need: one request to a server on loopback, and a server whose answers
//! a closure makes, for what no real server here shows.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::{Certificates, ServerError};

const LIMIT: Duration = Duration::from_secs(30);

/// A request as it was sent.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Such as `GET`.
    pub method: String,
    /// The path with its query, as on the wire.
    pub path: String,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: Vec::new() }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl HttpAnswer {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Sends a request to a port of loopback and reads the whole answer.
///
/// # Errors
/// `Failed` when no whole answer comes in time.
pub async fn http(port: u16, request: &HttpRequest) -> Result<HttpAnswer, ServerError> {
    let failed = |e: std::io::Error| ServerError::failed("an HTTP request", e);
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
        head += &format!("host: 127.0.0.1:{port}\r\nconnection: close\r\n");
        head += &format!("content-length: {}\r\n", request.body.len());
        head.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes()).await?;
        stream.write_all(&request.body).await?;
        let (start, headers, body) = message(&mut BufReader::new(stream), true).await?;
        let status = start.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(HttpAnswer { status: status.unwrap_or_default(), headers, body })
    };
    match tokio::time::timeout(LIMIT, exchange).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => Err(ServerError::failed("an HTTP request", "no answer in time")),
    }
}

type Message = (String, Vec<(String, String)>, Vec<u8>);

/// First line, headers and body of a message; without a length its body ends with the
/// connection, if it may.
async fn message(
    reader: &mut BufReader<impl AsyncRead + Unpin>,
    may_end_with_connection: bool,
) -> std::io::Result<Message> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.iter().skip(1).filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = Vec::new();
    match length.and_then(|(_, length)| length.parse().ok()) {
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body).await?;
        }
        None if may_end_with_connection => {
            reader.read_to_end(&mut body).await?;
        }
        None => {}
    }
    Ok((lines.first().cloned().unwrap_or_default(), headers, body))
}

type Script = dyn Fn(&HttpRequest) -> HttpAnswer + Send + Sync;

/// A server on loopback whose answers a closure makes. Ended when it is dropped.
pub struct HttpServer {
    scheme: &'static str,
    port: u16,
    seen: Arc<Mutex<Vec<HttpRequest>>>,
    _task: AbortOnDropHandle<()>,
}

impl HttpServer {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// `Failed` when no port is to be had.
    pub async fn start(
        answer: impl Fn(&HttpRequest) -> HttpAnswer + Send + Sync + 'static,
    ) -> Result<Self, ServerError> {
        Self::listening(None, Arc::new(answer)).await
    }

    /// The same over TLS, with the certificate of `localhost`.
    ///
    /// # Errors
    /// `Failed` when no port is to be had or the certificate cannot be used.
    pub async fn start_secured(
        certificates: &Certificates,
        answer: impl Fn(&HttpRequest) -> HttpAnswer + Send + Sync + 'static,
    ) -> Result<Self, ServerError> {
        let acceptor = acceptor(certificates)
            .map_err(|e| ServerError::failed("reading a server's certificate", e))?;
        Self::listening(Some(acceptor), Arc::new(answer)).await
    }

    async fn listening(
        acceptor: Option<TlsAcceptor>,
        script: Arc<Script>,
    ) -> Result<Self, ServerError> {
        let failed = |e: std::io::Error| ServerError::failed("starting an HTTP server", e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let seen: Arc<Mutex<Vec<HttpRequest>>> = Arc::default();
        let log = Arc::clone(&seen);
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, log) =
                    (acceptor.clone(), Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve_one(stream, script, log).await,
                        // A client that does not trust the server says so and leaves.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve_one(stream, script, log).await;
                            }
                        }
                    }
                });
            }
        };
        Ok(Self { scheme, port, seen, _task: AbortOnDropHandle::new(tokio::spawn(serve)) })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, for a client.
    pub fn endpoint(&self) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.port)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<HttpRequest> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("port", &self.port).finish_non_exhaustive()
    }
}

fn acceptor(
    certificates: &Certificates,
) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
    let chain = CertificateDer::pem_file_iter(&certificates.certificate)?;
    let chain = chain.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&certificates.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key)?)))
}

/// One request of one connection: whoever tests with this does not measure it.
async fn serve_one(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<HttpRequest>>>,
) {
    let mut reader = BufReader::new(stream);
    let Ok((start, headers, body)) = message(&mut reader, false).await else { return };
    let mut words = start.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let request = HttpRequest { method, path, headers, body };
    let answer = script(&request);
    let is_head = request.method == "HEAD";
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let mut head = format!("HTTP/1.1 {} scripted\r\nconnection: close\r\n", answer.status);
    if !answer.headers.iter().any(|(name, _)| name == "content-length") {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    head.extend(answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    let mut stream = reader.into_inner();
    // A client that has gone needs no answer.
    stream.write_all(format!("{head}\r\n").as_bytes()).await.ok();
    if !is_head {
        stream.write_all(&answer.body).await.ok();
    }
    stream.shutdown().await.ok();
}
