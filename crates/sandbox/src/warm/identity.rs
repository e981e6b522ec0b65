//! What a sandbox is called, bound when a job takes it. Its own files of `/etc` were written when it was made; they stay
//! open for writing until then, so that nothing has to be looked up at that moment.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::system::sethostname;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::failure::{Doing, Failure};
use crate::sandbox::Sandbox;
use crate::wire::StartRequest;
use crate::zygote::etc;

/// Ways to change what a sandbox is called.
#[derive(Debug)]
pub(super) struct Identity {
    names: OwnedFd,
    /// Files of `/etc` that may name it, and what they say.
    files: Vec<(&'static str, String, File)>,
}

impl Identity {
    /// Of a sandbox that runs nothing yet.
    pub(super) fn of(sandbox: &Sandbox) -> Result<Self, Failure> {
        let pid = sandbox.pid();
        let root = format!("/proc/{pid}/root");
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&root, directory, Mode::empty()).doing(|| format!("opening {root}"))?;
        let open = |(name, text): (&'static str, String)| {
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
            openat2(&root, format!("etc/{name}"), flags, Mode::empty(), resolve)
                .doing(|| format!("opening /etc/{name} of a sandbox made ahead"))
                .map(|file| (name, text, File::from(file)))
        };
        let files: Result<_, _> = etc(&sandbox.request).into_iter().map(open).collect();
        Ok(Self {
            names: namespace(&format!("/proc/{pid}/ns/uts"))?,
            files: files?,
        })
    }

    /// Names the sandbox as it is asked for now.
    pub(super) fn bind(&self, request: &StartRequest) -> Result<(), Failure> {
        for ((name, text), (_, old, file)) in etc(request).iter().zip(&self.files) {
            if text == old {
                continue;
            }
            let replace = || {
                file.write_all_at(text.as_bytes(), 0)?;
                file.set_len(text.len() as u64)
            };
            replace().doing(|| format!("writing /etc/{name} of a sandbox made ahead"))?;
        }
        self.set_host_name(&request.hostname)
            .doing(|| format!("giving a sandbox made ahead the host name {}", request.hostname))
    }

    /// The calling thread enters the namespace for a moment. If it could not come back, only what it says of the host's
    /// name would be wrong: threads have namespaces of their own.
    fn set_host_name(&self, name: &str) -> Result<(), io::Error> {
        let own = namespace("/proc/thread-self/ns/uts").map_err(|failure| failure.source)?;
        let enter = |namespace: BorrowedFd<'_>| {
            move_into_link_name_space(namespace, Some(LinkNameSpaceType::HostNameAndNISDomainName))
        };
        enter(self.names.as_fd())?;
        let named = sethostname(name.as_bytes());
        enter(own.as_fd())?;
        Ok(named?)
    }
}

fn namespace(path: &str) -> Result<OwnedFd, Failure> {
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| format!("opening {path}"))
}
