//! Text in, text out. Spans are written as `[classes:text]`; `cases.json` is also what the browser's renderer is held to.

use std::fmt::Write as _;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    feed: Vec<String>,
    lines: Vec<String>,
}

fn written(line: &Line) -> String {
    line.spans.iter().fold(String::new(), |mut text, span| {
        let _infallible = if span.classes.is_empty() {
            write!(text, "{}", span.text)
        } else {
            write!(text, "[{}:{}]", span.classes, span.text)
        };
        text
    })
}

fn rendered(pieces: &[&str]) -> Vec<Line> {
    let (mut terminal, mut lines) = (Terminal::default(), Vec::new());
    for piece in pieces {
        terminal.feed(piece, &mut lines);
    }
    lines.extend(terminal.unfinished());
    lines
}

#[test]
fn every_case_reads_as_written() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).expect("the cases");
    assert!(cases.len() > 30);
    for case in cases {
        let pieces: Vec<&str> = case.feed.iter().map(String::as_str).collect();
        let lines: Vec<String> = rendered(&pieces).iter().map(written).collect();
        assert_eq!(lines, case.lines, "{}", case.name);
    }
}

#[test]
fn where_a_text_is_cut_makes_no_difference() {
    let text = "a\u{1b}[1;38;5;208mb\u{1b}]8;;x\u{1b}\\c\r\nd\u{1b}[0m\u{202e}é😀\u{1b}[Ke\n";
    let whole = rendered(&[text]);
    let cuts = text.char_indices().map(|(at, _)| at);
    for cut in cuts {
        assert_eq!(rendered(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
    }
}

#[test]
fn a_line_of_megabytes_is_cut_and_says_so() {
    let text = "x".repeat(3_000_000);
    let lines = rendered(&[&text, "\nnext"]);
    assert_eq!(lines[0].text().chars().count(), LINE_CHARACTERS);
    assert_eq!(lines[0].left_out, 3_000_000 - LINE_CHARACTERS);
    assert_eq!(lines[1].left_out, 0);
    // A progress bar of megabytes is one short line.
    let bar = "\r 10% of the way".repeat(100_000);
    assert_eq!(rendered(&[&bar])[0].text(), " 10% of the way");
}

#[test]
fn an_endless_sequence_ends() {
    let sequence = format!("\u{1b}[{}mA\u{1b}]{}B", "1;".repeat(150), "x".repeat(5_000));
    let text = rendered(&[&sequence])[0].text();
    assert!(
        text.contains('A') && text.ends_with('B'),
        "nothing after a sequence may be lost"
    );
}

#[test]
fn the_style_goes_on_where_the_browser_takes_over() {
    let (mut terminal, mut lines) = (Terminal::default(), Vec::new());
    terminal.feed("\u{1b}[1;31;48;5;17mx\n", &mut lines);
    assert_eq!(terminal.style().state(), "1 1 17");
    assert_eq!(Style::default().state(), "0 - -");
    assert!(terminal.unfinished().is_none());
}
