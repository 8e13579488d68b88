//! `orbit delta` on tables of this machine and of an S3 store alike, each operation checked by
//! delta-rs' Python wheel, and tables of the wheel read here.
#![expect(clippy::unwrap_used, reason = "a trial ends at the first surprise")]

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod layout;
mod operations;
mod wheel;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use orbit_testkit::servers::{S3s, ServerError};
use tokio::runtime::Runtime;

use common::Place;
use wheel::Wheel;

/// What a trial checks.
type Check = fn(&Desk);

/// A folder of its own, with the program and the wheel.
pub(crate) struct Desk {
    place: Place,
    wheel: Wheel,
    /// What holds the tables of the datasource `drop`, where that is no local folder.
    store: Option<S3s>,
}

impl Desk {
    fn local(wheel: Wheel) -> Self {
        Self { place: Place::lake(), wheel, store: None }
    }

    fn on_store(wheel: Wheel, runtime: &Runtime) -> Result<Self, ServerError> {
        let (place, store) = (Place::lake(), runtime.block_on(S3s::start())?);
        let config = format!(
            "version: 1
datasources:
  lake:
    type: local
    path: lake
  drop:
    type: s3
    bucket_name: {}
    endpoint_url: {}
    region: us-east-1
    access_key: {}
    secret_key: {}
    allow_writes: true
",
            S3s::BUCKET,
            store.endpoint(),
            store.access_key(),
            store.secret_key(),
        );
        place.write("datasources.yaml", &config);
        Ok(Self { place, wheel, store: Some(store) })
    }

    /// Where a table of the datasource `drop` lies: the store keeps its keys as files.
    fn path(&self, table: &str) -> PathBuf {
        match &self.store {
            None => self.place.path("drop").join(table),
            Some(store) => store.root().join(S3s::BUCKET).join(table),
        }
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
    let runtime = Arc::new(Runtime::new().unwrap());
    let checks = [operations::CHECKS, layout::CHECKS, foreign::CHECKS].concat();
    let mut trials = Vec::new();
    for (name, check) in checks {
        trials.push(Trial::ignorable_test(name, move || {
            on_desk(check, |wheel| Ok(Desk::local(wheel)))
        }));
        if cfg!(feature = "s3") {
            let runtime = Arc::clone(&runtime);
            trials.push(Trial::ignorable_test(format!("s3::{name}"), move || {
                on_desk(check, |wheel| Desk::on_store(wheel, &runtime))
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_desk(
    check: Check,
    desk: impl FnOnce(Wheel) -> Result<Desk, ServerError>,
) -> Result<Completion, Failed> {
    let wheel = match Wheel::find() {
        Ok(wheel) => wheel,
        Err(why) => return wheel::missing(&why),
    };
    match desk(wheel) {
        Ok(desk) => {
            check(&desk);
            Ok(Completion::Completed)
        }
        Err(missing) => missing.completion(),
    }
}
