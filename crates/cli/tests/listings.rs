//! What the commands that list things print.

mod common;

use common::Place;

#[test]
fn listings_read_well() {
    let place = Place::lake();
    insta::assert_snapshot!("sources", place.run(&["sources"]));
    insta::assert_snapshot!("sources_json", place.run(&["sources", "--json"]));
    insta::assert_snapshot!("tables", place.run(&["tables", "lake"]));
    insta::assert_snapshot!("tables_json", place.run(&["tables", "--like", "ORDER", "--json"]));
    insta::assert_snapshot!("describe", place.run(&["describe", "lake.orders"]));
}

#[test]
fn backends_are_listed_as_they_are_in_this_build() {
    let place = Place::empty();
    let version = place.run(&["--version"]).stdout;
    let linked = version.lines().find_map(|line| line.strip_prefix("backends: ")).unwrap();
    let linked: Vec<_> = linked.split(", ").collect();
    assert!(linked.contains(&"local"), "{version}");
    let listed = place.run(&["backends"]).stdout;
    let mut alike = String::new();
    for line in listed.lines() {
        let words: Vec<_> = line.split("  ").map(str::trim).filter(|w| !w.is_empty()).collect();
        match words[1] {
            "not compiled in" => assert!(!linked.contains(&words[0]), "{line}"),
            "ready" if words[0] != "local" => assert!(linked.contains(&words[0]), "{line}"),
            _ => alike += &(words.join(" | ") + "\n"),
        }
    }
    let is_listed = |name: &str| listed.lines().any(|l| l.split_whitespace().next() == Some(name));
    assert!(linked.iter().all(|name| is_listed(name)), "{version}\n{listed}");
    insta::assert_snapshot!("backends", alike);
}

#[test]
fn explain_says_what_is_read() {
    let place = Place::lake();
    let sql = "SELECT id FROM lake.orders WHERE customer = 'ann'";
    let ran = place.run(&["explain", sql]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.stdout.contains("\n  pushed    columns: id, customer\n"), "{ran}");
    let json = place.run(&["explain", "--analyze", "--json", sql]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["rows"], &json["sources"][0]["datasource"]), (&2.into(), &"lake".into()));
    assert!(json["measured"]["lake"]["bytes_read"].as_u64().unwrap() > 0);
}

#[test]
fn check_tells_each_datasource_apart() {
    let place = Place::lake();
    assert_eq!(place.run(&["check"]).code, Some(0));
    std::fs::remove_dir(place.path("drop")).unwrap();
    let ran = place.run(&["check", "--json"]);
    let checked: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let ok: Vec<_> = checked["datasources"].as_array().unwrap().iter().map(|d| &d["ok"]).collect();
    assert_eq!(ok, [false, true]);
    assert_eq!(ran.code, Some(5), "{ran}");
    let wrong = "datasources:\n  lake:\n    type: local\n    path: lake\n    allow_write: true\n";
    place.write("datasources.yaml", wrong);
    let wrong = place.run(&["check"]);
    assert_eq!(wrong.code, Some(3));
    insta::assert_snapshot!("config_error", wrong);
}

#[test]
fn without_a_configuration_the_way_on_is_told() {
    let place = Place::empty();
    assert_eq!(place.run(&["query", "-F", "csv", "SELECT 1 AS a"]).stdout, "a\n1\n");
    insta::assert_snapshot!("no_configuration", place.run(&["query", "SELECT * FROM lake.orders"]));
}
