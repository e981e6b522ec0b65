//! What a running sandbox has used up to a moment: counters that only rise, and the memory it holds. Read from files of
//! the kernel that nobody else needs, so that reading changes nothing; called by `Sandbox::sample` once a second.

use std::fs;
use std::path::Path;

/// Bytes in a sector, in which the kernel counts whatever the device's own sectors are.
const SECTOR_BYTES: u64 = 512;

/// One look. What this host does not count is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Processor time in nanoseconds since the start.
    pub cpu_ns: u64,
    /// Memory held now, in bytes, page cache included.
    pub memory_bytes: u64,
    /// The part of it that is page cache, which the kernel takes back when it needs it.
    pub cache_bytes: u64,
    /// Bytes read from its disk since the start; what the page cache answered is not among them.
    pub disk_read_bytes: u64,
    /// Bytes written to its disk since the start, counted when they leave the page cache.
    pub disk_written_bytes: u64,
    /// Bytes received over the network since the start.
    pub net_in_bytes: u64,
    /// Bytes sent over the network since the start.
    pub net_out_bytes: u64,
}

/// What the control groups contribute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) cpu_ns: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) cache_bytes: u64,
}

/// Bytes read and written, from the text of a block device's `stat`.
pub(crate) fn transferred(stat: &str) -> (u64, u64) {
    let mut fields = stat.split_whitespace();
    let mut sectors = |skipped: usize| {
        let count: Option<u64> = fields.nth(skipped).and_then(|field| field.parse().ok());
        count.unwrap_or_default().saturating_mul(SECTOR_BYTES)
    };
    // Reads, merged reads, sectors read, time; writes, merged writes, sectors written.
    (sectors(2), sectors(3))
}

/// Bytes that came in and went out at the host's end of a sandbox's link, turned round to be the sandbox's.
pub(crate) fn net(port: &str) -> (u64, u64) {
    let statistics = Path::new("/sys/class/net").join(port).join("statistics");
    let count = |file: &str| {
        let text = fs::read_to_string(statistics.join(file)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    };
    (count("tx_bytes"), count("rx_bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_are_bytes() {
        let stat =
            "     120       3     2048      55      40       7      512      11        0       60       66\n";
        assert_eq!(transferred(stat), (1 << 20, 256 << 10));
        assert_eq!(transferred(""), (0, 0));
        assert_eq!(transferred("1 2 x 4 5 6 7"), (0, 7 * 512));
    }

    #[test]
    fn a_link_that_is_gone_carried_nothing() {
        assert_eq!(net("no-such-port"), (0, 0));
    }
}
