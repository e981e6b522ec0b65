//! The kinds of maps, each with its table.

use super::{Key, definitions, executors, job, steps, workflow};

/// A kind of map in a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file.
    Top,
    /// An orb written in place.
    Orb,
    /// Where an orb says who made it.
    Display,
    /// The switches of `experimental`.
    Experimental,
    /// Which branches are told of.
    Notify,
    /// A command.
    Command,
    /// A parameter's declaration.
    Parameter,
    /// The statement `matches`.
    Matches,
    /// An executor.
    Executor,
    /// One container.
    Docker,
    /// A virtual machine.
    Machine,
    /// A virtual machine of macOS.
    Macos,
    /// Sign-in at a registry.
    Auth,
    /// Sign-in at Amazon's registry.
    AwsAuth,
    /// Sign-in at Google's registry.
    GcpAuth,
    /// A job that runs steps.
    Job,
    /// A job that waits for a person.
    ApprovalJob,
    /// A job that does nothing.
    NoOpJob,
    /// A job that takes or gives back a lock.
    LockJob,
    /// A job that starts a release.
    ReleaseJob,
    /// How a release is watched.
    Validation,
    /// One source of data on a release.
    ValidationWebhook,
    /// How long what a job stores is kept.
    Retention,
    /// A group of jobs.
    JobGroup,
    /// A workflow.
    Workflow,
    /// What starts a workflow.
    Trigger,
    /// A timetable.
    Schedule,
    /// Where a workflow names a job.
    Invocation,
    /// Where a workflow waits for a person.
    ApprovalInvocation,
    /// Where a workflow names a group of jobs.
    GroupInvocation,
    /// A matrix.
    Matrix,
    /// Branches and tags.
    Filters,
    /// Which of them.
    Filter,
    /// The step `run`, and `deploy`.
    Run,
    /// The step `checkout`.
    Checkout,
    /// The step `setup_remote_docker`.
    SetupRemoteDocker,
    /// The step `save_cache`.
    SaveCache,
    /// The step `restore_cache`.
    RestoreCache,
    /// The step `store_artifacts`.
    StoreArtifacts,
    /// The step `store_test_results`.
    StoreTestResults,
    /// The step `persist_to_workspace`.
    PersistToWorkspace,
    /// The step `attach_workspace`.
    AttachWorkspace,
    /// The step `add_ssh_keys`.
    AddSshKeys,
    /// The steps `when` and `unless`.
    Condition,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 44] = [
        Self::Top,
        Self::Orb,
        Self::Display,
        Self::Experimental,
        Self::Notify,
        Self::Command,
        Self::Parameter,
        Self::Matches,
        Self::Executor,
        Self::Docker,
        Self::Machine,
        Self::Macos,
        Self::Auth,
        Self::AwsAuth,
        Self::GcpAuth,
        Self::Job,
        Self::ApprovalJob,
        Self::NoOpJob,
        Self::LockJob,
        Self::ReleaseJob,
        Self::Validation,
        Self::ValidationWebhook,
        Self::Retention,
        Self::JobGroup,
        Self::Workflow,
        Self::Trigger,
        Self::Schedule,
        Self::Invocation,
        Self::ApprovalInvocation,
        Self::GroupInvocation,
        Self::Matrix,
        Self::Filters,
        Self::Filter,
        Self::Run,
        Self::Checkout,
        Self::SetupRemoteDocker,
        Self::SaveCache,
        Self::RestoreCache,
        Self::StoreArtifacts,
        Self::StoreTestResults,
        Self::PersistToWorkspace,
        Self::AttachWorkspace,
        Self::AddSshKeys,
        Self::Condition,
    ];

    /// Its table.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Top => definitions::TOP,
            Self::Orb => definitions::ORB,
            Self::Display => definitions::DISPLAY,
            Self::Experimental => definitions::EXPERIMENTAL,
            Self::Notify => definitions::NOTIFY,
            Self::Command => definitions::COMMAND,
            Self::Parameter => definitions::PARAMETER,
            Self::Matches => definitions::MATCHES,
            Self::Executor => executors::EXECUTOR,
            Self::Docker => executors::DOCKER,
            Self::Machine => executors::MACHINE,
            Self::Macos => executors::MACOS,
            Self::Auth => executors::AUTH,
            Self::AwsAuth => executors::AWS_AUTH,
            Self::GcpAuth => executors::GCP_AUTH,
            Self::Job => job::JOB,
            Self::ApprovalJob => job::APPROVAL_JOB,
            Self::NoOpJob => job::NO_OP_JOB,
            Self::LockJob => job::LOCK_JOB,
            Self::ReleaseJob => job::RELEASE_JOB,
            Self::Validation => job::VALIDATION,
            Self::ValidationWebhook => job::VALIDATION_WEBHOOK,
            Self::Retention => job::RETENTION,
            Self::JobGroup => job::JOB_GROUP,
            Self::Workflow => workflow::WORKFLOW,
            Self::Trigger => workflow::TRIGGER,
            Self::Schedule => workflow::SCHEDULE,
            Self::Invocation => workflow::INVOCATION,
            Self::ApprovalInvocation => workflow::APPROVAL_INVOCATION,
            Self::GroupInvocation => workflow::GROUP_INVOCATION,
            Self::Matrix => workflow::MATRIX,
            Self::Filters => workflow::FILTERS,
            Self::Filter => workflow::FILTER,
            Self::Run => steps::RUN,
            Self::Checkout => steps::CHECKOUT,
            Self::SetupRemoteDocker => steps::SETUP_REMOTE_DOCKER,
            Self::SaveCache => steps::SAVE_CACHE,
            Self::RestoreCache => steps::RESTORE_CACHE,
            Self::StoreArtifacts => steps::STORE_ARTIFACTS,
            Self::StoreTestResults => steps::STORE_TEST_RESULTS,
            Self::PersistToWorkspace => steps::PERSIST_TO_WORKSPACE,
            Self::AttachWorkspace => steps::ATTACH_WORKSPACE,
            Self::AddSshKeys => steps::ADD_SSH_KEYS,
            Self::Condition => steps::CONDITION,
        }
    }

    /// What the key means in a map of this kind; nothing when it has no such key.
    pub fn describe(self, key: &str) -> Option<&'static Key> {
        self.keys().iter().find(|known| known.name == key)
    }

    /// Whether keys of the config's own making stand beside those of the table.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Top | Self::Invocation)
    }
}
