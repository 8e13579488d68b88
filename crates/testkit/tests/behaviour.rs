//! The behaviour suite on a scripted source: it proves the trials of tables themselves.

mod common;

use std::process::ExitCode;

use orbit_testkit::scripted::BACKEND;
use orbit_testkit::{Subject, behaviour};

fn main() -> ExitCode {
    behaviour(Subject::new(&BACKEND, || async { common::fixture() }))
}
