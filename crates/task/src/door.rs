//! Which door of the program was knocked at: the name it was called by, else its first argument.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use airlock_sandbox::{Confinement, Init, root, zygote};

use crate::pid1::{self, Isolation, NoIsolation, Settings};
use crate::{circleci, dial, guest, sftp, visit};

/// Where the agent leaves the zygote's control socket.
const CONTROL_FD: i32 = 3;

const USAGE: &str = "\
airlock-task is the part of Airlock inside a job's sandbox.

Usage: airlock-task launcher     start sandboxes, control socket on descriptor 3
       airlock-task run-steps    run steps without a sandbox, channel on standard input
       airlock-task enter        go into a running sandbox, control socket on descriptor 3
       airlock-task sftp         serve files on standard input and output
       airlock-task dial git     join standard input and output with the job's git host
       airlock-task circleci …   the helper of a job, also by the names circleci and circleci-agent
";

/// Runs the program with these arguments, its own name first.
pub fn enter(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut words = arguments
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned());
    let called = words.next().unwrap_or_default();
    let mut words: Vec<String> = words.collect();
    let name = Path::new(&called)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        Some("circleci" | "circleci-agent") => return ExitCode::from(circleci::run(&words)),
        // What the kernel of a virtual machine calls its first process. Anybody else gets the usage.
        Some("init") if rustix::process::getpid().as_raw_nonzero().get() == 1 => {
            return ExitCode::from(guest::run());
        }
        Some(_) | None => {}
    }
    let door = if words.is_empty() {
        String::new()
    } else {
        words.remove(0)
    };
    let code = match door.as_str() {
        "launcher" => launch(),
        "enter" => visit::run(),
        "sftp" => sftp::run(),
        "run-steps" => run_steps(),
        "dial" => dial::run(&words, &Settings::from_environment().run_dir),
        "circleci" | "circleci-agent" => circleci::run(&words),
        "--help" | "-h" | "help" => {
            let _unheard = io::stdout().write_all(USAGE.as_bytes());
            0
        }
        _ => {
            let _unheard = io::stderr().write_all(USAGE.as_bytes());
            2
        }
    };
    ExitCode::from(code)
}

fn launch() -> u8 {
    // SAFETY: by contract the agent leaves the control socket here, and nothing in this process has touched it. An
    // agent that did not gets the error of the first read.
    let control = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    zygote::serve(control, inside)
}

/// Process 1 of a new sandbox.
fn inside(init: Init) -> i32 {
    pid1::run(init.channel, &Settings::inside(), &Inside(init.confinement))
}

struct Inside(Confinement);

impl Isolation for Inside {
    fn confine(&self) -> io::Result<()> {
        self.0.apply()
    }

    fn switch_root(&self, new_root: OwnedFd) -> io::Result<()> {
        root::switch(new_root)
    }
}

/// The step runner without a sandbox.
fn run_steps() -> u8 {
    match io::stdin().as_fd().try_clone_to_owned() {
        Ok(channel) => {
            u8::try_from(pid1::run(channel, &Settings::from_environment(), &NoIsolation)).unwrap_or(1)
        }
        Err(_no_channel) => 1,
    }
}
