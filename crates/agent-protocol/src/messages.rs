//! The messages themselves. Each names who sends it, and each under a lease can be sent again without harm.

use airlock_domain::plan::{AutoRerun, Container, ContainerSettings, Platform, StepWhen};
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_domain::{AgentId, ArtifactId, EgressPolicy, JobId, PipelineId, Timestamp, WorkflowId};
use serde::{Deserialize, Serialize};

use crate::{EgressReport, ResourceReport, SecretValue};

/// The claim that a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The slice, from 0.
    pub slice: u32,
    /// The fencing number of the claim.
    pub fence: u64,
}

/// Agent → server: "give me work". Held open by the server until there is some or `wait_ms` is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// The protocol the agent speaks.
    pub protocol: u32,
    /// Who asks.
    pub agent: AgentId,
    /// Name of the machine, for people.
    pub name: String,
    /// Slices it can take now.
    pub free: u32,
    /// How long it is willing to wait, in milliseconds.
    pub wait_ms: u64,
    /// The kinds of machine it has for jobs.
    #[serde(default = "linux")]
    pub offers: Vec<Platform>,
}

/// What agents had before they said so.
fn linux() -> Vec<Platform> {
    vec![Platform::Linux]
}

/// Server → agent: an answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReply {
    /// The work, if there was any.
    pub assignment: Option<Assignment>,
}

/// One slice for one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The claim.
    pub lease: Lease,
    /// How long it lives without a heartbeat, in milliseconds.
    pub lease_ms: u64,
    /// What to do.
    pub spec: JobSpec,
}

/// All an agent needs to run one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// `git/<org>/<repo>`.
    pub project: String,
    /// The job's name.
    pub job_name: String,
    /// The job's number in its project.
    pub number: u64,
    /// Slices of this job in all.
    pub parallelism: u32,
    /// The image, as the config names it.
    pub image: String,
    /// Whether the job asks for a machine and not for containers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub machine: bool,
    /// What else the config says of the first container.
    #[serde(default)]
    pub primary: ContainerSettings,
    /// The containers beside the first.
    #[serde(default)]
    pub services: Vec<Container>,
    /// How to sign in for the image of each container, the first one's first.
    #[serde(default)]
    pub logins: Vec<Option<RegistryLogin>>,
    /// The resource class, as the config names it.
    pub resource_class: String,
    /// Where steps run.
    pub working_directory: String,
    /// The job's shell; empty means the default.
    pub shell: Vec<String>,
    /// Plain variables in the order of precedence already decided.
    pub environment: Vec<(String, String)>,
    /// Secret variables that no plain one covers.
    pub secrets: Vec<(String, SecretValue)>,
    /// Every secret value to mask, the covered ones included.
    pub masks: Vec<SecretValue>,
    /// The steps.
    pub steps: Vec<StepSpec>,
    /// The repository, where the job has a checkout.
    pub source: Option<Source>,
    /// How long the whole slice may run, in milliseconds.
    pub run_time_ms: u64,
    /// What it may reach outside.
    #[serde(default)]
    pub egress: EgressPolicy,
    /// Whether somebody may enter over SSH from the beginning, and the sandbox waits for that after the last step.
    #[serde(default)]
    pub ssh: bool,
}

/// A user of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretValue,
}

/// One step as the agent runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub when: StepWhen,
    /// What it does.
    pub work: StepWork,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepWork {
    /// A shell script.
    Run {
        /// The script.
        command: String,
        /// Its own shell; empty means the job's.
        shell: Vec<String>,
        /// Its own variables.
        environment: Vec<(String, String)>,
        /// Its own directory.
        working_directory: Option<String>,
        /// Whether the next step starts at once.
        background: bool,
        /// Silence after which it is stopped, in milliseconds.
        no_output_timeout_ms: u64,
        /// How often it is tried again when it fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auto_rerun: Option<AutoRerun>,
    },
    /// Clone the source.
    Checkout {
        /// Where to; `None` means the working directory.
        path: Option<String>,
    },
    /// Keep files.
    StoreArtifacts {
        /// File or folder.
        path: String,
        /// Prefix of the stored paths.
        destination: Option<String>,
    },
}

/// Where the code is and how to get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// User, host, port and path are also in `url`; the agent dials this host and no other.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The clone URL as CIRCLE_REPOSITORY_URL shows it.
    pub url: String,
    /// The host's public key in OpenSSH form (`ssh-ed25519 AAAA…`).
    pub host_key: String,
    /// The project's deploy key, an OpenSSH private key in PEM.
    pub deploy_key: SecretValue,
    /// The commit.
    pub sha: String,
    /// The branch, on branch builds.
    pub branch: Option<String>,
    /// The tag, on tag builds.
    pub tag: Option<String>,
}

/// Agent → server: a step began, ended or was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The claim.
    pub lease: Lease,
    /// The step's number, from 0. Number 0 is the agent's own first step, "Spin up environment".
    pub step: u32,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: StepStatus,
    /// Its exit code, where it ran to an end.
    pub exit_code: Option<i32>,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// When this happened by the agent's clock.
    pub at: Timestamp,
}

/// Agent → server: log bytes of a step follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHeader {
    /// The claim.
    pub lease: Lease,
    /// The step's number.
    pub step: u32,
    /// Where in the step's log these bytes begin.
    pub offset: u64,
}

/// Server → agent: the log up to here is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAck {
    /// The next byte the server wants.
    pub next: u64,
}

/// Agent → server: one file to keep; its bytes follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactHeader {
    /// The claim.
    pub lease: Lease,
    /// Its path below the artifact root.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Server → agent: the file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactStored {
    /// Its id.
    pub id: ArtifactId,
}

/// Agent → server: the claim is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The claim.
    pub lease: Lease,
}

/// Server → agent: what became of the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// A person wants it stopped.
    pub stop: bool,
    /// A person wants to enter over SSH.
    #[serde(default)]
    pub ssh: bool,
}

/// Agent → server: the slice ended and its sandbox is destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishRequest {
    /// The claim.
    pub lease: Lease,
    /// A final status.
    pub status: SliceStatus,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// Who it spoke to.
    #[serde(default)]
    pub egress: EgressReport,
    /// What it used, sample by sample.
    #[serde(default)]
    pub resources: ResourceReport,
}

/// What a slice used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Largest memory, in bytes.
    pub memory_peak: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// Processes the kernel killed for memory.
    pub oom_kills: u64,
    /// Forks refused by the process limit.
    pub pids_refused: u64,
    /// Most processes and threads at once; zero where the machine does not count them.
    #[serde(default)]
    pub pids_peak: u64,
    /// Most bytes on its disk at once; zero where the disk is not bounded.
    #[serde(default)]
    pub disk_peak: u64,
    /// Most files on its disk at once; zero where the disk is not bounded.
    #[serde(default)]
    pub inodes_peak: u64,
}

/// Server → agent: no. The agent stops working on the claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of no.
    pub code: RefusalCode,
    /// For people.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// A newer claim exists, or the slice has ended.
    Fenced,
    /// The message breaks a rule; sending it again is no use.
    Invalid,
    /// A log chunk begins beyond what the server has.
    Gap,
    /// The server cannot do it now; try again.
    Unavailable,
    /// The agent is too old or too new.
    Protocol,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_spec_shows_no_secret() {
        let source = Source {
            host: "localhost".into(),
            port: 8022,
            url: "ssh://git@localhost:8022/demo/hello.git".into(),
            host_key: "ssh-ed25519 AAAA".into(),
            deploy_key: SecretValue::new(airlock_domain::Secret::new("canary-4711")),
            sha: "a".repeat(40),
            branch: Some("main".into()),
            tag: None,
        };
        assert!(!format!("{source:?}").contains("canary"));
    }

    #[test]
    fn the_wire_form_of_a_step_is_spelled_out() {
        let step = StepSpec {
            name: "checkout".into(),
            when: StepWhen::OnSuccess,
            work: StepWork::Checkout { path: None },
        };
        assert_eq!(
            serde_json::to_string(&step).expect("serialises"),
            r#"{"name":"checkout","when":"on_success","work":{"checkout":{"path":null}}}"#
        );
    }
}
