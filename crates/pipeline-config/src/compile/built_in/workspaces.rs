//! `persist_to_workspace` and `attach_workspace`.

use airlock_domain::path_pattern::PathPattern;
use airlock_domain::plan::{Step, StepBody};

use super::Compiler;
use crate::compile::steps::Called;
use crate::diagnostic::Code;
use crate::keys::{ATTACH_WORKSPACE, PERSIST_TO_WORKSPACE};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    pub(in crate::compile) fn persist_to_workspace(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.step_fields(called, PERSIST_TO_WORKSPACE, "a `root` and `paths`") else {
            return;
        };
        let root = self.needed_text(&fields, "root", "name the folder `paths` are in: `root: .`");
        let _ = fields.need(self, "paths", "list what to hand on: `paths: [dist]`");
        let paths = self.texts_of(&fields, "paths");
        let when = self.when_of(&fields);
        let (Some(root), Some(paths)) = (root, paths) else {
            return;
        };
        for (path, place) in &paths {
            if let Err(error) = PathPattern::parse(path) {
                let message = format!("`{path}` is no pattern of paths: {error}");
                let draft = Draft::error(Code::BAD_VALUE, *place, message)
                    .hint("put a backslash before a `[` that is part of a name");
                self.sink.emit_in(&fields.scope, draft);
            }
        }
        let paths = paths.into_iter().map(|(path, _)| path).collect();
        let body = StepBody::PersistToWorkspace { root, paths };
        let step = self.built_in_step(called, Some(&fields), "Persisting to workspace", when, body);
        self.push(step, called, out);
    }

    pub(in crate::compile) fn attach_workspace(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.step_fields(called, ATTACH_WORKSPACE, "the folder to attach it `at`") else {
            return;
        };
        let at = self.needed_text(&fields, "at", "name the folder it goes to: `at: .`");
        let when = self.when_of(&fields);
        let Some(at) = at else { return };
        let body = StepBody::AttachWorkspace { at };
        let step = self.built_in_step(called, Some(&fields), "Attaching workspace", when, body);
        self.push(step, called, out);
    }
}
