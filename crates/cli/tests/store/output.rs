//! Results written back: whole or not at all, and never over what is there unasked.

use orbit_testkit::servers::{HttpAnswer, HttpRequest, HttpServer};

use crate::Check;
use crate::desk::Desk;

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("output::a_file_is_not_overwritten", a_file_is_not_overwritten),
    ("output::writing_needs_the_configuration", writing_needs_the_configuration),
    ("output::a_failed_result_leaves_nothing", a_failed_result_leaves_nothing),
    ("output::an_interrupted_result_leaves_nothing", an_interrupted_result_leaves_nothing),
    ("output::what_may_be_anothers_is_left", what_may_be_anothers_is_left),
    ("output::folders_are_named_by_values", folders_are_named_by_values),
    ("output::parts_are_refused_where_they_cannot_be", parts_are_refused_where_they_cannot_be),
    ("output::a_local_folder_appears_whole", a_local_folder_appears_whole),
];

fn a_file_is_not_overwritten(desk: &Desk) {
    let to_store = ["--output", "store:x.csv"];
    desk.orbit(&[&["query", "SELECT 1 AS a"][..], &to_store].concat());
    let again = [&["query", "SELECT 2 AS a"][..], &to_store].concat();
    insta::assert_snapshot!("output_refused", desk.run(&again));
    assert_eq!(desk.orbit(&["cat", "store:x.csv"]), "a\n1\n");
    desk.orbit(&[&again[..], &["--force"]].concat());
    assert_eq!(desk.orbit(&["cat", "store:x.csv"]), "a\n2\n");
    let folder = desk.run(&["query", "SELECT 1", "-F", "csv", "--output", "store:out/"]);
    assert_eq!(folder.code, Some(2), "{folder}");
    let unknown = desk.run(&["query", "SELECT 1", "--output", "stroe:x.csv"]);
    assert!(unknown.stderr.contains("stroe"), "{unknown}");
    assert_eq!(desk.keys(), ["x.csv"]);
}

fn writing_needs_the_configuration(desk: &Desk) {
    let args = ["--set", "datasources.store.allow_writes=false", "query", "SELECT 1 AS a"];
    let refused = desk.run(&[&args[..], &["--output", "store:x.csv"]].concat());
    insta::assert_snapshot!("output_not_allowed", refused);
    assert_eq!(desk.keys(), [""; 0]);
}

/// A result of some megabytes that fails near its end.
const FAILING: &str = "SELECT v % 3 AS part, v, repeat(md5(CAST(v AS varchar)), 8) AS text, \
    1 / (199999 - v) AS one FROM generate_series(0, 199999) AS t(v)";

fn a_failed_result_leaves_nothing(desk: &Desk) {
    for output in ["store:x.parquet", "store:x.csv", "store:x.arrow"] {
        let failed = desk.run(&["query", FAILING, "--output", output]);
        assert_eq!(failed.code, Some(4), "{failed}");
        assert!(failed.stderr.contains("divide by zero"), "{failed}");
    }
    let parts = ["--output", "store:x", "--partition-by", "part"];
    let failed = desk.run(&[&["query", FAILING][..], &parts].concat());
    assert_eq!(failed.code, Some(4), "{failed}");
    // The first value's file is written before the second's fails.
    let late = "SELECT v AS part, 1 / (7 - v) AS one FROM generate_series(0, 9) AS t(v)";
    let failed = desk.run(&[&["query", late][..], &parts].concat());
    assert_eq!(failed.code, Some(4), "{failed}");
    assert_eq!(desk.keys(), [""; 0]);
    assert_eq!(desk.server.left_of_uploads(), [""; 0].map(std::path::PathBuf::from));
}

#[expect(clippy::disallowed_methods, reason = "this thread has no worker to block")]
fn an_interrupted_result_leaves_nothing(desk: &Desk) {
    let endless = "SELECT a.v, repeat(md5(CAST(b.v AS varchar)), 8) AS text \
        FROM generate_series(0, 999999) AS a(v), generate_series(0, 999999) AS b(v)";
    let mut command = desk.place.command(&["query", endless, "--output", "store:x.csv"]);
    let mut child = command.env("STORE_SECRET", desk.server.secret_key()).spawn().unwrap();
    let begun = || !desk.server.left_of_uploads().is_empty();
    let waited = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        begun()
    });
    assert!(waited, "no upload has begun");
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(desk.keys(), [""; 0]);
    assert_eq!(desk.server.left_of_uploads(), [""; 0].map(std::path::PathBuf::from));
}

/// The first value's file is written; whether the second's is, the store does not say.
fn what_may_be_anothers_is_left(desk: &Desk) {
    let is_second = |text: &str| text.contains("part=1") || text.contains("part%3D1");
    let answer = move |request: &HttpRequest| match request.method.as_str() {
        "HEAD" => HttpAnswer::new(404, ""),
        "PUT" if is_second(&request.path) => HttpAnswer::new(500, ""),
        "PUT" => HttpAnswer::new(200, "").with("etag", "\"1\""),
        "POST" => HttpAnswer::new(200, "<DeleteResult></DeleteResult>"),
        "DELETE" => HttpAnswer::new(204, ""),
        _ => HttpAnswer::new(200, "<ListBucketResult></ListBucketResult>"),
    };
    let server = desk.runtime.block_on(HttpServer::start(answer)).unwrap();
    desk.configure(&server.endpoint(), "");
    let sql = "SELECT v AS part, v FROM generate_series(0, 1) AS t(v)";
    let failed = desk.run(&["query", sql, "--output", "store:x", "--partition-by", "part"]);
    assert_ne!(failed.code, Some(0), "{failed}");
    assert!(failed.stderr.contains("whether `x/part=1/part-0.parquet` was written"), "{failed}");
    let seen = server.seen();
    let removals = seen.iter().filter(|request| ["POST", "DELETE"].contains(&&*request.method));
    let removed: Vec<_> = removals
        .map(|request| format!("{} {}", request.path, String::from_utf8_lossy(&request.body)))
        .collect();
    assert!(!removed.is_empty() && !removed.iter().any(|text| is_second(text)), "{removed:?}");
}

fn folders_are_named_by_values(desk: &Desk) {
    let sql = "SELECT * FROM (VALUES (1, 'a/b c', DATE '2026-01-31'), (2, 'ä=%', NULL), \
        (3, '', DATE '2026-01-31'), (4, 'a/b c', DATE '2026-01-31'), (5, NULL, NULL)) \
        AS v(id, word, day)";
    let output = ["--output", "store:out/words", "--partition-by", "day,word"];
    desk.orbit(&[&["query", sql][..], &output].concat());
    insta::assert_debug_snapshot!("folders", desk.keys());
    let back = "SELECT id, word, day FROM store.out.words ORDER BY id";
    assert_eq!(
        desk.csv(back),
        "id,word,day\n1,a/b c,2026-01-31\n2,ä=%,\n3,\"\",2026-01-31\n4,a/b c,2026-01-31\n5,,\n"
    );
    let again = desk.run(&[&["query", sql][..], &output].concat());
    insta::assert_snapshot!("folder_not_empty", again);
    // An empty text and NULL are one in CSV.
    for (format, words) in [("csv", 3), ("ndjson", 4), ("arrow", 4)] {
        let output = format!("store:{format}s");
        let output = ["--output", &output, "--partition-by", "id", "--format", format];
        desk.orbit(&[&["query", sql][..], &output].concat());
        let sql = format!("SELECT count(*) AS n, sum(id) AS s, count(word) AS w FROM {format}s");
        assert_eq!(desk.csv(&sql), format!("n,s,w\n5,15,{words}\n"), "{format}");
    }
}

fn parts_are_refused_where_they_cannot_be(desk: &Desk) {
    let refused = |sql: &str, columns: &str| {
        let args = ["query", sql, "--output", "store:out", "--partition-by", columns];
        let ran = desk.run(&args);
        format!("{columns}: {}\n{}", ran.code.unwrap(), ran.stderr)
    };
    let said = [
        refused("SELECT 1 AS a, 2 AS b", "c"),
        refused("SELECT 1 AS a, 2 AS b", "a,b"),
        refused("SELECT CAST(1.5 AS double) AS a, 2 AS b", "a"),
        refused("SELECT 1 AS \"a/b\", 2 AS b", "a/b"),
        refused("SELECT 1 AS a, 2 AS b, 3 AS b", "a"),
        refused("SELECT '__HIVE_DEFAULT_PARTITION__' AS a, 2 AS b", "a"),
    ];
    insta::assert_snapshot!("parts_refused", said.concat());
    assert_eq!(desk.keys(), [""; 0]);
}

fn a_local_folder_appears_whole(desk: &Desk) {
    let sql = "SELECT v % 3 AS part, v FROM generate_series(0, 99999) AS t(v)";
    let output = ["--output", "here", "--partition-by", "part"];
    desk.orbit(&[&["query", sql][..], &output].concat());
    let sql_back = "SELECT part, count(*) AS n FROM 'here' GROUP BY part ORDER BY part";
    assert_eq!(desk.csv(sql_back), "part,n\n0,33334\n1,33333\n2,33333\n");
    assert_eq!(desk.run(&[&["query", sql][..], &output].concat()).code, Some(11));
    let failing = ["query", FAILING, "--output", "there", "--partition-by", "part"];
    assert_eq!(desk.run(&failing).code, Some(4));
    let left: Vec<_> = std::fs::read_dir(desk.place.path(".")).unwrap().collect();
    let names: Vec<_> = left.into_iter().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name != "there"), "{names:?}");
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("partial")), "{names:?}");
}
