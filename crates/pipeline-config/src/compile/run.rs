//! The `run` step, and `deploy`, its old variant.

use airlock_domain::duration;
use airlock_domain::limits::NO_OUTPUT_TIMEOUT_MS;
use airlock_domain::plan::{AutoRerun, Step, StepBody, StepWhen};

use super::Compiler;
use super::environment::Variables;
use super::steps::Called;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::RUN;
use crate::limits::{MAX_AUTO_RERUNS, MAX_PLAN_TEXT_BYTES};
use crate::scope::Shape;
use crate::sink::Draft;

/// Longest name made from a command's text.
const NAME_CHARS: usize = 200;

/// The longest delay before a step is run again: CircleCI's ten minutes.
const MAX_RERUN_DELAY_MS: u64 = 10 * 60 * 1000;

impl<'s> Compiler<'s> {
    /// Compiles `run: text` or `run: {command: …}`.
    pub(crate) fn run(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        self.scripted(called, false, out);
    }

    /// Compiles `deploy`: a `run` that with parallelism waits for the other slices.
    pub(crate) fn deploy(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        self.scripted(called, true, out);
    }

    fn scripted(&self, called: &Called<'_, 's>, is_deploy: bool, out: &mut Vec<Step>) {
        let Some(body) = &called.body else {
            let message = format!("the step `{}` needs a command", called.name);
            let hint = format!("write `{}: make test`", called.name);
            let draft = Draft::error(Code::MISSING_KEY, called.place, message).hint(hint);
            self.sink.emit_in(called.scope, draft);
            return;
        };
        let step = match &body.shape {
            Shape::Map(map) => {
                let what = format!("the `{}` step", called.name);
                let fields = self.fields(map, called.place, &what, RUN);
                self.long_form(&fields, called)
            }
            Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => self
                .text(body, &format!("`{}`", called.name))
                .map(|command| self.script(command, called)),
        };
        let Some(mut step) = step else { return };
        if let StepBody::Run { deploy, .. } = &mut step.body {
            *deploy = is_deploy;
        }
        if let StepBody::Run { command, .. } = &step.body
            && !self.budget.text(command.len() + step.name.len())
        {
            let message = format!("the texts of this config exceed {MAX_PLAN_TEXT_BYTES} bytes");
            self.sink
                .emit_in(called.scope, Draft::error(Code::LIMIT, called.place, message));
            return;
        }
        self.push(step, called, out);
    }

    fn script(&self, command: String, called: &Called<'_, 's>) -> Step {
        Step {
            name: name_of(&command),
            when: StepWhen::OnSuccess,
            body: StepBody::Run {
                command,
                shell: Vec::new(),
                environment: Variables::new(),
                working_directory: None,
                background: false,
                no_output_timeout_ms: NO_OUTPUT_TIMEOUT_MS,
                auto_rerun: None,
                deploy: false,
            },
            place: self.sink.plan_place(called.place),
        }
    }

    fn long_form(&self, fields: &Fields<'s>, called: &Called<'_, 's>) -> Option<Step> {
        let command = fields
            .need(self, "command", "add what to run: `command: make test`")
            .and_then(|field| self.text(&field.value, "`command`"));
        let name = fields.text(self, "name").filter(|name| !name.trim().is_empty());
        let shell = fields
            .get(self, "shell")
            .and_then(|field| self.shell(&field.value));
        let environment = self.environment(fields);
        let working_directory = fields
            .text(self, "working_directory")
            .filter(|text| !text.is_empty());
        let background = fields.boolean(self, "background").unwrap_or(false);
        let timeout = fields
            .get(self, "no_output_timeout")
            .and_then(|field| self.duration(&field, "`20m` or `1.5h`"));
        let when = fields.get(self, "when").and_then(|field| self.step_when(&field));
        let auto_rerun = self.auto_rerun(fields, background);
        let command = command?;
        Some(Step {
            name: name.unwrap_or_else(|| name_of(&command)),
            when: when.unwrap_or(StepWhen::OnSuccess),
            body: StepBody::Run {
                command,
                shell: shell.unwrap_or_default(),
                environment,
                working_directory,
                background,
                no_output_timeout_ms: timeout.unwrap_or(NO_OUTPUT_TIMEOUT_MS),
                auto_rerun,
                deploy: false,
            },
            place: self.sink.plan_place(called.place),
        })
    }

    fn auto_rerun(&self, fields: &Fields<'s>, background: bool) -> Option<AutoRerun> {
        let (max, delay) = (
            fields.get(self, "max_auto_reruns"),
            fields.get(self, "auto_rerun_delay"),
        );
        let delay_ms = match &delay {
            Some(field) => self.rerun_delay(field),
            None => Some(0),
        };
        let Some(max) = max else {
            if let Some(delay) = delay {
                let message = "`auto_rerun_delay` has no effect without `max_auto_reruns`";
                let draft =
                    Draft::error(Code::BAD_VALUE, delay.key, message).hint("add `max_auto_reruns: 1`");
                self.sink.emit_in(&fields.scope, draft);
            }
            return None;
        };
        if background {
            let message = "a step in the background is not run again: nobody looks at how it ends";
            let draft = Draft::warning(Code::IGNORED, max.key, message);
            self.sink.emit_in(&fields.scope, draft);
        }
        Some(AutoRerun {
            max: self.number_within(&max, 1, MAX_AUTO_RERUNS)?,
            delay_ms: delay_ms?,
        })
    }

    fn rerun_delay(&self, field: &Field<'s>) -> Option<u64> {
        let text = self.text(&field.value, "`auto_rerun_delay`")?;
        let found = duration::milliseconds(text.trim()).filter(|delay| *delay <= MAX_RERUN_DELAY_MS);
        if found.is_none() {
            let message = format!(
                "`{}` is no delay of up to ten minutes",
                text.chars().take(40).collect::<String>()
            );
            let draft = Draft::error(Code::BAD_VALUE, field.value.place, message)
                .hint("write whole seconds or minutes, such as `30s` or `5m`");
            self.sink.emit_in(&field.value.scope, draft);
        }
        found
    }

    /// When a step runs, seen from the steps before it.
    pub(crate) fn step_when(&self, field: &Field<'s>) -> Option<StepWhen> {
        let text = self.text(&field.value, "`when`")?;
        match text.as_str() {
            "on_success" => Some(StepWhen::OnSuccess),
            "on_fail" => Some(StepWhen::OnFail),
            "always" => Some(StepWhen::Always),
            other => {
                let message = format!("a step cannot run `when: {other}`");
                let draft = Draft::error(Code::BAD_VALUE, field.value.place, message)
                    .did_you_mean(other, &["always", "on_success", "on_fail"]);
                self.sink.emit_in(&field.value.scope, draft);
                None
            }
        }
    }
}

/// The first line of a command.
fn name_of(command: &str) -> String {
    let mut lines = command.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("run");
    let mut name: String = first.chars().take(NAME_CHARS).collect();
    if lines.next().is_some() || first.chars().count() > NAME_CHARS {
        name.push_str(" …");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_first_line() {
        assert_eq!(name_of("make test"), "make test");
        assert_eq!(name_of("\n  make\n  test\n"), "make …");
        assert_eq!(name_of(" \n"), "run");
        assert_eq!(name_of(&"é".repeat(300)).chars().count(), NAME_CHARS + 2);
    }
}
