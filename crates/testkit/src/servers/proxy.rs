//! A hostile proxy: passes bytes on until it is told to do harm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use tokio_util::task::AbortOnDropHandle;

use super::ServerError;

/// What it does to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends.
    Reset,
    /// One bit is turned.
    Corrupt,
    /// Nothing comes any more, and the connection stays.
    Silence,
    /// The rest comes slowly: 4 KiB each 10 ms.
    Drip,
}

#[derive(Debug, Default)]
struct Plan {
    fault: Option<Fault>,
    after_bytes: u64,
    times: u32,
    done: u32,
}

/// A proxy before a server on loopback. Ended when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Plan>>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Starts one before the port `upstream` of loopback.
    ///
    /// # Errors
    /// `Failed` when no port is to be had.
    pub async fn start(upstream: u16) -> Result<Self, ServerError> {
        Self::listening(upstream, None).await
    }

    /// The same for a store that looks whether a key is free and then writes it, so that two
    /// writers may both be told that they were first: conditional writes pass one by one.
    ///
    /// # Errors
    /// As with [`start`](Self::start).
    pub async fn start_in_turns(upstream: u16) -> Result<Self, ServerError> {
        Self::listening(upstream, Some(Arc::default())).await
    }

    async fn listening(upstream: u16, turns: Option<Arc<Turns<()>>>) -> Result<Self, ServerError> {
        let failed = |e: std::io::Error| ServerError::failed("starting a proxy", e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let shared = Arc::clone(&plan);
        let serve = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, upstream, Arc::clone(&shared), turns.clone()));
            }
        };
        Ok(Self { port, plan, _task: AbortOnDropHandle::new(tokio::spawn(serve)) })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, for a client.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Does `fault` to the next `times` answers that are longer than `after_bytes`, there.
    pub fn plan(&self, fault: Fault, after_bytes: u64, times: u32) {
        *lock(&self.plan) = Plan { fault: Some(fault), after_bytes, times, done: 0 };
    }

    /// How often the fault was done.
    pub fn done(&self) -> u32 {
        lock(&self.plan).done
    }
}

fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the present answer of a connection.
#[derive(Default)]
struct Answer {
    /// How many of its bytes have passed.
    bytes: u64,
    /// Held until its first byte.
    turn: Option<OwnedMutexGuard<()>>,
}

async fn connection(
    client: TcpStream,
    upstream: u16,
    plan: Arc<Mutex<Plan>>,
    turns: Option<Arc<Turns<()>>>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let answer = Mutex::new(Answer::default());
    let requests = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let chunk = &buffer[..length];
            let turn = match &turns {
                Some(turns) if is_conditional_write(chunk) => {
                    Some(Arc::clone(turns).lock_owned().await)
                }
                _ => None,
            };
            {
                let mut answer = lock(&answer);
                answer.bytes = 0;
                answer.turn = turn.or(answer.turn.take());
            }
            if to_server.write_all(chunk).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers(from_server, to_client, &answer, &plan) => {}
    }
}

/// Whether a request that begins here creates a key.
fn is_conditional_write(chunk: &[u8]) -> bool {
    let head = String::from_utf8_lossy(chunk).to_lowercase();
    head.starts_with("put ") && head.contains("\r\nif-none-match: *\r\n")
}

async fn answers(
    mut from_server: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    answer: &Mutex<Answer>,
    plan: &Mutex<Plan>,
) {
    let mut buffer = vec![0; 64 << 10];
    let mut drips = false;
    while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
        let chunk = &mut buffer[..length];
        let due = due(plan, answer, length as u64);
        let sent = match due {
            None if drips => drip(&mut to_client, chunk).await,
            None => to_client.write_all(chunk).await,
            Some((Fault::Drip, _)) => {
                drips = true;
                drip(&mut to_client, chunk).await
            }
            Some((Fault::Corrupt, at)) => {
                chunk[at] ^= 1;
                to_client.write_all(chunk).await
            }
            Some((Fault::Reset, at)) => {
                to_client.write_all(&chunk[..at]).await.ok();
                return;
            }
            Some((Fault::Silence, at)) => {
                to_client.write_all(&chunk[..at]).await.ok();
                return std::future::pending().await;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn drip(to_client: &mut OwnedWriteHalf, chunk: &[u8]) -> std::io::Result<()> {
    for drop in chunk.chunks(4 << 10) {
        to_client.write_all(drop).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Whether the fault falls into the next `length` bytes, and where.
fn due(plan: &Mutex<Plan>, answer: &Mutex<Answer>, length: u64) -> Option<(Fault, usize)> {
    let mut answer = lock(answer);
    answer.turn = None;
    let before = answer.bytes;
    answer.bytes += length;
    let mut plan = lock(plan);
    let fault = plan.fault?;
    let is_here = (before..before + length).contains(&plan.after_bytes);
    if !is_here || plan.done >= plan.times {
        return None;
    }
    plan.done += 1;
    Some((fault, usize::try_from(plan.after_bytes - before).unwrap_or(0)))
}
