//! Where a step's output comes from: a pseudo-terminal, so that programs see a terminal and flush each line, or a
//! pipe. Owns both ends until the child has its own. Line ends stay what the programs wrote (`ONLCR` off): a log
//! is a file, not a teletype.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fchown, fcntl_getfl, fcntl_setfl, open};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use airlock_sandbox::channel::StepUser;

use crate::limits::{TERMINAL_COLUMNS, TERMINAL_ROWS};

/// What one read found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// So many bytes.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// Nobody is left who could write.
    End,
}

/// The reading end of a step's output.
pub(super) struct Output {
    reader: OwnedFd,
    /// The terminal's other side. Held while the step runs, so that a step which closes its output and opens the
    /// terminal again is still heard.
    terminal: Option<OwnedFd>,
}

/// What the child makes its standard descriptors.
pub(super) struct ChildEnds {
    /// Standard input.
    pub(super) input: OwnedFd,
    /// Standard output and error.
    pub(super) output: OwnedFd,
    /// Whether `input` is to become the controlling terminal.
    pub(super) tty: bool,
}

/// A new terminal; the step's user owns it, so that it can be opened by name (`/dev/stderr` is).
pub(super) fn terminal(user: &StepUser) -> io::Result<(Output, ChildEnds)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let reader = openpt(flags)?;
    unlockpt(&reader)?;
    let terminal = ioctl_tiocgptpeer(&reader, flags)?;
    let mut modes = tcgetattr(&terminal)?;
    modes.output_modes.remove(OutputModes::ONLCR);
    tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    let size = Winsize {
        ws_row: TERMINAL_ROWS,
        ws_col: TERMINAL_COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size)?;
    give(&terminal, user)?;
    never_wait(&reader)?;
    let ends = ChildEnds {
        input: terminal.try_clone()?,
        output: terminal.try_clone()?,
        tty: true,
    };
    Ok((
        Output {
            reader,
            terminal: Some(terminal),
        },
        ends,
    ))
}

/// A pipe for both outputs, nothing as input.
pub(super) fn pipe(user: &StepUser) -> io::Result<(Output, ChildEnds)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    give(&writer, user)?;
    never_wait(&reader)?;
    let input = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((
        Output {
            reader,
            terminal: None,
        },
        ChildEnds {
            input,
            output: writer,
            tty: false,
        },
    ))
}

fn give(fd: &OwnedFd, user: &StepUser) -> io::Result<()> {
    Ok(fchown(
        fd,
        Some(Uid::from_raw(user.uid)),
        Some(Gid::from_raw(user.gid)),
    )?)
}

fn never_wait(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}

impl Output {
    /// Reads what is there.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Taken {
        loop {
            return match rustix::io::read(&self.reader, &mut *buffer) {
                Ok(0) => Taken::End,
                Ok(read) => Taken::Bytes(read),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Taken::Nothing,
                // A terminal whose other side is closed says EIO; no other error is one that reading again mends.
                Err(_) => Taken::End,
            };
        }
    }

    /// Lets go of the terminal's other side: from now on the last process to close it ends the output.
    pub(super) fn release(&mut self) {
        self.terminal = None;
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
