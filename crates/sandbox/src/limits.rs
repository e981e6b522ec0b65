//! Every number this crate bounds something with, and the reason for it.

/// Ids one sandbox owns: what images expect (0 to 65535), so that no image file is unmapped.
pub const IDS_PER_SANDBOX: u32 = 65_536;

/// First id of the default block: above the ranges systemd, Docker and Podman hand out, below 2^31, where
/// some file systems and archivers stop.
pub const DEFAULT_ID_BASE: u32 = 0x7000_0000;
