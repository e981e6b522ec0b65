//! One job of a workflow: binds its parameters and compiles its body.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_domain::limits::PARALLELISM;
use airlock_domain::plan::{BuildJob, JobBody};
use airlock_domain::{ResourceClass, plan::Step};
use airlock_yaml_tree::Place;

use super::arguments::Call;
use super::parameters::Owner;
use super::{Compiler, Element, Found};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::{APPROVAL_JOB, INVOCATION, JOB};
use crate::scope::{Pair, Resolved, Scope};
use crate::sink::Draft;

/// Where steps run when nobody says.
const WORKING_DIRECTORY: &str = "~/project";

/// How a workflow calls a job.
pub(crate) struct JobCall<'a, 's> {
    pub(crate) place: Place,
    pub(crate) scope: &'a Rc<Scope<'s>>,
    /// Arguments written beside the entry's own keys.
    pub(crate) given: &'a [Pair<'s>],
    /// Arguments from the matrix.
    pub(crate) matrix: &'a BTreeMap<String, Resolved<'s>>,
    pub(crate) pre_steps: Option<Resolved<'s>>,
    pub(crate) post_steps: Option<Resolved<'s>>,
    /// Whether the file has workflows, where a job's own `branches` counts for nothing.
    pub(crate) in_workflow: bool,
}

impl<'s> Compiler<'s> {
    /// Compiles a job for one call.
    pub(crate) fn job(&self, found: &Found<'s>, call: &JobCall<'_, 's>) -> Option<JobBody> {
        let definition = &found.definition;
        let what = found.what(Element::Job);
        let outer = Self::outer_scope(Rc::clone(&found.home), call.scope.templates);
        let value = self.resolve(&Self::in_scope(definition, &outer));
        let map = self.map(&value, &what)?;
        let open = Fields::open(&map, definition.key, &what);
        let declared = if outer.templates {
            self.parameters_of(&open, Owner::Job)
        } else {
            Vec::new()
        };
        let binding = Call {
            what: &what,
            place: call.place,
            defaults: &outer,
            scope: call.scope,
            beside: INVOCATION,
        };
        let values = self.bind(&binding, &declared, call.given, call.matrix);
        let inner = call.scope.called(
            &found.home,
            what.clone(),
            definition.value.place(),
            call.place,
            values,
        );
        let value = self.resolve(&Self::in_scope(definition, &inner));
        let map = self.map(&value, &what)?;
        self.record_layer(&map);
        let kind = self.job_type(&Fields::open(&map, definition.key, &what))?;
        if kind == JobType::Approval {
            self.fields(&map, definition.key, &what, APPROVAL_JOB);
            return Some(JobBody::Approval);
        }
        let fields = self.fields(&map, definition.key, &what, JOB);
        self.build(&fields, call).map(JobBody::Build)
    }

    fn job_type(&self, fields: &Fields<'s>) -> Option<JobType> {
        const TYPES: [&str; 6] = ["approval", "build", "no-op", "release", "lock", "unlock"];
        let Some(field) = fields.get(self, "type") else {
            return Some(JobType::Build);
        };
        match self.text(&field.value, "`type`")?.as_str() {
            "build" => Some(JobType::Build),
            "approval" => Some(JobType::Approval),
            other if TYPES.contains(&other) => {
                self.not_yet(
                    field.value.place,
                    &fields.scope,
                    &format!("type: {other}"),
                    "jobs of this type",
                );
                None
            }
            other => {
                let message = format!("Invalid job type '{other}'");
                let draft =
                    Draft::error(Code::BAD_VALUE, field.value.place, message).did_you_mean(other, &TYPES);
                self.sink.emit_in(&fields.scope, draft);
                None
            }
        }
    }

    fn build(&self, fields: &Fields<'s>, call: &JobCall<'_, 's>) -> Option<BuildJob> {
        if call.in_workflow
            && let Some(field) = fields.get(self, "branches")
        {
            let message = "`branches` of a job has no effect where there are workflows";
            let draft = Draft::warning(Code::IGNORED, field.key, message)
                .hint("use `filters:` where the workflow calls the job");
            self.sink.emit_in(&fields.scope, draft);
        }
        let settings = self.job_settings(fields);
        let parallelism = self.parallelism(fields);
        let resource_class = self.resource_class(settings.resource_class, fields);
        let steps = self.job_steps(fields, call);
        Some(BuildJob {
            executor: settings.executor?,
            resource_class: resource_class?,
            parallelism: parallelism?,
            environment: settings.environment,
            working_directory: settings
                .working_directory
                .unwrap_or_else(|| WORKING_DIRECTORY.to_owned()),
            shell: settings.shell.unwrap_or_default(),
            steps,
        })
    }

    fn parallelism(&self, fields: &Fields<'s>) -> Option<u32> {
        let Some(field) = fields.get(self, "parallelism") else {
            return Some(1);
        };
        let number = self.integer(&field.value, "`parallelism`")?;
        let fitting = u32::try_from(number)
            .ok()
            .filter(|number| (1..=PARALLELISM).contains(number));
        if fitting.is_none() {
            let message = format!("`parallelism` must be between 1 and {PARALLELISM}, and this is {number}");
            self.sink.emit_in(
                &fields.scope,
                Draft::error(Code::BAD_VALUE, field.value.place, message),
            );
        }
        fitting
    }

    fn resource_class(&self, named: Option<(String, Place)>, fields: &Fields<'s>) -> Option<ResourceClass> {
        let (text, place) =
            named.unwrap_or_else(|| (self.inputs.default_resource_class.clone(), fields.place));
        self.name(&text, place, &fields.scope, ResourceClass::new)
    }

    fn job_steps(&self, fields: &Fields<'s>, call: &JobCall<'_, 's>) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(before) = &call.pre_steps {
            self.steps(before, "`pre-steps`", 0, &mut steps);
        }
        if let Some(field) = fields.need(
            self,
            "steps",
            "list what it does: `steps: [checkout, {run: make}]`",
        ) {
            self.steps(&field.value, "`steps`", 0, &mut steps);
        }
        if let Some(after) = &call.post_steps {
            self.steps(after, "`post-steps`", 0, &mut steps);
        }
        steps
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JobType {
    Build,
    Approval,
}
