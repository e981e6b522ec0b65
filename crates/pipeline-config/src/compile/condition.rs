//! Logic statements: `and`, `or`, `not`, `equal`, `matches`, and plain values, under `when` and `unless`.

use super::Compiler;
use super::arguments::plain;
use crate::diagnostic::Code;
use crate::limits::MAX_LOGIC_DEPTH;
use crate::regexes;
use crate::scope::{List, Pair, Resolved, Shape, View};
use crate::sink::Draft;
use crate::value::Value;

const OPERATORS: [&str; 5] = ["and", "or", "not", "equal", "matches"];

impl<'s> Compiler<'s> {
    /// The truth of a step's `condition`.
    pub(crate) fn step_condition(&self, view: &View<'s>) -> Option<bool> {
        self.truth(view, 0)
    }

    /// The truth of a workflow's `when` or `unless`, which may also be an expression without `<<` and `>>`.
    pub(crate) fn workflow_condition(&self, view: &View<'s>) -> Option<bool> {
        let value = self.resolve(view);
        let Shape::Written(scalar) = &value.shape else {
            return self.truth(view, 0);
        };
        let mut found = plain(&value);
        if view.scope.templates && matches!(found, Value::Text(_)) {
            found = self.bare_expression(view, scalar.text);
        }
        (!found.is_broken()).then(|| found.is_truthy())
    }

    fn truth(&self, view: &View<'s>, depth: usize) -> Option<bool> {
        let value = self.resolve(view);
        if depth > MAX_LOGIC_DEPTH {
            let message = format!("this statement is nested more than {MAX_LOGIC_DEPTH} deep");
            self.sink
                .emit_in(&value.scope, Draft::error(Code::LIMIT, value.place, message));
            return None;
        }
        match &value.shape {
            Shape::Written(_) | Shape::Computed(_) => {
                let found = plain(&value);
                (!found.is_broken()).then(|| found.is_truthy())
            }
            // Steps that were passed on: whether there are any.
            Shape::List(list) if view.node.as_scalar().is_some() => Some(!list.sequence.is_empty()),
            Shape::List(_) => {
                self.wrong_type(
                    &value,
                    "a condition",
                    "a value or a statement such as `and: [..]`",
                );
                None
            }
            Shape::Map(map) => {
                let pairs: Vec<Pair<'s>> = map.iter().collect();
                match pairs.as_slice() {
                    // The reference counts a statement without arguments as false.
                    [] => Some(false),
                    [pair] => self.statement(pair, depth),
                    [_, second, ..] => {
                        let message = "a statement has one key; combine several with `and` or `or`";
                        self.sink
                            .emit_in(&map.scope, Draft::error(Code::BAD_VALUE, second.key, message));
                        None
                    }
                }
            }
        }
    }

    fn statement(&self, pair: &Pair<'s>, depth: usize) -> Option<bool> {
        match pair.name {
            "and" => self.truths(pair, depth).map(|all| all.iter().all(|one| *one)),
            "or" => self.truths(pair, depth).map(|all| all.iter().any(|one| *one)),
            "not" => self.truth(&pair.value, depth + 1).map(|truth| !truth),
            "equal" => self.equal(pair),
            "matches" => self.matches(pair),
            other => {
                let message = format!("`{other}` is no statement");
                let draft =
                    Draft::error(Code::UNKNOWN_KEY, pair.key, message).did_you_mean(other, &OPERATORS);
                self.sink.emit_in(&pair.value.scope, draft);
                None
            }
        }
    }

    /// All of the list is read even when the first item decides, so that every mistake is found.
    fn truths(&self, pair: &Pair<'s>, depth: usize) -> Option<Vec<bool>> {
        let list = self.arguments_of(pair)?;
        let all: Vec<Option<bool>> = list.iter().map(|item| self.truth(&item, depth + 1)).collect();
        all.into_iter().collect()
    }

    fn equal(&self, pair: &Pair<'s>) -> Option<bool> {
        let list = self.arguments_of(pair)?;
        let values: Vec<Resolved<'s>> = list.iter().map(|item| self.resolve(&item)).collect();
        let mut plains = Vec::new();
        for value in &values {
            let found = plain(value);
            if matches!(found, Value::Node(_)) {
                self.wrong_type(value, "an item of `equal`", "a single value");
            }
            if matches!(found, Value::Node(_) | Value::Broken) {
                return None;
            }
            plains.push(found);
        }
        Some(plains.windows(2).all(|pair| pair[0].equals(&pair[1])))
    }

    fn matches(&self, pair: &Pair<'s>) -> Option<bool> {
        let value = self.resolve(&pair.value);
        let map = self.map(&value, "`matches`")?;
        let keys = crate::keys::MATCHES;
        let fields = self.fields(&map, pair.key, "`matches`", keys);
        let pattern = fields.need(self, "pattern", "add the pattern")?;
        let text = self.text(&pattern.value, "`pattern`")?;
        let subject = fields
            .get(self, "value")
            .map_or(Some(String::new()), |field| self.text(&field.value, "`value`"))?;
        let inner = regexes::delimited(&text).unwrap_or(&text);
        match self.regexes.matches_whole(inner, &subject) {
            Ok(matched) => Some(matched),
            Err(error) => {
                let draft = Draft::error(Code::BAD_REGEX, pattern.value.place, error.to_string());
                self.sink.emit_in(&map.scope, draft);
                None
            }
        }
    }

    fn arguments_of(&self, pair: &Pair<'s>) -> Option<List<'s>> {
        let value = self.resolve(&pair.value);
        let list = self.list(&value, &format!("`{}`", pair.name))?;
        if list.sequence.is_empty() {
            let message = format!("`{}` lists nothing", pair.name);
            self.sink
                .emit_in(&list.scope, Draft::error(Code::BAD_VALUE, pair.key, message));
            return None;
        }
        Some(list)
    }
}
