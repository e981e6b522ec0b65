//! The tables as a JSON Schema (draft 7, the one every editor knows), for editors without this product's language server.
//! The schema accepts what the compiler accepts; it cannot know names (which jobs a workflow runs, which commands there
//! are, what a parameter's type is), so it refuses less. `<< … >>` is accepted wherever the tables allow it.
//!
//! What nothing calls is only warned of by the compiler, whatever it holds, and no schema can tell it from the rest. So there
//! are two schemas: one that describes such places and refuses nothing there, and one that judges them too.

mod grip;

use serde_json::{Map, Value, json};

use super::{Kind, REQUIRED_STATUSES, Shape};
use grip::Grip;

/// How much of a config a schema judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// What the compiler refuses whatever calls it: every config that compiles is accepted.
    WhatCompiles,
    /// Everything, as though each job, command and executor were called and no command hid a built-in step.
    Everything,
}

/// The schema as JSON, indented, with a line break at its end.
pub fn json_schema(judged: Judged) -> String {
    let grips: &[Grip] = match judged {
        Judged::WhatCompiles => &[Grip::Outer, Grip::Loose],
        Judged::Everything => &[Grip::Whole],
    };
    let mut all = Map::new();
    all.insert("template".to_owned(), template());
    all.insert(
        "scalar".to_owned(),
        json!({"type": ["string", "number", "boolean"]}),
    );
    all.insert("environment".to_owned(), environment());
    all.insert("requires".to_owned(), requires());
    for grip in grips {
        grip.define(&mut all);
    }
    let mut schema = grips
        .first()
        .map_or_else(|| json!({}), |grip| grip.map_of(Kind::Top));
    let mut definitions = Map::new();
    keep_used(&schema, &mut all, &mut definitions);
    if let Value::Object(map) = &mut schema {
        map.insert(
            "$schema".to_owned(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        map.insert("title".to_owned(), json!("CircleCI config as Airlock reads it"));
        map.insert("definitions".to_owned(), Value::Object(definitions));
    }
    // Text of a value that was just built has no way to fail.
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Moves the definitions that a schema refers to, and those they refer to.
fn keep_used(schema: &Value, all: &mut Map<String, Value>, used: &mut Map<String, Value>) {
    match schema {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str);
            let name = name.and_then(|name| name.strip_prefix("#/definitions/"));
            if let Some((name, found)) = name.and_then(|name| all.remove_entry(name)) {
                keep_used(&found, all, used);
                used.insert(name, found);
            }
            map.values().for_each(|value| keep_used(value, all, used));
        }
        Value::Array(items) => items.iter().for_each(|item| keep_used(item, all, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

fn scalar() -> Value {
    reference("scalar")
}

fn template() -> Value {
    json!({"type": "string", "pattern": "<<"})
}

fn any_of(schemas: impl IntoIterator<Item = Value>) -> Value {
    let schemas: Vec<Value> = schemas.into_iter().collect();
    json!({"anyOf": schemas})
}

fn null() -> Value {
    json!({"type": "null"})
}

fn list_or_template(item: &Value) -> Value {
    any_of([json!({"type": "array", "items": item}), reference("template")])
}

fn default_of(shape: Shape, default: &str) -> Value {
    let typed = matches!(shape, Shape::Boolean | Shape::Integer(..));
    let parsed = typed.then(|| serde_json::from_str(default).ok()).flatten();
    parsed.unwrap_or_else(|| json!(default))
}

fn named(value: &Value) -> Value {
    json!({"type": "object", "additionalProperties": value})
}

/// One of several words; what looks like a number may be written as one.
fn one_of(words: &[&str]) -> Value {
    let mut values: Vec<Value> = words.iter().map(|word| json!(word)).collect();
    for word in words {
        let number = word.parse::<f64>().map(Value::from);
        // 2 and 2.0 are one number in JSON.
        values.extend(number.ok().filter(|number| !values.contains(number)));
    }
    json!({"enum": values})
}

fn environment() -> Value {
    let values = json!({"type": "object", "additionalProperties": any_of([scalar(), null()])});
    let assignment = json!({"type": "string", "pattern": "=|<<"});
    any_of([
        values.clone(),
        assignment.clone(),
        json!({"type": "array", "items": any_of([values, assignment])}),
    ])
}

fn requires() -> Value {
    let names: Vec<&str> = REQUIRED_STATUSES.iter().map(|word| word.name).collect();
    let status = any_of([json!({"enum": names}), reference("template")]);
    let statuses = any_of([status.clone(), json!({"type": "array", "items": status})]);
    list_or_template(&any_of([
        scalar(),
        json!({"type": "object", "additionalProperties": statuses}),
    ]))
}
