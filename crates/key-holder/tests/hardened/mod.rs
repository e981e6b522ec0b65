//! A hardened process against others of its own user, each time beside one that is not hardened.
//!
//! The processes are this test binary again, running [`the_process_with_a_secret`] alone, as a user without rights:
//! root may read everything.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use airlock_key_holder::{MemoryLock, harden};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

const HARDENED: &str = "AIRLOCK_TEST_HARDENED";
const CANARY: &str = "canary-in-the-environment-91d3";
const NOBODY: u32 = 65534;

#[test]
#[ignore = "run by the tests below in processes of its own"]
fn the_process_with_a_secret() {
    let Some(hardened) = std::env::var_os(HARDENED) else {
        return;
    };
    let before = dumpable_behavior().expect("asked");
    if hardened == "yes" {
        let memory = harden().expect("hardened").memory;
        assert!(
            memory == MemoryLock::Locked || matches!(memory, MemoryLock::NotAllowed { .. }),
            "{memory:?}"
        );
    }
    let core = getrlimit(Resource::Core);
    let flags = (
        before,
        dumpable_behavior().expect("asked"),
        core.current == Some(0) && core.maximum == Some(0),
    );
    writeln!(std::io::stdout(), "flags {flags:?}").expect("written");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("read");
}

fn as_nobody(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY)
    } else {
        command
    }
}

/// A running process, and the rest of what it says.
struct Process {
    child: Child,
    flags: String,
    rest: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the process and waits until it is as hard as it gets.
    fn start(hardened: bool) -> Self {
        // The folder of the binary may be closed to the other user; a temporary one need not be.
        let open = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o755))
            .tempdir();
        let open = open.expect("temporary folder");
        let binary = open.path().join("test-binary");
        // Not copied by this process: a child that another test forks meanwhile would hold the file open for writing,
        // and a file that is open for writing cannot be executed.
        let copied = Command::new("cp")
            .arg(std::env::current_exe().expect("this binary"))
            .arg(&binary)
            .status();
        assert!(copied.expect("cp").success());
        let mut command = Command::new(&binary);
        command.args([
            "--exact",
            "hardened::the_process_with_a_secret",
            "--ignored",
            "--nocapture",
        ]);
        command
            .env(HARDENED, if hardened { "yes" } else { "no" })
            .env("CANARY", CANARY)
            .current_dir("/");
        as_nobody(&mut command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut rest = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = rest.by_ref().lines().map(|line| line.expect("read"));
        let flags = lines.find_map(|line| Some(line.split_once("flags ")?.1.to_owned()));
        Self {
            child,
            flags: flags.expect("the process told its flags"),
            rest,
        }
    }

    /// What another process of the same user sees of it.
    fn seen(&self, file: &str) -> Vec<u8> {
        let mut command = Command::new("cat");
        command
            .arg(format!("/proc/{}/{file}", self.child.id()))
            .current_dir("/");
        as_nobody(&mut command).output().expect("started").stdout
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.rest.read_to_string(&mut said).expect("read");
        assert!(self.child.wait().expect("ended").success(), "{said}");
    }
}

#[test]
fn core_dumps_are_off() {
    let hardened = Process::start(true);
    let expected = format!(
        "({:?}, {:?}, true)",
        DumpableBehavior::Dumpable,
        DumpableBehavior::NotDumpable
    );
    assert_eq!(hardened.flags, expected);
    hardened.end();
    let soft = Process::start(false);
    assert!(
        soft.flags.starts_with("(Dumpable, Dumpable, "),
        "the positive control: {}",
        soft.flags
    );
    soft.end();
}

#[test]
fn others_of_the_same_user_see_nothing() {
    let holds = |seen: &[u8]| {
        seen.windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes())
    };
    let soft = Process::start(false);
    assert!(
        holds(&soft.seen("environ")),
        "the positive control: the search finds it in an ordinary process"
    );
    assert!(!soft.seen("maps").is_empty());
    soft.end();
    let hardened = Process::start(true);
    assert!(!holds(&hardened.seen("environ")));
    assert!(hardened.seen("maps").is_empty());
    hardened.end();
}
