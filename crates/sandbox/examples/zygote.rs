//! The zygote of this crate's tests: process 1 of a sandbox is a small server that runs commands, makes raw system
//! calls and switches roots as it is told. One JSON line in, one out; roots come as descriptors.

#![expect(clippy::print_stderr, reason = "a program for tests")]
#![expect(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "plays a hostile job, which opens sockets of its own"
)]
#![expect(
    unsafe_code,
    reason = "forks and makes raw system calls, which is what is tested"
)]

#[path = "support/verdicts.rs"]
mod verdicts;

use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use airlock_sandbox::{Confinement, Init, root, zygote};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

fn main() {
    if std::env::args().nth(1).as_deref() != Some("launcher") {
        eprintln!("started by the tests of airlock-sandbox");
        return;
    }
    // SAFETY: the launcher leaves its socket at 3, and nothing else in this process owns it.
    let control = unsafe { OwnedFd::from_raw_fd(3) };
    zygote::serve(control, init)
}

fn init(init: Init) -> i32 {
    let Init { channel, confinement } = init;
    let mut channel = UnixStream::from(channel);
    let mut background = Vec::new();
    while let Ok(Some((request, fds))) = receive(&channel) {
        let answer = match request["do"].as_str() {
            Some("run") => run(&request, &confinement),
            Some("background") => spawn(&request, &confinement, &mut background),
            Some("syscall") => syscall(&request, &confinement),
            Some("verdicts") => verdicts::all(&request, &confinement),
            Some("switch") => match fds
                .into_iter()
                .next()
                .ok_or(io::ErrorKind::NotFound.into())
                .and_then(root::switch)
            {
                Ok(()) => json!({}),
                Err(error) => json!({ "error": error.to_string() }),
            },
            Some("descriptors") => descriptors(),
            Some("scan") => scan(&request),
            Some("knock") => knock(&request),
            Some("frame") => frame(&request),
            _ => json!({ "error": "unknown request" }),
        };
        if writeln!(channel, "{answer}").is_err() {
            break;
        }
    }
    0
}

fn command(request: &Value, confinement: &Confinement) -> Command {
    let words: Vec<&str> = request["argv"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut command = Command::new(words.first().copied().unwrap_or("/bin/true"));
    command
        .args(words.get(1..).unwrap_or_default())
        .env_clear()
        .env("PATH", "/bin:/sbin");
    if request["confine"] != json!(false) {
        let confinement = confinement.clone();
        // SAFETY: this process has one thread, so the child may do what it likes.
        unsafe { command.pre_exec(move || confinement.apply()) };
    }
    command
}

fn run(request: &Value, confinement: &Confinement) -> Value {
    match command(request, confinement).stdin(Stdio::null()).output() {
        Ok(output) => json!({
            "code": output.status.code(),
            "signal": output.status.signal(),
            "out": String::from_utf8_lossy(&output.stdout),
            "err": String::from_utf8_lossy(&output.stderr),
        }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn spawn(request: &Value, confinement: &Confinement, running: &mut Vec<std::process::Child>) -> Value {
    let spawned = command(request, confinement)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(child) => {
            let pid = child.id();
            running.push(child);
            json!({ "pid": pid })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// Makes one system call in a child, confined or not; answers its error number, 0 for success.
fn syscall(request: &Value, confinement: &Confinement) -> Value {
    let numbers: Vec<i64> = request["call"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
        .collect();
    let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
    let confined = request["confine"] != json!(false);
    // SAFETY: one thread; the child only makes system calls and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        if confined && confinement.apply().is_err() {
            // SAFETY: ends the child.
            unsafe { libc::_exit(255) };
        }
        // SAFETY: the tests pass integers and null pointers only.
        let result = unsafe { libc::syscall(at(0), at(1), at(2), at(3), at(4), at(5)) };
        let code = if result < 0 {
            io::Error::last_os_error().raw_os_error().unwrap_or(254)
        } else {
            0
        };
        // SAFETY: ends the child.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    if libc::WIFEXITED(status) {
        json!({ "errno": libc::WEXITSTATUS(status) })
    } else {
        json!({ "signal": libc::WTERMSIG(status) })
    }
}

fn descriptors() -> Value {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        Some((
            entry.file_name().into_string().ok()?,
            json!(target.to_string_lossy()),
        ))
    });
    json!({ "open": links.collect::<serde_json::Map<_, _>>() })
}

/// Connects to every TCP port of an address; answers those that took the connection.
fn scan(request: &Value) -> Value {
    let address = request["address"].as_str().unwrap_or_default();
    let Ok(address) = address.parse::<std::net::IpAddr>() else {
        return json!({ "error": "no address" });
    };
    let patience = std::time::Duration::from_secs(20);
    let open = (1..=u16::MAX)
        .filter(|port| std::net::TcpStream::connect_timeout(&(address, *port).into(), patience).is_ok());
    json!({ "open": open.collect::<Vec<u16>>() })
}

/// Sends a datagram to every UDP port of an address; who got one is seen there.
fn knock(request: &Value) -> Value {
    let address = request["address"].as_str().unwrap_or_default();
    let (Ok(address), Ok(socket)) = (
        address.parse::<std::net::IpAddr>(),
        std::net::UdpSocket::bind("0.0.0.0:0"),
    ) else {
        return json!({ "error": "no address" });
    };
    let sent = (1..=u16::MAX).filter(|port| socket.send_to(b"knock", (address, *port)).is_ok());
    json!({ "sent": sent.count() })
}

/// Sends a frame as it is by `eth0`, given as hexadecimal digits.
fn frame(request: &Value) -> Value {
    let digits = request["bytes"].as_str().unwrap_or_default();
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .filter_map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok())
        .collect();
    // SAFETY: plain system calls on values that live until they return.
    let sent = unsafe {
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        let mut to: libc::sockaddr_ll = std::mem::zeroed();
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = libc::if_nametoindex(c"eth0".as_ptr()).cast_signed();
        let sent = libc::sendto(
            socket,
            bytes.as_ptr().cast(),
            bytes.len(),
            0,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        );
        libc::close(socket);
        sent
    };
    if sent < 0 {
        return json!({ "error": io::Error::last_os_error().to_string() });
    }
    json!({})
}

/// One line; a descriptor comes with its first byte.
fn receive(channel: &UnixStream) -> io::Result<Option<(Value, Vec<OwnedFd>)>> {
    let mut line = Vec::new();
    let mut fds = Vec::new();
    let mut byte = [0];
    loop {
        if line.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let got = recvmsg(
                channel,
                &mut [IoSliceMut::new(&mut byte)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    fds.extend(received);
                }
            }
            if got.bytes == 0 {
                return Ok(None);
            }
        } else if (&*channel).read(&mut byte)? == 0 {
            return Ok(None);
        }
        if byte == *b"\n" {
            return Ok(Some((serde_json::from_slice(&line)?, fds)));
        }
        line.push(byte[0]);
    }
}
