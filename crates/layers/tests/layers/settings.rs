//! The section `limits`.

use orbit_core::{Entry, KeyPath, Node, Origin, Settings};
use orbit_layers::LayerSettings;

fn limits(values: &[(&str, &str, &str)]) -> Settings {
    let entry = |key: &str, node| Entry { key: key.to_owned(), key_origin: Origin::Default, node };
    let mut sections = Node::map(Vec::new(), Origin::Default);
    for (section, key, value) in values {
        let leaf = entry(key, Node::text(*value, Origin::Default));
        let part = entry(section, Node::map(vec![leaf], Origin::Default));
        sections.merge(Node::map(vec![part], Origin::Default));
    }
    Settings::new(KeyPath::new("datasources.lake.limits"), sections)
}

#[test]
fn what_is_not_said_has_its_default() {
    let settings =
        limits(&[("retry", "attempts_max", "5"), ("rate_limit", "operations_per_second", "7")]);
    let parsed: LayerSettings = settings.parse().unwrap();
    assert!(parsed.validate(&settings).is_empty());
    insta::assert_debug_snapshot!(parsed);
}

#[test]
fn figures_that_cannot_be_are_refused() {
    let mut refused = Vec::new();
    for (section, key, value) in [
        ("retry", "attempts_max", "0"),
        ("timeout", "open_ms", "0"),
        ("rate_limit", "operations_per_second", "0"),
        ("rate_limit", "burst", "5"),
        ("retry", "attempts", "5"),
    ] {
        let problems = limits(&[(section, key, value)]).parse::<LayerSettings>().unwrap_err();
        let text: Vec<_> = problems.iter().map(ToString::to_string).collect();
        refused.push(text.join(", "));
    }
    insta::assert_snapshot!(refused.join("\n"), @"
    datasources.lake.limits.retry.attempts_max: must be a nonzero u32
    datasources.lake.limits.timeout.open_ms: must be a nonzero u64
    datasources.lake.limits.rate_limit.operations_per_second: must be a nonzero u32
    datasources.lake.limits.rate_limit: the setting `operations_per_second` is missing
    datasources.lake.limits.retry.attempts: unknown setting; did you mean `attempts_max`?
    ");
}

#[test]
fn figures_that_do_not_fit_together_are_refused() {
    let settings = limits(&[
        ("retry", "backoff_ms_min", "30000"),
        ("circuit_breaker", "failures_percent", "0"),
        ("circuit_breaker", "open_ms_max", "1"),
    ]);
    let parsed: LayerSettings = settings.parse().unwrap();
    let problems: Vec<_> = parsed.validate(&settings).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(problems.join("\n"), @"
    datasources.lake.limits.retry.backoff_ms_min: must not be more than `backoff_ms_max`
    datasources.lake.limits.circuit_breaker.failures_percent: must be from 1 to 100
    datasources.lake.limits.circuit_breaker.open_ms_min: must not be more than `open_ms_max`
    ");
}
