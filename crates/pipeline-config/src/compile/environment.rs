//! `environment:` in its forms: a map, a list of maps, `NAME=value` alone or in a list.

use std::rc::Rc;

use airlock_domain::EnvName;
use airlock_domain::limits::{ENV_NAME_BYTES, ENV_VALUE_BYTES};
use airlock_yaml_tree::Place;

use super::Compiler;
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::limits::MAX_PLAN_TEXT_BYTES;
use crate::scope::{Resolved, Scope, Shape};
use crate::sink::Draft;

/// Variables in order, each name once.
pub(crate) type Variables = Vec<(EnvName, String)>;

/// One variable as it is written, its name not yet looked at.
struct Assignment<'s> {
    name: String,
    value: String,
    place: Place,
    scope: Rc<Scope<'s>>,
}

/// Puts `over` above `base`: later values win, names keep their first position.
pub(crate) fn merge(base: &mut Variables, over: Variables) {
    for (name, value) in over {
        match base.iter_mut().find(|(present, _)| *present == name) {
            Some(present) => present.1 = value,
            None => base.push((name, value)),
        }
    }
}

impl<'s> Compiler<'s> {
    /// The variables of a map that has the key `environment`.
    pub(crate) fn environment(&self, fields: &Fields<'s>) -> Variables {
        let mut variables = Variables::new();
        for one in self.assignments(fields) {
            let error = match EnvName::new(one.name.clone()) {
                Ok(name) => {
                    merge(&mut variables, vec![(name, one.value)]);
                    continue;
                }
                Err(error) => error,
            };
            let is_name = !one.name.trim().is_empty() && !one.name.contains(['=', '\0']);
            let draft = if is_name && one.name.len() <= ENV_NAME_BYTES {
                // CircleCI takes it; no shell ever sees it.
                Draft::warning(Code::BAD_NAME, one.place, error.to_string())
                    .hint("no shell has variables of such names, so steps do not get it")
            } else {
                Draft::error(Code::BAD_NAME, one.place, error.to_string())
            };
            self.sink.emit_in(&one.scope, draft);
        }
        variables
    }

    /// The variables of a container, whose names may be such as no shell takes: `discovery.type`.
    pub(crate) fn container_environment(&self, fields: &Fields<'s>) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Vec::new();
        for one in self.assignments(fields) {
            if one.name.trim().is_empty() || one.name.contains(['=', '\0']) {
                let message = format!("{:?} is no name of a variable", one.name);
                self.sink
                    .emit_in(&one.scope, Draft::error(Code::BAD_NAME, one.place, message));
                continue;
            }
            match variables.iter_mut().find(|(present, _)| *present == one.name) {
                Some(present) => present.1 = one.value,
                None => variables.push((one.name, one.value)),
            }
        }
        variables
    }

    fn assignments(&self, fields: &Fields<'s>) -> Vec<Assignment<'s>> {
        let mut found = Vec::new();
        if let Some(field) = fields.get(self, "environment") {
            self.variables(&field.value, &mut found);
        }
        found
    }

    fn variables(&self, value: &Resolved<'s>, found: &mut Vec<Assignment<'s>>) {
        match &value.shape {
            Shape::Map(map) => {
                for pair in map.iter() {
                    if let Some(text) = self.variable_text(&pair) {
                        self.variable(pair.name, text, pair.key, &map.scope, found);
                    }
                }
            }
            Shape::List(list) => {
                for item in list.iter() {
                    let item = self.resolve(&item);
                    match &item.shape {
                        Shape::Map(_) => self.variables(&item, found),
                        Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => {
                            self.assignment(&item, found);
                        }
                    }
                }
            }
            Shape::Written(_) | Shape::Computed(_) => {
                if matches!(self.text(value, "`environment`"), Some(text) if text.contains('=')) {
                    self.assignment(value, found);
                } else {
                    self.wrong_type(value, "`environment`", "a map");
                }
            }
        }
    }

    fn assignment(&self, item: &Resolved<'s>, found: &mut Vec<Assignment<'s>>) {
        let Some(text) = self.text(item, "an item of `environment`") else {
            return;
        };
        match text.split_once('=') {
            Some((name, value)) => {
                self.variable(name.trim(), value.to_owned(), item.place, &item.scope, found);
            }
            None => self.wrong_type(item, "an item of `environment`", "a map or `NAME=value`"),
        }
    }

    fn variable(
        &self,
        name: &str,
        value: String,
        place: Place,
        scope: &Rc<Scope<'s>>,
        found: &mut Vec<Assignment<'s>>,
    ) {
        if value.len() > ENV_VALUE_BYTES {
            let message = format!(
                "the value of `{name}` has {} bytes; at most {ENV_VALUE_BYTES} fit",
                value.len()
            );
            self.sink
                .emit_in(scope, Draft::error(Code::LIMIT, place, message));
            return;
        }
        if !self.budget.text(name.len() + value.len()) {
            let message = format!("the texts of this config exceed {MAX_PLAN_TEXT_BYTES} bytes");
            self.sink
                .emit_in(scope, Draft::error(Code::LIMIT, place, message));
            return;
        }
        found.push(Assignment {
            name: name.to_owned(),
            value,
            place,
            scope: Rc::clone(scope),
        });
    }
}
