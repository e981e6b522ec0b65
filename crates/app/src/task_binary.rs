//! The in-job program travels inside this binary. An agent writes it out once per data directory, under a name that
//! holds its hash, so that two versions never overwrite each other.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

static TASK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/airlock-task"));

/// Writes the program below `data_dir/bin` unless it is there, and says where it stands.
pub(crate) fn unpack(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = data_dir.join("bin");
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join(concat!("airlock-task-", env!("AIRLOCK_TASK_NAME")));
    if std::fs::read(&path).is_ok_and(|present| present == TASK) {
        return Ok(path);
    }
    let fresh = folder.join(format!(".airlock-task-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o755)
            .open(&fresh)?;
        file.write_all(TASK)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(&fresh, &path)
    };
    write().with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_static_program_and_survives_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = unpack(folder.path()).expect("unpacked");
        std::fs::write(&path, b"damaged").expect("written");
        assert_eq!(unpack(folder.path()).expect("again"), path);
        assert_eq!(std::fs::read(&path).expect("read"), TASK);
        // A static program has no PT_INTERP segment, so the loader's name is nowhere in it.
        assert!(!TASK.windows(10).any(|window| window == b"/lib64/ld-"));
    }
}
