//! Where things live on this machine unless somebody says otherwise.

use std::path::PathBuf;

/// `--data-dir`, else `/var/lib/airlock` as root, `$XDG_DATA_HOME/airlock` otherwise.
pub(crate) fn data_dir(given: Option<PathBuf>) -> PathBuf {
    if let Some(folder) = given {
        return std::path::absolute(&folder).unwrap_or(folder);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/airlock");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| PathBuf::from(".")).join("airlock")
}

/// Where images are: `AIRLOCK_IMAGE_CACHE`, which several instances may share, else below the data directory.
pub(crate) fn image_cache(data_dir: &std::path::Path) -> PathBuf {
    std::env::var_os("AIRLOCK_IMAGE_CACHE").map_or_else(|| data_dir.join("images"), PathBuf::from)
}

/// Where jobs are entered over SSH when nobody says: beside the git remote, one port on. A free port has no next one.
pub(crate) fn job_ssh(ssh: std::net::SocketAddr) -> std::net::SocketAddr {
    let port = match ssh.port() {
        0 => 0,
        port => port.checked_add(1).unwrap_or(0),
    };
    std::net::SocketAddr::new(ssh.ip(), port)
}
