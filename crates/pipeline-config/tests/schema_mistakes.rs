//! The JSON Schema against configs with a mistake anywhere: each place of each case, in turn, is left out or holds something
//! else. Many of these compile, since the compiler only warns of what nothing calls; the schema has to take them.

use airlock_pipeline_config::keys::Judged;
use airlock_pipeline_config::{Source, compile};
use serde_json::{Value, json};

use crate::inputs;
use crate::schema::{Validator, cases, value};

/// One in so many of all configs with a mistake is compiled; with 1, which takes minutes, all were once.
const STRIDE: usize = 97;

/// What stands in the place of something else; nothing leaves it out.
fn mistakes() -> [Option<Value>; 7] {
    [
        None,
        Some(Value::Null),
        Some(json!(5)),
        Some(json!("wrong")),
        Some(json!([])),
        Some(json!({})),
        Some(json!({"wrong": [1]})),
    ]
}

/// The ways to all places below the top.
fn places(value: &Value, way: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, value) in below {
        way.push(name);
        all.push(way.clone());
        places(value, way, all);
        way.pop();
    }
}

fn with_mistake(config: &Value, way: &[String], mistake: Option<&Value>) -> Option<Value> {
    let mut config = config.clone();
    let (last, above) = way.split_last()?;
    let mut place = &mut config;
    for name in above {
        place = match place {
            Value::Object(map) => map.get_mut(name)?,
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    match (place, mistake) {
        (Value::Object(map), Some(mistake)) => *map.get_mut(last)? = mistake.clone(),
        (Value::Object(map), None) => drop(map.remove(last)?),
        (Value::Array(items), Some(mistake)) => {
            *items.get_mut(last.parse::<usize>().ok()?)? = mistake.clone();
        }
        (Value::Array(items), None) => drop(items.remove(last.parse().ok()?)),
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => return None,
    }
    Some(config)
}

/// What compiles and looks wrong: the compiler only warns of what nothing calls, and a command hides a built-in step.
const ACCEPTED: &[&str] = &[
    "jobs: {j: {docker: [image: x], steps: [checkout]}, unused: {steps: 5, docker: {image: [x]}, wrong: 1}}",
    "jobs: {j: {docker: [image: x], steps: [checkout]}, unused: 5}",
    "jobs: {j: {docker: [image: x], steps: [run: {script: make}]}}
commands: {run: {parameters: {script: {type: string}}, steps: [checkout]}}",
    "jobs: {j: {docker: [image: x], steps: [store-artifacts: {what: x}]}}
commands: {store-artifacts: {parameters: {what: {type: string}}, steps: [checkout]}}",
    "jobs: {j: {docker: [image: x], steps: [checkout]}}
commands: {unused: {steps: [run: {comand: x}], wrong: 1}}",
    "jobs: {j: {docker: [image: x], steps: [checkout]}}
executors: {unused: {docker: {image: x}}}",
    "jobs: {j: {docker: [image: x], steps: [checkout, when: {condition: false, steps: [run: {comand: x}]}]}}",
    "jobs: {j: {docker: [image: x], steps: [checkout]}}
orbs: {unused: {jobs: {wrong: 5}}}",
    "jobs: {j: {docker: [image: x], steps: [checkout]}}
description: [x]",
];

#[test]
fn what_nothing_calls_may_hold_anything() {
    let (all, everything) = (
        Validator::new(Judged::WhatCompiles),
        Validator::new(Judged::Everything),
    );
    for rest in ACCEPTED {
        let text = format!("version: 2.1\n{rest}\nworkflows: {{w: {{jobs: [j]}}}}\n");
        let (plan, diagnostics) = compile(&Source::new("config.yml", text.as_bytes()), &inputs::push());
        assert!(plan.is_some(), "{text}\n{diagnostics:?}");
        let config = value(text.as_bytes());
        assert_eq!(all.refusal(&config), None, "{text}");
        assert!(everything.refusal(&config).is_some(), "{text}");
    }
    let text = "version: 2.1\njobs: {j: {docker: [image: x], steps: [checkout]}}\nworkflows:\n  w: {jobs: [j]}\n  off: {when: false, jobs: {wrong: 5}}\n";
    let (plan, diagnostics) = compile(&Source::new("config.yml", text), &inputs::push());
    assert!(plan.is_some(), "{diagnostics:?}");
    assert_eq!(all.refusal(&value(text.as_bytes())), None);
}

#[test]
fn what_compiles_in_spite_of_a_mistake_is_accepted() {
    let validator = Validator::new(Judged::WhatCompiles);
    let (mut tried, mut compiled, mut wrong) = (0_usize, 0, Vec::new());
    for path in cases() {
        let config = value(&std::fs::read(&path).expect("a case can be read"));
        let inputs = inputs::of_case(path.parent().expect("it stands in a folder"));
        let mut all = Vec::new();
        places(&config, &mut Vec::new(), &mut all);
        for way in all {
            for mistake in mistakes() {
                tried += 1;
                if tried % STRIDE != 0 {
                    continue;
                }
                let Some(config) = with_mistake(&config, &way, mistake.as_ref()) else {
                    continue;
                };
                let source = Source::new("config.yml", config.to_string());
                if compile(&source, &inputs).0.is_none() {
                    continue;
                }
                compiled += 1;
                if let Some(reason) = validator.refusal(&config) {
                    let place = way.join("/");
                    wrong.push(format!("{}: {place} = {mistake:?}\n{reason}\n", path.display()));
                }
            }
        }
    }
    assert!(
        compiled > 0 && wrong.is_empty(),
        "of {compiled}:\n{}",
        wrong.join("\n")
    );
}
