//! The words in which CircleCI tells of a mistake, for people who search for them: each stands in what is told here of the
//! same mistake. The rows are those of §13 of the inventory.

use std::collections::BTreeSet;
use std::path::Path;

use airlock_pipeline_config::{Inputs, ParameterValue, Source, compile, render};

use crate::inputs;

/// A row of the inventory, a config with that mistake, and the words.
struct Wording {
    row: &'static str,
    config: &'static str,
    words: &'static [&'static str],
}

const BUILD: &str = "jobs: {build: {docker: [image: x], steps: [checkout]}}";

const WORDINGS: &[Wording] = &[
    Wording {
        row: "bad YAML",
        config: "version: 2.1\njobs: a: b\n",
        words: &["Unable to parse YAML", "mapping values are not allowed here"],
    },
    Wording {
        row: "schema",
        config: "version: 2.1\njobs: {build: {dockr: [image: x], steps: checkout, environment: [1]}}\n",
        words: &[
            "ERROR IN CONFIG FILE:",
            "3 schema violations found",
            "extraneous key [dockr] is not permitted",
            "expected type: Sequence, found: String",
        ],
    },
    Wording {
        row: "schema",
        config: "version: 2.1\njobs: {build: {steps: [run: {command: [x]}]}}\n",
        words: &[
            "required key [docker] not found",
            "0 subschemas matched instead of one",
            "expected type: String, found: Sequence",
        ],
    },
    Wording {
        row: "schema",
        config: "version: 2.1\njobs: {build: {docker: [image: x], machine: true, steps: [run: {}]}}\n",
        words: &[
            "2 subschemas matched instead of one",
            "required key [command] not found",
        ],
    },
    Wording {
        row: "unknown job",
        config: "version: 2.1\nBUILD\nworkflows: {w: {jobs: [bar]}}\n",
        words: &[
            "Error calling workflow: 'w'",
            "Cannot find a definition for job named bar",
        ],
    },
    Wording {
        row: "unknown command",
        config: "version: 2.1\ncommands: {c: {steps: [x]}}\njobs: {build: {docker: [image: x], steps: [c]}}\n",
        words: &[
            "Error calling job: 'build'",
            "Error calling command: 'c'",
            "Cannot find a definition for command named x",
        ],
    },
    Wording {
        row: "unknown command",
        config: "version: 2.1\njobs: {j: {executor: x, steps: [checkout]}}\nworkflows: {w: {jobs: [j]}}\n",
        words: &[
            "Error calling job: 'j'",
            "Cannot find a definition for executor named x",
        ],
    },
    Wording {
        row: "requires",
        config: "version: 2.1\nBUILD\nworkflows: {w: {jobs: [build: {name: b, requires: [a]}]}}\n",
        words: &["Job 'b' requires 'a', which is the name of 0 other jobs in workflow 'w'"],
    },
    Wording {
        row: "requires",
        config: "version: 2.1\nBUILD\nworkflows: {w: {jobs: [build, build, build: {name: b, requires: [build]}]}}\n",
        words: &[
            "Job 'b' requires 'build', which is the name of 2 other jobs in workflow 'w'",
            "`name`",
        ],
    },
    Wording {
        row: "no build",
        config: "version: 2.1\njobs: {test: {docker: [image: x], steps: [checkout]}}\n",
        words: &["Cannot find a job named build to run in the jobs: section of your configuration file."],
    },
    Wording {
        row: "orb",
        config: "version: 2.1\norbs: {a: ns/orb@1.2.3}\nBUILD\n",
        words: &[
            "Cannot find ns/orb@1.2.3 in the orb registry. Check that the namespace, orb name and version are correct.",
        ],
    },
    Wording {
        row: "cycle",
        config: "version: 2.1\nBUILD\nworkflows: {w: {jobs: [build: {name: x, requires: [y]}, build: {name: y, requires: [x]}]}}\n",
        words: &["The job \"x\" is part of a cycle"],
    },
    Wording {
        row: "enum",
        config: "version: 2.1\nparameters: {p: {type: enum, enum: [a, b], default: X}}\nBUILD\n",
        words: &["Default value X is not in enum"],
    },
    Wording {
        row: "undeclared parameters",
        config: "version: 2.1\nBUILD\n",
        words: &["Unexpected argument(s): given"],
    },
    Wording {
        row: "misindented run",
        config: "version: 2.1\njobs:\n  build:\n    docker: [image: x]\n    steps:\n      - run:\n        command: x\n",
        words: &["required key [command] not found"],
    },
];

fn told(wording: &Wording) -> String {
    let source = Source::new("config.yml", wording.config.replace("BUILD", BUILD));
    let mut inputs: Inputs = inputs::push();
    if wording.row == "undeclared parameters" {
        inputs
            .parameters
            .insert("given".to_owned(), ParameterValue::Bool(true));
    }
    let (plan, diagnostics) = compile(&source, &inputs);
    assert!(plan.is_none(), "{}", wording.config);
    render::text(&diagnostics, [&source], render::Color::Never) + &render::summary(&diagnostics)
}

#[test]
fn the_services_words_stand_in_what_is_told() {
    for wording in WORDINGS {
        let told = told(wording);
        for words in wording.words {
            assert!(told.contains(words), "{words:?} is missing from\n{told}");
        }
    }
}

#[test]
fn every_row_of_mistakes_has_its_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory.tsv");
    let text = std::fs::read_to_string(path).expect("the inventory is there");
    let wanted: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("§13 ")?.split_once("\trefused"))
        .map(|(row, _)| row)
        .collect();
    let found: BTreeSet<&str> = WORDINGS.iter().map(|wording| wording.row).collect();
    assert_eq!(found, wanted);
}
