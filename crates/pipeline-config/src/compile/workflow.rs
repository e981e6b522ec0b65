//! Workflows: which there are, which run for this trigger, and the jobs of each.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_domain::limits::JOBS_PER_WORKFLOW;
use airlock_domain::plan::{LeftOut, PlannedJob, PlannedWorkflow};
use airlock_domain::{JobName, WorkflowName};

use super::job::JobCall;
use super::{Compiler, Element, Search};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::WORKFLOW;
use crate::limits::MAX_WORKFLOWS;
use crate::scope::{Pair, Scope, View};
use crate::sink::Draft;

/// The job that runs where there are no workflows, and the name its workflow gets.
const IMPLICIT_JOB: &str = "build";
const IMPLICIT_WORKFLOW: &str = "workflow";

impl<'s> Compiler<'s> {
    /// The workflows of the file.
    pub(crate) fn workflows(&self, top: &Fields<'s>, scope: &Rc<Scope<'s>>) -> Option<Vec<PlannedWorkflow>> {
        let pairs: Vec<Pair<'s>> = match top.get(self, "workflows") {
            Some(field) => self.map(&field.value, "`workflows`")?.iter().collect(),
            None => Vec::new(),
        };
        // Version 2 wants `version: 2` among the workflows; it is none of them.
        let (versions, pairs): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|pair| pair.name == "version");
        if let (false, [], [first, ..]) = (scope.templates, versions.as_slice(), pairs.as_slice()) {
            let message = "`workflows` needs the key `version` in version 2 of the language";
            let draft = Draft::error(Code::MISSING_KEY, first.key, message)
                .hint("add `version: 2` below `workflows:`, or write `version: 2.1` at the top");
            self.sink.emit(draft);
        }
        if pairs.is_empty() {
            return self.implicit(top, scope).map(|workflow| vec![workflow]);
        }
        if pairs.len() > MAX_WORKFLOWS {
            let message = format!(
                "this config has {} workflows; at most {MAX_WORKFLOWS} fit",
                pairs.len()
            );
            self.sink
                .emit(Draft::error(Code::LIMIT, pairs[MAX_WORKFLOWS].key, message));
            return None;
        }
        let workflows: Vec<Option<PlannedWorkflow>> =
            pairs.iter().map(|pair| self.workflow(pair, scope)).collect();
        self.workflow_being_read.replace(None);
        workflows.into_iter().collect()
    }

    fn workflow(&self, pair: &Pair<'s>, scope: &Rc<Scope<'s>>) -> Option<PlannedWorkflow> {
        let name = self.name(pair.name, pair.key, scope, WorkflowName::new)?;
        let what = format!("workflow `{}`", pair.name);
        let value = self.resolve(&View::new(pair.value.node, scope));
        let map = self.map(&value, &what)?;
        let fields = self.loose_fields(&map, pair.key, &what, WORKFLOW);
        let schedules = self.schedules(&fields);
        let auto_reruns = self.auto_reruns(&fields);
        let decided = self.workflow_left_out(&fields);
        // What the clock starts will run one day, and so may what has a condition that cannot be read.
        let is_possible = decided.as_ref().is_none_or(Option::is_none);
        let left_out = decided
            .clone()
            .flatten()
            .or_else(|| self.left_out_by_clock(pair.name, &schedules, &fields));
        self.workflow_being_read
            .replace(Some((pair.name.to_owned(), pair.key)));
        let jobs = if is_possible {
            self.jobs_of_workflow(&name, &fields, scope, true)?
        } else {
            // What does not run may refer to what does not exist; it is worth a word and no more.
            self.as_warnings(pair.key, || self.jobs_of_workflow(&name, &fields, scope, false))
                .unwrap_or_default()
        };
        decided?;
        Some(PlannedWorkflow {
            name,
            left_out,
            jobs,
            schedules,
            auto_reruns,
        })
    }

    fn jobs_of_workflow(
        &self,
        name: &WorkflowName,
        fields: &Fields<'s>,
        scope: &Rc<Scope<'s>>,
        is_kept: bool,
    ) -> Option<Vec<PlannedJob>> {
        let jobs = fields.need(self, "jobs", "list its jobs: `jobs: [build]`")?;
        let list = self.list(&jobs.value, "`jobs`")?;
        let mut instances = Vec::new();
        for item in list.iter() {
            self.entry(&item, None, &mut instances);
            if instances.len() > JOBS_PER_WORKFLOW {
                let message = format!("{} has more than {JOBS_PER_WORKFLOW} jobs", fields.what);
                self.sink
                    .emit_in(scope, Draft::error(Code::LIMIT, item.place(), message));
                return None;
            }
        }
        if list.sequence.is_empty() {
            let message = format!("{} lists no job", fields.what);
            self.sink
                .emit_in(scope, Draft::error(Code::MISSING_KEY, jobs.key, message));
        }
        let recorded = instances
            .iter_mut()
            .map(|instance| instance.recorded.take())
            .collect();
        let jobs = self.settle(name, instances, scope)?;
        if is_kept {
            self.record_workflow(name.as_str(), Some(fields), recorded, &jobs);
        }
        Some(jobs)
    }

    /// The outer option is for a condition that could not be read.
    #[expect(
        clippy::option_option,
        reason = "unreadable, runs, left out: an enum would be read nowhere else"
    )]
    fn workflow_left_out(&self, fields: &Fields<'s>) -> Option<Option<LeftOut>> {
        let (when, unless) = (fields.get(self, "when"), fields.get(self, "unless"));
        if let (Some(when), Some(unless)) = (&when, &unless) {
            let message = format!("{} has both `when` and `unless`", fields.what);
            let draft = Draft::error(Code::BAD_VALUE, unless.key, message)
                .related(when.key, "`when`")
                .hint("keep one, with `not:` inside if need be");
            self.sink.emit_in(&fields.scope, draft);
        }
        let Some(field) = when.or(unless) else {
            return Some(None);
        };
        self.note_condition(&fields.what, &field);
        self.needs_2_1(&field, &fields.scope);
        let truth = self.workflow_condition(&field.view)?;
        let runs = truth == (field.name == "when");
        Some((!runs).then(|| LeftOut {
            reason: format!("its `{}` is {truth} for this pipeline", field.name),
            place: self.sink.plan_place(field.key),
        }))
    }

    /// Without workflows, the job `build` runs.
    fn implicit(&self, top: &Fields<'s>, scope: &Rc<Scope<'s>>) -> Option<PlannedWorkflow> {
        let start = top.get(self, "jobs").map_or(top.place, |field| field.key);
        let place = scope
            .definitions
            .jobs
            .get(IMPLICIT_JOB)
            .map_or(start, |job| job.key);
        let search = self.find(Element::Job, IMPLICIT_JOB, place, scope);
        if matches!(search, Search::Unknown) {
            let message =
                "Cannot find a job named build to run in the jobs: section of your configuration file.";
            let draft = Draft::error(Code::UNKNOWN_JOB, place, message)
                .hint("add a job named `build`, or `workflows:` that name the jobs to run");
            self.sink.emit(draft);
        }
        let Search::Found(found) = search else {
            return None;
        };
        let call = JobCall {
            place,
            scope,
            given: &[],
            matrix: &BTreeMap::new(),
            pre_steps: None,
            post_steps: None,
            in_workflow: false,
        };
        self.record_job_begins();
        let body = self.job(&found, &call);
        let value = self.resolve(&View::new(found.definition.value.node, scope));
        let map = self.map(&value, "job `build`")?;
        let fields = Fields::open(&map, place, "job `build`");
        let left_out = self.job_branches(&fields, place);
        let job = PlannedJob {
            name: JobName::new(IMPLICIT_JOB).ok()?,
            definition: IMPLICIT_JOB.to_owned(),
            place: self.sink.plan_place(place),
            requires: Vec::new(),
            contexts: Vec::new(),
            left_out,
            body: body?,
            serial_group: None,
        };
        self.record_implicit(IMPLICIT_WORKFLOW, &job);
        let name = WorkflowName::new(IMPLICIT_WORKFLOW).ok()?;
        Some(PlannedWorkflow {
            name,
            left_out: None,
            jobs: vec![job],
            schedules: Vec::new(),
            auto_reruns: None,
        })
    }
}
