//! Orbs in a folder, `<namespace>/<orb>/<version>.yml`, as cases and the corpus keep them. An address's orb is the file
//! `url/<last part of the path>`.

use std::path::{Path, PathBuf};

use airlock_pipeline_config::{
    Catalogue, Inputs, OrbProblem, OrbReference, OrbSource, Orbs, Source, gather, select,
};

/// The folder of a case or of the corpus.
pub(crate) struct OrbFolder {
    /// Where the orbs lie.
    pub(crate) root: PathBuf,
    /// What stands before their names in diagnostics.
    pub(crate) shown: &'static str,
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a folder can be listed").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

impl OrbFolder {
    /// All that a config needs of this folder.
    pub(crate) fn gather(&self, source: &Source, inputs: &Inputs) -> Orbs {
        gather(source, inputs, &mut |reference| self.find(reference))
    }

    /// One orb.
    pub(crate) fn find(&self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        let (name, version) = match reference {
            OrbReference::Registry { name, version } => (name, version),
            OrbReference::Url(url) => {
                let file = url.rsplit('/').next().unwrap_or_default();
                return self.read(&format!("url/{file}"), url);
            }
        };
        let files = names(&self.root.join(name.to_string()));
        let versions: Vec<&str> = files
            .iter()
            .filter_map(|file| file.strip_suffix(".yml"))
            .collect();
        let Some(found) = select(version, versions.iter().copied()) else {
            return Err(OrbProblem::NotFound(Catalogue {
                namespaces: names(&self.root),
                orbs: names(&self.root.join(name.namespace())),
                versions: versions.into_iter().map(str::to_owned).collect(),
            }));
        };
        self.read(&format!("{name}/{found}.yml"), &format!("{name}@{found}"))
    }

    fn read(&self, file: &str, resolved: &str) -> Result<OrbSource, OrbProblem> {
        let bytes =
            std::fs::read(self.root.join(file)).map_err(|_| OrbProblem::NotFound(Catalogue::default()))?;
        let source = Source::new(format!("{}{file}", self.shown), bytes);
        Ok(OrbSource::new(source, resolved))
    }
}
