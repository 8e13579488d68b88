//! What one command used: run as a process of its own, because the kernel adds up the children
//! of a process and keeps only the largest memory.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::json;

/// Runs the command and prints one line of JSON on stderr when it succeeded.
pub(crate) fn run(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run `{program}`"))?;
    let wall = begin.elapsed();
    ensure!(status.success(), "`{program}` failed: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    let line = json!({
        "cpu_us": cpu.num_microseconds(),
        "wall_us": u64::try_from(wall.as_micros())?,
        "rss_max_kb": usage.max_rss(),
    });
    eprintln!("{line}");
    Ok(())
}
