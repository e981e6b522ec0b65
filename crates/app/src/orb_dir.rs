//! A folder of orbs: `NAMESPACE/ORB/VERSION.yml`, each file an orb's packed source. Read by `airlock lsp`
//! and for `--orb-dir`; refuses nothing by itself and fetches nothing, what is not in the folder is not there.

use std::path::{Path, PathBuf};

use airlock_pipeline_config::{Catalogue, OrbName, OrbProblem, OrbReference, OrbSource, Source, select};

/// Largest file that is taken for an orb; the largest public ones have some 200 kB.
const MAX_ORB_FILE_BYTES: u64 = 5 * 1024 * 1024;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct OrbDir {
    root: PathBuf,
}

impl OrbDir {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of a command line; a mistyped one is told of, and not searched in vain.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            root.is_dir(),
            "there is no folder {}: orbs are read from NAMESPACE/ORB/VERSION.yml below it",
            root.display()
        );
        Ok(Self::new(root.to_owned()))
    }

    /// The orb of a reference, with its path as its name in diagnostics.
    pub(crate) fn find(&self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        let OrbReference::Registry { name, version } = reference else {
            let message = "a folder holds no orbs of addresses".to_owned();
            return Err(OrbProblem::Unavailable(message));
        };
        let folder = self.root.join(name.to_string());
        let versions = versions(&folder);
        let Some(found) = select(version, versions.iter().map(String::as_str)) else {
            return Err(OrbProblem::NotFound(self.catalogue(name, versions.clone())));
        };
        let path = folder.join(format!("{found}.yml"));
        let unavailable = |reason: String| OrbProblem::Unavailable(format!("{}: {reason}", path.display()));
        let length = std::fs::metadata(&path)
            .map_err(|error| unavailable(error.to_string()))?
            .len();
        if length > MAX_ORB_FILE_BYTES {
            return Err(unavailable(format!(
                "an orb has at most {MAX_ORB_FILE_BYTES} bytes"
            )));
        }
        let bytes = std::fs::read(&path).map_err(|error| unavailable(error.to_string()))?;
        let source = Source::new(path.display().to_string(), bytes);
        Ok(OrbSource::new(source, format!("{name}@{found}")))
    }

    /// Everything in the folder, as references.
    pub(crate) fn references(&self) -> Vec<String> {
        let mut found = Vec::new();
        for namespace in folders(&self.root) {
            for orb in folders(&self.root.join(&namespace)) {
                let versions = versions(&self.root.join(&namespace).join(&orb));
                found.extend(
                    versions
                        .into_iter()
                        .map(|version| format!("{namespace}/{orb}@{version}")),
                );
            }
        }
        found
    }

    fn catalogue(&self, name: &OrbName, versions: Vec<String>) -> Catalogue {
        let name = name.to_string();
        let namespace = name.split('/').next().unwrap_or_default();
        Catalogue {
            namespaces: folders(&self.root),
            orbs: folders(&self.root.join(namespace)),
            versions,
        }
    }
}

fn versions(folder: &Path) -> Vec<String> {
    let file = |name: String| name.strip_suffix(".yml").map(ToOwned::to_owned);
    names(folder, false).into_iter().filter_map(file).collect()
}

fn folders(folder: &Path) -> Vec<String> {
    names(folder, true)
}

/// Names in a folder, in order; none when it cannot be read.
fn names(folder: &Path, folders: bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter(|entry| entry.path().is_dir() == folders)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_by_reference() -> anyhow::Result<()> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("acme/tool");
        std::fs::create_dir_all(&folder)?;
        for version in ["1.2.0", "1.2.9", "1.10.0", "dev:main"] {
            std::fs::write(folder.join(format!("{version}.yml")), "commands: {}\n")?;
        }
        let dir = OrbDir::new(root.path().to_owned());
        let found = |text: &str| -> anyhow::Result<String> {
            let orb = dir.find(&OrbReference::parse(text)?)?;
            Ok(orb.resolved().to_owned())
        };
        assert_eq!(found("acme/tool@1.2")?, "acme/tool@1.2.9");
        assert_eq!(found("acme/tool@volatile")?, "acme/tool@1.10.0");
        assert_eq!(found("acme/tool@dev:main")?, "acme/tool@dev:main");
        assert_eq!(dir.references().len(), 4);
        let missing = dir.find(&OrbReference::parse("acme/tool@3")?);
        let Err(OrbProblem::NotFound(catalogue)) = missing else {
            anyhow::bail!("it was found: {missing:?}");
        };
        assert_eq!(
            (catalogue.namespaces, catalogue.orbs),
            (vec!["acme".to_owned()], vec!["tool".to_owned()])
        );
        Ok(())
    }
}
