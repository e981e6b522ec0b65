//! Filters: whether a job runs for this branch or tag, and which rule said no.

use airlock_domain::plan::LeftOut;
use airlock_yaml_tree::Place;

use super::Compiler;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{FILTER, FILTERS};
use crate::regexes;
use crate::scope::{Resolved, Scope, Shape};
use crate::sink::Draft;
use crate::value::Value;

impl<'s> Compiler<'s> {
    /// Why a job is left out by its filters, if it is. `entry` is where the workflow names the job.
    pub(crate) fn filtered(&self, field: Option<&Field<'s>>, entry: Place) -> Option<LeftOut> {
        self.note_filters(field, entry);
        let pipeline = &self.inputs.pipeline;
        if let Some(field) = field {
            match &field.value.shape {
                Shape::Map(map) => {
                    let fields = self.fields(map, field.key, "`filters`", FILTERS);
                    let branches = self.rule(&fields, "branches");
                    let tags = self.rule(&fields, "tags");
                    return match (&pipeline.tag, tags) {
                        (Some(tag), Some(rule)) => self.decide("filters.tags", &rule, Some(tag)),
                        (Some(tag), None) => Some(self.no_tag_filter(tag, field.key)),
                        (None, _) => branches.and_then(|rule| {
                            self.decide("filters.branches", &rule, pipeline.branch.as_deref())
                        }),
                    };
                }
                Shape::Written(_) | Shape::Computed(_) => return self.expression_filter(field),
                Shape::List(_) => {
                    self.wrong_type(&field.value, "`filters`", "a map or an expression");
                    return None;
                }
            }
        }
        pipeline.tag.as_ref().map(|tag| self.no_tag_filter(tag, entry))
    }

    /// The `branches` of a job, which counts where there are no workflows.
    pub(crate) fn job_branches(&self, fields: &Fields<'s>, entry: Place) -> Option<LeftOut> {
        let pipeline = &self.inputs.pipeline;
        if let Some(tag) = &pipeline.tag {
            return Some(self.no_tag_filter(tag, entry));
        }
        let rule = self.rule(fields, "branches")?;
        self.decide("branches", &rule, pipeline.branch.as_deref())
    }

    /// The rule that lets a job through which is not left out.
    pub(crate) fn why_it_runs(&self, field: Option<&Field<'s>>, entry: Place) -> (String, Place) {
        let Some(field) = field else {
            return ("it has no filters, so it runs on every branch".to_owned(), entry);
        };
        let Shape::Map(map) = &field.value.shape else {
            return ("its filters expression is true".to_owned(), field.key);
        };
        let fields = Fields::open(map, field.key, "`filters`");
        let pipeline = &self.inputs.pipeline;
        let (kind, subject) = match &pipeline.tag {
            Some(tag) => ("tags", Some(tag)),
            None => ("branches", pipeline.branch.as_ref()),
        };
        let Some(rule) = self.rule(&fields, kind) else {
            return (
                format!("its filters say nothing of {kind}, so it runs on all of them"),
                field.key,
            );
        };
        let named = subject.map_or("a pipeline without a branch".to_owned(), |subject| {
            format!("'{subject}'")
        });
        let matching = subject.and_then(|subject| {
            let mut texts = rule.patterns.texts.iter();
            texts.find(|(text, place)| self.pattern_matches(text, subject, *place))
        });
        match (rule.only, matching) {
            (true, Some((text, place))) => (
                format!("filters.{kind}.only has '{text}', which matches {named}"),
                *place,
            ),
            (true, None) => (
                format!("filters.{kind}.only does not match {named}"),
                rule.patterns.key,
            ),
            (false, _) => (
                format!("filters.{kind}.ignore does not match {named}"),
                rule.patterns.key,
            ),
        }
    }

    fn no_tag_filter(&self, tag: &str, place: Place) -> LeftOut {
        LeftOut {
            reason: format!("it has no filters.tags, and this is the tag '{tag}'"),
            place: self.sink.plan_place(place),
        }
    }

    fn expression_filter(&self, field: &Field<'s>) -> Option<LeftOut> {
        let value = match &field.value.shape {
            Shape::Written(scalar) if field.value.scope.templates => {
                self.bare_expression(&field.view, scalar.text)
            }
            Shape::Computed(value) => value.clone(),
            Shape::Written(_) | Shape::List(_) | Shape::Map(_) => {
                self.wrong_type(&field.value, "`filters`", "a map");
                Value::Broken
            }
        };
        let left_out = !matches!(value, Value::Broken) && !value.is_truthy();
        left_out.then(|| LeftOut {
            reason: "its filters expression is false".to_owned(),
            place: self.sink.plan_place(field.value.place),
        })
    }

    /// `only` or `ignore` of `branches` or `tags`.
    pub(crate) fn rule(&self, fields: &Fields<'s>, name: &'static str) -> Option<Rule> {
        let field = fields.get(self, name)?;
        let map = self.map(&field.value, &format!("`{name}`"))?;
        let inner = self.fields(&map, field.key, &format!("`{name}`"), FILTER);
        let only = inner.get(self, "only").map(|field| self.patterns(&field));
        let ignore = inner.get(self, "ignore").map(|field| self.patterns(&field));
        // With both, the reference looks at `only` alone.
        match (only, ignore) {
            (Some(patterns), _) => Some(Rule { only: true, patterns }),
            (None, Some(patterns)) => Some(Rule {
                only: false,
                patterns,
            }),
            (None, None) => None,
        }
    }

    fn patterns(&self, field: &Field<'s>) -> Patterns {
        let what = format!("`{}`", field.name);
        let texts = self.texts(&field.value, &what);
        for (text, place) in &texts {
            self.check_pattern(text, *place, &field.value);
        }
        Patterns {
            key: field.key,
            texts,
        }
    }

    /// A pattern is checked even where this trigger does not ask for it.
    fn check_pattern(&self, text: &str, place: Place, value: &Resolved<'s>) {
        if let Some(Err(error)) = regexes::delimited(text).map(|inner| self.regexes.check(inner)) {
            self.bad_pattern(&error, place, &value.scope);
        }
    }

    fn bad_pattern(&self, error: &regexes::RegexError, place: Place, scope: &Scope<'s>) {
        let draft = Draft::error(Code::BAD_REGEX, place, error.to_string())
            .hint("text between slashes is a pattern; write it without them to mean it literally");
        self.sink.emit_in(scope, draft);
    }

    fn decide(&self, path: &str, rule: &Rule, subject: Option<&str>) -> Option<LeftOut> {
        let matched = subject.and_then(|subject| {
            rule.patterns
                .texts
                .iter()
                .find(|(text, place)| self.pattern_matches(text, subject, *place))
        });
        let named = subject.map_or("a pipeline without a branch".to_owned(), |subject| {
            format!("'{subject}'")
        });
        let (reason, place) = match (rule.only, matched) {
            (true, None) => (format!("{path}.only does not match {named}"), rule.patterns.key),
            (false, Some((text, place))) => (
                format!("{path}.ignore has '{text}', which matches {named}"),
                *place,
            ),
            (true, Some(_)) | (false, None) => return None,
        };
        Some(LeftOut {
            reason,
            place: self.sink.plan_place(place),
        })
    }

    fn pattern_matches(&self, text: &str, subject: &str, place: Place) -> bool {
        let Some(pattern) = regexes::delimited(text) else {
            return text == subject;
        };
        self.regexes
            .matches_whole(pattern, subject)
            .unwrap_or_else(|error| {
                self.sink
                    .emit(Draft::error(Code::BAD_REGEX, place, error.to_string()));
                false
            })
    }
}

/// Names and patterns that are let in, or kept out.
pub(crate) struct Rule {
    only: bool,
    patterns: Patterns,
}

impl Rule {
    /// Whether it lets in.
    pub(crate) fn only(&self) -> bool {
        self.only
    }

    /// The names and patterns.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.patterns.texts.iter().map(|(text, _)| text.as_str())
    }
}

struct Patterns {
    key: Place,
    texts: Vec<(String, Place)>,
}
