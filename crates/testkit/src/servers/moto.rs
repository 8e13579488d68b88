//! moto: many services of Amazon's cloud in memory; its store takes any credentials.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{
    HttpAnswer, HttpRequest, Launch, Server, ServerError, free_port, http, in_testbed, listens,
};

/// What a signed request has, signed by nobody.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=anybody/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A running moto with one empty bucket. Ended when it is dropped.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    _server: Server,
    _folder: TempDir,
}

impl Moto {
    /// The bucket that is there.
    pub const BUCKET: &str = "orbit-test";

    /// Starts it on a free port; `ORBIT_MOTO_PYTHON` names another Python that has it.
    ///
    /// # Errors
    /// `Missing` when it is not installed; `Failed` when it does not start.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_checking(None).await
    }

    /// The same, but after so many requests it checks signatures and rights: until then the
    /// test makes its users.
    ///
    /// # Errors
    /// As with [`start`](Self::start).
    pub async fn start_checking(free_requests: Option<u32>) -> Result<Self, ServerError> {
        let program = in_testbed("moto", "bin/python", "ORBIT_MOTO_PYTHON")?;
        let folder = tempfile::Builder::new().prefix("orbit-moto-").tempdir();
        let folder = folder.map_err(|e| ServerError::failed("making a temporary folder", e))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        if let Some(count) = free_requests {
            command.env("INITIAL_NO_AUTH_ACTION_COUNT", count.to_string());
        }
        let launch = Launch {
            name: "moto".to_owned(),
            command,
            log: folder.path().join("log"),
            ready_timeout: READY_TIMEOUT,
            stop_signal: "INT",
        };
        let server = Server::start(launch, move || listens(port)).await?;
        let moto = Self { port, _server: server, _folder: folder };
        moto.make_bucket(Self::BUCKET).await?;
        Ok(moto)
    }

    /// Makes a bucket in the region us-east-1.
    ///
    /// # Errors
    /// `Failed` when it cannot be made.
    pub async fn make_bucket(&self, name: &str) -> Result<(), ServerError> {
        match self.ask("PUT", &format!("/{name}")).await?.status {
            200 => Ok(()),
            status => Err(ServerError::failed("making a bucket", status)),
        }
    }

    /// Asks the store by other means than the client under test; no signature is checked, but
    /// there must be one.
    ///
    /// # Errors
    /// `Failed` when no answer comes.
    pub async fn ask(&self, method: &str, path: &str) -> Result<HttpAnswer, ServerError> {
        let mut request = HttpRequest::new(method, path);
        request.headers.push(("authorization".to_owned(), SIGNED.to_owned()));
        http(self.port, &request).await
    }

    /// Asks a service that takes its parameters as a form, such as `iam`, as
    /// [`ask`](Self::ask) does; answers the text of the answer.
    ///
    /// # Errors
    /// `Failed` when no answer comes, or none that says that it was done.
    pub async fn manage(
        &self,
        service: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, ServerError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.extend_pairs(parameters).finish();
        let mut request = HttpRequest::new("POST", "/");
        let signed = SIGNED.replace("/s3/", &format!("/{service}/"));
        request.headers.push(("authorization".to_owned(), signed));
        let kind = "application/x-www-form-urlencoded".to_owned();
        request.headers.push(("content-type".to_owned(), kind));
        request.body = form.into_bytes();
        let answer = http(self.port, &request).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status {
            200 => Ok(text),
            _ => Err(ServerError::failed(format!("managing {service}"), text)),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, for a client.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
