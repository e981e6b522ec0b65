//! Names, subjects and output of people who would like their text to be read as a page.

use std::time::Duration;

use airlock_domain::state::{SliceStatus, StepStatus};

use super::reading::every_page;
use super::stage::Stage;
use super::visitor::Visitor;

/// Each must stand in a page as text and never as it is.
const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "'><svg onload=alert(3)>",
    "</span></p><iframe src=javascript:alert(4)>",
];

fn config(name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "version: 2.1\njobs: {{\"{name}\": {{docker: [{{image: airlock/base}}], steps: [{{run: x}}]}}}}\nworkflows:\n  \
         \"{name}\":\n    jobs: [\"{name}\"]\n"
    )
}

#[tokio::test]
async fn no_text_of_a_stranger_becomes_markup() {
    for hostile in HOSTILE {
        let stage = Stage::new(Duration::ZERO).await;
        stage.at("https://ci.example:8443");
        let project = stage.project("demo/hello").await;
        let pipeline = stage.pipeline(&project, "main", hostile, &config(hostile)).await;
        let work = stage.claim().await;
        let output =
            format!("{hostile}\nerror: {hostile}\n\u{1b}[31m{hostile}\u{1b}]8;;javascript:alert(5)\u{7}\n");
        stage
            .whole_step(&work, (0, hostile), &output, (StepStatus::Failed, 1))
            .await;
        stage.step(&work, 1, hostile, StepStatus::Skipped).await;
        stage
            .artifact(
                &work,
                hostile.trim_start_matches('<').trim_start_matches('/'),
                "x",
            )
            .await;
        stage.finish(&work, SliceStatus::Failed, Some(hostile)).await;
        let visitor = Visitor::signed_in(&stage).await;
        let mut shown = 0;
        for path in every_page(&stage, pipeline).await {
            for page in [
                visitor.get(&path).await.expect(200),
                visitor
                    .with("airlock-fragment", "live")
                    .get(&path)
                    .await
                    .expect(200),
            ] {
                for raw in HOSTILE {
                    assert!(!page.text.contains(raw), "{path} holds {raw}");
                }
                for raw in [
                    "<img",
                    "<iframe",
                    "onerror=alert(2)>",
                    "<svg onload",
                    "javascript:alert(5)",
                ] {
                    assert!(!page.text.contains(raw), "{path} holds {raw}");
                }
                // Escaped it is there: the check above looked at the right pages.
                shown += page.text.matches("alert(").count();
            }
        }
        assert!(shown >= 10, "{hostile} was shown {shown} times");
    }
}

#[tokio::test]
async fn a_message_of_an_error_becomes_no_markup() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let visitor = Visitor::signed_in(&stage).await;
    for path in [
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/jobs/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/projects/%3Cimg%20src=x%3E/x",
        "/?before=%3Cscript%3Ealert(1)",
        "/sign-in?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        let page = visitor.get(path).await;
        assert!(
            !page.text.contains("<script>") && !page.text.contains("<img"),
            "{path}: {}",
            page.text
        );
    }
}

#[test]
fn no_template_switches_escaping_off() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the templates") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        count += 1;
        for word in ["|safe", "| safe", "autoescape", "escape(", "<script>", " style="] {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
    assert!(count > 8);
}
