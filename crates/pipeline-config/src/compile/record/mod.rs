//! The compiled form, noted down while compiling. The compiler expands a config once; a run that wants the form of
//! version 2 back switches the recorder on, and it keeps what each built-in step, job and workflow entry said with its
//! `<< … >>` filled in. Without it nothing is noted and a plan costs what it always did. Called by `steps`, `executor`,
//! `job`, `invocation` and `workflow` where they read these things; decides nothing about the plan.

mod deep;
mod form;
mod job;
mod workflow;

use std::cell::RefCell;

use airlock_yaml_tree::Data;

use self::job::Layer;
use self::workflow::RecordedWorkflow;
use crate::scope::Map;

pub(crate) use self::workflow::RecordedEntry;
use super::Compiler;

/// What has been noted so far.
#[derive(Default)]
pub(crate) struct Recorder {
    /// Steps of the job being compiled.
    steps: RefCell<Vec<Data>>,
    /// Its own keys, then those of its executor.
    layers: RefCell<Vec<Layer>>,
    workflows: RefCell<Vec<RecordedWorkflow>>,
    /// Top-level keys that stay.
    top: RefCell<Vec<(String, Data)>>,
}

/// Top-level keys that mean something in the compiled form too.
const KEPT_AT_THE_TOP: [&str; 2] = ["setup", "x-airlock"];

impl<'s> Compiler<'s> {
    /// Notes the keys of the file that stay.
    pub(crate) fn record_top(&self, map: &Map<'s>) {
        let Some(recorder) = &self.recorder else { return };
        let kept = map
            .iter()
            .filter(|pair| KEPT_AT_THE_TOP.contains(&pair.name))
            .map(|pair| (pair.name.to_owned(), self.deep(&pair.value)))
            .filter(|(_, value)| !matches!(value, Data::Null | Data::Bool(false)));
        *recorder.top.borrow_mut() = kept.collect();
    }
}
