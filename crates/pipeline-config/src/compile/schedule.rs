//! `triggers` of a workflow: the times at which the clock starts it.

use airlock_domain::cron::Cron;
use airlock_domain::plan::{AutoReruns, BranchRule, LeftOut, Schedule};

use super::Compiler;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{SCHEDULE, SCHEDULE_FILTERS, TRIGGER};
use crate::limits::MAX_AUTO_RERUNS;
use crate::scope::View;
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// The schedules of a workflow.
    pub(crate) fn schedules(&self, fields: &Fields<'s>) -> Vec<Schedule> {
        let Some(field) = fields.get(self, "triggers") else {
            return Vec::new();
        };
        let Some(list) = self.list(&field.value, "`triggers`") else {
            return Vec::new();
        };
        list.iter().filter_map(|item| self.trigger(&item)).collect()
    }

    fn trigger(&self, item: &View<'s>) -> Option<Schedule> {
        let value = self.resolve(item);
        let what = "an item of `triggers`";
        let map = self.map(&value, what)?;
        let fields = self.fields(&map, value.place, what, TRIGGER);
        let schedule = fields.need(self, "schedule", "add `schedule:` with `cron` and `filters`")?;
        let map = self.map(&schedule.value, "`schedule`")?;
        let fields = self.fields(&map, schedule.key, "`schedule`", SCHEDULE);
        let cron = fields
            .need(self, "cron", "say when: `cron: \"0 0 * * *\"`")
            .and_then(|field| self.cron(&field));
        let hint = "say for which branches: `filters: {branches: {only: main}}`";
        let branches = fields
            .need(self, "filters", hint)
            .and_then(|field| self.schedule_branches(&field, hint));
        Some(Schedule {
            cron: cron?,
            branches: branches?,
            place: self.sink.plan_place(schedule.key),
        })
    }

    fn cron(&self, field: &Field<'s>) -> Option<String> {
        let text = self.text(&field.value, "`cron`")?;
        match Cron::parse(&text) {
            Ok(_) => Some(text),
            Err(error) => {
                let hint = error.list().map(|list| format!("write it out: `{list}`"));
                let draft = Draft::error(Code::CRON, field.value.place, error.to_string()).maybe_hint(hint);
                self.sink.emit_in(&field.value.scope, draft);
                None
            }
        }
    }

    fn schedule_branches(&self, field: &Field<'s>, hint: &str) -> Option<BranchRule> {
        let map = self.map(&field.value, "`filters` of a schedule")?;
        let what = "`filters` of a schedule";
        let fields = self.fields(&map, field.key, what, SCHEDULE_FILTERS);
        let branches = fields.need(self, "branches", hint)?;
        let Some(rule) = self.rule(&fields, "branches") else {
            let message = "`branches` of a schedule needs `only` or `ignore`";
            let draft = Draft::error(Code::MISSING_KEY, branches.key, message).hint(hint);
            self.sink.emit_in(&fields.scope, draft);
            return None;
        };
        let names = rule.texts().map(str::to_owned).collect();
        Some(if rule.only() {
            BranchRule::Only(names)
        } else {
            BranchRule::Ignore(names)
        })
    }

    /// `max_auto_reruns` of a workflow.
    pub(crate) fn auto_reruns(&self, fields: &Fields<'s>) -> Option<AutoReruns> {
        let field = fields.get(self, "max_auto_reruns")?;
        Some(AutoReruns {
            max: self.number_within(&field, 1, MAX_AUTO_RERUNS)?,
            place: self.sink.plan_place(field.key),
        })
    }

    /// Whether the clock started this pipeline decides about workflows with and without schedules.
    pub(crate) fn left_out_by_clock(
        &self,
        name: &str,
        schedules: &[Schedule],
        fields: &Fields<'s>,
    ) -> Option<LeftOut> {
        let place = schedules.first().map_or_else(
            || self.sink.plan_place(fields.place),
            |schedule| schedule.place.clone(),
        );
        let reason = match &self.inputs.scheduled_workflow {
            Some(wanted) if wanted == name => return None,
            Some(wanted) => format!("the schedule of workflow '{wanted}' started this pipeline"),
            None if schedules.is_empty() => return None,
            None => "only its schedule starts it".to_owned(),
        };
        Some(LeftOut { reason, place })
    }
}
