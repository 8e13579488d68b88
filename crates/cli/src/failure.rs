//! Why a command failed, and how that is told: as text for people or as JSON for machines.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;

use orbit::{ConfigError, ConfigProblem};
use orbit_core::{Error, ErrorKind, Operation, Retry, WriteEffect};
use serde_json::{Map, Value, json};

use crate::exit;
use crate::output::text::{counted, printable};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// ORBIT or a source failed.
    Orbit(Error),
    /// The configuration is wrong.
    Config(ConfigError),
    /// A file of this machine, or the output, cannot be read or written.
    Local { message: String, cause: io::Error },
    /// A wrong argument that the parser could not see.
    Usage(String),
    /// A signal stopped the work; the exit code tells which.
    Signal(u8),
    /// All has been said; only the exit code is left.
    Told(u8),
    /// Whoever reads the output has stopped reading.
    BrokenPipe,
}

/// The result of a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Orbit(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl Failure {
    /// `what` could not be done with a file of this machine.
    pub(crate) fn local(what: &str, path: &Path, cause: io::Error) -> Self {
        Self::Local { message: format!("cannot {what} `{}`", path.display()), cause }
    }

    /// The output cannot be written.
    pub(crate) fn output(cause: io::Error) -> Self {
        if cause.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::Local { message: "cannot write the output".to_owned(), cause }
    }

    /// A value that this format cannot hold.
    pub(crate) fn format(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let message = "the result cannot be written in this format";
        let hint = "cast the column to text, or choose another --format";
        Self::Orbit(Error::new(ErrorKind::Unsupported, message).with_source(cause).with_hint(hint))
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Orbit(error) => exit::of_kind(error.kind()),
            Self::Config(_) => exit::of_kind(ErrorKind::ConfigInvalid),
            Self::Local { .. } => exit::LOCAL_FILE,
            Self::Usage(_) => exit::USAGE,
            Self::Signal(code) | Self::Told(code) => *code,
            Self::BrokenPipe => exit::OK,
        }
    }

    /// Tells it on stderr.
    pub(crate) fn tell(&self, as_json: bool) {
        if matches!(self, Self::Told(_) | Self::BrokenPipe) {
            return;
        }
        let text =
            if as_json { format!("{}\n", json!({ "error": self.json() })) } else { self.text() };
        // There is nobody left to tell when stderr is gone.
        anstream::stderr().write_all(text.as_bytes()).ok();
    }

    /// It as text: the error, its causes, each once, and what to do.
    fn text(&self) -> String {
        if let Self::Config(error) = self {
            let problem = |p: &ConfigProblem| format!("{}{p}\n", label("error", "31"));
            return error.problems.iter().map(problem).collect::<Vec<_>>().join("\n");
        }
        let (headline, causes, hint) = self.parts();
        let mut text = label("error", "31") + &printable_lines(&headline);
        for cause in causes {
            text = text + "\n" + &label("caused by", "33") + &printable_lines(&cause);
        }
        if let Some(hint) = hint {
            text = text + "\n" + &label("hint", "36") + &printable_lines(&hint);
        }
        text + "\n"
    }

    fn parts(&self) -> (String, Vec<String>, Option<String>) {
        match self {
            Self::Orbit(error) => {
                let hint = error.hint().map(str::to_owned);
                let headline = headline(error);
                let causes = causes(&headline, error.source());
                (headline, causes, hint)
            }
            Self::Config(error) => {
                let hint = "`orbit schema` prints what a configuration may hold".to_owned();
                let count = error.problems.len() as u64;
                let problems = counted(count, "problem", "problems");
                (format!("the configuration has {problems}"), Vec::new(), Some(hint))
            }
            Self::Local { message, cause } => {
                (format!("{message}: {}", io_text(cause)), Vec::new(), None)
            }
            Self::Usage(message) => {
                (message.clone(), Vec::new(), Some("`--help` shows the arguments".to_owned()))
            }
            Self::Signal(_) => {
                ("interrupted; the work was stopped at its sources".to_owned(), Vec::new(), None)
            }
            Self::Told(_) | Self::BrokenPipe => (String::new(), Vec::new(), None),
        }
    }

    /// It as a JSON object.
    pub(crate) fn json(&self) -> Value {
        let (headline, causes, hint) = self.parts();
        let mut object = Map::new();
        object.insert("kind".to_owned(), self.kind().into());
        object.insert("message".to_owned(), headline.into());
        object.insert("causes".to_owned(), causes.into());
        object.insert("hint".to_owned(), hint.into());
        object.insert("exit_code".to_owned(), self.exit_code().into());
        if let Self::Orbit(error) = self {
            object.extend(details(error));
        }
        if let Self::Config(error) = self {
            // Its form is plain data, so it always has one.
            let problems = serde_json::to_value(&error.problems).unwrap_or_default();
            object.insert("problems".to_owned(), problems);
        }
        Value::Object(object)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Orbit(error) => error.kind().as_str(),
            Self::Config(_) => ErrorKind::ConfigInvalid.as_str(),
            Self::Signal(_) => ErrorKind::Cancelled.as_str(),
            Self::Local { .. } | Self::BrokenPipe => "local_file",
            Self::Usage(_) => "usage",
            Self::Told(_) => "told",
        }
    }
}

/// A word in colour before a message; the stream drops the colour where there is none.
fn label(word: &str, color: &str) -> String {
    format!("\x1b[1;{color}m{word}:\x1b[0m ")
}

/// A message in its lines; the names in it are others', and must not command a terminal.
fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// A line for people on stderr, such as a note or a warning.
pub(crate) fn note(word: &str, message: impl Display) {
    let text = format!("{}{message}\n", label(word, "33"));
    // There is nobody left to tell when stderr is gone.
    anstream::stderr().write_all(text.as_bytes()).ok();
}

/// The error's own text without its hint, which stands on a line of its own.
pub(crate) fn headline(error: &Error) -> String {
    let text = error.to_string();
    match error.hint().and_then(|hint| text.strip_suffix(&format!("; {hint}"))) {
        Some(bare) => bare.to_owned(),
        None => text,
    }
}

/// The causes, each once: drivers like to repeat what the error around them said.
fn causes(headline: &str, mut cause: Option<&(dyn StdError + 'static)>) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    while let Some(error) = cause {
        let text = match (error.downcast_ref::<Error>(), error.downcast_ref::<io::Error>()) {
            (Some(error), _) => self::headline(error),
            (None, Some(error)) => io_text(error),
            (None, None) => error.to_string(),
        };
        let said = std::iter::once(headline).chain(told.iter().map(String::as_str));
        if !text.is_empty() && !said.into_iter().any(|earlier| earlier.contains(&text)) {
            told.push(text);
        }
        cause = error.source();
    }
    told
}

fn details(error: &Error) -> Map<String, Value> {
    let retry_after_ms = match error.retry() {
        Retry::After(wait) => Value::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        Retry::Never | Retry::Exhausted => Value::Null,
    };
    let write_effect = error.write_effect().map(|effect| match effect {
        WriteEffect::None => "none",
        WriteEffect::Partial => "partial",
        WriteEffect::Unknown => "unknown",
    });
    let context: Map<String, Value> =
        error.context().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let fields = [
        ("datasource", error.datasource().into()),
        ("operation", error.operation().map(Operation::as_str).into()),
        ("vendor_code", error.vendor_code().into()),
        ("retry_after_ms", retry_after_ms),
        ("write_effect", write_effect.into()),
        ("context", context.into()),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The system's own words, without its error number.
fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
