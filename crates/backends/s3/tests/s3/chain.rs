//! The chain of credentials, link by link: each test is a process with variables and files of
//! its own. The services that give credentials are answers of our own making, but for the roles
//! of moto.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use orbit_testkit::servers::{HttpAnswer, HttpServer, Moto, ServerError, free_port};

use crate::Outcome;
use crate::child::Child;
use crate::world::World;

const EMPTY: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
const FAR: &str = "2999-01-01T00:00:00Z";

async fn store() -> Result<HttpServer, ServerError> {
    HttpServer::start(|_| HttpAnswer::new(200, EMPTY)).await
}

/// Who signed the requests to a store: the keys with their tokens, each once.
fn signers(store: &HttpServer) -> Vec<(String, Option<String>)> {
    let mut signers: Vec<_> = store
        .seen()
        .iter()
        .map(|request| {
            let signed = request.header("authorization").unwrap_or_default();
            let key = signed.split("Credential=").nth(1).unwrap_or_default();
            let key = key.split('/').next().unwrap_or_default().to_owned();
            (key, request.header("x-amz-security-token").map(str::to_owned))
        })
        .collect();
    signers.dedup();
    signers
}

fn signer(key: &str, token: Option<&str>) -> Vec<(String, Option<String>)> {
    vec![(key.to_owned(), token.map(str::to_owned))]
}

/// Keys in JSON, as the machine, the container and programs give them.
fn keys(name: &str) -> String {
    format!(
        "{{\"Version\":1,\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\
         \"LastUpdated\":\"2026-01-01T00:00:00Z\",\"AccessKeyId\":\"{name}\",\
         \"SecretAccessKey\":\"secret\",\"Token\":\"token\",\"SessionToken\":\"token\",\
         \"Expiration\":\"{FAR}\"}}"
    )
}

pub(crate) async fn variables_are_found(_: Arc<World>) -> Outcome {
    let store = store().await?;
    let child = Child::of(&store)
        .variable("AWS_ACCESS_KEY_ID", "VARIABLE")
        .variable("AWS_SECRET_ACCESS_KEY", "secret")
        .variable("AWS_SESSION_TOKEN", "token");
    assert_eq!(child.run().await?, "listed\n");
    assert_eq!(signers(&store), signer("VARIABLE", Some("token")));
    Ok(())
}

pub(crate) async fn settings_come_before_profiles_and_profiles_before_variables(
    _: Arc<World>,
) -> Outcome {
    const FILE: &str = "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = secret\n\
                        [other]\naws_access_key_id = OTHER\naws_secret_access_key = secret\n\
                        aws_session_token = token\n";
    let keys = [("access_key", "SETTING"), ("secret_key", "secret")];
    let cases = [
        (keys.to_vec(), signer("SETTING", None)),
        ([keys[0], keys[1], ("session_token", "given")].to_vec(), signer("SETTING", Some("given"))),
        (vec![("profile", "other")], signer("OTHER", Some("token"))),
        (vec![], signer("VARIABLE", None)),
    ];
    for (settings, expected) in cases {
        let store = store().await?;
        let child = Child::of(&store)
            .file(".aws/credentials", FILE)
            .variable("AWS_ACCESS_KEY_ID", "VARIABLE")
            .variable("AWS_SECRET_ACCESS_KEY", "secret");
        let child = settings.iter().fold(child, |child, (name, value)| child.setting(name, value));
        assert_eq!(child.run().await?, "listed\n");
        assert_eq!(signers(&store), expected);
    }
    let store = store().await?;
    assert_eq!(Child::of(&store).file(".aws/credentials", FILE).run().await?, "listed\n");
    assert_eq!(signers(&store), signer("DEFAULT", None));
    Ok(())
}

pub(crate) async fn a_program_of_a_profile_is_asked(_: Arc<World>) -> Outcome {
    let store = store().await?;
    let child = Child::of(&store).file("keys.json", &keys("PROGRAM")).setting("profile", "tool");
    let program = format!("cat {}", child.path("keys.json").display());
    let child = child.file(".aws/config", &format!("[profile tool]\ncredential_process={program}"));
    assert_eq!(child.run().await?, "listed\n");
    assert_eq!(signers(&store), signer("PROGRAM", Some("token")));
    Ok(())
}

/// The token is a file that others renew, so it is read again each time.
pub(crate) async fn a_web_identity_reads_its_token_again(_: Arc<World>) -> Outcome {
    let store = store().await?;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let sts = HttpServer::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let end = DateTime::from(SystemTime::now() + Duration::from_secs(4));
        let end = end.fmt(Format::DateTime).unwrap();
        let text = format!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>WEB{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>{end}</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        );
        HttpAnswer::new(200, text)
    });
    let sts = sts.await?;
    let child = Child::of(&store)
        .file("token", "first-token")
        .variable("AWS_ROLE_ARN", ROLE)
        .variable("AWS_ENDPOINT_URL_STS", &sts.endpoint())
        .listing_again_after(Duration::from_millis(4500));
    let token = child.path("token");
    let child = child.variable("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
    let renew = async {
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::write(token, "second-token").unwrap();
    };
    let (said, ()) = tokio::join!(child.run(), renew);
    assert_eq!(said?, "listed\nlisted\n");
    let bodies: Vec<_> =
        sts.seen().into_iter().map(|r| String::from_utf8(r.body).unwrap()).collect();
    assert!(bodies[0].contains("WebIdentityToken=first-token"), "{bodies:?}");
    assert!(bodies.last().unwrap().contains("WebIdentityToken=second-token"), "{bodies:?}");
    let keys: Vec<_> = signers(&store).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.first().map(String::as_str), Some("WEB1"));
    assert_eq!(keys.last(), Some(&format!("WEB{}", bodies.len())));
    assert!(keys.len() > 1, "{keys:?}");
    Ok(())
}

const SIGN_ON: &str = "[profile person]\nsso_session = work\nsso_account_id = 123456789012\n\
                       sso_role_name = reader\n[sso-session work]\n\
                       sso_start_url = https://sso.example.com/start\nsso_region = us-east-1\n";

/// Where the shared tools keep the token of the session `work`: its name's SHA-1.
const SIGN_ON_TOKEN: &str = ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";

fn signed_on(store: &HttpServer, portal: &HttpServer, end: &str) -> Child {
    let token = format!(
        "{{\"accessToken\":\"sign-on-token\",\"expiresAt\":\"{end}\",\"region\":\"us-east-1\",\
         \"startUrl\":\"https://sso.example.com/start\"}}"
    );
    Child::of(store)
        .setting("profile", "person")
        .variable("AWS_ENDPOINT_URL_SSO", &portal.endpoint())
        .file(".aws/config", SIGN_ON)
        .file(SIGN_ON_TOKEN, &token)
}

pub(crate) async fn a_session_of_single_sign_on_is_used_while_it_lasts(_: Arc<World>) -> Outcome {
    let portal = HttpServer::start(|_| {
        let text = "{\"roleCredentials\":{\"accessKeyId\":\"PERSON\",\"secretAccessKey\":\
                    \"secret\",\"sessionToken\":\"token\",\"expiration\":32472144000000}}";
        HttpAnswer::new(200, text).with("content-type", "application/json")
    });
    let (store, portal) = (store().await?, portal.await?);
    assert_eq!(signed_on(&store, &portal, FAR).run().await?, "listed\n");
    assert_eq!(signers(&store), signer("PERSON", Some("token")));
    let asked = &portal.seen()[0];
    assert_eq!(asked.header("x-amz-sso_bearer_token"), Some("sign-on-token"));
    assert!(asked.path.contains("role_name=reader"), "{}", asked.path);
    let said = signed_on(&store, &portal, "2020-01-01T00:00:00Z").run().await?;
    insta::assert_snapshot!(said);
    Ok(())
}

pub(crate) async fn the_machine_is_asked_for_its_role_with_a_token(_: Arc<World>) -> Outcome {
    let machine = HttpServer::start(|request| {
        let token = request.header("x-aws-ec2-metadata-token");
        match (request.method.as_str(), request.path.as_str(), token) {
            ("PUT", "/latest/api/token", _) => HttpAnswer::new(200, "machine-token")
                .with("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            (_, _, None) => HttpAnswer::new(401, ""),
            ("GET", "/latest/meta-data/iam/security-credentials/", _) => {
                HttpAnswer::new(200, "machine-role")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/machine-role", _) => {
                HttpAnswer::new(200, keys("MACHINE"))
            }
            _ => HttpAnswer::new(404, ""),
        }
    });
    let (store, machine) = (store().await?, machine.await?);
    let child = Child::of(&store)
        .variable("AWS_EC2_METADATA_DISABLED", "false")
        .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &machine.endpoint());
    assert_eq!(child.run().await?, "listed\n");
    assert_eq!(signers(&store), signer("MACHINE", Some("token")));
    let asked = machine.seen();
    let with_token = asked.iter().filter(|r| r.method == "GET");
    assert!(
        with_token.clone().count() > 0
            && with_token
                .map(|r| r.header("x-aws-ec2-metadata-token"))
                .all(|t| t == Some("machine-token"))
    );
    Ok(())
}

pub(crate) async fn the_container_is_asked_for_its_role(_: Arc<World>) -> Outcome {
    let container = HttpServer::start(|request| match request.header("authorization") {
        Some("container-token") => HttpAnswer::new(200, keys("CONTAINER")),
        _ => HttpAnswer::new(401, ""),
    });
    let (store, container) = (store().await?, container.await?);
    let child = Child::of(&store)
        .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/role", container.endpoint()))
        .variable("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token");
    assert_eq!(child.run().await?, "listed\n");
    assert_eq!(signers(&store), signer("CONTAINER", Some("token")));
    let child = Child::of(&store)
        .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/role", container.endpoint()))
        .variable("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another-token");
    insta::assert_snapshot!(child.run().await?);
    Ok(())
}

pub(crate) async fn what_cannot_give_credentials_is_named(_: Arc<World>) -> Outcome {
    let store = store().await?;
    let closed = format!("http://127.0.0.1:{}", free_port()?);
    let nothing = Child::of(&store);
    let machine = Child::of(&store)
        .variable("AWS_EC2_METADATA_DISABLED", "false")
        .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &closed);
    let no_profile = Child::of(&store).setting("profile", "nobody");
    let half = "[half]\naws_access_key_id = HALF\n";
    let half = Child::of(&store).setting("profile", "half").file(".aws/credentials", half);
    let no_token = Child::of(&store)
        .variable("AWS_ROLE_ARN", ROLE)
        .variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token");
    let mut said = String::new();
    for (name, child) in [
        ("nothing is said", nothing),
        ("the machine has no role", machine),
        ("no such profile", no_profile),
        ("half a profile", half),
        ("no token of the web identity", no_token),
    ] {
        said += &format!("{name}\n  {}", child.run().await?.replace(&closed, "CLOSED"));
    }
    insta::assert_snapshot!(said);
    assert!(store.seen().is_empty());
    Ok(())
}

/// A role that a user assumes by profile, at a store that checks signatures and rights.
pub(crate) async fn a_role_of_a_profile_is_assumed_and_its_rights_hold(_: Arc<World>) -> Outcome {
    // Making the bucket, the user and the role, and assuming it once, which moto cannot check.
    const UNCHECKED: u32 = 7;
    let moto = Moto::start_checking(Some(UNCHECKED)).await?;
    let (id, secret) = user_and_role(&moto).await?;
    let config = format!(
        "[profile reader]\nrole_arn = {ROLE}\nsource_profile = user\nexternal_id = extern\n\
         [profile user]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    );
    let child = |profile: &str| {
        Child::at(&moto.endpoint(), Moto::BUCKET)
            .setting("profile", profile)
            .variable("AWS_ENDPOINT_URL_STS", &moto.endpoint())
            .file(".aws/config", &config)
    };
    assert_eq!(child("reader").run().await?, "listed\n");
    let user = child("user");
    let wrong = Child::at(&moto.endpoint(), Moto::BUCKET)
        .setting("access_key", &id)
        .setting("secret_key", "wrong");
    let unknown = Child::at(&moto.endpoint(), Moto::BUCKET)
        .setting("access_key", "AKIANOBODY")
        .setting("secret_key", "wrong");
    let said = format!("{}{}{}", user.run().await?, wrong.run().await?, unknown.run().await?);
    // What follows holds the ids of requests.
    let said = said.lines().map(|line| line.split(": unhandled error").next().unwrap());
    insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n"));
    Ok(())
}

/// A user who may assume a role and nothing else, and a role that may list.
async fn user_and_role(moto: &Moto) -> Result<(String, String), ServerError> {
    let policy = |action: &str| {
        format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\
             \"Action\":\"{action}\",\"Resource\":\"*\"}}]}}"
        )
    };
    moto.manage("iam", &[("Action", "CreateUser"), ("UserName", "user")]).await?;
    let keys = moto.manage("iam", &[("Action", "CreateAccessKey"), ("UserName", "user")]).await?;
    let (assume, list) = (policy("sts:AssumeRole"), policy("s3:*"));
    let rights = [("UserName", "user"), ("PolicyName", "assume"), ("PolicyDocument", &assume)];
    moto.manage("iam", &[[("Action", "PutUserPolicy")].as_slice(), &rights].concat()).await?;
    let role = [("RoleName", "reader"), ("AssumeRolePolicyDocument", "{}")];
    moto.manage("iam", &[[("Action", "CreateRole")].as_slice(), &role].concat()).await?;
    let rights = [("RoleName", "reader"), ("PolicyName", "list"), ("PolicyDocument", &list)];
    moto.manage("iam", &[[("Action", "PutRolePolicy")].as_slice(), &rights].concat()).await?;
    let part = |name: &str| {
        let (_, rest) = keys.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    Ok((part("AccessKeyId"), part("SecretAccessKey")))
}
