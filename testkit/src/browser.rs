//! A real Chromium, driven from a test: opens pages, clicks, reads what stands there, keeps what the page complained of.
//!
//! Blocking like everything here. Each browser has a chromedriver, a network, a profile and a process group of its own,
//! all of which end with it; it needs root for the network. Nothing is looked for twice by hand: what is not there yet is waited for, and who waits in vain
//! is told what the page showed instead and where its picture lies. Journeys use it; a crate's tests look at HTML.

mod driver;
mod log;
mod network;
mod page;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::data_dir::DataDir;
use driver::Driver;
use fantoccini::wd::WindowHandle;
pub use log::PageLog;

/// Where pictures of pages go in addition to the test's own folder.
const PICTURES: &str = "AIRLOCK_SCREENSHOTS";

/// Whether pages may run JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// As browsers come.
    On,
    /// As some people set them. The test itself can still look at the page.
    Off,
}

/// A tab that one can go back to.
#[derive(Debug)]
pub struct Tab(WindowHandle);

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    folder: PathBuf,
    log: RefCell<PageLog>,
}

impl Browser {
    /// Starts one, with its profile in the test's folder. It reaches these addresses and nothing else.
    pub fn start(data: &DataDir, scripts: Scripts, reachable: &[SocketAddr]) -> Result<Self> {
        let number = std::fs::read_dir(data.path())
            .context("could not read the test's folder")?
            .count();
        let folder = data.join(format!("browser-{number}"));
        std::fs::create_dir_all(folder.join("downloads")).context("could not make a folder for downloads")?;
        let driver = Driver::start(&folder, scripts, reachable).context("could not start Chromium")?;
        Ok(Self {
            driver,
            folder,
            log: RefCell::default(),
        })
    }

    /// Where downloads arrive.
    pub fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    /// Everything the pages complained of and asked for so far.
    pub fn log(&self) -> Result<PageLog> {
        let console = self.driver.log("browser")?;
        let network = self.driver.log("performance")?;
        let mut log = self.log.borrow_mut();
        log.add_console(&console);
        log.add_network(&network);
        Ok(log.clone())
    }

    /// Opens a second, empty tab and goes there. Gives the way back.
    pub fn new_tab(&self) -> Result<Tab> {
        let here = self.driver.tab()?;
        self.driver.new_tab()?;
        Ok(Tab(here))
    }

    /// Closes this tab and goes to that one.
    pub fn back_to(&self, tab: Tab) -> Result<()> {
        self.driver.close_tab_for(tab.0)
    }

    /// Sets the size of the page, narrower than a window can be if need be.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.driver
            .devtools("Emulation.setDeviceMetricsOverride", &size)?;
        Ok(())
    }

    /// Sets which colours the reader prefers: `light` or `dark`.
    pub fn prefer_colours(&self, scheme: &str) -> Result<()> {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.driver.devtools("Emulation.setEmulatedMedia", &features)?;
        Ok(())
    }

    /// Keeps a picture of what is in view, in the test's folder and, if one is named there, in the one of
    /// `AIRLOCK_SCREENSHOTS`.
    pub fn picture(&self, name: &str) -> Result<PathBuf> {
        let taken = self.driver.devtools("Page.captureScreenshot", &json!({}))?;
        let data = taken["data"].as_str().context("the picture has no data")?;
        let picture = BASE64_STANDARD.decode(data).context("the picture is no base64")?;
        let write = |folder: &Path| -> Result<PathBuf> {
            let path = folder.join(format!("{name}.png"));
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, &picture))
                .with_context(|| format!("could not write {}", path.display()))?;
            Ok(path)
        };
        let here = write(&self.folder)?;
        match std::env::var_os(PICTURES) {
            Some(folder) => write(Path::new(&folder)),
            None => Ok(here),
        }
    }

    /// Adds to an error what the page shows, what it complained of, and where its picture lies.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let part = |told: Result<String>| told.unwrap_or_else(|error| format!("(unknown: {error:#})"));
        let shown = self.run("return document.title + '\\n' + (document.body?.innerText ?? '')");
        let shown = shown.map(|text| text.as_str().unwrap_or_default().chars().take(6000).collect());
        let picture = self.picture(&format!("failure-{}", self.driver.port()));
        let picture = picture.map(|path| path.display().to_string());
        error.context(format!(
            "in the browser at {}, which shows:\n{}\n--- console\n{}--- picture (AIRLOCK_TEST_KEEP=1 keeps it): {}",
            part(self.address()),
            part(shown),
            part(self.log().map(|log| log.console_text())),
            part(picture),
        ))
    }

    /// Runs a function body in the page and gives what it returns.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.driver.execute(script, Vec::new())
    }

    /// The same, with `arguments`.
    pub fn run_with(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.driver.execute(script, arguments)
    }
}
