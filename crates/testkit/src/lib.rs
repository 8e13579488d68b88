//! The behaviour suite: one set of trials for every backend, chosen by capability.
//!
//! A backend's `tests/behaviour.rs` (with `harness = false`) says what to run them on:
//!
//! ```no_run
//! use orbit_testkit::scripted::BACKEND;
//! use orbit_testkit::{Stop, Subject, behaviour};
//!
//! fn main() -> std::process::ExitCode {
//!     behaviour(Subject::new(&BACKEND, || async { Err(Stop::ignored("no server is here")) }))
//! }
//! ```
//!
//! Every trial runs twice, on the bare datasource and through every layer, and its name says
//! so: `local::layered::files::list_is_in_byte_order`. It runs when the backend claims what it
//! needs. Where the connected datasource claims less, or the server is missing, it is ignored
//! and says why; `ORBIT_TEST_REQUIRE=all` makes a missing server a failure.
//!
//! # Findings
//!
//! A whole run (no filter on the command line) writes `<backend>.json` into the folder that
//! `ORBIT_SUPPORT_DIR` names; the support table is made from these files:
//!
//! ```json
//! {
//!   "format": 1,
//!   "backend": "local",
//!   "variant": null,
//!   "kind": "file",
//!   "server": "a folder",
//!   "claims": [
//!     { "name": "files.read", "backend": 1, "connected": 1 }
//!   ],
//!   "trials": [
//!     {
//!       "mode": "bare",
//!       "group": "files",
//!       "trial": "list_is_in_byte_order",
//!       "needs": ["files.read", "files.write"],
//!       "outcome": "passed",
//!       "reason": null
//!     }
//!   ]
//! }
//! ```
//!
//! `claims` stand in the contract's order; a level is 0 for off, 1 for on, or a limit's value.
//! `server` and `connected` are null when no server was to be had. `outcome` is `passed`,
//! `failed` or `ignored`, and the latter two say why in `reason`. Trials are sorted by group,
//! trial and mode; those of the group `types` are named after the cases of [`tables::TYPES`].

mod bench;
mod claims;
mod harness;
mod layering;
pub mod oracle;
pub mod reference;
pub mod responders;
pub mod scripted;
pub mod servers;
pub mod settings;
mod subject;
mod suite;
mod support;
pub mod tables;

pub use harness::{behaviour, examine};
pub use subject::{Fixture, Running, SqlFixture, Statements, Stop, Subject, Verdict};
