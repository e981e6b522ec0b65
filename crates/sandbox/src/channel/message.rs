//! What the agent and PID 1 say to each other. Data only: the bytes are the codec's, the meaning is the step
//! runner's. Nothing here prints a value of the environment or of a mask.

use std::fmt;
use std::os::fd::OwnedFd;

use zeroize::Zeroizing;

/// The `step` of a [`FromInit::Failed`] that concerns no step (a root switch, a configuration).
pub const NO_STEP: u32 = u32::MAX;

/// Bytes of a secret: never printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over; the caller wipes any copy of its own.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the masker and the codec.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Who the steps run as, in ids of the sandbox's user namespace. The default is its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StepUser {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What holds for every step of the job. Sent before the first step. Sent again, variables and masks are added
/// to those known (so that more than one frame's worth can be handed over), home and user are replaced.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Configure {
    /// Variables every step gets; precedence is already decided.
    pub env: Vec<(String, String)>,
    /// Values that must not appear in any output.
    pub masks: Vec<SecretBytes>,
    /// Home directory of the steps' user; `~` in a working directory.
    pub home: String,
    /// Who the steps run as.
    pub user: StepUser,
}

impl fmt::Debug for Configure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configure")
            .field("env", &Names(&self.env))
            .field("masks", &self.masks.len())
            .field("home", &self.home)
            .field("user", &self.user)
            .finish()
    }
}

/// One step to run.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StartStep {
    /// The agent's number for it, unique in the job.
    pub step: u32,
    /// Text of the script.
    pub script: String,
    /// Program and flags the script file is handed to; empty means the default shell.
    pub shell: Vec<String>,
    /// Variables of this step alone, over those of [`Configure`].
    pub env: Vec<(String, String)>,
    /// Where it runs; created if absent, `~` is the home directory.
    pub working_directory: String,
    /// Whether the job goes on while it runs. PID 1 treats both alike; the agent does not wait.
    pub background: bool,
    /// Ends the step after so long without output; 0 means never.
    pub no_output_timeout_ms: u64,
    /// Whether the step sees a terminal.
    pub tty: bool,
    /// A program and its arguments, run as they are in place of a script and a shell, with these variables and none of
    /// the job's: what a container runs by itself. Empty for a step.
    pub program: Vec<String>,
}

impl fmt::Debug for StartStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartStep")
            .field("step", &self.step)
            .field("script_bytes", &self.script.len())
            .field("shell", &self.shell)
            .field("env", &Names(&self.env))
            .field("working_directory", &self.working_directory)
            .field("background", &self.background)
            .field("no_output_timeout_ms", &self.no_output_timeout_ms)
            .field("tty", &self.tty)
            .field("program", &self.program.first())
            .finish()
    }
}

/// Shows the names of variables and none of their values.
struct Names<'a>(&'a [(String, String)]);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// What the agent tells PID 1.
#[derive(Debug)]
pub enum ToInit {
    /// What holds for every step.
    Configure(Configure),
    /// Run a step.
    StartStep(StartStep),
    /// End a step: TERM to its session, KILL after the grace. A step that has already ended is not an error.
    StopStep {
        /// Which step.
        step: u32,
        /// Time between TERM and KILL.
        grace_ms: u64,
    },
    /// Replace the root by this detached overlay. Answered by `RootSwitched`, or `Failed` with [`NO_STEP`].
    SwitchRoot(OwnedFd),
    /// End every process, then PID 1 itself.
    Shutdown {
        /// Time between TERM and KILL.
        grace_ms: u64,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepEnd {
    /// Its shell exited with this code.
    Exited(i32),
    /// Its shell died of this signal.
    Signaled(i32),
    /// It was ended because it wrote nothing for this long.
    NoOutput {
        /// The limit that was reached.
        after_ms: u64,
    },
    /// It was ended by `StopStep` or `Shutdown`.
    Stopped,
    /// It never ran; the text says why and is fit for the job's log.
    CouldNotStart(String),
}

/// A socket inside the sandbox whose connections the agent serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `git.sock`: the job's git host.
    Git,
    /// `ssh-agent.sock`: the keys of the job.
    SshAgent,
}

/// What PID 1 tells the agent.
#[derive(Debug)]
pub enum FromInit {
    /// PID 1 listens on its sockets and takes commands.
    Ready,
    /// Output of a step, masked.
    Output {
        /// Which step.
        step: u32,
        /// Raw bytes, at most [`super::MAX_OUTPUT`].
        bytes: Vec<u8>,
    },
    /// The step's shell runs.
    StepStarted {
        /// Which step.
        step: u32,
    },
    /// The step is over; all its output has been sent.
    StepFinished {
        /// Which step.
        step: u32,
        /// How.
        end: StepEnd,
    },
    /// A process in the sandbox connected to a door; this is the accepted socket.
    Connection {
        /// Which door.
        door: Door,
        /// The connection.
        fd: OwnedFd,
    },
    /// A step asked that the job end after it, successfully.
    HaltRequested,
    /// The root was replaced.
    RootSwitched,
    /// A command could not be carried out.
    Failed {
        /// Which step, or [`NO_STEP`].
        step: u32,
        /// Why.
        reason: String,
    },
}
