//! Reusable commands: binds arguments, then compiles the command's steps in its own scope.

use std::collections::BTreeMap;

use airlock_domain::plan::Step;

use super::arguments::Call;
use super::parameters::Owner;
use super::steps::Called;
use super::{Compiler, Element, Found};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::COMMAND;
use crate::limits::MAX_CALL_DEPTH;
use crate::scope::Pair;
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// Compiles one call of a command.
    pub(crate) fn command(&self, found: &Found<'s>, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let definition = &found.definition;
        let what = found.what(Element::Command);
        if !self.may_call(definition, &what, called) {
            return;
        }
        let outer = called.scope.around(&found.home);
        let value = self.resolve(&Self::in_scope(definition, &outer));
        let Some(map) = self.map(&value, &what) else {
            return;
        };
        let declared = self.parameters_of(&Fields::open(&map, definition.key, &what), Owner::Command);
        let given = match &called.body {
            None => Vec::new(),
            Some(body) => match self.map(body, &format!("what is passed to {what}")) {
                Some(map) => map.iter().collect(),
                None => return,
            },
        };
        let call = Call {
            what: &what,
            place: called.place,
            defaults: &outer,
            scope: called.scope,
            beside: &[],
        };
        let values = self.bind(&call, &declared, &given, &BTreeMap::new());
        if called.scope.unknown {
            // Only the call is looked at here; the command has its own turn.
            return;
        }
        self.mark_used(definition);
        let inner = called.scope.called(
            &found.home,
            what.clone(),
            definition.value.place(),
            called.place,
            values,
        );
        let value = self.resolve(&Self::in_scope(definition, &inner));
        let Some(map) = self.map(&value, &what) else {
            return;
        };
        let fields = self.fields(&map, definition.key, &what, COMMAND);
        let Some(steps) = fields.need(self, "steps", "list what it does: `steps: [{run: make}]`") else {
            return;
        };
        self.steps(&steps.value, "`steps`", called.depth + 1, out);
    }

    fn may_call(&self, definition: &Pair<'s>, what: &str, called: &Called<'_, 's>) -> bool {
        let place = definition.value.place();
        if let Some(earlier) = called.scope.calls().find(|call| call.definition == place) {
            let message = format!("{what} calls itself");
            let draft = Draft::error(Code::COMMAND_CYCLE, called.place, message)
                .related(earlier.place, "first called here");
            self.sink.emit_in(called.scope, draft);
            return false;
        }
        if called.scope.depth() >= MAX_CALL_DEPTH {
            let message = format!("commands call each other more than {MAX_CALL_DEPTH} deep");
            self.sink
                .emit_in(called.scope, Draft::error(Code::LIMIT, called.place, message));
            return false;
        }
        true
    }
}
