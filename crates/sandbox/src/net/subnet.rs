//! Which addresses jobs get: a /22 that nothing on this host is routed to.

use std::net::Ipv4Addr;

/// Length of the network part: room for about a thousand sandboxes at once.
pub(super) const PREFIX: u8 = 22;

const SIZE: u32 = 1 << (32 - PREFIX as u32);

/// Where candidates are taken from: a private block that few use, then shared address space.
const POOLS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 213, 0, 0), Ipv4Addr::new(100, 64, 0, 0)];

/// Candidates per pool: the /22 blocks of a /16.
const CANDIDATES: u32 = 64;

/// One network for jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    base: u32,
}

impl Subnet {
    /// The first free candidate, beginning at one picked by `seed`; `routes` is the text of `/proc/net/route`.
    pub(super) fn choose(routes: &str, seed: u32) -> Option<Self> {
        // The default route stands in nobody's way.
        let taken: Vec<(u32, u32)> = routes
            .lines()
            .skip(1)
            .filter_map(destination)
            .filter(|(_, mask)| *mask != 0)
            .collect();
        let free = |subnet: &Self| {
            taken.iter().all(|(network, mask)| {
                let both = mask & !(SIZE - 1);
                network & both != subnet.base & both
            })
        };
        POOLS
            .iter()
            .flat_map(|pool| {
                let pool = u32::from(*pool);
                (0..CANDIDATES).map(move |step| Self {
                    base: pool + (seed.wrapping_add(step) % CANDIDATES) * SIZE,
                })
            })
            .find(free)
    }

    /// Numbers that can be lent to sandboxes.
    pub(super) fn slots() -> std::ops::Range<u32> {
        2..SIZE - 1
    }

    pub(super) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    pub(super) fn host(self, slot: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base + slot)
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{PREFIX}", Ipv4Addr::from(self.base))
    }
}

/// Network and mask of one line of `/proc/net/route`.
pub(super) fn destination(line: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| Some(u32::from_str_radix(fields.get(at)?, 16).ok()?.swap_bytes());
    Some((number(1)?, number(7)?))
}

#[cfg(test)]
mod tests {
    use super::Subnet;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const DEFAULT: &str = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";

    fn choose(lines: &str, seed: u32) -> String {
        Subnet::choose(&format!("{HEAD}{DEFAULT}{lines}"), seed)
            .map_or("none".into(), |subnet| subnet.to_string())
    }

    #[test]
    fn the_seed_picks_the_first_candidate() {
        assert_eq!(choose("", 0), "10.213.0.0/22");
        assert_eq!(choose("", 66), "10.213.8.0/22");
    }

    #[test]
    fn routed_candidates_are_passed_over() {
        // 10.213.1.0/24 lies within the first candidate, 10.213.4.0/22 is the second.
        let routed = "eth1\t0001D50A\t0\t1\t0\t0\t0\t00FFFFFF\t0\t0\t0\nbr0\t0004D50A\t0\t1\t0\t0\t0\t00FCFFFF\t0\t0\t0\n";
        assert_eq!(choose(routed, 0), "10.213.8.0/22");
    }

    #[test]
    fn a_wide_route_sends_us_to_the_other_pool() {
        assert_eq!(
            choose("vpn\t0000000A\t0\t1\t0\t0\t0\t000000FF\t0\t0\t0\n", 3),
            "100.64.12.0/22"
        );
        let both = "vpn\t0000000A\t0\t1\t0\t0\t0\t000000FF\t0\t0\t0\nvpn\t00004064\t0\t1\t0\t0\t0\t0000C0FF\t0\t0\t0\n";
        assert_eq!(choose(both, 3), "none");
    }

    #[test]
    fn gateway_and_hosts_are_distinct_addresses_of_the_network() {
        let subnet = Subnet::choose(HEAD, 0).expect("everything is free");
        assert_eq!(subnet.gateway().to_string(), "10.213.0.1");
        let slots = Subnet::slots();
        assert_eq!(subnet.host(slots.start).to_string(), "10.213.0.2");
        assert_eq!(subnet.host(slots.end - 1).to_string(), "10.213.3.254");
    }
}
