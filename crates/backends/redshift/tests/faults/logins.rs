//! Logins that run out, are withdrawn or are not given out.
//!
//! moto gives out logins of clusters; a front before it makes each known to PostgreSQL, as
//! Redshift would. The calls that moto does not have are answered by a script of ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use orbit_core::{Datasource, Effect, ErrorKind, KeyPath, Result, Settings, Sources};
use orbit_testkit::servers::{HttpAnswer, HttpRequest, HttpServer, Moto, http};
use orbit_testkit::settings;

use crate::common::reaching;
use crate::{Attempt, Stage, cx, first_number, gather, kind_of, rows, sql, table};

/// Connects with the section `iam` in place of a user.
async fn by_iam(
    stage: &Stage,
    iam: &[(&str, &str)],
    pool_size: &str,
) -> Result<Arc<dyn Datasource>> {
    let keys = [("access_key", "AKIATEST"), ("secret_key", "never-shown"), ("region", "us-east-1")];
    let texts = keys.iter().chain(iam).map(|(key, value)| (*key, (*value).to_owned()));
    let mut node = reaching(&stage.server, [("connection_pool_size", pool_size.to_owned())]);
    node.take("username");
    node.merge(settings::map([("iam", settings::texts(texts))]));
    let settings = Settings::new(KeyPath::new("datasources.t"), node);
    let config = (orbit_redshift::BACKEND.parse)(&settings).unwrap();
    let problems = config.validate(&settings, &[]);
    assert!(problems.is_empty(), "{problems:?}");
    config.connect(&cx(), &Sources::none()).await
}

/// Makes the server know a login that was given out.
async fn admit(stage: &Stage, user: &str, password: &str) {
    let exists = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{user}'");
    let verb = if stage.counted(&exists).await == 0 { "CREATE" } else { "ALTER" };
    stage.prepare(&format!("{verb} ROLE \"{user}\" LOGIN PASSWORD '{password}'")).await;
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(found, _)| found)
}

/// A server whose answers need some of the test's own servers.
async fn front<F>(
    answer: impl Fn(HttpRequest) -> F + Send + Sync + 'static,
) -> std::result::Result<HttpServer, libtest_mimic::Failed>
where
    F: Future<Output = HttpAnswer>,
{
    let runtime = tokio::runtime::Handle::current();
    let script = move |request: &HttpRequest| {
        tokio::task::block_in_place(|| runtime.block_on(answer(request.clone())))
    };
    Ok(HttpServer::start(script).await?)
}

/// A login of moto's opens connections to PostgreSQL, by SCRAM, and is asked for once.
pub(crate) async fn a_cluster_gives_out_logins(stage: &Arc<Stage>) -> Attempt {
    let moto = match Moto::start().await {
        Ok(moto) => Arc::new(moto),
        Err(missing) => return missing.completion().map(drop),
    };
    stage.server.ask_password_of(&["IAM:reader"]).await?;
    let made = "Action=CreateCluster&Version=2012-12-01&ClusterIdentifier=sales&NodeType=ra3.large\
                &MasterUsername=admin&MasterUserPassword=Secret123&DBName=postgres";
    let mut request = HttpRequest::new("POST", "/");
    let form = "application/x-www-form-urlencoded".to_owned();
    let credential = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/redshift/aws4_request, \
                      SignedHeaders=host, Signature=0";
    request.headers.push(("content-type".to_owned(), form));
    request.headers.push(("authorization".to_owned(), credential.to_owned()));
    request.body = made.as_bytes().to_vec();
    let answer = http(moto.port(), &request).await?;
    ensure!(answer.status == 200, "no cluster: {}", String::from_utf8_lossy(&answer.body));
    let (server, admitting) = (Arc::clone(&moto), Arc::clone(stage));
    let front = front(move |request| {
        let (server, stage) = (Arc::clone(&server), Arc::clone(&admitting));
        async move {
            let answer = http(server.port(), &request).await.unwrap();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let password = between(&text, "<DbPassword>", "</DbPassword>").replace("&amp;", "&");
            let password = password.replace("&lt;", "<").replace("&gt;", ">").replace('\'', "''");
            if answer.status == 200 {
                admit(&stage, between(&text, "<DbUser>", "</DbUser>"), &password).await;
            }
            answer
        }
    })
    .await?;
    let endpoint = front.endpoint();
    let iam = [
        ("cluster_identifier", "sales"),
        ("db_user", "reader"),
        ("endpoint_url", endpoint.as_str()),
    ];
    let datasource = by_iam(stage, &iam, "5").await?;
    let all = (0..5).map(|_| rows(&datasource, "SELECT 1::bigint FROM pg_sleep(0.2)"));
    for answer in futures::future::join_all(all).await {
        ensure!(first_number(&answer?) == Some(1), "a wrong answer");
    }
    let who = rows(&datasource, "SELECT (current_user = 'IAM:reader')::int::bigint").await?;
    ensure!(first_number(&who) == Some(1), "it is somebody else");
    let asked = front.seen();
    ensure!(asked.len() == 1, "{} logins were asked for", asked.len());
    let signature = asked.first().and_then(|request| request.header("authorization"));
    ensure!(
        signature.is_some_and(|s| s.contains("/us-east-1/redshift/aws4_request")),
        "it was signed as {signature:?}"
    );
    datasource.close().await?;
    let iam = [
        ("cluster_identifier", "other"),
        ("db_user", "reader"),
        ("endpoint_url", endpoint.as_str()),
    ];
    let refused = by_iam(stage, &iam, "5").await;
    let kind = refused.as_ref().err().map(orbit_core::Error::kind);
    ensure!(kind == Some(ErrorKind::NotFound), "another cluster is {refused:?}");
    let shown = format!("{refused:?}");
    ensure!(!shown.contains("never-shown"), "the secret key is shown");
    Ok(())
}

/// Logins of a workgroup and of an identity, by a script of ours: renewed before they run out,
/// and asked for again when the server refuses one that was kept.
pub(crate) async fn logins_are_renewed(stage: &Arc<Stage>) -> Attempt {
    stage.server.ask_password_of(&["IAMR:role", "IAMR:group"]).await?;
    let given = Arc::new(AtomicU32::new(0));
    let (admitting, counted) = (Arc::clone(stage), Arc::clone(&given));
    let front = front(move |request| {
        let (stage, number) = (Arc::clone(&admitting), counted.fetch_add(1, Ordering::SeqCst));
        async move {
            let password = format!("pass-{number}");
            // A minute is kept back, so each is given out for two seconds.
            let expires = SystemTime::now() + Duration::from_secs(62);
            let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
            let body = String::from_utf8_lossy(&request.body).into_owned();
            match request.header("x-amz-target") {
                Some("RedshiftServerless.GetCredentials")
                    if body.contains("\"workgroupName\":\"wg\"") =>
                {
                    admit(&stage, "IAMR:group", &password).await;
                    HttpAnswer::new(
                        200,
                        format!(
                            "{{\"dbUser\": \"IAMR:group\", \"dbPassword\": \"{password}\", \
                             \"expiration\": {since}}}"
                        ),
                    )
                }
                None if body.starts_with("Action=GetClusterCredentialsWithIAM&") => {
                    admit(&stage, "IAMR:role", &password).await;
                    HttpAnswer::new(
                        200,
                        format!(
                            "<R><DbPassword>{password}</DbPassword><DbUser>IAMR:role</DbUser></R>"
                        ),
                    )
                }
                _ => HttpAnswer::new(400, "{\"__type\": \"ValidationException\"}"),
            }
        }
    })
    .await?;
    let endpoint = front.endpoint();
    let iam = [("workgroup", "wg"), ("endpoint_url", endpoint.as_str())];
    let datasource = by_iam(stage, &iam, "1").await?;
    ensure!(given.load(Ordering::SeqCst) == 1, "more than one login for one connection");
    tokio::time::sleep(Duration::from_secs(3)).await;
    rows(&datasource, "SELECT 1").await?;
    ensure!(given.load(Ordering::SeqCst) == 2, "a login that runs out was not renewed");
    datasource.close().await?;
    let iam = [("cluster_identifier", "c"), ("endpoint_url", endpoint.as_str())];
    let datasource = by_iam(stage, &iam, "2").await?;
    let before = given.load(Ordering::SeqCst);
    // The kept login is withdrawn: the server refuses it, and another one is asked for, once.
    admit(stage, "IAMR:role", "withdrawn").await;
    let all = (0..2).map(|_| rows(&datasource, "SELECT 1::bigint FROM pg_sleep(0.2)"));
    for answer in futures::future::join_all(all).await {
        answer?;
    }
    let asked = given.load(Ordering::SeqCst) - before;
    ensure!((1..=2).contains(&asked), "{asked} logins in place of one");
    Ok(datasource.close().await?)
}

/// Many who wait for a login that is refused ask for it once.
pub(crate) async fn a_refused_login_is_asked_for_once(stage: &Arc<Stage>) -> Attempt {
    let refused = HttpServer::start(|_| {
        HttpAnswer::new(
            403,
            "{\"__type\": \"com.amazon#AccessDeniedException\", \"message\": \"no\"}",
        )
    })
    .await?;
    let endpoint = refused.endpoint();
    let iam = [("workgroup", "wg"), ("endpoint_url", endpoint.as_str())];
    let kind = by_iam(stage, &iam, "1").await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::PermissionDenied), "it is {kind:?}");
    ensure!(refused.seen().len() == 1, "it was asked for {} times", refused.seen().len());
    Ok(())
}

/// It is the service that is told, and not the server behind it, whose own limit comes later.
pub(crate) async fn a_silent_service_is_told(stage: &Arc<Stage>) -> Attempt {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let iam = [("workgroup", "wg"), ("endpoint_url", endpoint.as_str())];
    let told = by_iam(stage, &iam, "1").await.err().map_or_else(String::new, |e| e.to_string());
    ensure!(told.contains("the service did not answer in time"), "it is told as {told:?}");
    Ok(())
}

/// An answer is not read without an end, whatever it says.
pub(crate) async fn a_vast_answer_is_refused(stage: &Arc<Stage>) -> Attempt {
    let login = format!("{{\"dbUser\": \"{}\", \"dbPassword\": \"x\"}}", stage.server.user());
    let vast = format!("{login}{}", " ".repeat(17 << 20));
    for (body, expected) in [(login, None), (vast, Some(ErrorKind::ResourceExhausted))] {
        let service = HttpServer::start(move |_| HttpAnswer::new(200, body.clone())).await?;
        let endpoint = service.endpoint();
        let iam = [("workgroup", "wg"), ("endpoint_url", endpoint.as_str())];
        let answer = by_iam(stage, &iam, "1").await;
        let kind = answer.as_ref().err().map(orbit_core::Error::kind);
        ensure!(kind == expected, "it is {answer:?}");
    }
    Ok(())
}

/// Who is connected stays so when the password changes; who comes later is told.
pub(crate) async fn a_rotated_password(stage: &Arc<Stage>) -> Attempt {
    stage.server.ask_password_of(&["rotating"]).await?;
    stage.prepare("CREATE ROLE rotating LOGIN PASSWORD 'first' IN ROLE pg_read_all_data").await;
    let login = [("username", "rotating"), ("password", "first"), ("connection_pool_size", "2")];
    let datasource = stage.connect(&login).await?;
    rows(&datasource, "SELECT 1").await?;
    stage.prepare("ALTER ROLE rotating PASSWORD 'second'").await;
    let held = sql(&datasource).query(&cx(), table("series")).await?;
    let kind = kind_of(&datasource, "SELECT 2", Effect::Read).await;
    ensure!(kind == Some(ErrorKind::Unauthenticated), "a new connection is {kind:?}");
    ensure!(!gather(held).await?.is_empty(), "the connection that was there is cut");
    rows(&datasource, "SELECT 3").await?;
    Ok(datasource.close().await?)
}

/// Sections whose settings do not go together are refused before anything is asked.
pub(crate) async fn sections_are_checked(stage: &Arc<Stage>) -> Attempt {
    type Texts = &'static [(&'static str, &'static str)];
    let cases: [(&str, Texts, &str); 10] = [
        ("iam", &[], "needs either `cluster_identifier` or `workgroup`"),
        ("iam", &[("cluster_identifier", "c"), ("workgroup", "w")], "datasources.t.iam.workgroup"),
        ("iam", &[("workgroup", "w"), ("db_user", "u")], "datasources.t.iam.db_user"),
        ("iam", &[("cluster_identifier", "c"), ("auto_create", "true")], "iam.auto_create"),
        ("iam", &[("cluster_identifier", "c"), ("duration_s", "60")], "iam.duration_s"),
        ("iam", &[("workgroup", "w"), ("access_key", "a")], "`secret_key` is missing"),
        ("iam", &[("workgroup", "w"), ("endpoint_url", "http://10.0.0.1/")], "iam.endpoint_url"),
        ("iam", &[("workgroup", "w"), ("sts_endpoint_url", "http://sts.lan")], "sts_endpoint_url"),
        ("staging", &[("datasource", "gone"), ("url", "s3://b/")], "there is no such datasource"),
        ("staging", &[("datasource", "lake"), ("url", "b")], "must begin with `s3://`"),
    ];
    for (section, texts, expected) in cases {
        let mut node = reaching(&stage.server, []);
        if section == "iam" {
            node.take("username");
        }
        let texts = texts.iter().map(|(key, value)| (*key, (*value).to_owned()));
        node.merge(settings::map([(section, settings::texts(texts))]));
        let settings = Settings::new(KeyPath::new("datasources.t"), node);
        let config = (orbit_redshift::BACKEND.parse)(&settings).unwrap();
        let problems = config.validate(&settings, &["t", "lake"]);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        ensure!(told.iter().any(|t| t.contains(expected)), "{expected} is not in {told:?}");
    }
    let staging = [("datasource", "lake".to_owned()), ("url", "s3://b/".to_owned())];
    let mut node = reaching(&stage.server, []);
    node.merge(settings::map([("staging", settings::texts(staging))]));
    let settings = Settings::new(KeyPath::new("datasources.t"), node);
    let config = (orbit_redshift::BACKEND.parse)(&settings).unwrap();
    let kind = config.connect(&cx(), &Sources::none()).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::ConfigInvalid), "PostgreSQL has a bucket: {kind:?}");
    Ok(())
}
