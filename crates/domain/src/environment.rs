//! Which variables a job sees: CircleCI's built-ins and the order in which sources win
//! (run step > job > built-ins > contexts > project).

use crate::names::EnvName;
use crate::secret::Secret;

/// A variable and where its value may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: EnvName,
    /// Its value.
    pub value: Value,
}

/// A plain or a secret value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// May be shown.
    Plain(String),
    /// Masked in logs, never stored unsealed.
    Secret(Secret),
}

/// Merges variables; later sources win over earlier ones, each name stands once, at its first place.
#[must_use]
pub fn merge(sources_weakest_first: impl IntoIterator<Item = Vec<Variable>>) -> Vec<Variable> {
    let mut merged: Vec<Variable> = Vec::new();
    for variable in sources_weakest_first.into_iter().flatten() {
        match merged.iter_mut().find(|present| present.name == variable.name) {
            Some(present) => present.value = variable.value,
            None => merged.push(variable),
        }
    }
    merged
}

/// What the built-in variables are made from.
#[derive(Debug, Clone, Default)]
pub struct BuiltIns<'a> {
    /// `CIRCLE_BRANCH`; absent on tag builds.
    pub branch: Option<&'a str>,
    /// `CIRCLE_TAG`.
    pub tag: Option<&'a str>,
    /// `CIRCLE_SHA1`.
    pub sha: &'a str,
    /// `CIRCLE_BUILD_NUM`.
    pub build_num: u64,
    /// `CIRCLE_BUILD_URL`.
    pub build_url: &'a str,
    /// `CIRCLE_JOB`.
    pub job: &'a str,
    /// `CIRCLE_NODE_INDEX`.
    pub node_index: u32,
    /// `CIRCLE_NODE_TOTAL`.
    pub node_total: u32,
    /// `CIRCLE_ORGANIZATION_ID`.
    pub organization_id: &'a str,
    /// `CIRCLE_PROJECT_ID`.
    pub project_id: &'a str,
    /// `CIRCLE_PIPELINE_ID`.
    pub pipeline_id: &'a str,
    /// `CIRCLE_WORKFLOW_ID`.
    pub workflow_id: &'a str,
    /// `CIRCLE_WORKFLOW_JOB_ID`.
    pub workflow_job_id: &'a str,
    /// `CIRCLE_PROJECT_USERNAME`: the organisation.
    pub org: &'a str,
    /// `CIRCLE_PROJECT_REPONAME`.
    pub repo: &'a str,
    /// `CIRCLE_REPOSITORY_URL`.
    pub repository_url: &'a str,
    /// `CIRCLE_WORKING_DIRECTORY`, tilde not expanded.
    pub working_directory: &'a str,
    /// `CIRCLE_USERNAME`: who triggered.
    pub username: Option<&'a str>,
}

impl BuiltIns<'_> {
    /// The variables, in a fixed order.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        let (build_num, index, total) = (
            self.build_num.to_string(),
            self.node_index.to_string(),
            self.node_total.to_string(),
        );
        let always = [
            ("CI", "true"),
            ("CIRCLECI", "true"),
            ("CIRCLE_BUILD_NUM", &build_num),
            ("CIRCLE_BUILD_URL", self.build_url),
            ("CIRCLE_JOB", self.job),
            ("CIRCLE_NODE_INDEX", &index),
            ("CIRCLE_NODE_TOTAL", &total),
            ("CIRCLE_ORGANIZATION_ID", self.organization_id),
            ("CIRCLE_PIPELINE_ID", self.pipeline_id),
            ("CIRCLE_PROJECT_ID", self.project_id),
            ("CIRCLE_PROJECT_REPONAME", self.repo),
            ("CIRCLE_PROJECT_USERNAME", self.org),
            ("CIRCLE_REPOSITORY_URL", self.repository_url),
            ("CIRCLE_SHA1", self.sha),
            ("CIRCLE_WORKFLOW_ID", self.workflow_id),
            ("CIRCLE_WORKFLOW_JOB_ID", self.workflow_job_id),
            ("CIRCLE_WORKFLOW_WORKSPACE_ID", self.workflow_id),
            ("CIRCLE_WORKING_DIRECTORY", self.working_directory),
        ];
        let sometimes = [
            ("CIRCLE_BRANCH", self.branch),
            ("CIRCLE_TAG", self.tag),
            ("CIRCLE_USERNAME", self.username),
        ];
        always
            .into_iter()
            .chain(
                sometimes
                    .into_iter()
                    .filter_map(|(name, value)| value.map(|value| (name, value))),
            )
            .filter_map(|(name, value)| {
                EnvName::new(name).ok().map(|name| Variable {
                    name,
                    value: Value::Plain(value.to_owned()),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, value: &str) -> Variable {
        Variable {
            name: EnvName::new(name).expect("a name"),
            value: Value::Plain(value.into()),
        }
    }

    #[test]
    fn later_sources_win_and_names_stand_once() {
        let merged = merge([
            vec![plain("A", "project"), plain("B", "project")],
            vec![plain("A", "job")],
        ]);
        assert_eq!(merged, [plain("A", "job"), plain("B", "project")]);
    }

    #[test]
    fn a_tag_build_has_no_branch() {
        let built_ins = BuiltIns {
            tag: Some("v1"),
            ..BuiltIns::default()
        }
        .variables();
        assert!(built_ins.contains(&plain("CIRCLE_TAG", "v1")));
        assert!(
            !built_ins
                .iter()
                .any(|variable| variable.name.as_str() == "CIRCLE_BRANCH")
        );
        assert!(built_ins.contains(&plain("CI", "true")));
    }
}
