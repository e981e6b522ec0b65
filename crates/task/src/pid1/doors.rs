//! The sockets a job finds under `/run/airlock`: two whose connections go to the agent as they are, and the
//! control socket, on which `circleci step halt` is the one thing that can be asked. Owns the listeners and the
//! few open control conversations. Any user inside may connect; nothing said here can do more than end the job.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use airlock_sandbox::channel::Door;

use crate::limits::{ACCEPTS_PER_TURN, CONTROL_CLIENTS, CONTROL_REQUEST};

/// File name of the git door.
pub const GIT_SOCKET: &str = "git.sock";
/// File name of the SSH agent's door.
pub const SSH_AGENT_SOCKET: &str = "ssh-agent.sock";
/// File name of the control socket.
pub const CONTROL_SOCKET: &str = "control.sock";
/// What `step halt` sends.
pub const HALT_REQUEST: &[u8] = b"halt\n";
/// What it is answered.
pub const HALT_ANSWER: &[u8] = b"ok\n";

/// The listeners.
pub(super) struct Doors {
    git: UnixListener,
    ssh_agent: UnixListener,
    control: UnixListener,
    clients: VecDeque<Client>,
    next_client: u64,
}

struct Client {
    number: u64,
    stream: UnixStream,
    request: Vec<u8>,
}

impl Doors {
    /// Listens in this directory.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self {
            git: listen(directory, GIT_SOCKET)?,
            ssh_agent: listen(directory, SSH_AGENT_SOCKET)?,
            control: listen(directory, CONTROL_SOCKET)?,
            clients: VecDeque::new(),
            next_client: 0,
        })
    }

    /// The listener of a door.
    pub(super) fn listener(&self, door: Door) -> BorrowedFd<'_> {
        match door {
            Door::Git => self.git.as_fd(),
            Door::SshAgent => self.ssh_agent.as_fd(),
        }
    }

    /// The listener of the control socket.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The open control conversations.
    pub(super) fn clients(&self) -> impl Iterator<Item = (u64, BorrowedFd<'_>)> {
        self.clients
            .iter()
            .map(|client| (client.number, client.stream.as_fd()))
    }

    /// Connections that wait at a door. An error means that no descriptor is free.
    pub(super) fn accept(&self, door: Door) -> io::Result<Vec<OwnedFd>> {
        let listener = match door {
            Door::Git => &self.git,
            Door::SshAgent => &self.ssh_agent,
        };
        Ok(accept_some(listener)?.into_iter().map(OwnedFd::from).collect())
    }

    /// Begins conversations that wait at the control socket; too many, and the oldest ends.
    pub(super) fn accept_control(&mut self) -> io::Result<()> {
        for stream in accept_some(&self.control)? {
            stream.set_nonblocking(true)?;
            if self.clients.len() == CONTROL_CLIENTS {
                self.clients.pop_front();
            }
            self.clients.push_back(Client {
                number: self.next_client,
                stream,
                request: Vec::new(),
            });
            self.next_client += 1;
        }
        Ok(())
    }

    /// Reads on in a conversation; true if it asked for a halt.
    pub(super) fn converse(&mut self, number: u64) -> bool {
        let Some(index) = self.clients.iter().position(|client| client.number == number) else {
            return false;
        };
        let client = &mut self.clients[index];
        let mut buffer = [0; CONTROL_REQUEST];
        match client.stream.read(&mut buffer) {
            Ok(read) if read > 0 => client.request.extend_from_slice(&buffer[..read]),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                return false;
            }
            Ok(_) | Err(_) => {
                self.clients.remove(index);
                return false;
            }
        }
        let complete = client.request.contains(&b'\n') || client.request.len() > CONTROL_REQUEST;
        if !complete {
            return false;
        }
        let halt = client.request == HALT_REQUEST;
        let answer = if halt { HALT_ANSWER } else { b"unknown request\n" };
        // A few bytes into an empty socket; who has closed it did not want the answer.
        let _unheard = client.stream.write(answer);
        self.clients.remove(index);
        halt
    }
}

fn listen(directory: &Path, name: &str) -> io::Result<UnixListener> {
    let path = directory.join(name);
    let said =
        |error: io::Error| io::Error::new(error.kind(), format!("listening on {}: {error}", path.display()));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(said(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path).map_err(said)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).map_err(said)?;
    listener.set_nonblocking(true).map_err(said)?;
    Ok(listener)
}

fn accept_some(listener: &UnixListener) -> io::Result<Vec<UnixStream>> {
    let mut accepted = Vec::new();
    while accepted.len() < ACCEPTS_PER_TURN {
        match listener.accept() {
            Ok((stream, _)) => accepted.push(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                ) => {}
            // What was accepted before is served; the rest waits.
            Err(_) if !accepted.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(accepted)
}
