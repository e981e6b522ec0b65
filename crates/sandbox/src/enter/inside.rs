//! The process that goes in: single-threaded, host root at first, a stranger without rights over the host after the
//! first step. It never runs the visitor's program itself; its child does, confined exactly as a step.
//!
//! It cannot be seen from inside, since its own process namespace stays the host's, and neither it nor its child can
//! be traced or opened through `/proc` before `exec`. It ends when the agent is gone, whoever killed that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, fchown, fstatfs, open};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Gid, Pid, PidfdFlags, Signal, Uid, WaitOptions, ioctl_tiocsctty, kill_process_group,
    pidfd_open, set_dumpable_behavior, setsid, umask, waitpid,
};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::{Call, Errand, Orders, RunInside, TerminalSize, VisitEnd, Word, network};
use crate::channel::StepUser;
use crate::confinement::Confinement;
use crate::failure::{Doing as _, Failure};
use crate::sys;
use crate::wire;

/// Every namespace a sandbox has of its own.
const ALL_NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Becomes the visitor's program in a child that is confined already: user, variables, directory and `exec`. Returns
/// only with the reason why not.
pub type Program = fn(&RunInside) -> String;

/// Runs one errand for the agent at the other end of `control`. The caller must be single-threaded.
pub fn serve(control: &OwnedFd, program: Program) -> ! {
    let word = match run(control, program) {
        Ok(word) => word,
        Err(Failure { doing, source }) => Some(Word::Failed {
            doing,
            errno: source.raw_os_error().unwrap_or(libc::EIO),
        }),
    };
    if let Some(word) = word {
        // Whoever does not hear it is gone.
        let _unheard = tell(control, &word, &[]);
    }
    sys::exit_now(0)
}

fn tell(control: &OwnedFd, word: &Word, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    wire::send(control, &serde_json::to_vec(word)?, fds)
}

fn run(control: &OwnedFd, program: Program) -> Result<Option<Word>, Failure> {
    sys::reset_signals().doing(|| "resetting signals")?;
    sys::close_on_exec_from(3).doing(|| "closing descriptors")?;
    let (_, fds) = wire::receive(control)
        .doing(|| "waiting for the errand")?
        .unwrap_or_default();
    let [paper, pidfd] = <[OwnedFd; 2]>::try_from(fds)
        .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))
        .doing(|| "taking the errand over")?;
    let orders = read(paper)?;
    // Opened with the rights of the host, to be written to by the child alone: the helper is not the job's.
    let groups: Vec<File> = orders
        .groups
        .iter()
        .map(|path| {
            let opened = OpenOptions::new().write(true).open(path);
            opened.doing(|| format!("opening {}", path.display()))
        })
        .collect::<Result<_, _>>()?;
    go_in(&pidfd)?;
    drop(pidfd);
    match &orders.errand {
        Errand::Connect { host, port } => Ok(Some(match network::dial(host, *port) {
            Ok(socket) => {
                tell(control, &Word::Ready, &[socket.as_fd()]).doing(|| "handing the connection out")?;
                return Ok(None);
            }
            Err(reason) => Word::Refused(reason),
        })),
        Errand::Run(what) => attend(control, what, groups, &Confinement::new(orders.profile), program),
    }
}

fn read(paper: OwnedFd) -> Result<Orders, Failure> {
    let mut paper = File::from(paper);
    let mut text = Vec::new();
    paper
        .rewind()
        .and_then(|()| paper.read_to_end(&mut text))
        .doing(|| "reading the errand")?;
    serde_json::from_slice(&text).doing(|| "reading the errand")
}

/// Into all namespaces at once, by the descriptor of process 1: a number could have become somebody else's.
fn go_in(pidfd: &OwnedFd) -> Result<(), Failure> {
    // SAFETY: a descriptor and flags; this process has one thread and shares nothing with another.
    if unsafe { libc::setns(pidfd.as_raw_fd(), ALL_NAMESPACES) } != 0 {
        return Err(io::Error::last_os_error()).doing(|| "entering the sandbox's namespaces");
    }
    set_thread_groups(&[]).doing(|| "dropping groups")?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).doing(|| "becoming group 0 of the sandbox")?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).doing(|| "becoming user 0 of the sandbox")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "closing the helper to debuggers")?;
    rustix::process::chdir("/").doing(|| "entering the sandbox's root")
}

/// The ends of what the program's standard descriptors are.
struct Ends {
    /// The program's: input, output, errors.
    theirs: [OwnedFd; 3],
    /// The visitor's: one terminal, or three pipes.
    ours: Vec<OwnedFd>,
    terminal: bool,
}

fn attend(
    control: &OwnedFd,
    what: &RunInside,
    groups: Vec<File>,
    confinement: &Confinement,
    program: Program,
) -> Result<Option<Word>, Failure> {
    let Ends {
        theirs,
        ours,
        terminal,
    } = match what.terminal {
        Some(size) => open_terminal(size, &what.user)?,
        None => open_pipes(&what.user)?,
    };
    let (verdict, failure) = pipe_with(PipeFlags::CLOEXEC).doing(|| "making a pipe")?;
    // SAFETY: this process has one thread, so the child's memory is consistent and it may do anything.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()).doing(|| "forking"),
        0 => {
            let reason = become_confined(&theirs, terminal, groups, confinement)
                .map_or_else(|failure| failure.to_string(), |()| program(what));
            let _unheard = rustix::io::write(&failure, reason.as_bytes());
            sys::exit_now(127)
        }
        pid => Pid::from_raw(pid)
            .ok_or_else(|| io::Error::other("an impossible process number"))
            .doing(|| "forking")?,
    };
    drop((theirs, groups, failure));
    let mut reason = Vec::new();
    File::from(verdict)
        .read_to_end(&mut reason)
        .doing(|| "waiting for the program")?;
    if !reason.is_empty() {
        return Ok(Some(Word::Refused(String::from_utf8_lossy(&reason).into_owned())));
    }
    let fds: Vec<BorrowedFd<'_>> = ours.iter().map(|fd| fd.as_fd()).collect();
    tell(control, &Word::Ready, &fds).doing(|| "handing the streams out")?;
    drop(ours);
    watch(control, child)
}

/// Passes signals on until the program ends, or until nobody is there any more.
fn watch(control: &OwnedFd, child: Pid) -> Result<Option<Word>, Failure> {
    let ended = pidfd_open(child, PidfdFlags::empty()).doing(|| "watching the program")?;
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing(|| "waiting for the program's end"),
        }
        if !fds[1].revents().is_empty() {
            let (_, status) = waitpid(Some(child), WaitOptions::empty())
                .doing(|| "taking the program's end")?
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
                .doing(|| "taking the program's end")?;
            let end = match status.terminating_signal() {
                Some(signal) => VisitEnd::Signaled(signal),
                None => VisitEnd::Exited(status.exit_status().unwrap_or(127)),
            };
            return Ok(Some(Word::Ended(end)));
        }
        if fds[0].revents().is_empty() {
            continue;
        }
        let call = wire::receive(control).ok().flatten();
        let call = call.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
        let Some(Call::Signal(number)) = call else {
            // What it left running is the sandbox's, and goes with it.
            let _gone = kill_process_group(child, Signal::HUP);
            return Ok(None);
        };
        if let Some(signal) = Signal::from_named_raw(number) {
            // It may have ended this moment.
            let _gone = kill_process_group(child, signal);
        }
    }
}

/// In the child: into the groups of the job, a session of its own, its streams, and behind the fence of a step.
fn become_confined(
    theirs: &[OwnedFd; 3],
    terminal: bool,
    groups: Vec<File>,
    confinement: &Confinement,
) -> Result<(), Failure> {
    for mut group in groups {
        // Zero is the writer.
        group.write_all(b"0").doing(|| "entering a cgroup")?;
    }
    setsid().doing(|| "starting a session")?;
    let [input, output, errors] = theirs;
    if terminal {
        ioctl_tiocsctty(input).doing(|| "taking the terminal")?;
    }
    rustix::stdio::dup2_stdin(input)
        .and_then(|()| rustix::stdio::dup2_stdout(output))
        .and_then(|()| rustix::stdio::dup2_stderr(errors))
        .doing(|| "connecting the streams")?;
    umask(Mode::from_raw_mode(0o022));
    confinement.apply().doing(|| "confining the program")
}

/// A terminal of the sandbox's own devpts, never one of the host. By the name in the mount itself, which a job can put
/// nothing else in place of.
fn open_terminal(size: TerminalSize, user: &StepUser) -> Result<Ends, Failure> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ours =
        open("/dev/pts/ptmx", flags, Mode::empty()).doing(|| "opening /dev/pts/ptmx of the sandbox")?;
    if fstatfs(&ours).doing(|| "looking at /dev/pts")?.f_type != DEVPTS_MAGIC {
        return Err(io::Error::from(io::ErrorKind::InvalidData))
            .doing(|| "opening a terminal of the sandbox");
    }
    unlockpt(&ours).doing(|| "unlocking the terminal")?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = ioctl_tiocgptpeer(&ours, flags).doing(|| "opening the terminal")?;
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).doing(|| "setting the terminal's size")?;
    give(&terminal, user)?;
    let again = || terminal.try_clone().doing(|| "duplicating the terminal");
    Ok(Ends {
        theirs: [again()?, again()?, again()?],
        ours: vec![ours],
        terminal: true,
    })
}

fn open_pipes(user: &StepUser) -> Result<Ends, Failure> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).doing(|| "making pipes");
    let ((in_read, in_write), (out_read, out_write), (err_read, err_write)) = (pipe()?, pipe()?, pipe()?);
    for end in [&in_read, &out_write, &err_write] {
        // Or /dev/stdout could not be opened by who is not root.
        give(end, user)?;
    }
    Ok(Ends {
        theirs: [in_read, out_write, err_write],
        ours: vec![in_write, out_read, err_read],
        terminal: false,
    })
}

fn give(fd: &OwnedFd, user: &StepUser) -> Result<(), Failure> {
    fchown(fd, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
        .doing(|| "giving the streams to the job's user")
}
