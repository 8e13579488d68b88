//! The behaviour suite on a folder.

use std::process::ExitCode;

use orbit_testkit::{Subject, behaviour};

fn main() -> ExitCode {
    behaviour(Subject::folder(&orbit_local::BACKEND, "path"))
}
