//! The JSON Schemas against the compiler: what compiles is accepted, and mistakes of shape are refused.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use airlock_domain::plan::Plan;
use airlock_pipeline_config::keys::{Judged, json_schema};
use airlock_pipeline_config::{Source, compile};
use airlock_yaml_tree::Data;
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::corpus_folder::{corpus_folder, yaml_files};
use crate::inputs;
use crate::orb_folder::OrbFolder;

pub(crate) struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    pub(crate) fn new(judged: Judged) -> Self {
        let schema: Value = serde_json::from_str(&json_schema(judged)).expect("the schema is JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("schema.json", schema)
            .expect("the schema can be added");
        let index = compiler
            .compile("schema.json", &mut schemas)
            .expect("the schema is a schema");
        Self { schemas, index }
    }

    /// Nothing, or why it is refused.
    pub(crate) fn refusal(&self, config: &Value) -> Option<String> {
        self.schemas
            .validate(config, self.index)
            .err()
            .map(|error| format!("{error:#}"))
    }
}

pub(crate) fn value(bytes: &[u8]) -> Value {
    let parsed = airlock_yaml_tree::parse(bytes);
    parsed
        .tree
        .root()
        .map_or(Value::Null, |root| json(&Data::of(root)))
}

fn json(data: &Data) -> Value {
    match data {
        Data::Null => Value::Null,
        Data::Bool(value) => Value::Bool(*value),
        Data::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(0)),
        Data::Text(text) => Value::String(text.clone()),
        Data::List(items) => items.iter().map(json).collect(),
        Data::Map(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), json(value)))
            .collect(),
    }
}

/// The config without what the compiler only warns of: the jobs that no workflow names.
fn without_unused_jobs(mut config: Value, plan: &Plan) -> Value {
    let used: BTreeSet<&str> = plan
        .workflows
        .iter()
        .flat_map(|workflow| &workflow.jobs)
        .map(|job| job.definition.as_str())
        .collect();
    if let Some(jobs) = config.get_mut("jobs").and_then(Value::as_object_mut) {
        jobs.retain(|name, _| used.contains(name.as_str()));
    }
    config
}

/// Every config of this crate's cases, by its folder.
pub(crate) fn cases() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    yaml_files(&folder, &mut files);
    files.retain(|path| path.ends_with("config.yml"));
    files.sort();
    assert!(files.len() > 20, "the cases are there");
    files
}

#[test]
fn what_compiles_is_accepted() {
    let (all, everything) = (
        Validator::new(Judged::WhatCompiles),
        Validator::new(Judged::Everything),
    );
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = cases();
    let own = files.len();
    yaml_files(&here.join("../../examples"), &mut files);
    let corpus = corpus_folder();
    if let Some(corpus) = &corpus {
        yaml_files(&corpus.join("configs"), &mut files);
        yaml_files(&corpus.join("cases"), &mut files);
    }
    let orbs = OrbFolder {
        root: corpus.unwrap_or_default().join("orb-dir"),
        shown: "orb-dir/",
    };
    let (mut compiled, mut wrong) = (0, String::new());
    for path in &files {
        let bytes = std::fs::read(path).expect("a config can be read");
        let source = Source::new("config.yml", bytes.clone());
        let folder = path.parent().expect("a config stands in a folder");
        let inputs = if path.starts_with(here.join("tests/cases")) {
            inputs::of_case(folder)
        } else {
            let mut inputs = inputs::push();
            inputs.orbs = orbs.gather(&source, &inputs);
            inputs
        };
        let (plan, _) = compile(&source, &inputs);
        let Some(plan) = plan else { continue };
        compiled += 1;
        let config = value(&bytes);
        let refusal = all
            .refusal(&config)
            .or_else(|| everything.refusal(&without_unused_jobs(config, &plan)));
        if let Some(reason) = refusal {
            let _ = write!(wrong, "{}\n{reason}\n\n", path.display());
        }
    }
    assert!(compiled > own / 3 && wrong.is_empty(), "of {compiled}:\n{wrong}");
}

/// Mistakes of shape, each with the place that is told, for the schema that judges everything.
const REFUSED: &[(&str, &str)] = &[
    ("jobs: {}", "version"),
    ("version: 3", "/version"),
    ("version: 2.1\njobs: []", "/jobs"),
    ("version: 2.1\nsetup: maybe", "/setup"),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [checkout], stepz: []}}",
        "/jobs/b",
    ),
    ("version: 2.1\njobs: {b: {docker: [image: x]}}", "/jobs/b"),
    (
        "version: 2.1\njobs: {b: {docker: {image: x}, steps: []}}",
        "/jobs/b/docker",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [imag: x], steps: []}}",
        "/jobs/b/docker/0",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], parallelism: 0, steps: []}}",
        "/jobs/b/parallelism",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], parallelism: two, steps: []}}",
        "/jobs/b/parallelism",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: checkout}}",
        "/jobs/b/steps",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [{run: a, name: b}]}}",
        "/jobs/b/steps/0",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [run: {comand: a}]}}",
        "/jobs/b/steps/0/run",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [run: {command: a, when: later}]}}",
        "/jobs/b/steps/0/run/when",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [run: {command: a, background: maybe}]}}",
        "/jobs/b/steps/0/run/background",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [run: {command: a, no_output_timeout: 10}]}}",
        "no_output_timeout",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [store_artifacts: {destination: a}]}}",
        "store_artifacts",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [when: {condition: {nand: []}, steps: []}]}}",
        "condition",
    ),
    (
        "version: 2.1\njobs: {b: {docker: [image: x], steps: [when: {condition: {and: []}, steps: []}]}}",
        "condition/and",
    ),
    (
        "version: 2.1\njobs: {b: {executor: {size: x}, steps: []}}",
        "/jobs/b/executor",
    ),
    (
        "version: 2.1\njobs: {b: {type: build-it, steps: []}}",
        "/jobs/b/type",
    ),
    ("version: 2.1\njobs: {b: {type: lock}}", "/jobs/b"),
    ("version: 2.1\njobs: {b: {type: release}}", "/jobs/b"),
    (
        "version: 2.1\ncommands: {c: {steps: [], parameters: {p: {type: text}}}}",
        "/commands/c/parameters/p/type",
    ),
    (
        "version: 2.1\ncommands: {c: {steps: [], parameters: {p: {default: x}}}}",
        "/commands/c/parameters/p",
    ),
    ("version: 2.1\ncommands: {c: {parameters: {}}}", "/commands/c"),
    (
        "version: 2.1\nexecutors: {e: {docker: [image: x], steps: []}}",
        "/executors/e",
    ),
    ("version: 2.1\nparameters: {p: string}", "/parameters/p"),
    ("version: 2.1\nworkflows: {w: {when: true}}", "/workflows/w"),
    (
        "version: 2.1\nworkflows: {w: {jobs: {b: {}}}}",
        "/workflows/w/jobs",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [{b: {}, requires: [a]}]}}",
        "/workflows/w/jobs/0",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {requires: a}]}}",
        "/workflows/w/jobs/0/b/requires",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {requires: [a: done]}]}}",
        "requires/0",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {type: aproval}]}}",
        "/workflows/w/jobs/0/b/type",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {filters: {branch: {only: x}}}]}}",
        "/workflows/w/jobs/0/b/filters",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {filters: {tags: {only: {a: b}}}}]}}",
        "filters/tags/only",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {matrix: {exclude: []}}]}}",
        "/workflows/w/jobs/0/b/matrix",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [b: {matrix: {parameters: {v: 1}}}]}}",
        "matrix/parameters/v",
    ),
    (
        "version: 2.1\nworkflows: {w: {jobs: [], triggers: [schedule: {filters: {}}]}}",
        "triggers/0/schedule",
    ),
    ("version: 2.1\norbs: {o: [a]}", "/orbs/o"),
    ("version: 2.1\norbs: {o: {steps: []}}", "/orbs/o"),
];

#[test]
fn mistakes_of_shape_are_refused() {
    let (all, everything) = (
        Validator::new(Judged::WhatCompiles),
        Validator::new(Judged::Everything),
    );
    for (config, place) in REFUSED {
        let config = value(config.as_bytes());
        let refusal = everything.refusal(&config);
        let told = refusal.as_ref().is_some_and(|reason| reason.contains(place));
        assert!(told, "{config}\n{refusal:?}");
        // The other schema judges nothing that may have no caller, and no workflow with a condition.
        let may_have_no_caller = ["jobs", "commands", "executors", "orbs"]
            .iter()
            .any(|key| config.get(key).is_some_and(Value::is_object));
        let has_condition = config["workflows"]["w"].get("when").is_some();
        if !may_have_no_caller && !has_condition {
            assert!(all.refusal(&config).is_some(), "{config}");
        }
    }
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config-schema.json");
    let printed = json_schema(Judged::WhatCompiles);
    if std::env::var_os("AIRLOCK_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &printed).expect("the schema can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == printed,
        "docs/config-schema.json is out of date: run this test with AIRLOCK_UPDATE_DOCS=1"
    );
}
