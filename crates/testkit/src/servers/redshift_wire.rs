//! A proxy in front of PostgreSQL that refuses what Redshift refuses.
//!
//! It is ours and no Redshift: what stands in [`REFUSED`] and [`STARTUP`] is read from the
//! vendor's pages and from reports about drivers, and what it lets through need not work there.
//! A client that begins to use one of these fails its tests here.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::ServerError;

/// Words of a statement that Redshift does not take, in lower case.
const REFUSED: [&str; 17] = [
    "regtype",
    "to_regclass",
    "pg_enum",
    "pg_range",
    "pg_collation",
    "to stdout",
    "from stdin",
    "collate \"",
    "discard",
    "bytea_output",
    "intervalstyle",
    "standard_conforming_strings",
    "client_connection_check_interval",
    "distinct on",
    "lateral",
    "with ordinality",
    "decode(",
];

/// Parameters that it takes when a session begins.
const STARTUP: [&str; 7] = [
    "user",
    "database",
    "client_encoding",
    "datestyle",
    "timezone",
    "extra_float_digits",
    "application_name",
];

/// What is put in the place of words that PostgreSQL does not know.
const TRANSLATED: [(&str, &str); 4] = [
    ("version()", "'PostgreSQL 8.0.2, Redshift 1.0.99999 (a proxy of ORBIT)'::text"),
    ("varbyte(65535)", "bytea"),
    ("COLLATE(", "("),
    (", 'case_sensitive')", " COLLATE \"C\")"),
];

/// Views with the names and columns of Redshift's catalogs, and a function of its own, for a
/// PostgreSQL behind the proxy.
pub const REDSHIFT_CATALOG: &str = include_str!("redshift_catalog.sql");

const MESSAGE_BYTES_MAX: usize = 64 << 20;
const SSL_REQUEST: u32 = 80_877_103;

/// The running proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct RedshiftWire {
    port: u16,
    task: JoinHandle<()>,
}

impl RedshiftWire {
    /// Starts a proxy in front of the server on `server_port` of 127.0.0.1.
    ///
    /// # Errors
    /// `Failed` when no port is to be had.
    pub async fn start(server_port: u16) -> Result<Self, ServerError> {
        Self::start_with(server_port, |_| None).await
    }

    /// The same, but what `instead` answers for a statement is sent in its place: a test does
    /// the work of one that PostgreSQL does not have.
    ///
    /// # Errors
    /// As with [`start`](Self::start).
    pub async fn start_with(
        server_port: u16,
        instead: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ServerError> {
        let instead: Arc<Instead> = Arc::new(instead);
        let failed = |e: io::Error| ServerError::failed("starting the proxy", e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that ends, however it does, is no concern of the others.
                let instead = Arc::clone(&instead);
                tokio::spawn(async move { drop(serve(client, server_port, instead).await) });
            }
        });
        Ok(Self { port, task })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for RedshiftWire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Instead = dyn Fn(&str) -> Option<String> + Send + Sync;

async fn serve(mut client: TcpStream, server_port: u16, instead: Arc<Instead>) -> io::Result<()> {
    let Some(startup) = startup(&mut client).await? else { return Ok(()) };
    let mut server = TcpStream::connect(("127.0.0.1", server_port)).await?;
    // Small messages would otherwise wait for those before them.
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    server.write_all(&startup).await?;
    let (mut from_server, to_server) = server.into_split();
    let (from_client, mut to_client) = client.into_split();
    let (refusals, mut refused) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
    let asking = tokio::spawn(requests(from_client, to_server, refusals, instead));
    // A refusal comes only while the server has nothing to say, since it was not asked.
    let mut buffer = vec![0; 64 << 10];
    loop {
        tokio::select! {
            read = from_server.read(&mut buffer) => match read? {
                0 => break,
                count => to_client.write_all(&buffer[..count]).await?,
            },
            Some(answer) = refused.recv() => to_client.write_all(&answer).await?,
        }
    }
    asking.abort();
    Ok(())
}

/// The message that begins a session; none when it was refused.
async fn startup(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; bounded(length, 4)?];
        client.read_exact(&mut body).await?;
        if body.first_chunk().map(|code| u32::from_be_bytes(*code)) == Some(SSL_REQUEST) {
            client.write_all(b"N").await?;
            continue;
        }
        let parameters = body.get(4..).unwrap_or_default();
        let texts: Vec<_> = parameters.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
        let unknown = texts.chunks_exact(2).find(|pair| {
            let name = pair[0].to_ascii_lowercase();
            let digits = name == "extra_float_digits" && pair[1].parse().is_ok_and(|n: i8| n > 2);
            !name.is_empty() && (digits || !STARTUP.contains(&name.as_str()))
        });
        if let Some(pair) = unknown {
            let message = format!("unsupported startup parameter: {}", pair[0]);
            client.write_all(&error_response("0A000", &message)).await?;
            return Ok(None);
        }
        return Ok(Some([&length.to_be_bytes()[..], &body].concat()));
    }
}

async fn requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    refusals: tokio::sync::mpsc::Sender<Vec<u8>>,
    instead: Arc<Instead>,
) -> io::Result<()> {
    loop {
        let Ok(kind) = client.read_u8().await else {
            // The client is gone: so is its session.
            return server.shutdown().await;
        };
        let length = client.read_u32().await?;
        if kind != b'Q' && kind != b'P' {
            server.write_all(&[&[kind][..], &length.to_be_bytes()].concat()).await?;
            copy(&mut (&mut client).take(u64::from(length.saturating_sub(4))), &mut server).await?;
            continue;
        }
        let mut body = vec![0; bounded(length, 4)?];
        client.read_exact(&mut body).await?;
        let text = String::from_utf8_lossy(&body).to_ascii_lowercase();
        if let Some(word) = REFUSED.iter().find(|word| text.contains(**word)) {
            let mut answer = error_response("0A000", &format!("Redshift does not know {word}"));
            if kind == b'P' {
                skip_to_sync(&mut client).await?;
            }
            answer.extend_from_slice(b"Z\0\0\0\x05I");
            drop(refusals.send(answer).await);
            continue;
        }
        let asked = str::from_utf8(&body).ok().map(|text| text.trim_end_matches('\0'));
        let body = match asked.filter(|_| kind == b'Q').and_then(|text| instead(text)) {
            Some(other) => translated(&[other.as_bytes(), b"\0"].concat()),
            None => translated(&body),
        };
        let length = (body.len() as u32 + 4).to_be_bytes();
        server.write_all(&[&[kind][..], &length, &body].concat()).await?;
    }
}

async fn skip_to_sync(client: &mut OwnedReadHalf) -> io::Result<()> {
    loop {
        let kind = client.read_u8().await?;
        let length = client.read_u32().await?;
        let mut body = vec![0; bounded(length, 4)?];
        client.read_exact(&mut body).await?;
        if kind == b'S' {
            return Ok(());
        }
    }
}

fn bounded(length: u32, head: usize) -> io::Result<usize> {
    let length = (length as usize).checked_sub(head).filter(|n| *n <= MESSAGE_BYTES_MAX);
    length.ok_or_else(|| io::Error::other("a message of this length is not taken"))
}

fn translated(body: &[u8]) -> Vec<u8> {
    let Ok(text) = str::from_utf8(body) else { return body.to_vec() };
    let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    TRANSLATED.iter().fold(text.to_owned(), replace).into_bytes()
}

fn error_response(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{code}\0M{message}\0\0");
    let length = (fields.len() as u32 + 4).to_be_bytes();
    [&b"E"[..], &length, fields.as_bytes()].concat()
}
