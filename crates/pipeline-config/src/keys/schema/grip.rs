//! The parts of the schema that depend on what a mistake there comes to: see [`Grip`].

use serde_json::{Map, Value, json};

use super::super::{BUILT_IN_STEPS, EARLY_STEPS, Key, Kind, STATEMENTS, Shape, Support, Templates};
use super::{any_of, default_of, list_or_template, named, null, one_of, reference, scalar};

/// The words that YAML 1.1 takes for booleans and that editors of YAML 1.2 read as text.
const BOOLEAN_WORDS: &str =
    "^([Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[Yy]|[Nn]|[Tt]rue|TRUE|[Ff]alse|FALSE)$";

/// How a place of the config is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grip {
    /// Mistakes are refused, here and in all that stands below.
    Whole,
    /// Mistakes are refused here. What stands below and counts only when something calls it is described loosely.
    Outer,
    /// Keys and values are described, and none is refused.
    Loose,
}

impl Grip {
    /// Describes everything that is referred to by a name.
    pub(super) fn define(self, definitions: &mut Map<String, Value>) {
        for kind in Kind::ALL {
            definitions.insert(self.name_of(kind), self.map_of(kind));
        }
        let steps = list_or_template(&self.word("step"));
        let orb = any_of([scalar(), self.below().kind(Kind::Orb)]);
        for (name, value) in [
            ("logic", self.logic()),
            ("step", self.step()),
            ("steps", steps),
            ("entry", self.entry()),
            ("job", self.job()),
            ("orb", orb),
        ] {
            definitions.insert(self.name(name), value);
        }
    }

    /// How what counts only when it is called is described below such a place.
    fn below(self) -> Self {
        match self {
            Self::Whole => Self::Whole,
            Self::Outer | Self::Loose => Self::Loose,
        }
    }

    /// What a definition is called in the schema.
    fn name(self, name: &str) -> String {
        match self {
            Self::Whole | Self::Outer => name.to_owned(),
            Self::Loose => {
                let (first, rest) = name.split_at(1);
                format!("loose{}{rest}", first.to_uppercase())
            }
        }
    }

    fn name_of(self, kind: Kind) -> String {
        let name = format!("{kind:?}");
        let mut chars = name.chars();
        let first: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
        let name = first + chars.as_str();
        // The definitions `job` and `orb` choose between kinds.
        match name.as_str() {
            "job" => self.name("buildJob"),
            "orb" => self.name("inlineOrb"),
            name => self.name(name),
        }
    }

    fn word(self, name: &str) -> Value {
        reference(&self.name(name))
    }

    fn kind(self, kind: Kind) -> Value {
        reference(&self.name_of(kind))
    }

    /// The value of a definition that something may call. A name in its place means another definition.
    fn called(self, definition: Value) -> Value {
        match self {
            Self::Whole => any_of([definition, json!({"type": "string"})]),
            Self::Outer | Self::Loose => any_of([definition, json!({})]),
        }
    }

    /// A workflow. One with a condition may not run, and then its mistakes are warnings.
    fn workflow(self) -> Value {
        match self {
            Self::Whole | Self::Loose => self.kind(Kind::Workflow),
            Self::Outer => json!({
                "if": {"anyOf": [{"required": ["when"]}, {"required": ["unless"]}]},
                "then": self.below().kind(Kind::Workflow),
                "else": self.kind(Kind::Workflow),
            }),
        }
    }

    /// A map of a kind: its keys and no others, unless it is open.
    pub(super) fn map_of(self, kind: Kind) -> Value {
        let mut properties = Map::new();
        for key in kind.keys() {
            properties.insert(key.name.to_owned(), self.property(key));
        }
        if kind == Kind::Job {
            // Version 2 lets steps stand among a job's keys, with a warning.
            for step in BUILT_IN_STEPS.iter().filter(|step| step.name != "steps") {
                properties.insert(
                step.name.to_owned(),
                json!({"description": "Belongs below steps. It has no effect here, in version 2; 2.1 refuses it."}),
            );
            }
        }
        let required: Vec<&str> = kind
            .keys()
            .iter()
            .filter(|key| key.required && self != Self::Loose)
            .map(|key| key.name)
            .collect();
        let mut map = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": kind.is_open() || takes_others(kind) || self == Self::Loose,
        });
        if !required.is_empty() {
            map["required"] = json!(required);
        }
        map
    }

    fn property(self, key: &Key) -> Value {
        let own = self.shape(key.shape, key.templates != Templates::No);
        let mut value = match self {
            Self::Loose => any_of([own, json!({})]),
            Self::Outer if goes_unread(key) => any_of([own, json!({})]),
            Self::Whole | Self::Outer if key.required => own,
            // A key with nothing behind it counts as left out.
            Self::Whole | Self::Outer => any_of([own, null()]),
        };
        let mut about = key.about.to_owned();
        if let Some(only) = key.only {
            about = format!("{about} Only for: {only}.");
        }
        match key.support {
            Support::Yes => {}
            Support::Ignored(reason) => about = format!("{about} It has no effect: {reason}."),
        }
        if let Value::Object(map) = &mut value {
            // Beside a reference the other words of a draft 7 schema are not looked at.
            if let Some(found) = map.remove("$ref") {
                map.insert("allOf".to_owned(), json!([{"$ref": found}]));
            }
            if let Some(default) = key.default {
                map.insert("default".to_owned(), default_of(key.shape, default));
            }
            map.insert("description".to_owned(), json!(about.replace('`', "")));
            map.insert("markdownDescription".to_owned(), json!(about));
        }
        value
    }

    fn shape(self, shape: Shape, templates: bool) -> Value {
        let mut schemas = match shape {
            Shape::Anything => return json!({}),
            Shape::Text => return scalar(),
            Shape::Texts | Shape::TextOrTexts => {
                return any_of([
                    scalar(),
                    json!({"type": "array", "items": any_of([scalar(), null()])}),
                ]);
            }
            Shape::Environment => return reference("environment"),
            Shape::Steps => return self.below().word("steps"),
            Shape::StepOrSteps => return any_of([self.below().word("steps"), self.below().word("step")]),
            Shape::Logic => return self.word("logic"),
            Shape::Requires => return reference("requires"),
            Shape::Boolean => vec![
                json!({"type": "boolean"}),
                json!({"type": "string", "pattern": BOOLEAN_WORDS}),
            ],
            Shape::Integer(least, most) => {
                let mut integer = json!({"type": "integer", "minimum": least});
                if most != i64::MAX {
                    integer["maximum"] = json!(most);
                }
                vec![integer]
            }
            Shape::OneOf(words) => vec![one_of(words)],
            Shape::Like(pattern, _) => vec![json!({"type": "string", "pattern": format!("^(?:{pattern})$")})],
            Shape::Duration => vec![json!({"type": "string", "pattern": "^\\s*\\d+(\\.\\d+)?[smh]\\s*$"})],
            Shape::Parameters => vec![named(&self.kind(Kind::Parameter))],
            Shape::Executor => vec![
                scalar(),
                json!({
                    "type": "object",
                    "properties": {"name": scalar()},
                    "required": ["name"],
                }),
            ],
            Shape::Entries => vec![json!({"type": "array", "items": self.word("entry")})],
            Shape::Axes => vec![named(&list_or_template(&json!({})))],
            Shape::Map(kind) => vec![self.kind(kind)],
            Shape::Maps(kind) => vec![json!({"type": "array", "items": self.kind(kind)})],
            // A name in place of a definition means another definition.
            Shape::Named(kind @ (Kind::Command | Kind::Executor)) => {
                vec![named(&self.called(self.below().kind(kind)))]
            }
            Shape::Named(Kind::Workflow) => vec![json!({
                "type": "object",
                "properties": {"version": {"description": "Needed in version 2, without effect in 2.1."}},
                "additionalProperties": self.workflow(),
            })],
            Shape::Named(kind) => vec![named(&self.kind(kind))],
            Shape::Jobs => vec![named(&self.called(self.below().word("job")))],
            Shape::Orbs => vec![named(&self.word("orb"))],
            Shape::Either(shapes) => shapes.iter().map(|one| self.shape(*one, false)).collect(),
        };
        if templates {
            schemas.push(reference("template"));
        }
        if schemas.len() == 1 {
            return schemas.remove(0);
        }
        any_of(schemas)
    }

    fn logic(self) -> Value {
        let list = json!({"type": "array", "items": self.word("logic"), "minItems": 1});
        let mut statements = Map::new();
        for word in STATEMENTS {
            let mut value = match word.name {
                "not" => json!({"allOf": [self.word("logic")]}),
                "matches" => json!({"allOf": [self.kind(Kind::Matches)]}),
                _ => list.clone(),
            };
            value["description"] = json!(word.about.replace('`', ""));
            statements.insert(word.name.to_owned(), value);
        }
        any_of([
            scalar(),
            null(),
            json!({
                "type": "object",
                "properties": statements,
                "additionalProperties": false,
                "maxProperties": 1,
            }),
        ])
    }

    fn step(self) -> Value {
        let mut properties = Map::new();
        for step in BUILT_IN_STEPS {
            let mut schemas = Vec::new();
            if step.name == "steps" {
                schemas.push(self.word("steps"));
            } else {
                schemas.extend(step.kind.map(|kind| self.kind(kind)));
                schemas.extend(step.text.then(scalar));
                schemas.extend(step.alone.then(null));
            }
            if self == Self::Loose {
                schemas.push(json!({}));
            }
            let mut value = any_of(schemas);
            value["description"] = json!(step.about.replace('`', ""));
            // Early configs write these names with dashes.
            let dashed = step.name.replace('_', "-");
            properties.insert(step.name.to_owned(), value.clone());
            properties.insert(dashed, value);
        }
        let call = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": any_of([json!({"type": "object"}), null()]),
            "minProperties": 1,
            "maxProperties": 1,
        });
        let names: Vec<&str> = EARLY_STEPS.iter().map(|(early, _)| *early).collect();
        let early = json!({
            "type": "object",
            "properties": {"type": {"enum": names}},
            "required": ["type"],
            "description": "The early form of steps, for version 2 alone.",
        });
        any_of([
            json!({"type": "string"}),
            call,
            early,
            json!({"type": "array", "items": self.word("step")}),
        ])
    }

    fn entry(self) -> Value {
        let body = any_of([self.kind(Kind::Invocation), null()]);
        any_of([
            json!({"type": "string"}),
            json!({
                "type": "object",
                "additionalProperties": body,
                "minProperties": 1,
                "maxProperties": 1,
            }),
        ])
    }

    /// A job's keys depend on its type.
    fn job(self) -> Value {
        let of_type = |types: &[&str]| {
            json!({
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": types}},
            })
        };
        json!({
            "type": "object",
            "if": of_type(&["approval"]),
            "then": self.kind(Kind::ApprovalJob),
            "else": {
                "if": of_type(&["no-op"]),
                "then": self.kind(Kind::NoOpJob),
                "else": {
                    "if": of_type(&["lock", "unlock"]),
                    "then": self.kind(Kind::LockJob),
                    "else": {
                        "if": of_type(&["release"]),
                        "then": self.kind(Kind::ReleaseJob),
                        "else": self.kind(Kind::Job),
                    },
                },
            },
        })
    }
}

/// Jobs that run no steps ignore the keys of those that do, and workflows keys that are not nearly theirs, with a warning.
fn takes_others(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ApprovalJob | Kind::NoOpJob | Kind::LockJob | Kind::ReleaseJob | Kind::Workflow
    )
}

/// Whether the compiler leaves the value alone, whatever it is.
fn goes_unread(key: &Key) -> bool {
    matches!(key.support, Support::Ignored(_)) || key.name == "description"
}
