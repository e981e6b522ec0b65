//! The network policy against what a hostile job, neighbour or upstream can try: every port of the host, hardware
//! addresses of others, addresses closed or opened by the operator. Each attack succeeds once its protection is off.

#![expect(
    clippy::disallowed_methods,
    reason = "plays the outside world, which has sockets of its own"
)]

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use airlock_sandbox::{Ipv4Block, Network, Outside, Verdict};
use serde_json::json;

use crate::network::{World, address, is_kept_from, reaches};
use crate::support::Inside;

fn block(text: &str) -> Ipv4Block {
    text.parse().expect("a block")
}

fn gateway(inside: &mut Inside) -> String {
    inside.output("ip route | awk '/default/ {print $3}'")
}

fn flush_rules(world: &World) {
    world.host.within(|| {
        let flushed = Command::new("nft").args(["flush", "ruleset"]).status();
        assert!(flushed.expect("nft").success());
    });
}

fn open_ports(inside: &mut Inside, address: &str) -> Vec<u64> {
    let answer = inside.ask(&json!({ "do": "scan", "address": address }));
    let ports = answer["open"].as_array().expect("ports");
    ports.iter().filter_map(serde_json::Value::as_u64).collect()
}

#[test]
fn no_port_of_the_host_is_open_to_a_job() {
    let world = World::new();
    let mut a = world.start("a");
    let gateway = gateway(&mut a);
    world.host.serve("[2001:db8::2]:80");
    let udp = world
        .host
        .within(|| UdpSocket::bind("0.0.0.0:5353").expect("a socket"));
    udp.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time limit");
    // 192.0.2.9 is an address of a device that leads nowhere.
    world.host.ip("addr add 192.0.2.9/32 dev lo");
    let addresses = [gateway.as_str(), "203.0.113.2", "192.0.2.9"];
    for address in addresses {
        // The jobs' name server is there, and nowhere else.
        let names: &[u64] = if address == gateway { &[53] } else { &[] };
        assert_eq!(open_ports(&mut a, address), names, "{address}");
        a.ask(&json!({ "do": "knock", "address": address }));
    }
    // IPv6: the job has no address, no route and no way to get either; the host's own are nevertheless tried.
    for address in ["2001:db8::2", "::ffff:203.0.113.2"] {
        assert_eq!(open_ports(&mut a, address), [0_u64; 0], "{address}");
    }
    assert!(world.host.reaches("[2001:db8::2]:80"), "the control of IPv6");

    flush_rules(&world);
    let open = open_ports(&mut a, &gateway);
    assert!(open.contains(&80), "the rules close it: {open:?}");
    assert_eq!(
        open.len(),
        2,
        "and whatever port the name server has itself: {open:?}"
    );
    for address in addresses {
        assert!(reaches(&mut a, address), "the rules close {address}");
    }
    a.ask(&json!({ "do": "knock", "address": gateway }));
    let mut knock = [0; 16];
    let (length, from) = udp
        .recv_from(&mut knock)
        .expect("a knock, now that the rules are gone");
    assert_eq!(&knock[..length], b"knock");
    // The first one heard is from after the rules: what was sent before never came, which the order of a socket's
    // queue shows as long as nothing else is in it.
    udp.set_nonblocking(true).expect("a switch");
    assert!(
        udp.recv_from(&mut knock).is_err(),
        "more than one came, from {from}"
    );
}

#[test]
fn a_neighbours_hardware_address_gets_nothing() {
    let world = World::new();
    let (mut a, mut b) = (world.start("a"), world.start("b"));
    let hardware = |inside: &mut Inside| inside.output("cat /sys/class/net/eth0/address").replace(':', "");
    let (of_a, of_b) = (hardware(&mut a), hardware(&mut b));
    assert_ne!(of_a, of_b);
    let (at_a, at_b) = (address(&mut a), address(&mut b));
    let port_of = |hardware: &str| {
        let spaced: Vec<String> = (0..6).map(|at| hardware[at * 2..at * 2 + 2].to_owned()).collect();
        let table = world.host.within(|| {
            let output = Command::new("bridge")
                .args(["fdb", "show"])
                .output()
                .expect("bridge");
            String::from_utf8_lossy(&output.stdout).into_owned()
        });
        let lines = table.lines().filter(|line| line.starts_with(&spaced.join(":")));
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let gateway = gateway(&mut a);
    let before = port_of(&of_b);
    assert!(before.contains("static"), "{before}");
    // A frame from b's hardware address, sent by a: to the whole network, as ARP, with a's own address and with b's.
    let quad = |address: &str| -> String {
        let parts = address
            .split('.')
            .map(|part| format!("{:02x}", part.parse::<u8>().expect("a part")));
        parts.collect()
    };
    let arp = |from: &str| {
        format!(
            "ffffffffffff{of_b}08060001080006040001{of_b}{}000000000000{}",
            quad(from),
            quad(&gateway)
        )
    };
    for from in [&at_a, &at_b] {
        let frame = arp(from);
        a.ask(&json!({ "do": "frame", "bytes": frame }));
        assert_eq!(port_of(&of_b), before);
    }
    assert!(reaches(&mut b, "203.0.113.1"), "b still hears its answers");

    // The control: without the rules and with a port that learns, the frame takes b's traffic away.
    flush_rules(&world);
    let port_of_a = port_of(&of_a);
    let port_of_a = port_of_a.split(' ').nth(2).expect("a device");
    world
        .host
        .ip(&format!("link set {port_of_a} type bridge_slave learning on"));
    let port_of_b = before.split(' ').nth(2).expect("a device").to_owned();
    let mut colons = of_b.clone();
    for at in (2..12).step_by(2).rev() {
        colons.insert(at, ':');
    }
    world.host.within(|| {
        let deleted = Command::new("bridge")
            .args(["fdb", "del", &colons, "dev", &port_of_b, "master"])
            .status();
        assert!(deleted.expect("bridge").success());
    });
    let frame = arp(&at_a);
    a.ask(&json!({ "do": "frame", "bytes": frame }));
    assert!(port_of(&of_b).contains(port_of_a), "{}", port_of(&of_b));
}

#[test]
fn the_operator_closes_and_opens_blocks() {
    let world = World::with_outside(Outside {
        closed: vec![block("198.51.100.7"), block("192.168.77.128/25")],
        opened: vec![block("192.168.77.0/24")],
    });
    let mut a = world.start("a");
    assert!(reaches(&mut a, "203.0.113.1"), "the control: egress");
    assert!(reaches(&mut a, "192.168.77.1"), "an opened private block");
    assert!(world.host.reaches("198.51.100.7:80"), "the control: it is there");
    assert!(is_kept_from(&mut a, "198.51.100.7"), "the control plane");
    flush_rules(&world);
    world.host.ip("route add 10.213.0.0/16 dev lo metric 4000");
    world.internet.ip("route replace 10.213.0.0/16 via 203.0.113.2");
    assert!(reaches(&mut a, "198.51.100.7"), "the rules close it");
}

#[test]
fn forwarding_is_on_where_it_is_needed_and_off_afterwards() {
    let mut world = World::new();
    let switch = |device: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{device}/forwarding");
        world
            .host
            .within(|| fs::read_to_string(&path).expect("a switch").trim().to_owned())
    };
    assert_eq!(
        world
            .host
            .within(|| fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
                .expect("a switch")
                .trim()
                .to_owned()),
        "0"
    );
    assert_eq!((switch("up0").as_str(), switch("lo").as_str()), ("1", "0"));
    let mut a = world.start("a");
    assert!(reaches(&mut a, "203.0.113.1"), "egress");
    drop(a);
    let World { machine, host, .. } = &mut world;
    host.within(|| machine.launcher = None);
    let after =
        host.within(|| fs::read_to_string("/proc/sys/net/ipv4/conf/up0/forwarding").expect("a switch"));
    assert_eq!(after.trim(), "0");
}

#[test]
fn the_hosts_end_of_a_port_has_no_address() {
    let world = World::new();
    let mut a = world.start("a");
    assert!(reaches(&mut a, "203.0.113.1"));
    let addresses = world.host.within(|| {
        let output = Command::new("ip")
            .args(["-6", "-o", "addr"])
            .output()
            .expect("ip");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    assert!(addresses.contains("up0"), "the control: the uplink has one");
    for device in world.host.devices_of_ours() {
        assert!(!addresses.contains(&device), "{addresses}");
    }
}

#[test]
fn the_first_packet_of_a_sandbox_finds_its_way() {
    let world = World::new();
    for round in 0..10 {
        let mut a = world.start(&format!("round-{round}"));
        // The state of both ends when the start has returned: what is sent before is dropped, and sent again a second
        // later.
        let said = world.host.within(|| {
            let output = Command::new("bridge").args(["-d", "link", "show"]).output();
            String::from_utf8_lossy(&output.expect("bridge").stdout).into_owned()
        });
        assert!(
            said.contains("LOWER_UP") && said.contains("state forwarding"),
            "{said}"
        );
        assert!(!said.contains("state disabled"), "{said}");
        assert_eq!(a.output("cat /sys/class/net/eth0/operstate"), "up");
        let gateway = gateway(&mut a);
        let known = a.output("ip neigh show dev eth0");
        assert!(
            known.contains(&gateway) && known.contains("PERMANENT"),
            "nobody is asked who the gateway is: {known}"
        );
        assert!(reaches(&mut a, "203.0.113.1"));
        a.sandbox.destroy().expect("a clean end");
    }
}

#[test]
fn a_listed_job_reaches_what_is_listed() {
    let world = World::with_outside(Outside {
        closed: vec![block("198.51.100.7")],
        ..Outside::default()
    });
    let start = |id: &str, blocks: &[Ipv4Block]| {
        world.host.within(|| {
            let mut inside = world
                .machine
                .start_with(id, |spec| spec.network = Network::Listed);
            inside.sandbox.open_blocks(blocks).expect("opened");
            inside
        })
    };
    let mut denied = start("denied", &[]);
    let mut listed = start(
        "listed",
        &[
            block("203.0.113.0/24"),
            block("198.51.100.7"),
            block("192.168.77.1"),
        ],
    );
    assert!(reaches(&mut listed, "203.0.113.1"), "what is listed");
    assert!(is_kept_from(&mut denied, "203.0.113.1"), "another's list");
    assert!(
        is_kept_from(&mut listed, "198.51.100.7"),
        "a list does not open the control plane"
    );
    assert!(is_kept_from(&mut listed, "192.168.77.1"), "nor private networks");
    let mut open = world.start("open");
    world.internet.ip("addr add 198.51.100.8/32 dev i0");
    assert!(reaches(&mut open, "198.51.100.8"), "the control");
    assert!(is_kept_from(&mut listed, "198.51.100.8"), "what is not listed");
    // The place is lent again, without what was opened.
    drop(listed);
    for round in 0..4 {
        let mut next = start(&format!("next-{round}"), &[]);
        assert!(is_kept_from(&mut next, "203.0.113.1"));
    }
}

#[test]
fn connections_are_counted_by_mark_with_their_bytes() {
    let world = World::new();
    let mut a = world.start("a");
    let mut b = world.start("b");
    let flow = |inside: &Inside, mark: u32, to: &str| -> Vec<airlock_sandbox::Flow> {
        let flows = inside.sandbox.flows();
        assert!(!flows.incomplete && flows.beyond == 0, "{flows:?}");
        let wanted = |flow: &airlock_sandbox::Flow| flow.mark == mark && flow.address.to_string() == to;
        flows.flows.into_iter().filter(wanted).collect()
    };
    assert_eq!(a.sandbox.flows().flows, []);
    assert!(reaches(&mut a, "203.0.113.1"));
    a.sandbox.mark(7);
    assert!(reaches(&mut a, "203.0.113.1"));
    assert!(reaches(&mut a, "203.0.113.1"));
    assert!(is_kept_from(&mut a, "169.254.169.254"));
    a.sandbox.mark(8);
    let first = flow(&a, 0, "203.0.113.1");
    let [first] = first.as_slice() else {
        panic!("{first:?}")
    };
    assert_eq!(
        (first.connections, first.port, first.protocol, first.verdict),
        (1, 80, 6, Verdict::Allowed)
    );
    assert!(first.bytes_out > 100 && first.bytes_in > 100, "{first:?}");
    let second = flow(&a, 7, "203.0.113.1");
    assert_eq!(second.first().expect("a flow").connections, 2);
    let refused = flow(&a, 7, "169.254.169.254");
    let [refused] = refused.as_slice() else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (refused.verdict, refused.port, refused.bytes_in),
        (Verdict::Refused, 80, 0)
    );
    assert!(refused.connections >= 1);
    // Nobody else's.
    assert_eq!(b.sandbox.flows().flows, []);
    assert!(reaches(&mut b, "203.0.113.1"));
    assert_eq!(flow(&b, 0, "203.0.113.1").first().expect("a flow").connections, 1);
    assert_eq!(flow(&a, 8, "203.0.113.1"), []);
}
