//! The command line's side of the API: finds an instance, speaks to it, turns its answers into values or errors with a
//! way out.

use std::path::{Path, PathBuf};

use airlock_transport::http_client::{HttpClient, HttpResponse};
use airlock_transport::tls::client_config;
use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::places;
use crate::endpoint::{self, Endpoint};

/// Longest answer that is read into memory.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Which instance a command speaks to.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArguments {
    /// The instance that runs from this data directory on this machine.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR", conflicts_with = "server")]
    data_dir: Option<PathBuf>,
    /// The instance at this URL; wants a token and its CA certificate.
    #[arg(long, value_name = "URL", env = "AIRLOCK_URL", requires = "ca")]
    server: Option<String>,
    /// A file that holds the token; the variable AIRLOCK_TOKEN serves as well.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The instance's CA certificate.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_CA")]
    ca: Option<PathBuf>,
}

/// Which instance a command asks, and how it writes the lines it gets.
#[derive(Debug, Clone, Args)]
pub(crate) struct AnswerArguments {
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// The entries of an answer that is a list.
pub(crate) fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer
        .get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A connection to one instance.
pub(crate) struct Client {
    http: HttpClient,
    url: String,
    token: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl ServerArguments {
    /// Connects.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        if let (Some(url), Some(ca)) = (&self.server, &self.ca) {
            let token = match &self.token_file {
                Some(file) => std::fs::read_to_string(file)
                    .with_context(|| format!("reading the token from {}", file.display()))?,
                None => std::env::var("AIRLOCK_TOKEN")
                    .context("--server wants a token: give --token-file FILE or set AIRLOCK_TOKEN")?,
            };
            return Client::new(url, ca, token.trim());
        }
        Client::local(&places::data_dir(self.data_dir.clone()))
    }
}

impl Client {
    /// The instance that runs from this data directory.
    pub(crate) fn local(data_dir: &Path) -> anyhow::Result<Self> {
        let endpoint = endpoint::read(data_dir)?.filter(Endpoint::is_alive).with_context(|| {
            format!(
                "no instance runs from {}: start one with `airlock up`, or name another with --data-dir or --server",
                data_dir.display()
            )
        })?;
        Self::of(&endpoint)
    }

    /// The instance behind an endpoint file.
    pub(crate) fn of(endpoint: &Endpoint) -> anyhow::Result<Self> {
        Self::new(&endpoint.url, &endpoint.ca_file, &endpoint.admin_token)
    }

    fn new(url: &str, ca_file: &Path, token: &str) -> anyhow::Result<Self> {
        let ca = std::fs::read_to_string(ca_file)
            .with_context(|| format!("reading the CA certificate {}", ca_file.display()))?;
        let http = HttpClient::new(&client_config(&ca, None)?);
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
        })
    }

    /// Sends a request below `/api/v2` and gives the answer, or its error in the server's words.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<HttpResponse> {
        let url = format!("{}/api/v2{path}", self.url);
        let mut request = self
            .http
            .request(method, &url)
            .header("Circle-Token", &self.token);
        if let Some(body) = body {
            request = request.json(body)?;
        }
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.bytes(ANSWER_BYTES).await?;
        let message = serde_json::from_slice::<Value>(&text)
            .ok()
            .and_then(|value| value.get("message").and_then(Value::as_str).map(str::to_owned));
        anyhow::bail!(message.unwrap_or_else(|| format!("the server answered {status}")))
    }

    /// `GET` of JSON.
    pub(crate) async fn get<R: DeserializeOwned>(&self, path: &str) -> anyhow::Result<R> {
        Ok(self.send(Method::GET, path, None).await?.json().await?)
    }

    /// `POST` of JSON.
    pub(crate) async fn post<R: DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<R> {
        Ok(self.send(Method::POST, path, Some(body)).await?.json().await?)
    }

    /// A link that signs the administrator in, once.
    pub(crate) async fn sign_in_link(&self) -> anyhow::Result<String> {
        let answer: Value = self.post("/airlock/sign-in-link", &serde_json::json!({})).await?;
        let link = answer.get("url").and_then(Value::as_str);
        Ok(link.context("the server gave no link")?.to_owned())
    }
}
