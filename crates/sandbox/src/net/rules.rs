//! The packet filter rules, as text for `nft`, loaded once per launcher with their sets still empty. What differs
//! between jobs is an element of a set (`filter`), never a rule.

use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

use super::block::{Ipv4Block, PRIVATE};
use super::lookup::Ports;
use super::subnet::Subnet;
use super::{Names, Outside};
use crate::errors::LauncherError;

/// Everything that decides what a packet of a job may do.
///
/// A refused packet is answered, so that who sent it fails at once instead of waiting; nothing answers what comes from
/// outside.
pub(super) fn text(
    names: &Names,
    subnet: Subnet,
    lookup: Ports,
    outside: &Outside,
    log_group: Option<u16>,
) -> String {
    let Names { bridge, table, ports } = names;
    let (gateway, Ports { udp, tcp }) = (subnet.gateway(), lookup);
    // More than a person could read is not worth a processor.
    let log = log_group.map_or_else(String::new, |group| {
        format!("    limit rate 1000/second burst 5000 packets log group {group} snaplen 64\n")
    });
    let never = set("never", &outside.closed);
    let opened = set("opened", &outside.opened);
    let private = set("private", &PRIVATE);
    format!(
        "table inet {table} {{
{never}{opened}{private}
  set open {{
    type ipv4_addr
  }}
  set blocks {{
    type ipv4_addr . ipv4_addr
    flags interval
  }}
  set named {{
    type ipv4_addr . ipv4_addr
    flags timeout
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname \"{bridge}\" jump from_job
    oifname \"{bridge}\" jump to_job
  }}
  chain from_job {{
    meta nfproto != ipv4 drop
    oifname \"{bridge}\" drop
    ip saddr != {subnet} drop
    ct state established,related accept
    ip daddr @never goto refuse
    ip daddr @opened goto by_job
    ip daddr @private goto refuse
    goto by_job
  }}
  chain by_job {{
    ip saddr @open accept
    ip saddr . ip daddr @blocks accept
    ip saddr . ip daddr @named accept
    goto refuse
  }}
  chain refuse {{
{log}    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }}
  chain to_job {{
    ct state established,related accept
    drop
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname \"{bridge}\" jump host_from_job
  }}
  chain host_from_job {{
    ct state established,related accept
    ct status dnat ip daddr {gateway} udp dport {udp} accept
    ct status dnat ip daddr {gateway} tcp dport {tcp} accept
    goto refuse
  }}
  chain lookups {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname \"{bridge}\" ip daddr {gateway} udp dport 53 redirect to :{udp}
    iifname \"{bridge}\" ip daddr {gateway} tcp dport 53 redirect to :{tcp}
  }}
  chain outgoing {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {subnet} oifname != \"{bridge}\" masquerade
  }}
}}
table bridge {table} {{
  set places {{
    type ifname . ether_addr . ipv4_addr
  }}
  chain from_port {{
    type filter hook prerouting priority -300; policy accept;
    iifname \"{ports}*\" ether type ip iifname . ether saddr . ip saddr @places accept
    iifname \"{ports}*\" ether type arp iifname . ether saddr . arp saddr ip @places accept
    iifname \"{ports}*\" drop
  }}
}}
"
    )
}

/// A set of blocks, overlapping ones merged.
fn set(name: &str, blocks: &[Ipv4Block]) -> String {
    let listed: Vec<String> = blocks.iter().map(ToString::to_string).collect();
    let elements = if listed.is_empty() {
        String::new()
    } else {
        format!("    elements = {{ {} }}\n", listed.join(", "))
    };
    format!("  set {name} {{\n    type ipv4_addr\n    flags interval\n    auto-merge\n{elements}  }}\n")
}

/// Gives rules to the kernel, all or nothing.
pub(super) fn load(text: &str) -> Result<(), LauncherError> {
    match nft(text) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(said)) => Err(LauncherError::NftRefused(said)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LauncherError::NftMissing),
        Err(source) => Err(LauncherError::Step {
            doing: "running nft".into(),
            source,
        }),
    }
}

/// Whether a table of this name is loaded; without `nft` there is none.
pub(super) fn loaded(table: &str) -> bool {
    let listed = |family| nft(&format!("list table {family} {table}\n"));
    ["inet", "bridge"]
        .into_iter()
        .any(|family| matches!(listed(family), Ok(Ok(()))))
}

/// Where it is when the agent's PATH has no place for it.
const PROGRAMS: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];

/// Runs `nft` on a text; the inner error is what it said.
fn nft(text: &str) -> io::Result<Result<(), String>> {
    let mut child = spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A refusal half-way closes the pipe; what it says is read below.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Err(said
        .lines()
        .next()
        .unwrap_or("it gave no reason")
        .trim()
        .to_owned()))
}

fn spawn() -> io::Result<Child> {
    let mut missing = io::Error::from(io::ErrorKind::NotFound);
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing = error,
            other => return other,
        }
    }
    Err(missing)
}
