//! Orbs from a library.

use airlock_language_server::Library;
use airlock_pipeline_config::{Catalogue, OrbProblem, OrbReference, OrbSource, Source};
use serde_json::json;

use crate::editor::Editor;

/// One orb, as a file.
struct Shelf;

const ORB: &str = "version: 2.1\ndescription: Does things\ncommands:\n  install:\n    description: Puts it there\n    parameters:\n      version: {type: string, default: \"1\"}\n    steps:\n      - run: install << parameters.version >>\njobs:\n  run:\n    docker: [{image: cimg/base:current}]\n    steps: [install]\nexecutors:\n  default:\n    docker: [{image: cimg/base:current}]\n";

impl Library for Shelf {
    fn find(&mut self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        if reference.to_string() == "acme/tool@1.2" {
            return Ok(OrbSource::new(
                Source::new("/orbs/acme/tool/1.2.3.yml", ORB),
                "acme/tool@1.2.3",
            ));
        }
        Err(OrbProblem::NotFound(Catalogue::default()))
    }

    fn references(&self) -> Vec<String> {
        vec!["acme/tool@1.2.3".to_owned()]
    }

    fn uri(&self, file: &str) -> Option<String> {
        Some(format!("file://{file}"))
    }
}

fn open(marked: &str) -> Editor {
    Editor::with(marked, Box::new(Shelf))
}

const CONFIG: &str = "version: 2.1\norbs:\n  tool: acme/tool@1.2\njobs:\n  build:\n    executor: tool/default\n    steps:\n      - tool/install:\n          version: \"2\"\nworkflows:\n  w:\n    jobs:\n      - build\n      - tool/run:\n          requires: [build]\n";

fn marked(at: &str) -> String {
    let offset = CONFIG.find(at).expect("it is there") + at.len();
    format!("{}‸{}", &CONFIG[..offset], &CONFIG[offset..])
}

#[test]
fn definitions_lead_into_the_orbs_file() {
    let definition = |at: &str| open(&marked(at)).places("definition", &json!({}));
    assert_eq!(definition("- tool/ins"), ["file:///orbs/acme/tool/1.2.3.yml:4"]);
    assert_eq!(
        definition("          ver"),
        ["file:///orbs/acme/tool/1.2.3.yml:7"]
    );
    assert_eq!(definition("- tool/ru"), ["file:///orbs/acme/tool/1.2.3.yml:11"]);
    assert_eq!(
        definition("executor: tool/de"),
        ["file:///orbs/acme/tool/1.2.3.yml:15"]
    );
    assert_eq!(definition("- to"), ["3: tool"]);
}

#[test]
fn hover_shows_the_resolved_element() {
    let text = open(&marked("- tool/ins")).hover();
    for part in [
        "**command** `tool/install` of `acme/tool@1.2.3`",
        "Puts it there",
        "`version`: string, default",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let text = open(&marked("  too")).hover();
    assert!(
        text.contains("`acme/tool@1.2.3`") && text.contains("commands: `install`"),
        "{text}"
    );
}

#[test]
fn elements_and_references_are_offered() {
    let labels = |marked: &str| open(marked).labels();
    let steps = CONFIG.replace("- tool/install:", "- tool/‸:");
    assert!(labels(&steps).contains(&"tool/install".to_owned()));
    let arguments = CONFIG.replace("version: \"2\"", "‸");
    assert_eq!(labels(&arguments), ["version"]);
    let orbs = CONFIG.replace("acme/tool@1.2", "‸");
    assert_eq!(labels(&orbs), ["acme/tool@1.2.3"]);
}

#[test]
fn what_an_orb_defines_is_not_renamed() {
    let refusal = open(&marked("- tool/ins"))
        .rename("put")
        .expect_err("it is refused");
    assert!(
        refusal.contains("defined in the orb `acme/tool@1.2.3`"),
        "{refusal}"
    );
    let renamed = open(&marked("- to")).rename("t").expect("the alias is ours");
    assert_eq!(renamed.matches("t/").count(), 3);
}

#[test]
fn a_config_with_its_orbs_has_no_errors() {
    let published = open(CONFIG).published();
    assert_eq!(published[0]["diagnostics"], json!([]));
}
