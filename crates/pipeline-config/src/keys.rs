//! The tables of keys: for each kind of map, which keys it has and what this compiler does with each. A key that
//! CircleCI documents and that is not honoured stands here as [`Support::Later`], so that it is refused by name.

/// What the compiler does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// It is honoured.
    Yes,
    /// It is refused; the text says what it would be.
    Later(&'static str),
    /// It is skipped with a warning; the text says why that is right.
    Ignored(&'static str),
}

/// One key of a kind of map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) support: Support,
}

const fn yes(name: &'static str) -> Key {
    Key {
        name,
        support: Support::Yes,
    }
}

const fn later(name: &'static str, feature: &'static str) -> Key {
    Key {
        name,
        support: Support::Later(feature),
    }
}

const fn ignored(name: &'static str, reason: &'static str) -> Key {
    Key {
        name,
        support: Support::Ignored(reason),
    }
}

/// Keys at the top of the file. Other keys are let through there: configs keep anchors in them.
pub(crate) const TOP: &[Key] = &[
    yes("version"),
    yes("commands"),
    yes("executors"),
    yes("parameters"),
    yes("jobs"),
    yes("workflows"),
    yes("description"),
    later("setup", "setup workflows and their continuation"),
    later("orbs", "packages of jobs and commands"),
    later("job-groups", "groups of jobs"),
    ignored("experimental", "only CircleCI's own mails read it"),
];

const MACHINE: &str = "only the `docker` executor runs jobs here";

/// Keys of a job.
pub(crate) const JOB: &[Key] = &[
    yes("docker"),
    yes("executor"),
    yes("steps"),
    yes("type"),
    yes("parameters"),
    yes("parallelism"),
    yes("environment"),
    yes("working_directory"),
    yes("shell"),
    yes("resource_class"),
    yes("description"),
    yes("branches"),
    later("machine", MACHINE),
    later("macos", MACHINE),
    later("circleci_ip_ranges", "fixed addresses for what a job sends"),
    later("retention", "how long caches are kept"),
    later("key", "jobs of type `lock` and `unlock`"),
    later("plan_name", "jobs of type `release`"),
    later("validation", "jobs of type `release`"),
];

/// Keys of a job of type `approval`.
pub(crate) const APPROVAL_JOB: &[Key] = &[yes("type"), yes("description")];

/// Keys of an executor.
pub(crate) const EXECUTOR: &[Key] = &[
    yes("docker"),
    yes("parameters"),
    yes("environment"),
    yes("working_directory"),
    yes("shell"),
    yes("resource_class"),
    yes("description"),
    later("machine", MACHINE),
    later("macos", MACHINE),
];

/// Keys of one item under `docker`.
pub(crate) const DOCKER: &[Key] = &[
    yes("image"),
    yes("environment"),
    later("name", "host names of containers"),
    later("entrypoint", "an entrypoint of one's own"),
    later("command", "a container command of one's own"),
    later("user", "the user that steps run as"),
    later("auth", "sign-in at a registry"),
    later("aws_auth", "sign-in at a registry"),
    later("gcp_auth", "sign-in at a registry"),
];

/// Keys of a command.
pub(crate) const COMMAND: &[Key] = &[yes("description"), yes("parameters"), yes("steps")];

/// Keys of a parameter's declaration.
pub(crate) const PARAMETER: &[Key] = &[yes("type"), yes("description"), yes("default"), yes("enum")];

/// Keys of `run`.
pub(crate) const RUN: &[Key] = &[
    yes("command"),
    yes("name"),
    yes("shell"),
    yes("environment"),
    yes("background"),
    yes("working_directory"),
    yes("no_output_timeout"),
    yes("when"),
    later("max_auto_reruns", "automatic reruns of a step"),
    later("auto_rerun_delay", "automatic reruns of a step"),
];

/// Keys of `checkout`.
pub(crate) const CHECKOUT: &[Key] = &[
    yes("path"),
    yes("name"),
    later("method", "the way of cloning"),
    later("depth", "the way of cloning"),
];

/// Keys of `store_artifacts`.
pub(crate) const STORE_ARTIFACTS: &[Key] = &[yes("path"), yes("destination"), yes("name")];

/// Keys of the steps `when` and `unless`.
pub(crate) const CONDITION: &[Key] = &[yes("condition"), yes("steps")];

/// Steps that exist and are not honoured.
pub(crate) const LATER_STEPS: &[(&str, &str)] = &[
    ("setup_remote_docker", "a Docker engine for the job"),
    ("save_cache", "caches"),
    ("restore_cache", "caches"),
    ("store_test_results", "test results"),
    ("persist_to_workspace", "workspaces"),
    ("attach_workspace", "workspaces"),
    ("add_ssh_keys", "further SSH keys in a job"),
    ("install_signing_bundle", "signing for macOS"),
    (
        "deploy",
        "the deprecated `deploy` step; a `run` step in a job without parallelism does the same",
    ),
];

/// Steps that are honoured.
pub(crate) const STEPS: &[&str] = &["run", "checkout", "store_artifacts", "when", "unless", "steps"];

/// Keys of a workflow.
pub(crate) const WORKFLOW: &[Key] = &[
    yes("jobs"),
    yes("when"),
    yes("unless"),
    later("triggers", "scheduled workflows"),
    later("max_auto_reruns", "automatic reruns of a workflow"),
];

/// Keys a workflow's entry for a job has beside the job's parameters.
pub(crate) const INVOCATION: &[Key] = &[
    yes("requires"),
    yes("name"),
    yes("context"),
    yes("type"),
    yes("filters"),
    yes("matrix"),
    yes("pre-steps"),
    yes("post-steps"),
    later(
        "serial-group",
        "jobs that wait for their turn over several pipelines",
    ),
    later("override-with", "jobs replaced by an orb's"),
];

/// Keys of a workflow's entry of type `approval`.
pub(crate) const APPROVAL_INVOCATION: &[Key] = &[
    yes("requires"),
    yes("name"),
    yes("context"),
    yes("type"),
    yes("filters"),
    later(
        "serial-group",
        "jobs that wait for their turn over several pipelines",
    ),
];

/// Keys of `matrix`.
pub(crate) const MATRIX: &[Key] = &[yes("parameters"), yes("exclude"), yes("alias")];

/// Keys of `filters`.
pub(crate) const FILTERS: &[Key] = &[yes("branches"), yes("tags")];

/// Keys of `branches` and `tags`.
pub(crate) const FILTER: &[Key] = &[yes("only"), yes("ignore")];

/// Keys of the statement `matches`.
pub(crate) const MATCHES: &[Key] = &[yes("pattern"), yes("value")];
