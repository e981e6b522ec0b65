//! The built-in steps but `run`, `when` and `unless`: each is a map of its own table of keys. They are checked here as far
//! as text can be; files, caches and keys are the job's.

mod caches;
mod checkout;
mod storing;
mod surroundings;
mod workspaces;

use airlock_domain::plan::{Step, StepBody, StepWhen};
use airlock_yaml_tree::{Place, Span};

use super::Compiler;
use super::steps::Called;
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::Key;
use crate::scope::{Resolved, Scope, Shape};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// The keys of a step that must have some. `hint` says which.
    fn step_fields(&self, called: &Called<'_, 's>, keys: &[Key], hint: &str) -> Option<Fields<'s>> {
        let Some(body) = &called.body else {
            self.needs_body(called, hint);
            return None;
        };
        let map = self.map(body, &format!("`{}`", called.name))?;
        Some(self.fields(&map, called.place, &format!("the `{}` step", called.name), keys))
    }

    /// The keys of a step that may have none. The outer option is for a body of another shape.
    #[expect(clippy::option_option, reason = "unreadable, nothing below it, keys")]
    fn optional_step_fields(&self, called: &Called<'_, 's>, keys: &[Key]) -> Option<Option<Fields<'s>>> {
        let Some(body) = &called.body else {
            return Some(None);
        };
        let map = self.map(body, &format!("`{}`", called.name))?;
        let what = format!("the `{}` step", called.name);
        Some(Some(self.fields(&map, called.place, &what, keys)))
    }

    fn built_in_step(
        &self,
        called: &Called<'_, 's>,
        fields: Option<&Fields<'s>>,
        default_name: &str,
        when: StepWhen,
        body: StepBody,
    ) -> Step {
        let name = fields
            .and_then(|fields| fields.text(self, "name"))
            .filter(|text| !text.is_empty());
        Step {
            name: name.unwrap_or_else(|| default_name.to_owned()),
            when,
            body,
            place: self.sink.plan_place(called.place),
        }
    }

    /// `when` of a step that may have one.
    fn when_of(&self, fields: &Fields<'s>) -> StepWhen {
        fields
            .get(self, "when")
            .and_then(|field| self.step_when(&field))
            .unwrap_or(StepWhen::OnSuccess)
    }

    /// Steps that take paths as they are, and not patterns.
    fn tell_of_pattern(&self, path: &str, place: Place, step: &str, scope: &Scope<'s>) {
        if !path.contains('*') {
            return;
        }
        let message = format!("`{step}` takes no patterns: `{path}` means a file of just this name");
        let hint = "name the folder that holds them";
        self.sink
            .emit_in(scope, Draft::warning(Code::BAD_VALUE, place, message).hint(hint));
    }

    /// The texts of a key that takes one or several.
    fn texts_of(&self, fields: &Fields<'s>, name: &'static str) -> Option<Vec<(String, Place)>> {
        let field = fields.get(self, name)?;
        Some(self.texts(&field.value, &format!("`{name}`")))
    }
}

/// The place of a byte of a value's text, where the text stands in the file as it reads; else all of the value.
fn place_in(value: &Resolved<'_>, text: &str, at: usize) -> Place {
    let span = value.node.span();
    let raw = value.node.tree().slice(span);
    let start = match raw.find(text) {
        Some(start) if matches!(value.shape, Shape::Written(_)) && start <= 1 => start,
        _ => return value.place,
    };
    let start = span.start as usize + start;
    let inside = Span::new(start + at.min(text.len()), start + text.len());
    value.node.tree().place(inside)
}
