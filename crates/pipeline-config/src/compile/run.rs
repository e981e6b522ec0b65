//! The `run` step.

use airlock_domain::limits::NO_OUTPUT_TIMEOUT_MS;
use airlock_domain::plan::{Step, StepBody, StepWhen};

use super::Compiler;
use super::environment::Variables;
use super::steps::Called;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::RUN;
use crate::limits::MAX_PLAN_TEXT_BYTES;
use crate::scope::Shape;
use crate::sink::Draft;

/// Longest name made from a command's text.
const NAME_CHARS: usize = 200;

/// The largest time a step may be silent: longer than any job runs.
const MAX_SILENCE_HOURS: f64 = 24.0 * 365.0;

impl<'s> Compiler<'s> {
    /// Compiles `run: text` or `run: {command: …}`.
    pub(crate) fn run(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(body) = &called.body else {
            let message = "the step `run` needs a command";
            let draft = Draft::error(Code::MISSING_KEY, called.place, message).hint("write `run: make test`");
            self.sink.emit_in(called.scope, draft);
            return;
        };
        let step = match &body.shape {
            Shape::Map(map) => {
                let fields = self.fields(map, called.place, "the `run` step", RUN);
                self.long_form(&fields, called)
            }
            Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => self
                .text(body, "`run`")
                .map(|command| self.script(command, called)),
        };
        let Some(step) = step else { return };
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
            .and_then(|field| self.duration(&field));
        let when = fields.get(self, "when").and_then(|field| self.step_when(&field));
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
            },
            place: self.sink.plan_place(called.place),
        })
    }

    fn step_when(&self, field: &Field<'s>) -> Option<StepWhen> {
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

    fn duration(&self, field: &Field<'s>) -> Option<u64> {
        let text = self.text(&field.value, "`no_output_timeout`")?;
        let found = milliseconds(text.trim());
        if found.is_none() {
            let message = format!(
                "`{}` is no length of time",
                text.chars().take(40).collect::<String>()
            );
            let draft = Draft::error(Code::BAD_VALUE, field.value.place, message)
                .hint("write a number and `s`, `m` or `h`, such as `20m` or `1.5h`");
            self.sink.emit_in(&field.value.scope, draft);
        }
        found
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

/// `20m`, `1.5h`, `30s`; at least one millisecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the number is checked to be positive and below a year in milliseconds"
)]
fn milliseconds(text: &str) -> Option<u64> {
    const SECOND: u64 = 1000;
    let unit = match text.chars().next_back()? {
        's' => SECOND,
        'm' => 60 * SECOND,
        'h' => 3600 * SECOND,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let value = number.parse::<f64>().ok()? * unit as f64;
    let most = MAX_SILENCE_HOURS * 3600.0 * SECOND as f64;
    (value >= 1.0 && value <= most).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let cases = [
            ("20m", Some(1_200_000)),
            ("1.5h", Some(5_400_000)),
            ("30s", Some(30_000)),
            ("0.5s", Some(500)),
            ("10", None),
            ("m", None),
            ("1.m", None),
            ("-1m", None),
            ("1h30m", None),
            ("0s", None),
            ("99999999999999999999h", None),
            ("", None),
            ("é", None),
        ];
        for (text, want) in cases {
            assert_eq!(milliseconds(text), want, "{text}");
        }
    }

    #[test]
    fn names_are_the_first_line() {
        assert_eq!(name_of("make test"), "make test");
        assert_eq!(name_of("\n  make\n  test\n"), "make …");
        assert_eq!(name_of(" \n"), "run");
        assert_eq!(name_of(&"é".repeat(300)).chars().count(), NAME_CHARS + 2);
    }
}
