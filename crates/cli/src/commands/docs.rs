//! `orbit docs`: documentation generated from the program itself.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};
use orbit::{Availability, known_backends};
use orbit_core::Registry;
use serde_json::{Value, json};

use super::backends::backend_json;
use super::capability;
use crate::args::{self, DocsArgs, DocsTopic, Global};
use crate::exit;
use crate::failure::Result;
use crate::output::listing::{print_json, print_text};

/// Prints a topic, as Markdown or as data.
pub(crate) fn run(global: &Global, args: &DocsArgs) -> Result<()> {
    match (args.topic, global.json) {
        (DocsTopic::Cli, false) => print_text(&cli_markdown()),
        (DocsTopic::Cli, true) => print_json(&cli_json()),
        (DocsTopic::Backends, false) => print_text(&backends_markdown(&Registry::linked()?)),
        (DocsTopic::Backends, true) => print_json(&backends_json(&Registry::linked()?)),
    }
}

/// The parser, with what clap adds when it is used.
fn built() -> Command {
    let mut command = args::command();
    command.build();
    command
}

/// The commands by their names, each before its own.
fn documented(root: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        found.push((name.to_owned(), command));
        let below = documented(command).into_iter();
        found.extend(below.map(|(inner, command)| (format!("{name} {inner}"), command)));
    }
    found
}

/// The arguments of a command; those of every command are told once.
fn own_arguments(command: &Command, root: bool) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(move |arg| !arg.is_hide_set() && (root || !arg.is_global_set()))
        .filter(move |arg| root || !is_help(arg))
}

fn is_help(arg: &Arg) -> bool {
    matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

/// How an argument is written.
fn spelled(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .and_then(|names| names.first())
        .map_or_else(String::new, |name| format!("<{name}>"));
    let flags = [
        arg.get_short().map(|short| format!("-{short}")),
        arg.get_long().map(|long| format!("--{long}")),
    ];
    let flags = flags.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match (flags.is_empty(), value.is_empty()) {
        (true, _) => value,
        (false, true) => flags,
        (false, false) => format!("{flags} {value}"),
    }
}

fn help(arg: &Arg) -> String {
    let text = arg.get_long_help().or_else(|| arg.get_help());
    text.map(ToString::to_string).unwrap_or_default().replace('\n', " ")
}

/// What else there is to know of an argument: its values, default and variable.
fn facts(arg: &Arg) -> String {
    let mut text = String::new();
    let values: Vec<_> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        write!(text, " One of {}.", values.join(", ")).ok();
    }
    if let Some(default) = arg.get_default_values().first().filter(|_| !is_flag(arg)) {
        write!(text, " Default: `{}`.", default.to_string_lossy()).ok();
    }
    if let Some(variable) = arg.get_env() {
        write!(text, " Variable: `{}`.", variable.to_string_lossy()).ok();
    }
    text
}

fn is_flag(arg: &Arg) -> bool {
    !arg.get_action().takes_values()
}

fn cli_markdown() -> String {
    let root = built();
    let mut text = String::from("# Command line\n\n");
    if let Some(about) = root.get_about() {
        write!(text, "{about}\n\n").ok();
    }
    for (name, command) in documented(&root) {
        write!(text, "## orbit {name}\n\n").ok();
        if let Some(about) = command.get_about() {
            write!(text, "{about}\n\n").ok();
        }
        let usage = command.clone().render_usage().to_string();
        write!(text, "```text\n{}\n```\n\n", usage.trim_start_matches("Usage: ").trim()).ok();
        arguments_markdown(own_arguments(command, false), &mut text);
        if let Some(after) = command.get_after_help() {
            write!(text, "```text\n{after}\n```\n\n").ok();
        }
    }
    text.push_str("## Options of every command\n\n");
    arguments_markdown(own_arguments(&root, true), &mut text);
    text.push_str("## Exit codes\n\n| Code | Meaning |\n|---:|---|\n");
    for exit::Code { number, meaning } in exit::CODES {
        writeln!(text, "| {number} | {meaning} |").ok();
    }
    text
}

fn arguments_markdown<'a>(arguments: impl Iterator<Item = &'a Arg>, text: &mut String) {
    let rows: Vec<_> = arguments
        .map(|arg| format!("| `{}` | {}{} |\n", spelled(arg), help(arg), facts(arg)))
        .collect();
    if !rows.is_empty() {
        write!(text, "| Argument | Meaning |\n|---|---|\n{}\n", rows.concat()).ok();
    }
}

fn cli_json() -> Value {
    let root = built();
    let argument = |arg: &Arg| json!({ "spelled": spelled(arg), "help": help(arg) + &facts(arg) });
    let command = |(name, command): (String, &Command)| {
        json!({
            "name": name,
            "about": command.get_about().map(ToString::to_string),
            "arguments": own_arguments(command, false).map(argument).collect::<Vec<_>>(),
            "after_help": command.get_after_help().map(ToString::to_string),
        })
    };
    let code = |code: &exit::Code| json!({ "code": code.number, "meaning": code.meaning });
    json!({
        "commands": documented(&root).into_iter().map(command).collect::<Vec<_>>(),
        "global_arguments": own_arguments(&root, true).map(argument).collect::<Vec<_>>(),
        "exit_codes": exit::CODES.iter().map(code).collect::<Vec<_>>(),
    })
}

fn backends_json(registry: &Registry) -> Value {
    let backends = known_backends(registry).into_iter().map(|known| {
        let mut backend = backend_json(&known, registry);
        let schema = registry.get(known.name).map(|backend| (backend.schema)().to_value());
        backend["settings"] = schema.into();
        backend
    });
    json!({ "backends": backends.collect::<Vec<_>>() })
}

fn backends_markdown(registry: &Registry) -> String {
    let mut text = String::from(
        "# Backends\n\n| Backend | Status | Kind | Can | Profiles | What it is |\n|---|---|---|---|---|---|\n",
    );
    for known in known_backends(registry) {
        let (status, kind, can) = match known.availability(registry) {
            Availability::Linked(backend) => {
                ("ready", backend.kind.to_string(), capability::words(backend.capability))
            }
            Availability::NotCompiledIn => ("not compiled in", String::new(), String::new()),
            Availability::Planned => ("planned", String::new(), String::new()),
        };
        let (name, profiles) = (known.name, known.profiles.join(", "));
        writeln!(text, "| `{name}` | {status} | {kind} | {can} | {profiles} | {} |", known.summary)
            .ok();
    }
    for backend in registry.iter() {
        write!(text, "\n## {}\n\n| Setting | Type | Meaning |\n|---|---|---|\n", backend.name).ok();
        let schema = (backend.schema)().to_value();
        for (name, setting) in schema["properties"].as_object().into_iter().flatten() {
            let kind = type_of(setting);
            let meaning = setting["description"].as_str().unwrap_or_default().replace('\n', " ");
            writeln!(text, "| `{name}` | {kind} | {meaning} |").ok();
        }
    }
    text
}

fn type_of(setting: &Value) -> String {
    match &setting["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}
