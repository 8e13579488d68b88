//! Configurations that cannot be used: what a person is told, word by word.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a step that fails is a test that fails"
)]

use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;
use orbit::core::Registry;
use orbit::{Config, Environment, LINKED, LoadOptions};

/// Stands wherever a secret could; no message may hold it.
const SECRET: &str = "hunter2";

/// What is told of this `datasources.yaml` beside these files.
fn told_with(
    yaml: &[u8],
    files: &[(&str, &[u8])],
    change: impl FnOnce(&mut LoadOptions),
) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("datasources.yaml"), yaml).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut options = LoadOptions {
        folder: folder.path().to_owned(),
        environment: Environment::empty().with("PASSWORD", SECRET),
        ..LoadOptions::default()
    };
    change(&mut options);
    let error = Config::load(options).expect_err("the configuration is bad");
    let json = serde_json::to_string_pretty(&error).unwrap();
    let debug = format!("{error:?}");
    let text = without(folder.path(), &error.to_string());
    for told in [&text, &json, &debug] {
        assert!(!told.contains(SECRET), "a secret is shown: {told}");
    }
    text
}

fn without(folder: &Path, text: &str) -> String {
    let folder = folder.display().to_string();
    text.replace(&format!("{folder}/"), "").replace(&folder, "FOLDER")
}

fn local_alone() -> Registry {
    Registry::new(LINKED.iter().copied().filter(|backend| backend.name == "local")).unwrap()
}

fn told(yaml: &str) -> String {
    told_with(yaml.as_bytes(), &[], |_| {})
}

#[test]
fn missing_variable() {
    assert_snapshot!(told("datasources:\n  lake:\n    type: local\n    path: ${LAKE}/data\n"));
}

#[test]
fn missing_variable_with_a_message() {
    assert_snapshot!(told(
        "datasources:\n  lake: {type: local, path: '${LAKE:?where is the lake}'}\n"
    ));
}

#[test]
fn variable_expression_that_is_not_one() {
    assert_snapshot!(told(
        "datasources:\n  lake:\n    type: local\n    paths:\n      - ${hunter2!}\n      - ${A:=hunter2}\n      - ${A:-${B}}\n"
    ));
}

#[test]
fn unclosed_variable() {
    assert_snapshot!(told("datasources:\n  lake:\n    type: local\n    path: ${LAKE\n"));
}

#[test]
fn unknown_settings_everywhere() {
    assert_snapshot!(told(
        "datasource: {}
engine:
  memory_byte_max: 1
  limits:
    join_max: 2
datasources:
  lake:
    type: local
    pth: hunter2
    allow_write: true
    limits:
      retries: 4
    tables:
      orders:
        path: orders
        seperator: ;
"
    ));
}

#[test]
fn wrong_types() {
    assert_snapshot!(told(
        "engine:
  memory_bytes_max: hunter2
  target_partitions: [1, 2]
datasources:
  a:
    type: local
    path: {folder: hunter2}
  b:
    type: local
    path: x
    allow_writes: hunter2
  c: hunter2
  d:
    type: [local]
"
    ));
}

#[test]
fn wrong_type_of_an_expanded_value() {
    assert_snapshot!(told("engine:\n  memory_bytes_max: ${PASSWORD}\n"));
}

#[test]
fn bad_limits() {
    assert_snapshot!(told(
        "datasources:
  lake:
    type: local
    path: x
    limits:
      retry: {attempts_max: often}
  pond:
    type: local
    path: y
    limits: hunter2
"
    ));
}

#[test]
fn two_datasources_of_one_name() {
    assert_snapshot!(told(
        "datasources:\n  lake:\n    type: local\n    path: a\n  lake:\n    type: local\n    path: b\n"
    ));
}

#[test]
fn names_that_differ_in_case_and_names_that_are_none() {
    assert_snapshot!(told(
        "datasources:
  lake: {type: local, path: a}
  Lake: {type: local, path: b}
  my.lake: {type: local, path: c}
  1st: {type: local, path: d}
"
    ));
}

#[test]
fn unknown_backend() {
    assert_snapshot!(told("datasources:\n  lake:\n    type: locale\n  sea:\n    type: oracle\n"));
}

#[test]
fn missing_type() {
    let yaml = b"datasources:\n  sales:\n    path: x\n  redshfit:\n    host: x\n";
    // The message lists what is linked, which is not the same in each build.
    assert_snapshot!(told_with(yaml, &[], |options| options.registry = Some(local_alone())));
}

#[test]
fn planned_backend() {
    assert_snapshot!(told(
        "datasources:\n  synapse:\n    password: hunter2\n  pond:\n    type: gcs\n    bucket_name: x\n"
    ));
}

#[test]
fn backend_that_is_not_compiled_in() {
    let yaml = b"datasources:\n  local:\n    path: x\n";
    assert_snapshot!(told_with(yaml, &[], |options| {
        options.registry = Some(Registry::new([]).unwrap());
    }));
}

#[test]
fn wrong_version() {
    assert_snapshot!(told("version: 2\ndatasource: x\n"));
}

#[test]
fn both_path_and_paths() {
    assert_snapshot!(told("datasources:\n  local:\n    path: a\n    paths: [b]\n"));
}

#[test]
fn no_path() {
    assert_snapshot!(told("datasources:\n  local:\n"));
}

#[test]
fn default_datasource_that_does_not_exist() {
    assert_snapshot!(told(
        "engine:\n  default_datasource: lak\ndatasources:\n  lake: {type: local, path: x}\n"
    ));
}

#[test]
fn unreadable_files() {
    assert_snapshot!(told_with(b"", &[], |options| {
        let folder = std::mem::take(&mut options.folder);
        options.files = vec![folder.join("none.yaml"), folder.clone()];
    }));
    assert_snapshot!(told_with(b"", &[], |options| {
        let environment = std::mem::take(&mut options.environment);
        options.environment =
            environment.with("ORBIT_CONFIG_FILE", options.folder.join("none.yaml"));
    }));
}

#[test]
fn tab_indentation() {
    assert_snapshot!(told("datasources:\n  lake:\n\ttype: local\n\tpassword: hunter2\n"));
}

#[test]
fn broken_yaml() {
    let mut all = String::new();
    for yaml in [
        "datasources:\n  lake:\n    password: \"hunter2\n    path: x: hunter2\n",
        "datasources:\n  lake: {type: local, password: hunter2\n",
        "datasources:\n  lake:\n    type: local\n   password: hunter2\n",
        "datasources:\n  lake:\n    password: @hunter2\n",
        "datasources:\n  lake:\n    password: *hunter2\n",
        "datasources:\n  lake:\n    password: a: hunter2\n",
        "datasources:\n  lake:\n    password: !secret hunter2\n",
        "? [hunter2]\n: 1\n",
        "a: &a [*a]\n",
        "<<: hunter2\n",
        "datasources: {}\n---\npassword: hunter2\n",
        "%YAML 1.1\n---\ndatasources: {}\n",
        "- hunter2\n",
        "hunter2\n",
    ] {
        write!(all, "{}\n\n", told(yaml)).unwrap();
    }
    assert_snapshot!(all);
}

#[test]
fn values_of_several_lines_stay_hidden() {
    assert_snapshot!(told(
        "datasources:
  lake:
    type: local
    path: x
    key: |
      BEGIN: hunter2
      END: hunter2
    \"quoted\": \"a
      hunter2: b\"
    plain: a
      hunter2
    flow: {a: hunter2, b: [hunter2, 'hunter2'], c: \"hunter2\"} # hunter2
    anchored: &hunter2 x
"
    ));
}

#[test]
fn aliases_that_explode() {
    let mut yaml = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (from, to) in ["ab", "bc", "cd", "de", "ef"].iter().map(|p| p.split_at(1)) {
        let ten = vec![format!("*{from}"); 10].join(", ");
        writeln!(yaml, "{to}: &{to} [{ten}]").unwrap();
    }
    assert_snapshot!(told(&yaml));
    let text = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(500_000), ["*a"; 9].join(", "));
    assert_snapshot!(told(&text));
}

#[test]
fn too_deep() {
    assert_snapshot!(told(&format!("a: {}{}\n", "[".repeat(100), "]".repeat(100))));
    let mut chain = format!("a: &a {}{}\n", "[".repeat(40), "]".repeat(40));
    writeln!(chain, "b: {}*a{}", "[".repeat(40), "]".repeat(40)).unwrap();
    assert_snapshot!(told(&chain));
}

#[test]
fn file_of_two_mebibytes() {
    let yaml = format!("# {}\n", "x".repeat(2 << 20));
    assert_snapshot!(told(&yaml));
}

#[test]
fn bytes_that_are_not_utf_8() {
    assert_snapshot!(told_with(b"datasources:\n  lake: \xff\n", &[], |_| {}));
    assert_snapshot!(told_with(b"\xff\xfed\0a\0t\0a\0", &[], |_| {}));
}

#[test]
fn tables_that_are_not() {
    assert_snapshot!(told(
        "datasources:
  lake:
    type: local
    path: x
    tables:
      orders:
        path: orders
        format: xlsx
      items:
        delimiter: hunter2
      notes: hunter2
"
    ));
}

#[test]
fn inserted_files() {
    let yaml = "datasources:
  a: {type: local, path: x, allow_writes: '${file:self.txt}'}
  b: {type: local, path: '${file:none.txt}'}
  c: {type: local, path: '${file:.}'}
  d: {type: local, path: '${file:large.txt}'}
  e: {type: local, path: '${file:binary}'}
";
    let large = vec![b'x'; 70_000];
    let files: &[(&str, &[u8])] = &[
        // What is put in is not expanded again, so a file cannot hold itself.
        ("self.txt", b"${file:self.txt}\n"),
        ("large.txt", &large),
        ("binary", b"\xff"),
    ];
    assert_snapshot!(told_with(yaml.as_bytes(), files, |_| {}));
}

#[test]
fn inserted_files_that_explode() {
    let many = "${file:large.txt}".repeat(40);
    let yaml = format!("datasources:\n  a:\n    type: local\n    path: {many}\n");
    assert_snapshot!(told_with(yaml.as_bytes(), &[("large.txt", &[b'x'; 60_000])], |_| {}));
}

#[test]
fn bad_variables_and_flags() {
    let yaml = b"datasources:\n  lake: {type: local, path: x}\n  LAKE: {type: local, path: y}\n";
    assert_snapshot!(told_with(yaml, &[], |options| {
        let environment = std::mem::take(&mut options.environment);
        options.environment = environment
            .with("ORBIT_CONFIG__DATASOURCE__X", SECRET)
            .with("ORBIT_CONFIG__DATASOURCES__Lake__PATH", SECRET)
            .with("ORBIT_CONFIG__ENGINE__MEMORY_BYTES_MAX", SECRET)
            .with("ORBIT_CONFIG__", SECRET)
            .with("ORBIT_CONFIG__A____B", SECRET);
        options.settings = vec![
            ("engine.batch_rows".to_owned(), SECRET.to_owned()),
            ("engine..batch_rows".to_owned(), SECRET.to_owned()),
            ("datasources.lake.pat".to_owned(), SECRET.to_owned()),
        ];
    }));
}

#[test]
fn problems_of_several_files() {
    let files: &[(&str, &[u8])] = &[
        ("a.yaml", b"datasources:\n  lake:\n    type: local\n    pth: x\n"),
        ("b.yaml", b"datasources:\n  lake:\n    allow_writes: maybe\n  pond:\n    type: pool\n"),
    ];
    assert_snapshot!(told_with(b"", files, |options| {
        let folder = std::mem::take(&mut options.folder);
        options.files = vec![folder.join("a.yaml"), folder.join("b.yaml")];
    }));
}

#[test]
fn json_form() {
    let options = LoadOptions {
        environment: Environment::empty().with("ORBIT_CONFIG__ENGIN", "x"),
        folder: "/nonexistent".into(),
        ..LoadOptions::default()
    };
    let error = Config::load(options).unwrap_err();
    assert_snapshot!(serde_json::to_string_pretty(&error).unwrap());
}
