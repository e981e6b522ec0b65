//! One command in one sandbox, without a server: what `airlock sandbox run` does. The same launcher, limits and step
//! runner as a job's; only the log goes to whoever asked.

use std::path::PathBuf;
use std::sync::Arc;

use airlock_sandbox::channel::{Configure, StartStep, StepEnd, ToInit};
use airlock_sandbox::{Network, Sandbox, SandboxSpec, SeccompProfile, Usage};
use airlock_transport::registry::RegistryLogin;
use tokio::sync::mpsc;

use crate::accounts::{self, Account};
use crate::agent::{AgentError, AgentOptions, For, prepare};
use crate::images::{ImageConfig, ImageSettings, Progress};
use crate::inside::{Event, Inside};
use crate::limits;
use crate::resource_class::{self, Machine};
use crate::spin_up::{SpinUpError, await_ready};
use crate::verdict::{Counted, of_end};

/// What to run and in what.
#[derive(Debug, Clone)]
pub struct SandboxRun {
    /// Where sandboxes and state of this run are kept; a directory of its own.
    pub data_dir: PathBuf,
    /// Where images are.
    pub image_cache: PathBuf,
    /// The static in-job program.
    pub task_exe: PathBuf,
    /// The root file system.
    pub root: RunRoot,
    /// What it can reach.
    pub network: Network,
    /// Which system calls it may make.
    pub profile: SeccompProfile,
    /// Its size.
    pub resource_class: String,
    /// What it may write to its root, in bytes; `None` for what the disk takes.
    pub disk_bytes: Option<u64>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// What the operator says of images.
    pub images: ImageSettings,
}

/// Where the root file system comes from.
#[derive(Debug, Clone)]
pub enum RunRoot {
    /// A named image; built or pulled if it is not here.
    Image(String),
    /// A directory, never written to.
    Directory(PathBuf),
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxRan {
    /// The command's exit code; 128 + signal if one killed it.
    pub exit_code: i32,
    /// Why it failed, where the code alone does not say it.
    pub reason: Option<String>,
    /// What it used.
    pub usage: Usage,
}

/// Why nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum SandboxRunError {
    /// The machine is not ready for sandboxes.
    #[error(transparent)]
    Machine(#[from] AgentError),
    /// The sandbox did not come up, or went away.
    #[error("{0}")]
    Sandbox(String),
}

impl From<SpinUpError> for SandboxRunError {
    fn from(error: SpinUpError) -> Self {
        Self::Sandbox(match error {
            SpinUpError::Failed(text) => text,
            SpinUpError::Stopped(_) => "stopped".into(),
        })
    }
}

/// Runs the command; its output, both streams in one, goes to `output` piece by piece.
pub async fn sandbox_run(
    run: SandboxRun,
    output: mpsc::Sender<Vec<u8>>,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<SandboxRan, SandboxRunError> {
    let SandboxRun {
        data_dir,
        image_cache,
        task_exe,
        root,
        network,
        profile,
        resource_class,
        disk_bytes,
        command,
        images,
    } = run;
    let mut size = resource_class::size(&resource_class, Machine::here()).map_err(SpinUpError::from)?;
    size.limits.disk = disk_bytes.map(resource_class::disk);
    let options = AgentOptions {
        network,
        images,
        ..AgentOptions::default()
    };
    let here = blocking(move || {
        prepare(
            &data_dir,
            image_cache,
            task_exe,
            "sandbox run".into(),
            options,
            For::One {
                disk: disk_bytes.is_some(),
            },
        )
        .map_err(SandboxRunError::from)
    })
    .await??;
    let (image, layers) = match root {
        RunRoot::Directory(path) => (None, vec![path.canonicalize().map_err(SpinUpError::from)?]),
        RunRoot::Image(name) => {
            let obtained = here
                .images
                .obtain(&name, &RegistryLogin::Anonymous, Arc::new(progress));
            let image = obtained.await.map_err(SpinUpError::from)?;
            let layers = image.layers.clone();
            (Some(image), layers)
        }
    };
    let prepared = blocking(move || {
        let spec = SandboxSpec {
            id: format!("run-{}", uuid::Uuid::new_v4()),
            hostname: "airlock".into(),
            layers,
            limits: size.limits,
            local_names: Vec::new(),
            network,
            profile,
            helper: here.task_exe.clone(),
            work_dir: here.work_dir.clone(),
        };
        let launcher = here.launcher().map_err(AgentError::from)?;
        if let (Some(_), Some(why)) = (spec.limits.disk, launcher.no_disks()) {
            let text = format!("this machine cannot bound the disk: {why}");
            return Err(SandboxRunError::Sandbox(text));
        }
        let sandbox = launcher.start(&spec).map_err(SpinUpError::from)?;
        Ok::<_, SandboxRunError>((sandbox, image))
    });
    let (mut sandbox, image) = prepared.await??;
    let config = image
        .as_ref()
        .map(|image| image.record.config.clone())
        .unwrap_or_default();
    let ended = converse(&mut sandbox, &config, &command, output).await;
    let counted = sandbox.usage();
    let usage = blocking(move || sandbox.destroy())
        .await?
        .map_err(SpinUpError::from)?;
    drop(image);
    let end = ended?;
    let counted = Counted {
        before: Usage::default(),
        after: counted,
        limits: &size.limits,
    };
    let verdict = of_end(command.first().map_or("", String::as_str), &end, counted);
    if let StepEnd::CouldNotStart(reason) = end {
        return Err(SandboxRunError::Sandbox(reason));
    }
    Ok(SandboxRan {
        exit_code: verdict.exit_code.unwrap_or(1),
        reason: verdict
            .reason
            .filter(|_| counted.reached_a_limit() || matches!(end, StepEnd::Signaled(_))),
        usage,
    })
}

async fn converse(
    sandbox: &mut Sandbox,
    config: &ImageConfig,
    command: &[String],
    output: mpsc::Sender<Vec<u8>>,
) -> Result<StepEnd, SandboxRunError> {
    let channel = sandbox
        .take_channel()
        .ok_or_else(|| SandboxRunError::Sandbox("the sandbox has no channel".into()))?;
    // Nobody serves doors here: connections are closed at once.
    let (doors, _closed) = mpsc::channel(limits::DOOR_CONNECTIONS);
    let mut inside = Inside::attach(channel, doors).map_err(SpinUpError::from)?;
    await_ready(&mut inside).await?;
    let account = Account::find(
        config.user.as_deref(),
        &accounts::read(sandbox.open_in_root("/etc/passwd")),
        &accounts::read(sandbox.open_in_root("/etc/group")),
    )
    .map_err(SpinUpError::from)?;
    let mut env = config.environment.clone();
    env.push(("USER".into(), account.name));
    let home = env.iter().rfind(|(name, _)| name == "HOME");
    let home = home.map_or(account.home, |(_, home)| home.clone());
    let send = async |message| inside.send(message).await.map_err(SpinUpError::from);
    send(ToInit::Configure(Configure {
        env,
        masks: Vec::new(),
        home,
        user: account.user,
    }))
    .await?;
    inside.listen_raw(0, output);
    let start = StartStep {
        step: 0,
        script: format!("exec {}", quoted(command)),
        shell: vec!["/bin/sh".into()],
        env: Vec::new(),
        working_directory: "/".into(),
        background: false,
        no_output_timeout_ms: 0,
        tty: false,
        program: Vec::new(),
    };
    send(ToInit::StartStep(start)).await?;
    loop {
        match inside.event().await {
            Event::Finished { end, .. } => return Ok(end),
            Event::Gone(reason) => return Err(SandboxRunError::Sandbox(reason)),
            Event::Ready | Event::Halt => {}
        }
    }
}

/// Words as a shell reads them back.
fn quoted(words: &[String]) -> String {
    let quote = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SandboxRunError> {
    let work = tokio::task::spawn_blocking(work);
    work.await
        .map_err(|error| SandboxRunError::Sandbox(format!("the run ended abnormally: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        let words: Vec<String> = ["printf", "%s|", "a b", "it's", "$HOME", "", "*"]
            .map(Into::into)
            .to_vec();
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("exec {}", quoted(&words))])
            .output()
            .expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|it's|$HOME||*|");
    }
}
