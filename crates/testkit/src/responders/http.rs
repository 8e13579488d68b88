//! An HTTP/1.1 server in a few lines, so that a test can answer anything, also what no server
//! would.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Such as `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The whole body.
    pub body: Bytes,
}

impl HttpRequest {
    /// The value of a parameter of the query, as it came.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// Headers beside the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Waits before the first byte.
    pub delay: Duration,
    /// Only so many bytes of the body are sent before the connection is closed.
    pub cut_at: Option<usize>,
}

impl HttpReply {
    /// A body with a status.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let (headers, delay) = (Vec::new(), Duration::ZERO);
        Self { status, headers, body: body.into(), delay, cut_at: None }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
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

/// Answers each request.
pub(super) type Handler = Arc<dyn Fn(HttpRequest) -> BoxFuture<'static, HttpReply> + Send + Sync>;

/// A server on loopback that ends with this value.
#[derive(Debug)]
pub struct HttpServer {
    port: u16,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Starts a server.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start<F>(
        handler: impl Fn(HttpRequest) -> F + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = HttpReply> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&handler)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, accepting })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers the requests of one connection until it ends or an answer was cut.
async fn serve(stream: TcpStream, handler: Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let reply = handler(request).await;
        tokio::time::sleep(reply.delay).await;
        let mut head = format!("HTTP/1.1 {} answer\r\n", reply.status);
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", reply.body.len());
        stream.write_all(head.as_bytes()).await?;
        let end = reply.cut_at.unwrap_or(reply.body.len()).min(reply.body.len());
        stream.write_all(&reply.body[..end]).await?;
        stream.flush().await?;
        if reply.cut_at.is_some() {
            break;
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<HttpRequest>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(HttpRequest { method, path, query, headers, body: body.into() }))
}
