//! The tables as a JSON Schema (draft 7, the one every editor knows), for editors without this product's language server.
//! The schema accepts what the compiler accepts; it cannot know names (which commands there are, what a parameter's type
//! is), so it refuses less. `<< … >>` is accepted wherever the tables allow it.

use serde_json::{Map, Value, json};

use super::{
    BUILT_IN_STEPS, EARLY_STEPS, Key, Kind, REQUIRED_STATUSES, STATEMENTS, Shape, Support, Templates,
};

/// The words that YAML 1.1 takes for booleans and that editors of YAML 1.2 read as text.
const BOOLEAN_WORDS: &str =
    "^([Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[Yy]|[Nn]|[Tt]rue|TRUE|[Ff]alse|FALSE)$";

/// The schema as JSON, indented, with a line break at its end.
pub fn json_schema() -> String {
    let mut definitions = Map::new();
    for kind in Kind::ALL {
        if kind != Kind::Top {
            definitions.insert(name_of(kind), map_of(kind));
        }
    }
    definitions.insert("template".to_owned(), template());
    definitions.insert(
        "scalar".to_owned(),
        json!({"type": ["string", "number", "boolean"]}),
    );
    definitions.insert("environment".to_owned(), environment());
    definitions.insert("logic".to_owned(), logic());
    definitions.insert("step".to_owned(), step());
    definitions.insert("steps".to_owned(), list_or_template(&reference("step")));
    definitions.insert("entry".to_owned(), entry());
    definitions.insert("requires".to_owned(), requires());
    definitions.insert("job".to_owned(), job());
    definitions.insert("orb".to_owned(), any_of([scalar(), reference_to(Kind::Orb)]));
    let mut schema = map_of(Kind::Top);
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

fn name_of(kind: Kind) -> String {
    let name = format!("{kind:?}");
    let mut chars = name.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
    let name = first + chars.as_str();
    // The definitions `job` and `orb` choose between kinds.
    match name.as_str() {
        "job" => "buildJob".to_owned(),
        "orb" => "inlineOrb".to_owned(),
        _ => name,
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

fn reference_to(kind: Kind) -> Value {
    reference(&name_of(kind))
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

/// A map of a kind: its keys and no others, unless it is open.
fn map_of(kind: Kind) -> Value {
    let mut properties = Map::new();
    for key in kind.keys() {
        properties.insert(key.name.to_owned(), property(key));
    }
    if kind == Kind::Job {
        // Version 2 lets steps stand among a job's keys, with a warning.
        for step in BUILT_IN_STEPS.iter().filter(|step| step.name != "steps") {
            properties.insert(
                step.name.to_owned(),
                json!({"description": "Belongs below steps. It has no effect here, in version 2; 2.1 refuses it."}),
            );
        }
    }
    let required: Vec<&str> = kind
        .keys()
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut map = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": kind.is_open() || is_loose(kind),
    });
    if !required.is_empty() {
        map["required"] = json!(required);
    }
    map
}

/// Jobs that run no steps ignore the keys of those that do, and workflows keys that are not nearly theirs, with a warning.
fn is_loose(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ApprovalJob | Kind::NoOpJob | Kind::LockJob | Kind::ReleaseJob | Kind::Workflow
    )
}

fn property(key: &Key) -> Value {
    let own = shape(key.shape, key.templates != Templates::No);
    // A key with nothing behind it counts as left out.
    let mut value = if key.required { own } else { any_of([own, null()]) };
    let mut about = key.about.to_owned();
    if let Some(only) = key.only {
        about = format!("{about} Only for: {only}.");
    }
    match key.support {
        Support::Yes => {}
        Support::Ignored(reason) => about = format!("{about} It has no effect: {reason}."),
    }
    if let Value::Object(map) = &mut value {
        // Beside a reference the other words of a draft 7 schema are not looked at.
        if let Some(found) = map.remove("$ref") {
            map.insert("allOf".to_owned(), json!([{"$ref": found}]));
        }
        if let Some(default) = key.default {
            map.insert("default".to_owned(), default_of(key.shape, default));
        }
        map.insert("description".to_owned(), json!(about.replace('`', "")));
        map.insert("markdownDescription".to_owned(), json!(about));
    }
    value
}

fn default_of(shape: Shape, default: &str) -> Value {
    let typed = matches!(shape, Shape::Boolean | Shape::Integer(..));
    let parsed = typed.then(|| serde_json::from_str(default).ok()).flatten();
    parsed.unwrap_or_else(|| json!(default))
}

fn shape(shape: Shape, templates: bool) -> Value {
    let mut schemas = match shape {
        Shape::Anything => return json!({}),
        Shape::Text => return scalar(),
        Shape::Texts | Shape::TextOrTexts => {
            return any_of([scalar(), json!({"type": "array", "items": scalar()})]);
        }
        Shape::Environment => return reference("environment"),
        Shape::Steps => return reference("steps"),
        Shape::StepOrSteps => return any_of([reference("steps"), reference("step")]),
        Shape::Logic => return reference("logic"),
        Shape::Requires => return reference("requires"),
        Shape::Boolean => vec![
            json!({"type": "boolean"}),
            json!({"type": "string", "pattern": BOOLEAN_WORDS}),
        ],
        Shape::Integer(least, most) => {
            let mut integer = json!({"type": "integer", "minimum": least});
            if most != i64::MAX {
                integer["maximum"] = json!(most);
            }
            vec![integer]
        }
        Shape::OneOf(words) => vec![one_of(words)],
        Shape::Like(pattern, _) => vec![json!({"type": "string", "pattern": format!("^(?:{pattern})$")})],
        Shape::Duration => vec![json!({"type": "string", "pattern": "^\\s*\\d+(\\.\\d+)?[smh]\\s*$"})],
        Shape::Parameters => vec![named(&reference_to(Kind::Parameter))],
        Shape::Executor => vec![
            scalar(),
            json!({
                "type": "object",
                "properties": {"name": scalar()},
                "required": ["name"],
            }),
        ],
        Shape::Entries => vec![json!({"type": "array", "items": reference("entry")})],
        Shape::Axes => vec![named(&list_or_template(&json!({})))],
        Shape::Map(kind) => vec![reference_to(kind)],
        Shape::Maps(kind) => vec![json!({"type": "array", "items": reference_to(kind)})],
        // A name in place of a definition means another definition.
        Shape::Named(kind @ (Kind::Command | Kind::Executor)) => {
            vec![named(&any_of([reference_to(kind), json!({"type": "string"})]))]
        }
        Shape::Named(Kind::Workflow) => vec![json!({
            "type": "object",
            "properties": {"version": {"description": "Needed in version 2, without effect in 2.1."}},
            "additionalProperties": reference_to(Kind::Workflow),
        })],
        Shape::Named(kind) => vec![named(&reference_to(kind))],
        Shape::Jobs => vec![named(&any_of([reference("job"), json!({"type": "string"})]))],
        Shape::Orbs => vec![named(&reference("orb"))],
        Shape::Either(shapes) => shapes.iter().map(|one| self::shape(*one, false)).collect(),
    };
    if templates {
        schemas.push(reference("template"));
    }
    if schemas.len() == 1 {
        return schemas.remove(0);
    }
    any_of(schemas)
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

fn logic() -> Value {
    let list = json!({"type": "array", "items": reference("logic"), "minItems": 1});
    let mut statements = Map::new();
    for word in STATEMENTS {
        let mut value = match word.name {
            "not" => json!({"allOf": [reference("logic")]}),
            "matches" => json!({"allOf": [reference_to(Kind::Matches)]}),
            _ => list.clone(),
        };
        value["description"] = json!(word.about.replace('`', ""));
        statements.insert(word.name.to_owned(), value);
    }
    any_of([
        scalar(),
        null(),
        json!({
            "type": "object",
            "properties": statements,
            "additionalProperties": false,
            "maxProperties": 1,
        }),
    ])
}

fn step() -> Value {
    let mut properties = Map::new();
    for step in BUILT_IN_STEPS {
        let mut schemas = Vec::new();
        if step.name == "steps" {
            schemas.push(reference("steps"));
        } else {
            schemas.extend(step.kind.map(reference_to));
            schemas.extend(step.text.then(scalar));
            schemas.extend(step.alone.then(null));
        }
        let mut value = any_of(schemas);
        value["description"] = json!(step.about.replace('`', ""));
        // Early configs write these names with dashes.
        let dashed = step.name.replace('_', "-");
        properties.insert(step.name.to_owned(), value.clone());
        properties.insert(dashed, value);
    }
    let call = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": any_of([json!({"type": "object"}), null()]),
        "minProperties": 1,
        "maxProperties": 1,
    });
    let names: Vec<&str> = EARLY_STEPS.iter().map(|(early, _)| *early).collect();
    let early = json!({
        "type": "object",
        "properties": {"type": {"enum": names}},
        "required": ["type"],
        "description": "The early form of steps, for version 2 alone.",
    });
    any_of([
        json!({"type": "string"}),
        call,
        early,
        json!({"type": "array", "items": reference("step")}),
    ])
}

fn entry() -> Value {
    let body = any_of([reference_to(Kind::Invocation), null()]);
    any_of([
        json!({"type": "string"}),
        json!({
            "type": "object",
            "additionalProperties": body,
            "minProperties": 1,
            "maxProperties": 1,
        }),
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

/// A job's keys depend on its type.
fn job() -> Value {
    let of_type = |types: &[&str]| {
        json!({
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": types}},
        })
    };
    json!({
        "type": "object",
        "if": of_type(&["approval"]),
        "then": reference_to(Kind::ApprovalJob),
        "else": {
            "if": of_type(&["no-op"]),
            "then": reference_to(Kind::NoOpJob),
            "else": {
                "if": of_type(&["lock", "unlock"]),
                "then": reference_to(Kind::LockJob),
                "else": {
                    "if": of_type(&["release"]),
                    "then": reference_to(Kind::ReleaseJob),
                    "else": reference_to(Kind::Job),
                },
            },
        },
    })
}
