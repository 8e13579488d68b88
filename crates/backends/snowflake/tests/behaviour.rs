//! The behaviour suite on this backend, against fakesnow.

#[path = "common/fixture.rs"]
mod fixture;

use std::process::ExitCode;

use orbit_snowflake::BACKEND;
use orbit_testkit::{Subject, behaviour};

fn main() -> ExitCode {
    behaviour(Subject::new(&BACKEND, fixture::fixture))
}
