//! The trigger of a case: a push to `main` unless an `inputs.json` says otherwise.

use std::path::Path;

use airlock_pipeline_config::{Continuation, Inputs, ParameterValue, PipelineValues, Source};
use serde_json::Value;

use crate::orb_folder::OrbFolder;

/// A push to `main`.
pub(crate) fn push() -> Inputs {
    Inputs {
        pipeline: PipelineValues {
            id: "5034460f-c7c4-4c43-9457-de07e2029e7b".to_owned(),
            number: 7,
            project_slug: "git/demo/hello".to_owned(),
            project_git_url: "ssh://git@localhost:8022/demo/hello.git".to_owned(),
            branch: Some("main".to_owned()),
            revision: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            trigger_source: "webhook".to_owned(),
            ..PipelineValues::default()
        },
        ..Inputs::default()
    }
}

/// The inputs of a case's folder: `inputs.json`, and the orbs of `orbs/`.
pub(crate) fn of_case(folder: &Path) -> Inputs {
    let mut inputs = written(folder);
    let bytes = std::fs::read(folder.join("config.yml")).expect("a case has a config.yml");
    let orbs = OrbFolder {
        root: folder.join("orbs"),
        shown: "orbs/",
    };
    inputs.orbs = orbs.gather(&Source::new("config.yml", bytes), &inputs);
    inputs
}

fn written(folder: &Path) -> Inputs {
    let mut inputs = push();
    let Ok(text) = std::fs::read_to_string(folder.join("inputs.json")) else {
        return inputs;
    };
    let value: Value = serde_json::from_str(&text).expect("inputs.json is JSON");
    for (key, value) in value.as_object().expect("inputs.json is an object") {
        match key.as_str() {
            "branch" => {
                inputs.pipeline.branch = value.as_str().map(str::to_owned);
            }
            "tag" => {
                inputs.pipeline.tag = value.as_str().map(str::to_owned);
                inputs.pipeline.branch = None;
            }
            "parameters" => {
                for (name, value) in value.as_object().expect("parameters is an object") {
                    inputs.parameters.insert(name.clone(), parameter(value));
                }
            }
            "values" => {
                for (name, value) in value.as_object().expect("values is an object") {
                    inputs.pipeline.other.insert(name.clone(), parameter(value));
                }
            }
            "orb_url_prefixes" => {
                let prefixes = value.as_array().expect("orb_url_prefixes is a list");
                inputs.orb_url_prefixes = prefixes
                    .iter()
                    .filter_map(|prefix| prefix.as_str().map(str::to_owned))
                    .collect();
            }
            "scheduled_workflow" => inputs.scheduled_workflow = value.as_str().map(str::to_owned),
            // What the pipeline was triggered with, of which this config is the continuation.
            "given_before" => {
                let mut continuation = Continuation::default();
                for (name, value) in value.as_object().expect("given_before is an object") {
                    continuation.given_before.insert(name.clone(), parameter(value));
                }
                inputs.continuation = Some(continuation);
            }
            other => panic!("inputs.json has no key {other}"),
        }
    }
    inputs
}

fn parameter(value: &Value) -> ParameterValue {
    match value {
        Value::Bool(value) => ParameterValue::Bool(*value),
        Value::Number(number) => ParameterValue::Int(number.as_i64().expect("a whole number")),
        Value::String(text) => ParameterValue::Text(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => panic!("{value} is no parameter"),
    }
}
