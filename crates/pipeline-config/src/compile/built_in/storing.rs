//! `store_artifacts` and `store_test_results`. Both run after failed steps too: then they are most wanted.

use airlock_domain::plan::{Step, StepBody, StepWhen};

use super::Compiler;
use crate::compile::steps::Called;
use crate::fields::Fields;
use crate::keys::{STORE_ARTIFACTS, STORE_TEST_RESULTS};

impl<'s> Compiler<'s> {
    pub(in crate::compile) fn store_artifacts(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.step_fields(called, STORE_ARTIFACTS, "a `path`") else {
            return;
        };
        let path = self.path_of(&fields, "name the file or folder: `path: dist`", called.name);
        let destination = fields.text(self, "destination").filter(|text| !text.is_empty());
        let Some(path) = path else { return };
        let body = StepBody::StoreArtifacts { path, destination };
        let step = self.built_in_step(
            called,
            Some(&fields),
            "Uploading artifacts",
            StepWhen::Always,
            body,
        );
        self.push(step, called, out);
    }

    pub(in crate::compile) fn store_test_results(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.step_fields(called, STORE_TEST_RESULTS, "a `path`") else {
            return;
        };
        let hint = "name the folder of the results: `path: test-results`";
        let Some(path) = self.path_of(&fields, hint, called.name) else {
            return;
        };
        let body = StepBody::StoreTestResults { path };
        let name = "Uploading test results";
        let step = self.built_in_step(called, Some(&fields), name, StepWhen::Always, body);
        self.push(step, called, out);
    }

    /// The `path` of a step that takes no patterns.
    fn path_of(&self, fields: &Fields<'s>, hint: &str, step: &str) -> Option<String> {
        let field = fields.need(self, "path", hint)?;
        let path = self.text(&field.value, "`path`")?;
        self.tell_of_pattern(&path, field.value.place, step, &fields.scope);
        Some(path)
    }
}
