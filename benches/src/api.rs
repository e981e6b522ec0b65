//! A client of the measured instance: calls, the event stream, and the session that the live channel wants. Speaks as
//! the command line does, over TLS with the instance's own CA; opens no socket itself.

use airlock_transport::http_client::{HttpClient, HttpResponse, bytes};
use airlock_transport::tls::client_config;
use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};

use crate::instance::Endpoint;
use crate::limits;

/// One connection pool of one client.
pub(crate) struct Api {
    http: HttpClient,
    /// WebSockets need HTTP/1.1.
    http1: HttpClient,
    url: String,
    token: String,
}

impl Api {
    pub(crate) fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let ca = std::fs::read_to_string(&endpoint.ca_file)
            .with_context(|| format!("reading {}", endpoint.ca_file.display()))?;
        let tls = client_config(&ca, None)?;
        Ok(Self {
            http: HttpClient::new(&tls),
            http1: HttpClient::new(&tls.http1_only()),
            url: endpoint.url.clone(),
            token: endpoint.admin_token.clone(),
        })
    }

    /// The address of pages, which is also their origin.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The client for WebSockets.
    pub(crate) fn http1(&self) -> &HttpClient {
        &self.http1
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<HttpResponse> {
        let url = format!("{}/api/v2{path}", self.url);
        let mut request = self
            .http
            .request(method, &url)
            .header("Circle-Token", &self.token);
        if let Some(body) = body {
            request = request.json(body)?;
        }
        Ok(request.send().await?)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(Method::GET, path, None).await?;
        Ok(answer.checked().await?.json().await?)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.send(Method::POST, path, Some(body)).await?;
        Ok(answer.checked().await?.json().await?)
    }

    /// What a step has written so far; nothing when it has not begun.
    pub(crate) async fn log(&self, job: &str, step: u32) -> anyhow::Result<String> {
        let path = format!("/airlock/job/{job}/log?slice=0&step={step}");
        let answer = self.send(Method::GET, &path, None).await?;
        if answer.status() == http::StatusCode::NOT_FOUND {
            return Ok(String::new());
        }
        let log = answer.checked().await?.bytes(limits::ANSWER_BYTES).await?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Starts a pipeline and gives its id.
    pub(crate) async fn trigger(&self, project: &str) -> anyhow::Result<String> {
        let path = format!("/project/git/{project}/pipeline");
        let made = self.post(&path, &json!({ "branch": "main" })).await?;
        Ok(made["id"]
            .as_str()
            .context("the new pipeline has no id")?
            .to_owned())
    }

    /// Follows a pipeline from its beginning.
    pub(crate) async fn events(&self, pipeline: &str) -> anyhow::Result<Events> {
        let path = format!("/airlock/pipeline/{pipeline}/events");
        let answer = self.send(Method::GET, &path, None).await?.checked().await?;
        Ok(Events {
            answer,
            read: Vec::new(),
        })
    }

    /// The cookie of a browser that was just signed in.
    pub(crate) async fn session(&self) -> anyhow::Result<String> {
        let link = self.post("/airlock/sign-in-link", &json!({})).await?;
        let link = link["url"].as_str().context("there is no sign-in link")?;
        let (_, query) = link.split_once('?').context("the sign-in link holds no token")?;
        let answer = self
            .http
            .request(Method::POST, &format!("{}/sign-in", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(bytes(query.to_owned()))
            .send()
            .await?
            .checked()
            .await?;
        let cookie = answer
            .headers()
            .get("set-cookie")
            .context("signing in gave no cookie")?;
        let cookie = cookie.to_str().context("the cookie is no text")?;
        Ok(cookie.split(';').next().unwrap_or_default().to_owned())
    }

    /// The right of one WebSocket to listen to one channel, asked for as a page does.
    pub(crate) async fn right(&self, cookie: &str, socket: &str, channel: &str) -> anyhow::Result<String> {
        let answer = self
            .http
            .request(Method::POST, &format!("{}/pusher/auth", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie)
            .header("sec-fetch-site", "same-origin")
            .body(bytes(format!("socket_id={socket}&channel_name={channel}")))
            .send()
            .await?;
        let answer: Value = answer.checked().await?.json().await?;
        Ok(answer["auth"]
            .as_str()
            .context("the right is no text")?
            .to_owned())
    }
}

/// The happenings of one pipeline.
pub(crate) struct Events {
    answer: HttpResponse,
    read: Vec<u8>,
}

impl Events {
    /// The next one; `None` when the pipeline has ended.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line).context("reading an event")?));
            }
            anyhow::ensure!(self.read.len() < limits::LINE_BYTES, "an event has no end");
            match self.answer.chunk().await? {
                Some(piece) => self.read.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }

    /// Reads to the end and gives the id of the pipeline's job; fails unless all went well.
    pub(crate) async fn drain(mut self) -> anyhow::Result<String> {
        let mut job = None;
        while let Some(event) = self.next().await? {
            let status = event["status"].as_str().unwrap_or_default();
            match event["type"].as_str().unwrap_or_default() {
                "job" => job = event["job_id"].as_str().map(str::to_owned),
                "workflow" if ["failed", "error", "canceled"].contains(&status) => {
                    anyhow::bail!("a measured pipeline ended as {event}")
                }
                "pipeline" if status == "errored" => {
                    anyhow::bail!("a measured pipeline was refused: {event}")
                }
                _ => {}
            }
        }
        job.context("a measured pipeline had no job")
    }
}
