//! A file of a datasource that is written while a result comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use orbit_core::{Context, Error, ErrorKind, FileInfo, Operation, Stat, Write};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::store::Store;

/// Pieces that may wait for the store.
const PIECES_AHEAD_MAX: usize = 2;

/// What is handed to the write.
enum Piece {
    Bytes(Bytes),
    /// The file is whole: without it, what came so far is thrown away.
    End,
}

/// How long the write may take to notice that it was given up.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// A file of a datasource on its way there; it appears once it is complete.
pub(crate) struct Upload {
    pieces: mpsc::Sender<Piece>,
    /// None once its outcome was told.
    written: Option<AbortOnDropHandle<Result<FileInfo, Error>>>,
    store: Arc<Store>,
    key: String,
}

impl Upload {
    /// Begins to write `key`; a file that is there is refused now, unless it is to be replaced.
    pub(crate) async fn start(
        session: &Session,
        cx: &Context,
        store: &Arc<Store>,
        key: &str,
        replaces: bool,
    ) -> Result<Self> {
        store.require_writes(Operation::Write)?;
        let cx = store.context(cx);
        let condition = store.condition(replaces)?;
        if !replaces {
            refuse_if_there(&cx, store, key).await?;
        }
        let (pieces, received) = mpsc::channel(PIECES_AHEAD_MAX);
        let body = stream::unfold(Some(received), |received| async move {
            let mut received = received?;
            match received.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(received))),
                Some(Piece::End) => None,
                None => {
                    let message = "the file was given up before it was complete";
                    Some((Err(Error::new(ErrorKind::Cancelled, message)), None))
                }
            }
        });
        let body = body.boxed();
        let request = Write { key: key.to_owned(), condition, body, size_hint_bytes: None };
        let of_write = Arc::clone(store);
        let write = async move { cx.run(of_write.files()?.write(&cx, request)).await };
        let written = Some(session.workers.start(write));
        Ok(Self { pieces, written, store: Arc::clone(store), key: key.to_owned() })
    }

    /// Hands bytes on.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        match bytes.is_empty() || self.pieces.send(Piece::Bytes(bytes.into())).await.is_ok() {
            true => Ok(()),
            // The write has ended before its bytes did.
            false => Err(self.outcome().await.err().unwrap_or_else(|| Failure::from(ended()))),
        }
    }

    /// Ends the file, and waits until the store shows it.
    pub(crate) async fn complete(mut self) -> Result<()> {
        // Where the write has failed nobody receives, and its outcome tells why.
        self.pieces.send(Piece::End).await.ok();
        self.outcome().await
    }

    /// Gives the file up: once this returns, the datasource knows what it has to remove, and does
    /// so before it closes.
    pub(crate) async fn abandon(self) {
        drop(self.pieces);
        if let Some(written) = self.written {
            // It fails, as it was told to.
            tokio::time::timeout(GIVE_UP_TIMEOUT, written).await.ok();
        }
    }

    async fn outcome(&mut self) -> Result<()> {
        let Some(written) = self.written.take() else { return Err(ended().into()) };
        match written.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.store.named(in_the_way(error), &self.key)),
            Err(cause) => Err(ended().with_source(cause).into()),
        }
    }
}

async fn refuse_if_there(cx: &Context, store: &Store, key: &str) -> Result<()> {
    let stat = Stat { key: key.to_owned() };
    match cx.run(store.files()?.stat(cx, stat)).await {
        Ok(_) => {
            let error = Error::new(ErrorKind::AlreadyExists, format!("`{key}` exists already"));
            Err(store.named(in_the_way(error), key))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(store.named(error, key)),
    }
}

fn in_the_way(error: Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists => error.with_hint("--force replaces it"),
        _ => error,
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unexpected, "the write has ended before the file was complete")
}
