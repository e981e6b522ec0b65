//! Which names commands, executors and the parameters of jobs may have. The language's rule is a small letter, then small letters, digits, `_` and
//! `-`. A name that no step or job could call is an error; one that works all the same, such as `buildAll`, a warning.

use super::{Compiler, Definitions};
use crate::diagnostic::Code;
use crate::keys::INVOCATION;
use crate::scope::{Pair, Scope};
use crate::sink::Draft;

/// The names that CircleCI refuses; the entry's other keys came later.
const RESERVED: [&str; 6] = ["name", "requires", "context", "type", "filters", "matrix"];

impl<'s> Compiler<'s> {
    /// Checks the names of all commands and executors.
    pub(crate) fn check_names(&self, definitions: &Definitions<'s>) {
        for pair in definitions.commands.values() {
            self.check_name(pair, "command");
        }
        for pair in definitions.executors.values() {
            self.check_name(pair, "executor");
        }
    }

    /// A job's parameter cannot have the name of a key that stands beside the arguments of a call.
    pub(crate) fn check_reserved(&self, parameter: &Pair<'s>, scope: &Scope<'s>) {
        let name = parameter.name;
        if !INVOCATION.iter().any(|key| key.name == name) {
            return;
        }
        let message = format!("a parameter of a job cannot be called `{name}`");
        let reason = format!(
            "an entry of a workflow has a key `{name}`, so that no argument could be given: rename it"
        );
        let draft = if RESERVED.contains(&name) {
            Draft::error(Code::BAD_NAME, parameter.key, message)
        } else {
            Draft::warning(Code::BAD_NAME, parameter.key, message)
        };
        self.sink.emit_in(scope, draft.hint(reason));
    }

    fn check_name(&self, pair: &Pair<'s>, what: &str) {
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let regular =
            pair.name.starts_with(|c: char| c.is_ascii_lowercase()) && pair.name.chars().all(inside);
        if regular {
            return;
        }
        let callable = pair.name.starts_with(|c: char| c.is_ascii_alphabetic())
            && pair
                .name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let message = format!("`{}` is no name for {what}s", pair.name);
        let draft = if callable {
            Draft::warning(Code::BAD_NAME, pair.key, message)
        } else {
            Draft::error(Code::BAD_NAME, pair.key, message)
        };
        let hint = "a name begins with a small letter and has small letters, digits, `_` and `-`";
        self.sink.emit(draft.hint(hint));
    }
}
