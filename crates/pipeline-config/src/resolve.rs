//! Evaluates views: fills in `<< … >>` and says what shape a value has. A scalar that is one expression takes the
//! expression's type; expressions inside longer text become text.

use std::rc::Rc;

use airlock_yaml_tree::{Node, NodeKind, Place, Span, Style};

use crate::budget::Read;
use crate::compile::Compiler;
use crate::diagnostic::Code;
use crate::expression::{self, EvaluationError, Names};
use crate::limits::{MAX_PLAN_TEXT_BYTES, MAX_READS, MAX_TEXT_BYTES};
use crate::pipeline_values::{self, Lookup};
use crate::regexes::Regexes;
use crate::scope::{List, Map, Resolved, Scope, Shape, View};
use crate::sink::Draft;
use crate::template::{self, Piece, SplitError};
use crate::value::Value;

const PIPELINE_PARAMETERS: &str = "pipeline.parameters.";
const ESCAPE_HINT: &str = "to write `<<` itself, as in a heredoc, put a backslash before it: `\\<<`";

impl<'s> Compiler<'s> {
    /// Evaluates a view.
    pub(crate) fn resolve(&self, view: &View<'s>) -> Resolved<'s> {
        let place = view.place();
        let alias = view.node.alias().map(|span| view.node.tree().place(span));
        let scope = Rc::clone(&view.scope);
        let shape = match view.node.kind() {
            _ if !self.may_read(view) => Shape::Computed(Value::Broken),
            NodeKind::Sequence(sequence) => Shape::List(List {
                sequence,
                scope: Rc::clone(&scope),
            }),
            NodeKind::Mapping(mapping) => Shape::Map(Map::new(mapping, &scope)),
            NodeKind::Scalar(scalar) if scope.templates && template::has_tags(scalar.text) => {
                if scope.unknown {
                    return Resolved {
                        node: view.node,
                        place,
                        alias,
                        scope,
                        shape: Shape::Computed(Value::Broken),
                    };
                }
                let value = self.fill_in(view, scalar.text);
                if let Value::Node(inner) = &value {
                    // A list or map that was passed on: its own place is where it was written.
                    return self.resolve(inner);
                }
                if let Value::Named(name) = value {
                    return Resolved {
                        node: view.node,
                        place: name.place,
                        alias,
                        scope: name.scope,
                        shape: Shape::Computed(Value::Text(name.text)),
                    };
                }
                Shape::Computed(value)
            }
            NodeKind::Scalar(scalar) => Shape::Written(scalar),
        };
        Resolved {
            node: view.node,
            place,
            alias,
            scope,
            shape,
        }
    }

    /// Charges the reading of a value and of the keys it has.
    fn may_read(&self, view: &View<'s>) -> bool {
        if self.sink.is_hopeless() {
            return false;
        }
        let keys = match view.node.kind() {
            NodeKind::Scalar(_) => 0,
            NodeKind::Sequence(sequence) => sequence.len(),
            NodeKind::Mapping(mapping) => mapping.len(),
        };
        let read = self.budget.read(keys + 1);
        if read == Read::JustSpent {
            let message = format!("compiling this config takes more than {MAX_READS} readings of its values");
            let draft = Draft::error(Code::LIMIT, view.place(), message)
                .hint("commands that call each other, or jobs with very many parameters, multiply");
            self.sink.emit_in(&view.scope, draft);
        }
        read == Read::Granted
    }

    fn fill_in(&self, view: &View<'s>, text: &str) -> Value<'s> {
        let pieces = match template::split(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                self.split_problem(view, text, &error);
                return Value::Broken;
            }
        };
        let names = ScopeNames {
            compiler: self,
            view,
            text,
            shift: 0,
        };
        if let Some((source, at)) = only_expression(&pieces) {
            if let Some(name) = named(view, source) {
                return name;
            }
            let value = names.expression(source, at);
            if !matches!(value, Value::Text(_)) {
                return value;
            }
        }
        let mut out = String::new();
        if !self.append(&names, &pieces, &mut out) {
            return Value::Broken;
        }
        if !self.budget.text(out.len()) {
            let message = format!("the filled-in texts of this config exceed {MAX_PLAN_TEXT_BYTES} bytes");
            self.sink
                .emit_in(&view.scope, Draft::error(Code::LIMIT, view.place(), message));
            return Value::Broken;
        }
        Value::Text(out)
    }

    /// Adds the pieces to a text. Goes on after a mistake, so that the next one is found too.
    fn append(&self, names: &ScopeNames<'_, 's>, pieces: &[Piece], out: &mut String) -> bool {
        let mut sound = true;
        for piece in pieces {
            sound &= self.append_piece(names, piece, out);
            if self.sink.is_hopeless() {
                return false;
            }
            if out.len() > MAX_TEXT_BYTES {
                let message = format!("this text has more than {MAX_TEXT_BYTES} bytes when filled in");
                let draft = Draft::error(Code::LIMIT, names.view.place(), message);
                self.sink.emit_in(&names.view.scope, draft);
                return false;
            }
        }
        sound
    }

    fn append_piece(&self, names: &ScopeNames<'_, 's>, piece: &Piece, out: &mut String) -> bool {
        match piece {
            Piece::Text(text) => {
                out.push_str(text);
                true
            }
            Piece::Expression { source, at } => {
                let value = names.expression(source, *at);
                if let Value::Node(_) = value {
                    let message = format!("`{}` is not text and cannot stand inside text", source.trim());
                    let place = tag_place(names.view.node, names.text, *at);
                    self.sink
                        .emit_in(&names.view.scope, Draft::error(Code::WRONG_TYPE, place, message));
                }
                let Some(text) = value.to_text() else { return false };
                out.push_str(&text);
                true
            }
            Piece::Section {
                source,
                inverted,
                at,
                body,
            } => {
                let value = names.expression(source, *at);
                if value.is_broken() {
                    return false;
                }
                value.is_truthy() == *inverted || self.append(names, body, out)
            }
        }
    }

    /// Whether a value is one `<< pipeline.… >>` and nothing else, parameters not meant.
    pub(crate) fn is_pipeline_value(view: &View<'s>) -> bool {
        let pieces = view.node.as_scalar().map(|scalar| template::split(scalar.text));
        let Some(Ok(pieces)) = pieces else { return false };
        only_expression(&pieces).is_some_and(|(source, _)| {
            let name = source.trim();
            name.starts_with("pipeline.")
                && !name.starts_with(PIPELINE_PARAMETERS)
                && matches!(expression::parse(name), Ok(expression::Expression::Name(..)))
        })
    }

    fn split_problem(&self, view: &View<'s>, text: &str, error: &SplitError) {
        let place = tag_place(view.node, text, error.at());
        let draft = match error {
            SplitError::Unclosed { .. } => Draft::error(Code::UNCLOSED_TAG, place, "Unclosed '<<' tag")
                .hint(ESCAPE_HINT)
                .maybe_fix(self.escape(place, style_of(view))),
            SplitError::Section { name, .. } => {
                let message = format!("the section `{name}` is not opened and closed as a pair");
                Draft::error(Code::UNCLOSED_TAG, place, message)
                    .hint(format!("write `<<#{name}>>…<</{name}>>`"))
            }
        };
        self.sink.emit_in(&view.scope, draft);
    }

    /// Evaluates text that is an expression without `<<` and `>>`, as `when:` of a workflow and `filters:` may hold.
    pub(crate) fn bare_expression(&self, view: &View<'s>, text: &str) -> Value<'s> {
        ScopeNames {
            compiler: self,
            view,
            text,
            shift: 0,
        }
        .bare(text)
    }
}

fn style_of(view: &View<'_>) -> Style {
    view.node.as_scalar().map_or(Style::Plain, |scalar| scalar.style)
}

/// The name of an executor that was passed on as it is: it keeps its meaning.
fn named<'s>(view: &View<'s>, source: &str) -> Option<Value<'s>> {
    let name = source.trim().strip_prefix("parameters.")?;
    let value = view.scope.parameters.as_ref()?.get(name)?;
    matches!(value, Value::Named(_)).then(|| value.clone())
}

/// The one expression of a text that holds nothing else.
fn only_expression(pieces: &[Piece]) -> Option<(&str, usize)> {
    let mut found = None;
    for piece in pieces {
        match piece {
            Piece::Text(text) if text.trim().is_empty() => {}
            Piece::Expression { source, at } if found.is_none() => found = Some((source.as_str(), *at)),
            Piece::Text(_) | Piece::Expression { .. } | Piece::Section { .. } => return None,
        }
    }
    found
}

/// The place in the file of the `<<` that stands at a byte of a scalar's text. Escapes and folding shift bytes, so
/// the tags are counted instead.
fn tag_place(node: Node<'_>, text: &str, at: usize) -> Place {
    let nth = text[..at].matches("<<").count();
    let span = node.span();
    let raw = node.tree().slice(span);
    let Some((found, _)) = raw.match_indices("<<").nth(nth) else {
        return node.place();
    };
    let start = span.start as usize + found;
    let length = raw[found..].find(">>").map_or(2, |end| end + 2);
    node.tree().place(Span::new(start, start + length))
}

struct ScopeNames<'c, 's> {
    compiler: &'c Compiler<'s>,
    view: &'c View<'s>,
    text: &'c str,
    shift: usize,
}

impl<'s> ScopeNames<'_, 's> {
    fn expression(&self, source: &str, at: usize) -> Value<'s> {
        let names = ScopeNames { shift: at, ..*self };
        names.evaluate(source, |at| names.place(at))
    }

    fn bare(&self, source: &str) -> Value<'s> {
        let node = self.view.node;
        let plain = node
            .as_scalar()
            .is_some_and(|scalar| scalar.style == Style::Plain);
        self.evaluate(source, |at| {
            // Only unquoted text on one line is written as it reads.
            let raw = node.tree().slice(node.span());
            if plain && raw == source && at < source.len() {
                let start = node.span().start as usize + at;
                return node.tree().place(Span::new(start, node.span().end as usize));
            }
            node.place()
        })
    }

    fn evaluate(&self, source: &str, place: impl Fn(usize) -> Place) -> Value<'s> {
        let parsed = match expression::parse(source) {
            Ok(parsed) => parsed,
            Err(_) if self.declares(source.trim()) => return self.value(source.trim(), 0),
            Err(error) => {
                let message = format!("`{}` is not an expression: {}", shown(source), error.message);
                let draft = Draft::error(Code::BAD_EXPRESSION, place(error.at), message)
                    .maybe_hint(advice(source, self.text));
                self.compiler.sink.emit_in(&self.view.scope, draft);
                return Value::Broken;
            }
        };
        match expression::evaluate(&parsed, self) {
            Ok(value) => value,
            Err(EvaluationError { at, message }) => {
                let draft = Draft::error(Code::BAD_EXPRESSION, place(at), message);
                self.compiler.sink.emit_in(&self.view.scope, draft);
                Value::Broken
            }
        }
    }

    /// Whether a parameter has this name, which may be none that an expression could hold.
    fn declares(&self, name: &str) -> bool {
        if let Some(name) = name.strip_prefix(PIPELINE_PARAMETERS) {
            return self.compiler.pipeline_parameters().contains_key(name);
        }
        let parameters = self.view.scope.parameters.as_ref();
        name.strip_prefix("parameters.")
            .is_some_and(|name| parameters.is_some_and(|parameters| parameters.contains_key(name)))
    }

    /// The whole `<< … >>`; offsets inside of it are not told apart.
    fn place(&self, _at: usize) -> Place {
        if self.compiler.sink.is_full() {
            // Nobody will see it, and finding it means walking through the text.
            return self.view.place();
        }
        tag_place(self.view.node, self.text, self.shift.min(self.text.len()))
    }

    fn unknown(&self, name: &str, message: String, candidates: &[&str]) -> Value<'s> {
        let mut draft = Draft::error(Code::UNKNOWN_VALUE, self.place(0), message);
        let escape = !name.contains('.') && self.text.contains("<<");
        draft = if escape {
            let change = self.compiler.escape(self.place(0), style_of(self.view));
            draft.hint(ESCAPE_HINT).maybe_fix(change)
        } else {
            draft.did_you_mean(name, candidates)
        };
        self.compiler.sink.emit_in(&self.view.scope, draft);
        Value::Broken
    }

    fn parameter(&self, name: &str) -> Value<'s> {
        let Some(parameters) = &self.view.scope.parameters else {
            return self.undeclared(name, &[], "only jobs, commands and executors have parameters");
        };
        if let Some(value) = parameters.get(name) {
            return value.clone().unnamed();
        }
        let candidates: Vec<String> = parameters.keys().map(|key| format!("parameters.{key}")).collect();
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        self.undeclared(
            name,
            &candidates,
            "declare it under `parameters:` of what this stands in",
        )
    }

    /// A parameter that nobody declared here; the pipeline may have one of this name.
    fn undeclared(&self, name: &str, candidates: &[&str], advice: &str) -> Value<'s> {
        let full = format!("parameters.{name}");
        let message = format!("Arguments referenced without declared parameters: {full}");
        let draft = Draft::error(Code::UNKNOWN_VALUE, self.place(0), message).hint(advice);
        let of_pipeline = format!("pipeline.{full}");
        let is_of_pipeline = self.view.scope.definitions.orb.is_none() && self.declares(&of_pipeline);
        let draft = if is_of_pipeline {
            draft
                .hint(format!("did you mean `{of_pipeline}`?"))
                .rename(&full, &of_pipeline)
        } else {
            draft.did_you_mean(&full, candidates)
        };
        self.compiler.sink.emit_in(&self.view.scope, draft);
        Value::Broken
    }

    fn pipeline_parameter(&self, name: &str) -> Value<'s> {
        if self.view.scope.definitions.orb.is_some() {
            return self.outside_of_orb(name);
        }
        let declared = self.compiler.pipeline_parameters();
        if let Some(value) = declared.get(name) {
            return value.clone();
        }
        let full = format!("{PIPELINE_PARAMETERS}{name}");
        let message = format!("Referred to a variable \"{full}\" that does not exist");
        let candidates: Vec<String> = declared
            .keys()
            .map(|key| format!("{PIPELINE_PARAMETERS}{key}"))
            .collect();
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        self.unknown(&full, message, &candidates)
    }

    /// What an orb does must not depend on who imports it: it sees what it is passed.
    fn outside_of_orb(&self, name: &str) -> Value<'s> {
        let full = format!("{PIPELINE_PARAMETERS}{name}");
        let message = format!(
            "Referred to a variable \"{full}\" that does not exist: an orb does not see the pipeline's parameters"
        );
        let draft = Draft::error(Code::UNKNOWN_VALUE, self.place(0), message).hint(format!(
            "declare a parameter where it is used, and pass it from the config: `{name}: << {full} >>`"
        ));
        self.compiler.sink.emit_in(&self.view.scope, draft);
        Value::Broken
    }

    fn matrix(&self, name: &str) -> Value<'s> {
        let found = self
            .view
            .scope
            .matrix
            .as_ref()
            .and_then(|matrix| matrix.get(name));
        if let Some(value) = found {
            return value.clone();
        }
        let keys: Vec<String> = self
            .view
            .scope
            .matrix
            .iter()
            .flat_map(|m| m.keys())
            .map(|key| format!("matrix.{key}"))
            .collect();
        let message = if self.view.scope.matrix.is_some() {
            format!("the matrix has no parameter `{name}`")
        } else {
            format!("`matrix.{name}` stands outside of a workflow job with a matrix")
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.unknown(&format!("matrix.{name}"), message, &keys)
    }
}

impl<'s> Names<'s> for ScopeNames<'_, 's> {
    fn regexes(&self) -> &Regexes {
        &self.compiler.regexes
    }

    fn value(&self, name: &str, _at: usize) -> Value<'s> {
        if let Some(name) = name.strip_prefix("parameters.") {
            return self.parameter(name);
        }
        if let Some(name) = name.strip_prefix("matrix.") {
            return self.matrix(name);
        }
        if let Some(name) = name.strip_prefix(PIPELINE_PARAMETERS) {
            return self.pipeline_parameter(name);
        }
        match pipeline_values::lookup(&self.compiler.inputs.pipeline, name) {
            Lookup::Value(value) => value,
            Lookup::Absent => Value::Null,
            Lookup::PullRequestOnly => {
                let message = format!("`{name}` has a value only in pipelines of a pull request");
                let draft = Draft::error(Code::UNKNOWN_VALUE, self.place(0), message)
                    .hint("guard it: `pipeline.event.name == \"pull_request\" and …`");
                self.compiler.sink.emit_in(&self.view.scope, draft);
                Value::Broken
            }
            Lookup::Unknown => {
                let message = format!("Referred to a variable \"{}\" that does not exist", shown(name));
                let whole = format!("pipeline.{name}");
                let parameter = format!("parameters.{name}");
                let known = pipeline_values::names()
                    .any(|known| known == whole)
                    .then_some(whole);
                let known = known.or_else(|| self.declares(&parameter).then_some(parameter));
                if let Some(known) = known {
                    let draft = Draft::error(Code::UNKNOWN_VALUE, self.place(0), message)
                        .hint(format!("did you mean `{known}`?"))
                        .rename(name, &known);
                    self.compiler.sink.emit_in(&self.view.scope, draft);
                    return Value::Broken;
                }
                let names: Vec<&str> = pipeline_values::names().collect();
                self.unknown(name, message, &names)
            }
        }
    }
}

/// How to mend text that is no expression. Most such text is shell that nobody meant as one.
fn advice(source: &str, text: &str) -> Option<String> {
    let is_meant = ["pipeline.", "parameters.", "matrix."]
        .iter()
        .any(|prefix| source.contains(prefix));
    if source.contains('$') && (is_meant || source.trim_start().starts_with('$')) {
        return Some(
            "variables have values only when the job runs; expressions know `pipeline.…` and parameters"
                .to_owned(),
        );
    }
    if is_meant && source.contains('=') && !["==", "!=", ">=", "<="].iter().any(|sign| source.contains(sign))
    {
        return Some("write `==` to compare".to_owned());
    }
    if is_meant && source.contains(['&', '|']) {
        return Some("write `and` and `or`".to_owned());
    }
    (!is_meant && text.contains("<<")).then(|| ESCAPE_HINT.to_owned())
}

fn shown(source: &str) -> String {
    let line: String = source.trim().chars().take(60).collect();
    line.replace('\n', " ")
}

impl<'s> Scope<'s> {
    /// This scope with `matrix.…`.
    pub(crate) fn with_matrix(&self, values: std::collections::BTreeMap<String, Value<'s>>) -> Rc<Self> {
        Rc::new(Self {
            matrix: Some(Rc::new(values)),
            ..self.clone()
        })
    }
}
