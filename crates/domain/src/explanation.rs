//! Why each workflow and job of a config runs or does not run for one trigger: the rule that decided, where it stands,
//! and the values it saw. The compiler makes it, `airlock config explain` prints it, and it is stored as JSON beside the
//! pipeline for pages and the API, so its shape only ever grows. Says nothing of what jobs do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{Place, Plan, PlannedJob, PlannedWorkflow};

/// What one trigger starts of a config, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The config's name, for places.
    pub file: String,
    /// Its workflows in the order of the config.
    pub workflows: Vec<ExplainedWorkflow>,
    /// What `circleci/path-filtering` would set in a setup config.
    #[serde(default)]
    pub path_filtering: Vec<PathFilter>,
}

/// One workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedWorkflow {
    /// Its name.
    pub name: String,
    /// Whether it runs, and why.
    #[serde(flatten)]
    pub decision: Decision,
    /// Its jobs; those of a workflow that is left out are not looked at.
    pub jobs: Vec<ExplainedJob>,
}

/// One job of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedJob {
    /// Its name in the workflow.
    pub name: String,
    /// The key under `jobs:`.
    pub definition: String,
    /// Whether a person must approve it.
    pub approval: bool,
    /// The jobs it waits for.
    pub requires: Vec<String>,
    /// Whether it runs, and why.
    #[serde(flatten)]
    pub decision: Decision,
}

/// Whether something runs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it runs.
    pub runs: bool,
    /// One sentence.
    pub reason: String,
    /// The rule that decided, if one of the config did.
    pub place: Option<Place>,
    /// The line of that place as it is written, cut when it is very long.
    #[serde(default)]
    pub line: Option<String>,
    /// What the rule saw, outermost first.
    pub values: Vec<SeenValue>,
}

/// A part of a condition with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenValue {
    /// How deep it stands in the condition.
    pub depth: usize,
    /// As it is written.
    pub text: String,
    /// What it is for this trigger; text in quotes.
    pub value: String,
    /// Where it stands.
    pub place: Place,
}

/// One use of the orb `circleci/path-filtering`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathFilter {
    /// The workflow it stands in.
    pub workflow: String,
    /// The job that filters.
    pub job: String,
    /// The lines of its mapping.
    pub lines: Vec<MappingLine>,
    /// The parameters that the lines set together; of several for one parameter the last counts. Nothing when no changed
    /// files were given.
    pub sets: Option<BTreeMap<String, String>>,
    /// The configs it would continue with: those that matching lines name, or the one of all lines.
    pub configs: Vec<String>,
}

/// One line of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingLine {
    /// The pattern that a whole path must match.
    pub pattern: String,
    /// The parameter it sets.
    pub parameter: String,
    /// The value as it is written, in JSON.
    pub value: String,
    /// The config that this line continues with.
    pub config: Option<String>,
    /// The first changed file that matches.
    pub matched: Option<String>,
    /// Why the pattern cannot be used.
    pub problem: Option<String>,
    /// Where the line stands in the config.
    pub place: Option<Place>,
}

impl SeenValue {
    /// What there is to say beside its text; nothing for text that stands for itself.
    #[must_use]
    pub fn told(&self) -> Option<&str> {
        let is_itself = self.value == self.text || self.value == format!("{:?}", self.text);
        (!is_itself).then_some(self.value.as_str())
    }
}

impl Explanation {
    /// Takes over what was left out of the plan after it was explained, such as jobs that nobody asked for.
    pub fn follow(&mut self, plan: &Plan) {
        for explained in &mut self.workflows {
            let of_name = |workflow: &&PlannedWorkflow| workflow.name.as_str() == explained.name;
            let Some(planned) = plan.workflows.iter().find(of_name) else {
                continue;
            };
            if let Some(left_out) = &planned.left_out {
                explained.decision.leave_out(&left_out.reason);
                explained.jobs.clear();
            }
            for job in &mut explained.jobs {
                let of_name = |planned: &&PlannedJob| planned.name.as_str() == job.name;
                let Some(planned) = planned.jobs.iter().find(of_name) else {
                    continue;
                };
                job.requires = planned
                    .requires
                    .iter()
                    .map(|required| required.job.to_string())
                    .collect();
                if let Some(left_out) = &planned.left_out {
                    job.decision.leave_out(&left_out.reason);
                }
            }
        }
    }

    /// A workflow's part.
    #[must_use]
    pub fn workflow(&self, name: &str) -> Option<&ExplainedWorkflow> {
        self.workflows.iter().find(|workflow| workflow.name == name)
    }
}

impl ExplainedWorkflow {
    /// A job's part.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&ExplainedJob> {
        self.jobs.iter().find(|job| job.name == name)
    }
}

impl Decision {
    /// What the config left out keeps its rule; what was to run was kept from it by no rule of the config.
    fn leave_out(&mut self, reason: &str) {
        if self.runs {
            *self = Self {
                runs: false,
                reason: reason.to_owned(),
                place: None,
                line: None,
                values: Vec::new(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{JobBody, LeftOut};
    use crate::{JobName, WorkflowName};

    fn decision(runs: bool, reason: &str) -> Decision {
        Decision {
            runs,
            reason: reason.to_owned(),
            place: Some(Place::new(3, 5)),
            line: Some("    when: x".to_owned()),
            values: Vec::new(),
        }
    }

    fn explained_job(name: &str, runs: bool) -> ExplainedJob {
        ExplainedJob {
            name: name.to_owned(),
            definition: name.to_owned(),
            approval: false,
            requires: Vec::new(),
            decision: decision(runs, "by a rule"),
        }
    }

    fn planned_job(name: &str, left_out: bool) -> PlannedJob {
        PlannedJob {
            name: JobName::new(name).expect("a name"),
            definition: name.to_owned(),
            place: Place::new(9, 9),
            requires: Vec::new(),
            contexts: Vec::new(),
            left_out: left_out.then(asked_for_another),
            body: JobBody::Approval,
            serial_group: None,
        }
    }

    fn asked_for_another() -> LeftOut {
        LeftOut {
            reason: "another job was asked for".to_owned(),
            place: Place::default(),
        }
    }

    fn workflow(name: &str, left_out: bool, jobs: Vec<PlannedJob>) -> PlannedWorkflow {
        PlannedWorkflow {
            name: WorkflowName::new(name).expect("a name"),
            left_out: left_out.then(asked_for_another),
            jobs,
            schedules: Vec::new(),
            auto_reruns: None,
        }
    }

    #[test]
    fn what_was_left_out_later_is_told_and_rules_of_the_config_stay() {
        let part = |name: &str, jobs| ExplainedWorkflow {
            name: name.to_owned(),
            decision: decision(true, "it has no `when`"),
            jobs,
        };
        let mut explanation = Explanation {
            file: "c.yml".to_owned(),
            workflows: vec![
                part(
                    "ci",
                    vec![
                        explained_job("a", true),
                        explained_job("b", true),
                        explained_job("c", false),
                    ],
                ),
                part("nightly", vec![explained_job("a", true)]),
            ],
            path_filtering: Vec::new(),
        };
        let plan = Plan {
            setup: None,
            workflows: vec![
                workflow(
                    "ci",
                    false,
                    vec![
                        planned_job("a", false),
                        planned_job("b", true),
                        planned_job("c", true),
                    ],
                ),
                workflow("nightly", true, vec![planned_job("a", false)]),
            ],
        };
        explanation.follow(&plan);
        let ci = explanation.workflow("ci").expect("it is there");
        let told = |name: &str| {
            let decision = &ci.job(name).expect("it is there").decision;
            (decision.runs, decision.reason.as_str(), decision.place.is_some())
        };
        assert_eq!(told("a"), (true, "by a rule", true));
        assert_eq!(told("b"), (false, "another job was asked for", false));
        assert_eq!(told("c"), (false, "by a rule", true));
        let nightly = explanation.workflow("nightly").expect("it is there");
        assert!(!nightly.decision.runs && nightly.jobs.is_empty());

        let text = serde_json::to_string(&explanation).expect("it is JSON");
        let read: Explanation = serde_json::from_str(&text).expect("it is read");
        assert_eq!(read, explanation);
    }

    #[test]
    fn text_that_stands_for_itself_needs_no_value() {
        let seen = |text: &str, value: &str| SeenValue {
            depth: 0,
            text: text.to_owned(),
            value: value.to_owned(),
            place: Place::default(),
        };
        assert_eq!(seen("main", "\"main\"").told(), None);
        assert_eq!(seen("1", "1").told(), None);
        assert_eq!(seen("pipeline.number", "7").told(), Some("7"));
    }
}
