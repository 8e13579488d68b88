//! The help of every command, completions and generated documentation.

mod common;

use common::Place;

const COMMANDS: &[&str] = &[
    "init",
    "check",
    "backends",
    "sources",
    "tables",
    "describe",
    "query",
    "explain",
    "sql",
    "delta",
    "ls",
    "cat",
    "get",
    "put",
    "rm",
    "schema",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let place = Place::empty();
    insta::assert_snapshot!("help", place.run(&["--help"]).stdout);
    for command in COMMANDS {
        let ran = place.run(&[command, "--help"]);
        assert_eq!(ran.code, Some(0), "{command}");
        assert!(ran.stdout.contains("Examples:"), "{command}");
        insta::assert_snapshot!(format!("help_{command}"), ran.stdout);
    }
}

#[test]
fn every_command_on_delta_tables_has_help_with_examples() {
    let place = Place::empty();
    let help = place.run(&["delta", "--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<_> = commands.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(names.len(), 17, "{names:?}");
    for name in names {
        let ran = place.run(&["delta", name, "--help"]);
        assert_eq!(ran.code, Some(0), "{name}");
        assert!(ran.stdout.contains("Examples:\n  orbit delta"), "{name}");
    }
}

#[test]
fn help_lists_every_command() {
    let help = Place::empty().run(&["--help"]).stdout;
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
    assert!(!help.contains("\n  docs "));
}

#[test]
fn the_version_says_what_is_compiled_in() {
    let ran = Place::empty().run(&["--version"]);
    let mut lines = ran.stdout.lines();
    let version = concat!("orbit ", env!("CARGO_PKG_VERSION"));
    assert!(lines.next().unwrap().starts_with(version));
    assert!(lines.next().unwrap().starts_with("backends: "));
    assert!(lines.next().unwrap().starts_with("table formats: "));
}

#[test]
fn shells_are_given_completions() {
    let place = Place::empty();
    for (shell, mark) in
        [("bash", "_orbit()"), ("zsh", "#compdef orbit"), ("fish", "complete -c orbit")]
    {
        let ran = place.run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains(mark) && ran.stdout.contains("describe"), "{shell}");
    }
}

#[test]
fn bash_takes_the_completions() {
    let place = Place::empty();
    place.write("orbit.bash", &place.run(&["completions", "bash"]).stdout);
    let checked = std::process::Command::new("bash")
        .args(["-n", place.path("orbit.bash").to_str().unwrap()])
        .status();
    assert!(checked.unwrap().success());
}

#[test]
fn documentation_is_generated_from_the_program() {
    let place = Place::empty();
    let cli = place.run(&["docs", "cli"]).stdout;
    for command in COMMANDS {
        assert!(cli.contains(&format!("## orbit {command}\n")), "{command}");
    }
    assert!(cli.contains("| 130 | interrupted by Ctrl-C |"));
    let backends = place.run(&["docs", "backends", "--json"]).stdout;
    let backends: serde_json::Value = serde_json::from_str(&backends).unwrap();
    let local = backends["backends"].as_array().unwrap().iter().find(|b| b["name"] == "local");
    assert_eq!(local.unwrap()["status"], "ready");
    assert!(local.unwrap()["settings"]["properties"]["path"].is_object());
    let schema: serde_json::Value = serde_json::from_str(&place.run(&["schema"]).stdout).unwrap();
    assert_eq!(schema["title"], "ORBIT configuration");
}
