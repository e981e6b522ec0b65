//! The job network, inside namespaces made here: nothing leaves the machine. One namespace plays the host, another
//! the internet.

#![expect(
    clippy::disallowed_methods,
    reason = "plays the outside world, which has sockets of its own"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use airlock_sandbox::{Network, Outside, StartError};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::{Inside, Machine};

/// A network namespace with a name, as `ip netns` makes them.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "alt{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        Self { name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn ip(&self, words: &str) {
        let mut all = vec!["-n", &self.name];
        all.extend(words.split(' '));
        ip(&all);
    }

    /// Runs something on a thread inside.
    pub(crate) fn within<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                own_namespace_named(&self.name);
                run()
            });
            inside.join().expect("no panic")
        })
    }

    pub(crate) fn devices_of_ours(&self) -> Vec<String> {
        let text = self.within(|| std::fs::read_to_string("/proc/thread-self/net/dev").expect("devices"));
        let names = text
            .lines()
            .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        names.filter(|name| name.starts_with("al")).collect()
    }

    pub(crate) fn rules(&self) -> String {
        let output = self.within(|| {
            Command::new("nft")
                .args(["list", "ruleset"])
                .output()
                .expect("nft")
        });
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Listens inside and greets whoever connects, until the namespace is dropped with the process.
    pub(crate) fn serve(&self, address: &str) {
        let listener = self.within(|| TcpListener::bind(address).expect("a listener"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = (&stream).write_all(b"ok\n");
            }
        });
    }

    pub(crate) fn reaches(&self, address: &str) -> bool {
        self.try_reach(address, true)
    }

    pub(crate) fn is_kept_from(&self, address: &str) -> bool {
        !self.try_reach(address, false)
    }

    /// Whether a connection from inside is greeted.
    fn try_reach(&self, address: &str, expected: bool) -> bool {
        let address: SocketAddr = address.parse().expect("an address");
        self.within(|| {
            let Ok(mut stream) =
                TcpStream::connect_timeout(&address, Duration::from_secs(if expected { 20 } else { 1 }))
            else {
                return false;
            };
            let mut said = String::new();
            stream.read_to_string(&mut said).is_ok() && said == "ok\n"
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Moves the calling thread into a named network namespace.
pub(crate) fn own_namespace_named(name: &str) {
    let namespace = File::open(format!("/run/netns/{name}")).expect("a namespace");
    move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&namespace),
        Some(LinkNameSpaceType::Network),
    )
    .expect("entering it");
}

fn ip(words: &[&str]) {
    let output = Command::new("ip")
        .args(words)
        .output()
        .expect("ip (apt-get install iproute2)");
    assert!(
        output.status.success(),
        "ip {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A host, an internet behind it, and a launcher on the host.
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) host: Namespace,
    pub(crate) internet: Namespace,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_outside(Outside::default())
    }

    /// With some of the outside closed or opened by word.
    pub(crate) fn with_outside(outside: Outside) -> Self {
        let (host, internet) = (Namespace::new(), Namespace::new());
        // A new namespace takes it over from the machine's own.
        host.within(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").expect("a switch"));
        host.ip(&format!(
            "link add up0 type veth peer name i0 netns {}",
            internet.name
        ));
        internet.ip("addr add 203.0.113.1/24 dev i0");
        internet.ip("addr add 169.254.169.254/32 dev i0");
        internet.ip("addr add 192.168.77.1/32 dev i0");
        internet.ip("addr add 198.51.100.7/32 dev i0");
        internet.ip("addr add 2001:db8::1/64 dev i0 nodad");
        internet.ip("link set i0 up");
        host.ip("addr add 203.0.113.2/24 dev up0");
        host.ip("addr add 2001:db8::2/64 dev up0 nodad");
        host.ip("link set up0 up");
        host.ip("route add default via 203.0.113.1");
        // A hostile upstream that routes to jobs.
        internet.ip("route add 10.213.0.0/16 via 203.0.113.2");
        internet.serve("0.0.0.0:80");
        internet.serve("[2001:db8::1]:80");
        host.serve("0.0.0.0:80");
        let machine = host.within(|| Machine::with_outside(outside));
        Self {
            machine,
            host,
            internet,
        }
    }

    pub(crate) fn start(&self, id: &str) -> Inside {
        self.host
            .within(|| self.machine.start_with(id, |spec| spec.network = Network::Egress))
    }
}

/// Whether a sandbox is greeted by who listens there; waits as long as a loaded machine may take.
pub(crate) fn reaches(inside: &mut Inside, address: &str) -> bool {
    inside.sh(&format!("nc -w 20 {address} 80 < /dev/null")).out == "ok\n"
}

/// Whether it is not: refused packets are answered by silence, so somebody has to stop waiting.
pub(crate) fn is_kept_from(inside: &mut Inside, address: &str) -> bool {
    inside.sh(&format!("nc -w 1 {address} 80 < /dev/null")).out != "ok\n"
}

pub(crate) fn address(inside: &mut Inside) -> String {
    inside.output("ip -4 -o addr show eth0 | awk '{print $4}' | cut -d/ -f1")
}

#[test]
fn egress_reaches_the_outside_and_nothing_else() {
    let world = World::new();
    let (mut a, mut b) = (world.start("a"), world.start("b"));
    let (at_a, at_b) = (address(&mut a), address(&mut b));
    let gateway = a.output("ip route | awk '/default/ {print $3}'");
    assert_ne!(at_a, at_b);
    b.background("while true; do echo ok | nc -l -p 80; done");
    assert!(
        b.sh("until nc -w 5 127.0.0.1 80 < /dev/null | grep ok; do sleep 0.05; done")
            .out
            .contains("ok"),
        "the control: it listens"
    );

    assert!(reaches(&mut a, "203.0.113.1"), "egress");
    assert!(
        world.host.reaches("192.168.77.1:80"),
        "the control: the host reaches a private network"
    );
    assert!(is_kept_from(&mut a, "192.168.77.1"), "a private network");

    assert!(
        world.host.reaches(&format!("{gateway}:80")),
        "the control: the host listens on the bridge"
    );
    assert!(is_kept_from(&mut a, &gateway), "the host, on the bridge");
    assert!(
        world.host.reaches("203.0.113.2:80"),
        "the control: the host listens on its uplink"
    );
    assert!(is_kept_from(&mut a, "203.0.113.2"), "the host, on its uplink");

    assert!(
        world.host.reaches("169.254.169.254:80") || world.internet.reaches("169.254.169.254:80"),
        "the control"
    );
    assert!(is_kept_from(&mut a, "169.254.169.254"), "the metadata service");

    assert!(
        world.host.reaches(&format!("{at_b}:80")),
        "the control: the host reaches b"
    );
    assert!(is_kept_from(&mut a, &at_b), "a neighbour");
    assert!(world.internet.is_kept_from(&format!("{at_b}:80")), "inbound");

    assert!(
        world.host.reaches("[2001:db8::1]:80"),
        "the control: IPv6 works for the host"
    );
    assert_eq!(a.output("ip -6 addr show eth0 | wc -l"), "0");
    assert!(is_kept_from(&mut a, "2001:db8::1"), "IPv6");
    // With an address taken by force and a route, which a job has no right to.
    let v6 = "ip -6 addr add 2001:db8::9/64 dev eth0";
    assert!(!a.succeeds(v6));

    // The control of all that: the same attacks succeed once the rules are gone.
    world.host.within(|| {
        Command::new("nft")
            .args(["flush", "ruleset"])
            .status()
            .expect("nft")
    });
    assert!(reaches(&mut a, &gateway), "the rules close the host");
    assert!(
        reaches(&mut a, "203.0.113.2"),
        "the rules close its other addresses"
    );
    assert!(
        world.internet.reaches(&format!("{at_b}:80")),
        "the rules close inbound"
    );
    assert!(
        is_kept_from(&mut a, &at_b),
        "neighbours are kept apart by the bridge itself"
    );
}

#[test]
fn a_job_cannot_speak_in_anothers_name() {
    let world = World::new();
    let mut a = world.start("a");
    let own = address(&mut a);
    let gateway = a.output("ip route | awk '/default/ {print $3}'");
    assert!(reaches(&mut a, "203.0.113.1"), "the control");
    // A neighbour's address within the network, taken with rights that steps do not have.
    let other = format!("{}.99", own.rsplit_once('.').expect("an address").0);
    let take = format!(
        "ip addr flush dev eth0 && ip addr add {other}/22 dev eth0 && ip route add default via {gateway}"
    );
    assert_ne!(a.sh(&take).code, Some(0), "a step may not even try");
    assert_eq!(a.unconfined(&take).code, Some(0));
    assert!(is_kept_from(&mut a, "203.0.113.1"));
    let table = table(&world);
    world.host.within(|| {
        Command::new("nft")
            .args(["delete", "table", "bridge", &table])
            .status()
            .expect("nft")
    });
    assert!(
        is_kept_from(&mut a, "203.0.113.1"),
        "an address that nobody was lent is refused, too, and nobody is asked who has it"
    );
    world.host.within(|| {
        let element = format!("{{ {other} }}");
        Command::new("nft")
            .args(["add", "element", "inet", &table, "open", &element])
            .status()
            .expect("nft")
    });
    let port = world.host.devices_of_ours();
    let port = port.iter().find(|name| name.contains('p')).expect("a port");
    world.host.ip(&format!(
        "link set {port} type bridge_slave bcast_flood on learning on"
    ));
    assert!(
        reaches(&mut a, "203.0.113.1"),
        "the rule of the port is what keeps it"
    );
}

fn table(world: &World) -> String {
    let rules = world.host.rules();
    rules
        .lines()
        .find_map(|line| line.strip_prefix("table bridge "))
        .expect("a table")
        .trim_end_matches(" {")
        .to_owned()
}

#[test]
fn without_network_there_is_loopback_alone() {
    let world = World::new();
    let mut none = world.host.within(|| world.machine.start("none"));
    assert_eq!(
        none.output("ip -o link | wc -l; ip -o link | grep -c LOOPBACK"),
        "1\n1"
    );
    assert!(none.output("ip -o link").contains("UP"));
    assert!(is_kept_from(&mut none, "203.0.113.1") && none.output("ip route | wc -l") == "0");
    none.background("echo ok | nc -l -p 80");
    assert!(
        none.sh("until nc -w 5 127.0.0.1 80 < /dev/null | grep ok; do sleep 0.05; done")
            .out
            .contains("ok")
    );
    let mut egress = world.start("egress");
    assert!(reaches(&mut egress, "203.0.113.1"), "the control");
}

#[test]
fn destroyed_sandboxes_lose_their_devices_and_the_launcher_its_bridge() {
    let World {
        mut machine,
        host,
        internet,
    } = World::new();
    assert_eq!(host.devices_of_ours().len(), 1);
    for round in 0..6 {
        let id = format!("round-{round}");
        let mut inside = host.within(|| machine.start_with(&id, |spec| spec.network = Network::Egress));
        assert!(reaches(&mut inside, "203.0.113.1"));
        inside.sandbox.destroy().expect("a clean end");
    }
    host.within(|| machine.launcher = None);
    assert_eq!(host.devices_of_ours(), [""; 0]);
    assert!(!host.rules().contains("airlock"));
    drop(internet);
}

#[test]
fn asking_for_network_without_one_is_refused() {
    let machine = Machine::new();
    let mut spec = machine.spec("a");
    spec.network = Network::Egress;
    let error = machine.launcher().start(&spec).expect_err("no network");
    assert!(
        matches!(&error, StartError::Spec { reason, .. } if reason.contains("without network")),
        "{error}"
    );
}
