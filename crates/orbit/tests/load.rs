//! Configurations that can be used: where they are found, and what overrides what.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::{Path, PathBuf};

use insta::{assert_debug_snapshot, assert_snapshot};
use orbit::core::{Backend, Context, ErrorKind, Registry};
use orbit::{Availability, Config, ConfigSource, Environment, KNOWN_BACKENDS, LINKED, LoadOptions};
use orbit::{Orbit, config_schema, known_backends};

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn options(folder: &Path) -> LoadOptions {
    LoadOptions {
        folder: folder.to_owned(),
        environment: Environment::empty(),
        ..LoadOptions::default()
    }
}

fn load(options: LoadOptions) -> Config {
    Config::load(options).unwrap_or_else(|error| panic!("{error}"))
}

fn names(config: &Config) -> Vec<&str> {
    config.datasources().iter().map(|d| d.name.as_str()).collect()
}

fn local_alone() -> Registry {
    Registry::new(LINKED.iter().copied().filter(|backend| backend.name == "local")).unwrap()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

#[test]
fn linked_is_the_registry() {
    let registry = Registry::linked().unwrap();
    let mut linked: Vec<_> = LINKED.iter().map(|b| b.name).collect();
    linked.sort_unstable();
    assert_eq!(linked, registry.iter().map(|b| b.name).collect::<Vec<_>>());
    for backend in LINKED {
        let Some(known) = KNOWN_BACKENDS.iter().find(|known| known.name == backend.name) else {
            continue;
        };
        assert!(matches!(known.availability(&registry), Availability::Linked(_)));
        let unlinked = known.availability(&Registry::new([]).unwrap());
        assert!(matches!(unlinked, Availability::NotCompiledIn), "{}", backend.name);
    }
}

#[test]
fn a_backend_beyond_the_roadmap_is_known_where_it_is_linked() {
    let beyond = Backend { name: "demo", summary: "of another hand", ..*LINKED[0] };
    let beyond: &'static Backend = Box::leak(Box::new(beyond));
    let registry = Registry::new([beyond]).unwrap();
    let known = known_backends(&registry);
    assert_eq!(known.len(), KNOWN_BACKENDS.len() + 1);
    let demo = known.last().unwrap();
    assert_eq!((demo.name, demo.summary), ("demo", "of another hand"));
    assert!(matches!(demo.availability(&registry), Availability::Linked(_)));
    assert_eq!(known_backends(&local_alone()).len(), KNOWN_BACKENDS.len());
}

#[test]
fn search_path() {
    const LAKE: &str = "datasources: {local: {path: x}}";
    let files = ["datasources.yaml", "config/datasources.yaml", "xdg/orbit/datasources.yaml"];
    let folder = folder_with(&files.map(|file| (file, LAKE)));
    let with_user = || {
        let mut options = options(folder.path());
        options.environment =
            Environment::empty().with("XDG_CONFIG_HOME", folder.path().join("xdg"));
        options
    };
    for file in files {
        let file = folder.path().join(file);
        assert_eq!(load(with_user()).source(), &ConfigSource::Files(vec![file.clone()]));
        std::fs::remove_file(file).unwrap();
    }
    let nowhere = load(with_user());
    let searched = files.map(|file| folder.path().join(file)).to_vec();
    assert_eq!(nowhere.source(), &ConfigSource::Nowhere { searched });
    assert!(nowhere.datasources().is_empty());
}

#[test]
fn named_files_come_before_the_search_path() {
    let folder = folder_with(&[
        ("datasources.yaml", "datasources: {found: {type: local, path: x}}"),
        ("variable.yaml", "datasources: {variable: {type: local, path: x}}"),
        ("a.yaml", "datasources: {a: {type: local, path: x}}"),
    ]);
    let mut options = options(folder.path());
    options.environment =
        Environment::empty().with("ORBIT_CONFIG_FILE", folder.path().join("variable.yaml"));
    assert_eq!(names(&load(options.clone())), ["variable"]);
    options.files = vec![folder.path().join("a.yaml")];
    assert_eq!(names(&load(options)), ["a"]);
}

#[test]
fn later_files_then_variables_then_flags() {
    let folder = folder_with(&[
        (
            "a.yaml",
            "engine: {batch_rows: 1, memory_bytes_max: 1}\ndatasources: {Lake: {type: local, path: a}}",
        ),
        (
            "b.yaml",
            "engine: {batch_rows: 2, spill_bytes_max: 2}\ndatasources: {Lake: {allow_writes: true}}",
        ),
    ]);
    let mut options = options(folder.path());
    options.files = vec![folder.path().join("a.yaml"), folder.path().join("b.yaml")];
    options.environment = Environment::empty()
        .with("ORBIT_CONFIG__ENGINE__SPILL_BYTES_MAX", "3")
        .with("ORBIT_CONFIG__ENGINE__TARGET_PARTITIONS", "3")
        .with("ORBIT_CONFIG__DATASOURCES__LAKE__SYNC_WRITES", "true")
        .with("ORBIT_CONFIG__DATASOURCES__POND__TYPE", "local")
        .with("ORBIT_CONFIG__DATASOURCES__POND__PATH", "0123");
    options.settings = vec![("engine.target_partitions".to_owned(), "4".to_owned())];
    let config = load(options);
    let engine = config.engine();
    let figures = (engine.memory_bytes_max, engine.batch_rows, engine.spill_bytes_max);
    assert_eq!(figures, (1, 2, 3));
    assert_eq!(engine.target_partitions, Some(4));
    assert_eq!(names(&config), ["Lake", "pond"]);
    assert!(config.datasources()[0].allow_writes);
}

#[tokio::test]
async fn a_relative_path_starts_at_the_file() {
    let folder = folder_with(&[
        ("config/datasources.yaml", "datasources: {lake: {type: local, paths: [one, two]}}"),
        ("config/one/a.csv", "x"),
        ("config/two/b.csv", "x"),
    ]);
    let orbit = load(options(folder.path())).open().unwrap();
    let cx = Context::builder().build();
    let lake = orbit.datasources().require("lake").unwrap().open(&cx).await.unwrap();
    lake.ping(&cx).await.unwrap();
    orbit.close().await.unwrap();
}

#[test]
fn values_are_expanded_and_nothing_else() {
    let folder = folder_with(&[
        ("secrets/name", "not\nexpanded: ${X}\r\n"),
        (
            "datasources.yaml",
            "# ${NONE} in a comment
datasources:
  lake:
    type: ${TYPE}
    path: x
    allow_writes: ${EMPTY:-true}
    tables:
      ${X}:
        path: ${DOLLAR}a$b$$c${UNSET:-}${X:?no}
        columns: {c: '${file:secrets/name}'}
",
        ),
    ]);
    let mut options = options(folder.path());
    options.environment = Environment::empty()
        .with("TYPE", "local")
        .with("EMPTY", "")
        .with("DOLLAR", "$$")
        .with("X", "x: {y: z}");
    let config = load(options);
    let lake = &config.datasources()[0];
    assert!(lake.allow_writes);
    let table = &lake.tables["${X}"];
    assert_eq!(table.path, "$$a$b$cx: {y: z}");
    assert_eq!(table.columns["c"], "not\nexpanded: ${X}");
}

#[test]
fn anchors_and_merge_keys() {
    let folder = folder_with(&[(
        "datasources.yaml",
        "datasources:
  one: &one
    type: local
    path: x
    allow_writes: true
  two:
    <<: *one
    allow_writes: false
  three: {allow_writes: false, <<: [*one, {path: y}]}
",
    )]);
    let config = load(options(folder.path()));
    let writes: Vec<_> = config.datasources().iter().map(|d| d.allow_writes).collect();
    assert_eq!(writes, [true, false, false]);
}

#[test]
fn empty_sections_are_none() {
    for text in ["", "# nothing\n", "datasources:\n", "engine:\ndatasources: {}\nversion: '1'\n"] {
        let folder = folder_with(&[("datasources.yaml", text)]);
        assert!(load(options(folder.path())).datasources().is_empty(), "{text}");
    }
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change() {
    let folder = folder_with(&[("a/x", ""), ("b/x", "")]);
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name).display().to_string());
    let program = |other: &str| {
        Orbit::builder()
            .datasource("kept", "local", [("path", a.as_str())])
            .datasource("changed", "local", [("path", other)])
            .build()
            .unwrap()
    };
    let orbit = program(&b).open().unwrap();
    let cx = Context::builder().build();
    let before = orbit.datasources();
    for handle in before.iter() {
        handle.open(&cx).await.unwrap();
    }
    let gone = folder.path().join("gone").display().to_string();
    orbit.reload(program(&gone)).unwrap();
    let after = orbit.datasources();
    assert!(after.require("kept").unwrap().is_connected());
    assert!(!after.require("changed").unwrap().is_connected());
    // Who began before the reload goes on with what it had.
    let old = before.require("changed").unwrap().open(&cx).await.unwrap();
    old.ping(&cx).await.unwrap();
    let error = after.require("changed").unwrap().open(&cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    orbit.close().await.unwrap();
}

#[test]
fn other_limits_are_another_instance() {
    let builder = Orbit::builder()
        .datasource("a", "local", [("path", "x")])
        .datasource("b", "local", [("path", "x"), ("limits.retry.attempts_max", "1")])
        .setting("datasources.a.allow_writes", "true");
    let config = builder.build().unwrap();
    assert_eq!(config.source(), &ConfigSource::Program);
    let attempts: Vec<_> =
        config.datasources().iter().map(|d| d.limits.retry.attempts_max.get()).collect();
    assert_eq!(attempts, [3, 1]);
    assert!(config.open().unwrap().datasources().require("a").unwrap().writable());
}

#[test]
fn a_program_is_told_its_mistakes() {
    let error = Orbit::builder().datasource("lake", "lokal", [("path", "x")]).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert_snapshot!(error.to_string(), @"the configuration has a problem: datasources.lake.type: unknown backend `lokal`; did you mean `local`?");
}

#[test]
fn examples_are_good() {
    for name in ["datasources", "minimal", "datawarehouse", "datalake", "full"] {
        let mut options = options(Path::new(""));
        options.files = vec![example(&format!("{name}.yaml"))];
        assert_eq!(load(options).datasources().len(), 1, "{name}");
    }
}

/// What stands in comments is checked too: it is read, and each backend says that it is planned
/// or, whatever this build has, not compiled in.
#[test]
fn planned_backends_of_the_examples() {
    let mut told = Vec::new();
    for name in ["minimal", "datawarehouse", "datalake", "full"] {
        let text = std::fs::read_to_string(example(&format!("{name}.yaml"))).unwrap();
        let text: String = text.lines().map(|line| uncommented(line) + "\n").collect();
        let folder = folder_with(&[("datasources.yaml", &text)]);
        let mut options = options(folder.path());
        options.registry = Some(local_alone());
        for variable in text.split("${").skip(1) {
            let variable = variable.split(['}', ':']).next().unwrap();
            if !variable.starts_with("ORBIT_") {
                options.environment = options.environment.with(variable, "x");
            }
        }
        let error = Config::load(options).expect_err("planned backends are refused");
        let problems = error.problems.iter().map(|p| format!("{name}: {}", p.problem));
        told.extend(problems);
    }
    assert_debug_snapshot!(told);
}

fn uncommented(line: &str) -> String {
    let Some(rest) = line.strip_prefix("  # ") else { return line.to_owned() };
    let name = rest.split(':').next().unwrap();
    let is_setting = rest.starts_with("  ")
        || rest.contains(':')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_setting { format!("  {rest}") } else { line.to_owned() }
}

#[test]
fn schema_for_editors() {
    let schema = config_schema(&Registry::linked().unwrap()).to_value();
    let mut references = Vec::new();
    collect_references(&schema, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(schema.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for backend in LINKED {
        assert!(schema["$defs"][backend.name].is_object(), "{}", backend.name);
    }
    // What each build has alike.
    let schema = config_schema(&local_alone()).to_value();
    let local = &schema["$defs"]["local"];
    assert_eq!(local["additionalProperties"], false);
    let names: Vec<_> = local["properties"].as_object().unwrap().keys().collect();
    assert_debug_snapshot!(names);
    assert_snapshot!(serde_json::to_string_pretty(&schema["properties"]).unwrap());
    assert_snapshot!(serde_json::to_string_pretty(&local["properties"]["allow_writes"]).unwrap());
}

fn collect_references(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                match value.as_str() {
                    Some(target) if key == "$ref" => found.push(target.to_owned()),
                    _ => collect_references(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| collect_references(v, found)),
        _ => {}
    }
}
