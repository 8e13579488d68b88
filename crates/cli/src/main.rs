//! The binary `orbit`: SQL and files over named datasources, from a terminal or a script.

mod args;
mod background;
mod commands;
mod exit;
mod failure;
mod logging;
mod output;
mod paths;
mod progress;
mod session;
mod signals;
mod store;
mod version;

use std::process::ExitCode;

use args::{Cli, Color, Command};
use failure::Result;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // There is nobody left to tell when the stream is gone.
            error.print().ok();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    choose_color(cli.global.color);
    logging::start(&cli.global);
    let as_json = cli.global.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell(as_json);
            failure.exit_code().into()
        }
    }
}

fn choose_color(color: Color) {
    match color {
        // `anstream` looks at the terminal and at NO_COLOR by itself.
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

fn run(cli: Cli) -> Result<()> {
    let Cli { global, command } = cli;
    match command {
        Command::Init(args) => commands::init::run(&global, &args),
        Command::Backends => commands::backends::run(&global),
        Command::Sources => commands::sources::run(&global),
        Command::Schema => commands::schema::run(),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Docs(args) => commands::docs::run(&global, &args),
        Command::Sql(args) => commands::sql::run(&global, &args),
        Command::Check(args) => session::run(&global, |s| commands::check::run(s, args)),
        Command::Tables(args) => session::run(&global, |s| commands::tables::run(s, args)),
        Command::Describe(args) => session::run(&global, |s| commands::describe::run(s, args)),
        Command::Query(args) => commands::query::run(&global, args),
        Command::Explain(args) => commands::explain::run(&global, &args),
        Command::Delta { command } => commands::delta::run(&global, command),
        Command::Ls(args) => session::run(&global, |s| commands::files::ls(s, args)),
        Command::Cat(args) => session::run(&global, |s| commands::files::cat(s, args)),
        Command::Get(args) => session::run(&global, |s| commands::files::get(s, args)),
        Command::Put(args) => session::run(&global, |s| commands::files::put(s, args)),
        Command::Rm(args) => session::run(&global, |s| commands::files::rm(s, args)),
    }
}
