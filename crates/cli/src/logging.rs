//! Logs on stderr.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::args::{Global, LogFormat, LogLevel};

/// What says nothing to a user: the first logs each failure that it answers, at every level on
/// the way up, and the answer is told anyhow; the second how it counts files in each merge.
const NO_NEWS: [&str; 2] = ["buoyant_kernel", "deltalake_core::operations::merge"];

/// Starts logging.
///
/// Only ORBIT's own crates may say more than warnings: drivers log requests, tokens and rows
/// at their lower levels.
pub(crate) fn start(global: &Global) {
    let level = level(global);
    let of_others = level.min(LevelFilter::WARN);
    let no_news = if level > LevelFilter::WARN { of_others } else { LevelFilter::OFF };
    let filter = Targets::new().with_default(of_others).with_target("orbit", level);
    let filter = filter.with_targets(NO_NEWS.map(|target| (target, no_news)));
    let ansi = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(ansi);
    let lines = match global.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second subscriber in one process can only be a test's, and that one stands.
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().ok();
}

fn level(global: &Global) -> LevelFilter {
    let said = match global.log_level {
        Some(LogLevel::Error) => LevelFilter::ERROR,
        Some(LogLevel::Warn) | None => LevelFilter::WARN,
        Some(LogLevel::Info) => LevelFilter::INFO,
        Some(LogLevel::Debug) => LevelFilter::DEBUG,
        Some(LogLevel::Trace) => LevelFilter::TRACE,
    };
    let verbose = match global.verbose {
        0 => said,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    said.max(verbose)
}
