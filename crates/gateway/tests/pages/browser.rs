//! The browser's renderer of output in a real browser, held to the cases of the server's.

use std::process::{Command, Stdio};

const ANSI: &str = include_str!("../../assets/ansi.js");
const CASES: &str = include_str!("../../src/pages/ansi/cases.json");

/// Writes what is wrong into the page, or that all is well.
const CHECK: &str = r#"
const wrong = [];
const written = ({ spans }) => spans.map(({ classes, text }) => (classes ? `[${classes}:${text}]` : text)).join("");
const cases = JSON.parse(document.getElementById("cases").textContent);
for (const { name, feed, lines } of cases) {
  for (const pieces of [feed, [...feed.join("")]]) {
    const terminal = new Terminal();
    const found = pieces.flatMap((piece) => terminal.feed(piece));
    const rest = terminal.unfinished();
    if (rest) found.push(rest);
    const text = JSON.stringify(found.map(written));
    if (text !== JSON.stringify(lines)) wrong.push(`${name}: ${text}`);
  }
}
const later = new Terminal("1 1 17");
if (written(later.feed("x\n")[0]) !== "[tb f1 b17:x]") wrong.push("the server's style does not go on");
document.body.textContent = wrong.length === 0 ? `ALL ${cases.length} CASES ARE RIGHT` : `WRONG\n${wrong.join("\n")}`;
"#;

/// What the browser shows of a page.
fn opened(page: &str) -> String {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("page.html");
    std::fs::write(&file, page).expect("written");
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ))
        .arg(format!("file://{}", file.display()))
        .stderr(Stdio::null())
        .output()
        .expect("chromium runs: cargo xtask install gets it");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn page(ansi: &str) -> String {
    // A case ends no script: `<` is written as its number.
    let cases = CASES.replace('<', "\\u003c");
    let ansi = ansi.replace("export class", "class");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><body><script type=\"application/json\" id=\"cases\">{cases}</script>\
         <script type=\"module\">{ansi}\n{CHECK}</script>"
    )
}

#[test]
fn the_live_tail_draws_what_the_server_draws() {
    let shown = opened(&page(ANSI));
    assert!(shown.contains("CASES ARE RIGHT"), "{shown}");
    // A renderer that forgets a colour is seen.
    let broken = ANSI.replace("this.style.front = code - 30", "this.style.front = null");
    assert_ne!(broken, ANSI);
    assert!(opened(&page(&broken)).contains("WRONG"));
}
