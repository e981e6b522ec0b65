//! The pages about the codes: every code has one, its wrong example gives that code and shows the message as it is, and
//! its right example does not. With `AIRLOCK_WRITE_PAGES=1` the messages are written anew.

use std::path::{Path, PathBuf};

use airlock_pipeline_config::{Code, Diagnostic, Source, compile, pages, render};

use crate::inputs;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics")
}

/// The fenced blocks of a page: what stands behind the fence, and the text.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(_), true) => open = false,
            (Some(info), false) => {
                open = true;
                found.push((info, String::new()));
            }
            (None, true) => {
                if let Some((_, text)) = found.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            (None, false) => {}
        }
    }
    found
}

/// In a block of bytes `\xe9` stands for one byte.
fn bytes(info: &str, text: &str) -> Vec<u8> {
    if info != "yaml bytes" {
        return text.as_bytes().to_vec();
    }
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).expect("two hexadecimal digits"));
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    out
}

fn compiled(bytes: Vec<u8>) -> (Source, Vec<Diagnostic>) {
    let source = Source::new("config.yml", bytes);
    let diagnostics = compile(&source, &inputs::push()).1;
    (source, diagnostics)
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<&str> {
    let mut codes: Vec<&str> = diagnostics.iter().map(|one| one.code.as_str()).collect();
    codes.dedup();
    codes
}

/// Codes that are about other files than the config.
const ELSEWHERE: [&str; 5] = [
    "orb-refused",
    "orb-unavailable",
    "pack-conflict",
    "pack-include",
    "unknown-orb",
];

#[test]
fn every_page_shows_what_happens() {
    let (mut wrong_pages, mut elsewhere) = (Vec::new(), Vec::new());
    for code in Code::all() {
        let path = folder().join(format!("{}.md", code.as_str()));
        let page = std::fs::read_to_string(&path).expect("every code has a page");
        let blocks = blocks(&page);
        let [(info, wrong), (_, message), (_, right)] = blocks.as_slice() else {
            panic!(
                "{}: a wrong config, its message and the right config are wanted",
                path.display()
            );
        };
        if *info == "yaml elsewhere" {
            // What is wrong lies outside of the one file that is compiled here.
            elsewhere.push(code.as_str());
            let begins = message.trim_start_matches("error").trim_start_matches("warning");
            assert!(
                begins.starts_with(&format!("[{}]: ", code.as_str())),
                "{}",
                path.display()
            );
            continue;
        }
        let (source, diagnostics) = compiled(bytes(info, wrong));
        let shown = render::text(&diagnostics, &[source], render::Color::Never);
        let shown = format!("{}\n", shown.trim_end());
        if codes(&diagnostics) != [code.as_str()] {
            wrong_pages.push(format!("{}: the wrong config gives\n{shown}", code.as_str()));
        }
        if shown != *message {
            if std::env::var_os("AIRLOCK_WRITE_PAGES").is_some() {
                let block = |text: &str| format!("```text\n{text}```");
                let page = page.replace(&block(message), &block(&shown));
                std::fs::write(&path, page).expect("the page can be written");
            } else {
                wrong_pages.push(format!("{}: the message is\n{shown}", code.as_str()));
            }
        }
        let (_, diagnostics) = compiled(right.as_bytes().to_vec());
        if !diagnostics.is_empty() {
            wrong_pages.push(format!(
                "{}: the right config gives {diagnostics:?}",
                code.as_str()
            ));
        }
    }
    assert_eq!(elsewhere, ELSEWHERE);
    assert!(wrong_pages.is_empty(), "{}", wrong_pages.join("\n\n"));
}

#[test]
fn no_page_is_about_nothing_and_the_index_has_all() {
    let index = std::fs::read_to_string(folder().join("README.md")).expect("there is an index");
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let name = entry.expect("it can be listed").file_name();
        let name = name
            .to_str()
            .and_then(|name| name.strip_suffix(".md"))
            .expect("a page");
        assert!(
            name == "README" || pages::find(name).is_some(),
            "no code is called {name}"
        );
    }
    for code in Code::all() {
        let row = format!("| [`{0}`]({0}.md) | {1} |", code.as_str(), pages::summary(code));
        assert!(index.contains(&row), "the index lacks\n{row}");
    }
}

#[test]
fn pages_are_found_by_name() {
    assert_eq!(pages::find("unknown-job"), Some(Code::UNKNOWN_JOB));
    assert_eq!(pages::find("unknown-jobs"), None);
    assert_eq!(pages::nearest("unknown-jobs"), Some(Code::UNKNOWN_JOB));
    assert!(pages::text(Code::UNKNOWN_JOB).starts_with("# `unknown-job`\n"));
}
