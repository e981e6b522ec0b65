//! What a config needs before it can be compiled: orbs to fetch, parameters to ask for. Looks no deeper than that, and
//! leaves complaints to `compile`.

use std::rc::Rc;

use airlock_yaml_tree::{FileId, parse_file};
use serde::Serialize;

use crate::compile::{Compiler, Declared, Definitions, Owner, declared};
use crate::inputs::{Inputs, ParameterValue, Source};
use crate::scope::{Shape, View};
use crate::sink::Sink;
use crate::value::Value;

/// What the caller must fetch or ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Orbs named by reference; inline ones are in the file already.
    pub orbs: Vec<OrbNeed>,
    /// The pipeline's parameters.
    pub parameters: Vec<DeclaredParameter>,
    /// Whether this is a setup config, which another one follows.
    pub setup: bool,
}

/// An orb to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrbNeed {
    /// The name under which the config knows it.
    pub alias: String,
    /// The reference as written; `<< … >>` in it is not filled in.
    pub reference: String,
    /// Line of the reference.
    pub line: u32,
    /// Column of the reference.
    pub column: u32,
}

/// A pipeline parameter as a form or a check of a trigger needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredParameter {
    /// Its name.
    pub name: String,
    /// `string`, `boolean`, `integer` or `enum`.
    pub kind: &'static str,
    /// The values of an enum.
    pub members: Vec<String>,
    /// The value when a trigger gives none.
    pub default: Option<ParameterValue>,
}

/// Lists what a config needs. A config that cannot be read needs nothing; [`crate::compile`] says what is wrong.
pub fn needs(source: &Source) -> Needs {
    let parsed = parse_file(FileId(0), &source.bytes);
    let inputs = Inputs::default();
    let compiler = Compiler::new(&inputs, Sink::new(vec![(&source.file, &parsed.tree)]));
    let scope = Compiler::outer_scope(Rc::new(Definitions::default()), false);
    let Some(root) = parsed.tree.root() else {
        return Needs::default();
    };
    let Shape::Map(top) = compiler.resolve(&View::new(root, &scope)).shape else {
        return Needs::default();
    };
    let mut needs = Needs::default();
    for pair in top.iter() {
        let value = compiler.resolve(&pair.value);
        match (pair.name, &value.shape) {
            ("setup", Shape::Written(scalar)) => needs.setup = scalar.as_bool() == Some(true),
            ("orbs", Shape::Map(orbs)) => {
                for orb in orbs.iter() {
                    let Some(scalar) = orb.value.node.as_scalar() else {
                        continue;
                    };
                    let at = parsed.tree.locate(orb.value.node.span().start);
                    needs.orbs.push(OrbNeed {
                        alias: orb.name.to_owned(),
                        reference: scalar.text.to_owned(),
                        line: at.line,
                        column: at.column,
                    });
                }
            }
            ("parameters", Shape::Map(map)) => {
                let declared = declared(&compiler, map, Owner::Pipeline);
                needs.parameters = declared
                    .iter()
                    .map(|parameter| describe(&compiler, parameter))
                    .collect();
            }
            _ => {}
        }
    }
    needs
}

fn describe<'s>(compiler: &Compiler<'s>, parameter: &Declared<'s>) -> DeclaredParameter {
    let default = match compiler.default_of(parameter) {
        Some(Value::Text(text)) => Some(ParameterValue::Text(text)),
        Some(Value::Bool(value)) => Some(ParameterValue::Bool(value)),
        Some(Value::Int(value)) => Some(ParameterValue::Int(value)),
        Some(Value::Null | Value::Float(_) | Value::Node(_) | Value::Broken) | None => None,
    };
    DeclaredParameter {
        name: parameter.name.to_owned(),
        kind: parameter.kind.as_str(),
        members: parameter.members.clone(),
        default,
    }
}
