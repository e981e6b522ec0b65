//! The browser itself, on pages from files.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::{Browser, Scripts};
use crate::data_dir::DataDir;
use crate::limits::PATIENCE;
use crate::wait::wait_for;

const PAGE: &str = r#"<!doctype html><title>first</title>
<p id="state">still</p><button id="go">Change</button><a href="second.html">On</a><a href="second.html" hidden>On</a>
<noscript>no scripts here</noscript>
<script>
  document.getElementById("go").onclick = () => setTimeout(() => { document.getElementById("state").textContent = "changed" }, 20);
  console.error("a complaint");
</script>"#;

fn pages(data: &DataDir) -> String {
    data.write("second.html", "<!doctype html><title>second</title>")
        .unwrap();
    let page = data.write("first.html", PAGE).unwrap();
    format!("file://{}", page.display())
}

#[test]
fn a_page_is_read_clicked_and_left() {
    let data = DataDir::new().unwrap();
    let browser = Browser::start(&data, Scripts::On, &[]).unwrap();
    browser.open(&pages(&data)).unwrap();
    assert_eq!(browser.texts("p").unwrap(), ["still"]);
    browser.click("button", "Change").unwrap();
    browser.see("#state", "changed").unwrap();
    let log = browser.log().unwrap();
    assert!(
        log.complaints().iter().any(|entry| entry.contains("a complaint")),
        "{log:?}"
    );
    assert!(
        log.requests.iter().any(|address| address.ends_with("first.html")),
        "{log:?}"
    );
    browser.click("a", "On").unwrap();
    browser
        .wait_for("the second page", "return document.title === 'second'")
        .unwrap();
    assert!(browser.address().unwrap().ends_with("second.html"));
    let picture = std::fs::read(browser.picture("second").unwrap()).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    let told = format!("{:#}", browser.explain(anyhow::anyhow!("the cause")));
    for words in ["second.html", "a complaint", ".png", "the cause"] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
}

#[test]
fn scripts_can_be_off_and_the_test_still_sees() {
    let data = DataDir::new().unwrap();
    let browser = Browser::start(&data, Scripts::Off, &[]).unwrap();
    browser.open(&pages(&data)).unwrap();
    browser.see("noscript", "no scripts here").unwrap();
    assert!(browser.log().unwrap().complaints().is_empty());
    browser.click("a", "On").unwrap();
    browser
        .wait_for("the second page", "return document.title === 'second'")
        .unwrap();
}

#[test]
fn only_what_the_test_names_is_reached() {
    let data = DataDir::new().unwrap();
    let (named, other) = (serve("named"), serve("other"));
    let browser = Browser::start(&data, Scripts::On, &[named]).unwrap();
    browser
        .open(&format!("http://localhost:{}/", named.port()))
        .unwrap();
    browser.see("body", "named").unwrap();
    let refused = browser.open(&format!("http://{other}/")).unwrap_err();
    assert!(
        format!("{refused:#}").contains("ERR_CONNECTION_REFUSED"),
        "{refused:#}"
    );
    assert_eq!(browser.run("return navigator.onLine").unwrap(), true);
    // The other one answers to whoever may reach it.
    let browser = Browser::start(&data, Scripts::On, &[other]).unwrap();
    browser.open(&format!("http://{other}/")).unwrap();
    browser.see("body", "other").unwrap();
}

/// Answers everything with the same page.
#[expect(clippy::disallowed_methods, reason = "the far end of a door is a server")]
fn serve(page: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let length = page.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
            let _request = stream.read(&mut [0; 4096]);
            let _gone = write!(stream, "{head}Content-Length: {length}\r\n\r\n{page}");
        }
    });
    address
}

#[test]
fn nothing_outlives_the_browser() {
    let data = DataDir::new().unwrap();
    let browser = Browser::start(&data, Scripts::On, &[]).unwrap();
    let profile = data.path().display().to_string();
    assert!(
        !running(&profile).is_empty(),
        "the browser runs as long as it is used"
    );
    drop(browser);
    wait_for("the browser's processes to be gone", PATIENCE, || {
        running(&profile).is_empty().then_some(())
    })
    .unwrap();
}

/// Processes that name this folder on their command line. A killed one that nobody has collected yet has none.
fn running(folder: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let lines =
        processes.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(folder)).collect()
}
