//! Forms that CircleCI still takes and has replaced: told as warnings, each with the change that brings the config up to
//! date.

use super::Compiler;
use super::steps::Called;
use crate::diagnostic::Code;
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
}
