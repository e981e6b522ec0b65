//! Pages in a real Chromium, against a real `airlock up`: what a person clicks and then sees, mostly without reloading.
//! Whatever one page says in which case is tested in the gateway; here it is whether everything works together, with the
//! browser's own rules (content policy, cookies, downloads) switched on.

mod visitor;

use airlock_testkit::{PATIENCE, Scripts, wait_for};
use anyhow::{Context as _, ensure};

use crate::support;
use visitor::visit;

#[test]
fn the_link_from_the_terminal_signs_in_once() -> anyhow::Result<()> {
    visit(Scripts::On, |visitor| {
        let browser = visitor.browser;
        // Without a session every page is the one that says how to get in.
        browser.open(&format!("{}/projects", visitor.origin))?;
        browser.see("main", "airlock admin sign-in-link")?;
        let link = visitor.sign_in_link()?;
        browser.open(&link)?;
        visitor.portraits("sign-in")?;
        browser.click("button", "Sign in")?;
        browser.see("h1", "Pipelines")?;
        let here = browser.address()?;
        ensure!(here == format!("{}/", visitor.origin), "signed in, but at {here}");
        visitor.portraits("first-steps")?;
        browser.click(".who button", "Sign out")?;
        browser.see("h1", "Sign in")?;

        browser.open(&link)?;
        browser.click("button", "Sign in")?;
        browser.see("[role=alert]", "used already")?;
        browser.see("main", "airlock admin sign-in-link")?;
        visitor.portraits("used-link")?;
        browser.open(&format!("{}/", visitor.origin))?;
        browser.see("h1", "Sign in")?;
        // Signing out closes the live channel; a page that is still there may ask for it once more.
        visitor.tolerate("/pusher/auth");
        // The browser itself tells of the refusal, and of nothing else.
        visitor.expect_complaint("403");
        Ok(())
    })
}

/// Counts aloud until a branch `enough` is there, so that the test decides how long it takes.
const COUNTING: &str = "version: 2.1
jobs:
  build:
    docker: [{image: airlock/base}]
    steps:
      - checkout
      - run:
          name: count
          command: |
            number=0
            until git ls-remote --exit-code origin refs/heads/enough > /dev/null; do
              for line in $(seq 50); do number=$((number + 1)); echo line-$number; sleep 0.02; done
            done
            echo counted $number
workflows:
  ci:
    jobs:
      - build: {filters: {branches: {only: main}}}
";

#[test]
fn lines_and_the_end_of_a_job_appear_without_reload() -> anyhow::Result<()> {
    visit(Scripts::On, |visitor| {
        let browser = visitor.browser;
        visitor.sign_in()?;
        visitor.instance.create_project("demo/count")?;
        visitor.mark_page()?;
        visitor.instance.push_config("demo/count", COUNTING)?;
        // The list itself is alive: the pipeline comes to whoever looks at it.
        browser.see(".pipe .st", "Running")?;
        visitor.still_the_same_page()?;
        visitor.portraits("pipelines")?;
        browser.click("a.subject", "A change")?;
        browser.see(".flow .st", "Running")?;
        visitor.portraits("pipeline-running")?;
        browser.click(".node a", "build")?;
        browser.see(".row.head .st", "Running")?;

        let newest = "
          const lines = [...document.querySelectorAll('.log p > span')].map((line) => line.textContent);
          return Math.max(0, ...lines.map((line) => Number(/^line-(\\d+)$/.exec(line)?.[1] ?? 0)))";
        visitor.mark_page()?;
        let first = browser
            .wait_for("a first line", newest)?
            .as_u64()
            .context("a number")?;
        let later = format!("return {first} + 60 < (() => {{{newest}}})()");
        browser.wait_for("lines that were written after the page was opened", &later)?;
        visitor.still_the_same_page()?;
        visitor.portraits("job-running")?;

        visitor.push_branch("demo/count", "enough")?;
        browser.see(".row.head .st", "Success")?;
        browser.wait_for(
            "the last line",
            "return [...document.querySelectorAll('.log p')].some((line) => line.textContent.includes('counted '))",
        )?;
        visitor.still_the_same_page()?;
        let lines = browser.texts(".log p > span")?;
        let counted = lines
            .iter()
            .find_map(|line| line.strip_prefix("counted ")?.parse().ok());
        let counted: u64 = counted.context("no line says how far it counted")?;
        let shown: Vec<&String> = lines.iter().filter(|line| line.starts_with("line-")).collect();
        let wanted: Vec<String> = (1..=counted).map(|number| format!("line-{number}")).collect();
        ensure!(
            wanted.iter().eq(shown.iter().copied()),
            "{} of {counted} lines: {shown:?}",
            shown.len()
        );
        visitor.portraits("job-success")?;

        let log = browser.log()?;
        let socket = log.requests.iter().any(|address| address.starts_with("wss://"));
        ensure!(socket, "the page opened no live channel: {:?}", log.requests);
        // A reload shows the same lines: what came live is what is stored.
        browser.open(&browser.address()?)?;
        ensure!(
            browser.texts(".log p > span")? == lines,
            "other lines after a reload"
        );
        Ok(())
    })
}

#[test]
fn an_approval_on_the_page_lets_the_workflow_become_green_before_ones_eyes() -> anyhow::Result<()> {
    visit(Scripts::On, |visitor| {
        let browser = visitor.browser;
        visitor.sign_in()?;
        visitor.instance.push_example("demo/approval", "approval")?;
        browser.see(".pipe", "hold waits for approval")?;
        browser.click("a.subject", "A change")?;
        browser.see(".node button", "Approve")?;
        visitor.portraits("approval")?;
        visitor.mark_page()?;
        // Somebody else presses the button; this page hears of it.
        let pipeline = browser.address()?;
        let watching = browser.new_tab()?;
        browser.open(&pipeline)?;
        browser.click(".node button", "Approve")?;
        browser.wait_for(
            "the page without the button",
            "return !document.querySelector('.node button')",
        )?;
        ensure!(
            browser.address()? == pipeline,
            "the button leads to {}",
            browser.address()?
        );
        browser.see(".flow > .row .st", "Success")?;
        browser.back_to(watching)?;
        browser.see(".flow > .row .st", "Success")?;
        browser.see(".row.head .st", "Success")?;
        visitor.still_the_same_page()?;
        browser.click(".node a", "hold")?;
        browser.see("aside", "approved by")?;
        visitor.portraits("approved")
    })
}

#[test]
fn an_artifact_is_downloaded_as_it_was_built() -> anyhow::Result<()> {
    visit(Scripts::On, |visitor| {
        let browser = visitor.browser;
        visitor.sign_in()?;
        visitor.instance.push_example("demo/hello", "hello")?;
        browser.see(".pipe", "demo/hello")?;
        browser.click("a.subject", "A change")?;
        browser.see(".flow > .row .st", "Success")?;
        visitor.portraits("pipeline-success")?;
        browser.click(".node a", "package")?;
        browser.click(".files a", "packages/hello.tar.gz")?;
        let download = browser.downloads().join("hello.tar.gz");
        wait_for("the download", PATIENCE, || download.exists().then_some(()))?;
        visitor.portraits("job-artifact")?;

        let events = visitor.airlock(&["pipeline", "watch", "demo/hello", "--json"])?;
        let job = support::job_id(&events, "package").context("no job 'package' in the events")?;
        let saved = visitor.data.join("saved");
        let path = saved.display().to_string();
        visitor.airlock(&["job", "artifacts", &job, "--save", &path])?;
        let built = std::fs::read(saved.join("0/packages/hello.tar.gz")).context("reading what was saved")?;
        let loaded = std::fs::read(&download).context("reading the download")?;
        ensure!(
            !built.is_empty() && built == loaded,
            "the download differs from the artifact"
        );
        Ok(())
    })
}

/// One step goes well, the next one says much and fails near the end.
const FAILING: &str = "
      - run: {name: prepare, command: echo prepared}
      - run:
          name: compile
          command: |
            seq -f 'compiling part %g' 300
            echo 'error: part 301 is missing'
            seq -f 'note %g' 5
            exit 3";

#[test]
fn what_went_wrong_is_seen_first() -> anyhow::Result<()> {
    visit(Scripts::On, |visitor| {
        let browser = visitor.browser;
        visitor.sign_in()?;
        visitor.instance.create_project("demo/red")?;
        visitor
            .instance
            .push_config("demo/red", &support::one_job(FAILING))?;
        browser.see(".pipe", "build failed")?;
        browser.click("a.subject", "A change")?;
        browser.see(".note", "'compile' exited with code 3")?;
        visitor.portraits("pipeline-failed")?;
        browser.click(".note a", "build")?;
        browser.see(".row.head .st", "Failed")?;
        browser.see("aside", "'compile' exited with code 3")?;
        let open = browser.texts("details.step[open] > summary .grow")?;
        ensure!(
            open.len() == 1 && open.iter().all(|name| name.starts_with("compile")),
            "open steps: {open:?}"
        );
        let in_view = "
          const inside = (part, whole) => part.top >= whole.top && part.bottom <= whole.bottom;
          const screen = { top: 0, bottom: innerHeight };
          const line = document.querySelector('.log .hit'), why = document.querySelector('aside .card');
          const log = line.closest('.log').getBoundingClientRect();
          return line.textContent.includes('part 301 is missing') && inside(line.getBoundingClientRect(), log)
            && inside(line.getBoundingClientRect(), screen) && inside(why.getBoundingClientRect(), screen)";
        browser.wait_for("the failing line and its reason in view", in_view)?;
        visitor.portraits("job-failed")?;

        let config = support::one_job("\n      - run:\n          comand: make");
        visitor.instance.push_config("demo/red", &config)?;
        browser.click(".brand", "Airlock")?;
        browser.see(".pipe .st", "Errored")?;
        visitor.portraits("pipelines-red")?;
        browser.click(".pipe-status a", "#2")?;
        browser.see(".row.head .st", "Errored")?;
        browser.see(".compiler", "comand")?;
        browser.see(".compiler", "config.yml:7")?;
        visitor.portraits("pipeline-errored")
    })
}

#[test]
fn everything_can_be_read_and_pressed_without_scripts() -> anyhow::Result<()> {
    visit(Scripts::Off, |visitor| {
        let browser = visitor.browser;
        visitor.sign_in()?;
        visitor.instance.create_project("demo/plain")?;
        let config = format!(
            "{}workflows:\n  ci:\n    jobs:\n      - build\n      - hold: {{type: approval}}\n",
            support::one_job(&format!("{FAILING}\n"))
        );
        visitor.instance.push_config("demo/plain", &config)?;
        let address = browser.address()?;
        visitor.reload_until(&address, "the failed job", ".pipe-jobs", "build failed")?;
        browser.click("a.subject", "A change")?;
        browser.click(".node a", "build")?;
        browser.see(".row.head .st", "Failed")?;
        browser.see(".log .hit", "error: part 301 is missing")?;
        browser.see(".log", "compiling part 300")?;
        // A step that is closed opens without a script.
        browser.click("summary", "prepare")?;
        browser.see(".log", "prepared")?;
        visitor.portraits("job-without-scripts")?;

        browser.click(".crumbs a", "#1")?;
        browser.click(".node button", "Approve")?;
        browser.see(".node.ok", "hold")?;
        browser.click("button", "Run this commit again")?;
        browser.see(".crumbs", "#2")?;
        visitor.reload_until(&browser.address()?, "the plan", "button", "Cancel pipeline")?;
        browser.click("button", "Cancel pipeline")?;
        browser.see(".row.head .st", "Canceled")?;
        browser.click("button", "Sign out")?;
        browser.see("h1", "Sign in")?;
        let ran = browser
            .log()?
            .requests
            .iter()
            .any(|address| address.starts_with("wss://"));
        ensure!(!ran, "a script ran");
        Ok(())
    })
}
