//! `airlock lsp` as an editor's user has it: a real Neovim opens a broken config, mends it, asks, completes, jumps, renames
//! and types fast. What Neovim saw comes back as JSON.

use airlock_testkit::{DataDir, Run, airlock_binary};
use anyhow::Context as _;
use serde_json::{Value, json};

const SCRIPT: &str = include_str!("language_server/session.lua");

const CONFIG: &str = r#"version: 2.1
# 🚀 Columns behind this are counted in UTF-16.
orbs: {tool: acme/tool@1.2}
commands:
  greet:
    parameters:
      to: {type: string, description: Whom to greet}
    steps:
      - run: echo 🚀 << parameters.to >>
jobs:
  build:
    docker: [{image: "cimg/base:current"}]
    steps:
      - chekout
      - greet: {to: all}
      - tool/install
  test:
    docker: [{image: "cimg/base:current"}]
    steps: [checkout]
workflows:
  main:
    jobs:
      - build
      - test: {requires: [build]}
"#;

const ORB: &str =
    "version: 2.1\ncommands:\n  install:\n    description: Puts it there\n    steps: [{run: install}]\n";

/// Runs the script and gives what it wrote.
fn session(data: &DataDir) -> anyhow::Result<Value> {
    data.write("work/.circleci/config.yml", CONFIG)?;
    data.write(
        "work/.circleci/pod.yml",
        "apiVersion: v1\nkind: Pod\n---\nkind: Pod\n",
    )?;
    data.write("orbs/acme/tool/1.2.3.yml", ORB)?;
    let script = data.write("session.lua", SCRIPT)?;
    let seen = data.join("seen.json");
    Run::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c"])
        .arg(format!("luafile {}", script.display()))
        .directory(data.join("work"))
        .home(data.path())
        .variable("AIRLOCK", airlock_binary()?)
        .variable("ORBS", data.join("orbs"))
        .variable("SEEN", &seen)
        .finish()?
        .success()?;
    let text = std::fs::read_to_string(&seen).context("Neovim wrote nothing")?;
    Ok(serde_json::from_str(&text)?)
}

#[test]
fn an_editor_opens_mends_asks_jumps_and_renames() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let seen = session(&data)?;
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();

    assert_eq!(seen["error"], Value::Null, "{seen:#}");
    assert_eq!(
        seen["first"],
        json!([{"code": "unknown-command", "line": 14, "text": "chekout"}])
    );
    let page = text("page");
    let page = page.strip_prefix("file://").context("no link to a page")?;
    assert!(
        std::fs::read_to_string(page)?.contains("unknown-command"),
        "{page}"
    );
    assert_eq!(seen["fix"], json!("      - checkout"));
    assert_eq!(seen["after_fix"], json!(0));
    assert!(text("hover").contains("Whom to greet"), "{seen:#}");
    assert!(text("hover_orb").contains("Puts it there"), "{seen:#}");
    assert!(text("hover_entry").contains("echo 🚀 all"), "{seen:#}");
    assert_eq!(seen["completion"], json!("      - run: echo << parameters.to >>"));
    assert_eq!(seen["definition"], json!(["config.yml", 23]));
    assert_eq!(seen["definition_orb"], json!(["1.2.3.yml", 3]));
    assert_eq!(seen["references"], json!([7, 9, 15]));
    assert_eq!(
        seen["renamed"],
        json!([
            "      whom: {type: string, description: Whom to greet}",
            "      - run: echo 🚀 << parameters.whom >>",
            "      - greet: {whom: all}",
        ])
    );
    assert!(text("refused").contains("built-in step"), "{seen:#}");
    assert_eq!(
        seen["outline"],
        json!(["version", "orbs", "commands", "jobs", "workflows"])
    );
    // Of two hundred keys only some are answered with diagnostics, and the last answer is about the last text.
    let told = seen["burst_told"].as_u64().context("no number")?;
    assert!((1..200).contains(&told), "{seen:#}");
    assert_eq!(seen["burst_version"], seen["burst_last_version"]);
    assert_eq!(seen["burst_left"], json!(0));
    assert_eq!(seen["pod"], json!(0));
    assert_eq!(seen["exit"], json!(0));
    Ok(())
}
