//! Files of datasources: nothing is overwritten or deleted that nobody named.

mod common;

use common::Place;

#[test]
fn files_are_listed_and_read() {
    let place = Place::lake();
    let ran = place.run(&["ls", "lake:"]);
    let names: Vec<_> = ran.stdout.lines().map(|l| l.split_whitespace().last().unwrap()).collect();
    assert_eq!(names, ["customers.csv", "notes/", "orders.csv"]);
    let all = place.run(&["ls", "--recursive", "--json", "lake:"]).stdout;
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["entries"][1]["key"], "notes/readme.txt");
    assert_eq!(all["entries"][1]["size_bytes"], 6);
    let cut = place.run(&["ls", "--limit", "1", "lake:"]);
    assert_eq!(cut.stdout.lines().count(), 1);
    insta::assert_snapshot!(cut.stderr, @"note: the listing was cut at 1 entry by --limit; there are more");
    let none = place.run(&["ls", "--limit", "0", "lake:notes"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none}");
    assert!(none.stderr.contains("cut at 0 entries"), "{none}");
    assert_eq!(place.run(&["cat", "lake:notes/readme.txt"]).stdout, "hello\n");
    let missing = place.run(&["ls", "lake:nothing", "--json"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(5), ""), "{missing}");
    let empty = place.run(&["ls", "drop:", "--json"]).stdout;
    let empty: serde_json::Value = serde_json::from_str(&empty).unwrap();
    assert_eq!(empty["entries"], serde_json::json!([]));
}

#[test]
fn get_does_not_overwrite() {
    let place = Place::lake();
    let got = place.run(&["get", "lake:notes/readme.txt"]);
    assert_eq!((got.code, got.stderr.as_str()), (Some(0), "wrote: ./readme.txt (6 B)\n"), "{got}");
    let got = place.run(&["get", "lake:notes/readme.txt", "other.txt", "--json"]).stdout;
    let got: serde_json::Value = serde_json::from_str(&got).unwrap();
    assert_eq!(got, serde_json::json!({ "path": "other.txt", "size_bytes": 6 }));
    assert_eq!(place.read("readme.txt"), "hello\n");
    place.write("readme.txt", "mine");
    insta::assert_snapshot!("get_refused", place.run(&["get", "lake:notes/readme.txt"]));
    assert_eq!(place.read("readme.txt"), "mine");
    assert_eq!(place.run(&["get", "--force", "lake:notes/readme.txt"]).code, Some(0));
    assert_eq!(place.read("readme.txt"), "hello\n");
}

#[test]
fn put_does_not_overwrite() {
    let place = Place::lake();
    place.write("a.txt", "one");
    assert_eq!(place.run(&["put", "a.txt", "drop:in/"]).code, Some(0));
    assert_eq!(place.read("drop/in/a.txt"), "one");
    place.write("a.txt", "two");
    insta::assert_snapshot!("put_refused", place.run(&["put", "a.txt", "drop:in/a.txt"]));
    assert_eq!(place.read("drop/in/a.txt"), "one");
    assert_eq!(place.run(&["put", "--force", "a.txt", "drop:in/a.txt"]).code, Some(0));
    assert_eq!(place.read("drop/in/a.txt"), "two");
    let piped = place.run_with_stdin(&["put", "-", "drop:piped"], "three");
    assert_eq!((piped.code, place.read("drop/piped").as_str()), (Some(0), "three"));
}

#[test]
fn names_do_not_command_a_terminal() {
    let place = Place::lake();
    place.write("a.txt", "one");
    for args in [&["put", "a.txt", "drop:\u{1b}[2J"][..], &["cat", "drop:\u{1b}[2Jx"]] {
        let said = place.run(&[args, &["--color", "always"]].concat()).stderr;
        assert!(said.contains("\\u{1b}[2J") && !said.contains("\u{1b}[2J"), "{said}");
    }
}

#[test]
fn writing_needs_the_configuration() {
    let place = Place::lake();
    place.write("a.txt", "one");
    insta::assert_snapshot!("put_not_allowed", place.run(&["put", "a.txt", "lake:a.txt"]));
    assert_eq!(place.run(&["rm", "lake:orders.csv"]).code, Some(6));
    assert!(place.exists("lake/orders.csv") && !place.exists("lake/a.txt"));
}

#[test]
fn rm_does_not_recurse_unless_told() {
    let place = Place::lake();
    for name in ["drop/a/1", "drop/a/b/2", "drop/ab", "drop/c"] {
        place.write(name, "x");
    }
    insta::assert_snapshot!("rm_of_a_folder", place.run(&["rm", "drop:a"]));
    assert_eq!(place.run(&["rm", "drop:a/"]).code, Some(4));
    assert_eq!(place.run(&["rm", "drop:missing"]).code, Some(5));
    assert!(place.exists("drop/a/1"));
    assert_eq!(place.run(&["rm", "drop:c"]).code, Some(0));
    assert!(!place.exists("drop/c"));
    insta::assert_snapshot!("rm_recursive", place.run(&["rm", "-r", "drop:a"]));
    assert!(!place.exists("drop/a/1") && !place.exists("drop/a/b/2") && place.exists("drop/ab"));
    assert_eq!(place.run(&["rm", "-r", "drop:"]).code, Some(2));
    assert!(place.exists("drop/ab"));
}

#[test]
fn init_writes_a_lake_that_answers_and_never_overwrites() {
    let place = Place::empty();
    let ran = place.run(&["init", "demo"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let config = place.path("demo/datasources.yaml");
    let checked = place.run(&["check", "-c", config.to_str().unwrap()]);
    assert_eq!(checked.code, Some(0), "{checked}");
    assert!(place.exists("demo/sample-lake/nation.csv"));
    let sql = "SELECT count(*) AS n FROM lake.nation";
    let answer = place.run(&["query", "-c", config.to_str().unwrap(), "-F", "csv", sql]);
    assert_eq!(answer.stdout, "n\n25\n", "{answer}");
    place.write("demo/datasources.yaml", "mine");
    let again = place.run(&["init", "demo"]);
    assert_eq!((again.code, place.read("demo/datasources.yaml").as_str()), (Some(11), "mine"));
    assert_eq!(place.run(&["init", "demo", "--force"]).code, Some(0));
    assert_ne!(place.read("demo/datasources.yaml"), "mine");
}
