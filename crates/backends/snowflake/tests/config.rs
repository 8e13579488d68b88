//! Settings that are wrong are told by their key, all of them, without I/O.

use orbit_core::{Entry, KeyPath, Node, Origin, Settings, Value};
use orbit_snowflake::BACKEND;
use orbit_testkit::settings;

fn problems(
    texts: &[(&'static str, &str)],
    blocks: &[(&'static str, &[(&'static str, &str)])],
) -> String {
    let own = |texts: &[(&'static str, &str)]| {
        settings::texts(texts.iter().map(|(key, value)| (*key, (*value).to_owned())))
    };
    let mut root: Node = own(texts);
    if let Value::Map(entries) = &mut root.value {
        for (key, block) in blocks {
            let (key, node) = ((*key).to_owned(), own(block));
            entries.push(Entry { key, key_origin: Origin::Default, node });
        }
    }
    let settings = Settings::new(KeyPath::new("snow"), root);
    let problems = match (BACKEND.parse)(&settings) {
        Ok(config) => config.validate(&settings, &[]),
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn by_http(host: &'static str) -> String {
    let own = [("account", "a"), ("access_token", "t"), ("protocol", "http"), ("host", host)];
    problems(&own, &[])
}

fn tokens_from(url: &'static str) -> String {
    let block = [("token_url", url), ("client_id", "c"), ("client_secret", "s")];
    problems(&[("account", "a")], &[("oauth", block.as_slice())])
}

#[test]
fn what_is_wrong_is_told() {
    let cases = [
        problems(&[("account", "a"), ("user", "u"), ("password", "p")], &[]),
        problems(&[("account", "a")], &[]),
        problems(&[("account", "https://a.snowflakecomputing.com"), ("access_token", "t")], &[]),
        problems(&[("account", "a"), ("password", "p")], &[]),
        problems(&[("account", "a"), ("password", "p"), ("oauth_token", "t"), ("user", "u")], &[]),
        problems(&[("account", "a"), ("access_token", "t"), ("private_key_passphrase", "x")], &[]),
        problems(&[("account", "a"), ("access_token", "t"), ("protocol", "http")], &[]),
        by_http("127.0.0.1"),
        by_http("snowflake.example.com"),
        problems(&[("account", "a"), ("access_token", "t"), ("api_timeout", "0")], &[]),
        problems(&[("account", "a"), ("access_token", "t"), ("warehous", "w")], &[]),
        problems(
            &[("account", "a"), ("access_token", "t")],
            &[("session_parameters", &[("timezone", "Europe/Berlin"), ("LOCK_TIMEOUT", "1")])],
        ),
        problems(
            &[("account", "a"), ("access_token", "t")],
            &[("proxy", &[("url", "proxy:3128"), ("password", "p")])],
        ),
        tokens_from("https://login.example.com/token"),
        tokens_from("http://localhost:8080/token"),
        tokens_from("http://login.example.com/token"),
        tokens_from("login.example.com"),
    ];
    insta::assert_snapshot!(cases.join("\n--\n"));
}
