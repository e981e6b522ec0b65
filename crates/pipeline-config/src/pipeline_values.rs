//! The documented `pipeline.…` names, and which of them have a value in this pipeline.

use crate::inputs::{ParameterValue, PipelineValues};
use crate::value::Value;

/// What a name gives.
pub(crate) enum Lookup {
    /// A value.
    Value(Value<'static>),
    /// Documented, but this pipeline has none.
    Absent,
    /// Only pipelines of a pull-request event have it; asking for it elsewhere fails.
    PullRequestOnly,
    /// Not documented.
    Unknown,
}

/// Names without a field of their own in [`PipelineValues`].
const OTHER: &[&str] = &[
    "pipeline.config.file_path",
    "pipeline.config.ref",
    "pipeline.config.repository.name",
    "pipeline.config.repository.url",
    "pipeline.config.sha",
    "pipeline.config_source",
    "pipeline.definition.id",
    "pipeline.deploy.component_name",
    "pipeline.deploy.current_version",
    "pipeline.deploy.environment_name",
    "pipeline.deploy.namespace",
    "pipeline.deploy.reason",
    "pipeline.deploy.target_environment_name",
    "pipeline.deploy.target_version",
    "pipeline.event.action",
    "pipeline.event.context.github.pr_url",
    "pipeline.event.github.after",
    "pipeline.event.github.comment.body",
    "pipeline.event.github.head_commit.url",
    "pipeline.event.github.label.name",
    "pipeline.event.github.ref",
    "pipeline.event.github.repository.name",
    "pipeline.event.github.repository.owner.login",
    "pipeline.event.github.repository.url",
    "pipeline.event.github.sender.avatar_url",
    "pipeline.event.github.sender.login",
    "pipeline.event.github.sender.type",
    "pipeline.event.name",
    "pipeline.git.base_revision",
    "pipeline.git.branch.is_default",
    "pipeline.git.commit.author_avatar_url",
    "pipeline.git.commit.author_email",
    "pipeline.git.commit.author_login",
    "pipeline.git.commit.author_name",
    "pipeline.git.commit.body",
    "pipeline.git.commit.subject",
    "pipeline.git.commit.url",
    "pipeline.git.repo_id",
    "pipeline.git.repo_name",
    "pipeline.git.repo_owner",
    "pipeline.git.repo_url",
    "pipeline.git.ssh_checkout_url",
    "pipeline.project.id",
    "pipeline.project.integration_source",
    "pipeline.project.type",
    "pipeline.schedule.id",
    "pipeline.schedule.name",
    "pipeline.trigger.id",
    "pipeline.trigger.name",
    "pipeline.trigger.received_at",
    "pipeline.trigger.type",
];

/// Names with a field of their own.
const OWN: &[&str] = &[
    "pipeline.git.branch",
    "pipeline.git.revision",
    "pipeline.git.tag",
    "pipeline.id",
    "pipeline.number",
    "pipeline.project.git_url",
    "pipeline.project.slug",
    "pipeline.trigger_source",
];

const PULL_REQUEST: &str = "pipeline.event.github.pull_request.";
const TRIGGER_PARAMETERS: &str = "pipeline.trigger_parameters.";

/// All names that can be listed.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().chain(OTHER).copied()
}

/// Looks a name up; `pipeline.parameters.…` is not asked here.
pub(crate) fn lookup(values: &PipelineValues, name: &str) -> Lookup {
    let text = |text: &str| Lookup::Value(Value::Text(text.to_owned()));
    let maybe = |text: &Option<String>| Lookup::Value(Value::Text(text.clone().unwrap_or_default()));
    match name {
        "pipeline.id" => return text(&values.id),
        "pipeline.number" => {
            return Lookup::Value(Value::Int(i64::try_from(values.number).unwrap_or(i64::MAX)));
        }
        "pipeline.project.slug" => return text(&values.project_slug),
        "pipeline.project.git_url" => return text(&values.project_git_url),
        "pipeline.git.branch" => return maybe(&values.branch),
        "pipeline.git.tag" => return maybe(&values.tag),
        "pipeline.git.revision" => return text(&values.revision),
        "pipeline.trigger_source" => return text(&values.trigger_source),
        _ => {}
    }
    if let Some(value) = values.other.get(name) {
        return Lookup::Value(from_parameter(value));
    }
    if name.starts_with(PULL_REQUEST) {
        return Lookup::PullRequestOnly;
    }
    if OTHER.contains(&name) || name.starts_with(TRIGGER_PARAMETERS) {
        return Lookup::Absent;
    }
    Lookup::Unknown
}

/// A parameter's value as the compiler sees it.
pub(crate) fn from_parameter(value: &ParameterValue) -> Value<'static> {
    match value {
        ParameterValue::Text(text) => Value::Text(text.clone()),
        ParameterValue::Bool(value) => Value::Bool(*value),
        ParameterValue::Int(value) => Value::Int(*value),
    }
}
