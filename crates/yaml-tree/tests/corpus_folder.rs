//! Where real configs lie: `AIRLOCK_CORPUS`, or `../shared/corpus` beside the checkout. A test without them would pass and
//! have looked at nothing, so a missing folder fails it, unless `AIRLOCK_WITHOUT_CORPUS` is set. The tests of several crates
//! use this file.

use std::path::{Path, PathBuf};

/// The folder, or nothing where the environment says that there is none.
pub(crate) fn corpus_folder() -> Option<PathBuf> {
    let named = std::env::var_os("AIRLOCK_CORPUS").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let found = named.unwrap_or_else(beside);
    if found.is_dir() {
        return Some(found);
    }
    assert!(
        std::env::var_os("AIRLOCK_WITHOUT_CORPUS").is_some(),
        "there are no real configs at {}: AIRLOCK_CORPUS names their folder, and AIRLOCK_WITHOUT_CORPUS=1 leaves out what needs \
         them",
        found.display()
    );
    None
}

/// All YAML files below a folder.
pub(crate) fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml")
        {
            found.push(path);
        }
    }
}
