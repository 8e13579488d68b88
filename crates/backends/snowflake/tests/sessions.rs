//! Sessions, statements that take long, and callers who go. Against the responder of ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "each test binary uses a part of it")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use common::scripted::{SELECT, Stage, connect, pieces};
use futures::StreamExt;
use orbit_core::{Context, Effect, ErrorKind, Query, Reporter, Tally};
use orbit_testkit::responders::{Answer, Snowflake};
use orbit_testkit::servers::{HttpAnswer, HttpRequest};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const RENEWAL: &str = "/session/token-request";

#[tokio::test]
async fn an_expired_session_is_renewed_once_for_all() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(3, &[]));
    stage.ids().await.unwrap();
    stage.responder.expire_sessions();
    let all = futures::future::join_all((0..20).map(|_| stage.ids())).await;
    assert!(all.iter().all(|ids| ids.as_ref().is_ok_and(|ids| ids.len() == 3)), "{all:?}");
    let seen = stage.responder.seen();
    assert_eq!((seen.renewals, seen.logins.len()), (1, 1));
}

#[tokio::test]
async fn a_session_that_cannot_be_renewed_is_opened_anew() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(3, &[]));
    stage.responder.expire_sessions();
    stage.responder.fault(|request, _| {
        let body = json!({ "data": null, "code": "390114", "message": "ended", "success": false });
        (request.route() == RENEWAL).then(|| HttpAnswer::new(200, body.to_string()))
    });
    assert_eq!(stage.ids().await.unwrap().len(), 3);
    assert_eq!(stage.responder.seen().logins.len(), 2);
}

#[tokio::test]
async fn sessions_that_are_all_refused_end_in_an_error() {
    for status in [200, 401] {
        let stage = Stage::new().await;
        stage.responder.fault(move |request, _| {
            let body = json!({ "data": null, "code": "390112", "message": "x", "success": false });
            let query = request.route().starts_with("/queries/");
            query.then(|| HttpAnswer::new(status, body.to_string()))
        });
        let error = stage.ids().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert_eq!(stage.responder.seen().count("/queries/v1/query-request"), 3);
    }
}

#[tokio::test]
async fn a_session_that_expires_while_a_statement_runs() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 3, ..pieces(3, &[5]) });
    let expire = async {
        while stage.responder.seen().count("/queries/01-0/result") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage.responder.expire_sessions();
    };
    let (ids, ()) = tokio::join!(stage.ids(), expire);
    assert_eq!(ids.unwrap().len(), 8);
    let seen = stage.responder.seen();
    assert_eq!((seen.statements.len(), seen.renewals), (1, 1));
}

#[tokio::test]
async fn a_session_that_is_revoked_while_a_statement_runs() {
    let cases = [(401, 1, true), (401, usize::MAX, false), (200, usize::MAX, false)];
    for (status, revoked, ends_well) in cases {
        let stage = Stage::new().await;
        stage.responder.answer(SELECT, Answer { polls: 3, ..pieces(3, &[5]) });
        stage.responder.fault(move |request, before| {
            let body = json!({ "data": null, "code": "390111", "message": "x", "success": false });
            let asked = request.route() == "/queries/01-0/result" && before < revoked;
            asked.then(|| HttpAnswer::new(status, body.to_string()))
        });
        let answered = stage.ids().await;
        let seen = stage.responder.seen();
        assert_eq!(seen.statements.len(), 1, "it is not sent again");
        match ends_well {
            true => assert_eq!((answered.unwrap().len(), seen.logins.len()), (8, 2)),
            false => {
                assert_eq!(answered.unwrap_err().kind(), ErrorKind::Unauthenticated);
                assert_eq!(aborted(&stage).await, [request_id(&stage)], "it may still run");
            }
        }
    }
}

#[tokio::test]
async fn what_changes_meaning_is_fixed_in_each_session() {
    let stage = Stage::with(&[("query_tag", "tagged".to_owned())]).await;
    stage.responder.answer(SELECT, pieces(1, &[]));
    stage.ids().await.unwrap();
    let seen = stage.responder.seen();
    insta::assert_json_snapshot!(seen.logins[0]["SESSION_PARAMETERS"]);
    assert_eq!(seen.statements[0]["parameters"]["QUERY_TAG"], "tagged");
}

async fn aborted(stage: &Stage) -> Vec<String> {
    for _ in 0..500 {
        let seen = stage.responder.seen();
        if !seen.aborted.is_empty() {
            return seen.aborted;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the statement was not cancelled within 5 s");
}

fn request_id(stage: &Stage) -> String {
    let seen = stage.responder.seen();
    let line = seen.requests.iter().find(|r| r.contains("query-request")).expect("it was sent");
    line.split("requestId=").nth(1).expect("it has an id")[..36].to_owned()
}

#[tokio::test]
async fn a_caller_who_goes_while_signing_in() {
    let responder = Snowflake::start().await.unwrap();
    responder.fault(|request, _| {
        let data = json!({ "token": "session-canary-0", "masterToken": "master-canary" });
        let body = json!({ "data": data, "code": null, "success": true });
        let reply = HttpAnswer::new(200, body.to_string()).after(Duration::from_secs(1));
        request.route().ends_with("login-request").then_some(reply)
    });
    let asked = async {
        while responder.seen().count("/session/v1/login-request") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let own = [("password", "password-canary".to_owned())];
    tokio::select! {
        connected = connect(responder.port(), &own) => panic!("{connected:?}"),
        () = asked => {}
    }
    for _ in 0..500 {
        if responder.seen().logouts == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the session was not ended within 5 s");
}

#[tokio::test]
async fn a_caller_who_goes_while_it_runs() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 1000, ..pieces(3, &[]) });
    let cx = Context::builder().build();
    let waited = tokio::time::timeout(Duration::from_millis(300), stage.query(&cx)).await;
    assert!(waited.is_err());
    assert_eq!(aborted(&stage).await, [request_id(&stage)]);
}

#[tokio::test]
async fn a_caller_who_goes_before_the_first_answer() {
    let stage = Stage::new().await;
    stage.responder.fault(|request, _| {
        let submit = request.route().ends_with("query-request");
        submit.then(|| HttpAnswer::new(200, "{}").after(Duration::from_secs(60)))
    });
    let token = CancellationToken::new();
    let cx = Context::builder().cancellation(token.clone()).build();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel();
    };
    let (answered, ()) = tokio::join!(stage.query(&cx), cancel);
    assert_eq!(answered.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(aborted(&stage).await, [request_id(&stage)]);
}

#[tokio::test]
async fn a_caller_who_goes_while_pieces_come() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(3, &[10; 50]));
    let cx = Context::builder().build();
    let mut stream = stage.query(&cx).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(aborted(&stage).await, [request_id(&stage)]);
    let fetched = stage.responder.seen().count("/chunk/");
    assert!(fetched < 50, "{fetched} pieces were fetched for nobody");
}

#[tokio::test]
async fn a_cancel_that_comes_too_early_is_sent_again() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 1000, ..pieces(3, &[]) });
    stage.responder.fault(|request, before| {
        let body = json!({ "data": null, "code": "000605", "message": "x", "success": false });
        let early = request.route().ends_with("abort-request") && before == 0;
        early.then(|| HttpAnswer::new(200, body.to_string()))
    });
    let cx = Context::builder().timeout(Duration::from_millis(200)).build();
    let error = stage.query(&cx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    stage.datasource.close().await.unwrap();
    let id = request_id(&stage);
    assert_eq!(stage.responder.seen().aborted, [id.clone(), id]);
}

/// The service has nothing to cancel.
fn nothing_runs(request: &HttpRequest) -> Option<HttpAnswer> {
    let body = json!({ "data": null, "code": "000605", "message": "x", "success": false });
    let asked = request.route().ends_with("abort-request");
    asked.then(|| HttpAnswer::new(200, body.to_string()))
}

#[tokio::test]
async fn what_has_answered_is_cancelled_once() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(3, &[10; 50]));
    stage.responder.fault(|request, _| nothing_runs(request));
    let mut stream = stage.query(&Context::builder().build()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    stage.datasource.close().await.unwrap();
    assert_eq!(stage.responder.seen().aborted.len(), 1);
}

#[tokio::test]
async fn a_cancel_waits_for_no_other_request() {
    let stage = Stage::with(&[("connection_pool_size", "1".to_owned())]).await;
    stage.responder.fault(|request, _| {
        let submit = request.route().ends_with("query-request");
        submit.then(|| HttpAnswer::new(200, "{}").after(Duration::from_secs(60)))
    });
    let cx = Context::builder().build();
    let (first, second) = (stage.query(&cx), stage.query(&cx));
    tokio::pin!(second);
    let both = async { tokio::join!(first, second.as_mut()) };
    assert!(tokio::time::timeout(Duration::from_millis(200), both).await.is_err());
    let waits = tokio::time::timeout(Duration::from_secs(3), second);
    let (waited, aborted) = tokio::join!(waits, aborted(&stage));
    assert!(waited.is_err(), "the second statement took the first one's turn");
    assert_eq!(aborted, [request_id(&stage)]);
}

#[tokio::test]
async fn credentials_that_are_refused_are_shown_once() {
    let stage = Stage::new().await;
    stage.responder.fault(|request, before| {
        let code = match request.route() {
            "/session/v1/login-request" if before > 0 => "390100",
            "/session" => return None,
            _ => "390111",
        };
        let body = json!({ "data": null, "code": code, "message": "x", "success": false });
        Some(HttpAnswer::new(200, body.to_string()))
    });
    assert_eq!(stage.ids().await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    stage.datasource.close().await.unwrap();
    assert_eq!(stage.responder.seen().count("/session/v1/login-request"), 2);
}

#[tokio::test]
async fn closing_waits_for_callers_who_are_going() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(3, &[10; 50]));
    let stream = stage.query(&Context::builder().build()).await.unwrap();
    // Aborted, it drops the stream only when the runtime comes to it.
    let caller = tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    tokio::task::yield_now().await;
    caller.abort();
    stage.datasource.close().await.unwrap();
    let requests = stage.responder.seen().requests;
    let at = |path: &str| requests.iter().position(|line| line.contains(path));
    assert!(at("abort-request").is_some_and(|cancel| Some(cancel) < at("delete=true")));
}

/// Below what closing would wait for a cancel, and above what a busy machine needs for one.
const AT_ONCE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn closing_ends_what_nobody_reads_on() {
    for (text, effect, sessions) in [(SELECT, Effect::Read, 1), ("CALL p()", Effect::Write, 2)] {
        let stage = Stage::new().await;
        stage.responder.answer(text, pieces(3, &[10; 50]));
        let cx = Context::builder().build();
        let mut held = stage.sql().query(&cx, Query::statement(text, effect)).await.unwrap();
        let begun = std::time::Instant::now();
        stage.datasource.close().await.unwrap();
        assert!(begun.elapsed() < AT_ONCE, "{text}: {:?}", begun.elapsed());
        let error = held.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        drop(held);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = stage.responder.seen();
        assert_eq!(seen.aborted, [request_id(&stage)]);
        assert_eq!((seen.logins.len(), seen.logouts), (sessions, sessions), "{text}");
        let at = |path: &str| seen.requests.iter().position(|line| line.contains(path));
        assert!(at("abort-request") < at("delete=true"), "{text}: {:?}", seen.requests);
    }
}

#[tokio::test]
async fn closing_ends_what_still_runs() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 1000, ..pieces(3, &[]) });
    let cx = Context::builder().build();
    let close = async {
        while stage.responder.seen().count("/queries/01-0/result") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stage.datasource.close().await.unwrap();
    };
    let both = async { tokio::join!(stage.query(&cx), close) };
    let (answered, ()) = tokio::time::timeout(AT_ONCE, both).await.expect("both end at once");
    assert_eq!(answered.unwrap_err().kind(), ErrorKind::Unavailable);
    let seen = stage.responder.seen();
    assert_eq!((seen.aborted.len(), seen.logins.len(), seen.logouts), (1, 1, 1));
}

#[tokio::test]
async fn what_was_never_sent_is_not_cancelled() {
    let stage = Stage::new().await;
    stage.responder.fault(|request, before| {
        let again = request.route() == "/session/v1/login-request" && before > 0;
        again.then(|| HttpAnswer::new(502, ""))
    });
    let cx = Context::builder().build();
    let own = Query::statement("CREATE SCHEMA s", Effect::Write);
    let error = stage.sql().query(&cx, own).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    stage.datasource.close().await.unwrap();
    assert_eq!(stage.responder.seen().count("/session/v1/login-request"), 2);
}

#[tokio::test]
async fn a_limit_is_one_that_the_service_takes() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, pieces(1, &[]));
    let cx = Context::builder().timeout(Duration::from_secs(30 * 24 * 3600)).build();
    stage.query(&cx).await.unwrap();
    let parameters = stage.responder.seen().statements[0]["parameters"].clone();
    assert_eq!(parameters["STATEMENT_TIMEOUT_IN_SECONDS"], 604_800);
}

#[tokio::test]
async fn closing_waits_for_cancels_and_ends_the_session() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 1000, ..pieces(3, &[]) });
    let cx = Context::builder().timeout(Duration::from_millis(200)).build();
    stage.query(&cx).await.unwrap_err();
    stage.datasource.close().await.unwrap();
    let seen = stage.responder.seen();
    assert_eq!((seen.aborted.len(), seen.logouts), (1, 1));
}

#[tokio::test]
async fn an_end_that_was_not_heard_is_told_again() {
    let stage = Stage::new().await;
    stage.responder.fault(|request, _| {
        let first = request.path.contains("delete=true") && !request.path.contains("retryCount");
        first.then(|| HttpAnswer::new(502, ""))
    });
    stage.datasource.close().await.unwrap();
    assert_eq!(stage.responder.seen().logouts, 1);
}

#[tokio::test]
async fn long_statements_are_asked_for_and_told() {
    let stage = Stage::new().await;
    stage.responder.answer(SELECT, Answer { polls: 3, ..pieces(3, &[]) });
    let tally = Arc::new(Tally::default());
    let reporter: Arc<dyn Reporter> = tally.clone();
    let cx = Context::builder().reporter(reporter).build();
    let stream = stage.query(&cx).await.unwrap();
    assert_eq!(stream.summary().statement_id.as_deref(), Some("01-0"));
    assert_eq!(common::scripted::ids(stream).await.unwrap().len(), 3);
    let told = tally.snapshot().into_values().next().unwrap();
    assert_eq!((told.statements.as_slice(), told.rows), (["01-0".to_owned()].as_slice(), 3));
}

#[tokio::test]
async fn requests_that_the_service_holds_are_waited_for() {
    let stage = Stage::with(&[("api_timeout", "2".to_owned())]).await;
    stage.responder.answer(SELECT, pieces(3, &[]));
    stage.responder.fault(|request, before| {
        let data = json!({ "queryId": "01-0", "getResultUrl": "/queries/01-0/result" });
        let body = json!({ "data": data, "code": "333333", "success": true });
        let held = request.route().starts_with("/queries/") && before == 0;
        held.then(|| HttpAnswer::new(200, body.to_string()).after(Duration::from_millis(2500)))
    });
    assert_eq!(stage.ids().await.unwrap().len(), 3);
    let requests = stage.responder.seen().requests;
    assert!(!requests.iter().any(|line| line.contains("retryCount")), "{requests:?}");
}

#[tokio::test]
async fn a_statement_is_cancelled_by_its_id() {
    let stage = Stage::new().await;
    let cx = Context::builder().build();
    stage.sql().cancel(&cx, "01b2-0000-abcd").await.unwrap();
    stage.sql().cancel(&cx, "../session?delete=true").await.unwrap();
    assert_eq!(stage.responder.seen().aborted_statements, ["01b2-0000-abcd"]);
}

#[tokio::test]
async fn what_is_said_to_read_must_read() {
    let stage = Stage::new().await;
    let cx = Context::builder().build();
    for text in ["DELETE FROM t", "SELECT 1; SELECT 2", "USE ROLE x", "SELECT s.NEXTVAL"] {
        let query = Query::statement(text, Effect::Read);
        assert!(stage.sql().query(&cx, query.clone()).await.is_err(), "{text}");
        assert!(stage.sql().estimate(&cx, query).await.is_err(), "{text}");
    }
    assert!(stage.responder.seen().statements.is_empty(), "nothing reached the source");
}

#[tokio::test]
async fn an_estimate_is_the_plans_bytes() {
    let stage = Stage::new().await;
    let plan =
        r#"{"GlobalStats":{"partitionsTotal":9,"partitionsAssigned":2,"bytesAssigned":4096}}"#;
    let row_type = json!([{ "name": "content", "type": "text" }]);
    let fields = json!({ "queryResultFormat": "json", "rowset": [[plan]], "rowsetBase64": null });
    let answer = Answer { row_type, total: 1, fields, ..Answer::default() };
    stage.responder.answer("EXPLAIN USING JSON *", answer);
    let query = Query::statement(SELECT, Effect::Read);
    let estimate = stage.sql().estimate(&Context::builder().build(), query).await.unwrap();
    assert_eq!(estimate.bytes.unwrap().value, 4096);
}
