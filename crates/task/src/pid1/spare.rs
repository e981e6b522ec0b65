//! A child forked before there is a step for it: in a session of its own, confined, waiting to be told what to become.
//! Confining a process takes longer than everything else on the way from a command to its first instruction, and needs
//! nothing that only the command says.
//!
//! There is one, for the first step, which starts in a sandbox where nothing else runs yet; so nobody but process 1 can
//! have touched it. It was forked before any secret was here. What it is told comes in a file without a name, so that
//! telling it never waits for it. Every later step forks its own child.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use airlock_sandbox::channel::StepUser;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::Pid;

use super::Isolation;
use super::child::{self, Birth};
use super::output::ChildEnds;
use super::script::{Attempt, Shell};

/// Descriptors that come with the word: what it is told, its input and its output.
const TOLD: usize = 3;

/// The waiting child, seen from process 1.
pub(super) struct Spare {
    pid: Pid,
    line: OwnedFd,
    verdict: OwnedFd,
}

impl Spare {
    /// Forks it; it confines itself while this process goes on.
    pub(super) fn fork(isolation: &dyn Isolation) -> io::Result<Self> {
        let (line, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let (pid, verdict) = child::fork(|| {
            // Or it would never hear that process 1 let go of the line.
            // SAFETY: the child never comes back to who owns this copy of the descriptor.
            unsafe { libc::close(line.as_raw_fd()) };
            let birth = child::apart()
                .and_then(|()| child::confine(isolation))
                .and_then(|()| await_birth(&theirs).map_err(|error| format!("hearing of the step: {error}")));
            match birth {
                Ok(Some(birth)) => child::become_told(&birth),
                // No step came.
                // SAFETY: ends the child without running what belongs to its parent.
                Ok(None) => unsafe { libc::_exit(0) },
                Err(reason) => reason,
            }
        })?;
        Ok(Self { pid, line, verdict })
    }

    /// Tells it what to become; fails when it is not there any more, and then nothing has happened.
    pub(super) fn become_step(self, birth: &Birth) -> io::Result<(Pid, OwnedFd)> {
        let mut told = File::from(memfd_create("step", MemfdFlags::CLOEXEC)?);
        told.write_all(&written(birth))?;
        let fds = [told.as_fd(), birth.ends.input.as_fd(), birth.ends.output.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOLD))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let word = [u8::from(birth.ends.tty)];
        sendmsg(
            &self.line,
            &[IoSlice::new(&word)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok((self.pid, self.verdict))
    }
}

/// Waits for the word; `None` when there is no step to become.
fn await_birth(line: &OwnedFd) -> io::Result<Option<Birth>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOLD))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0];
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(
            line,
            &mut [IoSliceMut::new(&mut word)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    let [told, input, output] = <[OwnedFd; TOLD]>::try_from(fds).map_err(|_| cut_off())?;
    let mut told = File::from(told);
    told.rewind()?;
    let mut text = Vec::new();
    told.read_to_end(&mut text)?;
    let tty = word == [1];
    read(&text, ChildEnds { input, output, tty }).map(Some)
}

/// The parts one after the other, each behind its length.
fn written(birth: &Birth) -> Vec<u8> {
    let mut out = Vec::new();
    let Birth {
        shell,
        environment,
        working_directory,
        user,
        ends: _,
    } = birth;
    count(&mut out, shell.attempts.len());
    for attempt in &shell.attempts {
        bytes(&mut out, attempt.program.as_bytes());
        strings(&mut out, &attempt.arguments);
    }
    bytes(&mut out, shell.missing.as_bytes());
    strings(&mut out, environment);
    bytes(&mut out, working_directory.as_os_str().as_bytes());
    let ids = [user.uid, user.gid];
    for id in ids.iter().chain(&user.groups) {
        out.extend(id.to_ne_bytes());
    }
    out
}

fn count(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u64).to_ne_bytes());
}

fn bytes(out: &mut Vec<u8>, text: &[u8]) {
    count(out, text.len());
    out.extend(text);
}

fn strings(out: &mut Vec<u8>, strings: &[CString]) {
    count(out, strings.len());
    for string in strings {
        bytes(out, string.as_bytes());
    }
}

/// The other direction.
fn read(text: &[u8], ends: ChildEnds) -> io::Result<Birth> {
    let mut rest = Rest(text);
    let mut attempts = Vec::new();
    for _ in 0..rest.count()? {
        attempts.push(Attempt {
            program: rest.string()?,
            arguments: rest.strings()?,
        });
    }
    let missing = String::from_utf8(rest.bytes()?.to_vec()).map_err(|_| cut_off())?;
    let environment = rest.strings()?;
    let working_directory = PathBuf::from(OsString::from_vec(rest.bytes()?.to_vec()));
    let mut ids = rest
        .0
        .chunks_exact(4)
        .map(|id| id.try_into().map_or(0, u32::from_ne_bytes));
    let (Some(uid), Some(gid)) = (ids.next(), ids.next()) else {
        return Err(cut_off());
    };
    Ok(Birth {
        shell: Shell { attempts, missing },
        environment,
        working_directory,
        user: StepUser {
            uid,
            gid,
            groups: ids.collect(),
        },
        ends,
    })
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(taken)
    }

    fn count(&mut self) -> io::Result<usize> {
        let number = self.take(8)?.try_into().map_err(|_| cut_off())?;
        usize::try_from(u64::from_ne_bytes(number)).map_err(|_| cut_off())
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    fn string(&mut self) -> io::Result<CString> {
        CString::new(self.bytes()?).map_err(|_| cut_off())
    }

    fn strings(&mut self) -> io::Result<Vec<CString>> {
        (0..self.count()?).map(|_| self.string()).collect()
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what the step is to be came cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(tty: bool) -> ChildEnds {
        let null = || OwnedFd::from(File::open("/dev/null").expect("/dev/null"));
        ChildEnds {
            input: null(),
            output: null(),
            tty,
        }
    }

    fn birth() -> Birth {
        let string = |text: &[u8]| CString::new(text).expect("no zero byte");
        Birth {
            shell: Shell {
                attempts: vec![
                    Attempt {
                        program: string(b"/bin/bash"),
                        arguments: vec![string(b"/bin/bash"), string(b""), string(b"-e\xff")],
                    },
                    Attempt {
                        program: string(b"/bin/sh"),
                        arguments: Vec::new(),
                    },
                ],
                missing: "neither".into(),
            },
            environment: vec![string(b"A=1"), string(b"B=\xfe\n")],
            working_directory: PathBuf::from(OsString::from_vec(b"/home/\xff".to_vec())),
            user: StepUser {
                uid: 1000,
                gid: 100,
                groups: vec![4, 27],
            },
            ends: ends(false),
        }
    }

    #[test]
    fn what_is_told_is_what_is_heard() {
        let told = birth();
        let heard = read(&written(&told), ends(true)).expect("whole");
        assert_eq!(heard.shell, told.shell);
        assert_eq!(heard.environment, told.environment);
        assert_eq!(heard.working_directory, told.working_directory);
        assert_eq!(heard.user, told.user);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let mut whole = written(&birth());
        // The groups end where the text does.
        whole.truncate(whole.len() - 8);
        for length in 0..whole.len() {
            assert!(
                read(&whole[..length], ends(false)).is_err(),
                "{length} of {}",
                whole.len()
            );
        }
    }
}
