//! The steps of one slice in their sandbox: which runs next, what stops it, what its end means for those after it.
//! Background steps run beside the others and are ended with the job. Called by `slice` once the sandbox is up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use airlock_agent_protocol::{JobSpec, StepSpec, StepWork};
use airlock_domain::limits::STOP_GRACE_MS;
use airlock_domain::plan::AutoRerun;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_sandbox::Sandbox;
use airlock_sandbox::channel::{StartStep, StepEnd, ToInit};
use tokio::time::{Instant, sleep_until, timeout};

use crate::artifacts::{self, ArtifactError};
use crate::inside::Event;
use crate::limits;
use crate::paths::Places;
use crate::reporter::{Reporter, RunningStep, Wire};
use crate::services::{self, Services};
use crate::slice::{Outcome, end, first_step, numbered};
use crate::spin_up::SpunUp;
use crate::verdict::{self, Counted, Cut, Standing, Verdict};
use crate::visitors::Visitors;
use crate::{checkout, environment, retry, visitors};

/// CircleCI's own name for the step.
const WAIT_FOR_SSH: &str = "Wait for SSH";

/// The steps of one slice in one sandbox.
pub(crate) struct Steps<'a> {
    spec: &'a JobSpec,
    wire: &'a Wire,
    reporter: &'a mut Reporter,
    sandbox: Arc<Sandbox>,
    spun_up: SpunUp,
    standing: Standing,
    background: BTreeMap<u32, Background>,
    services: Services,
    /// The number of the first container's own program, while its end is the job's.
    container: Option<u32>,
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

/// How a pause between two tries ended.
enum Paused {
    Over,
    Cut(Cut),
    /// The sandbox is gone.
    Gone,
}

impl<'a> Steps<'a> {
    /// Prepares them; the run time begins.
    pub(crate) fn new(
        spec: &'a JobSpec,
        wire: &'a Wire,
        reporter: &'a mut Reporter,
        sandbox: Arc<Sandbox>,
        spun_up: SpunUp,
    ) -> Self {
        let home = environment::home(spec, &spun_up.image.record.config, &spun_up.account);
        Self {
            spec,
            wire,
            reporter,
            sandbox,
            spun_up,
            standing: Standing::default(),
            background: BTreeMap::new(),
            services: Services::default(),
            container: None,
            run_until: Instant::now() + Duration::from_millis(spec.run_time_ms),
            places: Places {
                home,
                working_directory: spec.working_directory.clone(),
            },
        }
    }

    /// Runs them all; the sandbox waits for people afterwards, if some are wanted.
    pub(crate) async fn run(mut self, visitors: &Visitors) -> Outcome {
        let spec = self.spec;
        self.begin_containers().await;
        for (number, step) in numbered(spec) {
            if let Err(why) = self.standing.runs(step.when, &step.work) {
                self.reporter.skip(number, &step.name, why);
                continue;
            }
            self.step(number, step).await;
        }
        // One that ends from here on ends with the job.
        self.container = None;
        if visitors.are_wanted() && self.standing.cut.is_none() {
            self.wait_for_visitors(visitors).await;
        }
        self.stop_background().await;
        std::mem::take(&mut self.services).stop().await;
        self.standing.outcome()
    }

    /// The last step of a job that people may enter. What still runs beside the steps runs on meanwhile.
    /// Its number leaves room for one: who the job spoke to comes after the steps.
    async fn wait_for_visitors(&mut self, here: &Visitors) {
        let number = numbered(self.spec)
            .last()
            .map_or_else(|| first_step(self.spec), |(last, _)| last + 2);
        let running = self.reporter.begin(number, WAIT_FOR_SSH, false);
        running.log().line(&format!(
            "The sandbox is kept for whoever may enter it over SSH; the job's page shows how.\nIt goes when nobody was \
             logged in for {}, {} from now at the latest, or when the job is canceled.",
            visitors::words(limits::SSH_IDLE),
            visitors::words(limits::SSH_MOST)
        ));
        let ended = Instant::now();
        let mut present = here.present();
        let mut left = (*present.borrow_and_update() == 0).then_some(ended);
        let judged = loop {
            tokio::select! {
                biased;
                cause = self.wire.leash.stopped() => {
                    let cut = Cut::Stopped(cause);
                    self.standing.cut = Some(cut);
                    break verdict::of_cut(WAIT_FOR_SSH, cut);
                }
                event = self.spun_up.inside.event() => match event {
                    Event::Finished { step, end } => drop(self.background_ended(step, &end)),
                    Event::Halt | Event::Ready => {}
                    Event::Gone(reason) => {
                        break failed(SliceStatus::InfrastructureFail, format!("the sandbox went away: {reason}"));
                    }
                },
                // The sender lives in `here`.
                _still_there = present.changed() => {
                    left = (*present.borrow_and_update() == 0).then(Instant::now);
                }
                () = sleep_until(visitors::kept_until(ended, left)) => break Verdict {
                    status: StepStatus::Success,
                    exit_code: None,
                    reason: None,
                },
            }
        };
        self.settle(running, judged);
    }

    /// Lets the containers run that the job has beside its steps, its first one's own program included.
    async fn begin_containers(&mut self) {
        let spec = self.spec;
        let ready = std::mem::take(&mut self.spun_up.services);
        self.services = Services::begin(ready, self.reporter, 1);
        if let Some(program) = services::program(&spec.primary) {
            let directory = self.spun_up.image.record.config.working_directory.clone();
            let start = StartStep {
                step: first_step(spec) - 1,
                working_directory: directory.unwrap_or_else(|| "/".into()),
                ..services::start_of(program, &spec.primary, &self.spun_up.hostname)
            };
            self.container = Some(start.step);
            self.begin_background(&services::step_name(&spec.image), start)
                .await;
        }
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
                auto_rerun,
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
                    program: Vec::new(),
                };
                if *background {
                    self.begin_background(&step.name, start).await;
                } else {
                    let running = self.reporter.begin(number, &step.name, false);
                    self.foreground(&step.name, running, start, *auto_rerun).await;
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
                    Ok(start) => self.foreground(&step.name, running, start, None).await,
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

    /// Runs a step and waits for its end; one that failed is tried again as often as it may be.
    async fn foreground(
        &mut self,
        name: &str,
        running: RunningStep,
        start: StartStep,
        again: Option<AutoRerun>,
    ) {
        let mut tried = 1;
        let judged = loop {
            let (judged, alive) = self.attempt(name, &running, start.clone()).await;
            if let Some(reason) = &judged.reason {
                running.log().line(&format!("\n{}", verdict::sentence(reason)));
            }
            let failed = matches!(judged.status, StepStatus::Failed | StepStatus::TimedOut);
            let Some(AutoRerun { max, delay_ms }) =
                again.filter(|again| alive && failed && self.standing.cut.is_none() && tried <= again.max)
            else {
                break judged;
            };
            running.log().line(&retry::announce(tried, max, delay_ms));
            match self.pause(Duration::from_millis(delay_ms)).await {
                Paused::Over => tried += 1,
                Paused::Gone => {
                    let reason =
                        format!("step '{name}' was cut off: the sandbox ended before it was tried again");
                    break self::failed(SliceStatus::InfrastructureFail, reason);
                }
                Paused::Cut(cut) => {
                    self.standing.cut = Some(cut);
                    let judged = verdict::of_cut(name, cut);
                    if let Some(reason) = &judged.reason {
                        running.log().line(&format!("\n{}", verdict::sentence(reason)));
                    }
                    break judged;
                }
            }
        };
        self.settle(running, retry::with_tries(judged, tried));
    }

    /// Runs a step once; says what its end means and whether the sandbox is still there.
    async fn attempt(&mut self, name: &str, running: &RunningStep, start: StartStep) -> (Verdict, bool) {
        let number = start.step;
        let before = self.sandbox.usage();
        self.sandbox.mark(number);
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
        match ended {
            Ended::ByItself(end) => (verdict::of_end(name, &end, counted), true),
            Ended::Cut(cut) => {
                self.standing.cut = Some(cut);
                (verdict::of_cut(name, cut), true)
            }
            Ended::Gone(reason) => {
                let judged = match counted.out_of_memory() {
                    Some(memory) => {
                        failed(SliceStatus::Failed, format!("step '{name}' was killed: {memory}"))
                    }
                    None => failed(
                        SliceStatus::InfrastructureFail,
                        format!("step '{name}' was cut off: {reason}"),
                    ),
                };
                (judged, false)
            }
        }
    }

    /// Lets time pass between two tries of a step; what goes on beside it is attended to.
    async fn pause(&mut self, length: Duration) -> Paused {
        let until = Instant::now() + length;
        loop {
            tokio::select! {
                biased;
                cause = self.wire.leash.stopped() => return Paused::Cut(Cut::Stopped(cause)),
                () = sleep_until(self.run_until) => return Paused::Cut(Cut::RunTime(self.spec.run_time_ms)),
                event = self.spun_up.inside.event() => match event {
                    Event::Finished { step, end } => {
                        if let Some(container) = self.background_ended(step, &end) {
                            return Paused::Cut(container);
                        }
                    }
                    Event::Halt => self.standing.halted = true,
                    Event::Ready => {}
                    Event::Gone(_) => return Paused::Gone,
                },
                () = sleep_until(until) => return Paused::Over,
            }
        }
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
                    Event::Finished { step, end } => match self.background_ended(step, &end) {
                        Some(container) if cut.is_none() => container,
                        Some(_) | None => continue,
                    },
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

    /// A step beside the others ended; if it was the first container's own program, the job ends with it.
    fn background_ended(&mut self, number: u32, step_end: &StepEnd) -> Option<Cut> {
        // An unknown number is the word of a hostile process 1; there is nothing to end.
        let Background { name, step, before } = self.background.remove(&number)?;
        let counted = Counted {
            before,
            after: self.sandbox.usage(),
            limits: &self.spun_up.limits,
        };
        if self.container == Some(number) {
            self.container = None;
            let judged = services::of_end(&self.spec.image, step_end, counted.out_of_memory());
            if let Some(reason) = &judged.reason {
                step.log().line(&format!("\n{}", verdict::sentence(reason)));
            }
            end(step, judged);
            self.standing.cut.get_or_insert(Cut::Container);
            return Some(Cut::Container);
        }
        end(step, verdict::of_background(&name, step_end, counted));
        None
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
                Ok(Event::Finished { step, end }) => {
                    self.background_ended(step, &end);
                }
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
        if self.spun_up.guest.is_some() {
            let reason = format!("step '{name}': files of virtual machines are not kept as artifacts yet");
            running.log().line(&format!("Error: {reason}"));
            return self.settle(running, failed(SliceStatus::Failed, reason));
        }
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
