//! Temporary logins, which Amazon's cloud gives out to an identity of its own: asked for by one
//! caller for all who wait, kept, and renewed before they run out.

use std::fmt;
use std::num::NonZeroU16;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use orbit_aws::{AwsAccess, Call, Failure, SdkConfig, check_secret_endpoint, element, moment};
use orbit_core::{
    Context, Error, ErrorKind, Problem, ProxySettings, Result, Secret, Settings, TlsSettings,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::session::{Login, Logins};

/// How long the service may take: less than a connection may by default, so that it is told
/// which of the two was silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// A login is renewed so long before it runs out.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// The version of the interface of provisioned clusters.
const VERSION: &str = "2012-12-01";

/// Temporary logins in place of a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IamConfig {
    /// The provisioned cluster to log in to.
    cluster_identifier: Option<String>,
    /// The serverless workgroup to log in to.
    workgroup: Option<String>,
    /// The user of the cluster; without it the one that belongs to the identity.
    db_user: Option<String>,
    /// Groups that `db_user` joins for its sessions.
    #[serde(default)]
    db_groups: Vec<String>,
    /// Whether `db_user` is made when there is none.
    #[serde(default)]
    auto_create: bool,
    /// For how long a login is asked for, 900 to 3600.
    duration_s: Option<NonZeroU16>,
    /// The region of the cluster.
    region: Option<String>,
    /// Where logins are given out, if not at the region's own service.
    endpoint_url: Option<String>,
    /// The id of an access key.
    access_key: Option<Secret>,
    /// Its secret.
    secret_key: Option<Secret>,
    /// The token that temporary keys come with.
    session_token: Option<Secret>,
    /// A profile of the shared configuration files.
    profile: Option<String>,
    /// A role to assume with the credentials found so far.
    role_arn: Option<String>,
    /// What the role's owner wants to be told when it is assumed.
    external_id: Option<String>,
    /// Where the role is assumed, if not at the region's own service.
    sts_endpoint_url: Option<String>,
    /// How the certificates of these services are judged.
    #[serde(default)]
    tls: TlsSettings,
    /// The proxy between here and these services; the cluster itself is reached without it.
    proxy: Option<ProxySettings>,
}

impl IamConfig {
    /// What does not go together; `settings` are those of this section.
    pub(crate) fn validate(&self, settings: &Settings) -> Vec<Problem> {
        let mut problems = self.access(Duration::ZERO).validate(settings);
        let mut refuse = |wrong: bool, key: &str, message: &str| {
            if wrong {
                problems.push(settings.problem(key, message));
            }
        };
        let serverless = self.workgroup.is_some();
        refuse(
            serverless == self.cluster_identifier.is_some(),
            if serverless { "workgroup" } else { "" },
            "needs either `cluster_identifier` or `workgroup`",
        );
        let of_user = [
            ("db_user", self.db_user.is_some(), serverless, "`workgroup` excludes it"),
            ("db_groups", !self.db_groups.is_empty(), self.db_user.is_none(), NO_USER),
            ("auto_create", self.auto_create, self.db_user.is_none(), NO_USER),
        ];
        for (key, is_set, excluded, message) in of_user {
            refuse(is_set && excluded, key, message);
        }
        let seconds = self.duration_s.map_or(900, NonZeroU16::get);
        refuse(!(900..=3600).contains(&seconds), "duration_s", "must be between 900 and 3600");
        for (key, text) in [
            ("cluster_identifier", &self.cluster_identifier),
            ("workgroup", &self.workgroup),
            ("db_user", &self.db_user),
        ] {
            refuse(text.as_ref().is_some_and(String::is_empty), key, "the text is empty");
        }
        if let Some(url) = &self.endpoint_url {
            problems.extend(check_secret_endpoint(settings, "endpoint_url", url));
        }
        problems
    }

    /// Whether it is a workgroup that is logged in to, whose warehouse wakes for a question.
    pub(crate) fn is_serverless(&self) -> bool {
        self.workgroup.is_some()
    }

    fn access(&self, connect_timeout: Duration) -> AwsAccess {
        AwsAccess {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
            profile: self.profile.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            anonymous: false,
            region: self.region.clone(),
            sts_endpoint_url: self.sts_endpoint_url.clone(),
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
            connect_timeout,
        }
    }

    /// Logins to `database`; nothing is asked yet but the credentials' own files.
    pub(crate) async fn logins(&self, cx: &Context, database: &str) -> Result<IamLogins> {
        let config = self.access(ANSWER_TIMEOUT).load(cx).await?;
        let (iam, database) = (self.clone(), database.to_owned());
        Ok(IamLogins { config, iam, database, kept: Mutex::default() })
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_s.map_or(900, NonZeroU16::get).into())
    }

    /// The request for a login.
    fn call(&self, database: &str) -> Call {
        let seconds = self.duration().as_secs();
        if let Some(workgroup) = &self.workgroup {
            let body = serde_json::json!({
                "workgroupName": workgroup,
                "dbName": database,
                "durationSeconds": seconds,
            });
            let target = "RedshiftServerless.GetCredentials";
            return Call::json("redshift-serverless", target, &body).at(self.endpoint_url.clone());
        }
        let cluster = self.cluster_identifier.clone().unwrap_or_default();
        let mut parameters = vec![
            ("ClusterIdentifier".to_owned(), cluster),
            ("DbName".to_owned(), database.to_owned()),
            ("DurationSeconds".to_owned(), seconds.to_string()),
        ];
        let action = match &self.db_user {
            None => "GetClusterCredentialsWithIAM",
            Some(user) => {
                parameters.push(("DbUser".to_owned(), user.clone()));
                parameters.push(("AutoCreate".to_owned(), self.auto_create.to_string()));
                let groups = self.db_groups.iter().zip(1..);
                let group =
                    |(name, i): (&String, u32)| (format!("DbGroups.DbGroup.{i}"), name.clone());
                parameters.extend(groups.map(group));
                "GetClusterCredentials"
            }
        };
        Call::query("redshift", action, VERSION, &parameters).at(self.endpoint_url.clone())
    }
}

const NO_USER: &str = "it is of no use without `db_user`";

/// Gives out the same login to all until it has to be renewed.
pub(crate) struct IamLogins {
    config: SdkConfig,
    iam: IamConfig,
    database: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    login: Option<(Login, Instant)>,
    failed: Option<(Instant, Error)>,
}

impl fmt::Debug for IamLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamLogins").field("database", &self.database).finish_non_exhaustive()
    }
}

#[async_trait]
impl Logins for IamLogins {
    async fn login(&self) -> Result<Login> {
        let asked = Instant::now();
        let mut kept = self.kept.lock().await;
        if let Some((login, until)) = &kept.login
            && Instant::now() < *until
        {
            return Ok(login.clone());
        }
        // Who waited while it failed shares the failure, so that it is asked for once.
        if let Some((at, error)) = &kept.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        match self.ask().await {
            Ok((login, until)) => {
                *kept = Kept { login: Some((login.clone(), until)), failed: None };
                Ok(login)
            }
            Err(error) => {
                *kept = Kept { login: None, failed: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    async fn refused(&self, login: &Login) -> bool {
        let mut kept = self.kept.lock().await;
        let same = |(of, _): &(Login, Instant)| of.password.expose() == login.password.expose();
        if kept.login.as_ref().is_some_and(same) {
            kept.login = None;
        }
        true
    }
}

impl IamLogins {
    /// A new login, and until when it is given out.
    async fn ask(&self) -> Result<(Login, Instant)> {
        let (begun, now) = (Instant::now(), SystemTime::now());
        let cx = Context::builder().build();
        let call = self.iam.call(&self.database);
        let answer = call.send(&cx, &self.config, ANSWER_TIMEOUT).await.map_err(explained)?;
        let (login, expires) = match self.iam.workgroup {
            Some(_) => of_json(&answer),
            None => of_xml(&answer),
        }
        .ok_or_else(|| Error::new(ErrorKind::DataInvalid, "the service gave out no login"))?;
        // The service's clock may differ from ours, so that the shorter of both counts.
        let left =
            expires.map_or(self.iam.duration(), |at| at.duration_since(now).unwrap_or_default());
        let left = left.min(self.iam.duration());
        Ok((login, begun + left.saturating_sub(RENEW_BEFORE)))
    }
}

fn of_xml(answer: &str) -> Option<(Login, Option<SystemTime>)> {
    let login = Login {
        user: element(answer, "DbUser")?,
        password: Secret::new(element(answer, "DbPassword")?),
    };
    Some((login, element(answer, "Expiration").and_then(|text| moment(&text))))
}

fn of_json(answer: &str) -> Option<(Login, Option<SystemTime>)> {
    let told: serde_json::Value = serde_json::from_str(answer).ok()?;
    let text = |key: &str| Some(told.get(key)?.as_str()?.to_owned());
    let login = Login { user: text("dbUser")?, password: Secret::new(text("dbPassword")?) };
    let expires = told.get("expiration").and_then(serde_json::Value::as_f64);
    let expires = expires.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some((login, expires.map(|since| SystemTime::UNIX_EPOCH + since)))
}

fn explained(failure: Failure) -> Error {
    let code = failure.code.clone().unwrap_or_default();
    match code.as_str() {
        "ClusterNotFound" | "ClusterNotFoundFault" | "ResourceNotFoundException" => {
            Error::new(ErrorKind::NotFound, "there is no such cluster or workgroup")
                .with_vendor_code(code)
                .with_hint("check `cluster_identifier` or `workgroup`, and `region`")
        }
        "AccessDenied" | "AccessDeniedException" => {
            Error::new(ErrorKind::PermissionDenied, "the identity may not log in to the warehouse")
                .with_vendor_code(code)
                .with_hint("let its policy allow the call that gives out logins")
        }
        _ => failure.into(),
    }
}
