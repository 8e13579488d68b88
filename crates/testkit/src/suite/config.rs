//! Settings: unknown ones are refused, secrets stay hidden, the schema tells the truth.

use std::collections::BTreeSet;

use orbit_core::{BackendConfig, Entry, KeyPath, Node, Origin, Problem, Settings, Value};

use super::{ensure, group};
use crate::bench::Bench;
use crate::settings;
use crate::subject::{Stop, Verdict};

const SECRET: &str = "s3cr3t-7c1f9a";

group! { "config":
    fixture_settings_are_valid [];
    unknown_setting_is_refused_with_a_suggestion [];
    strange_setting_is_refused_with_the_known_ones [];
    empty_settings_give_problems [];
    misfits_give_problems_without_values [];
    secrets_are_hidden [];
    schema_lists_every_setting [];
}

type Parsed = Result<Box<dyn BackendConfig>, Vec<Problem>>;

fn parse(bench: &Bench, node: Node) -> (Parsed, Settings) {
    let settings = Settings::new(KeyPath::new("datasources.subject"), node);
    ((bench.subject().backend.parse)(&settings), settings)
}

/// The fixture's settings with one more.
async fn with(bench: &Bench, key: &str, node: Node) -> Verdict<Node> {
    let mut settings = bench.fixture().await?.settings.clone();
    settings.merge(settings::map([(key, node)]));
    Ok(settings)
}

fn text(text: &str) -> Node {
    Node::text(text, Origin::Default)
}

/// The names of the settings in the JSON schema.
fn properties(bench: &Bench) -> Verdict<Vec<(String, serde_json::Value)>> {
    let schema = (bench.subject().backend.schema)();
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    let properties =
        properties.ok_or_else(|| Stop::failed("the schema is not one of an object"))?;
    Ok(properties.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect())
}

async fn fixture_settings_are_valid(bench: &Bench) -> Verdict {
    let (config, settings) = parse(bench, bench.fixture().await?.settings.clone());
    match config {
        Ok(config) => {
            let problems = config.validate(&settings, &[crate::bench::DATASOURCE]);
            ensure!(problems.is_empty(), "validating found {problems:?}");
            Ok(())
        }
        Err(problems) => Err(Stop::failed(format!("parsing found {problems:?}"))),
    }
}

async fn unknown_setting_is_refused_with_a_suggestion(bench: &Bench) -> Verdict {
    for (name, _) in properties(bench)? {
        let misspelt = format!("{name}x");
        let (config, _) = parse(bench, with(bench, &misspelt, text("1")).await?);
        let problems = config.err().unwrap_or_default();
        let problem = problems.iter().find(|p| p.path.as_str().ends_with(&misspelt));
        let hint = problem.and_then(|p| p.hint.as_deref()).unwrap_or_default();
        ensure!(hint.contains("did you mean"), "`{misspelt}` gives {problems:?}");
    }
    Ok(())
}

async fn strange_setting_is_refused_with_the_known_ones(bench: &Bench) -> Verdict {
    let known = known_settings(bench).await?;
    for name in properties(bench)?.iter().map(|(name, _)| name) {
        ensure!(
            known.contains(name),
            "`{name}` is in the schema, but parsing knows only {known:?}"
        );
    }
    Ok(())
}

/// The names that parsing offers for one that is like none of them.
async fn known_settings(bench: &Bench) -> Verdict<BTreeSet<String>> {
    let strange = "zzqqxxjj_strange";
    let (config, _) = parse(bench, with(bench, strange, text("1")).await?);
    let problems = config.err().unwrap_or_default();
    let problem = problems.iter().find(|p| p.path.as_str().ends_with(strange));
    let hint = problem.and_then(|p| p.hint.as_deref()).unwrap_or_default();
    let names = hint.strip_prefix("known settings: ");
    let names = names.ok_or_else(|| Stop::failed(format!("`{strange}` gives {problems:?}")))?;
    Ok(names.split(", ").map(str::to_owned).collect())
}

async fn empty_settings_give_problems(bench: &Bench) -> Verdict {
    for node in [settings::map([]), Node { value: Value::Null, origin: Origin::Default }] {
        let (config, settings) = parse(bench, node);
        let problems = match config {
            Ok(config) => config.validate(&settings, &[]),
            Err(problems) => problems,
        };
        ensure!(
            problems.iter().all(|p| !p.message.is_empty()),
            "a problem does not say what is wrong: {problems:?}"
        );
        let required = (bench.subject().backend.schema)().get("required").is_some();
        ensure!(!required || !problems.is_empty(), "settings are required, none is missed");
    }
    Ok(())
}

async fn misfits_give_problems_without_values(bench: &Bench) -> Verdict {
    for (name, _) in properties(bench)? {
        let nested = settings::map([(SECRET, text(SECRET))]);
        let list = Node { value: Value::List(vec![nested.clone()]), origin: Origin::Default };
        for misfit in [text(SECRET), nested, list] {
            let (config, settings) = parse(bench, with(bench, &name, misfit).await?);
            let problems = match config {
                Ok(config) => config.validate(&settings, &[]),
                Err(problems) => problems,
            };
            // Names may be told, and the misfit's own name is the text too; values may not.
            let told = problems.iter().filter(|p| !p.path.as_str().contains(SECRET));
            let told: Vec<_> = told.map(ToString::to_string).collect();
            ensure!(!told.iter().any(|t| t.contains(SECRET)), "a value is told: {told:?}");
        }
    }
    Ok(())
}

async fn secrets_are_hidden(bench: &Bench) -> Verdict {
    let secret = |schema: &serde_json::Value| schema.to_string().contains("\"writeOnly\":true");
    for (name, schema) in properties(bench)?.iter().filter(|(_, schema)| secret(schema)) {
        let node = with(bench, name, text(SECRET)).await?;
        let (config, settings) = parse(bench, node);
        let shown = format!("{config:?} {settings:?}");
        ensure!(!shown.contains(SECRET), "`{name}` ({schema}) is shown by Debug");
    }
    Ok(())
}

async fn schema_lists_every_setting(bench: &Bench) -> Verdict {
    let properties = properties(bench)?;
    let listed: BTreeSet<_> = properties.iter().map(|(name, _)| name.clone()).collect();
    let known = known_settings(bench).await?;
    ensure!(known == listed, "parsing knows {known:?}, the schema lists {listed:?}");
    for (name, schema) in &properties {
        let told = schema.get("description").and_then(serde_json::Value::as_str);
        ensure!(told.is_some_and(|t| !t.is_empty()), "the schema does not describe `{name}`");
    }
    let Value::Map(given) = &bench.fixture().await?.settings.value else { return Ok(()) };
    let missing = |entry: &&Entry| !listed.contains(&entry.key);
    let missing: Vec<_> = given.iter().filter(missing).map(|e| e.key.as_str()).collect();
    ensure!(missing.is_empty(), "the schema does not list {missing:?}, which the fixture uses");
    Ok(())
}
