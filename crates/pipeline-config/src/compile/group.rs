//! Job groups: a call of a group becomes a job that begins it, the group's own jobs, and a job that ends it. Also the keys
//! of serial groups, which jobs, groups, `lock` and `unlock` share.
//!
//! Jobs outside of a group know it by its name, which means the job that ends it; they see nothing of what is inside.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airlock_domain::plan::{JobBody, Outcome, SerialGroup};
use airlock_yaml_tree::Place;

use super::Compiler;
use super::graph::number;
use super::invocation::{Entry, Instance, Wanted};
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{GROUP_INVOCATION, JOB_GROUP};
use crate::limits::MAX_SERIAL_GROUP_CHARS;
use crate::scope::{Map, Pair, Scope};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// Expands the call of a group.
    pub(super) fn group(
        &self,
        definition: &Pair<'s>,
        entry: &Entry<'_>,
        map: Option<&Map<'s>>,
        scope: &Rc<Scope<'s>>,
        out: &mut Vec<Instance>,
    ) {
        if let Some(outer) = entry.inside {
            let message = format!(
                "job group `{}` is called inside job group `{outer}`; groups do not nest",
                entry.name
            );
            self.sink
                .emit_in(scope, Draft::error(Code::BAD_VALUE, entry.place, message));
            return;
        }
        let what = format!("the entry of job group `{}`", entry.name);
        let fields = map.map(|map| self.fields(map, entry.place, &what, GROUP_INVOCATION));
        let fields = fields.as_ref();
        let name = fields
            .and_then(|fields| fields.text(self, "name"))
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| entry.name.to_owned());
        let earlier = out
            .iter()
            .find(|instance| instance.inside.as_ref() == Some(&name));
        if let Some(earlier) = earlier {
            let message = format!("two job groups of this workflow are called '{name}'");
            let draft = Draft::error(Code::DUPLICATE_NAME, entry.place, message)
                .related(earlier.place, "the other one")
                .hint("give each call of a group a `name` of its own");
            self.sink.emit_in(scope, draft);
            return;
        }
        let requires = fields.map_or_else(Vec::new, |fields| self.requires(fields));
        let filters = fields.and_then(|fields| fields.get(self, "filters"));
        let serial = fields.and_then(|fields| self.serial_group(fields, None));
        let Some(mut inner) = self.jobs_of_group(definition, &name, scope) else {
            return;
        };
        let start = format!("{name}-group-start");
        let end = format!("{name}-group-end");
        let leaves = self.join(&mut inner, definition, &name, &start, entry.place);
        let boundary = |called: String, requires: Vec<Wanted>, body: JobBody| Instance {
            definition: entry.name.to_owned(),
            name: called,
            named: true,
            group: None,
            inside: Some(name.clone()),
            place: entry.place,
            requires,
            contexts: Vec::new(),
            left_out: None,
            serial_group: None,
            recorded: self.record_boundary(None, &body),
            body: Some(body),
        };
        let begin = serial.as_ref().map_or(JobBody::NoOp, |group| JobBody::Lock {
            key: group.key.clone(),
        });
        let mut first = boundary(start, requires, begin.clone());
        first.recorded = self.record_boundary(filters.as_ref(), &begin);
        first.left_out = self.filtered(filters.as_ref(), entry.place);
        out.push(first);
        out.append(&mut inner);
        let mut last = boundary(end.clone(), leaves, JobBody::NoOp);
        last.group = Some(name.clone());
        out.push(last);
        if let Some(group) = serial {
            let after = Wanted {
                job: end,
                place: group_place(fields, entry.place),
                outcomes: BTreeSet::from(Outcome::ALL),
            };
            let body = JobBody::Unlock { key: group.key };
            out.push(boundary(format!("{name}-unlock"), vec![after], body));
        }
    }

    fn jobs_of_group(
        &self,
        definition: &Pair<'s>,
        name: &str,
        scope: &Rc<Scope<'s>>,
    ) -> Option<Vec<Instance>> {
        let what = format!("job group `{}`", definition.name);
        let outer = scope.around(&scope.definitions);
        let value = self.resolve(&Self::in_scope(definition, &outer));
        let map = self.map(&value, &what)?;
        let fields = self.fields(&map, definition.key, &what, JOB_GROUP);
        let jobs = fields.need(self, "jobs", "list its jobs, as a workflow does")?;
        let list = self.list(&jobs.value, "`jobs`")?;
        let mut inner = Vec::new();
        for item in list.iter() {
            self.entry(&item, Some(name), &mut inner);
        }
        if list.sequence.is_empty() {
            let message = format!("{what} lists no job");
            self.sink
                .emit_in(&outer, Draft::error(Code::MISSING_KEY, jobs.key, message));
        }
        Some(inner)
    }

    /// Gives the jobs of a group their names and ties them to its beginning. What comes back is required by its end.
    fn join(
        &self,
        inner: &mut [Instance],
        definition: &Pair<'s>,
        prefix: &str,
        start: &str,
        place: Place,
    ) -> Vec<Wanted> {
        number(inner);
        let known: BTreeSet<String> = inner
            .iter()
            .flat_map(|instance| std::iter::once(&instance.name).chain(&instance.group).cloned())
            .collect();
        let mut required: BTreeSet<String> = BTreeSet::new();
        for instance in inner.iter_mut() {
            let (inside, outside): (Vec<Wanted>, Vec<Wanted>) = std::mem::take(&mut instance.requires)
                .into_iter()
                .partition(|wanted| known.contains(&wanted.job));
            for wanted in outside {
                let message = format!(
                    "Job '{}' requires '{}', which is the name of 0 other jobs in job group '{}'",
                    instance.name, wanted.job, definition.name
                );
                let draft = Draft::error(Code::UNKNOWN_JOB, wanted.place, message)
                    .hint("a job of a group can require jobs of the same group; what the group waits for stands where it is called");
                self.sink.emit(draft);
            }
            required.extend(inside.iter().map(|wanted| wanted.job.clone()));
            instance.requires = inside;
        }
        let mut leaves = Vec::new();
        for instance in inner.iter_mut() {
            let is_required = std::iter::once(&instance.name)
                .chain(&instance.group)
                .any(|name| required.contains(name));
            for wanted in &mut instance.requires {
                wanted.job = format!("{prefix}-{}", wanted.job);
            }
            if instance.requires.is_empty() {
                instance.requires.push(success(start.to_owned(), place));
            }
            instance.name = format!("{prefix}-{}", instance.name);
            instance.group = instance.group.take().map(|group| format!("{prefix}-{group}"));
            instance.named = true;
            instance.inside = Some(prefix.to_owned());
            if !is_required {
                leaves.push(success(instance.name.clone(), instance.place));
            }
        }
        leaves
    }

    /// `serial-group` of an entry.
    pub(super) fn serial_group(&self, fields: &Fields<'s>, inside: Option<&str>) -> Option<SerialGroup> {
        let field = fields.get(self, "serial-group")?;
        if let Some(group) = inside {
            let message = format!("a job of the job group `{group}` cannot have a `serial-group` of its own");
            let draft =
                Draft::error(Code::BAD_VALUE, field.key, message).hint("write it where the group is called");
            self.sink.emit_in(&fields.scope, draft);
            return None;
        }
        Some(SerialGroup {
            key: self.serial_key(&field)?,
            place: self.sink.plan_place(field.key),
        })
    }

    /// The key of a serial group.
    pub(super) fn serial_key(&self, field: &Field<'s>) -> Option<String> {
        let text = self.text(&field.value, &format!("`{}`", field.name))?;
        let problem = if text.trim().is_empty() {
            "must not be blank".to_owned()
        } else if text.chars().count() > MAX_SERIAL_GROUP_CHARS {
            format!("has more than {MAX_SERIAL_GROUP_CHARS} characters")
        } else if let Some(bad) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/')))
        {
            format!("holds {bad:?}")
        } else {
            return Some(text);
        };
        let message = format!("the key of a serial group {problem}");
        let draft = Draft::error(Code::BAD_VALUE, field.value.place, message)
            .hint("use letters, digits and `. - _ /`, such as `<< pipeline.project.slug >>/deploy`");
        self.sink.emit_in(&field.value.scope, draft);
        None
    }

    /// A name can mean a job or a group of jobs, not both.
    pub(crate) fn check_group_names(
        &self,
        jobs: &BTreeMap<&'s str, Pair<'s>>,
        groups: &BTreeMap<&'s str, Pair<'s>>,
    ) {
        for (name, group) in groups {
            if let Some(job) = jobs.get(name) {
                let message = format!("`{name}` is the name of a job and of a job group");
                let draft = Draft::error(Code::DUPLICATE_NAME, group.key, message)
                    .related(job.key, "the job")
                    .hint("rename one of them");
                self.sink.emit(draft);
            }
        }
    }
}

fn success(job: String, place: Place) -> Wanted {
    Wanted {
        job,
        place,
        outcomes: BTreeSet::from([Outcome::Success]),
    }
}

fn group_place(fields: Option<&Fields<'_>>, place: Place) -> Place {
    fields
        .and_then(|fields| fields.all().find(|pair| pair.name == "serial-group"))
        .map_or(place, |pair| pair.key)
}
