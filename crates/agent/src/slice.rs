//! One slice from claim to finish: spin up, run the steps in order, destroy the sandbox, report. Owns the order and the
//! meaning of `when`, cancel and time limits; reports travel through the reporter, steps through process 1. A claim that
//! is taken away ends it at any point: the sandbox is destroyed at once and nothing more is said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use airlock_agent_protocol::{Assignment, FinishRequest, JobSpec, StepSpec, StepWork, Usage};
use airlock_domain::limits::STOP_GRACE_MS;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_sandbox::Sandbox;
use airlock_sandbox::channel::{StartStep, StepEnd, ToInit};
use tokio::time::{Instant, sleep_until, timeout};

use crate::artifacts::{self, ArtifactError};
use crate::inside::Event;
use crate::leash::{Leash, keep_alive};
use crate::limits;
use crate::link::{Lost, ServerLink, until_answered};
use crate::paths::Places;
use crate::reporter::{Reporter, RunningStep, Wire};
use crate::spin_up::{SpinUpError, SpunUp, spin_up};
use crate::surroundings::Surroundings;
use crate::verdict::{self, Counted, Cut, Standing, Verdict};
use crate::{checkout, environment};

/// Runs the slice to its end.
pub(crate) async fn run(
    here: Arc<Surroundings>,
    link: Arc<dyn ServerLink>,
    assignment: Assignment,
    leash: Leash,
) {
    let Assignment { lease, spec, .. } = assignment;
    tracing::info!(job = %lease.job, slice = lease.slice, fence = lease.fence, name = spec.job_name, "slice taken");
    let beats = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(keep_alive(
        Arc::clone(&link),
        lease,
        leash.clone(),
    )));
    let wire = || Wire {
        link: Arc::clone(&link),
        lease,
        leash: leash.clone(),
    };
    let mut reporter = Reporter::new(wire(), Arc::clone(&here.spool));
    let mut held = None;
    let own_wire = wire();
    let outcome = tokio::select! {
        biased;
        () = leash.fenced() => None,
        outcome = execute(&here, &spec, &own_wire, &mut reporter, &mut held) => Some(outcome),
    };
    let usage = destroy(held).await;
    let Some((status, reason)) = outcome else {
        tracing::warn!(job = %lease.job, slice = lease.slice, fence = lease.fence, "fenced; sandbox destroyed");
        return;
    };
    // Whoever shuts the agent down does not wait for a server that is away.
    let patience = async {
        leash.shut_down().await;
        tokio::time::sleep(limits::SHUTDOWN_REPORT).await;
    };
    tokio::select! {
        () = report(wire(), reporter, status, reason, usage) => {}
        () = patience => {
            tracing::warn!(job = %lease.job, slice = lease.slice, "shut down before the server took the report");
        }
    }
    drop(beats);
}

/// Delivers what is left and the finish itself.
async fn report(wire: Wire, reporter: Reporter, status: SliceStatus, reason: Option<String>, usage: Usage) {
    let lease = wire.lease;
    let (status, reason) = match reporter.drain().await {
        Ok(()) => (status, reason),
        Err(Lost::Fenced) => return,
        // The outcome stands, but what led to it is not all there: that is a failure of ours.
        Err(Lost::Refused(refusal)) => (
            SliceStatus::InfrastructureFail,
            Some(format!(
                "a part of this job's log or steps was not stored: {refusal}"
            )),
        ),
    };
    let request = FinishRequest {
        lease,
        status,
        reason,
        usage,
    };
    match until_answered(&wire.leash, || wire.link.finish(request.clone())).await {
        Ok(()) => tracing::info!(job = %lease.job, slice = lease.slice, %status, "slice finished"),
        Err(lost) => tracing::warn!(job = %lease.job, slice = lease.slice, %lost, "the finish was not taken"),
    }
}

/// Takes the sandbox apart; what cannot be removed now is removed when the agent starts next.
async fn destroy(held: Option<Arc<Sandbox>>) -> Usage {
    let Some(sandbox) = held else {
        return Usage::default();
    };
    // Whatever still reads in it for an artifact ends with its processes.
    if let Err(error) = rustix::process::pidfd_send_signal(sandbox.pidfd(), rustix::process::Signal::KILL) {
        tracing::debug!(%error, "process 1 had ended already");
    }
    let mut sandbox = sandbox;
    let alone = loop {
        match Arc::try_unwrap(sandbox) {
            Ok(alone) => break alone,
            Err(shared) => sandbox = shared,
        }
        tokio::time::sleep(limits::SANDBOX_SHARED).await;
    };
    let destroyed = tokio::task::spawn_blocking(move || alone.destroy());
    match destroyed.await {
        Ok(Ok(used)) => Usage {
            memory_peak: used.memory_peak,
            cpu_ns: used.cpu_ns,
            oom_kills: used.oom_kills,
            pids_refused: used.pids_refused,
        },
        Ok(Err(error)) => {
            tracing::error!(%error, "a sandbox was not removed completely");
            Usage::default()
        }
        Err(error) => {
            tracing::error!(%error, "removing a sandbox ended abnormally");
            Usage::default()
        }
    }
}

type Outcome = (SliceStatus, Option<String>);

async fn execute(
    here: &Arc<Surroundings>,
    spec: &JobSpec,
    wire: &Wire,
    reporter: &mut Reporter,
    held: &mut Option<Arc<Sandbox>>,
) -> Outcome {
    let step = reporter.begin(0, "Spin up environment", false);
    let spun_up = spin_up(here, spec, wire.lease, &wire.leash, &step, held).await;
    let (standing, spun_up) = match (spun_up, &*held) {
        (Ok(spun_up), Some(sandbox)) => {
            step.end(StepStatus::Success, None, None);
            (Standing::default(), Some((spun_up, Arc::clone(sandbox))))
        }
        (Err(SpinUpError::Stopped(cause)), _) => {
            let cut = Cut::Stopped(cause);
            end(step, verdict::of_cut("Spin up environment", cut));
            let standing = Standing {
                cut: Some(cut),
                ..Standing::default()
            };
            (standing, None)
        }
        (Err(SpinUpError::Failed(reason)), _) => {
            step.log().line(&format!("Error: {reason}"));
            step.end(StepStatus::InfrastructureFail, None, Some(reason.clone()));
            for (number, step) in numbered(spec) {
                reporter.skip(number, &step.name, "the environment could not be made");
            }
            return (SliceStatus::InfrastructureFail, Some(reason));
        }
        (Ok(_), None) => {
            return (
                SliceStatus::InfrastructureFail,
                Some("the sandbox is gone".into()),
            );
        }
    };
    let Some((spun_up, sandbox)) = spun_up else {
        for (number, step) in numbered(spec) {
            let why = standing.runs(step.when, &step.work).err();
            reporter.skip(number, &step.name, why.unwrap_or("the job did not start"));
        }
        return standing.outcome();
    };
    let steps = Steps {
        spec,
        wire,
        reporter,
        sandbox,
        spun_up,
        standing,
        background: BTreeMap::new(),
        run_until: Instant::now() + Duration::from_millis(spec.run_time_ms),
        places: Places {
            home: environment::home(spec),
            working_directory: spec.working_directory.clone(),
        },
    };
    steps.run().await
}

/// The steps with their numbers: 0 is the spin-up.
fn numbered(spec: &JobSpec) -> impl Iterator<Item = (u32, &StepSpec)> {
    (1..).zip(&spec.steps)
}

fn end(step: RunningStep, verdict: Verdict) {
    step.end(verdict.status, verdict.exit_code, verdict.reason);
}

/// The steps of one slice in one sandbox.
struct Steps<'a> {
    spec: &'a JobSpec,
    wire: &'a Wire,
    reporter: &'a mut Reporter,
    sandbox: Arc<Sandbox>,
    spun_up: SpunUp,
    standing: Standing,
    background: BTreeMap<u32, Background>,
    run_until: Instant,
    places: Places,
}

struct Background {
    name: String,
    step: RunningStep,
    before: airlock_sandbox::Usage,
}

/// How a foreground step came to its end.
enum Ended {
    ByItself(StepEnd),
    Cut(Cut),
    /// The sandbox is gone.
    Gone(String),
}

impl Steps<'_> {
    async fn run(mut self) -> Outcome {
        let spec = self.spec;
        for (number, step) in numbered(spec) {
            if let Err(why) = self.standing.runs(step.when, &step.work) {
                self.reporter.skip(number, &step.name, why);
                continue;
            }
            self.step(number, step).await;
        }
        self.stop_background().await;
        self.standing.outcome()
    }

    async fn step(&mut self, number: u32, step: &StepSpec) {
        match &step.work {
            StepWork::Run {
                command,
                shell,
                environment,
                working_directory,
                background,
                no_output_timeout_ms,
            } => {
                let directory = working_directory.as_ref().map_or_else(
                    || self.spec.working_directory.clone(),
                    |directory| self.places.absolute(directory),
                );
                let start = StartStep {
                    step: number,
                    script: command.clone(),
                    shell: if shell.is_empty() { &self.spec.shell } else { shell }.clone(),
                    env: environment.clone(),
                    working_directory: directory,
                    background: *background,
                    no_output_timeout_ms: *no_output_timeout_ms,
                    tty: true,
                };
                if *background {
                    self.begin_background(&step.name, start).await;
                } else {
                    let running = self.reporter.begin(number, &step.name, false);
                    self.foreground(&step.name, running, start).await;
                }
            }
            StepWork::Checkout { path } => {
                let running = self.reporter.begin(number, &step.name, false);
                let directory = path.as_ref().map_or_else(
                    || self.spec.working_directory.clone(),
                    |path| self.places.absolute(path),
                );
                let source = self.spec.source.as_ref();
                match checkout::step(number, source, self.spun_up.key.as_ref(), directory) {
                    Ok(start) => self.foreground(&step.name, running, start).await,
                    Err(error) => {
                        running.log().line(&format!("Error: {error}"));
                        let reason = format!("step '{}': {error}", step.name);
                        self.settle(running, failed(SliceStatus::Failed, reason));
                    }
                }
            }
            StepWork::StoreArtifacts { path, destination } => {
                let running = self.reporter.begin(number, &step.name, false);
                self.store_artifacts(&step.name, running, path, destination.as_deref())
                    .await;
            }
        }
    }

    /// Runs a step and waits for its end.
    async fn foreground(&mut self, name: &str, running: RunningStep, start: StartStep) {
        let number = start.step;
        let before = self.sandbox.usage();
        self.spun_up.inside.listen(number, running.log());
        self.spun_up.voice.speak_into(Some(running.log().clone()));
        let ended = match self.spun_up.inside.send(ToInit::StartStep(start)).await {
            Ok(()) => self.wait_for(number).await,
            Err(airlock_sandbox::channel::ChannelError::Encode(error)) => {
                Ended::ByItself(StepEnd::CouldNotStart(error.to_string()))
            }
            Err(error) => Ended::Gone(error.to_string()),
        };
        self.spun_up.voice.speak_into(None);
        let counted = Counted {
            before,
            after: self.sandbox.usage(),
            limits: &self.spun_up.limits,
        };
        let judged = match ended {
            Ended::ByItself(end) => verdict::of_end(name, &end, counted),
            Ended::Cut(cut) => {
                self.standing.cut = Some(cut);
                verdict::of_cut(name, cut)
            }
            Ended::Gone(reason) => match counted.out_of_memory() {
                Some(memory) => failed(SliceStatus::Failed, format!("step '{name}' was killed: {memory}")),
                None => failed(
                    SliceStatus::InfrastructureFail,
                    format!("step '{name}' was cut off: {reason}"),
                ),
            },
        };
        if let Some(reason) = &judged.reason {
            running.log().line(&format!("\n{}", in_log(reason)));
        }
        self.settle(running, judged);
    }

    /// Reports a step and remembers a failure.
    fn settle(&mut self, running: RunningStep, judged: Verdict) {
        let slice = match judged.status {
            StepStatus::Failed => Some(SliceStatus::Failed),
            StepStatus::TimedOut => Some(SliceStatus::TimedOut),
            StepStatus::InfrastructureFail => Some(SliceStatus::InfrastructureFail),
            StepStatus::Running | StepStatus::Success | StepStatus::Skipped | StepStatus::Canceled => None,
        };
        if let (Some(status), Some(reason)) = (slice, &judged.reason) {
            self.standing.fail(status, reason.clone());
        }
        end(running, judged);
    }

    async fn wait_for(&mut self, number: u32) -> Ended {
        let mut cut = None;
        let mut give_up = self.run_until;
        loop {
            let inside = &mut self.spun_up.inside;
            let wanted = tokio::select! {
                biased;
                event = inside.event() => match event {
                    Event::Finished { step, end } if step == number => {
                        return cut.map_or(Ended::ByItself(end), Ended::Cut);
                    }
                    Event::Gone(reason) => return cut.map_or(Ended::Gone(reason), Ended::Cut),
                    Event::Finished { step, end } => { self.background_ended(step, &end); continue }
                    Event::Halt => { self.standing.halted = true; continue }
                    Event::Ready => continue,
                },
                cause = self.wire.leash.stopped(), if cut.is_none() => Cut::Stopped(cause),
                () = sleep_until(self.run_until), if cut.is_none() => Cut::RunTime(self.spec.run_time_ms),
                // The step outlived even its KILL, or process 1 is stuck: the sandbox goes with it.
                () = sleep_until(give_up), if cut.is_some() => {
                    return cut.map_or(Ended::Gone("it could not be stopped".into()), Ended::Cut);
                }
            };
            cut = Some(wanted);
            give_up = Instant::now() + Duration::from_millis(STOP_GRACE_MS) + limits::STOP_SLACK;
            let stop = ToInit::StopStep {
                step: number,
                grace_ms: STOP_GRACE_MS,
            };
            if let Err(error) = self.spun_up.inside.send(stop).await {
                return cut.map_or(Ended::Gone(error.to_string()), Ended::Cut);
            }
        }
    }

    async fn begin_background(&mut self, name: &str, start: StartStep) {
        let step = self.reporter.begin(start.step, name, true);
        let number = start.step;
        let before = self.sandbox.usage();
        self.spun_up.inside.listen(number, step.log());
        if let Err(error) = self.spun_up.inside.send(ToInit::StartStep(start)).await {
            let reason = format!("step '{name}' could not start: {error}");
            return self.settle(step, failed(SliceStatus::InfrastructureFail, reason));
        }
        let name = name.to_owned();
        self.background.insert(number, Background { name, step, before });
    }

    fn background_ended(&mut self, number: u32, step_end: &StepEnd) {
        // An unknown number is the word of a hostile process 1; there is nothing to end.
        if let Some(Background { name, step, before }) = self.background.remove(&number) {
            let counted = Counted {
                before,
                after: self.sandbox.usage(),
                limits: &self.spun_up.limits,
            };
            end(step, verdict::of_background(&name, step_end, counted));
        }
    }

    /// The job is over, and with it what still runs beside it.
    async fn stop_background(&mut self) {
        // Some ended by themselves meanwhile.
        let stop_all: Vec<u32> = self.background.keys().copied().collect();
        for step in stop_all {
            let stop = ToInit::StopStep {
                step,
                grace_ms: limits::BACKGROUND_GRACE_MS,
            };
            if self.spun_up.inside.send(stop).await.is_err() {
                break;
            }
        }
        let patience = Duration::from_millis(limits::BACKGROUND_GRACE_MS) + limits::STOP_SLACK;
        let until = Instant::now() + patience;
        while !self.background.is_empty() {
            match timeout(until - Instant::now(), self.spun_up.inside.event()).await {
                Ok(Event::Finished {
                    step,
                    end: StepEnd::Stopped,
                }) => self.background_stopped(step),
                Ok(Event::Finished { step, end }) => self.background_ended(step, &end),
                Ok(Event::Halt | Event::Ready) => {}
                Ok(Event::Gone(_)) | Err(_) => break,
            }
        }
        for number in self.background.keys().copied().collect::<Vec<_>>() {
            self.background_stopped(number);
        }
    }

    fn background_stopped(&mut self, number: u32) {
        if let Some(Background { name, step, .. }) = self.background.remove(&number) {
            let judged = match self.standing.cut {
                Some(cut) => verdict::of_cut(&name, cut),
                None => Verdict {
                    status: StepStatus::Success,
                    exit_code: None,
                    reason: Some("background step, stopped when the job ended".into()),
                },
            };
            end(step, judged);
        }
    }

    async fn store_artifacts(
        &mut self,
        name: &str,
        running: RunningStep,
        path: &str,
        destination: Option<&str>,
    ) {
        let stored = tokio::select! {
            cause = self.wire.leash.stopped() => Err(Cut::Stopped(cause)),
            () = sleep_until(self.run_until) => Err(Cut::RunTime(self.spec.run_time_ms)),
            stored = artifacts::store(&self.sandbox, self.wire, &self.places, path, destination, running.log()) => Ok(stored),
        };
        let judged = match stored {
            Ok(Ok(())) => Verdict {
                status: StepStatus::Success,
                exit_code: None,
                reason: None,
            },
            Ok(Err(error @ ArtifactError::Store { .. })) => {
                running.log().line(&format!("Error: {error}"));
                failed(SliceStatus::Failed, format!("step '{name}': {error}"))
            }
            // The slice ends at once; this is not sent.
            Ok(Err(ArtifactError::Lost(lost))) => failed(SliceStatus::InfrastructureFail, lost.to_string()),
            Err(cut) => {
                self.standing.cut = Some(cut);
                verdict::of_cut(name, cut)
            }
        };
        self.settle(running, judged);
    }
}

fn failed(status: SliceStatus, reason: String) -> Verdict {
    Verdict {
        status: if status == SliceStatus::InfrastructureFail {
            StepStatus::InfrastructureFail
        } else {
            StepStatus::Failed
        },
        exit_code: None,
        reason: Some(reason),
    }
}

/// A reason as a line of its own in the step's log.
fn in_log(reason: &str) -> String {
    let mut letters = reason.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_uppercase(), letters.as_str())
    })
}
