//! Our launcher, as an agent in its thousandth job uses it: it runs already, and each sandbox is started, told one
//! command by the channel of jobs, and destroyed. Network, limits, filter, overlay on disk: all of it. And the same with
//! a sandbox that was made ahead.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use airlock_sandbox::channel::{Configure, FromInit, Reader, StartStep, StepEnd, ToInit, Writer};
use airlock_sandbox::{Launcher, LauncherOptions, Limits, Network, Sandbox, SandboxSpec, SeccompProfile};
use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::limits;
use crate::place::{COMMAND, Place};

/// A run in parts.
pub(crate) type Parts = Vec<(&'static str, Duration)>;

/// A launcher that runs.
#[derive(Debug)]
pub(crate) struct Ours {
    launcher: Launcher,
    task: PathBuf,
    work: PathBuf,
    next: u32,
}

impl Ours {
    /// Makes so many sandboxes ahead.
    pub(crate) fn start(task: &Path, place: &Place, warm: u32) -> Result<Self> {
        let options = LauncherOptions {
            warm,
            ..LauncherOptions::new(place.join(&format!("state-{warm}")))
        };
        Ok(Self {
            launcher: Launcher::spawn(task, options).context("starting the launcher")?,
            task: task.to_owned(),
            work: place.join("work"),
            next: 0,
        })
    }

    fn spec(&mut self, image: &Path) -> SandboxSpec {
        self.next += 1;
        SandboxSpec {
            id: format!("bench-{}", self.next),
            hostname: format!("bench-{}", self.next),
            layers: vec![image.to_owned()],
            limits: Limits {
                cpu_millis: limits::CPU_MILLIS,
                memory_bytes: limits::MEMORY_BYTES,
                pids: limits::PIDS,
                disk: None,
            },
            network: Network::Egress,
            profile: SeccompProfile::Default,
            helper: self.task.clone(),
            work_dir: self.work.clone(),
            local_names: Vec::new(),
        }
    }

    /// From nothing there to everything reaped; what is then removed on the host is a part of its own.
    pub(crate) fn cold(&mut self, image: &Path) -> Result<(Duration, Parts)> {
        let spec = self.spec(image);
        let mut clock = Clock::start();
        let mut sandbox = self.launcher.start(&spec)?;
        clock.lap("sandbox");
        let mut inside = Inside::of(&mut sandbox)?;
        inside.ready()?;
        clock.lap("process 1 listens");
        inside.begin_step()?;
        clock.lap("first instruction");
        inside.end_step()?;
        clock.lap("command ends");
        pidfd_send_signal(sandbox.pidfd(), Signal::KILL)?;
        // Readable once process 1 and with it everything in the sandbox has been reaped.
        poll(
            &mut [PollFd::from_borrowed_fd(sandbox.pidfd(), PollFlags::IN)],
            None,
        )?;
        clock.lap("reaped");
        let reaped = clock.whole();
        sandbox.destroy()?;
        clock.lap("after that: groups and files removed");
        Ok((reaped, clock.parts))
    }

    /// From a sandbox that waits to everything reaped, or, if that is not `whole`, to the command's start.
    pub(crate) fn warm(&mut self, image: &Path, whole: bool) -> Result<(Duration, Parts)> {
        let spec = self.spec(image);
        self.await_waiting(&spec)?;
        let before = self.hits();
        let mut clock = Clock::start();
        let mut sandbox = self.launcher.start(&spec)?;
        clock.lap("taken");
        let mut inside = Inside::of(&mut sandbox)?;
        inside.ready()?;
        inside.begin_step()?;
        clock.lap("first instruction");
        let begun = clock.whole();
        inside.end_step()?;
        clock.lap("command ends");
        pidfd_send_signal(sandbox.pidfd(), Signal::KILL)?;
        poll(
            &mut [PollFd::from_borrowed_fd(sandbox.pidfd(), PollFlags::IN)],
            None,
        )?;
        clock.lap("reaped");
        let reaped = clock.whole();
        ensure!(self.hits() == before + 1, "no sandbox was waiting");
        sandbox.destroy()?;
        // Made again before anything else is measured.
        self.await_waiting(&spec)?;
        if whole {
            Ok((reaped, clock.parts))
        } else {
            clock.parts.truncate(2);
            Ok((begun, clock.parts))
        }
    }

    fn hits(&self) -> u64 {
        self.launcher.warm().map_or(0, |told| told.hits)
    }

    /// Waits until one waits; the first is made after a job has asked for one.
    #[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
    fn await_waiting(&mut self, spec: &SandboxSpec) -> Result<()> {
        let waiting = |launcher: &Launcher| launcher.warm().map_or(0, |told| told.waiting);
        let told = self.launcher.warm().context("a launcher that makes none ahead")?;
        if told.hits + told.misses == 0 {
            let first = SandboxSpec {
                id: "bench-first".into(),
                ..spec.clone()
            };
            self.launcher.start(&first)?.destroy()?;
        }
        let deadline = Instant::now() + limits::WARM_READY;
        while waiting(&self.launcher) == 0 {
            ensure!(Instant::now() < deadline, "no sandbox was made ahead");
            std::thread::sleep(limits::WARM_POLL);
        }
        // Its process 1 gets ready by itself.
        std::thread::sleep(limits::WARM_POLL);
        Ok(())
    }

    /// From the word to switch to the root that the next step runs in.
    pub(crate) fn switch(&mut self, image: &Path) -> Result<(Duration, Parts)> {
        let spec = self.spec(image);
        let mut sandbox = self.launcher.start(&spec)?;
        let mut inside = Inside::of(&mut sandbox)?;
        inside.ready()?;
        inside.begin_step()?;
        inside.end_step()?;
        let mut clock = Clock::start();
        let root = sandbox.assemble_root(&[])?;
        clock.lap("assembled");
        inside.writer.send(&ToInit::SwitchRoot(root))?;
        let answer = inside.receive()?;
        ensure!(
            matches!(answer, FromInit::RootSwitched),
            "{answer:?} came instead of the new root"
        );
        clock.lap("entered");
        let switched = clock.whole();
        inside.begin_step()?;
        inside.end_step()?;
        sandbox.destroy()?;
        Ok((switched, clock.parts))
    }

    /// Private memory of a sandbox's processes while it waits for its first step, in bytes.
    pub(crate) fn idle_memory(&mut self, image: &Path) -> Result<f64> {
        let spec = self.spec(image);
        let mut sandbox = self.launcher.start(&spec)?;
        let mut inside = Inside::of(&mut sandbox)?;
        inside.ready()?;
        let one = sandbox.pid();
        let children = format!("/proc/{one}/task/{one}/children");
        let children = std::fs::read_to_string(&children).with_context(|| format!("reading {children}"))?;
        let mut bytes = 0.0;
        for process in children.split_whitespace().chain([one.to_string().as_str()]) {
            let path = format!("/proc/{process}/smaps_rollup");
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            bytes += unshared(&text).with_context(|| format!("{path} names no memory"))?;
        }
        sandbox.destroy()?;
        Ok(bytes)
    }
}

/// The bytes of the `Private_` lines of `smaps_rollup`, and the process's part of anonymous memory it shares: a child that
/// waits was forked from process 1, and what the two have together is nobody else's.
fn unshared(rollup: &str) -> Option<f64> {
    let line = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<f64>().ok()
    };
    let private = line("Private_Clean:")? + line("Private_Dirty:")?;
    // Anonymous memory is in both: what is private of it is dirty.
    Some(private.max(line("Private_Clean:")? + line("Pss_Anon:")?) * 1024.0)
}

struct Inside {
    reader: Reader<FromInit>,
    writer: Writer<ToInit>,
}

impl Inside {
    fn of(sandbox: &mut Sandbox) -> Result<Self> {
        let channel = sandbox.take_channel().context("a sandbox without a channel")?;
        Ok(Self {
            writer: Writer::new(channel.try_clone()?),
            reader: Reader::new(channel),
        })
    }

    fn receive(&mut self) -> Result<FromInit> {
        self.reader.receive()?.context("process 1 ended")
    }

    fn ready(&mut self) -> Result<()> {
        let answer = self.receive()?;
        ensure!(
            matches!(answer, FromInit::Ready),
            "{answer:?} came before process 1 was ready"
        );
        Ok(self.writer.send(&ToInit::Configure(Configure::default()))?)
    }

    /// Runs the command until it has begun.
    fn begin_step(&mut self) -> Result<()> {
        let step = StartStep {
            shell: vec![COMMAND.into()],
            working_directory: "/".into(),
            ..StartStep::default()
        };
        self.writer.send(&ToInit::StartStep(step))?;
        let answer = self.receive()?;
        ensure!(
            matches!(answer, FromInit::StepStarted { .. }),
            "the command came to {answer:?}"
        );
        Ok(())
    }

    fn end_step(&mut self) -> Result<()> {
        let answer = self.receive()?;
        let done = FromInit::StepFinished {
            step: 0,
            end: StepEnd::Exited(0),
        };
        // Messages carry descriptors, so they cannot be compared.
        ensure!(
            format!("{answer:?}") == format!("{done:?}"),
            "the command came to {answer:?}"
        );
        Ok(())
    }
}

/// Time since its start, in laps.
struct Clock {
    begin: Instant,
    last: Instant,
    parts: Parts,
}

impl Clock {
    fn start() -> Self {
        let begin = Instant::now();
        Self {
            begin,
            last: begin,
            parts: Vec::new(),
        }
    }

    fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.parts.push((name, now.duration_since(self.last)));
        self.last = now;
    }

    /// Until the last lap.
    fn whole(&self) -> Duration {
        self.last.duration_since(self.begin)
    }
}

#[cfg(test)]
mod tests {
    use super::unshared;

    #[test]
    fn memory_that_nobody_else_has_is_counted() {
        let text = "Rss: 900 kB\nPss_Anon: 150 kB\nPrivate_Clean:        4 kB\nPrivate_Dirty:      196 kB\n";
        assert_eq!(unshared(text), Some(204_800.0));
        let forked = "Pss_Anon: 150 kB\nPrivate_Clean: 4 kB\nPrivate_Dirty: 20 kB\n";
        assert_eq!(unshared(forked), Some(157_696.0), "shared with process 1");
        assert_eq!(unshared("Rss: 900 kB\n"), None);
    }
}
