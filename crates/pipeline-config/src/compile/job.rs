//! One job of a workflow: binds its parameters and compiles its body.

use std::rc::Rc;

use airlock_domain::limits::PARALLELISM;
use airlock_domain::plan::{BuildJob, JobBody};
use airlock_domain::{ResourceClass, plan::Step};
use airlock_yaml_tree::Place;

use super::arguments::Call;
use super::matrix::Combination;
use super::parameters::Owner;
use super::{Compiler, Element, Found};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::{
    APPROVAL_JOB, INVOCATION, JOB, LOCK_JOB, NO_OP_JOB, RELEASE_JOB, RETENTION, WITHOUT_EFFECT,
};
use crate::limits::MAX_CACHE_RETENTION_DAYS;
use crate::scope::{Map, Pair, Resolved, Scope};
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
    pub(crate) matrix: &'a Combination<'s>,
    pub(crate) pre_steps: Option<Resolved<'s>>,
    pub(crate) post_steps: Option<Resolved<'s>>,
    /// Whether the file has workflows, where a job's own `branches` counts for nothing.
    pub(crate) in_workflow: bool,
}

impl<'s> Compiler<'s> {
    /// Compiles a job for one call.
    pub(crate) fn job(&self, found: &Found<'s>, call: &JobCall<'_, 's>) -> Option<JobBody> {
        let definition = &found.definition;
        self.mark_used(definition);
        let what = found.what(Element::Job);
        let outer = call.scope.around(&found.home);
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
        self.job_body(&map, definition.key, &what, call)
    }

    /// Compiles what a job's map says, with its parameters bound.
    pub(crate) fn job_body(
        &self,
        map: &Map<'s>,
        place: Place,
        what: &str,
        call: &JobCall<'_, 's>,
    ) -> Option<JobBody> {
        match self.job_type(&Fields::open(map, place, what))? {
            JobType::Build => {
                let fields = self.fields(map, place, what, JOB);
                for name in ["executor", "parameters"] {
                    if let Some(field) = fields.get(self, name) {
                        self.needs_2_1(&field, &fields.scope);
                    }
                }
                self.build(&fields, call).map(|job| JobBody::Build(Box::new(job)))
            }
            JobType::Approval => {
                self.fields_of(map, place, what, &[APPROVAL_JOB, WITHOUT_EFFECT]);
                Some(JobBody::Approval)
            }
            JobType::NoOp => {
                self.fields_of(map, place, what, &[NO_OP_JOB, WITHOUT_EFFECT]);
                Some(JobBody::NoOp)
            }
            JobType::Release => {
                let fields = self.fields_of(map, place, what, &[RELEASE_JOB, WITHOUT_EFFECT]);
                self.release(&fields).map(JobBody::Release)
            }
            JobType::Lock => self.lock_key(map, place, what).map(|key| JobBody::Lock { key }),
            JobType::Unlock => self.lock_key(map, place, what).map(|key| JobBody::Unlock { key }),
        }
    }

    fn lock_key(&self, map: &Map<'s>, place: Place, what: &str) -> Option<String> {
        let fields = self.fields_of(map, place, what, &[LOCK_JOB, WITHOUT_EFFECT]);
        let field = fields.need(self, "key", "name what is locked: `key: deploy`")?;
        self.serial_key(&field)
    }

    fn job_type(&self, fields: &Fields<'s>) -> Option<JobType> {
        let Some(field) = fields.get(self, "type") else {
            return Some(JobType::Build);
        };
        let text = self.text(&field.value, "`type`")?;
        let found = JobType::ALL.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names = JobType::ALL.map(|(name, _)| name);
            let message = format!("Invalid job type '{text}'. Allowed types: {}", names.join(", "));
            let draft = Draft::error(Code::BAD_VALUE, field.value.place, message).maybe_near(&text, &names);
            self.sink.emit_in(&fields.scope, draft);
        }
        found.map(|(_, kind)| *kind)
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
            circleci_ip_ranges: fields.boolean(self, "circleci_ip_ranges").unwrap_or(false),
            cache_retention_days: self.cache_retention(fields),
        })
    }

    /// `retention: {caches: 7d}`.
    fn cache_retention(&self, fields: &Fields<'s>) -> Option<u32> {
        let field = fields.get(self, "retention")?;
        let map = self.map(&field.value, "`retention`")?;
        let inner = self.fields(&map, field.key, "`retention`", RETENTION);
        let caches = inner.get(self, "caches")?;
        let text = self.text(&caches.value, "`caches`")?;
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
        let days = days.filter(|days| (1..=MAX_CACHE_RETENTION_DAYS).contains(days));
        if days.is_none() {
            let message = format!(
                "`{}` is no number of days: it does not match pattern ^([1-9]|[12][0-9]|30)d$",
                text.chars().take(40).collect::<String>()
            );
            let draft =
                Draft::error(Code::BAD_VALUE, caches.value.place, message).hint("write `1d` to `15d`");
            self.sink.emit_in(&caches.value.scope, draft);
        }
        days
    }

    fn parallelism(&self, fields: &Fields<'s>) -> Option<u32> {
        let Some(field) = fields.get(self, "parallelism") else {
            return Some(1);
        };
        self.number_within(&field, 1, PARALLELISM)
    }

    fn resource_class(&self, named: Option<(String, Place)>, fields: &Fields<'s>) -> Option<ResourceClass> {
        let (text, place) =
            named.unwrap_or_else(|| (self.inputs.default_resource_class.clone(), fields.place));
        self.name_of_place(&text, place, &fields.scope, ResourceClass::new)
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
    NoOp,
    Release,
    Lock,
    Unlock,
}

impl JobType {
    const ALL: [(&'static str, Self); 6] = [
        ("approval", Self::Approval),
        ("build", Self::Build),
        ("no-op", Self::NoOp),
        ("release", Self::Release),
        ("lock", Self::Lock),
        ("unlock", Self::Unlock),
    ];
}
