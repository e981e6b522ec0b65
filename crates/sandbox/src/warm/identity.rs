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
    /// Files of `/etc` that name it.
    files: Vec<(&'static str, File)>,
}

impl Identity {
    /// Of a sandbox that runs nothing yet.
    pub(super) fn of(sandbox: &Sandbox) -> Result<Self, Failure> {
        let pid = sandbox.pid();
        let root = format!("/proc/{pid}/root");
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&root, directory, Mode::empty()).doing(|| format!("opening {root}"))?;
        let open = |name: &'static str| {
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
            openat2(&root, format!("etc/{name}"), flags, Mode::empty(), resolve)
                .doing(|| format!("opening /etc/{name} of a sandbox made ahead"))
                .map(|file| (name, File::from(file)))
        };
        let files = etc(&sandbox.request).map(|(name, _)| name);
        let files: Result<_, _> = files.into_iter().map(open).collect();
        Ok(Self {
            names: namespace(&format!("/proc/{pid}/ns/uts"))?,
            files: files?,
        })
    }

    /// Names the sandbox as it is asked for now.
    pub(super) fn bind(&self, request: &StartRequest) -> Result<(), Failure> {
        for (name, text) in etc(request) {
            let file = self.files.iter().find(|(known, _)| *known == name);
            let replace = |file: &File| {
                file.write_all_at(text.as_bytes(), 0)?;
                file.set_len(text.len() as u64)
            };
            let done = file.map_or(Err(io::ErrorKind::NotFound.into()), |(_, file)| replace(file));
            done.doing(|| format!("writing /etc/{name} of a sandbox made ahead"))?;
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
