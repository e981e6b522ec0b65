//! Arguments of calls, checked against the declared parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airlock_yaml_tree::{Place, Value as Plain};

use super::matrix::Combination;
use super::parameters::{Declared, ParameterType};
use super::{Compiler, names};
use crate::diagnostic::Code;
use crate::keys::Key;
use crate::mending::Change;
use crate::scope::{Pair, Resolved, Scope, Shape, View};
use crate::sink::Draft;
use crate::suggest;
use crate::value::{Named, Value};

/// One argument, evaluated where the call stands.
pub(crate) struct Argument<'a, 's> {
    pub(crate) name: &'a str,
    pub(crate) value: Resolved<'s>,
}

/// A call whose arguments are to be bound.
pub(crate) struct Call<'a, 's> {
    /// What is called, such as ``command `setup` ``.
    pub(crate) what: &'a str,
    /// Where it is called.
    pub(crate) place: Place,
    /// Where defaults mean something: the scope around the definition.
    pub(crate) defaults: &'a Rc<Scope<'s>>,
    /// Where the call stands.
    pub(crate) scope: &'a Scope<'s>,
    /// Keys that stand beside the arguments, for "did you mean".
    pub(crate) beside: &'a [Key],
}

impl<'s> Compiler<'s> {
    /// Binds arguments to parameters. `extra` are values that come from a matrix.
    pub(crate) fn bind(
        &self,
        call: &Call<'_, 's>,
        declared: &[Declared<'s>],
        given: &[Pair<'s>],
        extra: &Combination<'s>,
    ) -> BTreeMap<String, Value<'s>> {
        let taken_for = self.check_unknown(call, declared, given, extra);
        let mut values = BTreeMap::new();
        let mut missing = Vec::new();
        let given: BTreeMap<&str, &Pair<'s>> = given.iter().map(|pair| (pair.name, pair)).collect();
        for parameter in declared {
            if parameter.is_broken || taken_for == Some(parameter.name) {
                values.insert(parameter.name.to_owned(), Value::Broken);
                continue;
            }
            let argument = match (extra.get(parameter.name), given.get(parameter.name)) {
                (Some(from_matrix), _) => Some(from_matrix.value.clone()),
                (None, Some(pair)) => Some(self.resolve(&pair.value)).filter(|value| !value.is_absent()),
                (None, None) => None,
            };
            let value = match (argument, &parameter.default) {
                (Some(value), _) => self.checked(
                    parameter,
                    &Argument {
                        name: parameter.name,
                        value,
                    },
                    "argument",
                ),
                (None, Some(default)) => {
                    let value = self.resolve(&View::new(default.node, call.defaults));
                    self.checked(
                        parameter,
                        &Argument {
                            name: parameter.name,
                            value,
                        },
                        "default value",
                    )
                }
                (None, None) => {
                    missing.push(parameter);
                    Value::Broken
                }
            };
            values.insert(parameter.name.to_owned(), value);
        }
        if let Some(first) = missing.first() {
            let names: Vec<&str> = missing.iter().map(|parameter| parameter.name).collect();
            let message = format!(
                "Missing required argument(s): {} ({})",
                names.join(", "),
                call.what
            );
            let draft = Draft::error(Code::MISSING_ARGUMENT, call.place, message)
                .related(first.key, "declared here without a default");
            self.sink.emit_in(call.scope, draft);
        }
        values
    }

    /// Reports arguments that nobody declared. Returns the parameter that the only one of them is taken for: one that is
    /// missing for the very reason that its name is wrong.
    fn check_unknown(
        &self,
        call: &Call<'_, 's>,
        declared: &[Declared<'s>],
        given: &[Pair<'s>],
        extra: &Combination<'s>,
    ) -> Option<&'s str> {
        let known: BTreeSet<&str> = declared.iter().map(|parameter| parameter.name).collect();
        let names: Vec<&str> = declared.iter().map(|parameter| parameter.name).collect();
        let given = given.iter().map(|pair| (pair.name, pair.key));
        let extra = extra
            .iter()
            .map(|(name, from_matrix)| (name.as_str(), from_matrix.key));
        let taken: Vec<&str> = given.clone().chain(extra.clone()).map(|(name, _)| name).collect();
        let unknown: Vec<(&str, Place)> = given
            .chain(extra)
            .filter(|(name, _)| !known.contains(name))
            .collect();
        let is_missing = |parameter: &&Declared<'s>| {
            parameter.default.is_none() && !parameter.is_broken && !taken.contains(&parameter.name)
        };
        let missing: Vec<&Declared<'s>> = declared.iter().filter(is_missing).collect();
        let is_key = |name: &str| {
            let keys = call.beside.iter().map(|key| key.name);
            suggest::nearest(name, keys).is_some()
        };
        let taken_for = match (unknown.as_slice(), missing.as_slice()) {
            ([(name, _)], [parameter]) if !is_key(name) => Some(parameter.name),
            _ => None,
        };
        for (name, place) in unknown {
            let message = format!("Unexpected argument(s): {name} ({})", call.what);
            // A key beside the arguments that is nearly written so is likelier than a parameter far away.
            let near = |names: &[&'_ str]| suggest::nearest(name, names.iter().copied()).is_some();
            let free: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| !taken.contains(name))
                .collect();
            let beside: Vec<&str> = call.beside.iter().map(|key| key.name).collect();
            let nearby = if near(&beside) && !near(&free) {
                beside
            } else {
                free
            };
            let draft = Draft::error(Code::UNKNOWN_ARGUMENT, place, message);
            let draft = match missing.as_slice() {
                [parameter] if taken_for.is_some() => draft
                    .hint(format!("did you mean `{}`, which is missing?", parameter.name))
                    .rename(name, parameter.name)
                    .related(parameter.key, "declared here without a default"),
                _ if name == "when" && call.what.starts_with("command") => draft
                    .hint("`when` stands on steps, not on calls: write it on the steps inside the command"),
                _ if names.is_empty() && !near(&nearby) => {
                    draft.hint(format!("{} declares no parameters", call.what))
                }
                _ => draft.did_you_mean(name, &nearby),
            };
            self.sink.emit_in(call.scope, draft);
        }
        taken_for
    }

    /// The value of an argument when it suits the parameter's type.
    pub(crate) fn checked(
        &self,
        parameter: &Declared<'s>,
        argument: &Argument<'_, 's>,
        role: &str,
    ) -> Value<'s> {
        let value = typed(parameter.kind, &argument.value);
        if matches!(value, Value::Broken) {
            if !matches!(argument.value.shape, Shape::Computed(Value::Broken)) {
                self.type_error(parameter, argument, role);
            }
            return Value::Broken;
        }
        match (parameter.kind, &value) {
            (ParameterType::Enum, Value::Text(text)) if !parameter.members.contains(text) => {
                let message = if role == "default value" {
                    format!("Default value {text} is not in enum of `{}`", argument.name)
                } else {
                    format!("the {role} {text:?} of `{}` is not in its enum", argument.name)
                };
                let members: Vec<&str> = parameter.members.iter().map(String::as_str).collect();
                let draft =
                    Draft::error(Code::BAD_VALUE, argument.value.place, message).did_you_mean(text, &members);
                self.sink.emit_in(&argument.value.scope, draft);
                Value::Broken
            }
            (ParameterType::EnvVarName, Value::Text(text)) if !names::is_variable_name(text) => {
                // The value may be a secret passed by mistake: it is not repeated.
                let message = format!(
                    "the {role} of `{}` is no name of an environment variable",
                    argument.name
                );
                let draft = Draft::error(Code::BAD_VALUE, argument.value.place, message)
                    .hint("give the variable's name, not its value: letters, digits and `_`");
                self.sink.emit_in(&argument.value.scope, draft);
                Value::Broken
            }
            _ => value,
        }
    }

    fn type_error(&self, parameter: &Declared<'s>, argument: &Argument<'_, 's>, role: &str) {
        let actual = plain(&argument.value);
        let message = format!(
            "Type error for {role} {}: expected type: {}, actual value: {} (type {})",
            argument.name,
            parameter.kind.as_str(),
            actual.shown(),
            actual.type_name()
        );
        let quote = parameter.kind == ParameterType::String
            && matches!(actual, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        let draft = Draft::error(Code::WRONG_TYPE, argument.value.place, message)
            .maybe_hint(quote.then(|| "put quotes around it".to_owned()))
            .maybe_fix(self.retyped(parameter.kind, argument, quote))
            .related(parameter.key, "declared here");
        self.sink.emit_in(&argument.value.scope, draft);
    }
}

impl<'s> Compiler<'s> {
    /// The quotes that make text of a number, or those that keep a boolean from being one.
    fn retyped(&self, kind: ParameterType, argument: &Argument<'_, 's>, quote: bool) -> Option<Change> {
        let Shape::Written(scalar) = &argument.value.shape else {
            return None;
        };
        if quote {
            return self.quote(argument.value.place);
        }
        let meant = match kind {
            ParameterType::Boolean => matches!(scalar.text, "true" | "false"),
            ParameterType::Integer => scalar.text.parse::<i64>().is_ok(),
            ParameterType::String
            | ParameterType::Enum
            | ParameterType::Executor
            | ParameterType::Steps
            | ParameterType::EnvVarName => false,
        };
        meant.then(|| self.unquote(argument.value.place)).flatten()
    }
}

fn typed<'s>(kind: ParameterType, value: &Resolved<'s>) -> Value<'s> {
    let found = match (kind, &value.shape) {
        (ParameterType::Steps, Shape::List(_)) | (ParameterType::Executor, Shape::Map(_)) => {
            Some(as_node(value))
        }
        (ParameterType::Executor, Shape::Written(scalar)) => {
            (!scalar.is_null()).then(|| name_of(value, scalar.text))
        }
        (ParameterType::Executor, Shape::Computed(Value::Text(text))) => Some(name_of(value, text)),
        // A pipeline value that this pipeline does not have is empty text.
        (ParameterType::String, Shape::Computed(Value::Null)) => Some(Value::Text(String::new())),
        (ParameterType::Boolean, Shape::Written(scalar)) => scalar.as_bool().map(Value::Bool),
        (ParameterType::Enum | ParameterType::EnvVarName, Shape::Written(scalar)) => {
            (!scalar.is_null()).then(|| Value::Text(scalar.text.to_owned()))
        }
        (ParameterType::Enum, Shape::Computed(computed)) => computed.to_text().map(Value::Text),
        (_, Shape::Written(_) | Shape::Computed(_)) => Some(plain(value)),
        (_, Shape::List(_) | Shape::Map(_)) => None,
    };
    let suits = |value: &Value<'_>| match kind {
        ParameterType::String | ParameterType::Enum | ParameterType::EnvVarName => {
            matches!(value, Value::Text(_))
        }
        ParameterType::Boolean => matches!(value, Value::Bool(_)),
        ParameterType::Integer => matches!(value, Value::Int(_)),
        ParameterType::Executor => matches!(value, Value::Named(_) | Value::Node(_)),
        ParameterType::Steps => matches!(value, Value::Node(_)),
    };
    found.filter(suits).unwrap_or(Value::Broken)
}

/// A value with the type it looks like.
pub(crate) fn plain<'s>(value: &Resolved<'s>) -> Value<'s> {
    match &value.shape {
        Shape::Written(scalar) => match scalar.resolve() {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::Bool(value),
            Plain::Int(value) => Value::Int(value),
            Plain::Float(value) => Value::Float(value),
            Plain::Text(text) => Value::Text(text),
        },
        Shape::Computed(computed) => computed.clone(),
        Shape::List(_) | Shape::Map(_) => as_node(value),
    }
}

/// An executor's name means what it means to the caller.
fn name_of<'s>(value: &Resolved<'s>, text: &str) -> Value<'s> {
    Value::Named(Named {
        text: text.to_owned(),
        place: value.place,
        scope: Rc::clone(&value.scope),
    })
}

fn as_node<'s>(value: &Resolved<'s>) -> Value<'s> {
    Value::Node(View::new(value.node, &value.scope))
}
