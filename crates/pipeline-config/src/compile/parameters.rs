//! Declarations under `parameters:`, and the pipeline's own parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airlock_yaml_tree::Place;

use super::{Compiler, arguments::Argument};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::inputs::ParameterValue;
use crate::keys::PARAMETER;

use crate::limits::{MAX_PARAMETER_NAME_CHARS, MAX_PARAMETER_VALUE_CHARS, MAX_PIPELINE_PARAMETERS};
use crate::pipeline_values::from_parameter;
use crate::scope::{Map, Pair, Scope, View};
use crate::sink::Draft;
use crate::suggest;
use crate::value::Value;

/// The types a parameter can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterType {
    String,
    Boolean,
    Integer,
    Enum,
    Executor,
    Steps,
    EnvVarName,
}

/// One declared parameter.
#[derive(Debug, Clone)]
pub(crate) struct Declared<'s> {
    pub(crate) name: &'s str,
    pub(crate) key: Place,
    pub(crate) kind: ParameterType,
    /// Members of an enum.
    pub(crate) members: Vec<String>,
    pub(crate) default: Option<View<'s>>,
    /// Something is wrong with it and has been reported; whoever gives or reads it is not told again.
    pub(crate) is_broken: bool,
}

/// Who declares: not every type is for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Pipeline,
    Job,
    Command,
    Executor,
}

impl ParameterType {
    const ALL: [Self; 7] = [
        Self::String,
        Self::Boolean,
        Self::Integer,
        Self::Enum,
        Self::Executor,
        Self::Steps,
        Self::EnvVarName,
    ];

    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Enum => "enum",
            Self::Executor => "executor",
            Self::Steps => "steps",
            Self::EnvVarName => "env_var_name",
        }
    }

    fn is_for(self, owner: Owner) -> bool {
        match self {
            Self::String | Self::Boolean | Self::Integer | Self::Enum => true,
            Self::Executor | Self::Steps => matches!(owner, Owner::Job | Owner::Command),
            Self::EnvVarName => matches!(owner, Owner::Job | Owner::Command | Owner::Executor),
        }
    }
}

/// Reads a `parameters:` map. `scope` is where defaults are evaluated.
pub(crate) fn declared<'s>(compiler: &Compiler<'s>, map: &Map<'s>, owner: Owner) -> Vec<Declared<'s>> {
    map.iter()
        .map(|pair| {
            declaration(compiler, &pair, owner).unwrap_or_else(|| Declared {
                name: pair.name,
                key: pair.key,
                kind: ParameterType::String,
                members: Vec::new(),
                default: None,
                is_broken: true,
            })
        })
        .collect()
}

fn declaration<'s>(compiler: &Compiler<'s>, pair: &Pair<'s>, owner: Owner) -> Option<Declared<'s>> {
    let value = compiler.resolve(&pair.value);
    let what = format!("the parameter `{}`", pair.name);
    let map = compiler.map(&value, &what)?;
    let fields = compiler.fields(&map, pair.key, &what, PARAMETER);
    let field = fields.need(compiler, "type", "add a type, such as `type: string`")?;
    let text = compiler.text(&field.value, "`type`")?;
    let types: Vec<&str> = ParameterType::ALL
        .iter()
        .filter(|kind| kind.is_for(owner))
        .map(|kind| kind.as_str())
        .collect();
    let kind = ParameterType::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text && kind.is_for(owner));
    let kind = if let Some(kind) = kind {
        kind
    } else {
        let message = format!("there is no parameter type `{text}` here");
        let draft = Draft::error(Code::BAD_PARAMETER, field.value.place, message);
        let meant = other_name(&text)
            .filter(|meant| types.contains(meant))
            .or_else(|| suggest::nearest(&text, types.iter().copied()));
        let draft = match meant {
            Some(meant) => draft
                .did_you_mean(&text, &types)
                .rename(&text, meant)
                .hint(format!("did you mean `{meant}`?")),
            None => draft.did_you_mean(&text, &types),
        };
        compiler.sink.emit_in(&map.scope, draft);
        // Reading on with the type that was meant finds what else is wrong.
        ParameterType::ALL
            .into_iter()
            .find(|kind| Some(kind.as_str()) == meant)?
    };
    if owner == Owner::Job {
        compiler.check_reserved(pair, &map.scope);
    }
    let members = members(compiler, &fields, kind);
    // A default of null is no default; one that is an empty list is.
    let default = fields.get(compiler, "default").map(|field| field.view);
    Some(Declared {
        name: pair.name,
        key: pair.key,
        kind,
        members,
        default,
        is_broken: false,
    })
}

/// What types are called elsewhere.
fn other_name(text: &str) -> Option<&'static str> {
    match text {
        "bool" => Some("boolean"),
        "int" | "number" => Some("integer"),
        "str" | "text" => Some("string"),
        "step" => Some("steps"),
        "env" | "env_var" | "env-var-name" => Some("env_var_name"),
        _ => None,
    }
}

fn members<'s>(compiler: &Compiler<'s>, fields: &Fields<'s>, kind: ParameterType) -> Vec<String> {
    if kind != ParameterType::Enum {
        if let Some(field) = fields.get(compiler, "enum") {
            let message = "`enum` has no effect: the type is another";
            compiler
                .sink
                .emit(Draft::warning(Code::IGNORED, field.key, message).hint("write `type: enum`"));
        }
        return Vec::new();
    }
    let Some(field) = fields.need(compiler, "enum", "list the values: `enum: [a, b]`") else {
        return Vec::new();
    };
    let members: Vec<String> = compiler
        .texts(&field.value, "`enum`")
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    if members.is_empty() {
        let message = format!("{} lists no value", fields.what);
        compiler
            .sink
            .emit(Draft::error(Code::BAD_PARAMETER, field.value.place, message));
    }
    members
}

impl<'s> Compiler<'s> {
    /// Declarations of a job, command or executor.
    pub(crate) fn parameters_of(&self, fields: &Fields<'s>, owner: Owner) -> Vec<Declared<'s>> {
        let Some(field) = fields.get(self, "parameters") else {
            return Vec::new();
        };
        let Some(map) = self.map(&field.value, "`parameters`") else {
            return Vec::new();
        };
        declared(self, &map, owner)
    }

    /// Reads the pipeline's parameters and what the trigger gave for them.
    pub(crate) fn read_pipeline_parameters(&self, top: &Fields<'s>) {
        let field = top.get(self, "parameters");
        let map = field
            .as_ref()
            .and_then(|field| self.map(&field.value, "`parameters`"));
        let place = field.as_ref().map_or(top.place, |field| field.key);
        let declared = map
            .as_ref()
            .map_or_else(Vec::new, |map| declared(self, map, Owner::Pipeline));
        self.check_given(&declared, place);
        let mut values = BTreeMap::new();
        for parameter in &declared {
            values.insert(
                parameter.name.to_owned(),
                self.pipeline_parameter(parameter, &top.scope),
            );
        }
        // Set once, by the one call of this function.
        let _ = self.pipeline_parameters.set(values);
    }

    /// Version 2 has no parameters; a trigger that gives some meant another file.
    pub(crate) fn refuse_given_parameters(&self, start: Place) {
        self.check_given(&[], start);
    }

    fn check_given(&self, declared: &[Declared<'s>], place: Place) {
        let given = &self.inputs.parameters;
        if given.len() > MAX_PIPELINE_PARAMETERS {
            let message = format!(
                "the trigger gives {} parameters; at most {MAX_PIPELINE_PARAMETERS} are taken",
                given.len()
            );
            self.sink.emit(Draft::error(Code::LIMIT, place, message));
        }
        for (name, value) in given {
            let value = match value {
                ParameterValue::Text(text) => text.chars().count(),
                ParameterValue::Bool(_) | ParameterValue::Int(_) => 0,
            };
            let shown: String = name.chars().take(40).collect();
            let limits = [
                ("name", name.chars().count(), MAX_PARAMETER_NAME_CHARS),
                ("value", value, MAX_PARAMETER_VALUE_CHARS),
            ];
            for (part, length, most) in limits {
                if length > most {
                    let message = format!(
                        "the {part} of the parameter `{shown}` given with the trigger has {length} characters; at most {most} are taken"
                    );
                    self.sink.emit(Draft::error(Code::LIMIT, place, message));
                }
            }
        }
        let names: Vec<&str> = declared.iter().map(|parameter| parameter.name).collect();
        let before = self
            .inputs
            .continuation
            .as_ref()
            .map(|continuation| &continuation.given_before);
        let twice: Vec<&str> = given
            .keys()
            .filter(|name| before.is_some_and(|before| before.contains_key(*name)))
            .map(String::as_str)
            .collect();
        if !twice.is_empty() {
            let message = format!(
                "Conflicting pipeline parameters. Given twice: {}",
                twice.join(", ")
            );
            let draft = Draft::error(Code::BAD_VALUE, place, message)
                .hint("what the pipeline was triggered with holds on; leave it out of the continuation");
            self.sink.emit(draft);
        }
        let all: BTreeSet<&String> = given
            .keys()
            .chain(before.into_iter().flat_map(BTreeMap::keys))
            .collect();
        for name in all.into_iter().filter(|name| !names.contains(&name.as_str())) {
            let message = format!("Unexpected argument(s): {name} (given with the trigger)");
            let draft = Draft::error(Code::UNKNOWN_ARGUMENT, place, message)
                .maybe_hint(suggest::hint_or_list(name, &names))
                .maybe_hint(
                    names
                        .is_empty()
                        .then(|| "declare it under `parameters:`".to_owned()),
                );
            self.sink.emit(draft);
        }
    }

    /// The default, checked against the parameter's type.
    pub(crate) fn default_of(&self, parameter: &Declared<'s>) -> Option<Value<'s>> {
        parameter.default.as_ref().map(|view| {
            let argument = Argument {
                name: parameter.name,
                value: self.resolve(view),
            };
            self.checked(parameter, &argument, "default value")
        })
    }

    fn pipeline_parameter(&self, parameter: &Declared<'s>, scope: &Rc<Scope<'s>>) -> Value<'s> {
        if parameter.is_broken {
            return Value::Broken;
        }
        let default = self.default_of(parameter);
        if default.is_none() {
            let message = format!("the pipeline parameter `{}` needs a `default`", parameter.name);
            let draft = Draft::error(Code::BAD_PARAMETER, parameter.key, message)
                .hint("pipelines start without anybody to ask; add `default:`");
            self.sink.emit_in(scope, draft);
        }
        let before = self
            .inputs
            .continuation
            .as_ref()
            .map(|continuation| &continuation.given_before);
        let given = self.inputs.parameters.get(parameter.name);
        let Some(given) = given.or_else(|| before?.get(parameter.name)) else {
            return default.unwrap_or(Value::Broken);
        };
        let value = from_parameter(given);
        let suits = match (parameter.kind, &value) {
            (ParameterType::String, Value::Text(_))
            | (ParameterType::Boolean, Value::Bool(_))
            | (ParameterType::Integer, Value::Int(_)) => true,
            (ParameterType::Enum, Value::Text(text)) => parameter.members.contains(text),
            _ => false,
        };
        if suits {
            return value;
        }
        let message = format!(
            "Type error for argument {}: expected type: {}, actual value: {} (type {})",
            parameter.name,
            parameter.kind.as_str(),
            value.shown(),
            value.type_name()
        );
        self.sink
            .emit(Draft::error(Code::WRONG_TYPE, parameter.key, message).hint("given with the trigger"));
        Value::Broken
    }
}
