//! What a slice used, as a card of the job page: four small charts over the slice's time, each with its sum in words.
//! Pure; `job` calls it with the stored record.

use std::fmt::Write as _;

use airlock_agent_protocol::resources::thinned;
use airlock_agent_protocol::{ResourceReport, ResourceSample, Usage};
use airlock_control_plane::records::SliceResources;
use airlock_domain::bytes::size;

/// Points of a chart: what its width on a wide page can show.
const POINTS: usize = 120;
/// Width and height of a chart in its own units.
const WIDTH: u64 = 240;
const HEIGHT: u64 = 32;

/// One chart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    pub(crate) name: &'static str,
    /// The sum of it.
    pub(crate) words: String,
    /// Points of one line or two, as SVG writes them; the second is part of the first or its counterpart.
    pub(crate) lines: Vec<String>,
    /// What the top of the chart stands for.
    pub(crate) top: String,
}

/// The charts of a slice. A chart whose quantity this agent's machine does not count is left out.
pub(crate) fn charts(found: &SliceResources) -> Vec<Chart> {
    let SliceResources { usage, report } = found;
    let samples = thinned(&report.samples, POINTS);
    let totals = |of: fn(&ResourceSample) -> u64| report.samples.iter().map(of).fold(0, u64::saturating_add);
    let (read, written) = (totals(|one| one.disk_read), totals(|one| one.disk_written));
    let (received, sent) = (totals(|one| one.net_in), totals(|one| one.net_out));
    let mut charts = Vec::with_capacity(4);
    if usage.cpu_ns > 0 {
        charts.push(cpu(usage, report, &samples));
    }
    if usage.memory_peak > 0 {
        charts.push(memory(usage, report, &samples));
    }
    if usage.disk_peak > 0 {
        let mut words = format!("{} held at most", size(usage.disk_peak));
        if (read, written) != (0, 0) {
            let _infallible = write!(words, " · {} read · {} written", size(read), size(written));
        }
        charts.push(rates(
            "Disk",
            words,
            &samples,
            [|one| one.disk_read, |one| one.disk_written],
        ));
    }
    if (received, sent) != (0, 0) {
        let words = format!("{} received · {} sent", size(received), size(sent));
        charts.push(rates(
            "Network",
            words,
            &samples,
            [|one| one.net_in, |one| one.net_out],
        ));
    }
    charts
}

fn cpu(usage: &Usage, report: &ResourceReport, samples: &[ResourceSample]) -> Chart {
    let limit = u64::from(report.cpu_limit_millis);
    let most = report.samples.iter().map(|one| one.cpu_millis).max().unwrap_or(0);
    Chart {
        name: "Processor",
        words: format!(
            "{} s used · {} of {} at most",
            tenths(usage.cpu_ns / 100_000_000),
            tenths(most / 100),
            tenths(limit / 100)
        ),
        lines: vec![line(samples, limit.max(most), |one| one.cpu_millis)],
        top: tenths(limit.max(most) / 100),
    }
}

fn memory(usage: &Usage, report: &ResourceReport, samples: &[ResourceSample]) -> Chart {
    let top = report.memory_limit.max(usage.memory_peak);
    let mut words = format!(
        "{} of {} at most",
        size(usage.memory_peak),
        size(report.memory_limit)
    );
    let own = |one: &ResourceSample| one.memory.saturating_sub(one.cache);
    let most_own = report.samples.iter().map(own).max().unwrap_or(0);
    if usage.memory_peak > most_own {
        let _infallible = write!(words, " · {} without page cache", size(most_own));
    }
    if usage.oom_kills > 0 {
        let _infallible = write!(words, " · {} × killed for memory", usage.oom_kills);
    }
    if usage.pids_peak > 0 {
        let _infallible = write!(words, " · {} processes", usage.pids_peak);
    }
    Chart {
        name: "Memory",
        words,
        lines: vec![line(samples, top, |one| one.memory), line(samples, top, own)],
        top: size(top),
    }
}

/// Bytes per second, two ways, on one scale.
fn rates(
    name: &'static str,
    words: String,
    samples: &[ResourceSample],
    of: [fn(&ResourceSample) -> u64; 2],
) -> Chart {
    let mut before = 0;
    let mut each = [
        Vec::with_capacity(samples.len()),
        Vec::with_capacity(samples.len()),
    ];
    for sample in samples {
        let millis = sample.at_ms.saturating_sub(before).max(1);
        before = sample.at_ms;
        for (rates, of) in each.iter_mut().zip(of) {
            rates.push(of(sample).saturating_mul(1000) / millis);
        }
    }
    let top = each.iter().flatten().copied().max().unwrap_or(0).max(1);
    let drawn = |rates: &Vec<u64>| {
        points(
            samples.iter().zip(rates).map(|(one, rate)| (one.at_ms, *rate)),
            top,
        )
    };
    Chart {
        name,
        words,
        lines: each.iter().map(drawn).collect(),
        top: format!("{}/s", size(top)),
    }
}

fn line(samples: &[ResourceSample], top: u64, of: impl Fn(&ResourceSample) -> u64) -> String {
    points(samples.iter().map(|one| (one.at_ms, of(one))), top)
}

/// `x,y` pairs from the left edge to the right, the first value standing also for the time before it.
fn points(values: impl DoubleEndedIterator<Item = (u64, u64)> + Clone, top: u64) -> String {
    let end = values.clone().next_back().map_or(1, |(at, _)| at).max(1);
    let mut text = String::new();
    for (index, (at, value)) in values.enumerate() {
        let x = at.saturating_mul(WIDTH * 10) / end;
        let y = HEIGHT * 10 - value.min(top).saturating_mul(HEIGHT * 10) / top.max(1);
        let (x, y) = (tenths(x), tenths(y));
        if index == 0 {
            let _infallible = write!(text, "0.0,{y}");
        }
        let _infallible = write!(text, " {x},{y}");
    }
    text
}

fn tenths(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SliceResources {
        let sample = |second: u64| ResourceSample {
            at_ms: second * 1000,
            cpu_millis: second * 500,
            memory: second * 1_000_000,
            cache: 400_000,
            disk_read: 0,
            disk_written: 3_000_000,
            net_in: 1_000,
            net_out: 10,
        };
        SliceResources {
            usage: Usage {
                memory_peak: 4_500_000,
                cpu_ns: 5_000_000_000,
                pids_peak: 12,
                disk_peak: 20_000_000,
                ..Usage::default()
            },
            report: ResourceReport {
                cpu_limit_millis: 2000,
                memory_limit: 8_000_000,
                samples: (1..=4).map(sample).collect(),
            },
        }
    }

    #[test]
    fn each_chart_says_its_sum_and_ends_at_the_right_edge() {
        let charts = charts(&record());
        let said: Vec<_> = charts
            .iter()
            .map(|chart| {
                format!(
                    "{} | {} | {} | {}",
                    chart.name,
                    chart.words,
                    chart.top,
                    chart.lines.join(" / ")
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                "Processor | 5.0 s used · 2.0 of 2.0 at most | 2.0 | 0.0,24.0 60.0,24.0 120.0,16.0 180.0,8.0 240.0,0.0",
                "Memory | 4.5 MB of 8.0 MB at most · 3.6 MB without page cache · 12 processes | 8.0 MB | 0.0,28.0 60.0,28.0 120.0,24.0 180.0,20.0 240.0,16.0 / 0.0,29.6 60.0,29.6 120.0,25.6 180.0,21.6 240.0,17.6",
                "Disk | 20 MB held at most · 0 B read · 12 MB written | 3.0 MB/s | 0.0,32.0 60.0,32.0 120.0,32.0 180.0,32.0 240.0,32.0 / 0.0,0.0 60.0,0.0 120.0,0.0 180.0,0.0 240.0,0.0",
                "Network | 4.0 kB received · 40 B sent | 1.0 kB/s | 0.0,0.0 60.0,0.0 120.0,0.0 180.0,0.0 240.0,0.0 / 0.0,31.7 60.0,31.7 120.0,31.7 180.0,31.7 240.0,31.7",
            ]
        );
    }

    #[test]
    fn what_is_not_counted_is_not_drawn() {
        assert_eq!(charts(&SliceResources::default()), []);
    }

    #[test]
    fn a_sample_at_the_start_and_huge_numbers_draw() {
        let mut record = record();
        record.usage.memory_peak = u64::MAX;
        record.report.samples = vec![ResourceSample {
            memory: u64::MAX,
            net_in: u64::MAX,
            ..ResourceSample::default()
        }];
        assert!(
            charts(&record)
                .iter()
                .all(|chart| chart.lines.iter().all(|line| line.starts_with("0.0,")))
        );
    }
}
