//! The child between `fork` and `exec`: becomes a session of its own with its terminal, takes the confinement, the
//! user and the working directory, and turns into the step's shell. Whatever fails on the way is told to PID 1
//! through a pipe that `exec` closes. PID 1 is single-threaded, so the child may allocate.
//!
//! With a terminal the session's leader is not the shell but a guard that waits for it and ends as it ended. When a
//! leader goes, the kernel sends SIGHUP to the terminal's foreground, and `nohup server &` at the end of a script
//! would lose a race: the script ends before `nohup` has begun to ignore it. The guard takes the foreground for
//! itself first, so what a step leaves behind lives on.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use airlock_sandbox::channel::StepUser;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, ioctl_tiocsctty, setsid};

use super::output::ChildEnds;
use super::script::Shell;
use super::{Isolation, signals};

/// All a child needs to become a step.
pub(super) struct Birth {
    pub(super) shell: Shell,
    pub(super) environment: Vec<CString>,
    pub(super) working_directory: PathBuf,
    pub(super) user: StepUser,
    pub(super) ends: ChildEnds,
}

/// Forks a step. Returns the child and the pipe that is closed by a successful `exec` or carries the reason of a failure.
pub(super) fn spawn(birth: &Birth, isolation: &dyn Isolation) -> io::Result<(Pid, OwnedFd)> {
    fork(|| {
        let confined = apart().and_then(|()| confine(isolation));
        confined.err().unwrap_or_else(|| become_told(birth))
    })
}

/// Forks; the child does `work`, which returns only with the reason why it did not become something else.
pub(super) fn fork(work: impl FnOnce() -> String) -> io::Result<(Pid, OwnedFd)> {
    let (verdict, failure) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // SAFETY: this process has one thread, so the child's memory is consistent and it may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let reason = work();
            // Reading ends wait for nothing else from a step that never was. If the confinement has closed the
            // pipe already, the step's own output still says why.
            if rustix::io::write(&failure, reason.as_bytes()).is_err() {
                let _unheard = rustix::io::write(rustix::stdio::stderr(), reason.as_bytes());
            }
            // SAFETY: ends the child without running what belongs to its parent (destructors, exit handlers).
            unsafe { libc::_exit(127) }
        }
        pid => match Pid::from_raw(pid) {
            Some(pid) => Ok((pid, verdict)),
            None => Err(io::Error::other("fork returned an impossible process number")),
        },
    }
}

/// Becomes the shell, or its guard, in a process that is confined already; returns only with the reason why not.
pub(super) fn become_told(birth: &Birth) -> String {
    if let Err(reason) = prepare(birth) {
        return reason;
    }
    if birth.ends.tty {
        let (guarded, hold) = match pipe_with(PipeFlags::CLOEXEC) {
            Ok(ends) => ends,
            Err(errno) => return format!("opening a pipe: {}", io::Error::from(errno)),
        };
        // SAFETY: this process has one thread, so its child may do anything.
        match unsafe { libc::fork() } {
            -1 => return format!("forking the step's shell: {}", io::Error::last_os_error()),
            0 => {}
            shell => guard(shell),
        }
        // Until the guard stands and has let go of what it inherited: what the shell writes must not be seen before
        // the end of the pipe that tells of its start.
        drop(hold);
        while matches!(
            rustix::io::read(&guarded, &mut [0; 1]),
            Err(rustix::io::Errno::INTR)
        ) {}
        if let Err(errno) = take_foreground() {
            return format!("taking the terminal's foreground: {}", io::Error::from(errno));
        }
    }
    signals::reset();
    exec(birth)
}

/// Makes the calling process the foreground of its terminal, in a process group of its own. SIGTTOU, which would
/// stop a process for that, is blocked until `signals::reset`.
fn take_foreground() -> rustix::io::Result<()> {
    signals::block_all();
    rustix::process::setpgid(None, None)?;
    rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid())
}

/// Waits for the shell and ends as it did. Only KILL reaches it: what ends the step must not end it first.
fn guard(shell: libc::pid_t) -> ! {
    signals::block_all();
    close_all_but_standard();
    let status = loop {
        match rustix::process::waitpid(Pid::from_raw(shell), rustix::process::WaitOptions::empty()) {
            Ok(Some((_, status))) => break Some(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => break None,
        }
    };
    // The job may have closed or replaced the terminal; then there is no foreground to take.
    let _no_terminal = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpgrp());
    if let Some(signal) = status.and_then(rustix::process::WaitStatus::terminating_signal) {
        signals::die_of(signal);
    }
    let code = status
        .and_then(rustix::process::WaitStatus::exit_status)
        .unwrap_or(127);
    // SAFETY: ends this process without running what belongs to PID 1, whose copy it is.
    unsafe { libc::_exit(code) }
}

/// Nothing of PID 1's stays open in a process that never calls `exec`: not its channel, and not the pipe on which
/// the shell alone says whether it came to be.
fn close_all_but_standard() {
    // SAFETY: the guard uses no descriptor but the standard ones from here on and runs no destructor.
    if unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } != 0 {
        for fd in 3..65_536 {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// Begins a session of its own.
pub(super) fn apart() -> Result<(), String> {
    setsid().map_err(|errno| failed("starting a session for the step")(errno.into()))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

/// Gives up what a step must not have.
pub(super) fn confine(isolation: &dyn Isolation) -> Result<(), String> {
    isolation.confine().map_err(failed("confining the step"))
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{doing}: {error}")
}

fn prepare(birth: &Birth) -> Result<(), String> {
    if birth.ends.tty {
        ioctl_tiocsctty(&birth.ends.input).map_err(|e| failed("taking the step's terminal")(e.into()))?;
    }
    rustix::stdio::dup2_stdin(&birth.ends.input)
        .and_then(|()| rustix::stdio::dup2_stdout(&birth.ends.output))
        .and_then(|()| rustix::stdio::dup2_stderr(&birth.ends.output))
        .map_err(|e| failed("connecting the step's output")(e.into()))?;
    let directory = &birth.working_directory;
    create_for(directory, &birth.user)
        .map_err(|error| format!("creating the working directory {}: {error}", directory.display()))?;
    become_user(&birth.user).map_err(failed("becoming the step's user"))?;
    rustix::process::chdir(directory)
        .map_err(|error| format!("entering the working directory {}: {error}", directory.display()))
}

/// Creates what is missing of a directory's path and gives that part to the step's user.
fn create_for(directory: &Path, user: &StepUser) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.is_dir())
        .collect();
    for part in missing.iter().rev() {
        match fs::create_dir(part) {
            Ok(()) => chown(part, Some(user.uid), Some(user.gid))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && part.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives the calling process's rights up for those of a user of the sandbox.
pub(crate) fn become_user(user: &StepUser) -> io::Result<()> {
    // Whoever starts the runner outside of a sandbox without rights can only stay who he is.
    if rustix::process::geteuid().as_raw() == user.uid && user.uid != 0 {
        return Ok(());
    }
    let check = |result: libc::c_int| {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the pointer and the count describe the vector; the kernel only reads it.
    check(unsafe { libc::setgroups(user.groups.len(), user.groups.as_ptr()) })?;
    // SAFETY: plain numbers. Groups go first, as the right to set them goes with the user.
    check(unsafe { libc::setresgid(user.gid, user.gid, user.gid) })?;
    // SAFETY: plain numbers.
    check(unsafe { libc::setresuid(user.uid, user.uid, user.uid) })
}

fn exec(birth: &Birth) -> String {
    let environment = pointers(&birth.environment);
    let mut refused = None;
    for attempt in &birth.shell.attempts {
        let arguments = pointers(&attempt.arguments);
        // SAFETY: both lists end with a null pointer and point to strings that outlive the call.
        unsafe { libc::execve(attempt.program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) {
            refused.get_or_insert((attempt.program.to_string_lossy(), error));
        }
    }
    match refused {
        None => birth.shell.missing.clone(),
        Some((program, error)) if error.raw_os_error() == Some(libc::E2BIG) => format!(
            "starting {program}: {error}; all variables of a step together must stay below 2 MB and each below 128 kB"
        ),
        Some((program, error)) => format!("starting {program}: {error}"),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}
