//! Services beside a sandbox: what they share with it, what is their own, and that they end with it.

use std::fs;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::support::{Inside, Machine};

/// Where a namespace of whoever is asked is.
fn namespace<S>(inside: &mut Inside<S>, kind: &str) -> String {
    inside.output(&format!("readlink /proc/self/ns/{kind}"))
}

/// Waits for a process to end, not for ever.
fn ends(process: BorrowedFd<'_>) -> bool {
    let patience = Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    poll(&mut fds, Some(&patience)).expect("polled") > 0
}

#[test]
fn a_service_shares_network_users_and_limits_and_nothing_else() {
    let machine = Machine::new();
    let mut job = machine.start_with("one", |spec| spec.local_names = vec!["db".into(), "cache".into()]);
    let mut service = job.service(&machine, 1);
    for kind in ["net", "user"] {
        assert_eq!(namespace(&mut job, kind), namespace(&mut service, kind), "{kind}");
    }
    for kind in ["mnt", "pid", "ipc", "uts"] {
        assert_ne!(namespace(&mut job, kind), namespace(&mut service, kind), "{kind}");
    }
    assert_eq!(
        service.output("hostname; id -u; cat /proc/1/comm | wc -l"),
        "service-1\n0\n1"
    );
    for inside in [job.output("cat /etc/hosts"), service.output("cat /etc/hosts")] {
        assert!(
            inside.contains("127.0.0.1\tdb cache\n") || inside.ends_with("127.0.0.1\tdb cache"),
            "{inside}"
        );
    }
    let groups = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its groups");
    let service_on_host = host_pid(service.sandbox.pidfd());
    assert_eq!(groups(&service_on_host), groups(&job.sandbox.pid().to_string()));
    assert!(groups(&service_on_host).contains("/one"));
    // Files and processes are not seen from the other side; each sees its own, which is the control.
    job.background("exec sleep 1001");
    service.background("exec sleep 1002");
    assert!(job.output("touch /mine; ls /; ps -o args").contains("sleep 1001"));
    let seen = service.output("ls /; ps -o args");
    assert!(
        seen.contains("sleep 1002") && !seen.contains("sleep 1001") && !seen.contains("mine"),
        "{seen}"
    );
    assert!(!job.output("ps -o args").contains("sleep 1002"));
    job.sandbox.destroy().expect("a clean end");
}

#[test]
fn a_job_talks_to_its_service_on_any_port_and_its_neighbour_does_not() {
    let machine = Machine::new();
    let mut job = machine.start("one");
    let mut service = job.service(&machine, 1);
    let mut neighbour = machine.start("two");
    service.background("mkdir /www; echo served > /www/x; exec httpd -f -p 80 -h /www");
    let ask = "until wget -qO- http://127.0.0.1/x 2>/dev/null; do sleep 0.01; done";
    assert_eq!(job.output(ask), "served");
    assert!(!neighbour.succeeds("wget -qO- http://127.0.0.1/x"));
}

#[test]
fn services_end_with_their_sandbox_and_leave_nothing() {
    let machine = Machine::new();
    let job = machine.start("one");
    let mut first = job.service(&machine, 1);
    let second = job.service(&machine, 2);
    first.background("setsid sleep 1003");
    first.output("echo x > /written");
    let files = machine.work_dir().join("one");
    assert!(files.join("service-1/upper/written").exists());
    job.sandbox.destroy().expect("a clean end");
    assert!(ends(first.sandbox.pidfd()) && ends(second.sandbox.pidfd()));
    assert!(!files.exists());
}

#[test]
fn services_end_with_a_killed_launcher() {
    let machine = Machine::new();
    let job = machine.start("one");
    let service = job.service(&machine, 1);
    let parent = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        line.expect("a parent").trim().to_owned()
    };
    let zygote = parent(&job.sandbox.pid().to_string());
    // Both are children of the zygote, so its end is theirs.
    assert_eq!(parent(&host_pid(service.sandbox.pidfd())), zygote);
    let killed = std::process::Command::new("kill").args(["-9", &zygote]).status();
    assert!(killed.expect("kill").success());
    assert!(ends(service.sandbox.pidfd()) && ends(job.sandbox.pidfd()));
}

#[test]
fn what_a_service_cannot_be_is_said() {
    let machine = Machine::new();
    let job = machine.start("one");
    let mut spec = airlock_sandbox::ServiceSpec {
        number: 1,
        hostname: "x\n10.0.0.1 git".into(),
        layers: vec![machine.image()],
    };
    let said = |spec: &airlock_sandbox::ServiceSpec| {
        job.sandbox
            .start_service(spec)
            .expect_err("no service")
            .to_string()
    };
    assert!(said(&spec).contains("is not one"), "{}", said(&spec));
    spec.hostname = "db".into();
    spec.layers.clear();
    assert!(said(&spec).contains("0 image layers"));
    // Beside a sandbox that has ended there is nothing to join.
    spec.layers = vec![machine.image()];
    rustix::process::pidfd_send_signal(job.sandbox.pidfd(), rustix::process::Signal::KILL).expect("sent");
    assert!(ends(job.sandbox.pidfd()));
    assert!(
        said(&spec).contains("cloning into new namespaces"),
        "{}",
        said(&spec)
    );
    assert!(machine.start("two").succeeds("true"), "the launcher is fine");
}

/// The number a process has on the host.
fn host_pid(process: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd as _;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).expect("its numbers");
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    line.expect("a number").trim().to_owned()
}
