//! The documented `pipeline.…` names, and which of them have a value in this pipeline.

use crate::inputs::{ParameterValue, PipelineValues};
use crate::keys::PIPELINE_VALUES;
use crate::suggest;
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

const PULL_REQUEST: &str = "pipeline.event.github.pull_request.";
const TRIGGER_PARAMETERS: &str = "pipeline.trigger_parameters.";

/// All names that can be listed.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PIPELINE_VALUES.iter().map(|value| value.name)
}

/// The documented name that was meant by one that is nearly so, such as `pipeline.git.branch` by `pipeline.git.brnach`.
/// Nothing for a documented name, and for one that is like none: whoever gives it a value may know more.
pub fn meant_pipeline_value(name: &str) -> Option<&'static str> {
    let is_known = names().any(|known| known == name)
        || name.starts_with(PULL_REQUEST)
        || name.starts_with(TRIGGER_PARAMETERS);
    if is_known {
        return None;
    }
    suggest::nearest(name, names())
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
    if name == "pipeline.project.type" && !values.project_slug.is_empty() {
        return text(project_type(&values.project_slug));
    }
    if name.starts_with(PULL_REQUEST) {
        return Lookup::PullRequestOnly;
    }
    if names().any(|known| known == name) || name.starts_with(TRIGGER_PARAMETERS) {
        return Lookup::Absent;
    }
    Lookup::Unknown
}

/// The forge of a project when nobody says. Orbs choose among the large ones by it and take no other, so a project of
/// the built-in remote or of a small forge goes as one of GitHub.
fn project_type(slug: &str) -> &'static str {
    match slug.split('/').next() {
        Some("gl" | "gitlab") => "gitlab",
        Some("bb" | "bitbucket") => "bitbucket",
        _ => "github",
    }
}

/// A parameter's value as the compiler sees it.
pub(crate) fn from_parameter(value: &ParameterValue) -> Value<'static> {
    match value {
        ParameterValue::Text(text) => Value::Text(text.clone()),
        ParameterValue::Bool(value) => Value::Bool(*value),
        ParameterValue::Int(value) => Value::Int(*value),
    }
}
