//! `airlock-task dial git`: joins standard input and output with the git door, as `ssh` wants of a `ProxyCommand`.
//! The door leads to the job's own git host and nowhere else; what is said through it is none of this module's
//! business.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::pid1::GIT_SOCKET;

/// Bytes moved at once: what a pipe holds.
const PIECE: usize = 64 * 1024;

/// Runs the command; the number is its exit code.
pub fn run(arguments: &[String], run_dir: &Path) -> u8 {
    let door = match arguments {
        [name] if name == "git" => run_dir.join(GIT_SOCKET),
        _ => return complain("usage: airlock-task dial git", 2),
    };
    match join(&door) {
        Ok(()) => 0,
        Err(error) => complain(&format!("dialing {}: {error}", door.display()), 1),
    }
}

fn join(door: &Path) -> io::Result<()> {
    let mut incoming = UnixStream::connect(door)?;
    let mut outgoing = incoming.try_clone()?;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Each direction on its own, as either side may fill up while the other is busy. Not joined: once the door has
    // said its last word, what is still on standard input has nobody to go to.
    std::thread::spawn(move || {
        if pump(&mut input, &mut outgoing).is_ok() {
            let _closed = outgoing.shutdown(Shutdown::Write);
        }
    });
    match pump(&mut incoming, &mut output) {
        // Whoever reads may leave first; that is how a conversation ends.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies by read and write. Not by `io::copy`, which splices between pipes and sockets: a splice that waits for the
/// socket holds the pipe's lock, so that `ssh` at the pipe's other end cannot read even what is already in it.
fn pump(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn complain(message: &str, code: u8) -> u8 {
    let _unheard = writeln!(io::stderr(), "airlock-task: {message}");
    code
}
