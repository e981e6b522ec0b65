//! Takes a directory or a tar archive as an image. Archives are unpacked by the machine's own tar, which keeps owners and
//! refuses paths that lead out.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ImageError, ImageRecord, ImageStore, at};

impl ImageStore {
    /// Copies a directory, or unpacks a tar archive (plain, gzip, xz or zstd), and names it.
    pub fn import(&self, from: &Path, name: &str) -> Result<ImageRecord, ImageError> {
        let meta = fs::metadata(from).map_err(at("reading", from))?;
        let _lock = self.lock_name(name, &mut |_| {})?;
        let scratch = self.scratch(name)?;
        let tree = scratch.path().join("root");
        fs::create_dir(&tree).map_err(at("making the directory", &tree))?;
        let mut command = if meta.is_dir() {
            let mut copy = Command::new("cp");
            copy.args(["-a", "--reflink=auto", "--"])
                .arg(from.join("."))
                .arg(&tree);
            copy
        } else {
            let mut unpack = Command::new("tar");
            unpack
                .args(["--extract", "--numeric-owner", "--same-permissions", "--file"])
                .arg(from)
                .arg("--directory")
                .arg(&tree)
                .args(["--exclude=./dev/*", "--exclude=dev/*"]);
            unpack
        };
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(at("running tar or cp for", from))?;
        let import_error = |problem: String| ImageError::Import {
            from: from.to_owned(),
            problem,
        };
        if !output.status.success() {
            return Err(import_error(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            ));
        }
        if !["bin", "usr"].iter().any(|part| tree.join(part).exists()) {
            return Err(import_error(
                "it holds no root file system: expected at least bin/ or usr/ at its top".into(),
            ));
        }
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755))
            .map_err(at("changing the mode of", &tree))?;
        self.adopt(&tree, name, format!("imported from {}", from.display()))
    }
}
