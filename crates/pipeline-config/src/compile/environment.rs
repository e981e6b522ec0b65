//! `environment:` in its forms: a map, a list of maps, `NAME=value` alone or in a list.

use airlock_domain::{EnvName, limits::ENV_VALUE_BYTES};
use airlock_yaml_tree::Place;

use super::Compiler;
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::limits::MAX_PLAN_TEXT_BYTES;
use crate::scope::{Resolved, Scope, Shape};
use crate::sink::Draft;

/// Variables in order, each name once.
pub(crate) type Variables = Vec<(EnvName, String)>;

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
        let mut found = Variables::new();
        if let Some(field) = fields.get(self, "environment") {
            self.variables(&field.value, &mut found);
        }
        found
    }

    fn variables(&self, value: &Resolved<'s>, found: &mut Variables) {
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

    fn assignment(&self, item: &Resolved<'s>, found: &mut Variables) {
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

    fn variable(&self, name: &str, value: String, place: Place, scope: &Scope<'s>, found: &mut Variables) {
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
        if let Some(name) = self.name(name, place, scope, EnvName::new) {
            merge(found, vec![(name, value)]);
        }
    }
}
