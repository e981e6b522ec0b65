//! Where everything is measured: a directory on a disk with a small root file system and a large one, gone afterwards.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::limits::{IMAGE_BYTES, IMAGE_FILES};

/// What every contender runs.
pub(crate) const COMMAND: &str = "/bin/true";

#[derive(Debug)]
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Makes it below `parent`, which is where the jobs' layers would be.
    pub(crate) fn make(parent: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("airlock-bench-")
            .tempdir_in(parent)
            .with_context(|| format!("making a directory in {}", parent.display()))?;
        let this = Self { directory };
        root_file_system(&this.small()).context("making the small root")?;
        root_file_system(&this.large()).context("making the large root")?;
        fill(&this.large().join("usr/share")).context("filling the large root")?;
        for name in ["work", "data"] {
            fs::create_dir(this.join(name)).with_context(|| format!("making {name}"))?;
        }
        Ok(this)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A root with one static program in it.
    pub(crate) fn small(&self) -> PathBuf {
        self.join("small")
    }

    /// The same with 200 MB in thousands of files.
    pub(crate) fn large(&self) -> PathBuf {
        self.join("large")
    }
}

fn root_file_system(root: &Path) -> Result<()> {
    for directory in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"] {
        fs::create_dir_all(root.join(directory))?;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .context("a static busybox is needed (Debian: busybox-static)")?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    for applet in ["sh", "true", "cat", "sleep"] {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(())
}

fn fill(directory: &Path) -> Result<()> {
    let content = vec![b'x'; IMAGE_BYTES / IMAGE_FILES];
    for number in 0..IMAGE_FILES {
        let folder = directory.join(format!("package-{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("file-{number}")), &content)?;
    }
    Ok(())
}
