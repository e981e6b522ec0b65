//! The jobs' name server: lists of names, what they open and for how long, and ways around them. A name server of the
//! internet, made here, answers for every name there is.

#![expect(
    clippy::disallowed_methods,
    reason = "plays the outside world, which has sockets of its own"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use airlock_sandbox::{Flow, Ipv4Block, NameRule, Network, Outside, Verdict};
use simple_dns::rdata::{A, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, ResourceRecord, TYPE};

use crate::network::{World, address, is_kept_from, reaches};
use crate::support::Inside;

/// A name server, and what it was asked.
struct Internet {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Internet {
    /// Answers at every address of the world's internet.
    fn of(world: &World) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (udp, tcp) = world.internet.within(|| {
            let udp = UdpSocket::bind("203.0.113.1:53").expect("a socket");
            (udp, TcpListener::bind("0.0.0.0:53").expect("a listener"))
        });
        let other = world
            .internet
            .within(|| UdpSocket::bind("198.51.100.7:53").expect("a socket"));
        for socket in [udp, other] {
            let heard = Arc::clone(&asked);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&answer(&buffer[..length], &heard, false), from);
                }
            });
        }
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut message).expect("a message");
                    let answer = answer(&message, &heard, true);
                    let length = u16::try_from(answer.len()).expect("short").to_be_bytes();
                    let _ = stream.write_all(&[&length[..], &answer].concat());
                }
            }
        });
        Self { asked }
    }

    fn was_asked(&self, name: &str) -> bool {
        let asked = self.asked.lock().expect("no panic");
        asked.iter().any(|each| each.eq_ignore_ascii_case(name))
    }
}

fn answer(message: &[u8], asked: &Mutex<Vec<String>>, by_stream: bool) -> Vec<u8> {
    let query = Packet::parse(message).expect("a question");
    let question = query.questions.first().expect("one").clone();
    let name = question.qname.to_string();
    asked.lock().expect("no panic").push(name.clone());
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    let of = |name: &'static str, data| ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, 30, data);
    let a = |text: &str| {
        let address: Ipv4Addr = text.parse().expect("an address");
        RData::A(A {
            address: address.into(),
        })
    };
    let alias = |text: &'static str| RData::CNAME(CNAME(Name::new_unchecked(text)));
    if question.match_type(TYPE::A) {
        match name.to_ascii_lowercase().as_str() {
            "www.example" => reply.answers.extend([
                of("www.example", alias("www.cdn.test")),
                of("www.cdn.test", alias("edge.cdn.test")),
                of("edge.cdn.test", a("203.0.113.1")),
                // Nobody asked for it.
                of("evil.example", a("198.51.100.7")),
            ]),
            "metadata.example" => reply.answers.push(of("metadata.example", a("169.254.169.254"))),
            "inner.example" => reply.answers.push(of("inner.example", a("192.168.77.1"))),
            "closed.example" => reply.answers.push(of("closed.example", a("203.0.113.9"))),
            "big.example" if !by_stream => reply.set_flags(PacketFlag::TRUNCATION),
            _ => {
                let record = ResourceRecord::new(question.qname.clone(), CLASS::IN, 30, a("203.0.113.1"));
                reply.answers.push(record);
            }
        }
    }
    reply.questions.push(question);
    reply.build_bytes_vec().expect("built")
}

trait MatchType {
    fn match_type(&self, kind: TYPE) -> bool;
}

impl MatchType for simple_dns::Question<'_> {
    fn match_type(&self, kind: TYPE) -> bool {
        self.qtype == simple_dns::QTYPE::TYPE(kind)
    }
}

fn rule(text: &str) -> NameRule {
    let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
    NameRule {
        name: name.to_owned(),
        below,
    }
}

fn listed(world: &World, id: &str, names: &[&str]) -> Inside {
    world.host.within(|| {
        let inside = world
            .machine
            .start_with(id, |spec| spec.network = Network::Listed);
        let rules: Vec<NameRule> = names.iter().map(|name| rule(name)).collect();
        inside.sandbox.open_names(&rules);
        inside
    })
}

/// Whether a name is found, by the job's own name server or by another one.
fn finds(inside: &mut Inside, name: &str, server: &str) -> bool {
    let said = inside.sh(&format!("nslookup -type=a {name} {server}"));
    said.code == Some(0)
        && said.out.to_lowercase().contains(&name.to_lowercase())
        && said.out.contains("203.0.113.1")
}

fn refused(inside: &Inside) -> Vec<String> {
    let flows = inside.sandbox.flows().flows.into_iter();
    let refused = flows.filter(|flow| flow.verdict == Verdict::Refused);
    refused
        .map(|flow| format!("{} {}:{}", flow.name.unwrap_or_default(), flow.address, flow.port))
        .collect()
}

#[test]
fn a_list_of_names_opens_what_they_lead_to_and_nothing_else() {
    let world = World::new();
    let internet = Internet::of(&world);
    let mut job = listed(&world, "listed", &["ok.example", "*.test.example"]);
    let gateway = job.output("ip route | awk '/default/ {print $3}'");
    assert_eq!(
        job.output("grep nameserver /etc/resolv.conf"),
        format!("nameserver {gateway}")
    );
    assert!(
        is_kept_from(&mut job, "203.0.113.1"),
        "the control: nothing is open before a name was looked up"
    );
    assert!(reaches(&mut job, "ok.example"), "a name on the list");
    assert!(reaches(&mut job, "203.0.113.1"), "the address it led to");
    assert!(is_kept_from(&mut job, "198.51.100.7"), "another address");
    assert!(reaches(&mut job, "a.b.test.example"), "a name below one");
    assert!(finds(&mut job, "OK.Example", ""), "in capitals");
    for name in [
        "other.example",
        "test.example",
        "ok.example.evil.test",
        "a.ok.example",
    ] {
        assert!(!finds(&mut job, name, ""), "{name}");
        assert!(!internet.was_asked(name), "{name} got out");
    }
    let gone = refused(&job);
    assert!(gone.contains(&format!("other.example {gateway}:53")), "{gone:?}");

    let mut open = world.start("open");
    for name in ["other.example", "test.example"] {
        assert!(finds(&mut open, name, ""), "the control: {name} is there");
        assert!(internet.was_asked(name));
    }
}

#[test]
fn what_a_name_opened_ends_by_itself_and_with_the_job() {
    let world = World::new();
    let _internet = Internet::of(&world);
    let mut job = listed(&world, "listed", &["ok.example"]);
    let own = address(&mut job);
    for _ in 0..2 {
        assert!(reaches(&mut job, "ok.example"));
        let rules = world.host.rules();
        let element = format!("{own} . 203.0.113.1 timeout 1m expires ");
        assert!(rules.contains(&element), "{rules}");
    }
    job.sandbox.destroy().expect("a clean end");
    assert!(!world.host.rules().contains(". 203.0.113.1 timeout"));
    // The place is lent again, without what was opened.
    for round in 0..4 {
        let mut next = listed(&world, &format!("next-{round}"), &[]);
        assert!(is_kept_from(&mut next, "203.0.113.1"));
        assert!(!finds(&mut next, "ok.example", ""));
    }
}

#[test]
fn other_name_servers_are_out_of_reach_under_a_list() {
    let world = World::new();
    let internet = Internet::of(&world);
    for port in [443, 853] {
        world.internet.serve(&format!("198.51.100.7:{port}"));
    }
    let mut job = listed(&world, "listed", &["ok.example"]);
    let mut open = world.start("open");
    let connects = |inside: &mut Inside, port: u16, seconds: u32| {
        inside
            .sh(&format!("nc -w {seconds} 198.51.100.7 {port} < /dev/null"))
            .code
            == Some(0)
    };
    assert!(
        finds(&mut open, "data.open.example", "198.51.100.7"),
        "the control: udp"
    );
    for port in [53, 443, 853] {
        assert!(connects(&mut open, port, 20), "the control: tcp {port}");
    }
    assert!(!finds(&mut job, "data.tunnel.example", "198.51.100.7"), "udp");
    for port in [53, 443, 853] {
        assert!(!connects(&mut job, port, 1), "tcp {port}");
    }
    // The host's own name server is no exception.
    assert!(!finds(&mut job, "data.tunnel.example", "203.0.113.1"));
    assert!(!finds(&mut job, "data.tunnel.example", ""), "by the job's own");
    assert!(!internet.was_asked("data.tunnel.example"));
    assert!(
        reaches(&mut job, "ok.example"),
        "the control: the list is in force"
    );
}

#[test]
fn a_chain_of_aliases_is_followed_and_nothing_beside_it() {
    let world = World::new();
    let _internet = Internet::of(&world);
    let mut job = listed(&world, "listed", &["www.example", "big.example"]);
    assert!(reaches(&mut job, "www.example"));
    assert!(
        is_kept_from(&mut job, "198.51.100.7"),
        "a record that is not of the chain"
    );
    let mut open = world.start("open");
    assert!(reaches(&mut open, "198.51.100.7"), "the control");
    assert!(!finds(&mut job, "edge.cdn.test", ""), "a list means its names");
    let flows = job.sandbox.flows().flows;
    let found =
        |flow: &&Flow| flow.name.as_deref() == Some("www.example") && flow.verdict == Verdict::Allowed;
    let www: Vec<&Flow> = flows.iter().filter(found).collect();
    let [www] = www.as_slice() else {
        panic!("{flows:?}")
    };
    assert_eq!(
        (www.address, www.port, www.connections),
        ([203, 0, 113, 1].into(), 80, 1)
    );
    // What does not fit a datagram is asked for again by TCP.
    assert!(reaches(&mut job, "big.example"));
}

#[test]
fn a_name_cannot_open_what_is_closed_to_all() {
    let world = World::with_outside(Outside {
        closed: vec![Ipv4Block::one([203, 0, 113, 9].into())],
        opened: vec![],
    });
    let _internet = Internet::of(&world);
    world.internet.ip("addr add 203.0.113.9/32 dev i0");
    let names = [
        "metadata.example",
        "inner.example",
        "closed.example",
        "ok.example",
    ];
    let mut job = listed(&world, "listed", &names);
    for name in &names[..3] {
        assert!(is_kept_from(&mut job, name), "{name}");
    }
    let gone = refused(&job);
    for wanted in [
        "metadata.example 169.254.169.254:0",
        "inner.example 192.168.77.1:0",
        "closed.example 203.0.113.9:0",
    ] {
        assert!(gone.iter().any(|each| each == wanted), "{gone:?}");
    }
    let rules = world.host.rules();
    for address in [
        "169.254.169.254 timeout",
        "192.168.77.1 timeout",
        "203.0.113.9 timeout",
    ] {
        assert!(!rules.contains(address), "{rules}");
    }
    assert!(reaches(&mut job, "ok.example"), "the control");
    drop(job);

    let world = World::with_outside(Outside {
        closed: vec![],
        opened: vec![Ipv4Block::one([192, 168, 77, 1].into())],
    });
    let _internet = Internet::of(&world);
    let mut job = listed(&world, "listed", &["inner.example"]);
    assert!(
        reaches(&mut job, "inner.example"),
        "the control: what the operator opened, a name may lead to"
    );
}

#[test]
fn without_any_name_server_names_fail_at_once() {
    let world = World::new();
    let mut job = listed(&world, "listed", &["ok.example"]);
    assert!(!reaches(&mut job, "ok.example"), "nobody answers at port 53");
    let _internet = Internet::of(&world);
    assert!(reaches(&mut job, "ok.example"), "the control: somebody does");
}
