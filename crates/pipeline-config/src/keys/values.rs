//! The `pipeline.…` values: what each is, and of which type.

/// The type of a pipeline value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
}

/// One value of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipelineValue {
    /// With `pipeline.` before it.
    pub name: &'static str,
    /// Its type where it has a value.
    pub kind: ValueType,
    /// What it is, in one sentence.
    pub about: &'static str,
}

const fn text(name: &'static str, about: &'static str) -> PipelineValue {
    PipelineValue {
        name,
        kind: ValueType::Text,
        about,
    }
}

const fn boolean(name: &'static str, about: &'static str) -> PipelineValue {
    PipelineValue {
        name,
        kind: ValueType::Boolean,
        about,
    }
}

const fn integer(name: &'static str, about: &'static str) -> PipelineValue {
    PipelineValue {
        name,
        kind: ValueType::Integer,
        about,
    }
}

/// The documented values. Those under `pipeline.trigger_parameters.` beside the one listed are whatever the sender of a
/// trigger says, and `pipeline.parameters.` are the config's own.
pub const PIPELINE_VALUES: &[PipelineValue] = &[
    text("pipeline.id", "Identifies the pipeline, as a UUID."),
    integer("pipeline.number", "Counts the pipelines of the project."),
    text("pipeline.name", "Is the name of the pipeline's definition."),
    text(
        "pipeline.integration_source",
        "Says through which kind of connection the code is fetched.",
    ),
    text(
        "pipeline.definition.id",
        "Identifies the definition that the pipeline was made by.",
    ),
    text("pipeline.project.id", "Identifies the project."),
    text("pipeline.project.slug", "Is the short path of the project."),
    text(
        "pipeline.project.git_url",
        "Is where the project's repository is hosted.",
    ),
    text(
        "pipeline.project.type",
        "Names the forge in lower case, such as `github`.",
    ),
    text(
        "pipeline.project.integration_source",
        "Says through which kind of connection the project is built.",
    ),
    text(
        "pipeline.git.branch",
        "Is the branch that is built; empty for a tag.",
    ),
    boolean(
        "pipeline.git.branch.is_default",
        "Says whether that branch is the default one.",
    ),
    text(
        "pipeline.git.tag",
        "Is the tag that is built; empty for a branch.",
    ),
    text(
        "pipeline.git.revision",
        "Is the commit that is built, with all its digits.",
    ),
    text(
        "pipeline.git.base_revision",
        "Is the commit of the branch's pipeline before this one; the first has none.",
    ),
    text("pipeline.git.repo_url", "Is where the repository is found."),
    text("pipeline.git.repo_owner", "Is who owns the repository."),
    text(
        "pipeline.git.repo_name",
        "Is the repository's name without its owner.",
    ),
    text("pipeline.git.repo_id", "Identifies the repository."),
    text(
        "pipeline.git.ssh_checkout_url",
        "Is where the repository is found by SSH.",
    ),
    text("pipeline.git.commit.url", "Links to the commit."),
    text(
        "pipeline.git.commit.subject",
        "Is the first line of the commit's message.",
    ),
    text("pipeline.git.commit.body", "Is the rest of the commit's message."),
    text(
        "pipeline.git.commit.author_login",
        "Is the account of the commit's author.",
    ),
    text(
        "pipeline.git.commit.author_name",
        "Is the name of the commit's author.",
    ),
    text(
        "pipeline.git.commit.author_email",
        "Is the mail address of the commit's author.",
    ),
    text(
        "pipeline.git.commit.author_avatar_url",
        "Links to the picture of the commit's author.",
    ),
    text(
        "pipeline.config_source",
        "Says where the config came from; it begins with `api` when it was sent along.",
    ),
    text(
        "pipeline.config.repository.name",
        "Names the repository that holds the config.",
    ),
    text(
        "pipeline.config.repository.url",
        "Links to the repository that holds the config.",
    ),
    text(
        "pipeline.config.file_path",
        "Is the path of the config in its repository.",
    ),
    text(
        "pipeline.config.ref",
        "Is the ref that the config was read at, such as `refs/heads/main`.",
    ),
    text(
        "pipeline.config.sha",
        "Is the commit that the config was read at.",
    ),
    text(
        "pipeline.trigger.received_at",
        "Is the time at which the pipeline was asked for.",
    ),
    text("pipeline.trigger.id", "Identifies the trigger."),
    text("pipeline.trigger.name", "Is the trigger's name."),
    text(
        "pipeline.trigger.type",
        "Says what asked for the pipeline, such as `api` or `schedule`.",
    ),
    text(
        "pipeline.trigger_source",
        "Says what asked for the pipeline, in older words; `pipeline.trigger.type` replaces it.",
    ),
    text(
        "pipeline.schedule.name",
        "Is the name of the schedule that asked for the pipeline.",
    ),
    text(
        "pipeline.schedule.id",
        "Identifies the schedule that asked for the pipeline.",
    ),
    text(
        "pipeline.event.name",
        "Is the kind of event, such as `push` or `pull_request`.",
    ),
    text(
        "pipeline.event.action",
        "Says what was done to the event's subject, such as `opened`.",
    ),
    text(
        "pipeline.event.context.github.pr_url",
        "Links to the pull request of the commit, if it has one.",
    ),
    text("pipeline.event.github.after", "Is the newest commit of the push."),
    text("pipeline.event.github.ref", "Is the ref that was pushed."),
    text(
        "pipeline.event.github.head_commit.url",
        "Links to the newest commit of the push.",
    ),
    text(
        "pipeline.event.github.label.name",
        "Is the label that was set or taken away.",
    ),
    text(
        "pipeline.event.github.comment.body",
        "Is the text of the comment.",
    ),
    text(
        "pipeline.event.github.sender.type",
        "Says whether a person or a bot caused the event.",
    ),
    text(
        "pipeline.event.github.sender.login",
        "Is the account that caused the event.",
    ),
    text(
        "pipeline.event.github.sender.avatar_url",
        "Links to the picture of who caused the event.",
    ),
    text(
        "pipeline.event.github.repository.name",
        "Is the name of the event's repository.",
    ),
    text(
        "pipeline.event.github.repository.owner.login",
        "Is the owner of the event's repository.",
    ),
    text(
        "pipeline.event.github.repository.url",
        "Links to the event's repository.",
    ),
    text(
        "pipeline.event.github.pull_request.base.ref",
        "Is the branch that the pull request goes into.",
    ),
    text(
        "pipeline.event.github.pull_request.base.sha",
        "Is the commit that the pull request goes onto.",
    ),
    text(
        "pipeline.event.github.pull_request.head.ref",
        "Is the branch that the pull request comes from.",
    ),
    text(
        "pipeline.event.github.pull_request.head.sha",
        "Is the newest commit of the pull request.",
    ),
    boolean(
        "pipeline.event.github.pull_request.draft",
        "Says whether the pull request is a draft.",
    ),
    boolean(
        "pipeline.event.github.pull_request.merged",
        "Says whether the pull request was merged.",
    ),
    text(
        "pipeline.event.github.pull_request.title",
        "Is the pull request's title.",
    ),
    integer(
        "pipeline.event.github.pull_request.number",
        "Is the pull request's number.",
    ),
    text(
        "pipeline.event.github.pull_request.url",
        "Links to the pull request.",
    ),
    text(
        "pipeline.deploy.component_name",
        "Is the component that is deployed or taken back.",
    ),
    text(
        "pipeline.deploy.environment_name",
        "Is the environment that is deployed to.",
    ),
    text(
        "pipeline.deploy.target_environment_name",
        "Is the environment that is deployed to.",
    ),
    text(
        "pipeline.deploy.target_version",
        "Is the version that is wanted there.",
    ),
    text("pipeline.deploy.current_version", "Is the version that is there."),
    text(
        "pipeline.deploy.namespace",
        "Is the namespace in that environment.",
    ),
    text("pipeline.deploy.reason", "Says why it is deployed or taken back."),
    text(
        "pipeline.trigger_parameters.webhook.body",
        "Is the body of the webhook as it came.",
    ),
];
