//! What changes files and versions, and leaves the rows.

use std::fs;

use serde_json::Value;

use crate::{Check, Desk};

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("optimize_joins_small_files", optimize_joins_small_files),
    ("vacuum_tells_before_it_deletes", vacuum_tells_before_it_deletes),
    ("restore_makes_an_old_version_new", restore_makes_an_old_version_new),
    ("history_and_describe_tell_the_facts", history_and_describe_tell_the_facts),
    ("a_folder_of_parquet_is_converted", a_folder_of_parquet_is_converted),
    ("files_that_no_query_reads_are_not_converted", files_that_no_query_reads_are_not_converted),
    ("checkpoints_are_written", checkpoints_are_written),
];

fn files(desk: &Desk) -> String {
    desk.wheel.run(&desk.path("prices"), "print(len(DeltaTable(path).file_uris()))")
}

fn append(desk: &Desk, ids: std::ops::Range<u32>) {
    for id in ids {
        let sql = format!("SELECT {id} AS id, {id}0 AS price, 'x' AS shop");
        desk.orbit(&["delta", "append", "drop.prices", "--from", &sql]);
    }
}

fn optimize_joins_small_files(desk: &Desk) {
    desk.prices();
    append(desk, 4..8);
    let before = desk.wheel_rows();
    assert_eq!(files(desk), "5");
    desk.orbit(&["delta", "optimize", "drop.prices"]);
    assert_eq!((files(desk).as_str(), desk.wheel_rows()), ("1", before.clone()));
    append(desk, 8..10);
    let before = desk.wheel_rows();
    let answer = desk.orbit(&["delta", "optimize", "drop.prices", "--zorder", "shop,id", "--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["metrics"]["plannerStrategy"], "zOrder");
    assert_eq!((files(desk).as_str(), desk.wheel_rows()), ("1", before));
    let (code, said) = desk.refused(&["delta", "optimize", "drop.prices", "--zorder", "nothing"]);
    assert!(code == 4 && said.contains("nothing"), "{said}");
}

fn vacuum_tells_before_it_deletes(desk: &Desk) {
    desk.prices();
    desk.orbit(&["delta", "delete", "drop.prices", "--where", "id = 1"]);
    let parquet = || {
        let entries = fs::read_dir(desk.path("prices")).unwrap();
        entries.filter(|e| e.as_ref().unwrap().path().is_file()).count()
    };
    assert_eq!(parquet(), 2);
    let vacuum = ["delta", "vacuum", "drop.prices", "--retention-hours", "0"];
    let (code, said) = desk.refused(&vacuum);
    assert!(code == 4 && said.contains("168"), "{said}");
    let dry = desk.place.run(&[&vacuum[..], &["--force"]].concat());
    assert_eq!((dry.code, dry.stdout.lines().count()), (Some(0), 1), "{dry}");
    assert!(dry.stderr.contains("1 file would be deleted"), "{dry}");
    assert_eq!(parquet(), 2);
    desk.orbit(&[&vacuum[..], &["--force", "--yes"]].concat());
    assert_eq!(parquet(), 1);
    assert_eq!(desk.wheel_rows(), r#"[[2, 20, "a"], [3, 30, "b"]]"#);
    fs::write(desk.path("prices").join("orphan.parquet"), "x").unwrap();
    desk.orbit(&[&vacuum[..], &["--force", "--yes"]].concat());
    assert_eq!(parquet(), 2, "files that no version knew stay");
    desk.orbit(&[&vacuum[..], &["--force", "--yes", "--full"]].concat());
    assert_eq!(parquet(), 1);
    assert_eq!(desk.wheel_rows(), r#"[[2, 20, "a"], [3, 30, "b"]]"#);
    let (code, said) = desk.refused(&["delta", "restore", "drop.prices", "--version", "0"]);
    assert!(code == 5 && said.contains("a file of that version was vacuumed"), "{said}");
}

fn restore_makes_an_old_version_new(desk: &Desk) {
    desk.prices();
    desk.orbit(&["delta", "delete", "drop.prices", "--yes"]);
    assert_eq!(desk.wheel_rows(), "[]");
    desk.orbit(&["delta", "restore", "drop.prices", "--version", "0"]);
    assert_eq!(desk.wheel_rows(), r#"[[1, 10, "a"], [2, 20, "a"], [3, 30, "b"]]"#);
    assert_eq!(desk.wheel.run(&desk.path("prices"), "print(DeltaTable(path).version())"), "2");
    assert_eq!(desk.refused(&["delta", "restore", "drop.prices", "--version", "9"]).0, 5);
    let (code, said) = desk.refused(&["delta", "restore", "drop.prices", "--version", "2"]);
    assert_eq!(code, 4, "{said}");
}

fn history_and_describe_tell_the_facts(desk: &Desk) {
    desk.prices();
    desk.orbit(&["delta", "update", "drop.prices", "--assign", "price = 1"]);
    let cut = desk.place.run(&["delta", "history", "drop.prices", "--limit", "1"]);
    assert!(cut.stderr.contains("cut at 1 version"), "{cut}");
    let cut = desk.orbit(&["delta", "history", "drop.prices", "--limit", "1", "--json"]);
    let cut: Value = serde_json::from_str(&cut).unwrap();
    assert_eq!(cut["truncated"], true, "{cut}");
    assert_eq!(cut["versions"].as_array().map(Vec::len), Some(1), "{cut}");
    let history = desk.orbit(&["delta", "history", "drop.prices", "--json"]);
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history["truncated"], false, "{history}");
    let told = |key: &str| -> Vec<_> {
        let versions = history["versions"].as_array().unwrap().iter();
        versions.map(|entry| entry[key].to_string()).collect()
    };
    assert_eq!(told("version"), ["1", "0"]);
    assert_eq!(told("operation"), ["\"UPDATE\"", "\"WRITE\""]);
    assert_eq!(told("user"), ["\"local\"", "\"local\""]);
    let script = "print([(h['version'], h['operation']) for h in DeltaTable(path).history()])";
    assert_eq!(desk.wheel.run(&desk.path("prices"), script), "[(1, 'UPDATE'), (0, 'WRITE')]");
    let detail = desk.orbit(&["delta", "describe", "drop.prices", "--json"]);
    let detail: Value = serde_json::from_str(&detail).unwrap();
    assert_eq!((&detail["version"], &detail["rows"]), (&1.into(), &3.into()));
    assert_eq!(detail["columns"][0]["name"], "id");
    assert!(desk.orbit(&["delta", "describe", "drop.prices"]).contains("writer version"));
}

fn a_folder_of_parquet_is_converted(desk: &Desk) {
    let folder = desk.path("prices");
    for (year, id) in [(2025, 1), (2026, 2), (2026, 3)] {
        let part = folder.join(format!("year={year}"));
        fs::create_dir_all(&part).unwrap();
        let sql = format!("SELECT {id} AS id, 'n{id}' AS name");
        let file = part.join(format!("{id}.parquet")).display().to_string();
        desk.orbit(&["query", "--output", &file, &sql]);
    }
    desk.orbit(&["delta", "convert", "drop.prices"]);
    assert_eq!(desk.wheel_rows(), r#"[[1, "n1", 2025], [2, "n2", 2026], [3, "n3", 2026]]"#);
    let sql = "SELECT sum(id) AS s FROM drop.prices WHERE year = 2026";
    assert_eq!(desk.orbit(&["query", "-F", "csv", sql]), "s\n5\n");
    assert_eq!(desk.refused(&["delta", "convert", "drop.prices"]).0, 11);
    assert_eq!(desk.refused(&["delta", "optimize", "lake.orders"]).0, 6);
    assert_eq!(desk.refused(&["delta", "describe", "lake.orders"]).0, 4);
}

fn files_that_no_query_reads_are_not_converted(desk: &Desk) {
    let folder = desk.path("prices");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("1.parquet");
    desk.orbit(&["query", "--output", &file.display().to_string(), "SELECT 1 AS id"]);
    for (name, why) in [("_old.parquet", "hidden"), ("a%20b.parquet", "a name with a `%`")] {
        fs::copy(&file, folder.join(name)).unwrap();
        let (code, said) = desk.refused(&["delta", "convert", "drop.prices"]);
        assert!(code == 4 && said.contains(why), "{said}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    desk.orbit(&["delta", "convert", "drop.prices"]);
    assert_eq!(desk.wheel_rows(), "[[1]]");
}

fn checkpoints_are_written(desk: &Desk) {
    desk.prices();
    desk.orbit(&["delta", "set", "drop.prices", "delta.checkpointInterval=3"]);
    append(desk, 4..9);
    let log = desk.path("prices").join("_delta_log");
    assert!(log.join("00000000000000000002.checkpoint.parquet").is_file());
    assert!(log.join("_last_checkpoint").is_file());
    for version in 0..2 {
        fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let rows: Vec<_> = (4..9).map(|id| format!(r#"[{id}, {id}0, "x"]"#)).collect();
    let all = format!(r#"[[1, 10, "a"], [2, 20, "a"], [3, 30, "b"], {}]"#, rows.join(", "));
    assert_eq!(desk.wheel_rows(), all);
    let sql = "SELECT count(*) AS n, sum(price) AS s FROM drop.prices";
    assert_eq!(desk.orbit(&["query", "-F", "csv", sql]), "n,s\n8,360\n");
}
