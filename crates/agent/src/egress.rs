//! Who a job spoke to: the sandbox's counts as the server keeps them, and as a table at the end of the job's log. Pure;
//! called by `slice` when the last step has ended.

use airlock_agent_protocol::{EgressEntry, EgressReport, EgressVerdict};
use airlock_domain::bytes::size;
use airlock_sandbox::{Flow, Flows, Verdict};

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
        verdict,
        connections,
        bytes_out,
        bytes_in,
    } = flow;
    EgressEntry {
        step: mark,
        address: address.into(),
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
        "ADDRESS",
        "PROTOCOL",
        "VERDICT",
        "CONNECTIONS",
        "SENT",
        "RECEIVED",
    ];
    let mut rows: Vec<[String; 7]> = vec![heads.map(str::to_owned)];
    for entry in &report.entries {
        let bytes = |count| match entry.verdict {
            EgressVerdict::Allowed => size(count),
            EgressVerdict::Refused => "-".to_owned(),
        };
        rows.push([
            step_name(names, entry.step),
            entry.place(),
            entry.protocol_name(),
            entry.verdict.as_str().to_owned(),
            entry.connections.to_string(),
            bytes(entry.bytes_out),
            bytes(entry.bytes_in),
        ]);
    }
    let widths: [usize; 7] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let line = |row: &[String; 7]| {
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
    let name = name.unwrap_or("-");
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
                "STEP                              ADDRESS              PROTOCOL  VERDICT  CONNECTIONS  SENT    RECEIVED",
                "test                              192.0.2.1:443        tcp       allowed  2            1.2 kB  45 MB",
                "a name that is much longer than…  169.254.169.254:443  tcp       refused  2            -       -",
                "7 more connections to other places are not listed",
                "Not every connection could be seen; the list is not complete",
            ]
        );
    }
}
