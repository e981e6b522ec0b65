//! What a job may reach, as the sandbox takes it; and who it spoke to: the sandbox's counts as the server keeps them, and
//! as a table at the end of the job's log. Pure; called by `spin_up`, and by `slice` when the last step has ended.

use airlock_agent_protocol::{EgressEntry, EgressReport, EgressVerdict};
use airlock_domain::EgressPolicy;
use airlock_domain::bytes::size;
use airlock_domain::egress::EgressEntry as Listed;
use airlock_sandbox::{BlockError, Flow, Flows, Ipv4Block, NameRule, Network, Verdict};

/// What a sandbox is opened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Openings {
    pub(crate) network: Network,
    pub(crate) blocks: Vec<Ipv4Block>,
    pub(crate) names: Vec<NameRule>,
}

impl Openings {
    /// What a policy means on a machine that offers `offered`.
    pub(crate) fn of(policy: &EgressPolicy, offered: Network) -> Result<Self, BlockError> {
        let network = match (offered, policy) {
            (Network::None, _) => Network::None,
            (Network::Egress, EgressPolicy::Allow) => Network::Egress,
            (Network::Egress, EgressPolicy::Deny | EgressPolicy::List(_)) | (Network::Listed, _) => {
                Network::Listed
            }
        };
        let (mut blocks, mut names) = (Vec::new(), Vec::new());
        if let EgressPolicy::List(entries) = policy {
            for entry in entries {
                match entry {
                    Listed::Name { name, below } => names.push(NameRule {
                        name: name.clone(),
                        below: *below,
                    }),
                    Listed::Block { first, prefix } => blocks.push(format!("{first}/{prefix}").parse()?),
                }
            }
        }
        Ok(Self {
            network,
            blocks,
            names,
        })
    }

    /// The line in the job's first step.
    pub(crate) fn say(&self) -> String {
        let count = |count: usize, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            more => format!("{more} {many}"),
        };
        match self.network {
            Network::Egress => {
                "Network: to the outside; not to this machine, private networks, other jobs or from outside"
                    .to_owned()
            }
            Network::Listed if self.blocks.is_empty() && self.names.is_empty() => {
                "Network: none to the outside; the project's egress is denied".to_owned()
            }
            Network::Listed => format!(
                "Network: what the project's list says, {} and {}; nothing else",
                count(self.names.len(), "name", "names"),
                count(self.blocks.len(), "address or block", "addresses or blocks")
            ),
            Network::None => "Network: none".to_owned(),
        }
    }
}

/// What the server is told.
pub(crate) fn report(flows: Flows) -> EgressReport {
    let Flows {
        flows,
        beyond,
        incomplete,
    } = flows;
    EgressReport {
        entries: flows.into_iter().map(entry).collect(),
        beyond,
        incomplete,
    }
}

fn entry(flow: Flow) -> EgressEntry {
    let Flow {
        mark,
        protocol,
        address,
        port,
        name,
        verdict,
        connections,
        bytes_out,
        bytes_in,
    } = flow;
    EgressEntry {
        step: mark,
        address: address.into(),
        name,
        port,
        protocol,
        verdict: match verdict {
            Verdict::Allowed => EgressVerdict::Allowed,
            Verdict::Refused => EgressVerdict::Refused,
        },
        connections,
        bytes_out,
        bytes_in,
    }
}

/// Widest step name in the table.
const NAME_WIDTH: usize = 32;

/// The table, one row per place; `names` are those of the steps, the first being step 1.
pub(crate) fn table(report: &EgressReport, names: &[&str]) -> Vec<String> {
    let heads = [
        "STEP",
        "NAME",
        "ADDRESS",
        "PROTOCOL",
        "VERDICT",
        "CONNECTIONS",
        "SENT",
        "RECEIVED",
    ];
    let mut rows: Vec<[String; 8]> = vec![heads.map(str::to_owned)];
    for entry in &report.entries {
        let bytes = |count| match entry.verdict {
            EgressVerdict::Allowed => size(count),
            EgressVerdict::Refused => "-".to_owned(),
        };
        rows.push([
            step_name(names, entry.step),
            shortened(entry.name.as_deref().unwrap_or("-")),
            entry.place(),
            entry.protocol_name(),
            entry.verdict.as_str().to_owned(),
            entry.connections.to_string(),
            bytes(entry.bytes_out),
            bytes(entry.bytes_in),
        ]);
    }
    let widths: [usize; 8] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let line = |row: &[String; 8]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if report.beyond > 0 {
        lines.push(format!(
            "{} more connections to other places are not listed",
            report.beyond
        ));
    }
    if report.incomplete {
        lines.push("Not every connection could be seen; the list is not complete".to_owned());
    }
    lines
}

fn step_name(names: &[&str], step: u32) -> String {
    let at = usize::try_from(step).ok().and_then(|step| step.checked_sub(1));
    let name = at
        .and_then(|at| names.get(at))
        .and_then(|name| name.lines().next());
    shortened(name.unwrap_or("-"))
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_WIDTH {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME_WIDTH - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(mark: u32, address: [u8; 4], verdict: Verdict) -> Flow {
        Flow {
            mark,
            protocol: 6,
            address: address.into(),
            port: 443,
            name: (mark == 1).then(|| "a.example".to_owned()),
            verdict,
            connections: 2,
            bytes_out: 1_234,
            bytes_in: 45_600_000,
        }
    }

    #[test]
    fn the_table_names_steps_and_lines_up() {
        let flows = Flows {
            flows: vec![
                flow(1, [192, 0, 2, 1], Verdict::Allowed),
                flow(2, [169, 254, 169, 254], Verdict::Refused),
            ],
            beyond: 7,
            incomplete: true,
        };
        let names = ["test", "a name that is much longer than a column may ever be"];
        let lines = table(&report(flows), &names);
        assert_eq!(
            lines,
            [
                "STEP                              NAME       ADDRESS              PROTOCOL  VERDICT  CONNECTIONS  SENT    RECEIVED",
                "test                              a.example  192.0.2.1:443        tcp       allowed  2            1.2 kB  45 MB",
                "a name that is much longer than…  -          169.254.169.254:443  tcp       refused  2            -       -",
                "7 more connections to other places are not listed",
                "Not every connection could be seen; the list is not complete",
            ]
        );
    }

    #[test]
    fn a_policy_opens_no_more_than_the_machine_offers() {
        let list = EgressPolicy::parse_list("*.example.com 192.0.2.0/24 203.0.113.7").expect("a list");
        let of = |policy: &EgressPolicy, offered| Openings::of(policy, offered).expect("understood");
        let openings = of(&list, Network::Egress);
        assert_eq!(openings.network, Network::Listed);
        assert_eq!(openings.names.len(), 1);
        assert!(openings.names[0].below && openings.names[0].name == "example.com");
        let blocks: Vec<String> = openings.blocks.iter().map(ToString::to_string).collect();
        assert_eq!(blocks, ["192.0.2.0/24", "203.0.113.7"]);
        assert_eq!(
            openings.say(),
            "Network: what the project's list says, 1 name and 2 addresses or blocks; nothing else"
        );
        let denied = of(&EgressPolicy::Deny, Network::Egress);
        assert_eq!(denied.network, Network::Listed);
        assert!(denied.say().ends_with("denied"));
        assert_eq!(of(&EgressPolicy::Allow, Network::Egress).network, Network::Egress);
        for policy in [EgressPolicy::Allow, EgressPolicy::Deny, list] {
            assert_eq!(of(&policy, Network::None).network, Network::None);
        }
    }
}
