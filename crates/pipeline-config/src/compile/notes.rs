//! What decided whether workflows and jobs run, noted along the way for [`crate::explain`]: the rule that let a job
//! through, which a plan does not keep, and the values that a condition saw. Runs that explain nothing note nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use airlock_domain::explanation::SeenValue;
use airlock_domain::plan::Place as PlanPlace;
use airlock_yaml_tree::Place;

use super::Compiler;
use crate::expression::{self, Expression};
use crate::fields::Field;
use crate::limits::{MAX_LOGIC_DEPTH, MAX_SEEN_VALUES};
use crate::scope::{Shape, View};
use crate::template::{self, Piece};

/// Notes of one run.
#[derive(Default)]
pub(crate) struct Notes {
    /// By what messages call the workflow.
    workflows: RefCell<BTreeMap<String, Note>>,
    /// By where the workflow names the job.
    jobs: RefCell<BTreeMap<PlanPlace, Note>>,
}

/// Why something runs, or what was seen when it was left out.
#[derive(Clone, Default)]
pub(crate) struct Note {
    pub(crate) reason: String,
    pub(crate) place: Option<PlanPlace>,
    pub(crate) values: Vec<SeenValue>,
}

impl Notes {
    pub(crate) fn of_workflow(&self, name: &str) -> Option<Note> {
        self.workflows
            .borrow()
            .get(&format!("workflow `{name}`"))
            .cloned()
    }

    pub(crate) fn of_job(&self, place: &PlanPlace) -> Option<Note> {
        self.jobs.borrow().get(place).cloned()
    }
}

impl<'s> Compiler<'s> {
    /// Notes what the condition of a workflow sees. `what` is the workflow in messages.
    pub(crate) fn note_condition(&self, what: &str, field: &Field<'s>) {
        let Some(notes) = &self.notes else { return };
        let mut values = Vec::new();
        self.see_statement(&field.view, 0, &mut values);
        let note = Note {
            reason: format!(
                "its `{}` is {} for this pipeline",
                field.name,
                field.name == "when"
            ),
            place: Some(self.sink.plan_place(field.key)),
            values,
        };
        notes.workflows.borrow_mut().insert(what.to_owned(), note);
    }

    /// Notes why the filters of a job let it through, or what an expression in their place sees.
    pub(crate) fn note_filters(&self, field: Option<&Field<'s>>, entry: Place) {
        let Some(notes) = &self.notes else { return };
        let (reason, place) = self.why_it_runs(field, entry);
        let mut values = Vec::new();
        if let Some(field) = field
            && matches!(field.value.shape, Shape::Written(_) | Shape::Computed(_))
        {
            self.see_text(&field.view, 0, &mut values);
        }
        let note = Note {
            reason,
            place: Some(self.sink.plan_place(place)),
            values,
        };
        notes.jobs.borrow_mut().insert(self.sink.plan_place(entry), note);
    }

    fn see_statement(&self, view: &View<'s>, depth: usize, values: &mut Vec<SeenValue>) {
        if depth > MAX_LOGIC_DEPTH || values.len() >= MAX_SEEN_VALUES {
            return;
        }
        match &self.resolve(view).shape {
            Shape::Map(map) => {
                for pair in map.iter() {
                    let truth = if depth == 0 {
                        self.workflow_condition(view)
                    } else {
                        self.step_condition(view)
                    };
                    values.push(SeenValue {
                        depth,
                        text: pair.name.to_owned(),
                        value: truth.map_or("unknown".to_owned(), |truth| truth.to_string()),
                        place: self.sink.plan_place(pair.key),
                    });
                    // `matches` and `equal` have values below them, the others statements.
                    match (pair.name, &self.resolve(&pair.value).shape) {
                        ("matches", Shape::Map(map)) => {
                            map.iter()
                                .for_each(|part| self.see_text(&part.value, depth + 1, values));
                        }
                        ("equal", Shape::List(list)) => {
                            list.iter()
                                .for_each(|item| self.see_text(&item, depth + 1, values));
                        }
                        _ => self.see_statement(&pair.value, depth + 1, values),
                    }
                }
            }
            // What an `and` lists belongs to the `and`.
            Shape::List(list) => {
                for item in list.iter() {
                    self.see_statement(&item, depth, values);
                }
            }
            Shape::Written(_) | Shape::Computed(_) => self.see_text(view, depth, values),
        }
    }

    /// One value, and when it is an expression, the names in it.
    fn see_text(&self, view: &View<'s>, depth: usize, values: &mut Vec<SeenValue>) {
        let Some(scalar) = view.node.as_scalar() else {
            return;
        };
        let (sources, bare) = if template::has_tags(scalar.text) {
            let pieces = template::split(scalar.text).unwrap_or_default();
            let source = |piece: Piece| match piece {
                Piece::Expression { source, .. } | Piece::Section { source, .. } => Some(source),
                Piece::Text(_) => None,
            };
            (pieces.into_iter().filter_map(source).collect(), false)
        } else {
            (vec![scalar.text.to_owned()], true)
        };
        let parsed: Vec<Expression> = sources
            .iter()
            .filter_map(|source| expression::parse(source).ok())
            .collect();
        let mut names = Vec::new();
        for expression in &parsed {
            names_of(expression, &mut names);
        }
        // A word without names is itself, as in `equal: [main, …]`.
        let value = if bare && !names.is_empty() {
            self.bare_expression(view, scalar.text)
        } else {
            super::arguments::plain(&self.resolve(view))
        };
        let text = if names.is_empty() || !bare {
            view.node.tree().slice(view.node.span())
        } else {
            scalar.text
        };
        values.push(SeenValue {
            depth,
            text: one_line(text),
            value: value.shown(),
            place: self.sink.plan_place(view.place()),
        });
        let alone = matches!(parsed.as_slice(), [Expression::Name(..)]);
        if !alone {
            for name in names {
                values.push(SeenValue {
                    depth: depth + 1,
                    value: self.bare_expression(view, &name).shown(),
                    text: name,
                    place: self.sink.plan_place(view.place()),
                });
            }
        }
    }
}

/// Names that can have a value: a bare word such as `main` is none of them.
fn names_of(expression: &Expression, names: &mut Vec<String>) {
    match expression {
        Expression::Name(name, _) => {
            if name.contains('.') && !names.contains(name) {
                names.push(name.clone());
            }
        }
        Expression::Not(inner) | Expression::Matches(inner, ..) => names_of(inner, names),
        Expression::Binary(_, left, right, _) => {
            names_of(left, names);
            names_of(right, names);
        }
        Expression::Bool(_) | Expression::Int(_) | Expression::Text(_) => {}
    }
}

/// On one line, cut when long.
fn one_line(text: &str) -> String {
    const SHOWN: usize = 100;
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
