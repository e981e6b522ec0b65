//! Forms that CircleCI still takes and has replaced: told as warnings, each with the change that brings the config up to
//! date.

use airlock_domain::plan::Step;

use super::Compiler;
use super::steps::Called;
use crate::diagnostic::Code;
use crate::keys::EARLY_STEPS;
use crate::scope::{Map, Pair, Resolved, Shape};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// Steps whose names were changed. `name` is the built-in step that `called` means.
    pub(crate) fn deprecated_step(&self, called: &Called<'_, 's>, name: &str) {
        let (message, new) = if name == "deploy" {
            ("the step `deploy` is deprecated".to_owned(), "run")
        } else if called.name != name {
            (format!("the step `{name}` is written with `_`"), name)
        } else {
            return;
        };
        let draft = Draft::warning(Code::DEPRECATED, called.place, message)
            .hint(format!("write `{new}`"))
            .rename(called.name, new);
        self.sink.emit_in(called.scope, draft);
    }

    /// `- type: shell` with the step's keys beside it: the form of steps while version 2 was made, which goes on working
    /// there. Returns whether it is one.
    pub(crate) fn early_step(
        &self,
        pairs: &[Pair<'s>],
        map: &Map<'s>,
        value: &Resolved<'s>,
        depth: usize,
        out: &mut Vec<Step>,
    ) -> bool {
        const TYPE: &str = "type";
        if map.scope.templates {
            return false;
        }
        let Some(pair) = pairs.iter().find(|pair| pair.name == TYPE) else {
            return false;
        };
        let written = pair.value.node.as_scalar().map_or("", |scalar| scalar.text);
        let Some((_, name)) = EARLY_STEPS.iter().find(|(early, _)| *early == written) else {
            return false;
        };
        let draft = Draft::warning(
            Code::DEPRECATED,
            pair.key,
            format!("`- type: {written}` is an early form of the step `{name}`"),
        );
        let hint = match pairs {
            [_] => format!("write `- {name}`"),
            _ => format!("write `- {name}:`, and its keys below it"),
        };
        self.sink.emit_in(&map.scope, draft.hint(hint));
        let body = (pairs.len() > 1).then(|| Resolved {
            shape: Shape::Map(map.below(TYPE)),
            ..value.clone()
        });
        let called = Called {
            name,
            body,
            place: pair.key,
            scope: &map.scope,
            depth,
        };
        self.step(&called, out);
        true
    }
}
