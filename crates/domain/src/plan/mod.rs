//! The compiled pipeline: what a config means for one trigger, with every template filled in and every job of every
//! workflow decided. The compiler makes it, the engine and the agents follow it, and it is stored as JSON beside the
//! pipeline, so its shape only ever grows: what was added after the first version has a default.
//!
//! A plan says what the config says. Whether an installation can run all of it is not decided here.

mod executor;
mod job;
mod platform;
mod step;
mod workflow;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use executor::{Container, ContainerSettings, Executor, MacOs, Machine, RegistryAuth};
pub use job::{BuildJob, JobBody, ReleaseJob, ReleaseValidation, SerialGroup, SignalCheck};
pub use platform::{Platform, UnknownPlatform};
pub use step::{AutoRerun, CheckoutMethod, Step, StepBody, StepWhen};
pub use workflow::{
    AutoReruns, BranchRule, LeftOut, Outcome, PlannedJob, PlannedWorkflow, Requirement, Schedule,
};

/// Everything one trigger starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflows in the order of the config.
    pub workflows: Vec<PlannedWorkflow>,
    /// Where the config says `setup: true`: another config follows, sent by one of its jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Place>,
}

/// A place in the source of the config, and for what stands in an orb, the place there as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Where in which orb it stands. Line and column are then those of the config's call that led there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orb: Option<Box<OrbPlace>>,
}

/// A place in the source of an orb.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrbPlace {
    /// The orb's name in messages: its file, its address, or `circleci/node@5.2.0`.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// A place in the config itself.
    #[must_use]
    pub const fn new(line: u32, column: u32) -> Self {
        Self {
            line,
            column,
            orb: None,
        }
    }
}

impl Default for Place {
    /// The start of the file, for plans stored before a place was kept.
    fn default() -> Self {
        Self::new(1, 1)
    }
}

impl fmt::Display for OrbPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Plan {
    /// Whether any workflow has a job that runs.
    #[must_use]
    pub fn runs_anything(&self) -> bool {
        self.workflows.iter().any(|workflow| {
            workflow.left_out.is_none() && workflow.jobs.iter().any(|job| job.left_out.is_none())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan as the first version stored it.
    const FIRST: &str = r#"{"workflows":[{"name":"w","left_out":null,"jobs":[{"name":"j","definition":"j",
        "place":{"line":9,"column":3},"requires":[{"job":"i","outcomes":["success"]}],"contexts":["c"],
        "left_out":{"reason":"no","place":{"line":1,"column":2}},"body":{"Build":{"executor":{"Docker":{
        "image":"x:1","place":{"line":2,"column":3}}},"resource_class":"medium","parallelism":2,
        "environment":[["A","1"]],"working_directory":"~/project","shell":["sh"],"steps":[
        {"name":"a","when":"always","place":{"line":3,"column":4},"body":{"Run":{"command":"make","shell":[],
        "environment":[],"working_directory":null,"background":false,"no_output_timeout_ms":600000}}},
        {"name":"b","when":"on_success","place":{"line":4,"column":4},"body":{"Checkout":{"path":null}}},
        {"name":"c","when":"always","place":{"line":5,"column":4},"body":{"StoreArtifacts":{"path":"p",
        "destination":null}}}]}}},{"name":"h","definition":"h","place":{"line":9,"column":3},"requires":[],
        "contexts":[],"left_out":null,"body":"Approval"}]}]}"#;

    #[test]
    fn plans_stored_by_the_first_version_are_read() {
        let plan: Plan = serde_json::from_str(FIRST).expect("the first version's plan");
        let first: serde_json::Value = serde_json::from_str(FIRST).expect("JSON");
        let again = serde_json::to_value(&plan).expect("plans are JSON");
        assert_eq!(again, first, "what is as by default is not written");
        assert!(plan.runs_anything());
    }
}
