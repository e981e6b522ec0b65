//! The packet filter rules, as text for `nft`, and their loading. Loaded once per launcher: ports and addresses are
//! known beforehand, so a job changes nothing here.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

use super::Names;
use super::resolvers::Resolvers;
use super::subnet::Subnet;
use crate::errors::LauncherError;
use crate::failure::Failure;

/// Everything that decides what a packet of a job may do.
pub(super) fn text(names: &Names, subnet: Subnet, resolvers: &Resolvers) -> String {
    let Names { bridge, table, ports } = names;
    let mut pairs = String::new();
    for slot in Subnet::slots() {
        let _ = write!(pairs, "\"{}\" . {}, ", names.port(slot), subnet.host(slot));
    }
    // A name server may be the host itself or have a link-local address; then that one service is open.
    let mut names_open = String::new();
    for server in resolvers.servers() {
        let _ = writeln!(
            names_open,
            "    ip daddr {server} meta l4proto {{ tcp, udp }} th dport 53 accept"
        );
    }
    format!(
        "table inet {table} {{
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
{names_open}    ip daddr 169.254.0.0/16 drop
    ip daddr 127.0.0.0/8 drop
    ip daddr 224.0.0.0/4 drop
    accept
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
{names_open}    drop
  }}
  chain outgoing {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {subnet} oifname != \"{bridge}\" masquerade
  }}
}}
table bridge {table} {{
  set places {{
    type ifname . ipv4_addr
    elements = {{ {pairs} }}
  }}
  chain from_port {{
    type filter hook prerouting priority -300; policy accept;
    iifname \"{ports}*\" ether type ip iifname . ip saddr @places accept
    iifname \"{ports}*\" ether type arp iifname . arp saddr ip @places accept
    iifname \"{ports}*\" drop
  }}
}}
"
    )
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

/// Removes both tables if they exist. Without `nft` there can be none of ours.
pub(super) fn unload(names: &Names) -> Result<(), Failure> {
    let table = &names.table;
    for family in ["inet", "bridge"] {
        // `add` first, so that deleting is no error when there is none.
        match nft(&format!(
            "add table {family} {table}\ndelete table {family} {table}\n"
        )) {
            Ok(Ok(())) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(Err(said)) => {
                return Err(Failure {
                    doing: format!("deleting the table {family} {table}"),
                    source: io::Error::other(said),
                });
            }
            Err(source) => {
                return Err(Failure {
                    doing: "running nft".into(),
                    source,
                });
            }
        }
    }
    Ok(())
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
