//! What a command on datasources works with: the loaded configuration, a runtime, and an end
//! that leaves nothing running at the sources.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use orbit::{Config, ConfigSource, LoadOptions, Orbit};
use orbit_core::{BatchStream, Context, Datasources, Error, ErrorKind};
use orbit_engine::Engine;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;

use crate::args::Global;
use crate::background::Workers;
use crate::exit;
use crate::failure::{Failure, Result, note};
use crate::paths::LocalPaths;
use crate::progress::Progress;
use crate::signals::{CLOSE_TIMEOUT, Interrupts};

/// The stack of a thread that plans, runs and drops queries: a plan is as deep as its query.
const STACK_BYTES: usize = 16 << 20;

/// How long work that was stopped may take to give way; a plan that computes may never.
const GIVE_WAY_TIMEOUT: Duration = Duration::from_secs(1);

/// An open configuration.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// How machines and people are answered.
    pub(crate) global: Global,
    /// The engine.
    pub(crate) engine: Arc<Engine>,
    /// Stops the work when a signal comes.
    pub(crate) interrupts: Interrupts,
    /// Where queries compute. Whoever waits for them has a runtime of its own, which hears
    /// clocks while every worker is busy: a plan may compute for long without giving way.
    pub(crate) workers: Workers,
    /// Whether any configuration was found.
    is_configured: bool,
    orbit: Arc<Orbit>,
}

/// Loads the configuration. Connects to nothing.
pub(crate) fn load(global: &Global) -> Result<Config> {
    let options = LoadOptions {
        files: global.config.clone(),
        settings: global.settings.clone(),
        ..LoadOptions::default()
    };
    Ok(Config::load(options)?)
}

impl Session {
    /// Opens the configuration; datasources connect when they are used.
    fn open(global: &Global, workers: &Runtime) -> Result<Self> {
        let config = load(global)?;
        let is_configured = !matches!(config.source(), ConfigSource::Nowhere { .. })
            || !config.datasources().is_empty();
        let orbit = Arc::new(config.open()?);
        Ok(Self {
            global: global.clone(),
            engine: Arc::new(Engine::clone(&orbit.engine()).with_paths(Arc::new(LocalPaths))),
            interrupts: Interrupts::default(),
            workers: Workers::new(workers.handle().clone()),
            is_configured,
            orbit,
        })
    }

    /// The datasources of the configuration.
    pub(crate) fn datasources(&self) -> &Datasources {
        self.engine.datasources()
    }

    /// Begins a piece of work: it counts, and ends when a signal comes or the time is over.
    pub(crate) fn begin(&self, timeout: Option<Duration>) -> (Context, Progress) {
        let progress = Progress::start();
        let builder = Context::builder()
            .cancellation(self.interrupts.begin())
            .reporter(Arc::new(progress.clone()));
        let context = match timeout {
            Some(timeout) => builder.timeout(timeout).build(),
            None => builder.build(),
        };
        progress.name(context.query_id());
        (context, progress)
    }

    /// Does work of the engine where queries compute.
    pub(crate) async fn on_workers<T, F>(
        &self,
        cx: &Context,
        work: impl FnOnce(Arc<Engine>, Context) -> F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.engine), cx.clone());
        let task = self.workers.start(work);
        cx.run(async { task.await.unwrap_or_else(|cause| Err(fault(cause))) }).await
    }

    /// The same stream, computed where queries compute, until it is dropped or `cx` ends.
    pub(crate) fn in_background(&self, cx: &Context, stream: BatchStream) -> BatchStream {
        self.workers.stream(stream, fault).bounded_by(cx)
    }

    /// Adds to a failure what only the command line knows.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Orbit(error) if error.kind() == ErrorKind::NotFound && !self.is_configured => {
                let hint = "no configuration was found, so there are no datasources; \
                    `orbit init` writes one with a sample lake";
                Failure::Orbit(error.with_hint(hint))
            }
            other => other,
        }
    }

    /// Ends what was connected, within the time that sources have to stop.
    async fn close(&self) {
        self.workers.finish(GIVE_WAY_TIMEOUT).await;
        match tokio::time::timeout(CLOSE_TIMEOUT, self.orbit.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => note("warning", format_args!("closing: {error}")),
            Err(_) => note("warning", "a source did not close in time; its work may go on there"),
        }
    }
}

/// Runs `work` on an open configuration, and closes it whatever comes.
pub(crate) fn run<W, F>(global: &Global, work: W) -> Result<()>
where
    W: FnOnce(Session) -> F + Send,
    F: Future<Output = Result<()>>,
{
    on_large_stack(|| {
        let (main, workers) = (main_runtime()?, workers()?);
        let session = Session::open(global, &workers)?;
        session.interrupts.listen(false).map_err(no_thread)?;
        let result = main.block_on(async {
            let result = work(session.clone()).await.map_err(|f| session.explain(f));
            session.close().await;
            interrupted(result, &session.interrupts)
        });
        // A thread that still waits for a source must not hold the process.
        workers.shutdown_background();
        main.shutdown_background();
        result
    })
}

/// Runs a prompt on an open configuration; it waits for its user outside of the runtime.
pub(crate) fn run_prompt<W>(global: &Global, work: W) -> Result<()>
where
    W: FnOnce(&Session, &Runtime) -> Result<()> + Send,
{
    on_large_stack(|| {
        let (main, workers) = (main_runtime()?, workers()?);
        let session = Session::open(global, &workers)?;
        let result = work(&session, &main);
        main.block_on(session.close());
        workers.shutdown_background();
        main.shutdown_background();
        result
    })
}

/// A failure that a signal caused is the signal's.
fn interrupted(result: Result<()>, interrupts: &Interrupts) -> Result<()> {
    match (result, interrupts.exit_code()) {
        (Err(Failure::Orbit(_)), Some(code)) => Err(Failure::Signal(code)),
        (result, _) => result,
    }
}

fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("orbit-main".to_owned());
        let thread = builder.stack_size(STACK_BYTES).spawn_scoped(scope, work);
        match thread.map_err(no_thread)?.join() {
            Ok(result) => result,
            // The panic has told itself; the code is that of a fault.
            Err(_) => Err(Failure::Told(exit::of_kind(ErrorKind::Unexpected))),
        }
    })
}

/// The runtime of whoever waits.
fn main_runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(no_thread)
}

/// The runtime on which queries compute.
fn workers() -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.thread_name("orbit").thread_stack_size(STACK_BYTES).enable_all();
    builder.build().map_err(no_thread)
}

fn fault(cause: JoinError) -> Error {
    let message = "the query ended by a fault in ORBIT";
    Error::new(ErrorKind::Unexpected, message).with_source(cause)
}

pub(crate) fn no_thread(cause: io::Error) -> Failure {
    let message = "the system gives no threads";
    Error::new(ErrorKind::ResourceExhausted, message).with_source(cause).into()
}
