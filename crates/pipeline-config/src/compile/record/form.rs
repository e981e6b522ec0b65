//! Puts the compiled form together: version 2, the jobs that some workflow runs, the workflows that run.

use std::collections::{BTreeMap, BTreeSet};

use airlock_yaml_tree::Data;

use super::Recorder;
use super::workflow::{NamedEntry, RecordedWorkflow};
use crate::processed::Processed;

impl Recorder {
    /// What was noted, as a config.
    pub(crate) fn finish(self, header: Vec<String>) -> Processed {
        let workflows = self.workflows.into_inner();
        let mut jobs = Jobs::new(&workflows);
        let mut listed: Vec<(String, Data)> = workflows
            .into_iter()
            .map(|workflow| written(workflow, &mut jobs))
            .collect();
        let version = ("version".to_owned(), Data::Number("2".to_owned()));
        listed.push(version.clone());
        let mut config = vec![version];
        config.extend(self.top.into_inner());
        config.push(("jobs".to_owned(), Data::Map(jobs.defined)));
        config.push(("workflows".to_owned(), Data::Map(listed)));
        Processed {
            header,
            config: Data::Map(config),
        }
    }
}

fn written(workflow: RecordedWorkflow, jobs: &mut Jobs) -> (String, Data) {
    let entries = workflow
        .entries
        .into_iter()
        .map(|entry| jobs.entry(entry))
        .collect();
    let mut keys = workflow.keys;
    keys.push(("jobs".to_owned(), Data::List(entries)));
    (workflow.name, Data::Map(keys))
}

/// The jobs of all workflows under names of their own. A name means one job in each workflow, but may mean different
/// ones in two; the later one is then defined under a name with a number, and its entry says what it is called.
struct Jobs {
    defined: Vec<(String, Data)>,
    /// Where a name stands in `defined`; names may not differ in case alone.
    index: BTreeMap<String, usize>,
    /// Names that entries have, which no number may make by chance.
    taken: BTreeSet<String>,
}

impl Jobs {
    fn new(workflows: &[RecordedWorkflow]) -> Self {
        let names = workflows.iter().flat_map(|workflow| &workflow.entries);
        Self {
            defined: Vec::new(),
            index: BTreeMap::new(),
            taken: names.map(|entry| entry.name.to_lowercase()).collect(),
        }
    }

    fn entry(&mut self, entry: NamedEntry) -> Data {
        let NamedEntry { name, mut keys, job } = entry;
        let key = match job {
            Some(job) => self.define(&name, job),
            None => name.clone(),
        };
        if key != name {
            keys.insert(0, ("name".to_owned(), Data::Text(name)));
        }
        if keys.is_empty() {
            Data::Text(key)
        } else {
            Data::Map(vec![(key, Data::Map(keys))])
        }
    }

    fn define(&mut self, name: &str, job: Data) -> String {
        if self.fits(name, &job) {
            return self.put(name.to_owned(), job);
        }
        let mut number = 2;
        loop {
            let candidate = format!("{name}-{number}");
            if !self.taken.contains(&candidate.to_lowercase()) && self.fits(&candidate, &job) {
                return self.put(candidate, job);
            }
            number += 1;
        }
    }

    /// Whether the name is free, or means this very job already.
    fn fits(&self, name: &str, job: &Data) -> bool {
        let at = self.index.get(&name.to_lowercase());
        at.and_then(|at| self.defined.get(*at))
            .is_none_or(|(present, defined)| present == name && defined == job)
    }

    fn put(&mut self, name: String, job: Data) -> String {
        let next = self.defined.len();
        if *self.index.entry(name.to_lowercase()).or_insert(next) == next {
            self.defined.push((name.clone(), job));
        }
        name
    }
}
