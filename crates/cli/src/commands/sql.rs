//! `orbit sql`: questions at a prompt, or statements from a script.

use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use orbit_engine::{Engine, Request, TableFilter};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, DefaultEditor};
use tokio::runtime::Runtime;

use super::prompt::split;
use super::{describe, query, tables};
use crate::args::{Format, Global, SqlArgs};
use crate::failure::{Failure, Result, note};
use crate::output::listing::print_text;
use crate::output::text::elapsed;
use crate::output::{self, Sink, Style};
use crate::session::{self, Session};

const HISTORY_LINES_MAX: usize = 10_000;

const COMMANDS: &str = "\
  \\d           list the tables
  \\d NAME      describe a table
  \\format F    print results as table, json, ndjson or csv
  \\timing      show or hide the time that each statement took
  \\?           this list
  \\q           leave
";

/// Opens the prompt; without a terminal, runs the statements of stdin.
pub(crate) fn run(global: &Global, args: &SqlArgs) -> Result<()> {
    session::run_prompt(global, |session, runtime| {
        let shell = Shell { session, runtime, args, timing: true, format: Format::Table };
        match io::stdin().is_terminal() {
            true => shell.talk(),
            false => shell.run_script(),
        }
    })
}

struct Shell<'a> {
    session: &'a Session,
    runtime: &'a Runtime,
    args: &'a SqlArgs,
    timing: bool,
    format: Format,
}

/// Whether the prompt goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

impl Shell<'_> {
    /// Reads from the terminal until the user leaves.
    fn talk(mut self) -> Result<()> {
        // The editor takes the signals for itself when it is made, so they are taken back.
        let mut editor = editor()?;
        self.listen()?;
        let history = history_file();
        if let Some(history) = &history {
            // The first time there is none.
            editor.load_history(history).ok();
        }
        print_text("statements end at `;`, \\? lists commands, \\q leaves\n")?;
        let mut pending = String::new();
        loop {
            let prompt = if pending.is_empty() { "orbit> " } else { "   ... " };
            match editor.readline(prompt) {
                Ok(line) => {
                    pending.push_str(&line);
                    pending.push('\n');
                    if self.take(&mut pending, &mut editor) == Next::Leave {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => pending.clear(),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(terminal_failed(error)),
            }
        }
        match history {
            Some(history) => save(&mut editor, &history),
            None => Ok(()),
        }
    }

    /// Runs what is complete in `pending`; failures are told and the prompt goes on.
    fn take(&mut self, pending: &mut String, editor: &mut DefaultEditor) -> Next {
        if let Some(command) = pending.trim().strip_prefix('\\') {
            let command = command.to_owned();
            pending.clear();
            // A history that cannot grow is no reason to stop.
            editor.add_history_entry(format!("\\{command}")).ok();
            return self.told(|shell| shell.command(&command));
        }
        let (statements, rest) = split(pending);
        let statements: Vec<_> = statements.into_iter().map(str::to_owned).collect();
        let rest = if rest.trim().is_empty() { String::new() } else { rest.to_owned() };
        for statement in &statements {
            editor.add_history_entry(format!("{statement};")).ok();
            self.told(|shell| shell.answer(statement).map(|()| Next::GoOn));
        }
        *pending = rest;
        Next::GoOn
    }

    fn told(&mut self, work: impl FnOnce(&mut Self) -> Result<Next>) -> Next {
        work(self).unwrap_or_else(|failure| {
            self.session.explain(failure).tell(self.session.global.json);
            Next::GoOn
        })
    }

    /// Runs statements from stdin up to the first that fails.
    fn run_script(mut self) -> Result<()> {
        self.timing = false;
        self.listen()?;
        let mut pending = String::new();
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|e| Failure::local("read", "stdin".as_ref(), e))?;
            pending.push_str(&line);
            pending.push('\n');
            // Nothing ends here, and looking through all of it for each line takes for ever.
            if !line.contains(';') {
                continue;
            }
            let (statements, rest) = split(&pending);
            for statement in statements {
                self.answer(statement).map_err(|f| self.session.explain(f))?;
            }
            pending = rest.to_owned();
        }
        match pending.trim() {
            "" => Ok(()),
            last => self.answer(last).map_err(|f| self.session.explain(f)),
        }
    }

    fn answer(&mut self, sql: &str) -> Result<()> {
        let started = Instant::now();
        let style =
            Style { format: self.format, envelope: self.session.global.json, rows_shown: Some(40) };
        let request = Request {
            sql: sql.to_owned(),
            writes_allowed: self.args.write,
            paths_allowed: true,
            ..Request::default()
        };
        let answered = self.runtime.block_on(async {
            let (cx, progress) = self.session.begin(self.args.timeout);
            if style.format == Format::Table {
                progress.draw();
            }
            let work = |engine: Arc<Engine>, cx| async move { engine.query(&cx, request).await };
            let opened = self.session.on_workers(&cx, work).await;
            let stream = opened.inspect_err(|_| progress.clear())?;
            let stream = self.session.in_background(&cx, stream);
            output::pump(stream, style, Sink::stdout(), &progress).await
        });
        let answered = answered.map_err(|failure| match self.session.interrupts.exit_code() {
            Some(code) => Failure::Signal(code),
            None => failure,
        });
        query::tell_end(self.session, style, &answered?);
        if self.timing && !style.envelope {
            note("time", elapsed(started.elapsed()));
        }
        Ok(())
    }

    /// A command of the prompt, without its backslash.
    fn command(&mut self, command: &str) -> Result<Next> {
        let mut words = command.split_whitespace();
        match (words.next().unwrap_or_default(), words.next()) {
            ("q" | "quit", None) => return Ok(Next::Leave),
            ("?" | "h" | "help", None) => print_text(COMMANDS)?,
            ("timing", None) => {
                self.timing = !self.timing;
                note("timing", if self.timing { "shown" } else { "hidden" });
            }
            ("format", Some(name)) => self.format = format(name)?,
            ("d", None) => self.list_tables()?,
            ("d", Some(name)) => {
                let (cx, _) = self.begin();
                let name = name.to_owned();
                let work =
                    |engine: Arc<Engine>, cx| async move { engine.describe(&cx, &name).await };
                let described = self.runtime.block_on(self.session.on_workers(&cx, work));
                describe::print(&described?)?;
            }
            _ => return Err(Failure::Usage(format!("no command `\\{command}`; try \\?"))),
        }
        Ok(Next::GoOn)
    }

    fn listen(&self) -> Result<()> {
        self.session.interrupts.listen(true).map_err(session::no_thread)
    }

    fn begin(&self) -> (orbit_core::Context, crate::progress::Progress) {
        self.session.begin(self.args.timeout)
    }

    fn list_tables(&self) -> Result<()> {
        let (cx, _) = self.begin();
        let listed = self.session.engine.tables(&cx, TableFilter::default());
        let listed = self.runtime.block_on(cx.run(listed));
        let listed = listed?;
        tables::print(&listed.tables)?;
        listed.failures.into_iter().for_each(|(_, error)| Failure::Orbit(error).tell(false));
        Ok(())
    }
}

fn format(name: &str) -> Result<Format> {
    match Format::of_extension(name) {
        _ if name == "table" => Ok(Format::Table),
        Some(format) if !format.is_binary() => Ok(format),
        _ => Err(Failure::Usage("a format here is table, json, ndjson or csv".to_owned())),
    }
}

fn editor() -> Result<DefaultEditor> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES_MAX)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(terminal_failed)?
        .build();
    let history = FileHistory::with_config(&config);
    DefaultEditor::with_history(config, history).map_err(terminal_failed)
}

/// The history, in the user's folder for state that programs keep.
fn history_file() -> Option<PathBuf> {
    let state = dirs::state_dir().or_else(dirs::data_local_dir)?;
    Some(state.join("orbit").join("history"))
}

fn save(editor: &mut DefaultEditor, history: &PathBuf) -> Result<()> {
    if let Some(folder) = history.parent() {
        fs::create_dir_all(folder).map_err(|e| Failure::local("write", folder, e))?;
    }
    editor.save_history(history).map_err(terminal_failed)
}

fn terminal_failed(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(cause) => Failure::output(cause),
        other => Failure::output(io::Error::other(other)),
    }
}
