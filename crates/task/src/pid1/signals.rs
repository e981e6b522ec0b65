//! Signals as the loop needs them: SIGCHLD through a descriptor, everything back to default in a child. Owns the
//! only signal-related `unsafe` of the runner.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Becomes readable when a child has died.
pub(super) struct ChildSignal(OwnedFd);

impl ChildSignal {
    /// Blocks SIGCHLD for this thread, which must be the only one, and listens for it.
    pub(super) fn new() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set it is given; the calls after it use only this set. A disposition
        // of "ignore", which whoever started this process may have left, would collect the dead without a word.
        let fd = unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
            if libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just returned this descriptor and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes the signals that are pending; they are only a reason to look.
    pub(super) fn clear(&self) {
        let mut buffer = [0; 8 * size_of::<libc::signalfd_siginfo>()];
        while matches!(rustix::io::read(&self.0, &mut buffer), Ok(read) if read > 0) {}
    }
}

impl AsFd for ChildSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Lets nothing but KILL and STOP through to the calling process.
pub(super) fn block_all() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set before it is used.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// Ends the calling process by this signal, so that its parent sees what the caller saw; without a core, which
/// would be this process's and nobody's.
pub(super) fn die_of(signal: i32) {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is read from a valid place; the rest are numbers.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    reset();
    // SAFETY: plain numbers, and the process meant is this one.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// Gives the calling process, a fresh child, the signal state a program expects: every disposition default,
/// nothing blocked. The Rust runtime ignores SIGPIPE, and what is ignored stays so across `exec`.
pub(super) fn reset() {
    for signal in 1..=64 {
        // SAFETY: setting a disposition to default installs no handler. Signals that cannot be set (KILL, STOP,
        // the two glibc keeps) are refused, which is what they should be.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set before it is used.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}
