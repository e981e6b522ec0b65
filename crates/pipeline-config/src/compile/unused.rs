//! Looks at what nobody calls: jobs no workflow names, commands and executors without a caller, steps whose condition is
//! false. None of it is expanded, for its arguments are not known; what can be seen to be wrong becomes a warning.
//!
//! It is read in a scope in which every `<< … >>` gives a value of which nothing is known, so that only what is written
//! out is judged.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_yaml_tree::Place;

use super::Compiler;
use super::job::JobCall;
use super::parameters::Owner;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{COMMAND, EXECUTOR};
use crate::limits::MAX_READS;
use crate::scope::{Pair, Scope, Shape, View};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// Does something whose mistakes keep no plan back. What it costs counts all the same.
    pub(crate) fn as_warnings<T>(&self, place: Place, body: impl FnOnce() -> T) -> T {
        let was_sound = self.budget.is_sound();
        let result = self.sink.as_warnings(body);
        if was_sound && !self.budget.is_sound() {
            let message =
                format!("reading what does not run here takes more than {MAX_READS} readings or its like");
            self.sink.emit(Draft::error(Code::LIMIT, place, message));
        }
        result
    }

    /// Remembers that a definition is called, and so read as a whole.
    pub(crate) fn mark_used(&self, definition: &Pair<'s>) {
        self.used.borrow_mut().insert(definition.value.place());
    }

    /// Checks the definitions that nobody called.
    pub(crate) fn check_unused(&self, scope: &Rc<Scope<'s>>, place: Place) {
        let definitions = Rc::clone(&scope.definitions);
        let scope = scope.unknowing();
        let is_unused = |pair: &&Pair<'s>| !self.used.borrow().contains(&pair.value.place());
        self.as_warnings(place, || {
            for pair in definitions.jobs.values().filter(is_unused) {
                self.glance_at_job(pair, &scope);
            }
            for pair in definitions.commands.values().filter(is_unused) {
                self.glance_at(pair, &scope, "command", Owner::Command);
            }
            for pair in definitions.executors.values().filter(is_unused) {
                self.glance_at(pair, &scope, "executor", Owner::Executor);
            }
        });
    }

    fn glance_at_job(&self, definition: &Pair<'s>, scope: &Rc<Scope<'s>>) {
        let value = self.resolve(&Self::in_scope(definition, scope));
        let what = format!("job `{}`", definition.name);
        // A name for another definition; that one has its own turn.
        if matches!(value.shape, Shape::Written(_)) && !value.is_absent() {
            return;
        }
        let Some(map) = self.map(&value, &what) else {
            return;
        };
        if scope.templates {
            self.parameters_of(&Fields::open(&map, definition.key, &what), Owner::Job);
        }
        let call = JobCall {
            place: definition.key,
            scope,
            given: &[],
            matrix: &BTreeMap::new(),
            pre_steps: None,
            post_steps: None,
            in_workflow: false,
        };
        let _ = self.job_body(&map, definition.key, &what, &call);
    }

    fn glance_at(&self, definition: &Pair<'s>, scope: &Rc<Scope<'s>>, kind: &str, owner: Owner) {
        let value = self.resolve(&Self::in_scope(definition, scope));
        let what = format!("{kind} `{}`", definition.name);
        // A name for another definition; that one has its own turn.
        if matches!(value.shape, Shape::Written(_)) && !value.is_absent() {
            return;
        }
        let Some(map) = self.map(&value, &what) else {
            return;
        };
        self.parameters_of(&Fields::open(&map, definition.key, &what), owner);
        if owner == Owner::Executor {
            let fields = self.fields(&map, definition.key, &what, EXECUTOR);
            let _ = self.settings(&fields);
            return;
        }
        let fields = self.fields(&map, definition.key, &what, COMMAND);
        if let Some(steps) = fields.need(self, "steps", "list what it does: `steps: [{run: make}]`") {
            self.steps(&steps.value, "`steps`", 0, &mut Vec::new());
        }
    }

    /// Looks at steps that do not run because of a condition; once, however often they are met.
    pub(crate) fn glance_at_steps(&self, field: &Field<'s>, depth: usize) {
        let place = field.value.place;
        let is_of_orb = field.view.scope.definitions.orb.is_some();
        if is_of_orb || field.view.scope.unknown || !self.used.borrow_mut().insert(place) {
            return;
        }
        let view = View::new(field.view.node, &field.view.scope.unknowing());
        self.as_warnings(place, || {
            self.steps_of_condition(&self.resolve(&view), depth, &mut Vec::new());
        });
    }
}
