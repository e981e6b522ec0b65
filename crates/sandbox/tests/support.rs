//! A machine for one test: an image, a launcher and ids of its own; and talking to process 1 of a sandbox.

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_sandbox::{
    Assembly, DEFAULT_ID_BASE, IDS_PER_SANDBOX, Launcher, LauncherOptions, Limits, Network, Place, Sandbox,
    SandboxSpec, SeccompProfile, Service, ServiceSpec,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

const RANGES: u32 = 4;

pub(crate) struct Machine {
    pub(crate) launcher: Option<Launcher>,
    directory: tempfile::TempDir,
    pub(crate) id_base: u32,
    assembly: Option<Assembly>,
}

/// For running all tests with roots assembled in another way than this kernel's best: `descriptors` or `paths`.
pub(crate) const ASSEMBLY: &str = "AIRLOCK_TEST_ASSEMBLY";

pub(crate) fn assembly() -> Option<Assembly> {
    std::env::var(ASSEMBLY).ok().map(|word| match word.as_str() {
        "descriptors" => Assembly::Descriptors,
        "paths" => Assembly::Paths,
        other => panic!("{ASSEMBLY}={other}"),
    })
}

/// Whether the kernel is one that has to be able to. Told by its version alone, so that a broken probe shows.
pub(crate) fn can(assembly: Assembly) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let numbers: Vec<u32> = release
        .split(|each: char| !each.is_ascii_digit())
        .take(2)
        .map(|number| number.parse().expect("a number"))
        .collect();
    match assembly {
        Assembly::Paths => true,
        Assembly::Descriptors => numbers >= vec![6, 15],
    }
}

/// The zygote that cargo built beside this test.
pub(crate) fn zygote() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this test");
    let path = this
        .ancestors()
        .nth(2)
        .expect("a target directory")
        .join("examples/zygote");
    assert!(
        path.exists(),
        "{} is built by `cargo test` without a target filter",
        path.display()
    );
    path
}

/// Blocks of ids that tests running side by side do not share.
fn next_id_base() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let machine = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id() % 64;
    DEFAULT_ID_BASE + (process * 64 + machine % 64) * RANGES * IDS_PER_SANDBOX
}

pub(crate) fn busybox() -> PathBuf {
    let path = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists());
    path.expect("a static busybox (apt-get install busybox-static)")
}

/// A sandbox on the machine in a directory.
pub(crate) fn spec_in(directory: &Path, id: &str) -> SandboxSpec {
    SandboxSpec {
        id: id.into(),
        hostname: format!("host-{id}"),
        layers: vec![directory.join("image")],
        limits: Limits {
            cpu_millis: 2000,
            memory_bytes: 256 << 20,
            pids: 100,
            disk: None,
        },
        local_names: Vec::new(),
        network: Network::None,
        profile: SeccompProfile::Default,
        helper: busybox(),
        work_dir: directory.join("work"),
    }
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with_network(false)
    }

    pub(crate) fn with_network(network: bool) -> Self {
        let mut machine = Self::without_launcher();
        machine.launch(network);
        machine
    }

    /// With roots assembled in one certain way.
    pub(crate) fn with_assembly(assembly: Assembly) -> Self {
        let mut machine = Self::without_launcher();
        machine.assembly = Some(assembly);
        machine.launch(false);
        machine
    }

    /// A second agent on the same host that was given the same block of ids.
    pub(crate) fn sharing_ids_with(other: &Self) -> Self {
        let mut machine = Self::without_launcher();
        machine.id_base = other.id_base;
        machine.launch(false);
        machine
    }

    fn launch(&mut self, network: bool) {
        let options = LauncherOptions {
            state_dir: self.state_dir(),
            id_base: self.id_base,
            id_ranges: RANGES,
            network,
            disks: Some(self.path().join("disks")),
            observer: None,
            assembly: self.assembly,
            ..LauncherOptions::new(self.state_dir())
        };
        self.launcher = Some(Launcher::spawn(&zygote(), options).expect("a launcher"));
    }

    /// With network, and with some of the outside closed or opened by word.
    pub(crate) fn with_outside(outside: airlock_sandbox::Outside) -> Self {
        let mut machine = Self::without_launcher();
        let options = LauncherOptions {
            id_base: machine.id_base,
            id_ranges: RANGES,
            outside,
            // What plays the internet; whether anything answers there is the test's affair.
            name_servers: Some(vec![([203, 0, 113, 1], 53).into()]),
            assembly: machine.assembly,
            ..LauncherOptions::new(machine.state_dir())
        };
        machine.launcher = Some(Launcher::spawn(&zygote(), options).expect("a launcher"));
        machine
    }

    pub(crate) fn without_launcher() -> Self {
        // On a disk: overlayfs does not take every file system for a writable layer.
        let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
        let machine = Self {
            launcher: None,
            directory,
            id_base: next_id_base(),
            assembly: assembly(),
        };
        fs::create_dir(machine.work_dir()).expect("a work directory");
        machine.make_image();
        machine
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.path().join("work")
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            state_dir: self.state_dir(),
            work_dir: self.work_dir(),
        }
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.path().join("image")
    }

    fn make_image(&self) {
        let image = self.image();
        for directory in ["bin", "etc", "root/dep/own", "tmp", "var/tmp"] {
            fs::create_dir_all(image.join(directory)).expect("an image directory");
        }
        let binary = image.join("bin/busybox");
        fs::copy(busybox(), &binary).expect("busybox in the image");
        // Not the copy: a test that forks at this moment would hold it open for writing.
        let applets = Command::new(busybox())
            .arg("--list")
            .output()
            .expect("the list of applets");
        for applet in String::from_utf8_lossy(&applets.stdout)
            .lines()
            .filter(|applet| *applet != "busybox")
        {
            symlink("busybox", image.join("bin").join(applet)).expect("an applet");
        }
        fs::write(image.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("a file");
        fs::write(image.join("etc/a"), "a\n").expect("a file");
        fs::write(image.join("etc/b"), "b\n").expect("a file");
        fs::write(image.join("root/dep/own/f"), "o\n").expect("a file");
        symlink(
            "../run/systemd/resolve/stub-resolv.conf",
            image.join("etc/resolv.conf"),
        )
        .expect("a link");
    }

    pub(crate) fn spec(&self, id: &str) -> SandboxSpec {
        spec_in(self.path(), id)
    }

    pub(crate) fn launcher(&self) -> &Launcher {
        self.launcher.as_ref().expect("a launcher")
    }

    pub(crate) fn start(&self, id: &str) -> Inside {
        self.start_with(id, |_| {})
    }

    pub(crate) fn start_with(&self, id: &str, change: impl FnOnce(&mut SandboxSpec)) -> Inside {
        let mut spec = self.spec(id);
        change(&mut spec);
        Inside::new(self.launcher().start(&spec).expect("a sandbox"))
    }
}

/// A running sandbox, or a service beside one, and the line to its process 1.
pub(crate) struct Inside<S = Sandbox> {
    pub(crate) sandbox: S,
    channel: BufReader<UnixStream>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i64>,
    pub(crate) signal: Option<i64>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Inside {
    pub(crate) fn new(mut sandbox: Sandbox) -> Self {
        let channel = sandbox.take_channel().expect("the channel is there once");
        assert!(sandbox.take_channel().is_none());
        Self {
            sandbox,
            channel: BufReader::new(UnixStream::from(channel)),
        }
    }

    /// A service of this machine's image.
    pub(crate) fn service(&self, machine: &Machine, number: u32) -> Inside<Service> {
        let spec = ServiceSpec {
            number,
            hostname: format!("service-{number}"),
            layers: vec![machine.image()],
        };
        let mut service = self.sandbox.start_service(&spec).expect("a service");
        let channel = service.take_channel().expect("the channel is there once");
        Inside {
            sandbox: service,
            channel: BufReader::new(UnixStream::from(channel)),
        }
    }
}

impl<S> Inside<S> {
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.channel.get_mut(), "{request}").expect("a request sent");
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.channel.read_line(&mut line).expect("an answer");
        let answer: Value = serde_json::from_str(&line).expect("an answer before process 1 ended");
        assert_eq!(answer["error"], Value::Null, "process 1 could not");
        answer
    }

    /// Sends a root to be switched to.
    pub(crate) fn switch(&mut self, root: OwnedFd) -> Value {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds: [BorrowedFd<'_>; 1] = [root.as_fd()];
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let line = b"{\"do\":\"switch\"}\n";
        sendmsg(
            self.channel.get_ref(),
            &[IoSlice::new(line)],
            &mut ancillary,
            SendFlags::empty(),
        )
        .expect("a root sent");
        drop(root);
        self.answer()
    }

    /// Runs a shell script, confined as a step is.
    pub(crate) fn sh(&mut self, script: &str) -> Ended {
        self.run(script, true)
    }

    /// The same without the last fence: the control of an experiment.
    pub(crate) fn unconfined(&mut self, script: &str) -> Ended {
        self.run(script, false)
    }

    fn run(&mut self, script: &str, confine: bool) -> Ended {
        let answer = self.ask(&json!({ "do": "run", "argv": ["/bin/sh", "-c", script], "confine": confine }));
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        Ended {
            code: answer["code"].as_i64(),
            signal: answer["signal"].as_i64(),
            out: text("out"),
            err: text("err"),
        }
    }

    /// Output of a script that has to succeed.
    pub(crate) fn output(&mut self, script: &str) -> String {
        let ended = self.sh(script);
        assert_eq!(ended.code, Some(0), "{script}: {ended:?}");
        ended.out.trim_end().to_owned()
    }

    pub(crate) fn succeeds(&mut self, script: &str) -> bool {
        self.sh(script).code == Some(0)
    }

    pub(crate) fn background(&mut self, script: &str) -> i64 {
        let answer = self.ask(&json!({ "do": "background", "argv": ["/bin/sh", "-c", script] }));
        answer["pid"].as_i64().expect("a process id")
    }

    /// Error number of one system call in a child, 0 for success.
    pub(crate) fn syscall(&mut self, confine: bool, call: &[i64]) -> i64 {
        let answer = self.ask(&json!({ "do": "syscall", "call": call, "confine": confine }));
        answer["errno"]
            .as_i64()
            .unwrap_or_else(|| panic!("killed: {answer}"))
    }
}
