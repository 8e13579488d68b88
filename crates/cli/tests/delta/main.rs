//! `orbit delta` on local tables, each operation checked by delta-rs' Python wheel, and tables
//! of the wheel read here.
#![expect(clippy::unwrap_used, reason = "a trial ends at the first surprise")]

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod layout;
mod operations;
mod wheel;

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use common::Place;
use wheel::Wheel;

/// What a trial checks.
type Check = fn(&Desk);

/// A folder of its own, with the program and the wheel.
pub(crate) struct Desk {
    place: Place,
    wheel: Wheel,
}

impl Desk {
    fn new(wheel: Wheel) -> Self {
        Self { place: Place::lake(), wheel }
    }

    /// Where a table of the datasource `drop` lies.
    fn path(&self, table: &str) -> PathBuf {
        self.place.path("drop").join(table)
    }

    /// Runs the program, which must do its work; answers what it printed.
    fn orbit(&self, args: &[&str]) -> String {
        let ran = self.place.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}\n{ran}");
        ran.stdout
    }

    /// Runs the program, which must refuse; answers its code and what it said.
    fn refused(&self, args: &[&str]) -> (i32, String) {
        let ran = self.place.run(args);
        assert_ne!(ran.code, Some(0), "{args:?}\n{ran}");
        (ran.code.unwrap(), ran.stderr)
    }

    /// The table `prices` with three rows: `id`, `price` and `shop`.
    fn prices(&self) {
        let sql = "SELECT * FROM (VALUES (1, 10, 'a'), (2, 20, 'a'), (3, 30, 'b')) \
            AS v(id, price, shop)";
        self.orbit(&["delta", "create", "drop.prices", "--from", sql]);
    }

    /// The rows of `prices` as the wheel reads them.
    fn wheel_rows(&self) -> String {
        self.wheel.rows(&self.path("prices"))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let checks = [operations::CHECKS, layout::CHECKS, foreign::CHECKS].concat();
    let trials = checks.into_iter().map(|(name, check): (&str, Check)| {
        Trial::ignorable_test(name, move || match Wheel::find() {
            Ok(wheel) => {
                check(&Desk::new(wheel));
                Ok(libtest_mimic::Completion::Completed)
            }
            Err(why) => wheel::missing(&why),
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
