//! Where the built `airlock` is.
//!
//! Cargo tells a test where binaries of its own package are, but not those of another. All targets of one build
//! share a folder, so the binary lies beside the folder of the running test. `cargo xtask test` builds it before the
//! tests; whoever runs a journey alone builds it with `cargo build -p airlock-app`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Names another binary to test, for instance an installed one.
const OVERRIDE: &str = "AIRLOCK_TEST_BINARY";

/// The `airlock` of the same build as this test.
pub fn airlock_binary() -> Result<PathBuf> {
    let binary = match std::env::var_os(OVERRIDE) {
        Some(path) => PathBuf::from(path),
        None => beside(&std::env::current_exe().context("could not find the running test's own path")?)?,
    };
    ensure!(
        binary.is_file(),
        "there is no airlock at {}: build it with `cargo build -p airlock-app`, or name one in {OVERRIDE}",
        binary.display()
    );
    Ok(binary)
}

/// Tests lie in `target/<profile>/deps`, binaries in `target/<profile>`.
fn beside(test: &Path) -> Result<PathBuf> {
    let folder = test.parent().context("the running test has no folder")?;
    let profile = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    Ok(profile.join("airlock"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::beside;

    #[test]
    fn the_binary_lies_beside_the_tests_folder() {
        let found = beside(Path::new("/w/target/debug/deps/journeys-0123")).unwrap();
        assert_eq!(found, Path::new("/w/target/debug/airlock"));
        assert_eq!(
            beside(Path::new("/opt/tests/journeys")).unwrap(),
            Path::new("/opt/tests/airlock")
        );
    }
}
