//! The trials: what every backend must do, each chosen by the claims that it needs.

mod catalog;
mod check;
mod config;
mod errors;
mod files;
mod honesty;
mod insert;
mod limits;
mod probe;
mod random;
mod rows;
mod scan;
mod stream;
mod types;

use std::borrow::Cow;

use futures::future::BoxFuture;

use crate::bench::Bench;
use crate::subject::Verdict;

type Attempt = Box<dyn for<'a> Fn(&'a Bench) -> BoxFuture<'a, Verdict> + Send + Sync>;

/// One trial.
pub(crate) struct Trial {
    pub(crate) group: &'static str,
    pub(crate) name: Cow<'static, str>,
    /// The claims without which there is nothing to try.
    pub(crate) needs: Vec<&'static str>,
    pub(crate) run: Attempt,
}

/// All trials, by group.
pub(crate) fn trials() -> Vec<Trial> {
    let groups = [
        honesty::trials(),
        config::trials(),
        catalog::trials(),
        types::trials(),
        scan::trials(),
        stream::trials(),
        errors::trials(),
        limits::trials(),
        insert::trials(),
        files::trials(),
    ];
    groups.into_iter().flatten().collect()
}

/// Lists the trials of a module: the functions' names, each with the claims that it needs.
macro_rules! group {
    ($group:literal: $($name:ident [$($need:literal),* $(,)?];)*) => {
        pub(crate) fn trials() -> Vec<$crate::suite::Trial> {
            vec![$($crate::suite::Trial {
                group: $group,
                name: stringify!($name).into(),
                needs: vec![$($need),*],
                run: Box::new(|bench| Box::pin($name(bench))),
            }),*]
        }
    };
}

/// Ends the trial as failed unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::subject::Stop::failed(format!($($message)+)));
        }
    };
}

use {ensure, group};
