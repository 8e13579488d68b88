//! As much HTTP/1.1 as tests need: one request to a server on loopback, and a server whose answers
//! a closure makes, for what no real server here shows, also what none would answer.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
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
    /// Names and values. A length, or an encoding on the way, that is told here is not checked,
    /// and ends the connection.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Waits before the first byte.
    pub delay: Duration,
    /// Only so many bytes of the body are sent before the connection is closed.
    pub cut_at: Option<usize>,
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

    /// The path without its query.
    pub fn route(&self) -> &str {
        self.path.split_once('?').map_or(&self.path, |(route, _)| route)
    }

    /// The value of a parameter of the query, as it came.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl HttpAnswer {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let (headers, delay) = (Vec::new(), Duration::ZERO);
        Self { status, headers, body: body.into(), delay, cut_at: None }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same after a while.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same, broken off.
    #[must_use]
    pub fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        self
    }
}

/// Sends a request to a port of loopback and reads the whole answer.
///
/// # Errors
/// `Failed` when no whole answer comes in time.
pub async fn http(port: u16, request: &HttpRequest) -> Result<HttpAnswer, ServerError> {
    let failed = |e: io::Error| ServerError::failed("an HTTP request", e);
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
        Ok(HttpAnswer { headers, ..HttpAnswer::new(status.unwrap_or_default(), body) })
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
) -> io::Result<Message> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
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

type Script = dyn Fn(HttpRequest) -> BoxFuture<'static, HttpAnswer> + Send + Sync;
type Log = Mutex<Vec<HttpRequest>>;

/// A server on loopback whose answers a closure makes. Ended when it is dropped.
pub struct HttpServer {
    scheme: &'static str,
    port: u16,
    seen: Arc<Log>,
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
        Self::start_waiting(move |request| std::future::ready(answer(&request))).await
    }

    /// The same, whose answers may wait for something.
    ///
    /// # Errors
    /// As with [`start`](Self::start).
    pub async fn start_waiting<F>(
        answer: impl Fn(HttpRequest) -> F + Send + Sync + 'static,
    ) -> Result<Self, ServerError>
    where
        F: Future<Output = HttpAnswer> + Send + 'static,
    {
        Self::listening(None, Arc::new(move |request| answer(request).boxed())).await
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
        let script = move |request| std::future::ready(answer(&request)).boxed();
        Self::listening(Some(acceptor), Arc::new(script)).await
    }

    async fn listening(
        acceptor: Option<TlsAcceptor>,
        script: Arc<Script>,
    ) -> Result<Self, ServerError> {
        let failed = |e: io::Error| ServerError::failed("starting an HTTP server", e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let seen: Arc<Log> = Arc::default();
        let log = Arc::clone(&seen);
        let serve = async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, log) =
                    (acceptor.clone(), Arc::clone(&script), Arc::clone(&log));
                connections.spawn(async move {
                    stream.set_nodelay(true)?;
                    match acceptor {
                        None => serve(stream, script, log).await,
                        // A client that does not trust the server says so and leaves.
                        Some(acceptor) => serve(acceptor.accept(stream).await?, script, log).await,
                    }
                });
                while connections.try_join_next().is_some() {}
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

/// Answers the requests of one connection until either side ends it. A client that has gone
/// needs no answer.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Arc<Script>,
    seen: Arc<Log>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (start, headers, body) = message(&mut stream, false).await?;
        let mut words = start.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let request = HttpRequest { method, path, headers, body };
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let is_head = request.method == "HEAD";
        let is_last = request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let answer = script(request).await;
        tokio::time::sleep(answer.delay).await;
        let is_last = send(&mut stream, &answer, is_head).await? || is_last;
        if is_last {
            return stream.shutdown().await;
        }
    }
}

/// Whether the connection ends with this answer.
async fn send(
    stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    answer: &HttpAnswer,
    is_head: bool,
) -> io::Result<bool> {
    let of_length = |name: &str| matches!(name, "content-length" | "transfer-encoding");
    let tells_length = answer.headers.iter().any(|(name, _)| of_length(name));
    let is_last = tells_length || answer.cut_at.is_some();
    let mut head = format!("HTTP/1.1 {} scripted\r\n", answer.status);
    if !tells_length {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    if is_last {
        head += "connection: close\r\n";
    }
    head.extend(answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    if !is_head {
        let end = answer.cut_at.unwrap_or(usize::MAX).min(answer.body.len());
        stream.write_all(&answer.body[..end]).await?;
    }
    stream.flush().await?;
    Ok(is_last)
}
