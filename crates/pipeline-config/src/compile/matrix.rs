//! `matrix`: one entry of a workflow for many jobs.

use std::collections::BTreeMap;

use airlock_yaml_tree::Place;

use super::Compiler;
use super::arguments::plain;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::MATRIX;
use crate::limits::MAX_MATRIX_JOBS;
use crate::scope::{Resolved, Shape};
use crate::sink::Draft;
use crate::value::Value;

/// What a matrix gives one job, by the names of the parameters.
pub(crate) type Combination<'s> = BTreeMap<String, MatrixValue<'s>>;

/// One value of a parameter in a matrix.
#[derive(Clone)]
pub(crate) struct MatrixValue<'s> {
    /// Where the parameter is named: the place of what is wrong with its name, however many values it has.
    pub(crate) key: Place,
    pub(crate) value: Resolved<'s>,
}

/// The expanded matrix of an entry.
pub(crate) struct Matrix<'s> {
    /// The name under which `requires` means all of its jobs, when one is given.
    pub(crate) alias: Option<String>,
    /// The values of each job.
    pub(crate) combinations: Vec<Combination<'s>>,
}

struct Axis<'s> {
    name: &'s str,
    key: Place,
    values: Vec<Resolved<'s>>,
}

impl<'s> Compiler<'s> {
    /// Expands a matrix. Nothing comes back when it is too broken to name its jobs.
    pub(crate) fn matrix(&self, field: &Field<'s>) -> Option<Matrix<'s>> {
        let map = self.map(&field.value, "`matrix`")?;
        let fields = self.fields(&map, field.key, "`matrix`", MATRIX);
        let axes = self.axes(&fields);
        let alias = fields.text(self, "alias").filter(|alias| !alias.is_empty());
        let axes = axes?;
        let count = axes
            .iter()
            .try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
        let mut combinations = match count {
            Some(count) if count <= MAX_MATRIX_JOBS => product(&axes),
            Some(_) | None => {
                let message = format!("this matrix makes more than {MAX_MATRIX_JOBS} jobs");
                self.sink
                    .emit_in(&map.scope, Draft::error(Code::LIMIT, field.key, message));
                return None;
            }
        };
        if let Some(exclude) = fields.get(self, "exclude") {
            self.exclude(&exclude, &mut combinations);
        }
        if combinations.is_empty() {
            let message = "this matrix leaves no job";
            self.sink
                .emit_in(&map.scope, Draft::error(Code::MATRIX, field.key, message));
        }
        Some(Matrix { alias, combinations })
    }

    fn axes(&self, fields: &Fields<'s>) -> Option<Vec<Axis<'s>>> {
        let field = fields.need(
            self,
            "parameters",
            "list values: `parameters: {version: [\"1\", \"2\"]}`",
        )?;
        let map = self.map(&field.value, "`parameters` of a matrix")?;
        let mut axes = Vec::new();
        for pair in map.iter() {
            let value = self.resolve(&pair.value);
            let list = self.list(&value, &format!("`{}` in a matrix", pair.name))?;
            if list.sequence.is_empty() {
                let message = format!("`{}` lists no value", pair.name);
                self.sink
                    .emit_in(&map.scope, Draft::error(Code::MATRIX, pair.key, message));
                return None;
            }
            let values: Vec<Resolved<'s>> = list.iter().map(|item| self.resolve(&item)).collect();
            if values
                .iter()
                .any(|value| matches!(value.shape, Shape::Computed(Value::Broken)))
            {
                return None;
            }
            axes.push(Axis {
                name: pair.name,
                key: pair.key,
                values,
            });
        }
        if axes.is_empty() {
            let message = "a matrix needs at least one parameter";
            self.sink
                .emit_in(&map.scope, Draft::error(Code::MATRIX, field.key, message));
            return None;
        }
        Some(axes)
    }

    fn exclude(&self, field: &Field<'s>, combinations: &mut Vec<Combination<'s>>) {
        let Some(list) = self.list(&field.value, "`exclude`") else {
            return;
        };
        for item in list.iter() {
            let value = self.resolve(&item);
            let Some(map) = self.map(&value, "an item of `exclude`") else {
                continue;
            };
            let wanted: BTreeMap<String, String> = map
                .iter()
                .map(|pair| (pair.name.to_owned(), shown(&self.resolve(&pair.value))))
                .collect();
            let before = combinations.len();
            combinations.retain(|combination| {
                let values: BTreeMap<String, String> = combination
                    .iter()
                    .map(|(name, given)| (name.clone(), shown(&given.value)))
                    .collect();
                values != wanted
            });
            if combinations.len() == before {
                let message = "this excludes nothing: no job of the matrix has exactly these values";
                let draft = Draft::warning(Code::MATRIX, value.place, message)
                    .hint("name every parameter of the matrix, each with one of its values");
                self.sink.emit_in(&map.scope, draft);
            }
        }
    }
}

/// The name a job of a matrix gets: its values in the order of their parameters' names.
pub(crate) fn instance_name(job: &str, combination: &Combination<'_>) -> String {
    combination.values().fold(job.to_owned(), |name, given| {
        format!("{name}-{}", shown(&given.value))
    })
}

/// The values for `<< matrix.x >>`.
pub(crate) fn values<'s>(combination: &Combination<'s>) -> BTreeMap<String, Value<'s>> {
    combination
        .iter()
        .map(|(name, given)| {
            let value = &given.value;
            // In text a number reads as it was written, `1.10` and not `1.1`.
            let plain = plain(value);
            let is_float = matches!(plain, Value::Float(_));
            (
                name.clone(),
                if is_float {
                    Value::Text(shown(value))
                } else {
                    plain
                },
            )
        })
        .collect()
}

fn shown(value: &Resolved<'_>) -> String {
    match &value.shape {
        Shape::Written(scalar) => scalar.text.to_owned(),
        Shape::Computed(computed) => computed.to_text().unwrap_or_default(),
        // An executor with parameters is known by its name.
        Shape::Map(map) => {
            let name = map
                .mapping
                .get("name")
                .and_then(|entry| entry.value().as_scalar());
            name.map_or(String::new(), |scalar| scalar.text.to_owned())
        }
        Shape::List(_) => String::new(),
    }
}

fn product<'s>(axes: &[Axis<'s>]) -> Vec<Combination<'s>> {
    let mut combinations = vec![BTreeMap::new()];
    for axis in axes {
        combinations = combinations
            .into_iter()
            .flat_map(|combination: Combination<'s>| {
                axis.values.iter().map(move |value| {
                    let mut next = combination.clone();
                    let given = MatrixValue {
                        key: axis.key,
                        value: value.clone(),
                    };
                    next.insert(axis.name.to_owned(), given);
                    next
                })
            })
            .collect();
    }
    combinations
}
