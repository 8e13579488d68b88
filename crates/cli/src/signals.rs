//! Ctrl-C and SIGTERM: the first stops the work at its sources, the second the process.

use std::io;
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::exit;

/// How long sources have to stop before the process ends without them.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who is told when a signal comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    running: Mutex<CancellationToken>,
    exit_code: AtomicU8,
}

impl Interrupts {
    /// Listens from now on, on a thread of its own, which hears a signal however busy the
    /// others are. At a prompt the process outlives a Ctrl-C.
    ///
    /// # Errors
    /// When the system gives no thread or no handlers; a signal ends the process then.
    pub(crate) fn listen(&self, at_prompt: bool) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals::new()?
        };
        let listener = self.clone();
        let answer = move || runtime.block_on(listener.answer(signals, at_prompt));
        thread::Builder::new().name("orbit-signals".to_owned()).spawn(answer).map(|_| ())
    }

    /// A token for the work that begins; a signal cancels it.
    pub(crate) fn begin(&self) -> CancellationToken {
        let token = CancellationToken::new();
        self.0.exit_code.store(0, Ordering::Relaxed);
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        token
    }

    /// The exit code that a signal asked for, if one came since the work began.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        match self.0.exit_code.load(Ordering::Relaxed) {
            0 => None,
            code => Some(code),
        }
    }

    async fn answer(&self, mut signals: Signals, at_prompt: bool) {
        loop {
            let code = signals.next().await;
            let token = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if token.is_cancelled() || (at_prompt && code == exit::TERMINATED) {
                process::exit(i32::from(code));
            }
            self.0.exit_code.store(code, Ordering::Relaxed);
            token.cancel();
            if !at_prompt {
                tokio::spawn(end_anyway(code));
            }
        }
    }
}

/// Ends the process when the work does not: it may hang in a write that nobody reads.
async fn end_anyway(code: u8) {
    tokio::time::sleep(CLOSE_TIMEOUT + Duration::from_secs(1)).await;
    process::exit(i32::from(code));
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> u8 {
        self.0.recv().await;
        exit::INTERRUPTED
    }
}
