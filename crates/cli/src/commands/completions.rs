//! `orbit completions`: scripts by which shells complete the command line.

use crate::args::{self, CompletionsArgs};
use crate::failure::Result;
use crate::output::listing::print_text;

/// Prints the script for a shell.
pub(crate) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "orbit", &mut script);
    print_text(&String::from_utf8_lossy(&script))
}
