//! Runs the trials on a subject as a test binary with `harness = false`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial as MimicTrial};
use tokio::runtime::{Builder, Runtime};

use crate::bench::{Bench, Mode, Stand, TRIAL_TIMEOUT};
use crate::claims::Claims;
use crate::subject::{Stop, Subject, Verdict};
use crate::suite::{Trial, trials};
use crate::support::{Finding, Outcome, write_findings};

/// Set to `all`, a trial that would be ignored for want of a server fails.
const REQUIRE: &str = "ORBIT_TEST_REQUIRE";

/// Runs the whole suite on `subject`, bare and in layers; the answer is the process's own.
///
/// Trials whose capability the backend does not claim are left out; those that the connected
/// datasource, or this machine, cannot try are ignored and say why.
pub fn behaviour(subject: Subject) -> ExitCode {
    let mut arguments = Arguments::from_args();
    if subject.one_at_a_time {
        arguments.test_threads = Some(1);
    }
    let Ok(runtime) = Builder::new_multi_thread().worker_threads(2).enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let run = Arc::new(Run {
        stand: Arc::new(Stand::new(subject)),
        runtime,
        required: variable(REQUIRE).is_some_and(|v| v == "all"),
        findings: Mutex::new(Vec::new()),
    });
    let tests = chosen(&run);
    let empty = tests.is_empty();
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.ignored;
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, tests);
    let written = if whole && !listing { run.finish() } else { Ok(()) };
    run.runtime.block_on(run.stand.close());
    if empty || written.is_err() { ExitCode::FAILURE } else { conclusion.exit_code() }
}

/// Runs only the trials of these names (`group::trial`), bare and without a test harness, and
/// answers how each ended: by this a test shows that a trial can fail.
///
/// # Errors
/// When no runtime can be started.
pub fn examine(subject: Subject, names: &[&str]) -> std::io::Result<Vec<(String, Verdict)>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let run = Run {
        stand: Arc::new(Stand::new(subject)),
        runtime,
        required: false,
        findings: Mutex::new(Vec::new()),
    };
    let named = trials().into_iter().map(|t| (format!("{}::{}", t.group, t.name), t));
    let named = named.filter(|(name, _)| names.contains(&name.as_str()));
    Ok(named.map(|(name, trial)| (name, run.judge(Mode::Bare, &trial))).collect())
}

struct Run {
    stand: Arc<Stand>,
    runtime: Runtime,
    required: bool,
    findings: Mutex<Vec<Finding>>,
}

fn chosen(run: &Arc<Run>) -> Vec<MimicTrial> {
    let claims = Claims::of(&run.stand.subject.capability);
    let backend = run.stand.subject.backend.name;
    let mut tests = Vec::new();
    for mode in Mode::ALL {
        for trial in trials().into_iter().filter(|t| claims.missing(&t.needs).is_none()) {
            let run = Arc::clone(run);
            let name = format!("{backend}::{mode}::{}::{}", trial.group, trial.name);
            tests.push(MimicTrial::ignorable_test(name, move || run.conduct(mode, &trial)));
        }
    }
    tests
}

impl Run {
    fn conduct(&self, mode: Mode, trial: &Trial) -> Result<Completion, Failed> {
        let verdict = self.judge(mode, trial);
        let verdict = match verdict {
            Err(Stop::Ignored(reason)) if self.required && self.lacks_server() => {
                Err(Stop::Failed(format!("{REQUIRE}=all, but {reason}")))
            }
            verdict => verdict,
        };
        let finding = Finding::new(mode, trial, Outcome::of(&verdict));
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
        match verdict {
            Ok(()) => Ok(Completion::Completed),
            Err(stop @ Stop::Ignored(_)) => Ok(Completion::ignored_with(stop)),
            Err(Stop::Failed(message)) => Err(Failed::from(message)),
        }
    }

    /// Tries, and takes a panic for a failure.
    fn judge(&self, mode: Mode, trial: &Trial) -> Verdict {
        let name = format!("{}::{}", trial.group, trial.name);
        let exceptions = self.stand.subject.exceptions;
        if let Some((_, reason)) = exceptions.iter().find(|(excepted, _)| *excepted == name) {
            return Err(Stop::ignored(*reason));
        }
        let attempt = || self.runtime.block_on(attempt(&self.stand, mode, trial));
        let verdict = catch_unwind(AssertUnwindSafe(attempt));
        verdict.unwrap_or_else(|panic| Err(Stop::failed(said(panic.as_ref()))))
    }

    fn lacks_server(&self) -> bool {
        self.stand.known().0.is_none()
    }

    fn finish(&self) -> std::io::Result<()> {
        let findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        match variable("ORBIT_SUPPORT_DIR") {
            Some(folder) => write_findings(folder.as_ref(), &self.stand, &findings),
            None => Ok(()),
        }
    }
}

async fn attempt(stand: &Arc<Stand>, mode: Mode, trial: &Trial) -> Verdict {
    let work = async {
        let bench = Bench::new(stand, mode, trial.name.to_string()).await?;
        match bench.claims().missing(&trial.needs) {
            Some(claim) => {
                Err(Stop::ignored(format!("the connected datasource does not claim {claim}")))
            }
            None => (trial.run)(&bench).await,
        }
    };
    match tokio::time::timeout(TRIAL_TIMEOUT, work).await {
        Ok(verdict) => verdict,
        Err(_) => Err(Stop::failed(format!("no end after {} s", TRIAL_TIMEOUT.as_secs()))),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

#[expect(clippy::disallowed_methods, reason = "a test binary is told what to do by variables")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
