//! Jobs of type `release`: which release plan they follow, and how it is watched.

use airlock_domain::plan::{ReleaseJob, ReleaseValidation, SignalCheck};

use super::Compiler;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{VALIDATION, VALIDATION_WEBHOOK};
use crate::scope::View;
use crate::sink::Draft;

/// How long a release is watched when nobody says: CircleCI's twenty minutes.
const EVALUATION_TIME_MS: u64 = 20 * 60 * 1000;

const PROVIDERS: [&str; 5] = ["datadog", "prometheus", "grafana", "alertmanager", "custom"];

impl<'s> Compiler<'s> {
    pub(crate) fn release(&self, fields: &Fields<'s>) -> Option<ReleaseJob> {
        let hint = "name the plan that `circleci run release plan` made: `plan_name: my-service`";
        let plan_name = self.needed_text(fields, "plan_name", hint);
        let validation = match fields.get(self, "validation") {
            Some(field) => Some(self.validation(&field)?),
            None => None,
        };
        Some(ReleaseJob {
            plan_name: plan_name?,
            validation,
        })
    }

    fn validation(&self, field: &Field<'s>) -> Option<ReleaseValidation> {
        let map = self.map(&field.value, "`validation`")?;
        let fields = self.fields(&map, field.key, "`validation`", VALIDATION);
        let enabled = fields
            .need(self, "enabled", "add `enabled: true`")
            .and_then(|field| self.boolean(&field.value, "`enabled`"));
        let evaluation_time_ms = match fields.get(self, "evaluation_time") {
            Some(field) => self.duration(&field, "`30m`"),
            None => Some(EVALUATION_TIME_MS),
        };
        let auto_rollback_on_failure = fields.boolean(self, "auto_rollback_on_failure").unwrap_or(false);
        let webhooks: Option<Vec<SignalCheck>> = match fields.get(self, "webhooks") {
            Some(field) => {
                let list = self.list(&field.value, "`webhooks`")?;
                let checks: Vec<Option<SignalCheck>> =
                    list.iter().map(|item| self.signal_check(&item)).collect();
                checks.into_iter().collect()
            }
            None => Some(Vec::new()),
        };
        Some(ReleaseValidation {
            enabled: enabled?,
            evaluation_time_ms: evaluation_time_ms?,
            auto_rollback_on_failure,
            webhooks: webhooks?,
        })
    }

    fn signal_check(&self, item: &View<'s>) -> Option<SignalCheck> {
        let value = self.resolve(item);
        let what = "an item of `webhooks`";
        let map = self.map(&value, what)?;
        let fields = self.fields(&map, value.place, what, VALIDATION_WEBHOOK);
        let name = self.needed_text(&fields, "name", "name the signal that the tool sends");
        let provider = fields.need(self, "provider", "name the tool, such as `provider: datadog`");
        let provider = provider.and_then(|field| {
            let text = self.text(&field.value, "`provider`")?;
            if PROVIDERS.contains(&text.as_str()) {
                return Some(text);
            }
            let message = format!("there is no provider `{text}`");
            let draft =
                Draft::error(Code::BAD_VALUE, field.value.place, message).did_you_mean(&text, &PROVIDERS);
            self.sink.emit_in(&field.value.scope, draft);
            None
        });
        let mut data_points = Vec::new();
        if let Some(field) = fields.get(self, "data_points") {
            for pair in self.map(&field.value, "`data_points`")?.iter() {
                let value = self.resolve(&pair.value);
                let text = self.text(&value, &format!("`{}` in `data_points`", pair.name))?;
                data_points.push((pair.name.to_owned(), text));
            }
        }
        let max_failures = match fields.get(self, "max_failures") {
            Some(field) => Some(self.number_within(&field, 1, u32::MAX)?),
            None => None,
        };
        Some(SignalCheck {
            name: name?,
            provider: provider?,
            data_points,
            fail_when: fields.text(self, "fail_when"),
            max_failures,
        })
    }
}
