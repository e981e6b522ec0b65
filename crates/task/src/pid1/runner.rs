//! The loop: takes the agent's commands, starts steps, moves output, collects the dead, lets nothing wait. Each
//! turn looks at every source once and takes a bounded amount from each.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use airlock_sandbox::channel::{
    ChannelError, Configure, Door, FromInit, MAX_OUTPUT, NO_STEP, Outbox, Reader, Received, SecretBytes,
    StartStep, StepEnd, ToInit,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper, wait};

use super::child::{Birth, spawn};
use super::doors::Doors;
use super::environment::{JobEnvironment, for_exec};
use super::output::{self, Output, Taken};
use super::processes::{Group, Processes};
use super::script::{ScriptFile, Shell};
use super::signals::ChildSignal;
use super::spare::Spare;
use super::step::{Parts, Step};
use super::{Isolation, Settings};
use crate::limits::{
    ACCEPT_REST, COMMANDS_PER_TURN, LAST_WORDS, LINGERING, LIVE_STEPS, NO_OUTPUT_GRACE, OUTBOX_FULL,
    READ_PER_TURN, REAPS_PER_TURN,
};
use crate::mask::Masks;

/// What became ready.
#[derive(Clone, Copy)]
enum Source {
    Channel,
    Children,
    Verdict(u32),
    Output(u32),
    Lingering(usize),
    Door(Door),
    Control,
    ControlClient(u64),
}

/// How the collecting of the dead went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Children {
    /// Some live.
    Some,
    /// There may be more dead ones.
    MoreDead,
    /// There are none, so nothing runs below this process.
    None,
}

/// The step runner.
pub(super) struct Runner<'a> {
    settings: &'a Settings,
    isolation: &'a dyn Isolation,
    commands: Reader<ToInit>,
    outbox: Outbox<FromInit>,
    child_signal: ChildSignal,
    children: Children,
    processes: Processes,
    /// Waits to become the first step.
    spare: Option<Spare>,
    doors: Doors,
    doors_rest_until: Option<Instant>,
    job: JobEnvironment,
    secrets: Vec<SecretBytes>,
    masks: Masks,
    steps: Vec<Step>,
    /// Terminals of ended steps, read and thrown away so that whoever holds them does not block.
    lingering: Vec<Output>,
    halted: bool,
    shutdown: Option<Instant>,
}

impl<'a> Runner<'a> {
    /// Takes over the process: signals, orphans, sockets.
    pub(super) fn new(
        channel: OwnedFd,
        settings: &'a Settings,
        isolation: &'a dyn Isolation,
    ) -> io::Result<Self> {
        let mut outbox = Outbox::new(channel.try_clone()?);
        let child_signal = ChildSignal::new()?;
        if getpid().as_raw_nonzero().get() != 1 {
            // Process 1 is given every orphan; anybody else has to ask.
            set_child_subreaper(Some(getpid()))?;
        }
        let doors = Doors::open(&settings.run_dir)?;
        outbox.push(&FromInit::Ready).map_err(io::Error::other)?;
        // Said before the fork, which the agent need not wait for; the loop hears of a channel that is closed.
        let _loop_tells = outbox.flush();
        // Where it cannot be forked, neither may the first step be, which then says so.
        let (mut spare, mut job) = (None, JobEnvironment::default());
        if settings.ahead {
            spare = Spare::fork(isolation).ok();
            job.make_bash_env_ahead(settings);
        }
        Ok(Self {
            settings,
            isolation,
            commands: Reader::new(channel),
            outbox,
            child_signal,
            children: if spare.is_some() {
                Children::Some
            } else {
                Children::None
            },
            processes: Processes::open()?,
            spare,
            doors,
            doors_rest_until: None,
            job,
            secrets: Vec::new(),
            masks: Masks::none(),
            steps: Vec::new(),
            lingering: Vec::new(),
            halted: false,
            shutdown: None,
        })
    }

    /// Runs until told to stop (0) or until the agent is gone (1). No process below survives it.
    pub(super) fn serve(mut self) -> i32 {
        let result = self.turns();
        self.end_everyone();
        match result {
            Ok(()) => {
                self.last_words();
                0
            }
            Err(_agent_gone) => 1,
        }
    }

    fn turns(&mut self) -> Result<(), ChannelError> {
        loop {
            // Asked before room is made: this is how it was while the loop waited.
            let deaf = self.is_full();
            self.outbox.flush()?;
            let now = Instant::now();
            self.expire(now, deaf);
            if let Some(deadline) = self.shutdown
                && (deadline <= now || self.children == Children::None)
            {
                return Ok(());
            }
            for (source, flags) in self.wait(now) {
                self.attend(source, flags)?;
            }
            if self.children == Children::MoreDead {
                self.reap();
            }
        }
    }

    fn expire(&mut self, now: Instant, deaf: bool) {
        for step in &mut self.steps {
            if deaf {
                step.not_listened(now);
            }
            step.expire(now, NO_OUTPUT_GRACE, &self.processes);
        }
        self.conclude_steps();
        if self.doors_rest_until.is_some_and(|until| until <= now) {
            self.doors_rest_until = None;
        }
    }

    fn is_full(&self) -> bool {
        self.outbox.pending() >= OUTBOX_FULL
    }

    /// Waits until something is ready or due.
    fn wait(&self, now: Instant) -> Vec<(Source, PollFlags)> {
        let mut sources = Vec::new();
        let mut fds = Vec::new();
        let mut watch = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        let both = if self.outbox.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        watch(Source::Channel, self.commands.as_fd(), both);
        watch(Source::Children, self.child_signal.as_fd(), PollFlags::IN);
        for step in &self.steps {
            if let Some(verdict) = step.verdict() {
                watch(Source::Verdict(step.number), verdict, PollFlags::IN);
            }
            if let Some(output) = step.output().filter(|_| !self.is_full()) {
                watch(Source::Output(step.number), output, PollFlags::IN);
            }
        }
        for (index, output) in self.lingering.iter().enumerate() {
            watch(Source::Lingering(index), output.as_fd(), PollFlags::IN);
        }
        if !self.is_full() && self.doors_rest_until.is_none() {
            for door in [Door::Git, Door::SshAgent] {
                watch(Source::Door(door), self.doors.listener(door), PollFlags::IN);
            }
            watch(Source::Control, self.doors.control(), PollFlags::IN);
            for (number, fd) in self.doors.clients() {
                watch(Source::ControlClient(number), fd, PollFlags::IN);
            }
        }
        let due = if self.children == Children::MoreDead {
            Some(now)
        } else {
            self.due()
        };
        let timeout = due.map(|due| timespec(due.saturating_duration_since(now)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            // Interrupted, or the kernel is out of memory for a moment: the next turn asks again.
            Err(_) => return Vec::new(),
        }
        let flags = fds.iter().map(PollFd::revents);
        sources
            .iter()
            .copied()
            .zip(flags)
            .filter(|(_, flags)| !flags.is_empty())
            .collect()
    }

    fn due(&self) -> Option<Instant> {
        let steps = self.steps.iter().filter_map(Step::deadline);
        steps.chain(self.shutdown).chain(self.doors_rest_until).min()
    }

    fn attend(&mut self, source: Source, flags: PollFlags) -> Result<(), ChannelError> {
        match source {
            // Room to write is used at the start of the next turn.
            Source::Channel if flags == PollFlags::OUT => {}
            Source::Channel => self.take_commands()?,
            Source::Children => {
                self.child_signal.clear();
                self.reap();
            }
            Source::Verdict(number) => {
                if let Some(step) = self.steps.iter_mut().find(|step| step.number == number)
                    && step.learn_verdict()
                {
                    self.tell(&FromInit::StepStarted { step: number });
                }
            }
            Source::Output(number) => {
                let mut out = Vec::new();
                let mut started = false;
                if let Some(step) = self.steps.iter_mut().find(|step| step.number == number) {
                    // What a program writes follows the news that it runs.
                    started = step.learn_verdict();
                    step.read_some(Instant::now(), &mut out);
                }
                if started {
                    self.tell(&FromInit::StepStarted { step: number });
                }
                self.show(number, &out);
            }
            Source::Lingering(index) => self.discard(index),
            Source::Door(door) => match self.doors.accept(door) {
                Ok(connections) => {
                    for fd in connections {
                        self.tell(&FromInit::Connection { door, fd });
                    }
                }
                Err(_) => self.rest_doors(),
            },
            Source::Control => {
                if self.doors.accept_control().is_err() {
                    self.rest_doors();
                }
            }
            Source::ControlClient(number) => {
                if self.doors.converse(number) && !self.halted {
                    self.halted = true;
                    self.tell(&FromInit::HaltRequested);
                }
            }
        }
        Ok(())
    }

    /// Queues a message. One that cannot be queued is a connection for which no descriptor is free; its process
    /// sees a closed socket.
    fn tell(&mut self, message: &FromInit) {
        if self.outbox.push(message).is_err() {
            self.rest_doors();
        }
    }

    fn show(&mut self, step: u32, bytes: &[u8]) {
        for chunk in bytes.chunks(MAX_OUTPUT) {
            self.tell(&FromInit::Output {
                step,
                bytes: chunk.to_vec(),
            });
        }
    }

    fn fail(&mut self, step: u32, reason: impl Into<String>) {
        self.tell(&FromInit::Failed {
            step,
            reason: reason.into(),
        });
    }

    fn rest_doors(&mut self) {
        self.doors_rest_until = Some(Instant::now() + ACCEPT_REST);
    }

    fn discard(&mut self, index: usize) {
        let mut buffer = [0; 16 << 10];
        let mut total = 0;
        while let Some(output) = self.lingering.get(index).filter(|_| total < READ_PER_TURN) {
            match output.read(&mut buffer) {
                Taken::Bytes(read) => total += read,
                Taken::Nothing => break,
                Taken::End => {
                    // Swapped, so that the other indices of this turn stay what they were, except the last one's,
                    // which is then looked at in the next turn.
                    self.lingering.swap_remove(index);
                    break;
                }
            }
        }
    }

    fn take_commands(&mut self) -> Result<(), ChannelError> {
        for _ in 0..COMMANDS_PER_TURN {
            match self.commands.try_receive()? {
                Received::Message(command) => self.obey(command),
                Received::Nothing => break,
                Received::Closed => return Err(ChannelError::ClosedInFrame),
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: ToInit) {
        let now = Instant::now();
        match command {
            ToInit::Configure(configure) => self.configure(configure),
            ToInit::StartStep(start) => self.start(&start, now),
            ToInit::StopStep { step, grace_ms } => {
                // One that has ended meanwhile is already what was asked for.
                if let Some(step) = self.steps.iter_mut().find(|running| running.number == step) {
                    step.end(
                        StepEnd::Stopped,
                        now,
                        Duration::from_millis(grace_ms),
                        &self.processes,
                    );
                }
            }
            ToInit::SwitchRoot(new_root) => {
                self.job.forget_bash_env();
                match self.isolation.switch_root(new_root) {
                    Ok(()) => self.tell(&FromInit::RootSwitched),
                    Err(error) => self.fail(NO_STEP, format!("switching the root: {error}")),
                }
            }
            ToInit::Shutdown { grace_ms } => self.shut_down(now, Duration::from_millis(grace_ms)),
        }
    }

    fn configure(&mut self, mut configure: Configure) {
        self.secrets.append(&mut configure.masks);
        match Masks::new(self.secrets.iter().map(SecretBytes::expose)) {
            Ok(masks) => self.masks = masks,
            Err(_too_many) => {
                return self.fail(
                    NO_STEP,
                    "the job's secrets are together larger than can be masked (4 MiB)",
                );
            }
        }
        for index in 0..self.steps.len() {
            let mut out = Vec::new();
            let step = &mut self.steps[index];
            step.masks.replace(&self.masks, &mut out);
            let number = step.number;
            self.show(number, &out);
        }
        self.job.configure(configure);
    }

    fn start(&mut self, start: &StartStep, now: Instant) {
        let number = start.step;
        if self.steps.iter().any(|step| step.number == number) {
            return self.fail(number, format!("step {number} is already running"));
        }
        let started = if self.shutdown.is_some() {
            Err("the job is already being ended".to_owned())
        } else if self.steps.len() >= LIVE_STEPS {
            Err(format!(
                "{LIVE_STEPS} steps are running already; stop background steps before starting more"
            ))
        } else {
            self.fork_step(start, now)
        };
        match started {
            Ok(step) => {
                self.steps.push(step);
                self.children = Children::Some;
            }
            Err(reason) => {
                self.tell(&FromInit::StepFinished {
                    step: number,
                    end: StepEnd::CouldNotStart(reason),
                });
            }
        }
    }

    fn fork_step(&mut self, start: &StartStep, now: Instant) -> Result<Step, String> {
        let said = |doing: &'static str| move |error: io::Error| format!("{doing}: {error}");
        let is_step = start.program.is_empty();
        let variables = if is_step {
            self.job.of_step(&start.env, self.settings)
        } else {
            self.job.of_program(&start.env)
        };
        let path = variables.get("PATH").map_or("", String::as_str);
        let (shell, script) = if is_step {
            self.job
                .ensure_bash_env(&variables)
                .map_err(said("creating the file BASH_ENV names"))?;
            let script = ScriptFile::write(&self.settings.run_dir, start.step, &start.script)
                .map_err(said("writing the step's script"))?;
            (Shell::new(&start.shell, path, script.path())?, Some(script))
        } else {
            (Shell::program(&start.program, path)?, None)
        };
        let make_output = if start.tty { output::terminal } else { output::pipe };
        let (output, ends) = make_output(&self.job.user).map_err(said("opening the step's output"))?;
        let birth = Birth {
            shell,
            environment: for_exec(&variables)?,
            working_directory: self.job.resolve(&start.working_directory),
            user: self.job.user.clone(),
            ends,
        };
        let told = self.spare.take().map(|spare| spare.become_step(&birth));
        let (shell, verdict) = match told {
            Some(Ok(shell)) => shell,
            Some(Err(_)) | None => spawn(&birth, self.isolation).map_err(said("forking the step's shell"))?,
        };
        let parts = Parts {
            number: start.step,
            shell,
            output,
            verdict,
            masks: self.masks.stream(),
            script,
            no_output_timeout_ms: start.no_output_timeout_ms,
        };
        Ok(Step::new(parts, now))
    }

    /// Collects the dead, a bounded number of them.
    fn reap(&mut self) {
        self.children = Children::MoreDead;
        for _ in 0..REAPS_PER_TURN {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    self.steps.iter_mut().any(|step| step.reaped(pid, status));
                }
                Ok(None) => {
                    self.children = Children::Some;
                    break;
                }
                Err(Errno::INTR) => {}
                Err(_none_left) => {
                    self.children = Children::None;
                    break;
                }
            }
        }
        self.conclude_steps();
    }

    /// Sends the last output and the end of every step that has ended.
    fn conclude_steps(&mut self) {
        let mut index = 0;
        while let Some(step) = self.steps.get_mut(index) {
            let number = step.number;
            if step.learn_verdict() {
                self.tell(&FromInit::StepStarted { step: number });
            }
            match self.steps[index].ended(&self.processes) {
                None => index += 1,
                Some(end) => {
                    let step = self.steps.remove(index);
                    self.conclude(step, end);
                }
            }
        }
    }

    fn conclude(&mut self, step: Step, end: StepEnd) {
        let number = step.number;
        let mut out = Vec::new();
        let left = step.conclude(&mut out);
        self.show(number, &out);
        self.tell(&FromInit::StepFinished { step: number, end });
        if let Some(output) = left {
            if self.lingering.len() == LINGERING {
                self.lingering.remove(0);
            }
            self.lingering.push(output);
        }
    }

    fn shut_down(&mut self, now: Instant, grace: Duration) {
        let deadline = now.checked_add(grace).unwrap_or(now);
        let first = self.shutdown.is_none();
        self.shutdown = Some(self.shutdown.map_or(deadline, |sooner| sooner.min(deadline)));
        for step in &mut self.steps {
            step.mark_ending(StepEnd::Stopped, now, grace);
        }
        if first {
            self.spare = None;
            self.processes.signal(Group::Everyone, Signal::TERM);
            self.processes.signal(Group::Everyone, Signal::CONT);
            self.reap();
        }
    }

    /// Kills and collects whatever still runs; what forks meanwhile is met by the next round.
    fn end_everyone(&mut self) {
        while self.children != Children::None {
            self.processes.signal(Group::Everyone, Signal::KILL);
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => {
                    self.steps.iter_mut().any(|step| step.reaped(pid, status));
                }
                Ok(None) | Err(Errno::INTR) => {}
                Err(_none_left) => self.children = Children::None,
            }
        }
        self.conclude_steps();
    }

    /// Gives the last messages a while to leave.
    fn last_words(&mut self) {
        let until = Instant::now() + LAST_WORDS;
        while self.outbox.flush().is_ok() && !self.outbox.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut fds = [PollFd::new(&self.outbox, PollFlags::OUT)];
            if matches!(poll(&mut fds, Some(&timespec(left))), Err(errno) if errno != Errno::INTR) {
                break;
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
