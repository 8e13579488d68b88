//! The support table: what each backend claims, and what the behaviour suite saw of it.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::table_row;

/// The findings of one backend on one server, as the suite writes them.
struct Backend<'a> {
    name: String,
    /// It is the run that stands for the backend, not one against a further server.
    main: bool,
    kind: &'a str,
    server: Option<&'a str>,
    claims: &'a [Value],
    trials: &'a [Value],
}

/// How often each outcome was seen.
#[derive(Default)]
struct Outcomes {
    passed: usize,
    failed: usize,
    ignored: usize,
}

/// Three tables: runs, capabilities and types, with a column for each backend, or for each run.
pub(super) fn page(documents: &[Value]) -> Result<String> {
    let backends = documents.iter().map(parse).collect::<Result<Vec<_>>>()?;
    ensure!(!backends.is_empty(), "the behaviour suite has not run: `cargo xtask test` runs it");
    let mut page = String::from("# What is supported\n\n");
    page.push_str("Made by the last run of the behaviour suite, which tries every claim.\n");
    runs(&mut page, &backends);
    capabilities(&mut page, &backends);
    types(&mut page, &backends);
    Ok(page)
}

fn parse(document: &Value) -> Result<Backend<'_>> {
    let format = document["format"].as_u64();
    ensure!(format == Some(1), "findings of format {format:?}, not 1");
    let name = document["backend"].as_str().context("no `backend`")?;
    let variant = document["variant"].as_str();
    Ok(Backend {
        name: variant.map_or_else(|| name.to_owned(), |server| format!("{name} ({server})")),
        main: variant.is_none(),
        kind: document["kind"].as_str().context("no `kind`")?,
        server: document["server"].as_str(),
        claims: document["claims"].as_array().context("no `claims`")?,
        trials: document["trials"].as_array().context("no `trials`")?,
    })
}

fn runs(page: &mut String, backends: &[Backend<'_>]) {
    page.push_str("\n## Runs\n\n");
    page.push_str("| Backend | Kind | Run against | Passed | Failed | Ignored |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for backend in backends {
        let mut outcomes = Outcomes::default();
        for trial in backend.trials {
            match trial["outcome"].as_str() {
                Some("passed") => outcomes.passed += 1,
                Some("ignored") => outcomes.ignored += 1,
                _ => outcomes.failed += 1,
            }
        }
        let Outcomes { passed, failed, ignored } = outcomes;
        let server = backend.server.unwrap_or("nothing: no server was to be had");
        let name = &backend.name;
        *page += &format!(
            "| {name} | {} | {server} | {passed} | {failed} | {ignored} |\n",
            backend.kind
        );
    }
}

fn capabilities(page: &mut String, backends: &[Backend<'_>]) {
    page.push_str("\n## Capabilities\n\n");
    page.push_str("A dash is an operation that answers `Unsupported`. ");
    page.push_str("A number is a limit, `yes` has none.\n\n");
    let backends: Vec<_> = backends.iter().filter(|b| b.main).collect();
    header(page, "Capability", &backends);
    let mut names: Vec<&str> = Vec::new();
    for name in backends.iter().flat_map(|b| b.claims).filter_map(|c| c["name"].as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let cell = |b: &&Backend<'_>| {
            let claim = b.claims.iter().find(|c| c["name"] == name);
            match claim.and_then(|c| c["backend"].as_u64()) {
                None | Some(0) => "-".to_owned(),
                Some(1) => "yes".to_owned(),
                Some(limit) => limit.to_string(),
            }
        };
        table_row(page, &format!("`{name}`"), backends.iter().map(cell));
    }
}

fn types(page: &mut String, backends: &[Backend<'_>]) {
    let outcomes: Vec<BTreeMap<&str, &str>> = backends.iter().map(type_outcomes).collect();
    let names: BTreeSet<&str> = outcomes.iter().flat_map(|o| o.keys().copied()).collect();
    if names.is_empty() {
        return;
    }
    page.push_str("\n## Types\n\n");
    header(page, "Type", &backends.iter().collect::<Vec<_>>());
    for name in names {
        let cell = |o: &BTreeMap<&str, &str>| (*o.get(name).unwrap_or(&"-")).to_owned();
        table_row(page, &format!("`{name}`"), outcomes.iter().map(cell));
    }
}

/// The worst outcome of each type's trials.
fn type_outcomes<'a>(backend: &Backend<'a>) -> BTreeMap<&'a str, &'a str> {
    let mut worst: BTreeMap<&str, &str> = BTreeMap::new();
    for trial in backend.trials.iter().filter(|t| t["group"] == "types") {
        let (Some(name), Some(outcome)) = (trial["trial"].as_str(), trial["outcome"].as_str())
        else {
            continue;
        };
        let seen = worst.entry(name).or_insert(outcome);
        if rank(outcome) > rank(seen) {
            *seen = outcome;
        }
    }
    worst
}

fn rank(outcome: &str) -> u8 {
    match outcome {
        "passed" => 0,
        "ignored" => 1,
        _ => 2,
    }
}

fn header(page: &mut String, first: &str, backends: &[&Backend<'_>]) {
    table_row(page, first, backends.iter().map(|b| b.name.clone()));
    table_row(page, "---", backends.iter().map(|_| "---".to_owned()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_column_for_each_backend_and_the_worst_outcome() {
        let trial = |outcome: &str, mode: &str| json!({ "mode": mode, "group": "types", "trial": "int64", "outcome": outcome });
        let document = |name: &str, variant: Option<&str>, level: u64, second: &str| {
            json!({
                "format": 1, "backend": name, "variant": variant, "kind": "file",
                "server": "a folder",
                "claims": [{ "name": "files.read", "backend": level, "connected": level }],
                "trials": [trial("passed", "bare"), trial(second, "layered")],
            })
        };
        let page = page(&[
            document("a", None, 1, "passed"),
            document("a", Some("more"), 1, "ignored"),
            document("b", None, 0, "failed"),
        ])
        .unwrap();
        assert!(page.contains("| a | file | a folder | 2 | 0 | 0 |"), "{page}");
        assert!(page.contains("| `files.read` | yes | - |"), "{page}");
        assert!(page.contains("| a (more) | file | a folder | 1 | 0 | 1 |"), "{page}");
        assert!(page.contains("| `int64` | passed | ignored | failed |"), "{page}");
    }

    #[test]
    fn no_findings_are_no_page() {
        assert!(page(&[]).is_err());
        assert!(page(&[json!({ "format": 2 })]).is_err());
    }
}
