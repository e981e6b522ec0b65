//! Values with all of their `<< … >>` filled in.

use airlock_yaml_tree::Data;

use super::super::Compiler;
use crate::diagnostic::Code;
use crate::limits::MAX_LOGIC_DEPTH;
use crate::scope::{Map, Resolved, Shape, View};
use crate::sink::Draft;
use crate::value::Value;

/// Variables are where a value that is not there has a word of its own.
const ENVIRONMENT: &str = "environment";

impl<'s> Compiler<'s> {
    /// A map filled in, without some of its keys.
    pub(super) fn deep_but(&self, map: &Map<'s>, without: &[&str]) -> Vec<(String, Data)> {
        self.deep_entries(map, without, false, 0)
    }

    /// A view filled in.
    pub(super) fn deep(&self, view: &View<'s>) -> Data {
        self.deep_at(view, false, 0)
    }

    /// An evaluated value, what is inside of it filled in too.
    pub(super) fn deep_resolved(&self, value: &Resolved<'s>) -> Data {
        self.deep_shape(value, false, 0)
    }

    fn deep_at(&self, view: &View<'s>, variables: bool, depth: usize) -> Data {
        if depth > MAX_LOGIC_DEPTH {
            // Lists handed in as parameters nest in each other; files alone do not get this deep.
            let message = format!("this is nested more than {MAX_LOGIC_DEPTH} deep when filled in");
            self.sink
                .emit_in(&view.scope, Draft::error(Code::LIMIT, view.place(), message));
            return Data::Null;
        }
        let value = self.resolve(view);
        if variables && Self::is_nil(view, &value) {
            return Data::Text("<nil>".to_owned());
        }
        self.deep_shape(&value, variables, depth)
    }

    /// A variable whose pipeline value is not there has a word for it.
    fn is_nil(view: &View<'s>, value: &Resolved<'s>) -> bool {
        match &value.shape {
            Shape::Computed(Value::Null) => true,
            Shape::Computed(Value::Text(text)) => text.is_empty() && Self::is_pipeline_value(view),
            Shape::Computed(_) | Shape::Written(_) | Shape::List(_) | Shape::Map(_) => false,
        }
    }

    fn deep_shape(&self, value: &Resolved<'s>, variables: bool, depth: usize) -> Data {
        match &value.shape {
            Shape::Written(scalar) => Data::of_scalar(*scalar),
            Shape::Computed(computed) => of_computed(computed),
            Shape::List(list) => Data::List(
                list.iter()
                    .map(|item| self.deep_at(&item, variables, depth + 1))
                    .collect(),
            ),
            Shape::Map(map) => Data::Map(self.deep_entries(map, &[], variables, depth)),
        }
    }

    fn deep_entries(
        &self,
        map: &Map<'s>,
        without: &[&str],
        variables: bool,
        depth: usize,
    ) -> Vec<(String, Data)> {
        map.iter()
            .filter(|pair| !without.contains(&pair.name))
            .map(|pair| {
                let variables = variables || pair.name == ENVIRONMENT;
                let value = self.deep_at(&pair.value, variables, depth + 1);
                (pair.name.to_owned(), value)
            })
            .collect()
    }
}

/// What an expression gave. One that gave nothing was asked for, and is empty text rather than nothing.
fn of_computed(value: &Value<'_>) -> Data {
    match value {
        Value::Bool(value) => Data::Bool(*value),
        Value::Int(value) => Data::Number(value.to_string()),
        Value::Float(value) => Data::Number(value.to_string()),
        Value::Text(text) => Data::Text(text.clone()),
        Value::Named(name) => Data::Text(name.text.clone()),
        Value::Null | Value::Node(_) | Value::Broken => Data::Text(String::new()),
    }
}
