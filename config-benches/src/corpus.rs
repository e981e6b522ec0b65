//! The folder of real configs and the orbs they name, read in place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use airlock_pipeline_config::{
    Catalogue, Inputs, OrbProblem, OrbReference, OrbSource, Source, gather, select,
};
use anyhow::Context as _;

/// How many lines a text has.
pub(crate) fn lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

/// The folder.
pub(crate) struct Corpus {
    configs: Vec<PathBuf>,
    orbs: PathBuf,
    /// Each orb is read and parsed once, as a server does.
    known: RefCell<BTreeMap<String, OrbSource>>,
}

impl Corpus {
    /// Nothing where there is no such folder.
    pub(crate) fn open(root: &Path) -> Option<Self> {
        let mut configs: Vec<PathBuf> = std::fs::read_dir(root.join("configs"))
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        configs.sort();
        Some(Self {
            configs,
            orbs: root.join("orb-dir"),
            known: RefCell::default(),
        })
    }

    /// The config whose number of lines is nearest, with its name.
    pub(crate) fn near(&self, lines: usize) -> anyhow::Result<(String, Vec<u8>)> {
        self.best(|have| have.abs_diff(lines))
    }

    /// The one with most lines.
    pub(crate) fn longest(&self) -> anyhow::Result<(String, Vec<u8>)> {
        self.best(|have| usize::MAX - have)
    }

    fn best(&self, badness: impl Fn(usize) -> usize) -> anyhow::Result<(String, Vec<u8>)> {
        let mut best: Option<(usize, String, Vec<u8>)> = None;
        for path in &self.configs {
            let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let badness = badness(lines(&bytes));
            if best.as_ref().is_none_or(|(least, ..)| badness < *least) {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                best = Some((badness, name, bytes));
            }
        }
        let (_, name, bytes) = best.context("the folder has no configs")?;
        Ok((name, bytes))
    }

    /// Every config with the orbs it needs, one after the other.
    pub(crate) fn each(&self, mut take: impl FnMut(&Source, &Inputs), inputs: &Inputs) -> anyhow::Result<()> {
        for path in &self.configs {
            let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            let source = Source::new(path.display().to_string(), bytes);
            let mut inputs = inputs.clone();
            inputs.orbs = gather(&source, &inputs, &mut |reference| self.find(reference));
            take(&source, &inputs);
        }
        Ok(())
    }

    /// The orb of a reference, out of the folder.
    pub(crate) fn find(&self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        let missing = || OrbProblem::NotFound(Catalogue::default());
        let OrbReference::Registry { name, version } = reference else {
            return Err(missing());
        };
        let folder = self.orbs.join(name.to_string());
        let files: Vec<String> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let versions = files.iter().filter_map(|file| file.strip_suffix(".yml"));
        let found = select(version, versions).ok_or_else(missing)?;
        let resolved = format!("{name}@{found}");
        if let Some(known) = self.known.borrow().get(&resolved) {
            return Ok(known.clone());
        }
        let file = format!("{found}.yml");
        let bytes = std::fs::read(folder.join(&file)).map_err(|_| missing())?;
        let orb = OrbSource::new(Source::new(format!("{name}/{file}"), bytes), resolved.clone());
        self.known.borrow_mut().insert(resolved, orb.clone());
        Ok(orb)
    }
}
