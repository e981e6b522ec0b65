//! Settles a workflow's jobs once all are known: unique names, what `requires` means, no cycles, and which jobs are left
//! out because everything they wait for is.

use std::collections::BTreeMap;

use airlock_domain::plan::{LeftOut, PlannedJob, Requirement};
use airlock_domain::{JobName, WorkflowName};

use super::Compiler;
use super::invocation::{Instance, Wanted};
use crate::diagnostic::Code;
use crate::scope::Scope;
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// Turns the instances of a workflow into its planned jobs.
    pub(crate) fn settle(
        &self,
        workflow: &WorkflowName,
        mut instances: Vec<Instance>,
        scope: &Scope<'s>,
    ) -> Option<Vec<PlannedJob>> {
        let mut index = Index::default();
        for (at, instance) in instances.iter().enumerate() {
            index.bases.entry(instance.name.clone()).or_default().push(at);
        }
        number(&mut instances);
        for (at, instance) in instances.iter().enumerate() {
            index.names.entry(instance.name.clone()).or_default().push(at);
            if let Some(group) = &instance.group {
                index.groups.entry(group.clone()).or_default().push(at);
            }
        }
        self.check_unique(workflow, &instances, scope);
        let edges: Vec<Vec<(usize, Wanted)>> = (0..instances.len())
            .map(|at| self.required(workflow, &instances, &index, at, scope))
            .collect();
        let order = self.order(&instances, &edges, scope)?;
        for at in order {
            if instances[at].left_out.is_none() {
                instances[at].left_out = self.nobody_left(&instances, &edges[at]);
            }
        }
        let names: Vec<String> = instances.iter().map(|instance| instance.name.clone()).collect();
        let mut jobs = Vec::new();
        for (instance, edges) in instances.into_iter().zip(edges) {
            jobs.push(self.planned(instance, &edges, &names, scope));
        }
        jobs.into_iter().collect()
    }

    fn planned(
        &self,
        instance: Instance,
        edges: &[(usize, Wanted)],
        names: &[String],
        scope: &Scope<'s>,
    ) -> Option<PlannedJob> {
        let requires: Option<Vec<Requirement>> = edges
            .iter()
            .map(|(target, wanted)| {
                let job = JobName::new(names[*target].clone()).ok()?;
                Some(Requirement {
                    job,
                    outcomes: wanted.outcomes.clone(),
                })
            })
            .collect();
        let name = self.name(&instance.name, instance.place, scope, JobName::new)?;
        Some(PlannedJob {
            name,
            definition: instance.definition,
            place: self.sink.plan_place(instance.place),
            requires: requires?,
            contexts: instance.contexts,
            left_out: instance.left_out,
            body: instance.body?,
            serial_group: instance.serial_group,
        })
    }

    fn check_unique(&self, workflow: &WorkflowName, instances: &[Instance], scope: &Scope<'s>) {
        let mut seen: BTreeMap<&str, &Instance> = BTreeMap::new();
        for instance in instances {
            let Some(first) = seen.insert(&instance.name, instance) else {
                continue;
            };
            let message = format!("two jobs of workflow '{workflow}' are called '{}'", instance.name);
            let mut draft = Draft::error(Code::DUPLICATE_NAME, instance.place, message)
                .hint("give one of them another `name`; in a matrix, use `<< matrix.… >>` in it");
            if first.place != instance.place {
                draft = draft.related(first.place, "the other one");
            }
            self.sink.emit_in(scope, draft);
        }
    }

    /// The jobs that one job waits for: by name, or all of a matrix by its alias or by the one name they were given.
    fn required(
        &self,
        workflow: &WorkflowName,
        instances: &[Instance],
        index: &Index,
        at: usize,
        scope: &Scope<'s>,
    ) -> Vec<(usize, Wanted)> {
        let mut edges: Vec<(usize, Wanted)> = Vec::new();
        let mut position: BTreeMap<usize, usize> = BTreeMap::new();
        for wanted in &instances[at].requires {
            let found = index
                .names
                .get(&wanted.job)
                .or_else(|| index.groups.get(&wanted.job))
                .or_else(|| {
                    index
                        .bases
                        .get(&wanted.job)
                        .filter(|same| one_entry(instances, same))
                })
                .filter(|found| {
                    found
                        .iter()
                        .all(|target| is_visible(&instances[*target], &instances[at], wanted))
                });
            let Some(found) = found else {
                let count = index.bases.get(&wanted.job).map_or(0, Vec::len);
                self.unknown_requirement(workflow, instances, at, wanted, count, scope);
                continue;
            };
            for target in found {
                if let Some(at) = position.get(target) {
                    edges[*at].1.outcomes.extend(wanted.outcomes.iter().copied());
                } else {
                    position.insert(*target, edges.len());
                    edges.push((*target, wanted.clone()));
                }
            }
        }
        edges
    }

    fn unknown_requirement(
        &self,
        workflow: &WorkflowName,
        instances: &[Instance],
        at: usize,
        wanted: &Wanted,
        count: usize,
        scope: &Scope<'s>,
    ) {
        let message = format!(
            "Job '{}' requires '{}', which is the name of {count} other jobs in workflow '{workflow}'",
            instances[at].name, wanted.job
        );
        let renamed = instances
            .iter()
            .find(|instance| instance.definition == wanted.job);
        let names: Vec<&str> = instances
            .iter()
            .filter(|instance| instance.name != instances[at].name)
            .map(|instance| instance.name.as_str())
            .collect();
        let draft = Draft::error(Code::UNKNOWN_JOB, wanted.place, message);
        let hidden = instances
            .iter()
            .find(|instance| instance.name == wanted.job)
            .and_then(|instance| instance.inside.as_ref());
        let draft = match (count, renamed) {
            _ if let Some(group) = hidden => draft.hint(format!("require the job group `{group}` it is in")),
            (1.., _) => draft.hint("give each of them a `name` and require that"),
            (_, Some(renamed)) => draft
                .rename(&wanted.job, &renamed.name)
                .hint(format!(
                    "the job `{}` is called `{}` here",
                    wanted.job, renamed.name
                ))
                .related(renamed.place, "its name is given here"),
            (_, None) => draft.did_you_mean(&wanted.job, &names),
        };
        self.sink.emit_in(scope, draft);
    }

    /// An order in which everything comes after what it requires; nothing when there is a cycle.
    fn order(
        &self,
        instances: &[Instance],
        edges: &[Vec<(usize, Wanted)>],
        scope: &Scope<'s>,
    ) -> Option<Vec<usize>> {
        let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
        let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); instances.len()];
        for (at, targets) in edges.iter().enumerate() {
            for (target, _) in targets {
                dependants[*target].push(at);
            }
        }
        let mut order: Vec<usize> = (0..instances.len()).filter(|at| waiting[*at] == 0).collect();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for dependant in &dependants[at] {
                waiting[*dependant] -= 1;
                if waiting[*dependant] == 0 {
                    order.push(*dependant);
                }
            }
        }
        if order.len() == instances.len() {
            return Some(order);
        }
        let start = (0..instances.len()).find(|at| waiting[*at] > 0)?;
        self.cycle(instances, edges, &waiting, start, scope);
        None
    }

    /// Walks along unsatisfied requirements until a job comes twice; that loop is the cycle.
    fn cycle(
        &self,
        instances: &[Instance],
        edges: &[Vec<(usize, Wanted)>],
        waiting: &[usize],
        start: usize,
        scope: &Scope<'s>,
    ) {
        let mut path = vec![start];
        let mut at = start;
        loop {
            let Some((next, _)) = edges[at].iter().find(|(target, _)| waiting[*target] > 0) else {
                return;
            };
            if let Some(begin) = path.iter().position(|seen| seen == next) {
                path.drain(..begin);
                break;
            }
            path.push(*next);
            at = *next;
        }
        let names: Vec<&str> = path.iter().map(|at| instances[*at].name.as_str()).collect();
        let first = path[0];
        let message = format!(
            "The job \"{}\" is part of a cycle: it would wait for itself",
            names[0]
        );
        let mut draft = Draft::error(Code::REQUIRES_CYCLE, instances[first].place, message)
            .hint("remove one of these `requires`");
        for (index, at) in path.iter().enumerate() {
            let next = path[(index + 1) % path.len()];
            if let Some((_, wanted)) = edges[*at].iter().find(|(target, _)| *target == next) {
                let role = format!("'{}' requires '{}'", instances[*at].name, instances[next].name);
                draft = draft.related(wanted.place, role);
            }
        }
        self.sink.emit_in(scope, draft);
    }

    /// A required job that is left out is ignored; when all are, the job cannot run either.
    fn nobody_left(&self, instances: &[Instance], edges: &[(usize, Wanted)]) -> Option<LeftOut> {
        let (_, wanted) = edges.first()?;
        let all = edges
            .iter()
            .all(|(target, _)| instances[*target].left_out.is_some());
        const NAMED: usize = 3;
        let mut names: Vec<String> = edges
            .iter()
            .take(NAMED)
            .map(|(target, _)| format!("'{}'", instances[*target].name))
            .collect();
        if edges.len() > NAMED {
            names.push(format!("and {} more", edges.len() - NAMED));
        }
        all.then(|| LeftOut {
            reason: format!("every job it requires is left out: {}", names.join(", ")),
            place: self.sink.plan_place(wanted.place),
        })
    }
}

/// Where names lead to.
#[derive(Default)]
struct Index {
    /// Names before numbers were added.
    bases: BTreeMap<String, Vec<usize>>,
    names: BTreeMap<String, Vec<usize>>,
    /// Names of matrices.
    groups: BTreeMap<String, Vec<usize>>,
}

/// Whether a job may require another one: what is inside a job group is known only there, and its end by its name.
fn is_visible(target: &Instance, from: &Instance, wanted: &Wanted) -> bool {
    target.inside.is_none() || target.inside == from.inside || target.inside.as_ref() == Some(&wanted.job)
}

/// Whether all come from one entry, a matrix.
fn one_entry(instances: &[Instance], same: &[usize]) -> bool {
    same.windows(2)
        .all(|pair| instances[pair[0]].place == instances[pair[1]].place)
}

/// Jobs without a name of their own that are called twice are told apart by a number, and so are the jobs of a matrix
/// that was given one name for all.
pub(super) fn number(instances: &mut [Instance]) {
    let key = |instance: &Instance| (instance.name.clone(), instance.named.then_some(instance.place));
    let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    for instance in instances.iter() {
        counts.entry(key(instance)).or_default().0 += 1;
    }
    for instance in instances.iter_mut() {
        if let Some((count, used)) = counts.get_mut(&key(instance))
            && *count > 1
        {
            *used += 1;
            instance.name = format!("{}-{used}", instance.name);
        }
    }
}
