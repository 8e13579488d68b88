//! What goes wrong between here and the service: the right rows, or an error that says so.
//! Against the responder of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use std::time::Duration;

use common::scripted::{SELECT, Stage, connect, ids, numbers, pieces};
use futures::StreamExt;
use orbit_core::{Context, Error, ErrorKind, Query, Retry};
use orbit_testkit::responders::{Answer, Snowflake, gzip, ipc};
use orbit_testkit::servers::{HttpAnswer, HttpRequest};
use serde_json::json;

fn failed<T>(result: Result<T, Error>) -> (ErrorKind, Error) {
    let error = result.err().expect("it fails");
    (error.kind(), error)
}

#[tokio::test]
async fn pieces_come_in_order_the_first_rows_first() {
    let stage = Stage::new().await;
    let lengths: Vec<_> = (1..40).collect();
    let answer = pieces(7, &lengths);
    let all: Vec<_> = (0..answer.total as i64).collect();
    let late = answer.chunks.clone();
    stage.responder.answer(SELECT, answer);
    stage.responder.fault(move |request, _| {
        // Each third piece comes after those that follow it.
        let index: usize = request.route().strip_prefix("/chunk/01-0/")?.parse().ok()?;
        let reply = HttpAnswer::new(200, late[index].0.clone());
        index.is_multiple_of(3).then(|| reply.after(Duration::from_millis(30)))
    });
    assert_eq!(stage.ids().await.unwrap(), all);
}

#[tokio::test]
async fn compressed_pieces_are_read() {
    let stage = Stage::new().await;
    let mut answer = pieces(0, &[10, 20]);
    answer.chunks[1].0 = gzip(&answer.chunks[1].0).unwrap();
    stage.responder.answer(SELECT, answer);
    assert_eq!(stage.ids().await.unwrap(), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn broken_pieces_are_errors() {
    let whole = pieces(5, &[10, 20, 30]);
    let cut = |body: &bytes::Bytes, at: usize| body.slice(..at);
    let gz = gzip(&whole.chunks[1].0).unwrap();
    let mut flipped = gz.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let fewer = ipc(&[numbers(15..34)]).unwrap();
    let more = ipc(&[numbers(15..36)]).unwrap();
    let none = ipc(&[numbers(0..0)]).unwrap();
    let other = &whole.chunks[2].0;
    let cases = [
        ("truncated gzip", cut(&gz, gz.len() - 5), ErrorKind::DataInvalid),
        ("truncated arrow", cut(&whole.chunks[1].0, 200), ErrorKind::DataInvalid),
        ("a flipped byte", flipped.into(), ErrorKind::DataInvalid),
        ("fewer rows", fewer, ErrorKind::Truncated),
        ("more rows", more, ErrorKind::DataInvalid),
        ("no rows", none, ErrorKind::Truncated),
        ("nothing", bytes::Bytes::new(), ErrorKind::Truncated),
        ("another piece", other.clone(), ErrorKind::DataInvalid),
        ("a page", "<html>log in</html>".into(), ErrorKind::DataInvalid),
    ];
    for (what, body, kind) in cases {
        let stage = Stage::new().await;
        let mut answer = whole.clone();
        answer.chunks[1].0 = body;
        stage.responder.answer(SELECT, answer);
        let (got, error) = failed(stage.ids().await);
        assert_eq!(got, kind, "{what}: {error}");
    }
}

#[tokio::test]
async fn missing_and_doubled_pieces_are_errors() {
    for (index, kind) in [(None, ErrorKind::Truncated), (Some(1), ErrorKind::DataInvalid)] {
        let stage = Stage::new().await;
        let mut answer = pieces(5, &[10, 20, 30]);
        match index {
            None => drop(answer.chunks.remove(1)),
            Some(index) => answer.chunks.insert(index, answer.chunks[index].clone()),
        }
        stage.responder.answer(SELECT, answer);
        assert_eq!(failed(stage.ids().await).0, kind);
    }
}

#[tokio::test]
async fn pieces_in_another_order_are_an_error() {
    let stage = Stage::new().await;
    let mut answer = pieces(5, &[10, 20, 30]);
    let first = answer.chunks[0].0.clone();
    answer.chunks[0].0 = std::mem::replace(&mut answer.chunks[2].0, first);
    stage.responder.answer(SELECT, answer);
    assert_eq!(failed(stage.ids().await).0, ErrorKind::DataInvalid);
}

#[tokio::test]
async fn a_turned_bit_never_costs_a_row() {
    let whole = pieces(0, &[10]);
    let body = whole.chunks[0].0.clone();
    for at in (0..body.len()).step_by(7) {
        let stage = Stage::new().await;
        let (mut turned, mut answer) = (body.to_vec(), whole.clone());
        turned[at] ^= 0x10;
        answer.chunks[0].0 = turned.into();
        stage.responder.answer(SELECT, answer);
        // Plain Arrow has no sum to check values by, but for the connection's own.
        match stage.ids().await {
            Ok(ids) => assert_eq!(ids.len(), 10, "byte {at}"),
            Err(error) => assert_ne!(error.kind(), ErrorKind::Unexpected, "byte {at}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_piece_whose_connection_breaks_is_fetched_again() {
    let stage = Stage::new().await;
    let answer = pieces(0, &[10, 20]);
    let body = answer.chunks[1].0.clone();
    stage.responder.answer(SELECT, answer);
    stage.responder.fault(move |request, before| {
        (request.route() == "/chunk/01-0/1" && before == 0)
            .then(|| HttpAnswer::new(200, body.clone()).cut_at(100))
    });
    assert_eq!(stage.ids().await.unwrap(), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn links_that_ran_out_are_asked_for_again() {
    let stage = Stage::with(&[("chunks_ahead_max", "1".to_owned())]).await;
    let lengths = [10; 20];
    stage.responder.answer(SELECT, pieces(0, &lengths));
    let cx = Context::builder().build();
    let mut stream = stage.query(&cx).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    stage.responder.expire_links();
    let rest = ids(stream).await.unwrap();
    assert_eq!(first.num_rows() + rest.len(), 200);
    assert_eq!(rest.last(), Some(&199));
    assert_eq!(stage.responder.seen().count("/queries/01-0/result"), 1);
}

#[tokio::test]
async fn refused_links_end_it() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(0, &[10]));
    stage.responder.fault(|request, _| {
        let page = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
        request.route().starts_with("/chunk/").then(|| HttpAnswer::new(403, page))
    });
    let (kind, error) = failed(stage.ids().await);
    assert_eq!(kind, ErrorKind::PermissionDenied, "{error}");
    assert_eq!(stage.responder.seen().count("/chunk/"), 3);
}

#[tokio::test]
async fn no_rows_keep_their_columns() {
    let stage = Stage::new().await;
    let mut answer = pieces(0, &[]);
    answer.inline = bytes::Bytes::new();
    stage.responder.answer(SELECT, answer);
    let stream = stage.query(&Context::builder().build()).await.unwrap();
    assert_eq!(stream.schema().field(0).name(), "ID");
    assert!(ids(stream).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_result_says_how_many_rows_it_has() {
    let stage = Stage::new().await;
    let fields = json!({ "total": null });
    stage.responder.answer(SELECT, Answer { fields, ..pieces(3, &[5]) });
    assert_eq!(failed(stage.ids().await).0, ErrorKind::DataInvalid);
}

#[tokio::test]
async fn two_thousand_columns() {
    let stage = Stage::new().await;
    let column =
        |i| json!({ "name": format!("C{i}"), "type": "fixed", "precision": 9, "scale": 0 });
    let row_type: Vec<_> = (0..2000).map(column).collect();
    let array = || numbers(0..3).column(0).clone();
    let columns = (0..2000).map(|i| (format!("C{i}"), array()));
    let batch = arrow_array::RecordBatch::try_from_iter(columns).unwrap();
    let (inline, total) = (ipc(&[batch]).unwrap(), 3);
    let answer = Answer { row_type: row_type.into(), inline, total, ..Answer::default() };
    stage.responder.answer(SELECT, answer);
    let mut stream = stage.query(&Context::builder().build()).await.unwrap();
    let batch = stream.next().await.unwrap().unwrap();
    assert_eq!((batch.num_columns(), batch.num_rows()), (2000, 3));
}

/// Answers the first `times` requests to `path` so.
fn at_first(
    path: &'static str,
    times: usize,
    reply: impl Fn() -> HttpAnswer + Send + Sync + 'static,
) -> impl Fn(&HttpRequest, usize) -> Option<HttpAnswer> + Send + Sync + 'static {
    move |request, before| (request.route() == path && before < times).then(&reply)
}

const QUERY: &str = "/queries/v1/query-request";

/// A moment some seconds ahead in a form of HTTP's.
fn moment(form: &str, ahead: u64) -> String {
    let moment = std::time::SystemTime::now() + Duration::from_secs(ahead);
    chrono::DateTime::<chrono::Utc>::from(moment).format(form).to_string()
}

/// A statement that is refused once, with these words, and runs when it is sent again.
async fn waited_out(status: u16, name: &'static str, value: String, least_ms: u64) {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(3, &[]));
    let said = value.clone();
    let reply = move || HttpAnswer::new(status, "").with(name, said.clone());
    stage.responder.fault(at_first(QUERY, 1, reply));
    let begun = std::time::Instant::now();
    assert_eq!(stage.ids().await.unwrap(), [0, 1, 2]);
    assert!(begun.elapsed() >= Duration::from_millis(least_ms), "{name}: {value}");
    let seen = stage.responder.seen();
    let sent: Vec<_> = seen.requests.iter().filter(|r| r.contains(QUERY)).collect();
    assert!(sent[1].contains("retryCount=1"), "{sent:?}");
    let id = |line: &str| line.split("requestId=").nth(1).map(|rest| rest[..36].to_owned());
    assert_eq!(id(sent[0]), id(sent[1]), "the same statement keeps its id");
}

#[tokio::test]
async fn storms_are_waited_out_in_every_form() {
    let forms = [
        (429, "retry-after", "1".to_owned(), 900),
        (503, "retry-after", "0.7".to_owned(), 650),
        (503, "retry-after", moment("%a, %d %b %Y %H:%M:%S GMT", 3), 900),
        (429, "retry-after", moment("%A, %d-%b-%y %H:%M:%S GMT", 3), 900),
        (503, "retry-after", moment("%a %b %e %H:%M:%S %Y", 3), 900),
        (503, "retry-after-ms", "700".to_owned(), 650),
        (429, "x-ms-retry-after-ms", "700".to_owned(), 650),
        (429, "retry-after", "nonsense".to_owned(), 0),
        (503, "retry-after", moment("%a, %d %b 1994 %H:%M:%S GMT", 0), 0),
    ];
    let all = forms.map(|(status, name, value, least)| waited_out(status, name, value, least));
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn endless_storms_end_in_an_error() {
    for (value, sent) in [("0", 4), ("3600", 1)] {
        let stage = Stage::new().await;
        let reply = move || HttpAnswer::new(429, "").with("retry-after", value);
        stage.responder.fault(at_first(QUERY, usize::MAX, reply));
        let (kind, error) = failed(stage.ids().await);
        assert_eq!((kind, error.retry()), (ErrorKind::RateLimited, Retry::Exhausted), "{error}");
        assert_eq!(stage.responder.seen().count(QUERY), sent);
    }
}

#[tokio::test]
async fn what_may_have_begun_is_not_sent_again() {
    let replies = [HttpAnswer::new(502, ""), HttpAnswer::new(200, "{\"data\": {}}").cut_at(4)];
    for reply in replies {
        let stage = Stage::new().await;
        stage.responder.answer(SELECT, pieces(3, &[]));
        stage.responder.fault(at_first(QUERY, 1, move || reply.clone()));
        let (kind, error) = failed(stage.ids().await);
        assert_eq!(kind, ErrorKind::Unavailable, "{error}");
        assert_eq!(stage.responder.seen().count(QUERY), 1);
    }
}

#[tokio::test]
async fn a_login_page_is_no_answer() {
    let page = || HttpAnswer::new(200, "<!doctype html><title>Sign in</title>");
    for path in [QUERY, "/queries/01-0/result"] {
        let stage = Stage::new().await;
        stage.responder.answer(SELECT, Answer { polls: 2, ..pieces(3, &[]) });
        stage.responder.fault(at_first(path, usize::MAX, page));
        let (kind, error) = failed(stage.ids().await);
        assert_eq!(kind, ErrorKind::Unavailable, "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("proxy")), "{error}");
    }
    let responder = Snowflake::start().await.unwrap();
    responder.fault(move |_, _| Some(page()));
    let (kind, _) = failed(connect(responder.port(), &[("password", "x".to_owned())]).await);
    assert_eq!(kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stage = Stage::new().await;
    let reply = || HttpAnswer::new(302, "").with("location", "http://127.0.0.1:1/");
    stage.responder.fault(at_first(QUERY, 1, reply));
    assert_eq!(failed(stage.ids().await).0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn results_elsewhere_are_not_asked_for_with_our_token() {
    let stage = Stage::new().await;
    let reply = || {
        let data = json!({ "queryId": "01-0", "getResultUrl": "http://localhost:1/steal" });
        let body = json!({ "data": data, "code": "333333", "success": true });
        HttpAnswer::new(200, body.to_string())
    };
    stage.responder.fault(at_first(QUERY, 1, reply));
    assert_eq!(failed(stage.ids().await).0, ErrorKind::DataInvalid);
}

#[tokio::test]
async fn a_service_that_goes_while_it_is_asked_is_an_error() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 1000, ..pieces(1, &[]) });
    let cx = Context::builder().build();
    let Stage { responder, datasource } = stage;
    let sql = datasource.facets().sql.unwrap();
    let running = sql.query(&cx, Query::statement(SELECT, orbit_core::Effect::Read));
    let gone = async {
        while responder.seen().count("/queries/01-0/result") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        responder.fault(|_, _| Some(HttpAnswer::new(502, "")));
    };
    let (answered, ()) = tokio::join!(running, gone);
    let (kind, error) = failed(answered);
    assert_eq!((kind, error.retry()), (ErrorKind::Unavailable, Retry::Exhausted), "{error}");
}

#[tokio::test]
async fn wrong_credentials_and_names_are_told_apart() {
    let cases = [
        ("390100", ErrorKind::Unauthenticated),
        ("390144", ErrorKind::Unauthenticated),
        ("390318", ErrorKind::Unauthenticated),
        ("390189", ErrorKind::PermissionDenied),
        ("390201", ErrorKind::PermissionDenied),
    ];
    for (code, kind) in cases {
        let responder = Snowflake::start().await.unwrap();
        responder.fault(move |_, _| {
            let body = json!({ "data": null, "code": code, "message": "no", "success": false });
            Some(HttpAnswer::new(200, body.to_string()))
        });
        let own = [("password", "x".to_owned())];
        let (got, error) = failed(connect(responder.port(), &own).await);
        assert_eq!(got, kind, "{error}");
        assert_eq!(error.vendor_code(), Some(code));
        assert_eq!(responder.seen().requests.len(), 1, "a wrong password is sent once");
    }
    let responder = Snowflake::start().await.unwrap();
    responder.fault(|_, _| Some(HttpAnswer::new(403, "<html>Forbidden</html>")));
    let (_, error) = failed(connect(responder.port(), &[("password", "x".to_owned())]).await);
    assert!(error.hint().is_some_and(|hint| hint.contains("account")), "{error}");
}
