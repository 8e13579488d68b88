//! A hostile proxy: passes bytes on until it is told to do harm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
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
        let failed = |e: std::io::Error| ServerError::failed("starting a proxy", e);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let shared = Arc::clone(&plan);
        let serve = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, upstream, Arc::clone(&shared)));
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

fn lock(plan: &Mutex<Plan>) -> std::sync::MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connection(client: TcpStream, upstream: u16, plan: Arc<Mutex<Plan>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    // How many bytes of the present answer have passed.
    let answered = Arc::new(Mutex::new(0));
    let asked = Arc::clone(&answered);
    let requests = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            *asked.lock().unwrap_or_else(PoisonError::into_inner) = 0;
            if to_server.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers(from_server, to_client, &answered, &plan) => {}
    }
}

async fn answers(
    mut from_server: OwnedReadHalf,
    mut to_client: OwnedWriteHalf,
    answered: &Mutex<u64>,
    plan: &Mutex<Plan>,
) {
    let mut buffer = vec![0; 64 << 10];
    let mut drips = false;
    while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
        let chunk = &mut buffer[..length];
        let due = due(plan, answered, length as u64);
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
fn due(plan: &Mutex<Plan>, answered: &Mutex<u64>, length: u64) -> Option<(Fault, usize)> {
    let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
    let before = *answered;
    *answered += length;
    let mut plan = lock(plan);
    let fault = plan.fault?;
    let is_here = (before..before + length).contains(&plan.after_bytes);
    if !is_here || plan.done >= plan.times {
        return None;
    }
    plan.done += 1;
    Some((fault, usize::try_from(plan.after_bytes - before).unwrap_or(0)))
}
