//! `airlock job resources|network`: what is on record of a slice that has ended.

use airlock_domain::JobId;
use airlock_domain::bytes::size;
use clap::Args;
use serde_json::Value;

use crate::client::ServerArguments;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// The job's id, as pages and `--json` show it.
    job: JobId,
    /// Which slice of a parallel job.
    #[arg(long, default_value_t = 0)]
    slice: u32,
    /// Print the whole record as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Prints sums and peaks; the samples are in the JSON.
pub(crate) async fn resources(arguments: &RecordArguments) -> anyhow::Result<()> {
    let RecordArguments { job, slice, json, .. } = arguments;
    let client = arguments.server.client()?;
    let record: Value = client
        .get(&format!("/airlock/job/{job}/resources?slice={slice}"))
        .await?;
    if *json {
        terminal::line(&record.to_string());
    } else {
        for line in resource_lines(&record) {
            terminal::line(&line);
        }
    }
    Ok(())
}

/// Prints the slice's connections as a table.
pub(crate) async fn network(arguments: &RecordArguments) -> anyhow::Result<()> {
    let RecordArguments { job, slice, json, .. } = arguments;
    let client = arguments.server.client()?;
    let record: Value = client.get(&format!("/airlock/job/{job}/egress")).await?;
    let items = record["items"].as_array();
    let own = items.and_then(|items| items.iter().find(|item| item["slice"] == *slice));
    if *json {
        terminal::line(&own.unwrap_or(&Value::Null).to_string());
        return Ok(());
    }
    match own {
        Some(own) => network_lines(own).iter().for_each(|line| terminal::line(line)),
        None => terminal::note(&format!(
            "No connections of slice {slice} are on record; a slice has its record once it has ended."
        )),
    }
    Ok(())
}

fn resource_lines(record: &Value) -> Vec<String> {
    let number = |key: &str| record[key].as_u64().unwrap_or_default();
    let samples = || record["samples"].as_array().into_iter().flatten();
    let each = |key: &'static str| samples().map(move |sample| sample[key].as_u64().unwrap_or_default());
    let sum = |key| each(key).fold(0, u64::saturating_add);
    let processors = |millis: u64| format!("{}.{}", millis / 1000, millis / 100 % 10);
    let most = each("cpu_millis").max().unwrap_or_default();
    let mut lines = vec![
        format!(
            "processor  {} s used, {} of {} at most",
            processors(number("cpu_ms")),
            processors(most),
            processors(number("cpu_limit_millis"))
        ),
        format!(
            "memory     {} of {} at most",
            size(number("memory_peak")),
            size(number("memory_limit"))
        ),
    ];
    if number("oom_kills") > 0 {
        lines.push(format!("           {} × killed for memory", number("oom_kills")));
    }
    if number("processes_peak") > 0 {
        lines.push(format!("processes  {} at once", number("processes_peak")));
    }
    if number("disk_peak") > 0 {
        lines.push(format!(
            "disk       {} in {} files at most, {} read, {} written",
            size(number("disk_peak")),
            number("files_peak"),
            size(sum("disk_read")),
            size(sum("disk_written"))
        ));
    }
    lines.push(format!(
        "network    {} received, {} sent",
        size(sum("net_in")),
        size(sum("net_out"))
    ));
    lines
}

fn network_lines(own: &Value) -> Vec<String> {
    let connections = own["connections"].as_array().into_iter().flatten();
    let mut lines: Vec<String> = connections
        .map(|connection| {
            let text = |key: &str| connection[key].as_str().unwrap_or_default().to_owned();
            let number = |key: &str| connection[key].as_u64().unwrap_or_default();
            let bytes = if text("verdict") == "allowed" {
                format!(
                    ", {} sent, {} received",
                    size(number("bytes_out")),
                    size(number("bytes_in"))
                )
            } else {
                String::new()
            };
            format!(
                "step {}  {} {}/{}  {}, {} ×{bytes}",
                number("step"),
                text("address"),
                number("port"),
                text("protocol"),
                text("verdict"),
                number("count")
            )
        })
        .collect();
    let beyond = own["beyond"].as_u64().unwrap_or_default();
    if beyond > 0 {
        lines.push(format!(
            "{beyond} more connections to other places are not listed"
        ));
    }
    if own["incomplete"] == true {
        lines.push("not every connection could be seen".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sums_and_peaks_are_lines() {
        let record = json!({
            "slice": 0, "cpu_limit_millis": 2000, "memory_limit": 8_000_000_000_u64, "cpu_ms": 5_250,
            "memory_peak": 412_000_000, "oom_kills": 1, "processes_peak": 12, "disk_peak": 20_000_000, "files_peak": 40,
            "samples": [
                {"at_ms": 1000, "cpu_millis": 900, "disk_read": 1, "disk_written": 2_000, "net_in": 5, "net_out": 0},
                {"at_ms": 2000, "cpu_millis": 1_900, "disk_read": 0, "disk_written": 1_000, "net_in": 5, "net_out": 1},
            ],
        });
        assert_eq!(
            resource_lines(&record),
            [
                "processor  5.2 s used, 1.9 of 2.0 at most",
                "memory     412 MB of 8.0 GB at most",
                "           1 × killed for memory",
                "processes  12 at once",
                "disk       20 MB in 40 files at most, 1 B read, 3.0 kB written",
                "network    10 B received, 1 B sent",
            ]
        );
    }

    #[test]
    fn refused_connections_have_no_bytes() {
        let own = json!({
            "slice": 0, "beyond": 3, "incomplete": true,
            "connections": [
                {"step": 2, "address": "192.0.2.1", "port": 443, "protocol": "tcp", "verdict": "allowed", "count": 2,
                 "bytes_out": 1_200, "bytes_in": 34},
                {"step": 3, "address": "169.254.169.254", "port": 80, "protocol": "tcp", "verdict": "refused", "count": 1,
                 "bytes_out": 0, "bytes_in": 0},
            ],
        });
        assert_eq!(
            network_lines(&own),
            [
                "step 2  192.0.2.1 443/tcp  allowed, 2 ×, 1.2 kB sent, 34 B received",
                "step 3  169.254.169.254 80/tcp  refused, 1 ×",
                "3 more connections to other places are not listed",
                "not every connection could be seen",
            ]
        );
    }
}
