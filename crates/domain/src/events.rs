//! What pages, `--json` readers and the live channel hear: one small record per thing that happened, in the field
//! names of `airlock run --json` and `airlock pipeline watch --json`.

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, PipelineId, WorkflowId};

/// One line of `--json` output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// What kind of thing happened.
    #[serde(rename = "type")]
    pub kind: HappeningKind,
    /// When, as RFC 3339.
    pub at: String,
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The workflow's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The workflow's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The job's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The job's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The slice, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<u32>,
    /// The step's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The step's number, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_index: Option<u32>,
    /// The new status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A step's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A piece of output, for `output` only; not always a whole line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where in the step's log `text` begins, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// The kinds of happenings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HappeningKind {
    /// The pipeline's state changed.
    Pipeline,
    /// A workflow's status changed.
    Workflow,
    /// A job's status changed.
    Job,
    /// A slice's status changed.
    Slice,
    /// A step began.
    StepStart,
    /// A step ended or was skipped.
    StepEnd,
    /// A piece of a step's output.
    Output,
}

impl Happening {
    /// A happening of this kind with only the pipeline named.
    #[must_use]
    pub fn new(kind: HappeningKind, at: String, pipeline: PipelineId) -> Self {
        Self {
            kind,
            at,
            pipeline,
            workflow: None,
            workflow_id: None,
            job: None,
            job_id: None,
            slice: None,
            step: None,
            step_index: None,
            status: None,
            exit_code: None,
            reason: None,
            text: None,
            offset: None,
        }
    }
}
