//! What is said when something is wrong: the datasource and the key, in time, and no panic.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use orbit_testkit::responders::Bucket;
use orbit_testkit::servers::{Certificates, HttpAnswer, HttpServer, free_port};

use crate::Check;
use crate::common::Ran;
use crate::desk::Desk;

pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("faults::who_asks_and_where", who_asks_and_where),
    ("faults::nobody_listens", nobody_listens),
    ("faults::ways_that_do_not_lead_there", ways_that_do_not_lead_there),
    ("faults::files_that_are_denied_or_change", files_that_are_denied_or_change),
    ("faults::files_that_are_no_parquet", files_that_are_no_parquet),
    ("faults::texts_that_do_not_keep_what_they_promise", texts_that_do_not_keep_what_they_promise),
    ("faults::a_text_without_an_end_ends", a_text_without_an_end_ends),
    ("faults::logs_that_cannot_be_trusted", logs_that_cannot_be_trusted),
    ("faults::tables_whose_files_are_damaged", tables_whose_files_are_damaged),
];

/// No refusal may take longer on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs commands that must fail, and tells what they said.
fn refusals(desk: &Desk, secret: &str, commands: &[&[&str]]) -> String {
    let mut text = String::new();
    for command in commands {
        let begin = Instant::now();
        let Ran { code, stdout, stderr } = desk.run_with_secret(command, secret);
        assert!(begin.elapsed() < LIMIT, "{command:?} took {:?}", begin.elapsed());
        assert!(stdout.is_empty(), "{command:?}\n{stdout}");
        assert!(!stderr.contains("panicked"), "{command:?}\n{stderr}");
        assert!(stderr.contains("store"), "the datasource is named: {stderr}");
        writeln!(text, "$ orbit {}\nexit code {}\n{stderr}", command.join(" "), code.unwrap())
            .unwrap();
    }
    text
}

fn query(sql: &str) -> [&str; 2] {
    ["query", sql]
}

fn who_asks_and_where(desk: &Desk) {
    desk.put("t.csv", "a\n1\n");
    let commands: [&[&str]; 3] =
        [&["ls", "store:"], &["cat", "store:t.csv"], &query("SELECT * FROM store.t")];
    insta::assert_snapshot!("wrong_secret", refusals(desk, "not the secret", &commands));
    let checked = desk.run_with_secret(&["check", "store"], "not the secret");
    assert_eq!(checked.code, Some(6), "{checked}");
    let secret = desk.server.secret_key();
    let elsewhere = ["--set", "datasources.store.bucket_name=nothing", "ls", "store:"];
    insta::assert_snapshot!("missing_bucket", refusals(desk, secret, &[&elsewhere]));
    let missing = refusals(
        desk,
        secret,
        &[
            &["cat", "store:no/such.csv"],
            &query("SELECT * FROM store.nothing"),
            &["rm", "store:no/such.csv"],
        ],
    );
    insta::assert_snapshot!("missing_file", missing);
}

fn nobody_listens(desk: &Desk) {
    let port = free_port().unwrap();
    desk.configure(&format!("http://127.0.0.1:{port}"), "");
    let secret = desk.server.secret_key();
    let commands: [&[&str]; 2] = [&["ls", "store:"], &query("SELECT * FROM store.t")];
    let text = refusals(desk, secret, &commands).replace(&port.to_string(), "[port]");
    insta::assert_snapshot!("nobody_listens", text);
}

/// A name that nobody has, a certificate that nobody trusts, another region, and credentials
/// that have run out.
fn ways_that_do_not_lead_there(desk: &Desk) {
    let made = match desk.runtime.block_on(Certificates::new()) {
        Ok(made) => made,
        Err(missing) => return drop(missing.completion().unwrap()),
    };
    let run_out = "<Error><Code>ExpiredToken</Code></Error>";
    let servers = desk.runtime.block_on(async {
        [
            HttpServer::start_secured(&made, |_| HttpAnswer::new(200, "")).await.unwrap(),
            HttpServer::start(|_| HttpAnswer::new(301, "")).await.unwrap(),
            HttpServer::start(move |_| HttpAnswer::new(400, run_out)).await.unwrap(),
        ]
    });
    let endpoints = servers.iter().map(HttpServer::endpoint);
    let mut text = String::new();
    // No name is so long, which the resolver knows without asking anybody.
    let nobody = format!("http://{}.invalid", "x".repeat(64));
    for endpoint in std::iter::once(nobody).chain(endpoints) {
        desk.configure(&endpoint, "");
        let commands: [&[&str]; 2] = [&["ls", "store:"], &query("SELECT * FROM store.t")];
        text += &refusals(desk, desk.server.secret_key(), &commands);
    }
    insta::assert_snapshot!("ways", text);
}

fn files_that_are_denied_or_change(desk: &Desk) {
    let bucket = desk.runtime.block_on(Bucket::start()).unwrap();
    desk.configure(&bucket.endpoint(), "");
    desk.orbit(&["query", "SELECT 1 AS a", "--output", "t.parquet"]);
    let file = std::fs::read(desk.place.path("t.parquet")).unwrap();
    for key in ["denied.parquet", "changes.parquet", "folder/denied.csv"] {
        bucket.put(key, file.clone());
    }
    bucket.deny("denied.parquet", desk.server.access_key());
    bucket.deny("folder/denied.csv", desk.server.access_key());
    bucket.keep_changing("changes.parquet");
    let name = ["--set", "datasources.store.bucket_name=bucket"];
    let with_name = |command: &[&'static str]| [&name[..], command].concat();
    let commands = [
        with_name(&["cat", "store:denied.parquet"]),
        with_name(&["query", "SELECT * FROM store.denied"]),
        with_name(&["query", "SELECT * FROM store.folder"]),
        with_name(&["query", "SELECT * FROM store.changes"]),
    ];
    let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
    insta::assert_snapshot!("denied_or_changed", refusals(desk, "any", &commands));
}

fn files_that_are_no_parquet(desk: &Desk) {
    let sql =
        "SELECT v AS id, md5(CAST(v AS varchar)) AS text FROM generate_series(0, 9999) AS t(v)";
    desk.orbit(&["query", sql, "--output", "whole.parquet"]);
    let whole = std::fs::read(desk.place.path("whole.parquet")).unwrap();
    let mut corrupted = whole.clone();
    for byte in &mut corrupted[whole.len() / 3..whole.len() / 2] {
        *byte ^= 0x5a;
    }
    let mut footer = whole.clone();
    for byte in &mut footer[whole.len() - 60..whole.len() - 40] {
        *byte = 0xff;
    }
    desk.put("zero.parquet", "");
    desk.put("cut.parquet", &whole[..whole.len() / 2]);
    desk.put("corrupted.parquet", corrupted);
    desk.put("footer.parquet", footer);
    desk.put("table/good.parquet", &whole);
    desk.put("table/bad.parquet", &whole[..100]);
    let commands: [&[&str]; 5] = [
        &query("SELECT count(*) FROM store.zero"),
        &query("SELECT count(*) FROM store.cut"),
        &query("SELECT sum(id), max(text) FROM store.corrupted"),
        &query("SELECT count(*) FROM store.footer"),
        &query("SELECT count(*) FROM store.\"table\""),
    ];
    insta::assert_snapshot!("no_parquet", refusals(desk, desk.server.secret_key(), &commands));
}

fn texts_that_do_not_keep_what_they_promise(desk: &Desk) {
    let numbers = "1\n".repeat(20_000);
    desk.put("late.csv", format!("a\n{numbers}oops\n"));
    desk.put("ragged.csv", "a,b\n1,2\n3\n");
    desk.put("wide.csv", [&b"\xff\xfe"[..], &b"a\x00\n\x001\x00"[..]].concat());
    let rows = "{\"a\":1}\n".repeat(20_000);
    desk.put("late.ndjson", format!("{rows}{{\"a\":\"oops\"}}\n"));
    desk.put("more.ndjson", format!("{rows}{{\"a\":2,\"b\":3}}\n"));
    desk.put("cut.json", "[{\"a\":1},{\"a\":");
    desk.put("packed.csv.gz", "this is not packed");
    let commands: [&[&str]; 7] = [
        &query("SELECT sum(a) FROM store.\"late.csv\""),
        &query("SELECT * FROM store.ragged"),
        &query("SELECT * FROM store.wide"),
        &query("SELECT sum(a) FROM store.\"late.ndjson\""),
        &query("SELECT sum(a) FROM store.more"),
        &query("SELECT * FROM store.cut"),
        &query("SELECT * FROM store.packed"),
    ];
    insta::assert_snapshot!("texts", refusals(desk, desk.server.secret_key(), &commands));
}

/// A megabyte that unpacks to hundreds of one line, or of one row.
fn a_text_without_an_end_ends(desk: &Desk) {
    let line = "printf '{\"a\":\"'; head -c 200000000 /dev/zero | tr '\\0' a";
    let quoted = "printf 'a\\n\"'; yes 'a line that is a part of a value' | head -c 200000000";
    let list = "printf '{\"a\":[\"1\"'; yes ', \"an item that is followed by others of its \
                kind, which are as long as it is\"' | head -c 200000000";
    for (name, text) in [
        ("bomb.csv.gz", line),
        ("bomb.ndjson.gz", line),
        ("quoted.csv.gz", quoted),
        ("list.ndjson.gz", list),
    ] {
        let script = format!("({text}) | gzip -1");
        let packed = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(packed.status.success() && packed.stdout.len() < 10_000_000);
        desk.put(name, packed.stdout);
    }
    let commands: [&[&str]; 4] = [
        &query("SELECT * FROM store.\"bomb.csv.gz\""),
        &query("SELECT * FROM store.\"bomb.ndjson.gz\""),
        &query("SELECT * FROM store.\"quoted.csv.gz\""),
        &query("SELECT * FROM store.\"list.ndjson.gz\""),
    ];
    insta::assert_snapshot!("bombs", refusals(desk, desk.server.secret_key(), &commands));
}

fn logs_that_cannot_be_trusted(desk: &Desk) {
    for table in ["hole", "torn", "empty"] {
        let name = format!("store.{table}");
        desk.orbit(&["delta", "create", &name, "--from", "SELECT 1 AS id"]);
        for id in ["SELECT 2 AS id", "SELECT 3 AS id"] {
            desk.orbit(&["delta", "append", &name, "--from", id]);
        }
    }
    let commit =
        |table: &str, version: u32| desk.object(&format!("{table}/_delta_log/{version:020}.json"));
    std::fs::remove_file(commit("hole", 1)).unwrap();
    let torn = std::fs::read(commit("torn", 2)).unwrap();
    std::fs::write(desk.place.path("torn.json"), &torn[..torn.len() - 20]).unwrap();
    // Through the program, so that its checksum fits.
    let key = "store:torn/_delta_log/00000000000000000002.json";
    desk.orbit(&["put", "--force", "torn.json", key]);
    std::fs::write(commit("empty", 2), "").unwrap();
    let append = ["delta", "append", "store.torn", "--from", "SELECT 4 AS id"];
    let commands: [&[&str]; 5] = [
        &query("SELECT * FROM store.hole"),
        &query("SELECT * FROM store.torn"),
        &query("SELECT * FROM store.empty"),
        &append,
        &["delta", "history", "store.hole"],
    ];
    let text = refusals(desk, desk.server.secret_key(), &commands);
    insta::assert_snapshot!("logs", text);
    assert_eq!(desk.csv("SELECT count(*) AS n FROM store.torn VERSION AS OF 1"), "n\n2\n");
}

fn tables_whose_files_are_damaged(desk: &Desk) {
    desk.orbit(&["delta", "create", "store.rotten", "--from", "SELECT 1 AS id"]);
    let data = desk.keys().into_iter().find(|key| key.starts_with("rotten/part-")).unwrap();
    let whole = std::fs::read(desk.object(&data)).unwrap();
    desk.put(&data, whole.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>());
    let damaged = refusals(desk, desk.server.secret_key(), &[&query("SELECT * FROM store.rotten")]);
    assert!(damaged.contains("error: store: ") && damaged.contains("rotten"), "{damaged}");
    std::fs::remove_file(desk.object(&data)).unwrap();
    let missing = refusals(desk, desk.server.secret_key(), &[&query("SELECT * FROM store.rotten")]);
    assert!(missing.contains("store: no such file (key: rotten/part-"), "{missing}");
}
