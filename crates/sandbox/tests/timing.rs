//! Figures, for people: `cargo test -p airlock-sandbox --test main -- --ignored --nocapture`. Nothing is asserted about time.

#![expect(clippy::print_stdout, reason = "prints figures")]

use std::time::{Duration, Instant};

use airlock_sandbox::Network;

use crate::network::{World, reaches};
use crate::support::{Inside, Machine};

const ROUNDS: usize = 100;

fn median(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1000.0;
    format!(
        "median {:.2} ms, p90 {:.2}, p99 {:.2}, min {:.2}",
        at(50),
        at(90),
        at(99),
        at(0)
    )
}

fn measure(what: &str, machine: &Machine, network: Network) {
    let (mut starts, mut commands, mut ends, mut switches) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let mut spec = machine.spec(&format!("round-{round}"));
        spec.network = network;
        let begin = Instant::now();
        let sandbox = machine.launcher().start(&spec).expect("a sandbox");
        starts.push(begin.elapsed());
        let mut inside = Inside::new(sandbox);
        let begin = Instant::now();
        inside.output("true");
        commands.push(begin.elapsed());
        let begin = Instant::now();
        let root = inside.sandbox.assemble_root(&[]).expect("a root");
        inside.switch(root);
        switches.push(begin.elapsed());
        let begin = Instant::now();
        inside.sandbox.destroy().expect("a clean end");
        ends.push(begin.elapsed());
    }
    for (name, times) in [
        ("start to init", starts),
        ("one confined sh", commands),
        ("root switch", switches),
        ("destroy", ends),
    ] {
        println!("{what:14} {name:16} {}", median(times));
    }
}

#[test]
#[ignore = "prints figures"]
fn start_and_destroy() {
    measure("no network", &Machine::new(), Network::None);
    let by_path = Machine::with_assembly(airlock_sandbox::Assembly::Paths);
    measure("by path", &by_path, Network::None);
    let world = World::new();
    world
        .host
        .within(|| measure("egress", &world.machine, Network::Egress));
    let mut firsts = Vec::new();
    for round in 0..ROUNDS {
        let mut inside = world.start(&format!("first-{round}"));
        let begin = Instant::now();
        assert!(reaches(&mut inside, "203.0.113.1"));
        firsts.push(begin.elapsed());
    }
    println!("{:14} {:16} {}", "egress", "first connection", median(firsts));
}
