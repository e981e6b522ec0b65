//! Somebody with a browser in front of a fresh instance. Every visit ends with a look at what went on behind the pages:
//! no complaint in the console, no request to anybody else.

use std::cell::RefCell;
use std::net::SocketAddr;

use airlock_testkit::{Browser, DataDir, Git, PATIENCE, Scripts, wait_for};
use anyhow::{Context as _, ensure};

use crate::support::Instance;

/// What a journey works with.
pub(super) struct Visitor<'a> {
    pub(super) data: &'a DataDir,
    pub(super) instance: &'a Instance<'a>,
    pub(super) browser: &'a Browser,
    /// `https://localhost:<port>`
    pub(super) origin: String,
    expected: RefCell<Vec<String>>,
    tolerated: RefCell<Vec<String>>,
}

/// Runs a journey; what goes wrong is told with what the page showed.
pub(super) fn visit(
    scripts: Scripts,
    journey: impl FnOnce(&Visitor<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    let address: SocketAddr = instance
        .https_address()?
        .parse()
        .context("the address of the web door")?;
    let browser = Browser::start(&data, scripts, &[address])?;
    let visitor = Visitor {
        data: &data,
        instance: &instance,
        browser: &browser,
        origin: format!("https://localhost:{}", address.port()),
        expected: RefCell::default(),
        tolerated: RefCell::default(),
    };
    journey(&visitor)
        .and_then(|()| visitor.nothing_strange_happened())
        .map_err(|error| browser.explain(error))
}

impl Visitor<'_> {
    /// A fresh link, as the terminal prints it.
    pub(super) fn sign_in_link(&self) -> anyhow::Result<String> {
        Ok(self.airlock(&["admin", "sign-in-link"])?.trim().to_owned())
    }

    /// Signs in and stands on the list of pipelines.
    pub(super) fn sign_in(&self) -> anyhow::Result<()> {
        self.browser.open(&self.sign_in_link()?)?;
        self.browser.click("button", "Sign in")?;
        self.browser.see("h1", "Pipelines")
    }

    /// What a command of this instance prints.
    pub(super) fn airlock(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self
            .instance
            .airlock()?
            .args(arguments)
            .finish()?
            .success()?
            .stdout)
    }

    /// Pushes the commit that was pushed last as another branch.
    pub(super) fn push_branch(&self, project: &str, branch: &str) -> anyhow::Result<()> {
        let checkout = Git::open(self.data.join(project.replace('/', "-")));
        let git = self.instance.with_remote(checkout)?;
        git.push(&self.instance.git_url(project)?, &format!("main:{branch}"))?
            .success()?;
        Ok(())
    }

    /// Leaves a mark that a reload would wipe out.
    pub(super) fn mark_page(&self) -> anyhow::Result<()> {
        self.browser.run("window.markedByTheTest = true; return null")?;
        Ok(())
    }

    /// Fails when the page was loaded anew since it was marked.
    pub(super) fn still_the_same_page(&self) -> anyhow::Result<()> {
        let marked = self.browser.run("return window.markedByTheTest === true")?;
        ensure!(marked == true, "the page was loaded anew");
        Ok(())
    }

    /// Opens an address again and again until the words are there, as people without scripts do.
    pub(super) fn reload_until(
        &self,
        address: &str,
        what: &str,
        selector: &str,
        words: &str,
    ) -> anyhow::Result<()> {
        wait_for(what, PATIENCE, || {
            self.browser.open(address).ok()?;
            let texts = self.browser.texts(selector).ok()?;
            texts.iter().any(|text| text.contains(words)).then_some(())
        })
    }

    /// Pictures in both colours and two widths, when somebody wants to look at them: `AIRLOCK_SCREENSHOTS` names the
    /// folder by its whole path.
    pub(super) fn portraits(&self, name: &str) -> anyhow::Result<()> {
        if std::env::var_os("AIRLOCK_SCREENSHOTS").is_none() {
            return Ok(());
        }
        for (width, height) in [(1280, 900), (360, 760)] {
            self.browser.resize(width, height)?;
            for colours in ["light", "dark"] {
                self.browser.prefer_colours(colours)?;
                self.browser.picture(&format!("{name}-{width}-{colours}"))?;
            }
        }
        self.browser.resize(1280, 900)?;
        self.browser.prefer_colours("light")
    }

    /// Names words that one complaint in the console must have by the end; any other complaint fails the visit.
    pub(super) fn expect_complaint(&self, words: &str) {
        self.expected.borrow_mut().push(words.to_owned());
    }

    /// Names words that complaints in the console may have: what a page asks for while it is being left.
    pub(super) fn tolerate(&self, words: &str) {
        self.tolerated.borrow_mut().push(words.to_owned());
    }

    fn nothing_strange_happened(&self) -> anyhow::Result<()> {
        let log = self.browser.log()?;
        let mut complaints = log.complaints();
        complaints.retain(|complaint| {
            !self
                .tolerated
                .borrow()
                .iter()
                .any(|words| complaint.contains(words.as_str()))
        });
        for word in self.expected.borrow().iter() {
            let found = complaints
                .iter()
                .position(|complaint| complaint.contains(word.as_str()));
            complaints.remove(found.with_context(|| format!("no complaint about {word}"))?);
        }
        ensure!(complaints.is_empty(), "the page complained: {complaints:#?}");
        let strangers = log.strangers(&self.origin);
        ensure!(
            strangers.is_empty(),
            "the page asked somebody else: {strangers:#?}"
        );
        ensure!(!log.requests.is_empty(), "requests are not recorded");
        Ok(())
    }
}
