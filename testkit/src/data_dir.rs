//! A folder for one test, gone afterwards.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// Where tests put their folders instead of the system's place for temporary files.
const PARENT: &str = "AIRLOCK_TEST_DIR";

/// When set, folders stay for a look at what went wrong.
const KEEP: &str = "AIRLOCK_TEST_KEEP";

/// A private folder with a short path, since Unix sockets in it allow about a hundred bytes.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _removed_on_drop: Option<TempDir>,
}

impl DataDir {
    /// Makes an empty folder, readable by its owner only.
    pub fn new() -> Result<Self> {
        let parent = std::env::var_os(PARENT).map_or_else(std::env::temp_dir, PathBuf::from);
        let made = tempfile::Builder::new()
            .prefix("al-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .with_context(|| format!("could not make a folder for the test in {}", parent.display()))?;
        // The binary resolves its folder too; a link in the middle would make paths in its output differ from ours.
        let path = made
            .path()
            .canonicalize()
            .context("could not resolve the folder of the test")?;
        if std::env::var_os(KEEP).is_some() {
            let _kept = made.keep();
            return Ok(Self {
                path,
                _removed_on_drop: None,
            });
        }
        Ok(Self {
            path,
            _removed_on_drop: Some(made),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path below the folder.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file below the folder, with the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("could not make {}", parent.display()))?;
        }
        std::fs::write(&path, content).with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::DataDir;

    #[test]
    fn the_folder_is_private_and_goes_with_its_owner() {
        let data = DataDir::new().unwrap();
        let path = data.path().to_owned();
        let file = data.write("a/b.txt", "text").unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(data);
        let kept = std::env::var_os(super::KEEP).is_some();
        assert_eq!(path.exists(), kept);
    }
}
