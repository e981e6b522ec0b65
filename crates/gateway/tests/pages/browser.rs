//! Modules of the pages in a real browser: the renderer of output, held to the cases of the server's, and what keeps a
//! page as the rows are without taking away what its reader did.

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

const MORPH: &str = include_str!("../../assets/morph.js");

/// The page as it was, with what the reader did, and as it is now.
const SWAP: &str = r##"
const old = document.getElementById("live");
const fresh = document.getElementById("fresh").content.firstElementChild;
const log = document.querySelector("#s1 .log-part");
const [opened, closed, failing] = ["s0", "s1", "s2"].map((id) => document.getElementById(id));
const field = document.querySelector("input");
field.value = "typed";
morph(old, fresh);
const says = (id) => document.querySelector(`#${id} summary`)?.textContent;
const right = {
  "a log stays the same": document.querySelector("#s1 .log-part") === log && log.textContent === "line",
  "a step stays the same": document.getElementById("s0") === opened && document.getElementById("s1") === closed,
  "its head is new": says("s1") === "one, done",
  "what the reader opened is open": opened.open,
  "what the reader closed is closed": !closed.open,
  "what failed opens itself": failing.open,
  "what is new is there": says("s3") === "three" && document.getElementById("s3").previousElementSibling.id === "s2",
  "what is gone is gone": document.getElementById("gone") === null,
  "what was typed stays": field.isConnected && field.value === "typed",
  "words are new": document.querySelector("h1").textContent === "Failed",
};
const wrong = Object.keys(right).filter((name) => !right[name]);
document.body.textContent = wrong.length === 0 ? "ALL IS RIGHT" : `WRONG\n${wrong.join("\n")}`;
"##;

const BEFORE: &str = r#"
<h1>Running</h1> <p id="gone">No step</p> <form><input></form>
<section id="steps">
<details id="s0" data-step="0" open><summary>zero</summary><div class="log-part">zero's</div></details>
<details id="s1" data-step="1" data-running><summary>one</summary><div class="log-part"><p>line</p></div></details>
<details id="s2" data-step="2" data-running><summary>two</summary><div class="log-part"></div></details>
</section>"#;

const AFTER: &str = r#"<h1>Failed</h1><form><input></form>
<section id="steps">
<details id="s0" data-step="0"><summary>zero</summary><div class="log-part"></div></details>
<details id="s1" data-step="1"><summary>one, done</summary><div class="log-part"></div></details>
<details id="s2" data-step="2" open><summary>two</summary><div class="log-part"></div></details>
<details id="s3" data-step="3" open><summary>three</summary><div class="log-part"></div></details>
</section>"#;

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

fn swapped(morph: &str) -> String {
    let morph = morph.replace("export function", "function");
    opened(&format!(
        "<!doctype html><meta charset=\"utf-8\"><body><div id=\"live\">{BEFORE}</div><template id=\"fresh\"><div>{AFTER}</div>\
         </template><script type=\"module\">{morph}\n{SWAP}</script>"
    ))
}

#[test]
fn a_refreshed_page_keeps_what_its_reader_did() {
    let shown = swapped(MORPH);
    assert!(shown.contains("ALL IS RIGHT"), "{shown}");
    // One that takes everything for new is seen.
    let broken = MORPH.replace("name(candidate) === name(node)", "false");
    assert_ne!(broken, MORPH);
    assert!(swapped(&broken).contains("WRONG"));
}
