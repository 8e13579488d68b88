//! The program on an S3 store: what a new user does first, results written back, and what is
//! said when something is wrong.
#![expect(clippy::unwrap_used, reason = "a trial ends at the first surprise")]

#[path = "../common/mod.rs"]
mod common;
mod desk;
mod faults;
mod output;
mod walk;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};
use tokio::runtime::Runtime;

use desk::Desk;

/// What a trial checks.
type Check = fn(&Desk);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().unwrap());
    let checks = [walk::CHECKS, output::CHECKS, faults::CHECKS].concat();
    let trials = checks.into_iter().map(|(name, check): (&str, Check)| {
        let runtime = Arc::clone(&runtime);
        Trial::ignorable_test(name, move || match Desk::new(&runtime) {
            Ok(desk) => {
                check(&desk);
                Ok(Completion::Completed)
            }
            Err(missing) => missing.completion(),
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
