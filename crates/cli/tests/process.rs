//! Signals, pipes, time limits and logs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Place;

/// It would run for days, and prints nothing before its end.
const ENDLESS: &str = "WITH n AS (SELECT row_number() OVER () AS n FROM lake.many),
    m AS (SELECT a.n + b.n AS n FROM n a CROSS JOIN n b)
    SELECT max(a.n * b.n) FROM m a CROSS JOIN m b";

/// It computes on every worker for long without giving way.
const BUSY: &str = "SELECT max(a.n * c.x) FROM
    (SELECT a.x + b.x AS n FROM lake.many a CROSS JOIN lake.many b) a CROSS JOIN lake.many c";

fn place() -> Place {
    let place = Place::lake();
    let rows: String = (0..2000).map(|n| format!("{n}\n")).collect();
    place.write("lake/many.csv", &format!("x\n{rows}"));
    place
}

fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([name, &id.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nothing tells when the query has begun")]
fn ctrl_c_stops_the_query() {
    let place = place();
    let cases = [("-INT", 130, ENDLESS), ("-TERM", 143, ENDLESS), ("-INT", 130, BUSY)];
    for (name, code, sql) in cases {
        let child = place.spawn(&["query", sql]);
        std::thread::sleep(Duration::from_secs(3));
        let started = Instant::now();
        signal(name, child.id());
        let ran = place.clean(child.wait_with_output().unwrap());
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert_eq!(ran.code, Some(code), "{ran}");
        assert_eq!(ran.stdout, "");
        assert_eq!(ran.stderr, "error: interrupted; the work was stopped at its sources\n");
    }
}

#[test]
fn a_time_limit_stops_the_query() {
    let place = place();
    let started = Instant::now();
    let ran = place.run(&["query", "--timeout", "1s", ENDLESS]);
    assert!(started.elapsed() < Duration::from_secs(8));
    assert_eq!(ran.code, Some(8), "{ran}");
    assert_eq!(place.run(&["query", "--timeout", "1s", BUSY]).code, Some(8));
    assert!(started.elapsed() < Duration::from_secs(16));
    let json = place.run(&["query", "--timeout", "1s", "--json", ENDLESS]);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "timeout");
    assert_eq!(error["error"]["exit_code"], 8);
}

#[test]
fn a_reader_that_stops_ends_the_query_quietly() {
    let place = place();
    let sql = "SELECT a.x, b.x AS y FROM lake.many a CROSS JOIN lake.many b";
    for format in ["table", "csv", "ndjson", "json"] {
        let mut child = place.spawn(&["query", "--format", format, sql]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_ne!(line, "");
        drop(stdout);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn logs_go_to_stderr() {
    let place = place();
    let ran = place.run(&["query", "-vvv", "--log-format", "json", "-F", "csv", "SELECT 1 AS a"]);
    assert_eq!(ran.stdout, "a\n1\n");
    for line in ran.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["target"].as_str().unwrap().starts_with("orbit"), "{line}");
    }
}

#[test]
fn colours_are_for_terminals() {
    let place = place();
    let plain = place.run(&["query", "SELECT * FROM lake.nothing"]);
    assert!(!plain.stderr.contains('\u{1b}'));
    let colored = place.run(&["--color", "always", "query", "SELECT * FROM lake.nothing"]);
    assert!(colored.stderr.contains('\u{1b}'));
}

#[test]
fn a_script_stops_at_the_first_failure() {
    let place = place();
    let script = "SELECT ';' AS a;\n-- a comment;\nSELECT 2\n AS b; SELECT nope; SELECT 3 AS c;\n";
    let ran = place.run_with_stdin(&["sql"], script);
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(ran.stdout.contains(" b ") && !ran.stdout.contains(" c "), "{ran}");
}

#[test]
fn a_script_of_many_lines_is_not_read_again_for_each() {
    let place = place();
    let script = format!("/*\n{}*/ SELECT 7 AS seven;\n", "x\n".repeat(100_000));
    let started = Instant::now();
    let ran = place.run_with_stdin(&["sql"], &script);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert!(ran.stdout.contains("seven"), "{ran}");
}

#[test]
fn broken_output_is_told() {
    let place = place();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place
        .command(&["query", "-F", "csv", "SELECT 1"])
        .stdout(Stdio::from(full))
        .output()
        .unwrap();
    let ran = place.clean(output);
    assert_eq!(ran.code, Some(12));
    insta::assert_snapshot!(ran.stderr, @"error: cannot write the output: no space left on device");
}
