//! A step runner in a process of its own and the agent's end of its channel.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use airlock_sandbox::channel::{
    Configure, FromInit, Reader, SecretBytes, StartStep, StepEnd, StepUser, ToInit, Writer, pair,
};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_airlock-task");

/// A grace so long that a test which waits for it would be noticed.
pub(crate) const FOR_EVER: u64 = 3_600_000;

pub(crate) struct Host {
    process: Child,
    pub(crate) reader: Option<Reader<FromInit>>,
    pub(crate) writer: Option<Writer<ToInit>>,
    directory: TempDir,
    next: u32,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: Vec<u8>,
    pub(crate) end: StepEnd,
    pub(crate) started: bool,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.output).expect("text")
    }

    pub(crate) fn seen(&self) -> (&str, StepEnd) {
        (self.text(), self.end.clone())
    }
}

impl Host {
    /// A runner whose job has no secrets.
    pub(crate) fn new() -> Self {
        Self::with_masks(&[])
    }

    pub(crate) fn with_masks(masks: &[&str]) -> Self {
        let mut host = Self::unconfigured();
        host.configure(&[], masks);
        host
    }

    pub(crate) fn unconfigured() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (here, there) = pair().expect("a socket pair");
        let at = |name: &str| {
            let path = directory.path().join(name);
            fs::create_dir(&path).expect("created");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
            path
        };
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("set");
        let (run_dir, temp_dir, _home) = (at("run"), at("tmp"), at("home"));
        fs::create_dir(run_dir.join("bin")).expect("created");
        for name in ["circleci", "circleci-agent", "airlock-task"] {
            symlink(PROGRAM, run_dir.join("bin").join(name)).expect("linked");
        }
        let process = Command::new(PROGRAM)
            .arg("run-steps")
            .env("AIRLOCK_RUN_DIR", &run_dir)
            .env("AIRLOCK_TEMP_DIR", &temp_dir)
            .env("LEAK", "from the runner's own environment")
            .stdin(Stdio::from(there))
            .spawn()
            .expect("the program starts");
        let writer = Writer::new(here.try_clone().expect("a duplicate"));
        let mut host = Self {
            process,
            reader: Some(Reader::new(here)),
            writer: Some(writer),
            directory,
            next: 0,
        };
        assert!(matches!(host.receive(), FromInit::Ready));
        host
    }

    pub(crate) fn configure(&mut self, env: &[(&str, &str)], masks: &[&str]) {
        let run_dir = self.path("run").display().to_string();
        let env = env.iter().copied().chain([("AIRLOCK_RUN_DIR", run_dir.as_str())]);
        let configure = Configure {
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            masks: masks
                .iter()
                .map(|mask| SecretBytes::new(mask.as_bytes().to_vec()))
                .collect(),
            home: self.path("home").display().to_string(),
            user: Self::me(),
        };
        self.send(&ToInit::Configure(configure));
    }

    /// Whoever runs the tests.
    pub(crate) fn me() -> StepUser {
        StepUser {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: Vec::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.path("home").join(name)
    }

    pub(crate) fn send(&mut self, message: &ToInit) {
        self.writer.as_mut().expect("open").send(message).expect("sent");
    }

    pub(crate) fn receive(&mut self) -> FromInit {
        self.reader
            .as_mut()
            .expect("open")
            .receive()
            .expect("a whole message")
            .expect("not closed")
    }

    /// A step in the home directory with a terminal.
    pub(crate) fn step(&mut self, script: &str) -> StartStep {
        self.next += 1;
        StartStep {
            step: self.next,
            script: script.to_owned(),
            working_directory: "~".to_owned(),
            tty: true,
            ..StartStep::default()
        }
    }

    /// Starts a step and leaves it running.
    pub(crate) fn start(&mut self, script: &str) -> u32 {
        let step = self.step(script);
        let number = step.step;
        self.send(&ToInit::StartStep(step));
        number
    }

    pub(crate) fn run(&mut self, script: &str) -> Ran {
        let step = self.step(script);
        self.run_step(step)
    }

    pub(crate) fn run_step(&mut self, step: StartStep) -> Ran {
        let number = step.step;
        self.send(&ToInit::StartStep(step));
        self.finish(number)
    }

    pub(crate) fn stop(&mut self, step: u32, grace_ms: u64) {
        self.send(&ToInit::StopStep { step, grace_ms });
    }

    /// Reads to the end of a step; what belongs to other steps is dropped.
    pub(crate) fn finish(&mut self, number: u32) -> Ran {
        let (mut output, mut started) = (Vec::new(), false);
        loop {
            match self.receive() {
                FromInit::Output { step, bytes } if step == number => {
                    assert!(started, "output before the step has started");
                    output.extend(bytes);
                }
                FromInit::StepStarted { step } if step == number => {
                    assert!(!started, "started twice");
                    started = true;
                }
                FromInit::StepFinished { step, end } if step == number => {
                    return Ran { output, end, started };
                }
                FromInit::Failed { step, reason } => panic!("step {step} failed: {reason}"),
                FromInit::Ready
                | FromInit::Output { .. }
                | FromInit::StepStarted { .. }
                | FromInit::StepFinished { .. }
                | FromInit::Connection { .. }
                | FromInit::HaltRequested
                | FromInit::RootSwitched => {}
            }
        }
    }

    /// Reads until a step's output holds this text; returns what came.
    pub(crate) fn wait_for(&mut self, number: u32, text: &str) -> Vec<u8> {
        let mut output = Vec::new();
        while !contains(&output, text) {
            match self.receive() {
                FromInit::Output { step, bytes } if step == number => output.extend(bytes),
                FromInit::StepStarted { .. } | FromInit::Output { .. } => {}
                other @ (FromInit::Ready
                | FromInit::StepFinished { .. }
                | FromInit::Connection { .. }
                | FromInit::HaltRequested
                | FromInit::RootSwitched
                | FromInit::Failed { .. }) => {
                    panic!(
                        "waiting for {text:?}: {other:?} after {:?}",
                        String::from_utf8_lossy(&output)
                    )
                }
            }
        }
        output
    }

    /// Starts a step that says `ready`, waits for it, and goes on without its news that it started.
    pub(crate) fn start_and_wait(&mut self, script: &str) -> u32 {
        let number = self.start(script);
        self.wait_for(number, "ready\n");
        number
    }

    /// Reads to the end of a step of which some output has been read already.
    pub(crate) fn finish_rest(&mut self, number: u32) -> Ran {
        let mut output = Vec::new();
        loop {
            match self.receive() {
                FromInit::Output { step, bytes } if step == number => output.extend(bytes),
                FromInit::StepFinished { step, end } if step == number => {
                    return Ran {
                        output,
                        end,
                        started: true,
                    };
                }
                FromInit::Failed { step, reason } => panic!("step {step} failed: {reason}"),
                FromInit::Ready
                | FromInit::Output { .. }
                | FromInit::StepStarted { .. }
                | FromInit::StepFinished { .. }
                | FromInit::Connection { .. }
                | FromInit::HaltRequested
                | FromInit::RootSwitched => {}
            }
        }
    }

    /// The agent goes away; the runner's end is returned.
    pub(crate) fn hang_up(&mut self) -> ExitStatus {
        self.reader = None;
        self.writer = None;
        self.process.wait().expect("it ends")
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the runner's end while keeping the channel open.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("it ends")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.hang_up();
    }
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A process to wait for, from the file its number was written to.
pub(crate) struct Watched(rustix::fd::OwnedFd);

impl Watched {
    pub(crate) fn from_file(path: &Path) -> Self {
        let number = fs::read_to_string(path)
            .expect("written")
            .trim()
            .parse()
            .expect("a number");
        let pid = rustix::process::Pid::from_raw(number).expect("not zero");
        Self(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("it runs"))
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.poll(Some(&rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }))
    }

    pub(crate) fn wait(&self) {
        assert!(self.poll(None));
    }

    fn poll(&self, timeout: Option<&rustix::event::Timespec>) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout).expect("polled") > 0
    }
}
