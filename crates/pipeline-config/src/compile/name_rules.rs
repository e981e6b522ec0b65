//! Which names commands and executors may have. The language's rule is a small letter, then small letters, digits, `_` and
//! `-`. A name that no step or job could call is an error; one that works all the same, such as `buildAll`, a warning.

use super::{Compiler, Definitions};
use crate::diagnostic::Code;
use crate::scope::Pair;
use crate::sink::Draft;

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
