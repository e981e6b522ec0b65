//! One chromedriver and its session. Owns the processes; speaks WebDriver, and through it the browser's own protocol for
//! what WebDriver has no word for.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fantoccini::elements::{Element, ElementRef};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use url::{ParseError, Url};

use super::Scripts;
use super::network::{self, Door, Network};
use crate::limits::PATIENCE;
use crate::run::Run;
use crate::watch::Watched;

/// A browser that is used by nothing but the test, asks nobody anything, and trusts the instance's own certificate.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--window-size=1280,900",
];

/// The key under which WebDriver writes an element, fixed by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running driver with its browser.
#[derive(Debug)]
pub(super) struct Driver {
    // In this order: the session's tasks end before the processes they talk to.
    client: Client,
    runtime: Runtime,
    port: u16,
    _doors: Vec<Door>,
    _processes: Watched,
}

impl Driver {
    pub(super) fn start(folder: &Path, scripts: Scripts, reachable: &[SocketAddr]) -> Result<Self> {
        let [program, arguments @ ..] = network::COMMAND;
        let command = Run::new(program)
            .args(arguments)
            .args(["chromedriver", "--port=0"])
            .directory(folder);
        let mut processes = Watched::start(&command)?;
        let line = processes.wait_for_line("its port", PATIENCE, |line| port(&line.text).is_some())?;
        let port = port(&line.text).context("chromedriver names no port")?;
        let network = Network::of(processes.process_id())?;
        let doors = reachable.iter().map(|address| network.open_door(*address));
        let doors = doors.collect::<Result<_>>()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            // Chromedriver listens in the browser's network. Who could not get there is told so when connecting.
            .on_thread_start(move || drop(network.enter()))
            .build()
            .context("could not start a runtime")?;
        let address = format!("http://127.0.0.1:{port}");
        let client = wait(&runtime, "a new session", async {
            let connected = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities(folder, scripts))
                .connect(&address)
                .await;
            Ok(connected?)
        })
        .with_context(|| processes.transcript())?;
        Ok(Self {
            client,
            runtime,
            port,
            _doors: doors,
            _processes: processes,
        })
    }

    /// Where the driver listens, which no other one does.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn open(&self, address: &str) -> Result<()> {
        wait(&self.runtime, &format!("opening {address}"), async {
            Ok(self.client.goto(address).await?)
        })
    }

    pub(super) fn execute(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        wait(&self.runtime, "a script in the page", async {
            Ok(self.client.execute(script, arguments).await?)
        })
    }

    /// Clicks where a person would: in the middle of what is in view.
    pub(super) fn click(&self, element: &Value) -> Result<()> {
        let id = element[ELEMENT].as_str().context("the script gave no element")?;
        let element = ElementRef::from(id.to_owned());
        wait(&self.runtime, "a click", async {
            let element = Element::from_element_id(self.client.clone(), element);
            Ok(element.click().await?)
        })
    }

    pub(super) fn tab(&self) -> Result<WindowHandle> {
        wait(&self.runtime, "looking which tab this is", async {
            Ok(self.client.window().await?)
        })
    }

    pub(super) fn new_tab(&self) -> Result<()> {
        wait(&self.runtime, "opening a tab", async {
            let made = self.client.new_window(true).await?;
            Ok(self.client.switch_to_window(made.handle).await?)
        })
    }

    pub(super) fn close_tab_for(&self, other: WindowHandle) -> Result<()> {
        wait(&self.runtime, "going to another tab", async {
            self.client.close_window().await?;
            Ok(self.client.switch_to_window(other).await?)
        })
    }

    /// A command of the browser's own protocol.
    pub(super) fn devtools(&self, command: &'static str, parameters: &Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.extension(
            command,
            Extension {
                path: "goog/cdp/execute",
                body,
            },
        )
    }

    /// The entries of one of the driver's logs since the last time.
    pub(super) fn log(&self, kind: &'static str) -> Result<Vec<Value>> {
        let body = json!({ "type": kind });
        let entries = self.extension("a log", Extension { path: "se/log", body })?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }

    fn extension(&self, what: &str, extension: Extension) -> Result<Value> {
        wait(&self.runtime, what, async {
            Ok(self.client.issue_cmd(extension).await?)
        })
    }
}

/// What chromedriver knows beyond the standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _address: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

fn wait<T>(runtime: &Runtime, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let limited = async { tokio::time::timeout(PATIENCE, work).await };
    let done = runtime.block_on(limited);
    let done = done.with_context(|| format!("waited {} s for {what}, in vain", PATIENCE.as_secs()))?;
    done.with_context(|| what.to_owned())
}

fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("started successfully on port ")?;
    rest.trim_end_matches('.').parse().ok()
}

fn capabilities(folder: &Path, scripts: Scripts) -> Capabilities {
    let mut arguments: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", folder.join("profile").display()));
    let mut preferences = json!({
        "download.default_directory": folder.join("downloads"),
        "download.prompt_for_download": false,
    });
    if scripts == Scripts::Off {
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    let patience = u64::try_from(Duration::as_millis(&PATIENCE)).unwrap_or(u64::MAX);
    let capabilities = json!({
        "goog:chromeOptions": { "args": arguments, "prefs": preferences },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "timeouts": { "pageLoad": patience, "script": patience },
    });
    capabilities.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_port_is_read_from_the_greeting() {
        assert_eq!(
            port("ChromeDriver was started successfully on port 44699."),
            Some(44699)
        );
        assert_eq!(port("Starting ChromeDriver 156 on port 0"), None);
    }
}
