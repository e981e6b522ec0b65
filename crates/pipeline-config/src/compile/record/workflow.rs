//! Workflows as they were compiled: their entries with the names, requirements and filters that came out.

use std::collections::BTreeSet;

use airlock_domain::plan::{JobBody, Outcome, PlannedJob, Requirement};
use airlock_yaml_tree::Data;

use super::super::Compiler;
use crate::fields::{Field, Fields};
use crate::scope::Shape;

/// Keys of an entry that stay, each filled in.
const KEPT: [&str; 4] = ["context", "filters", "serial-group", "type"];

/// Keys of a workflow that stay.
const KEPT_OF_WORKFLOW: [&str; 2] = ["triggers", "max_auto_reruns"];

/// Every way to end but success has its word.
const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Success, "success"),
    (Outcome::Failed, "failed"),
    (Outcome::Canceled, "canceled"),
    (Outcome::Unauthorized, "unauthorized"),
    (Outcome::NotRun, "not_run"),
];

/// One entry of a workflow before its name is settled.
#[derive(Debug)]
pub(crate) struct RecordedEntry {
    keys: Vec<(String, Data)>,
    /// Nothing for an approval.
    job: Option<Data>,
}

/// One entry with its name.
pub(super) struct NamedEntry {
    pub(super) name: String,
    pub(super) keys: Vec<(String, Data)>,
    pub(super) job: Option<Data>,
}

/// One workflow that runs.
pub(super) struct RecordedWorkflow {
    pub(super) name: String,
    pub(super) keys: Vec<(String, Data)>,
    pub(super) entries: Vec<NamedEntry>,
}

impl<'s> Compiler<'s> {
    /// What is to be noted of an entry, right after its job was compiled.
    pub(crate) fn record_entry(
        &self,
        fields: Option<&Fields<'s>>,
        body: Option<&JobBody>,
        runs: bool,
    ) -> Option<Box<RecordedEntry>> {
        self.recorder.as_ref()?;
        let job = self.recorded_job();
        let mut keys = Vec::new();
        for name in KEPT {
            let Some(field) = fields.and_then(|fields| fields.get(self, name)) else {
                continue;
            };
            let is_expression = matches!(field.value.shape, Shape::Written(_) | Shape::Computed(_));
            let value = if name == "filters" && is_expression {
                decided(runs)
            } else {
                self.deep_resolved(&field.value)
            };
            keys.push((name.to_owned(), value));
        }
        let approval = matches!(body, Some(JobBody::Approval));
        if approval && !keys.iter().any(|(name, _)| name == "type") {
            keys.push(("type".to_owned(), Data::Text("approval".to_owned())));
        }
        let job = job.filter(|_| !approval);
        Some(Box::new(RecordedEntry { keys, job }))
    }

    /// What is to be noted of a job that the compiler itself puts at the ends of a job group.
    pub(crate) fn record_boundary(
        &self,
        filters: Option<&Field<'s>>,
        body: &JobBody,
    ) -> Option<Box<RecordedEntry>> {
        self.recorder.as_ref()?;
        let mut keys = Vec::new();
        if let Some(field) = filters {
            keys.push(("filters".to_owned(), self.deep_resolved(&field.value)));
        }
        let text = |text: &str| Data::Text(text.to_owned());
        let job = match body {
            JobBody::Lock { key } => vec![("type".to_owned(), text("lock")), ("key".to_owned(), text(key))],
            JobBody::Unlock { key } => {
                vec![("type".to_owned(), text("unlock")), ("key".to_owned(), text(key))]
            }
            JobBody::NoOp | JobBody::Build(_) | JobBody::Approval | JobBody::Release(_) => {
                vec![("type".to_owned(), text("no-op"))]
            }
        };
        Some(Box::new(RecordedEntry {
            keys,
            job: Some(Data::Map(job)),
        }))
    }

    /// Notes a workflow that runs. Entries and jobs are in the same order.
    pub(crate) fn record_workflow(
        &self,
        name: &str,
        fields: Option<&Fields<'s>>,
        entries: Vec<Option<Box<RecordedEntry>>>,
        jobs: &[PlannedJob],
    ) {
        let Some(recorder) = &self.recorder else { return };
        let mut keys = Vec::new();
        for key in KEPT_OF_WORKFLOW {
            if let Some(field) = fields.and_then(|fields| fields.get(self, key)) {
                keys.push((key.to_owned(), self.deep_resolved(&field.value)));
            }
        }
        let entries = entries
            .into_iter()
            .zip(jobs)
            .filter_map(|(entry, job)| entry.map(|entry| named(*entry, job)))
            .collect();
        recorder.workflows.borrow_mut().push(RecordedWorkflow {
            name: name.to_owned(),
            keys,
            entries,
        });
    }

    /// Notes the one job of a file without workflows. Its `branches`, which count only there, become filters.
    pub(crate) fn record_implicit(&self, workflow: &str, job: &PlannedJob) {
        let Some(mut entry) = self.record_entry(None, Some(&job.body), true) else {
            return;
        };
        if let Some(Data::Map(keys)) = &mut entry.job
            && let Some(at) = keys.iter().position(|(name, _)| name == "branches")
        {
            let branches = keys.remove(at);
            entry.keys.push(("filters".to_owned(), Data::Map(vec![branches])));
        }
        self.record_workflow(workflow, None, vec![Some(entry)], std::slice::from_ref(job));
    }
}

/// Filters that say what an expression decided: everything, tags included, or nothing.
fn decided(runs: bool) -> Data {
    let rule = |word: &str| {
        let all = Data::Text("/.*/".to_owned());
        Data::Map(vec![(word.to_owned(), all)])
    };
    if runs {
        Data::Map(vec![
            ("branches".to_owned(), rule("only")),
            ("tags".to_owned(), rule("only")),
        ])
    } else {
        Data::Map(vec![("branches".to_owned(), rule("ignore"))])
    }
}

fn named(entry: RecordedEntry, job: &PlannedJob) -> NamedEntry {
    let mut keys = entry.keys;
    if !job.requires.is_empty() {
        let list = job.requires.iter().map(requirement).collect();
        keys.push(("requires".to_owned(), Data::List(list)));
    }
    NamedEntry {
        name: job.name.as_str().to_owned(),
        keys,
        job: entry.job,
    }
}

fn requirement(requirement: &Requirement) -> Data {
    let name = requirement.job.as_str().to_owned();
    if requirement.outcomes == BTreeSet::from([Outcome::Success]) {
        return Data::Text(name);
    }
    let mut words: Vec<Data> = OUTCOMES
        .iter()
        .filter(|(outcome, _)| requirement.outcomes.contains(outcome))
        .map(|(_, word)| Data::Text((*word).to_owned()))
        .collect();
    let status = match words.len() {
        1 => words.remove(0),
        count if count == OUTCOMES.len() => Data::Text("terminal".to_owned()),
        _ => Data::List(words),
    };
    Data::Map(vec![(name, status)])
}
