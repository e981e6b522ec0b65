//! Reads maps by their table of keys. Every key of a map is met here: honoured ones are handed out, the others become
//! diagnostics. Also the typed reading of single values, with one wording for all wrong types.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use airlock_domain::duration;
use airlock_yaml_tree::Place;

use crate::compile::Compiler;
use crate::diagnostic::Code;
use crate::keys::{self, Key, Support};
use crate::scope::{List, Map, Pair, Resolved, Scope, Shape, View};
use crate::sink::Draft;
use crate::suggest;
use crate::value::Value;

/// What becomes of keys that are in no table.
#[derive(Clone, Copy)]
enum Strangers {
    /// Each is an error.
    Refused,
    /// Each is a warning, but for those that are nearly one of the table.
    Far,
    /// Each is a warning.
    All,
}

/// A map that was checked against its table.
pub(crate) struct Fields<'s> {
    /// What the map is, such as ``the `run` step``.
    pub(crate) what: String,
    pub(crate) place: Place,
    pub(crate) scope: Rc<Scope<'s>>,
    pairs: Vec<Pair<'s>>,
    /// Misspelt keys under the names that were meant: they have been reported, and reading on finds what else is
    /// wrong without calling the right key missing.
    meant: Vec<(&'static str, Pair<'s>)>,
    read: RefCell<BTreeSet<&'s str>>,
}

/// One key with its evaluated value; never null.
pub(crate) struct Field<'s> {
    pub(crate) name: &'s str,
    pub(crate) key: Place,
    pub(crate) view: View<'s>,
    pub(crate) value: Resolved<'s>,
}

impl<'s> Compiler<'s> {
    /// Checks a map against its table of keys.
    pub(crate) fn fields(&self, map: &Map<'s>, place: Place, what: &str, keys: &[Key]) -> Fields<'s> {
        self.checked_fields(map, place, what, &[keys], Strangers::Refused)
    }

    /// Checks a map against its table of keys, in which CircleCI lets others stand.
    pub(crate) fn loose_fields(&self, map: &Map<'s>, place: Place, what: &str, keys: &[Key]) -> Fields<'s> {
        self.checked_fields(map, place, what, &[keys], Strangers::Far)
    }

    /// Checks the map of a job that runs no steps, which may have every key, against several tables.
    pub(crate) fn fields_of(&self, map: &Map<'s>, place: Place, what: &str, keys: &[&[Key]]) -> Fields<'s> {
        self.checked_fields(map, place, what, keys, Strangers::All)
    }

    fn checked_fields(
        &self,
        map: &Map<'s>,
        place: Place,
        what: &str,
        keys: &[&[Key]],
        strangers: Strangers,
    ) -> Fields<'s> {
        let mut fields = Fields::open(map, place, what);
        for pair in map.iter() {
            if let Some(meant) = self.check_key(&pair, map, what, keys, strangers) {
                fields.meant.push((meant, pair));
            }
        }
        fields
    }

    /// Returns the key that was meant by one that there is not.
    fn check_key(
        &self,
        pair: &Pair<'s>,
        map: &Map<'s>,
        what: &str,
        tables: &[&[Key]],
        strangers: Strangers,
    ) -> Option<&'static str> {
        let scope = &map.scope;
        let keys = || tables.iter().copied().flatten();
        let found = keys().find(|key| key.name == pair.name);
        match found.map(|key| &key.support) {
            Some(Support::Yes) => {
                // Some texts are for readers alone; nobody else looks at them.
                let is_text = found.is_some_and(|key| key.shape == keys::Shape::Text);
                if is_text && pair.value.node.as_scalar().is_none() {
                    self.wrong_type(&self.resolve(&pair.value), &format!("`{}`", pair.name), "text");
                }
            }
            Some(Support::Ignored(reason)) => {
                let message = format!("`{}` has no effect: {reason}", pair.name);
                self.sink
                    .emit_in(scope, Draft::warning(Code::IGNORED, pair.key, message));
            }
            None => {
                // A key that stands there already is not the one that was meant.
                let absent = |name: &&str| map.mapping.get(name).is_none();
                let names: Vec<&str> = keys().map(|key| key.name).filter(absent).collect();
                let message = format!("extraneous key [{}] is not permitted in {what}", pair.name);
                let is_near = suggest::nearest(pair.name, names.iter().copied()).is_some();
                let draft = match strangers {
                    Strangers::Far if !is_near => {
                        let message = format!("the key `{}` has no meaning in {what}", pair.name);
                        Draft::warning(Code::UNKNOWN_KEY, pair.key, message)
                    }
                    Strangers::All => Draft::warning(Code::UNKNOWN_KEY, pair.key, message),
                    Strangers::Refused | Strangers::Far => Draft::error(Code::UNKNOWN_KEY, pair.key, message),
                };
                if keys::STEPS.contains(&pair.name) && keys().any(|key| key.name == "steps") {
                    self.sink.emit_in(scope, Self::step_as_key(pair, draft, scope));
                    return None;
                }
                self.sink.emit_in(scope, draft.did_you_mean(pair.name, &names));
                return suggest::nearest(pair.name, keys().map(|key| key.name).filter(absent));
            }
        }
        None
    }

    /// A step beside `steps` instead of below it. Version 2 of the language let jobs have such keys, and so they stand in
    /// configs that ran for years.
    fn step_as_key(pair: &Pair<'s>, refused: Draft, scope: &Scope<'s>) -> Draft {
        let draft = if scope.templates {
            refused
        } else {
            let message = format!("`{}` is a step, and has no effect here", pair.name);
            Draft::warning(Code::IGNORED, pair.key, message)
        };
        draft.hint(format!("write it as a step, below `steps`: `- {}`", pair.name))
    }

    /// Reports that a value has another shape than its field wants.
    pub(crate) fn wrong_type(&self, value: &Resolved<'s>, what: &str, wanted: &str) {
        self.mistyped(value, what, wanted, false);
    }

    /// Reports a value of the wrong type; `quoted` says that it would be right without its quotes.
    fn mistyped(&self, value: &Resolved<'s>, what: &str, wanted: &str, quoted: bool) {
        if matches!(value.shape, Shape::Computed(Value::Broken)) {
            return;
        }
        // CircleCI's own words for it, when it has some, are what people look for.
        let known = match known_type(wanted) {
            Some(expected) => format!(" (expected type: {expected}, found: {})", value.known_kind()),
            None => String::new(),
        };
        let message = format!("{what} must be {wanted}, and this is {}{known}", value.kind());
        let mut draft = Draft::error(Code::WRONG_TYPE, value.place, message);
        if quoted {
            draft = draft
                .hint("write it without quotes")
                .maybe_fix(self.unquote(value.place));
        }
        if let Some(alias) = value.alias {
            draft = draft.related(alias, "used here");
        }
        self.sink.emit_in(&value.scope, draft);
    }

    /// The text of a value; numbers and booleans as they were written, absent as empty.
    pub(crate) fn text(&self, value: &Resolved<'s>, what: &str) -> Option<String> {
        match &value.shape {
            Shape::Written(scalar) if scalar.is_null() => Some(String::new()),
            Shape::Written(scalar) => Some(scalar.text.to_owned()),
            Shape::Computed(computed) => computed.to_text(),
            Shape::List(_) | Shape::Map(_) => {
                self.wrong_type(value, what, "text");
                None
            }
        }
    }

    /// A boolean of YAML 1.1, or one that an expression gave.
    pub(crate) fn boolean(&self, value: &Resolved<'s>, what: &str) -> Option<bool> {
        let found = match &value.shape {
            Shape::Written(scalar) => scalar.as_bool(),
            Shape::Computed(Value::Bool(value)) => Some(*value),
            Shape::Computed(Value::Text(text)) => match text.trim() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => None,
        };
        if found.is_none() {
            let quoted = matches!(&value.shape, Shape::Written(scalar) if matches!(scalar.text.trim(), "true" | "false"));
            self.mistyped(value, what, "`true` or `false`", quoted);
        }
        found
    }

    /// A whole number, or text of digits that an expression gave.
    pub(crate) fn integer(&self, value: &Resolved<'s>, what: &str) -> Option<i64> {
        let found = match &value.shape {
            Shape::Written(scalar) => scalar.as_int(),
            Shape::Computed(Value::Int(value)) => Some(*value),
            Shape::Computed(Value::Text(text)) => text.trim().parse().ok(),
            Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => None,
        };
        if found.is_none() {
            let quoted =
                matches!(&value.shape, Shape::Written(scalar) if scalar.text.trim().parse::<i64>().is_ok());
            self.mistyped(value, what, "a whole number", quoted);
        }
        found
    }

    /// A length of time in milliseconds; `example` is one that is usual there.
    pub(crate) fn duration(&self, field: &Field<'s>, example: &str) -> Option<u64> {
        let text = self.text(&field.value, &format!("`{}`", field.name))?;
        let found = duration::milliseconds(text.trim());
        if found.is_none() {
            let message = format!(
                "`{}` is no length of time",
                text.chars().take(40).collect::<String>()
            );
            let draft = Draft::error(Code::BAD_VALUE, field.value.place, message)
                .hint(format!("write a number and `s`, `m` or `h`, such as {example}"));
            self.sink.emit_in(&field.value.scope, draft);
        }
        found
    }

    /// A whole number between two others.
    pub(crate) fn number_within(&self, field: &Field<'s>, least: u32, most: u32) -> Option<u32> {
        let number = self.integer(&field.value, &format!("`{}`", field.name))?;
        let fitting = u32::try_from(number)
            .ok()
            .filter(|number| (least..=most).contains(number));
        if fitting.is_none() {
            let message = match most {
                u32::MAX => format!("`{}` must be at least {least}, and this is {number}", field.name),
                _ => format!(
                    "`{}` must be between {least} and {most}, and this is {number}",
                    field.name
                ),
            };
            self.sink.emit_in(
                &field.value.scope,
                Draft::error(Code::BAD_VALUE, field.value.place, message),
            );
        }
        fitting
    }

    /// A list.
    pub(crate) fn list(&self, value: &Resolved<'s>, what: &str) -> Option<List<'s>> {
        if let Shape::List(list) = &value.shape {
            return Some(list.clone());
        }
        self.wrong_type(value, what, "a list");
        None
    }

    /// A map.
    pub(crate) fn map(&self, value: &Resolved<'s>, what: &str) -> Option<Map<'s>> {
        if let Shape::Map(map) = &value.shape {
            return Some(map.clone());
        }
        self.wrong_type(value, what, "a map");
        None
    }

    /// One text or a list of texts.
    pub(crate) fn texts(&self, value: &Resolved<'s>, what: &str) -> Vec<(String, Place)> {
        match &value.shape {
            Shape::List(list) => list
                .iter()
                .filter_map(|item| {
                    let item = self.resolve(&item);
                    self.text(&item, &format!("an item of {what}"))
                        .map(|text| (text, item.place))
                })
                .collect(),
            Shape::Written(_) | Shape::Computed(_) => self
                .text(value, what)
                .map(|text| (text, value.place))
                .into_iter()
                .collect(),
            Shape::Map(_) => {
                self.wrong_type(value, what, "text or a list of texts");
                Vec::new()
            }
        }
    }
}

/// The service's name for a type.
fn known_type(wanted: &str) -> Option<&'static str> {
    match wanted {
        "text" => Some("String"),
        "`true` or `false`" => Some("Boolean"),
        "a whole number" => Some("Integer"),
        "a list" => Some("Sequence"),
        "a map" => Some("Mapping"),
        _ => None,
    }
}

impl<'s> Fields<'s> {
    /// A map that may have keys of its own making; the caller checks those.
    pub(crate) fn open(map: &Map<'s>, place: Place, what: &str) -> Self {
        Self {
            what: what.to_owned(),
            place,
            scope: Rc::clone(&map.scope),
            pairs: map.iter().collect(),
            meant: Vec::new(),
            read: RefCell::default(),
        }
    }

    /// The field of a key; nothing when it is absent or null.
    pub(crate) fn get(&self, compiler: &Compiler<'s>, name: &'static str) -> Option<Field<'s>> {
        self.read.borrow_mut().insert(name);
        let misspelt = || self.meant.iter().find(|(meant, _)| *meant == name);
        let pair = self
            .pairs
            .iter()
            .find(|pair| pair.name == name)
            .or_else(|| misspelt().map(|(_, pair)| pair))?;
        let value = compiler.resolve(&pair.value);
        if value.is_absent() {
            return None;
        }
        Some(Field {
            name,
            key: pair.key,
            view: pair.value.clone(),
            value,
        })
    }

    /// The field of a key that must be there.
    pub(crate) fn need(&self, compiler: &Compiler<'s>, name: &'static str, hint: &str) -> Option<Field<'s>> {
        let found = self.get(compiler, name);
        if found.is_none() {
            let message = format!("required key [{name}] not found in {}", self.what);
            let draft = Draft::error(Code::MISSING_KEY, self.place, message).hint(hint);
            compiler.sink.emit_in(&self.scope, draft);
        }
        found
    }

    /// The text of a key.
    pub(crate) fn text(&self, compiler: &Compiler<'s>, name: &'static str) -> Option<String> {
        let field = self.get(compiler, name)?;
        compiler.text(&field.value, &format!("`{name}`"))
    }

    /// The boolean of a key.
    pub(crate) fn boolean(&self, compiler: &Compiler<'s>, name: &'static str) -> Option<bool> {
        let field = self.get(compiler, name)?;
        compiler.boolean(&field.value, &format!("`{name}`"))
    }

    /// All keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = Pair<'s>> + '_ {
        self.pairs.iter().cloned()
    }

    /// The keys nobody asked for, such as the arguments of a call beside its own keys.
    pub(crate) fn rest(&self) -> Vec<Pair<'s>> {
        let read = self.read.borrow();
        self.pairs
            .iter()
            .filter(|pair| !read.contains(pair.name))
            .cloned()
            .collect()
    }
}
