//! The step runner as process 1 of a real sandbox. Needs root, as the sandbox does.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use airlock_sandbox::channel::{
    Configure, Door, FromInit, Reader, SecretBytes, StartStep, StepEnd, StepUser, ToInit, Writer,
};
use airlock_sandbox::{
    IDS_PER_SANDBOX, Launcher, LauncherOptions, Limits, Network, Sandbox, SandboxSpec, SeccompProfile,
};
use rustix::event::{PollFd, PollFlags, poll};
use tempfile::TempDir;

use crate::host::{Host, PROGRAM};

/// A child is forked within milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Above every id that the sandbox's own tests use.
const ID_BASE: u32 = 0xC000_0000;

struct Inside {
    reader: Reader<FromInit>,
    writer: Writer<ToInit>,
    sandbox: Sandbox,
    _launcher: Launcher,
    _directory: TempDir,
    next: u32,
}

impl Inside {
    fn new(number: u32) -> Self {
        // On a disk: overlayfs does not take every file system for a writable layer.
        let directory = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for name in [
            "work",
            "image/bin",
            "image/etc",
            "image/root",
            "image/tmp",
            "image/var/tmp",
        ] {
            fs::create_dir_all(path(name)).expect("created");
        }
        fs::set_permissions(path("image/tmp"), fs::Permissions::from_mode(0o1777)).expect("set");
        make_image(&path("image"));
        let options = LauncherOptions {
            id_base: ID_BASE + (std::process::id() % 256 * 8 + number) * IDS_PER_SANDBOX,
            id_ranges: 1,
            network: false,
            ..LauncherOptions::new(path("state"))
        };
        let launcher = Launcher::spawn(Path::new(PROGRAM), options).expect("a launcher");
        let spec = SandboxSpec {
            id: "inside".to_owned(),
            hostname: "inside".to_owned(),
            layers: vec![path("image")],
            limits: Limits {
                cpu_millis: 2000,
                memory_bytes: 256 << 20,
                pids: 100,
                disk: None,
            },
            local_names: Vec::new(),
            network: Network::None,
            profile: SeccompProfile::Default,
            helper: PathBuf::from(PROGRAM),
            work_dir: path("work"),
        };
        let mut sandbox = launcher.start(&spec).expect("a sandbox");
        let channel = sandbox.take_channel().expect("a channel");
        let writer = Writer::new(channel.try_clone().expect("a duplicate"));
        let mut inside = Self {
            reader: Reader::new(channel),
            writer,
            sandbox,
            _launcher: launcher,
            _directory: directory,
            next: 0,
        };
        assert!(matches!(inside.receive(), FromInit::Ready));
        inside.configure(StepUser::default());
        inside
    }

    fn configure(&mut self, user: StepUser) {
        let configure = Configure {
            env: vec![
                ("PATH".to_owned(), "/bin".to_owned()),
                ("TOKEN".to_owned(), "hunter2".to_owned()),
            ],
            masks: vec![SecretBytes::new(b"hunter2".to_vec())],
            home: "/root".to_owned(),
            user,
        };
        self.writer.send(&ToInit::Configure(configure)).expect("sent");
    }

    fn receive(&mut self) -> FromInit {
        self.reader.receive().expect("a message").expect("not closed")
    }

    fn start(&mut self, script: &str) -> u32 {
        self.next += 1;
        let step = StartStep {
            step: self.next,
            script: script.to_owned(),
            working_directory: "/work/project".to_owned(),
            tty: true,
            ..StartStep::default()
        };
        self.writer.send(&ToInit::StartStep(step)).expect("sent");
        self.next
    }

    fn run(&mut self, script: &str) -> (String, StepEnd) {
        self.start(script);
        let (output, end, _) = self.rest();
        (output, end)
    }

    /// Reads to the end of the step; also says whether a halt was asked for.
    fn rest(&mut self) -> (String, StepEnd, bool) {
        let (mut output, mut halt) = (Vec::new(), false);
        loop {
            match self.receive() {
                FromInit::Output { bytes, .. } => output.extend(bytes),
                FromInit::StepFinished { end, .. } => {
                    return (String::from_utf8(output).expect("text"), end, halt);
                }
                FromInit::HaltRequested => halt = true,
                FromInit::StepStarted { .. } => {}
                other @ (FromInit::Ready
                | FromInit::Connection { .. }
                | FromInit::RootSwitched
                | FromInit::Failed { .. }) => panic!("unexpected {other:?}"),
            }
        }
    }
}

/// A busybox and what the program, which tests link dynamically, needs to run.
fn make_image(image: &Path) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("a static busybox (apt-get install busybox-static)");
    fs::copy(busybox, image.join("bin/busybox")).expect("copied");
    // Not the copy: a test that forks at this moment would hold it open for writing.
    let applets = Command::new(busybox)
        .arg("--list")
        .output()
        .expect("the list of applets")
        .stdout;
    for applet in String::from_utf8_lossy(&applets)
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        symlink("busybox", image.join("bin").join(applet)).expect("an applet");
    }
    let needed = Command::new("ldd").arg(PROGRAM).output().expect("ldd").stdout;
    for library in String::from_utf8_lossy(&needed)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let inside = image.join(library.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().expect("a directory")).expect("created");
        fs::copy(library, inside).expect("copied");
    }
}

#[test]
fn a_job_runs_in_a_real_sandbox() {
    let mut inside = Inside::new(0);
    let (output, end) =
        inside.run("id -u; pwd; cat /proc/1/comm; test -t 1; stty size; echo $TOKEN; echo x > kept");
    assert_eq!(output, "0\n/work/project\nairlock-task\n40 120\n****\n");
    assert_eq!(end, StepEnd::Exited(0));

    inside.configure(StepUser {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
    });
    let (output, end) =
        inside.run("id -u; echo y > /dev/stderr; echo z > /dev/tty; ! touch /etc/x 2>/dev/null");
    assert_eq!((output.as_str(), end), ("1000\ny\nz\n", StepEnd::Exited(0)));

    assert_eq!(inside.run("kill -9 $$").1, StepEnd::Signaled(9));
    assert_eq!(
        inside.run("sleep 1000 > /dev/null 2>&1 & echo $! > /tmp/pid").1,
        StepEnd::Exited(0)
    );
    assert_eq!(inside.run("kill $(cat /tmp/pid)").1, StepEnd::Exited(0));

    inside.start("circleci step halt; circleci env subst 'hi ${HOME}'");
    let (output, end, halt) = inside.rest();
    assert_eq!(
        (output.as_str(), end, halt),
        ("hi /root\n", StepEnd::Exited(0), true)
    );
}

#[test]
fn git_goes_through_the_door() {
    let mut inside = Inside::new(1);
    inside.start("echo question | /run/airlock/bin/airlock-task dial git");
    let mut agent = loop {
        match inside.receive() {
            FromInit::Connection { door: Door::Git, fd } => break UnixStream::from(fd),
            FromInit::StepStarted { .. } => {}
            other @ (FromInit::Ready
            | FromInit::Output { .. }
            | FromInit::StepFinished { .. }
            | FromInit::Connection { .. }
            | FromInit::HaltRequested
            | FromInit::RootSwitched
            | FromInit::Failed { .. }) => panic!("unexpected {other:?}"),
        }
    };
    let mut heard = String::new();
    agent.read_to_string(&mut heard).expect("read");
    assert_eq!(heard, "question\n");
    agent.write_all(b"answer\n").expect("written");
    drop(agent);
    assert_eq!(inside.rest().0, "answer\n");
}

#[test]
fn the_root_is_switched_between_steps() {
    let mut inside = Inside::new(2);
    assert_eq!(
        inside
            .run("echo one > kept; echo 'export X=carried' >> $BASH_ENV")
            .1,
        StepEnd::Exited(0)
    );
    let root = inside.sandbox.assemble_root(&[]).expect("assembled");
    inside.writer.send(&ToInit::SwitchRoot(root)).expect("sent");
    let answer = inside.receive();
    assert!(matches!(answer, FromInit::RootSwitched), "{answer:?}");
    let (output, end) =
        inside.run("cat kept; cat $BASH_ENV; echo two > kept; test -t 0; circleci --version > /dev/null");
    assert_eq!(
        (output.as_str(), end),
        ("one\nexport X=carried\n", StepEnd::Exited(0))
    );
}

#[test]
fn a_job_cannot_end_or_read_process_one() {
    let mut inside = Inside::new(3);
    let (output, end) = inside.run(
        "kill -9 1 || true; kill -15 1 || true; kill -2 1 || true; kill -19 1 || true\n\
         for file in environ mem maps fd/0; do cat /proc/1/$file > /dev/null 2>&1 && echo read $file; done\n\
         cat /proc/$PPID/environ > /dev/null 2>&1 && echo read the guard; rm -f /run/airlock/control.sock; echo alive",
    );
    assert_eq!((output.as_str(), end), ("alive\n", StepEnd::Exited(0)));
    assert_eq!(inside.run("echo still").0, "still\n");

    // The same words end a runner that is not process 1, and its files can be read.
    let mut host = Host::new();
    let runner = host.process_id();
    assert!(
        host.run(&format!("cat /proc/{runner}/environ > /dev/null && echo read"))
            .text()
            .contains("read\n")
    );
    host.start(&format!("kill -9 {runner}"));
    assert_eq!(host.wait().code(), None);
}

/// The one child of process 1, as the host numbers it; it is forked right after process 1 has said that it is ready.
fn only_child(process: i32) -> i32 {
    let deadline = Instant::now() + PATIENCE;
    let children = loop {
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
        let children = children.expect("children");
        let numbers = children
            .split_whitespace()
            .map(|child| child.parse().expect("a number"));
        let numbers: Vec<i32> = numbers.collect();
        if !numbers.is_empty() {
            break numbers;
        }
        assert!(Instant::now() < deadline, "process 1 forked no child");
        std::thread::yield_now();
    };
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

fn status(process: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.expect("the field").trim().to_owned()
}

#[test]
fn the_first_step_is_a_child_that_waited_and_is_as_confined_as_the_next() {
    let mut inside = Inside::new(6);
    let waiting = only_child(inside.sandbox.pid());
    inside.start("exec sleep 1000");
    loop {
        if matches!(inside.receive(), FromInit::StepStarted { .. }) {
            break;
        }
    }
    // Its guard has its number, and lives until the step ends.
    assert_eq!(only_child(inside.sandbox.pid()), waiting);
    assert_eq!(
        (status(waiting, "Seccomp:").as_str(), status(waiting, "NSpid:")),
        ("2", format!("{waiting}\t2"))
    );
    inside
        .writer
        .send(&ToInit::StopStep { step: 1, grace_ms: 0 })
        .expect("sent");
    inside.rest();
    let look = "grep -E 'Cap|Seccomp|Groups' /proc/self/status; ls /proc/self/fd";
    let (later, end) = inside.run(look);
    assert_eq!(end, StepEnd::Exited(0), "{later}");
    let mut other = Inside::new(7);
    let (first, end) = other.run(look);
    assert_eq!((first, end), (later, StepEnd::Exited(0)));
}

#[test]
fn a_waiting_child_that_is_gone_is_not_missed() {
    let mut inside = Inside::new(5);
    let waiting = only_child(inside.sandbox.pid());
    let pid = rustix::process::Pid::from_raw(waiting).expect("a number");
    let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("open");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    poll(&mut [PollFd::new(&ended, PollFlags::IN)], None).expect("polled");
    assert_eq!(inside.run("printf ran"), ("ran".to_owned(), StepEnd::Exited(0)));
}

#[test]
fn shutdown_ends_the_sandbox() {
    let mut inside = Inside::new(4);
    assert_eq!(inside.run("setsid sleep 1000 & true").1, StepEnd::Exited(0));
    inside
        .writer
        .send(&ToInit::Shutdown { grace_ms: 3_600_000 })
        .expect("sent");
    assert!(matches!(inside.reader.receive(), Ok(None)));
    let pidfd = inside.sandbox.pidfd();
    assert_eq!(
        poll(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)], None),
        Ok(1)
    );
}
