//! One binary for all journeys, since linking is the slow part on small machines.
//!
//! Each journey is a file beside this one and a line below. Build the binary under test first:
//! `cargo build -p airlock-app`; `cargo xtask test` does it by itself.

mod browser;
mod config;
mod examples;
mod images;
mod language_server;
mod local_run;
mod orbs;
mod serve;
mod support;
mod version;

/// A file that no line above names would never be compiled, and its tests never run.
#[test]
fn no_journey_is_forgotten() -> anyhow::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("journeys");
    let named: Vec<&str> = include_str!("main.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let mut found = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            assert!(
                named.contains(&name.as_str()),
                "journeys/main.rs does not name `{name}`"
            );
            found += 1;
        }
    }
    assert_eq!(
        found,
        named.len(),
        "a journey is named twice, or its file is a folder"
    );
    Ok(())
}
