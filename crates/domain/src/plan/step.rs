//! What a step does.

use serde::{Deserialize, Serialize};

use super::Place;
use crate::names::EnvName;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What pages call it.
    pub name: String,
    /// When it runs, seen from the steps before it.
    pub when: StepWhen,
    /// What it does.
    pub body: StepBody,
    /// Where it stands.
    pub place: Place,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepWhen {
    /// Only while no step failed: the default.
    OnSuccess,
    /// Only after a step failed.
    OnFail,
    /// In both cases.
    Always,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepBody {
    /// A shell script.
    Run {
        /// The script.
        command: String,
        /// Its own shell with flags; empty means the job's.
        shell: Vec<String>,
        /// Its own variables.
        environment: Vec<(EnvName, String)>,
        /// Its own directory, relative to the job's; `None` means the job's.
        working_directory: Option<String>,
        /// Whether the next step starts at once.
        background: bool,
        /// Silence after which it is stopped, in milliseconds.
        no_output_timeout_ms: u64,
        /// How often it is tried again when it fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auto_rerun: Option<AutoRerun>,
        /// The old `deploy` step: with several slices it runs only on the first, once the others succeeded.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deploy: bool,
    },
    /// Clones the repository at the pipeline's commit.
    Checkout {
        /// Where to; `None` means the job's working directory.
        path: Option<String>,
        /// How much of the history; `None` means that nobody said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<CheckoutMethod>,
    },
    /// Keeps files beyond the job's end.
    StoreArtifacts {
        /// File or folder, relative to the job's working directory.
        path: String,
        /// Prefix of the stored paths.
        destination: Option<String>,
    },
    /// Hands files to later jobs that ask for the key.
    SaveCache {
        /// A template in the form of [`crate::cache_key`].
        key: String,
        /// Files and folders, relative to the job's working directory.
        paths: Vec<String>,
    },
    /// Takes the newest cache whose key begins with the first key that has one.
    RestoreCache {
        /// Templates in the form of [`crate::cache_key`], in order.
        keys: Vec<String>,
    },
    /// Reads test results.
    StoreTestResults {
        /// File or folder, relative to the job's working directory.
        path: String,
    },
    /// Hands files to the workflow's later jobs.
    PersistToWorkspace {
        /// The folder that `paths` are relative to.
        root: String,
        /// Patterns in the form of [`crate::path_pattern`].
        paths: Vec<String>,
    },
    /// Takes what earlier jobs of the workflow persisted.
    AttachWorkspace {
        /// The folder it goes to.
        at: String,
    },
    /// Adds the project's further SSH keys.
    AddSshKeys {
        /// Which of them; empty means all.
        fingerprints: Vec<String>,
    },
    /// Gives the job a Docker engine.
    SetupRemoteDocker {
        /// Its version; `None` means the default.
        version: Option<String>,
        /// Whether layers of images are kept between jobs.
        docker_layer_caching: bool,
    },
    /// Installs the signing bundle of a macOS job.
    InstallSigningBundle,
}

/// How often and how soon a failed step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoRerun {
    /// Further tries, at least one.
    pub max: u32,
    /// Time between two of them, in milliseconds.
    pub delay_ms: u64,
}

/// How much of the history a checkout takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutMethod {
    /// All commits, and files only as they are needed.
    Blobless,
    /// Everything.
    Full,
    /// The newest commits.
    Shallow {
        /// How many.
        depth: u32,
    },
}
