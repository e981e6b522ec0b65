//! Where everything is measured: the binary, its folder, its images. Owns the folder and removes it at the end.

use std::path::{Path, PathBuf};

use airlock_testkit::{DataDir, Run};
use anyhow::Context as _;

/// Handed to every figure.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) binary: PathBuf,
    pub(crate) data: DataDir,
    pub(crate) runs: u32,
    image_cache: PathBuf,
}

impl World {
    pub(crate) fn new(binary: &Path, image_cache: &Path, runs: u32) -> anyhow::Result<Self> {
        let absolute =
            |path: &Path| std::path::absolute(path).with_context(|| format!("finding {}", path.display()));
        Ok(Self {
            binary: absolute(binary)?,
            data: DataDir::new()?,
            runs,
            image_cache: absolute(image_cache)?,
        })
    }

    /// The data directory of the measured instance.
    pub(crate) fn instance(&self) -> PathBuf {
        self.data.join("airlock")
    }

    /// `airlock`, about to be run.
    pub(crate) fn airlock(&self) -> Run {
        Run::new(&self.binary)
            .directory(self.data.path())
            .variable("AIRLOCK_IMAGE_CACHE", &self.image_cache)
    }
}
