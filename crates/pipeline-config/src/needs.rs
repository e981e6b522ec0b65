//! What a config needs before it can be compiled: orbs to fetch, parameters to ask for. Looks no deeper than that, and
//! leaves complaints to `compile`.

use std::rc::Rc;

use airlock_yaml_tree::{FileId, Tree, parse_file};
use serde::Serialize;

use crate::compile::{Compiler, Declared, Definitions, Owner, declared};
use crate::fields::Fields;
use crate::inputs::{Inputs, ParameterValue, Source};
use crate::limits::{MAX_ORB_DEPTH, MAX_ORB_REFERENCES};
use crate::orbs::{OrbReference, OrbSource};
use crate::scope::{Map, Scope, Shape, View};
use crate::sink::Sink;
use crate::template;
use crate::value::Value;

/// What the caller must fetch or ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Orbs named by reference, also those named by orbs that are written in place.
    pub orbs: Vec<OrbNeed>,
    /// The pipeline's parameters.
    pub parameters: Vec<DeclaredParameter>,
    /// Whether this is a setup config, which another one follows.
    pub setup: bool,
}

/// An orb that a file names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrbNeed {
    /// The name under which the config knows it.
    pub alias: String,
    /// The reference as written; `<< … >>` in it is not filled in.
    pub reference: String,
    /// Whether there is a `<< … >>` in it, so that only a pipeline's values tell which orb is meant: see
    /// [`orb_references`].
    pub template: bool,
    /// Line of the reference.
    pub line: u32,
    /// Column of the reference.
    pub column: u32,
}

/// An orb that a config needs in one pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrbRequest {
    /// How and where the config names it.
    pub need: OrbNeed,
    /// What that means with this pipeline's values and parameters.
    pub reference: OrbReference,
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

/// Lists what a config, or an orb, needs. A file that cannot be read needs nothing; [`crate::compile`] says what is
/// wrong.
pub fn needs(source: &Source) -> Needs {
    let parsed = parse_file(FileId(0), &source.bytes);
    let inputs = Inputs::default();
    let compiler = Compiler::new(&inputs, Sink::new(vec![(&source.file, &parsed.tree)]));
    let Some(top) = top(&compiler, &parsed.tree) else {
        return Needs::default();
    };
    let mut needs = Needs::default();
    for pair in top.iter() {
        let value = compiler.resolve(&pair.value);
        match (pair.name, &value.shape) {
            ("setup", Shape::Written(scalar)) => needs.setup = scalar.as_bool() == Some(true),
            ("parameters", Shape::Map(map)) => {
                let declared = declared(&compiler, map, Owner::Pipeline);
                needs.parameters = declared
                    .iter()
                    .filter(|parameter| !parameter.is_broken)
                    .map(|parameter| describe(&compiler, parameter))
                    .collect();
            }
            _ => {}
        }
    }
    needs.orbs = written(&compiler, &top)
        .into_iter()
        .map(|(need, _)| need)
        .collect();
    needs
}

/// The orbs of a config's own `orbs:` with this pipeline's values and parameters filled in. What is no reference then is
/// left out: [`crate::compile`] reports it. A file of version 2 has no orbs.
pub fn orb_references(source: &Source, inputs: &Inputs) -> Vec<OrbRequest> {
    // Most files have none, and reading a file twice costs as much as compiling it.
    if !source.bytes.windows(4).any(|bytes| bytes == b"orbs") {
        return Vec::new();
    }
    let parsed = parse_file(FileId(0), &source.bytes);
    let compiler = Compiler::new(inputs, Sink::new(vec![(&source.file, &parsed.tree)]));
    let Some(top) = top(&compiler, &parsed.tree) else {
        return Vec::new();
    };
    let start = parsed.tree.place(airlock_yaml_tree::Span::new(0, 0));
    let fields = Fields::open(&top, start, "the config");
    if matches!(fields.text(&compiler, "version").as_deref(), Some("2" | "2.0")) {
        return Vec::new();
    }
    compiler.read_pipeline_parameters(&fields);
    let scope = Compiler::outer_scope(Rc::new(Definitions::default()), true);
    written(&compiler, &top)
        .into_iter()
        .filter_map(|(need, view)| {
            let value = compiler.resolve(&View::new(view.node, &scope));
            let text = match &value.shape {
                Shape::Written(scalar) => scalar.text.to_owned(),
                Shape::Computed(value) => value.to_text()?,
                Shape::List(_) | Shape::Map(_) => return None,
            };
            let reference = OrbReference::parse(&text).ok()?;
            Some(OrbRequest { need, reference })
        })
        .collect()
}

/// The orbs that an orb imports, as settled when it was published. Templates mean nothing there.
pub(crate) fn orbs_of(orb: &OrbSource) -> Vec<OrbReference> {
    let inputs = Inputs::default();
    let tree = &orb.parsed().tree;
    let compiler = Compiler::new(&inputs, Sink::new(Vec::new()));
    let Some(top) = top(&compiler, tree) else {
        return Vec::new();
    };
    written(&compiler, &top)
        .into_iter()
        .filter_map(|(need, _)| match orb.pinned(&need.reference) {
            Some(reference) => Some(reference.clone()),
            None => OrbReference::parse(&need.reference).ok(),
        })
        .collect()
}

/// The map at the top of a file, templates left alone.
fn top<'s>(compiler: &Compiler<'s>, tree: &'s Tree) -> Option<Map<'s>> {
    let scope: Rc<Scope<'s>> = Compiler::outer_scope(Rc::new(Definitions::default()), false);
    let value = compiler.resolve(&View::new(tree.root()?, &scope));
    match value.shape {
        Shape::Map(map) => Some(map),
        Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => None,
    }
}

/// The references under `orbs:` of a map and of the orbs written in place there.
fn written<'s>(compiler: &Compiler<'s>, top: &Map<'s>) -> Vec<(OrbNeed, View<'s>)> {
    let mut found = Vec::new();
    let mut open = vec![(top.clone(), 0)];
    while let Some((map, depth)) = open.pop() {
        let Some(orbs) = map.iter().find(|pair| pair.name == "orbs") else {
            continue;
        };
        let Shape::Map(orbs) = compiler.resolve(&orbs.value).shape else {
            continue;
        };
        let mut inner = Vec::new();
        for orb in orbs.iter() {
            if found.len() >= MAX_ORB_REFERENCES {
                return found;
            }
            match compiler.resolve(&orb.value).shape {
                Shape::Map(map) if depth < MAX_ORB_DEPTH => inner.push((map, depth + 1)),
                Shape::Written(scalar) if !scalar.is_null() => {
                    let node = orb.value.node;
                    let at = node.tree().locate(node.span().start);
                    let need = OrbNeed {
                        alias: orb.name.to_owned(),
                        reference: scalar.text.trim().to_owned(),
                        template: template::has_tags(scalar.text),
                        line: at.line,
                        column: at.column,
                    };
                    found.push((need, orb.value.clone()));
                }
                Shape::Map(_) | Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => {}
            }
        }
        open.extend(inner.into_iter().rev());
    }
    found
}

fn describe<'s>(compiler: &Compiler<'s>, parameter: &Declared<'s>) -> DeclaredParameter {
    let default = match compiler.default_of(parameter) {
        Some(Value::Text(text)) => Some(ParameterValue::Text(text)),
        Some(Value::Bool(value)) => Some(ParameterValue::Bool(value)),
        Some(Value::Int(value)) => Some(ParameterValue::Int(value)),
        Some(Value::Null | Value::Float(_) | Value::Named(_) | Value::Node(_) | Value::Broken) | None => None,
    };
    DeclaredParameter {
        name: parameter.name.to_owned(),
        kind: parameter.kind.as_str(),
        members: parameter.members.clone(),
        default,
    }
}
