//! What the caller hands in: the file, the pipeline's values and the parameters of the trigger.

use std::collections::BTreeMap;

use crate::orbs::Orbs;

/// One config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in diagnostics, such as `.circleci/config.yml`.
    pub file: String,
    /// Its bytes, untouched.
    pub bytes: Vec<u8>,
}

impl Source {
    /// Makes a source.
    pub fn new(file: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            file: file.into(),
            bytes: bytes.into(),
        }
    }
}

/// Everything outside the file that a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Values the file may name as `pipeline.…`.
    pub pipeline: PipelineValues,
    /// Pipeline parameters given with the trigger.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// The resource class of jobs that name none: an operator's choice.
    pub default_resource_class: String,
    /// The orbs the config needs, from [`crate::gather`].
    pub orbs: Orbs,
    /// Beginnings of addresses that orbs may come from: each `https://…/`, with the slash at its end.
    pub orb_url_prefixes: Vec<String>,
    /// The workflow whose schedule started the pipeline; it alone runs. Others with a schedule run never else.
    pub scheduled_workflow: Option<String>,
    /// What went before, when this config continues a setup config.
    pub continuation: Option<Continuation>,
}

/// A setup config that was run, and now this one follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Continuation {
    /// Pipeline parameters that the setup pipeline was triggered with. They hold on, and none may be given again.
    pub given_before: BTreeMap<String, ParameterValue>,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            pipeline: PipelineValues::default(),
            parameters: BTreeMap::new(),
            default_resource_class: "medium".to_owned(),
            orbs: Orbs::default(),
            orb_url_prefixes: Vec::new(),
            scheduled_workflow: None,
            continuation: None,
        }
    }
}

/// Values of one pipeline. `other` takes every further documented `pipeline.…` name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineValues {
    /// `pipeline.id`.
    pub id: String,
    /// `pipeline.number`.
    pub number: u64,
    /// `pipeline.project.slug`.
    pub project_slug: String,
    /// `pipeline.project.git_url`.
    pub project_git_url: String,
    /// `pipeline.git.branch`; absent on tag builds.
    pub branch: Option<String>,
    /// `pipeline.git.tag`.
    pub tag: Option<String>,
    /// `pipeline.git.revision`.
    pub revision: String,
    /// `pipeline.trigger_source`.
    pub trigger_source: String,
    /// Further values by their full name.
    pub other: BTreeMap<String, ParameterValue>,
}

impl PipelineValues {
    /// The values of a pipeline that is none: the first one of a local project, on the branch `main`. For whoever looks
    /// at a config without a pipeline, such as a command line, an editor or a measurement.
    pub fn made_up() -> Self {
        Self {
            id: "00000000-0000-0000-0000-000000000001".to_owned(),
            number: 1,
            project_slug: "git/local/project".to_owned(),
            branch: Some("main".to_owned()),
            revision: "0".repeat(40),
            trigger_source: "api".to_owned(),
            ..Self::default()
        }
    }
}

/// A value of a pipeline parameter or pipeline value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// `string` and `enum`.
    Text(String),
    /// `boolean`.
    Bool(bool),
    /// `integer`.
    Int(i64),
}
