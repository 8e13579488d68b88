//! Right answers or an error: the corpus on ORBIT, by the rule of PostgreSQL and DuckDB.
//!
//! No answer may be wrong. A query that is refused stands in `tests/corpus/refused.txt` with the
//! reason, and is taken off once it is right; `tests/corpus/differences.txt` does the same for the
//! queries on which the two oracles differ. `ORBIT_WRITE_DOCS=1` writes the page of the docs.

mod lake;
mod measured;
mod report;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use orbit_testkit::oracle::{Corpus, Verdict};
use orbit_testkit::servers::ServerError;

use measured::{Measured, Said, folder, measure};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let corpus = match Corpus::read(&folder()) {
        Ok(corpus) => corpus,
        Err(fault) => return fail(&format!("the corpus cannot be read: {fault:?}")),
    };
    let run = Arc::new(Run { corpus, measured: OnceLock::new() });
    let mut trials = Vec::new();
    for group in run.corpus.groups() {
        let name = group.to_string();
        trials.push(run.trial(format!("right_or_error::{group}"), move |m| no_wrong(m, &name)));
    }
    trials.push(run.trial("refusals_are_listed".to_string(), refusals));
    trials.push(run.trial("oracles_agree_or_are_listed".to_string(), differences));
    trials.push(run.trial("page_of_the_docs".to_string(), docs));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(Ok(measured)) = run.measured.get() {
        let table = report::table(measured);
        if let Err(fault) = writeln!(std::io::stdout(), "{table}") {
            return fail(&format!("the table cannot be shown: {fault}"));
        }
    }
    conclusion.exit_code()
}

#[expect(clippy::print_stderr, reason = "a test binary says why it fails")]
fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

struct Run {
    corpus: Corpus,
    measured: OnceLock<Result<Measured, ServerError>>,
}

impl Run {
    fn trial(
        self: &Arc<Self>,
        name: String,
        judge: impl FnOnce(&Measured) -> Result<Completion, Failed> + Send + 'static,
    ) -> Trial {
        let run = Arc::clone(self);
        Trial::ignorable_test(name, move || match run.measured() {
            Ok(measured) => judge(measured),
            Err(error) => error.completion(),
        })
    }

    /// The first trial that runs asks all engines; the others wait for it.
    fn measured(&self) -> &Result<Measured, ServerError> {
        self.measured.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|e| ServerError::Failed(e.to_string()))?;
            runtime.block_on(measure(&self.corpus))
        })
    }
}

fn no_wrong(measured: &Measured, group: &str) -> Result<Completion, Failed> {
    let of_group = measured.said.iter().filter(|said| said.query.group == group);
    let wrong = of_group.filter(|said| said.verdict() == Verdict::Wrong).map(report::both);
    all_well(&wrong.collect::<Vec<_>>())
}

fn refusals(measured: &Measured) -> Result<Completion, Failed> {
    let refused: Vec<_> =
        measured.said.iter().filter(|said| said.verdict() == Verdict::Refused).collect();
    let (stale, missing) = measured.refusable.compare(names(&refused));
    let mut faults: Vec<_> =
        stale.iter().map(|name| format!("{name} is not refused: take it off the list")).collect();
    let unlisted = refused.iter().filter(|said| missing.contains(&said.query.name.as_str()));
    faults.extend(unlisted.map(|said| report::both(said)));
    all_well(&faults)
}

fn differences(measured: &Measured) -> Result<Completion, Failed> {
    if let Some(missing) = &measured.duckdb_missing {
        return missing.completion();
    }
    let differ: Vec<_> = measured.said.iter().filter(|said| !said.oracles_agree()).collect();
    let (stale, missing) = measured.differences.compare(names(&differ));
    let mut faults: Vec<_> =
        stale.iter().map(|name| format!("{name} does not differ: take it off the list")).collect();
    let unlisted = differ.iter().filter(|said| missing.contains(&said.query.name.as_str()));
    faults.extend(unlisted.map(|said| report::oracles(said)));
    all_well(&faults)
}

fn docs(measured: &Measured) -> Result<Completion, Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated/differential.md");
    let text = report::page(measured);
    if asked_to_write() {
        std::fs::create_dir_all(page.parent().unwrap_or(&page)).map_err(|e| e.to_string())?;
        std::fs::write(&page, text).map_err(|e| e.to_string())?;
        return Ok(Completion::Completed);
    }
    match std::fs::read_to_string(&page) {
        Ok(written) if written == text => Ok(Completion::Completed),
        _ => Err(format!("{} is not current: run with ORBIT_WRITE_DOCS=1", page.display()).into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test binary is told what to do by variables")]
fn asked_to_write() -> bool {
    std::env::var("ORBIT_WRITE_DOCS").is_ok_and(|value| value == "1")
}

fn names<'a>(said: &'a [&Said]) -> impl Iterator<Item = &'a str> {
    said.iter().map(|said| said.query.name.as_str())
}

fn all_well(faults: &[String]) -> Result<Completion, Failed> {
    if faults.is_empty() {
        return Ok(Completion::Completed);
    }
    Err(format!("{} of them:\n{}", faults.len(), faults.join("\n")).into())
}
