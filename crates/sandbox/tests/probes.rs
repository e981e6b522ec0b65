//! The escape battery: what a hostile step would try, one probe a row. Each must fail in a step, and each has its control:
//! the same with the protection it is about switched off succeeds, so a probe that could never succeed is found out.
//!
//! The table is `docs/sandbox-probes.md`; the test writes it (`AIRLOCK_WRITE_DOCS=1`) and otherwise compares.

mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use airlock_sandbox::Layer;

use crate::support::{Inside, Machine, busybox};
use table::{Attempt, Off, PROBES, Probe};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox-probes.md");

/// What a call answers that a filter or a missing capability stopped.
const REFUSED: [i64; 2] = [1, 38];

/// A machine with something to steal, and the job that tries.
struct Scene {
    machine: Machine,
    job: Inside,
    /// Another one like it, which controls may leave in any state.
    off: Inside,
    neighbour: Inside,
    places: BTreeMap<&'static str, String>,
    host: std::process::Child,
}

impl Scene {
    #[expect(
        clippy::disallowed_methods,
        reason = "plays a program of the host that has a socket"
    )]
    fn set() -> Self {
        let machine = Machine::new();
        let secret = machine.path().join("secret");
        fs::write(&secret, "host\n").expect("a secret of the host");
        // Nodes of an image: one device of the kernel's and one setuid program.
        let made = Command::new("mknod")
            .arg(machine.image().join("node"))
            .args(["c", "1", "5"])
            .status()
            .expect("mknod");
        assert!(made.success());
        fs::copy(busybox(), machine.image().join("suid")).expect("a program");
        fs::set_permissions(machine.image().join("suid"), fs::Permissions::from_mode(0o4755))
            .expect("a mode");
        let host = Command::new(busybox())
            .args(["sleep", "1000"])
            .stdout(Stdio::null())
            .spawn()
            .expect("a process of the host");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of the host");
        let port = listener.local_addr().expect("its port").port();
        // Ends with the tests; whoever connects is served an end of file.
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let mut neighbour = machine.start("neighbour");
        neighbour.output("echo theirs > /root/theirs; echo theirs > /dev/shm/theirs");
        neighbour.background("exec sleep 2000");
        let mut job = machine.start("job");
        let own = job.background("exec sleep 3000");
        let places = BTreeMap::from([
            ("SECRET", secret.display().to_string()),
            ("IMAGE", machine.image().display().to_string()),
            ("SCRATCH", machine.path().display().to_string()),
            ("UPPER", neighbour.sandbox.upper_dir().display().to_string()),
            ("HOSTPID", host.id().to_string()),
            ("NEIGHBOUR", neighbour.sandbox.pid().to_string()),
            ("OWN", own.to_string()),
            ("PORT", port.to_string()),
            ("BUSYBOX", busybox().display().to_string()),
        ]);
        let off = machine.start("off");
        Self {
            machine,
            job,
            off,
            neighbour,
            places,
            host,
        }
    }

    fn fill(&self, script: &str) -> String {
        self.places
            .iter()
            .fold(script.to_owned(), |script, (name, value)| {
                script.replace(&format!("@{name}@"), value)
            })
    }

    fn on_the_host(&self, script: &str) -> Result<(), String> {
        let output = Command::new(busybox())
            .args(["sh", "-c", &self.fill(script)])
            .stdin(Stdio::null())
            .current_dir(self.machine.path())
            .output()
            .expect("a shell");
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn inside(&mut self, confine: bool, attempt: &Attempt) -> Result<(), String> {
        match attempt {
            Attempt::Sh(script) => {
                let script = self.fill(script);
                let ended = if confine {
                    self.job.sh(&script)
                } else {
                    self.off.unconfined(&script)
                };
                if ended.code == Some(0) {
                    Ok(())
                } else {
                    Err(format!("{ended:?}"))
                }
            }
            Attempt::Call(call) => {
                let own = self.places["OWN"].parse().expect("a number");
                let call: Vec<i64> = call
                    .iter()
                    .map(|word| if *word == table::OWN { own } else { *word })
                    .collect();
                let who = if confine { &mut self.job } else { &mut self.off };
                let errno = who.syscall(confine, &call);
                if REFUSED.contains(&errno) {
                    Err(format!("error {errno}"))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The same with the protection off.
    fn control(&mut self, probe: &Probe) -> Result<(), String> {
        match &probe.off {
            Off::Unfenced => self.inside(false, &probe.attempt),
            Off::UnfencedAfter(first) => {
                let Attempt::Sh(script) = &probe.attempt else {
                    return Err("only scripts are prepared by scripts".into());
                };
                let both = format!("{first} && {{ {script}; }}");
                let both = self.fill(&both);
                let ended = self.off.unconfined(&both);
                if ended.code == Some(0) {
                    Ok(())
                } else {
                    Err(format!("{ended:?}"))
                }
            }
            Off::OnTheHost => match &probe.attempt {
                Attempt::Sh(script) => self.on_the_host(script),
                Attempt::Call(call) => called_here(call),
            },
            Off::OnTheHostAs(script) => self.on_the_host(script),
            Off::OnItsOwn(attempt) => self.inside(true, attempt),
            Off::AtTheNeighbours(script) => {
                let script = self.fill(script);
                let ended = self.neighbour.sh(&script);
                if ended.code == Some(0) {
                    Ok(())
                } else {
                    Err(format!("{ended:?}"))
                }
            }
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

/// A call in a child of this process, with all the rights of the host's root.
#[expect(unsafe_code, reason = "a raw system call is what is tried")]
fn called_here(call: &[i64]) -> Result<(), String> {
    let at = |index: usize| call.get(index).copied().unwrap_or_default();
    // SAFETY: the rows pass integers that name nothing; the kernel refuses them once it has looked at them.
    let result = unsafe { libc::syscall(at(0), at(1), at(2), at(3), at(4), at(5)) };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or_default();
    if result >= 0 || !REFUSED.contains(&errno.into()) {
        Ok(())
    } else {
        Err(format!("error {errno}"))
    }
}

#[test]
fn every_probe_fails_in_a_step_and_succeeds_without_the_protection() {
    let mut scene = Scene::set();
    let mut wrong = String::new();
    for probe in PROBES {
        if scene.inside(true, &probe.attempt).is_ok() {
            let _ = writeln!(wrong, "{}: {} SUCCEEDED in a step", probe.group, probe.name);
        }
        if let Err(why) = scene.control(probe) {
            let _ = writeln!(wrong, "{}: {}: the control fails: {why}", probe.group, probe.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(PROBES.len() >= 60, "{} probes", PROBES.len());
    // Nothing of it reached anybody else.
    assert_eq!(scene.neighbour.output("cat /root/theirs /etc/a"), "theirs\na");
    let image = Layer {
        path: scene.machine.image(),
        ids: airlock_sandbox::LayerIds::Image,
    };
    assert_eq!(
        fs::read_to_string(image.path.join("etc/a")).expect("the image's file"),
        "a\n"
    );
}

#[test]
fn the_page_of_probes_is_the_table() {
    let mut page = String::from(
        "# What a step cannot do\n\n\
         Every row is tried by `cargo test -p airlock-sandbox probes`: the attempt fails in a step, and the same attempt\n\
         succeeds where the protection is off (the last column says where), so no row passes by accident.\n",
    );
    let mut group = "";
    for probe in PROBES {
        if probe.group != group {
            group = probe.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| attempt | how | control |\n| --- | --- | --- |\n"
            );
        }
        let how = match &probe.attempt {
            Attempt::Sh(script) => format!("`{}`", script.replace('|', "\\|")),
            Attempt::Call(call) => format!("system call {}", call.first().copied().unwrap_or_default()),
        };
        let _ = writeln!(page, "| {} | {how} | {} |", probe.name, probe.off);
    }
    if std::env::var_os("AIRLOCK_WRITE_DOCS").is_some() {
        fs::write(PAGE, &page).expect("the page written");
    }
    let there = fs::read_to_string(Path::new(PAGE)).unwrap_or_default();
    assert!(
        there == page,
        "docs/sandbox-probes.md is not the table; AIRLOCK_WRITE_DOCS=1 writes it"
    );
}
