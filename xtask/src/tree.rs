//! The files of the checkout: what git tracks, plus new files it does not ignore.
//!
//! The checks read sources through this list and never walk the disk themselves, so a build folder or an editor's
//! backup can neither fail nor pass anything.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// One text file of the checkout.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the checkout.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) text: String,
}

/// Every text file of the checkout; files that are not UTF-8 are left out.
pub(crate) fn text_files(root: &Path) -> Result<Vec<SourceFile>> {
    let output = Command::new("git")
        // The checkout may belong to another user than the one who runs the tests as root.
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("could not start `git ls-files`")?;
    ensure!(
        output.status.success(),
        "`git ls-files` in {} ended with {}",
        root.display(),
        output.status
    );
    let names = String::from_utf8(output.stdout).context("a tracked file name is not UTF-8")?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        // Deleted but still tracked files and links to folders have no text of their own.
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile {
                path: PathBuf::from(name),
                text,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::text_files;

    #[test]
    fn this_very_file_is_found_and_build_output_is_not() {
        let files = text_files(crate::metadata::root()).expect("the tests run in a checkout");
        assert!(files.iter().any(|file| file.path.ends_with("xtask/src/tree.rs")));
        assert!(!files.iter().any(|file| file.path.starts_with("target")));
    }
}
