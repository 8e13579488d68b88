//! A server that is missing is told of, and is a failure where all are required.
//!
//! This binary runs itself: as the parent it judges what the suite's own binary prints.

use std::io;
use std::process::{Command, ExitCode, Output};

use orbit_testkit::scripted::BACKEND;
use orbit_testkit::{Stop, Subject, behaviour};

const CHILD: &str = "ORBIT_TESTKIT_CHILD";
const REQUIRE: &str = "ORBIT_TEST_REQUIRE";

fn main() -> io::Result<ExitCode> {
    if std::env::var_os(CHILD).is_some() {
        let missing = || async { Err(Stop::ignored("no such server is installed")) };
        return Ok(behaviour(Subject::new(&BACKEND, missing)));
    }
    let told = run(None)?;
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "a missing server fails: {text}");
    assert!(text.contains("ignored (because no such server is installed)"), "{text}");
    assert!(text.contains("ok. 0 passed; 0 failed;"), "{text}");
    let required = run(Some("all"))?;
    let text = String::from_utf8_lossy(&required.stdout);
    assert!(!required.status.success(), "a missing server passes where all are required: {text}");
    assert!(text.contains("ORBIT_TEST_REQUIRE=all, but no such server is installed"), "{text}");
    Ok(ExitCode::SUCCESS)
}

fn run(require: Option<&str>) -> io::Result<Output> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(CHILD, "1").env_remove(REQUIRE);
    if let Some(require) = require {
        command.env(REQUIRE, require);
    }
    command.output()
}
