//! The containers beside a job's first one, and what a container runs by itself. Owns their start and their end: each is
//! a service of the sandbox with a step of its own in the job's record, "Container <image>", whose log is what the
//! container writes. One that ends early is shown and does not end the job, as on CircleCI; at the end of the job all are
//! stopped.

use std::sync::Arc;
use std::time::Duration;

use airlock_agent_protocol::JobSpec;
use airlock_domain::plan::{Container, ContainerSettings};
use airlock_domain::state::StepStatus;
use airlock_sandbox::channel::{StartStep, StepEnd, ToInit};
use airlock_sandbox::{Limits, Sandbox, ServiceSpec};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::accounts::{self, Account};
use crate::environment;
use crate::images::{ImageConfig, ImageDir};
use crate::inside::{Event, Inside};
use crate::limits;
use crate::reporter::{Reporter, RunningStep};
use crate::slice::end;
use crate::spin_up::{SpinUpError, await_ready};
use crate::verdict::{self, Counted, Verdict};

/// The one step of a service's own process 1.
const PROGRAM: u32 = 0;

/// A service that waits for its word to run.
pub(crate) struct Ready {
    name: String,
    inside: Inside,
    start: StartStep,
    /// The image stays while this lives.
    image: ImageDir,
    /// Where it shares its limits with the job's other containers.
    sandbox: Arc<Sandbox>,
    limits: Limits,
}

/// Names that stand for the job itself: those of its containers.
pub(crate) fn names(spec: &JobSpec) -> Vec<String> {
    let all = [&spec.primary]
        .into_iter()
        .chain(spec.services.iter().map(|service| &service.settings));
    let mut names: Vec<String> = Vec::new();
    for name in all.filter_map(|settings| settings.name.as_ref()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The name of a container's step.
pub(crate) fn step_name(image: &str) -> String {
    format!("Container {image}")
}

/// Starts the process 1 of each service; nothing of the images runs yet.
pub(crate) async fn start(
    spec: &JobSpec,
    sandbox: &Arc<Sandbox>,
    limits: Limits,
    images: Vec<ImageDir>,
) -> Result<Vec<Ready>, SpinUpError> {
    let mut ready = Vec::new();
    for (number, (container, image)) in (1..).zip(spec.services.iter().zip(images)) {
        ready.push(start_one(number, container, image, spec, sandbox, limits).await?);
    }
    Ok(ready)
}

async fn start_one(
    number: u32,
    container: &Container,
    image: ImageDir,
    spec: &JobSpec,
    sandbox: &Arc<Sandbox>,
    limits: Limits,
) -> Result<Ready, SpinUpError> {
    let settings = &of_image(&container.settings, &image.record.config);
    let name = container.image.to_string();
    let program = program(settings).ok_or_else(|| {
        SpinUpError::Failed(format!(
            "image '{name}' of a service container does not say what to run; give the container a `command`"
        ))
    })?;
    let hostname = settings
        .name
        .clone()
        .unwrap_or_else(|| format!("service-{number}"));
    let service = ServiceSpec {
        number,
        hostname: hostname.clone(),
        layers: image.layers.clone(),
    };
    let beside = Arc::clone(sandbox);
    let mut service = tokio::task::spawn_blocking(move || beside.start_service(&service)).await??;
    let account = Account::find(
        settings.user.as_deref(),
        &accounts::read(service.open_in_root("/etc/passwd")),
        &accounts::read(service.open_in_root("/etc/group")),
    )?;
    let channel = service.take_channel();
    let channel = channel.ok_or_else(|| SpinUpError::Failed(format!("container {name} has no channel")))?;
    // Its doors lead nowhere: they are the job's.
    let (doors, _closed) = mpsc::channel(1);
    let mut inside = Inside::attach(channel, doors)?;
    await_ready(&mut inside).await?;
    for message in environment::masks_only(spec, &account) {
        inside.send(ToInit::Configure(message)).await?;
    }
    let start = StartStep {
        step: PROGRAM,
        working_directory: image
            .record
            .config
            .working_directory
            .clone()
            .unwrap_or_else(|| "/".into()),
        ..start_of(program, settings, &hostname)
    };
    Ok(Ready {
        name,
        inside,
        start,
        image,
        sandbox: Arc::clone(sandbox),
        limits,
    })
}

/// The settings of a container with what its image says where the config is silent, as Docker joins them: an `entrypoint`
/// of the config puts the image's CMD aside as well.
fn of_image(settings: &ContainerSettings, image: &ImageConfig) -> ContainerSettings {
    let some = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    let command = match &settings.entrypoint {
        None => settings.command.clone().or_else(|| some(&image.command)),
        Some(_) => settings.command.clone(),
    };
    let mut environment = image.environment.clone();
    environment.extend(settings.environment.iter().cloned());
    ContainerSettings {
        entrypoint: settings.entrypoint.clone().or_else(|| some(&image.entrypoint)),
        command,
        user: settings.user.clone().or_else(|| image.user.clone()),
        environment,
        ..settings.clone()
    }
}

/// What the first container runs beside the steps: what the config says, and what its image says only where the image's label
/// asks for it.
pub(crate) fn of_primary(settings: &ContainerSettings, image: &ImageConfig) -> ContainerSettings {
    if image.preserve_entrypoint && settings.entrypoint.is_none() && !image.entrypoint.is_empty() {
        of_image(settings, image)
    } else {
        settings.clone()
    }
}

/// What a container runs: `entrypoint` and `command` one after the other.
pub(crate) fn program(settings: &ContainerSettings) -> Option<Vec<String>> {
    let parts = [&settings.entrypoint, &settings.command];
    let program: Vec<String> = parts.into_iter().flatten().flatten().cloned().collect();
    (!program.is_empty()).then_some(program)
}

/// A container's own program with its own variables.
pub(crate) fn start_of(program: Vec<String>, settings: &ContainerSettings, hostname: &str) -> StartStep {
    let mut env = vec![("HOSTNAME".to_owned(), hostname.to_owned())];
    env.extend(settings.environment.iter().cloned());
    StartStep {
        program,
        env,
        ..StartStep::default()
    }
}

/// The running services of a slice.
#[derive(Default)]
pub(crate) struct Services(Vec<Running>);

struct Running {
    stop: oneshot::Sender<()>,
    task: AbortOnDropHandle<()>,
}

impl Services {
    /// Lets them run, each with a step of its own, numbered from `first`.
    pub(crate) fn begin(ready: Vec<Ready>, reporter: &mut Reporter, first: u32) -> Self {
        let running = (first..).zip(ready).map(|(number, ready)| {
            let step = reporter.begin(number, &step_name(&ready.name), true);
            let (stop, stopped) = oneshot::channel();
            let task = AbortOnDropHandle::new(tokio::spawn(ready.run(step, stopped)));
            Running { stop, task }
        });
        Self(running.collect())
    }

    /// Ends them with the job; returns when the log of each is complete.
    pub(crate) async fn stop(self) {
        let mut tasks = Vec::new();
        for Running { stop, task } in self.0 {
            // One that has ended by itself hears nothing any more.
            let _ended = stop.send(());
            tasks.push(task);
        }
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "looking after a service container ended abnormally");
            }
        }
    }
}

impl Ready {
    /// Runs the container to its end or until it is stopped.
    async fn run(self, step: RunningStep, mut stopped: oneshot::Receiver<()>) {
        let Self {
            name,
            mut inside,
            start,
            image: _image,
            sandbox,
            limits,
        } = self;
        let before = sandbox.usage();
        inside.listen(PROGRAM, step.log());
        let judged = match inside.send(ToInit::StartStep(start)).await {
            Err(error) => gone(&name, &error.to_string()),
            Ok(()) => loop {
                let event = tokio::select! {
                    biased;
                    event = inside.event() => event,
                    // Whoever would say it may be gone; that is the end, too.
                    _word = &mut stopped => {
                        shut_down(&mut inside).await;
                        break stopped_with_the_job();
                    }
                };
                match event {
                    Event::Finished { end, .. } => {
                        let counted = Counted {
                            before,
                            after: sandbox.usage(),
                            limits: &limits,
                        };
                        break of_end(&name, &end, counted.out_of_memory());
                    }
                    Event::Gone(reason) => break gone(&name, &reason),
                    Event::Ready | Event::Halt => {}
                }
            },
        };
        if let Some(reason) = &judged.reason {
            step.log().line(&format!("\n{}", verdict::sentence(reason)));
        }
        end(step, judged);
        // What its program left behind goes with it, as in a container.
        if let Err(error) = inside.send(ToInit::Shutdown { grace_ms: 0 }).await {
            tracing::debug!(%error, "a service container had ended already");
        }
    }
}

/// Asks a container to end, waits for it a while, and lets its last output through.
async fn shut_down(inside: &mut Inside) {
    let shutdown = ToInit::Shutdown {
        grace_ms: limits::BACKGROUND_GRACE_MS,
    };
    if inside.send(shutdown).await.is_err() {
        return;
    }
    let ended = async {
        loop {
            match inside.event().await {
                Event::Gone(_) => return,
                Event::Finished { .. } | Event::Ready | Event::Halt => {}
            }
        }
    };
    let patience = Duration::from_millis(limits::BACKGROUND_GRACE_MS) + limits::STOP_SLACK;
    if tokio::time::timeout(patience, ended).await.is_err() {
        tracing::warn!("a service container did not end; it goes with its sandbox");
    }
}

fn stopped_with_the_job() -> Verdict {
    Verdict {
        status: StepStatus::Success,
        exit_code: None,
        reason: None,
    }
}

/// What the end of a container means while the job runs; `memory` says that the job's memory limit killed meanwhile.
pub(crate) fn of_end(image: &str, end: &StepEnd, memory: Option<String>) -> Verdict {
    let (status, exit_code, what) = match end {
        StepEnd::Exited(0) => (StepStatus::Success, Some(0), "ended with exit code 0".to_owned()),
        StepEnd::Exited(code) => (
            StepStatus::Failed,
            Some(*code),
            format!("ended with exit code {code}"),
        ),
        StepEnd::Signaled(number) => (
            StepStatus::Failed,
            Some(128 + number),
            memory.map_or_else(
                || format!("was killed by {}", verdict::signal_words(*number)),
                |memory| format!("was killed: {memory}"),
            ),
        ),
        StepEnd::CouldNotStart(reason) => (StepStatus::Failed, None, format!("could not start: {reason}")),
        StepEnd::NoOutput { .. } | StepEnd::Stopped => (StepStatus::Success, None, "was stopped".to_owned()),
    };
    Verdict {
        status,
        exit_code,
        reason: Some(format!("container {image} {what}")),
    }
}

fn gone(image: &str, reason: &str) -> Verdict {
    Verdict {
        status: StepStatus::Failed,
        exit_code: None,
        reason: Some(format!("container {image} is gone: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(entrypoint: Option<&[&str]>, command: Option<&[&str]>) -> ContainerSettings {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        ContainerSettings {
            entrypoint: entrypoint.map(words),
            command: command.map(words),
            ..ContainerSettings::default()
        }
    }

    #[test]
    fn a_container_runs_its_entrypoint_with_its_command() {
        let of = |entrypoint, command| program(&settings(entrypoint, command)).map(|words| words.join(" "));
        assert_eq!(of(Some(&["a"]), Some(&["b", "c"])).as_deref(), Some("a b c"));
        assert_eq!(of(None, Some(&["b"])).as_deref(), Some("b"));
        assert_eq!(of(Some(&[]), None), None);
        assert_eq!(of(None, None), None);
    }

    #[test]
    fn an_image_says_what_the_config_does_not() {
        let image = ImageConfig {
            entrypoint: vec!["entry".into()],
            command: vec!["cmd".into()],
            user: Some("postgres".into()),
            environment: vec![("A".into(), "image".into())],
            ..ImageConfig::default()
        };
        let of = |entrypoint, command| {
            program(&of_image(&settings(entrypoint, command), &image)).map(|words| words.join(" "))
        };
        assert_eq!(of(None, None).as_deref(), Some("entry cmd"));
        assert_eq!(of(None, Some(&["own"])).as_deref(), Some("entry own"));
        assert_eq!(of(Some(&["own"]), None).as_deref(), Some("own"));
        let joined = of_image(
            &ContainerSettings {
                user: Some("me".into()),
                environment: vec![("A".into(), "config".into())],
                ..ContainerSettings::default()
            },
            &image,
        );
        assert_eq!(joined.user.as_deref(), Some("me"));
        assert_eq!(
            joined.environment.last(),
            Some(&("A".to_owned(), "config".to_owned()))
        );
    }

    #[test]
    fn the_first_container_runs_its_images_entrypoint_where_a_label_asks_for_it() {
        let image = |preserve_entrypoint, entrypoint: &[&str]| ImageConfig {
            entrypoint: entrypoint.iter().map(|word| (*word).to_owned()).collect(),
            command: vec!["cmd".into()],
            preserve_entrypoint,
            ..ImageConfig::default()
        };
        let of = |image: &ImageConfig, entrypoint, command| {
            program(&of_primary(&settings(entrypoint, command), image)).map(|words| words.join(" "))
        };
        let (with, without) = (image(true, &["entry"]), image(false, &["entry"]));
        assert_eq!(of(&with, None, None).as_deref(), Some("entry cmd"));
        assert_eq!(of(&with, None, Some(&["own"])).as_deref(), Some("entry own"));
        assert_eq!(of(&with, Some(&["own"]), None).as_deref(), Some("own"));
        assert_eq!(of(&without, None, None), None);
        assert_eq!(of(&without, None, Some(&["own"])).as_deref(), Some("own"));
        assert_eq!(of(&image(true, &[]), None, None), None);
    }

    #[test]
    fn the_end_of_a_container_is_told_with_its_image() {
        let said = |end| {
            let Verdict {
                status,
                exit_code,
                reason,
            } = of_end("postgres:16", &end, None);
            (status, exit_code, reason.unwrap_or_default())
        };
        assert_eq!(
            said(StepEnd::Exited(1)),
            (
                StepStatus::Failed,
                Some(1),
                "container postgres:16 ended with exit code 1".into()
            )
        );
        assert_eq!(
            said(StepEnd::Signaled(9)),
            (
                StepStatus::Failed,
                Some(137),
                "container postgres:16 was killed by signal 9 (KILL)".into()
            )
        );
        assert_eq!(said(StepEnd::Exited(0)).0, StepStatus::Success);
    }

    #[test]
    fn a_container_that_was_killed_for_memory_says_so() {
        let limit = || Some("the job reached its memory limit of 4 GiB (peak 4 GiB)".to_owned());
        let said = |end: &StepEnd, memory| of_end("postgres:16", end, memory).reason.unwrap_or_default();
        assert_eq!(
            said(&StepEnd::Signaled(9), limit()),
            "container postgres:16 was killed: the job reached its memory limit of 4 GiB (peak 4 GiB)"
        );
        assert_eq!(
            said(&StepEnd::Signaled(9), None),
            "container postgres:16 was killed by signal 9 (KILL)"
        );
        assert_eq!(
            said(&StepEnd::Exited(0), limit()),
            "container postgres:16 ended with exit code 0",
            "another was killed"
        );
    }
}
