//! The steps that need no definition.

use super::Kind;

/// A built-in step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BuiltInStep {
    /// As it is written.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The map below it; nothing when it takes none.
    pub kind: Option<Kind>,
    /// Whether it may stand alone, without anything below it.
    pub alone: bool,
    /// Whether text may stand in place of the map.
    pub text: bool,
}

const fn step(name: &'static str, kind: Kind, about: &'static str) -> BuiltInStep {
    BuiltInStep {
        name,
        about,
        kind: Some(kind),
        alone: false,
        text: false,
    }
}

const fn alone(step: BuiltInStep) -> BuiltInStep {
    BuiltInStep { alone: true, ..step }
}

/// All built-in steps.
pub const BUILT_IN_STEPS: &[BuiltInStep] = &[
    BuiltInStep {
        text: true,
        ..step("run", Kind::Run, "Runs a command in a shell.")
    },
    alone(step(
        "checkout",
        Kind::Checkout,
        "Fetches the repository at the pipeline's commit.",
    )),
    step(
        "save_cache",
        Kind::SaveCache,
        "Keeps files under a key for later pipelines.",
    ),
    step(
        "restore_cache",
        Kind::RestoreCache,
        "Brings back files that an earlier pipeline kept.",
    ),
    step(
        "store_artifacts",
        Kind::StoreArtifacts,
        "Keeps files of the job for download.",
    ),
    step(
        "store_test_results",
        Kind::StoreTestResults,
        "Reads the results of tests, for the page and for splitting tests by time.",
    ),
    step(
        "persist_to_workspace",
        Kind::PersistToWorkspace,
        "Hands files on to later jobs of the workflow.",
    ),
    step(
        "attach_workspace",
        Kind::AttachWorkspace,
        "Takes the files that earlier jobs of the workflow handed on.",
    ),
    alone(step(
        "setup_remote_docker",
        Kind::SetupRemoteDocker,
        "Gives the job a Docker engine.",
    )),
    alone(step(
        "add_ssh_keys",
        Kind::AddSshKeys,
        "Adds keys of the project to the job's SSH agent.",
    )),
    BuiltInStep {
        name: "install_signing_bundle",
        about: "Installs certificates for signing on macOS.",
        kind: None,
        alone: true,
        text: false,
    },
    BuiltInStep {
        text: true,
        ..step(
            "deploy",
            Kind::Run,
            "Runs a command on one copy of the job, once the others are done; it is out of date.",
        )
    },
    step(
        "when",
        Kind::Condition,
        "Has its steps in the job if the condition is true.",
    ),
    step(
        "unless",
        Kind::Condition,
        "Has its steps in the job if the condition is false.",
    ),
    BuiltInStep {
        name: "steps",
        about: "Inserts a parameter's steps.",
        kind: None,
        alone: false,
        text: true,
    },
];

/// Their names.
pub(crate) const STEPS: &[&str] = &[
    "run",
    "checkout",
    "setup_remote_docker",
    "save_cache",
    "restore_cache",
    "store_artifacts",
    "store_test_results",
    "persist_to_workspace",
    "attach_workspace",
    "add_ssh_keys",
    "install_signing_bundle",
    "deploy",
    "when",
    "unless",
    "steps",
];

/// Those that version 2 does not have.
pub(crate) const STEPS_OF_2_1: &[&str] = &["when", "unless", "steps"];

/// What steps were called before version 2 was finished, as `- type: shell` with the step's keys beside it, and what they
/// are called since. Configs of version 2 still have some.
pub(crate) const EARLY_STEPS: &[(&str, &str)] = &[
    ("shell", "run"),
    ("checkout", "checkout"),
    ("deploy", "deploy"),
    ("cache-save", "save_cache"),
    ("cache-restore", "restore_cache"),
    ("artifacts-store", "store_artifacts"),
    ("test-results-store", "store_test_results"),
    ("add-ssh-keys", "add_ssh_keys"),
    ("setup-docker-engine", "setup_remote_docker"),
];
