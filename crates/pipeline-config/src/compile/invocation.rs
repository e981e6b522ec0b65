//! One entry under `jobs:` of a workflow: what it calls, under which name, after whom, with what.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airlock_domain::ContextName;
use airlock_domain::plan::{JobBody, LeftOut, Outcome, SerialGroup};
use airlock_yaml_tree::Place;

use super::job::JobCall;
use super::record::RecordedEntry;
use super::{Compiler, Element, Found, Search, matrix};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::{APPROVAL_INVOCATION, INVOCATION};
use crate::limits::MAX_CONTEXTS;
use crate::scope::{Map, Pair, Resolved, Scope, Shape, View};
use crate::sink::Draft;

/// A job of a workflow before names are settled.
pub(crate) struct Instance {
    /// The key under `jobs:`.
    pub(crate) definition: String,
    /// Its name, or the name it would have were it the only one.
    pub(crate) name: String,
    /// Whether the config chose the name.
    pub(crate) named: bool,
    /// The name under which `requires` means all of its matrix, or the job group it ends.
    pub(crate) group: Option<String>,
    /// The job group it is in; jobs outside of it cannot require it.
    pub(crate) inside: Option<String>,
    pub(crate) place: Place,
    pub(crate) requires: Vec<Wanted>,
    pub(crate) contexts: Vec<ContextName>,
    pub(crate) left_out: Option<LeftOut>,
    pub(crate) serial_group: Option<SerialGroup>,
    /// Nothing when it could not be compiled; that has been reported.
    pub(crate) body: Option<JobBody>,
    /// What the compiled form says of it, when that is wanted.
    pub(crate) recorded: Option<Box<RecordedEntry>>,
}

/// One line of `requires`.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) job: String,
    pub(crate) place: Place,
    pub(crate) outcomes: BTreeSet<Outcome>,
}

/// One entry of a workflow or job group.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Place,
    /// The job group it stands in.
    pub(crate) inside: Option<&'a str>,
}

const OUTCOMES: [(&str, Outcome); 5] = [
    ("success", Outcome::Success),
    ("failed", Outcome::Failed),
    ("canceled", Outcome::Canceled),
    ("unauthorized", Outcome::Unauthorized),
    ("not_run", Outcome::NotRun),
];

impl<'s> Compiler<'s> {
    /// Compiles one entry, which makes one job or, with a matrix, several.
    pub(crate) fn entry(&self, item: &View<'s>, inside: Option<&str>, out: &mut Vec<Instance>) {
        let value = self.resolve(item);
        match &value.shape {
            Shape::Map(map) => {
                let pairs: Vec<Pair<'s>> = map.iter().collect();
                let [pair] = pairs.as_slice() else {
                    self.several_jobs(&pairs, &value);
                    // The job itself may hold more mistakes.
                    if let Some(first) = pairs.first() {
                        let entry = Entry {
                            name: first.name,
                            place: first.key,
                            inside,
                        };
                        let beside = first.value.node.is_null() && stands_beside(&pairs);
                        let beside = beside.then(|| map.below(first.name));
                        self.invoke(&entry, beside, &map.scope, out);
                    }
                    return;
                };
                let entry = Entry {
                    name: pair.name,
                    place: pair.key,
                    inside,
                };
                let mut body = None;
                if !pair.value.node.is_null() {
                    body = self.map(
                        &self.resolve(&pair.value),
                        &format!("the entry of `{}`", pair.name),
                    );
                    if body.is_none() {
                        return;
                    }
                }
                self.invoke(&entry, body, &map.scope, out);
            }
            Shape::Written(scalar) if scalar.is_null() => {
                let draft = Draft::error(Code::MISSING_KEY, value.place, "this entry names no job")
                    .hint("remove the `-`, or name a job");
                self.sink.emit_in(&value.scope, draft);
            }
            Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => {
                let Some(name) = self.text(&value, "an entry under `jobs`") else {
                    return;
                };
                let entry = Entry {
                    name: &name,
                    place: value.place,
                    inside,
                };
                self.invoke(&entry, None, &value.scope, out);
            }
        }
    }

    fn several_jobs(&self, pairs: &[Pair<'s>], value: &Resolved<'s>) {
        let Some((first, rest)) = pairs.split_first() else {
            let draft = Draft::error(Code::MISSING_KEY, value.place, "this entry names no job");
            self.sink.emit_in(&value.scope, draft);
            return;
        };
        let place = rest.first().map_or(first.key, |pair| pair.key);
        let beside = stands_beside(pairs);
        let names: Vec<String> = rest.iter().map(|pair| format!("`{}`", pair.name)).collect();
        let names = names.join(", ");
        let draft = if beside {
            let message = format!("{names} stands beside the job `{}`, not below it", first.name);
            Draft::error(Code::MISINDENTED, place, message)
                .hint(format!("indent {names} two columns more than `{}`", first.name))
                .maybe_fix(self.indent_below(pairs))
        } else {
            let message = format!(
                "an entry under `jobs` names one job, and this one has {} keys",
                pairs.len()
            );
            Draft::error(Code::WRONG_TYPE, place, message).hint("begin every job with `- `")
        };
        self.sink
            .emit_in(&value.scope, draft.related(first.key, "the entry begins here"));
    }

    fn invoke(
        &self,
        entry: &Entry<'_>,
        map: Option<Map<'s>>,
        scope: &Rc<Scope<'s>>,
        out: &mut Vec<Instance>,
    ) {
        if let Some(group) = scope.definitions.job_groups.get(entry.name) {
            self.group(group, entry, map.as_ref(), scope, out);
            return;
        }
        let Some(map) = map else {
            out.push(self.instance(entry, None, scope, &BTreeMap::new(), None));
            return;
        };
        let fields = Fields::open(&map, entry.place, "the entry");
        let Some(field) = fields.get(self, "matrix") else {
            out.push(self.instance(entry, Some(&map), scope, &BTreeMap::new(), None));
            return;
        };
        self.needs_2_1(&field, scope);
        let Some(matrix) = self.matrix(&field) else { return };
        let group = matrix.alias.unwrap_or_else(|| entry.name.to_owned());
        for combination in &matrix.combinations {
            let inner = scope.with_matrix(matrix::values(combination));
            let map = Map {
                scope: Rc::clone(&inner),
                ..map.clone()
            };
            out.push(self.instance(entry, Some(&map), &inner, combination, Some(group.clone())));
        }
    }

    fn instance(
        &self,
        entry: &Entry<'_>,
        map: Option<&Map<'s>>,
        scope: &Rc<Scope<'s>>,
        combination: &matrix::Combination<'s>,
        group: Option<String>,
    ) -> Instance {
        let what = format!("the entry of `{}`", entry.name);
        let fields = map.map(|map| Fields::open(map, entry.place, &what));
        let approval = fields.as_ref().is_some_and(|fields| self.is_approval(fields));
        if let (true, Some(map)) = (approval, map) {
            self.fields(map, entry.place, &what, APPROVAL_INVOCATION);
        }
        let fields = fields.as_ref();
        let name = fields
            .and_then(|fields| fields.text(self, "name"))
            .filter(|name| !name.trim().is_empty());
        let named = name.is_some();
        let name = name.unwrap_or_else(|| matrix::instance_name(entry.name, combination));
        let filters = fields.and_then(|fields| fields.get(self, "filters"));
        let requires = fields.map_or_else(Vec::new, |fields| self.requires(fields));
        let contexts = fields.map_or_else(Vec::new, |fields| self.contexts(fields));
        let body = if approval {
            Some(JobBody::Approval)
        } else {
            self.record_job_begins();
            self.called_job(entry, fields, scope, combination)
        };
        let left_out = self.filtered(filters.as_ref(), entry.place);
        let recorded = self.record_entry(fields, body.as_ref(), left_out.is_none());
        Instance {
            definition: entry.name.to_owned(),
            name,
            named,
            group,
            inside: None,
            place: entry.place,
            requires,
            contexts,
            left_out,
            serial_group: fields.and_then(|fields| self.serial_group(fields, entry.inside)),
            body,
            recorded,
        }
    }

    fn is_approval(&self, fields: &Fields<'s>) -> bool {
        let Some(field) = fields.get(self, "type") else {
            return false;
        };
        let Some(text) = self.text(&field.value, "`type`") else {
            return false;
        };
        if text != "approval" {
            let message = format!("an entry of a workflow cannot have the type `{text}`");
            let draft = Draft::error(Code::BAD_VALUE, field.value.place, message)
                .hint("only `type: approval` can stand here; other types belong to the job itself")
                .maybe_near(&text, &["approval"]);
            self.sink.emit_in(&fields.scope, draft);
        }
        text == "approval"
    }

    /// `override-with`: an orb's job in place of the local one, if the orb has it.
    fn overriding(&self, fields: Option<&Fields<'s>>, scope: &Rc<Scope<'s>>) -> Option<Found<'s>> {
        let field = fields?.get(self, "override-with")?;
        let name = self.text(&field.value, "`override-with`")?;
        match self.find(Element::Job, name.trim(), field.value.place, scope) {
            Search::Found(found) => Some(found),
            Search::Unknown | Search::Reported => None,
        }
    }

    fn called_job(
        &self,
        entry: &Entry<'_>,
        fields: Option<&Fields<'s>>,
        scope: &Rc<Scope<'s>>,
        combination: &matrix::Combination<'s>,
    ) -> Option<JobBody> {
        let found = self.overriding(fields, scope);
        let found = found.or_else(|| self.find_or_tell(Element::Job, entry.name, entry.place, scope));
        let steps = |name: &'static str| {
            let field = fields?.get(self, name)?;
            self.needs_2_1(&field, scope);
            Some(field.value)
        };
        let (pre_steps, post_steps) = (steps("pre-steps"), steps("post-steps"));
        let Some(found) = found else {
            // The steps around a job that cannot be had are the config's own.
            for (steps, what) in [(&pre_steps, "`pre-steps`"), (&post_steps, "`post-steps`")] {
                if let Some(steps) = steps {
                    self.steps(steps, what, 0, &mut Vec::new());
                }
            }
            return None;
        };
        let given = fields.map_or_else(Vec::new, Self::own_arguments);
        let call = JobCall {
            place: entry.place,
            scope,
            given: &given,
            matrix: combination,
            pre_steps,
            post_steps,
            in_workflow: true,
        };
        self.job(&found, &call)
    }

    /// What stands beside the entry's own keys: the job's arguments.
    fn own_arguments(fields: &Fields<'s>) -> Vec<Pair<'s>> {
        let is_own = |pair: &Pair<'s>| !INVOCATION.iter().any(|key| key.name == pair.name);
        fields.all().filter(is_own).collect()
    }

    fn contexts(&self, fields: &Fields<'s>) -> Vec<ContextName> {
        let Some(field) = fields.get(self, "context") else {
            return Vec::new();
        };
        self.texts(&field.value, "`context`")
            .into_iter()
            .filter_map(|(text, place)| {
                let name = self.name(&text, place, &fields.scope, ContextName::new)?;
                self.count_context(text, place, &fields.scope);
                Some(name)
            })
            .collect()
    }

    /// Counts the different contexts of all workflows.
    fn count_context(&self, name: String, place: Place, scope: &Scope<'s>) {
        let mut contexts = self.contexts.borrow_mut();
        let is_new = contexts.insert(name);
        if is_new && contexts.len() == MAX_CONTEXTS + 1 {
            let message = format!("this config names more than {MAX_CONTEXTS} different contexts");
            let draft =
                Draft::error(Code::LIMIT, place, message).hint("put what belongs together into one context");
            self.sink.emit_in(scope, draft);
        }
    }

    /// What an entry waits for.
    pub(crate) fn requires(&self, fields: &Fields<'s>) -> Vec<Wanted> {
        let Some(field) = fields.get(self, "requires") else {
            return Vec::new();
        };
        let Some(list) = self.list(&field.value, "`requires`") else {
            return Vec::new();
        };
        let mut wanted = Vec::new();
        for item in list.iter() {
            let value = self.resolve(&item);
            match &value.shape {
                Shape::Map(map) => {
                    for pair in map.iter() {
                        let outcomes = self.outcomes(&pair);
                        wanted.push(Wanted {
                            job: pair.name.to_owned(),
                            place: pair.key,
                            outcomes,
                        });
                    }
                }
                Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => {
                    if let Some(job) = self.text(&value, "an item of `requires`") {
                        let outcomes = BTreeSet::from([Outcome::Success]);
                        wanted.push(Wanted {
                            job,
                            place: value.place,
                            outcomes,
                        });
                    }
                }
            }
        }
        wanted
    }

    fn outcomes(&self, pair: &Pair<'s>) -> BTreeSet<Outcome> {
        let value = self.resolve(&pair.value);
        let mut outcomes = BTreeSet::new();
        for (text, place) in self.texts(&value, &format!("`{}` in `requires`", pair.name)) {
            if text == "terminal" {
                outcomes.extend(Outcome::ALL);
                continue;
            }
            if let Some((_, outcome)) = OUTCOMES.iter().find(|(name, _)| *name == text) {
                outcomes.insert(*outcome);
                continue;
            }
            let mut names: Vec<&str> = OUTCOMES.iter().map(|(name, _)| *name).collect();
            names.push("terminal");
            let message = format!("a job cannot end as `{text}`");
            let draft = Draft::error(Code::BAD_VALUE, place, message).did_you_mean(&text, &names);
            self.sink.emit_in(&value.scope, draft);
        }
        outcomes
    }
}

/// Whether what stands beside an entry's first key are keys that should stand below it.
fn stands_beside(pairs: &[Pair<'_>]) -> bool {
    let is_key = |pair: &Pair<'_>| INVOCATION.iter().any(|key| key.name == pair.name);
    pairs.iter().skip(1).all(is_key)
}
