//! Who runs, read from `/proc`, and signals to many at once. A step's processes are those of its session: its
//! shell called `setsid`, and a process that calls it again has left the step, as it would on CircleCI. The
//! directory is opened once, so a job that mounts something over `/proc` changes nothing.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, Mode, OFlags, open, openat};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// One process, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: Pid,
    parent: i32,
    session: i32,
    /// Clock ticks since boot; with the number it names one process for ever.
    started: u64,
    dead: bool,
}

/// Which processes are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group {
    /// All of the session with this leader.
    Session(Pid),
    /// All below this process; as process 1, all but itself.
    Everyone,
}

/// The process table.
pub(super) struct Processes(OwnedFd);

impl Processes {
    /// Opens `/proc`.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(open(
            "/proc",
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?))
    }

    /// Whether any process of the group is alive.
    pub(super) fn any(&self, group: Group) -> bool {
        self.members(group).is_ok_and(|members| !members.is_empty())
    }

    /// Sends a signal to each process of the group. Each is held by a descriptor and looked at again before the
    /// signal, so a number that was reused meanwhile is spared.
    pub(super) fn signal(&self, group: Group, signal: Signal) {
        // Without a process table nobody can be told; the caller's deadline still ends the sandbox.
        for process in self.members(group).unwrap_or_default() {
            let Ok(handle) = pidfd_open(process.pid, PidfdFlags::empty()) else {
                continue;
            };
            // Its parent may have changed meanwhile, as parents are told too.
            if self
                .read(process.pid)
                .is_some_and(|now| now.started == process.started)
            {
                // It may die in between, which is what the signal was for.
                let _gone = pidfd_send_signal(handle, signal);
            }
        }
    }

    fn members(&self, group: Group) -> io::Result<Vec<Process>> {
        let mut all = self.all()?;
        let me = getpid();
        match group {
            Group::Session(leader) => {
                all.retain(|process| process.session == leader.as_raw_nonzero().get() && process.pid != me);
            }
            // Whoever entered the sandbox from outside has no parent in here and is meant too.
            Group::Everyone if me.as_raw_nonzero().get() == 1 => all.retain(|process| process.pid != me),
            Group::Everyone => all = below(me, &all),
        }
        Ok(all)
    }

    fn all(&self) -> io::Result<Vec<Process>> {
        let mut processes = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let number = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
            if let Some(process) = number.and_then(Pid::from_raw).and_then(|pid| self.read(pid)) {
                processes.push(process);
            }
        }
        processes.retain(|process| !process.dead);
        Ok(processes)
    }

    fn read(&self, pid: Pid) -> Option<Process> {
        let path = format!("{}/stat", pid.as_raw_nonzero());
        let file = openat(&self.0, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = [0; 512];
        let read = rustix::io::read(file, &mut text).ok()?;
        parse(pid, &text[..read])
    }
}

/// A line of `/proc/N/stat`: number, name in brackets (which may hold anything), state, parent, group, session, and
/// fifteen fields later the start.
fn parse(pid: Pid, stat: &[u8]) -> Option<Process> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[after_name..])
        .ok()?
        .split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X" | "x");
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        session,
        started,
        dead,
    })
}

fn below(ancestor: Pid, all: &[Process]) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![ancestor.as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid.as_raw_nonzero().get());
            found.push(*process);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).expect("not zero")
    }

    fn process(number: i32, parent: i32) -> Process {
        Process {
            pid: pid(number),
            parent,
            session: 0,
            started: 0,
            dead: false,
        }
    }

    #[test]
    fn a_name_with_brackets_and_spaces_is_no_obstacle() {
        let stat = b"42 (a) b (c)) S 7 41 40 34816 41 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9876 1000";
        let expected = Process {
            pid: pid(42),
            parent: 7,
            session: 40,
            started: 9876,
            dead: false,
        };
        assert_eq!(parse(pid(42), stat), Some(expected));
        let zombie = b"42 (x) Z 7 41 40 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 5";
        assert!(parse(pid(42), zombie).expect("a line").dead);
        assert_eq!(parse(pid(42), b"42 (cut"), None);
        assert_eq!(parse(pid(42), b"42 (cut) S 7"), None);
    }

    #[test]
    fn everyone_below_is_found_at_any_depth() {
        let all = [
            process(2, 1),
            process(3, 2),
            process(4, 9),
            process(5, 3),
            process(6, 5),
        ];
        let mut found: Vec<i32> = below(pid(2), &all)
            .iter()
            .map(|p| p.pid.as_raw_nonzero().get())
            .collect();
        found.sort_unstable();
        assert_eq!(found, [3, 5, 6]);
    }

    /// The session is read from a process that started its own: whoever runs the tests may be in one that began outside
    /// this pid namespace, and that has no number here.
    #[test]
    fn the_session_of_a_process_is_read() {
        let mut leader = Command::new("setsid")
            .args(["sh", "-c", "echo ready; exec sleep 1000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("setsid");
        let mut ready = [0; 6];
        let out = leader.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut ready).expect("ready");

        let number = i32::try_from(leader.id()).expect("a pid");
        let table = Processes::open().expect("/proc");
        let read = table.read(pid(number));
        leader.kill().expect("a process to kill");
        leader.wait().expect("a process to reap");

        assert_eq!(read.expect("a process").session, number);
        assert!(!table.read(getpid()).expect("this process").dead);
    }
}
