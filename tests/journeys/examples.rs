//! The projects of `examples/` that need a language: built, tested and asked as their READMEs say, on one image that is
//! made from Debian packages once per machine.

use std::sync::OnceLock;
use std::time::Duration;

use airlock_testkit::{DataDir, Finished};

use crate::support;

/// What the examples call their image, and how their READMEs make it.
const IMAGE: &str = "example/languages";
const PACKAGES: &str = "cargo,python3-pytest,nodejs";

/// A few hundred packages, fetched and unpacked on a machine that may be busy.
const BUILDING: Duration = Duration::from_mins(20);

/// Makes the image unless this machine has it. The first test does, the others wait for it.
fn image() -> anyhow::Result<()> {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    let made = MADE.get_or_init(|| make_image().map_err(|error| format!("{error:#}")));
    made.clone().map_err(anyhow::Error::msg)
}

fn make_image() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let listed = support::airlock(&data)?
        .args(["image", "list"])
        .finish()?
        .success()?;
    if listed.stdout.contains(IMAGE) {
        return Ok(());
    }
    support::airlock(&data)?
        .args(["image", "build-base", "--name", IMAGE, "--packages", PACKAGES])
        .deadline(BUILDING)
        .finish()?
        .success()?;
    Ok(())
}

fn run_example(name: &str) -> anyhow::Result<Finished> {
    image()?;
    let data = DataDir::new()?;
    support::airlock_run(&data)?
        .arg(support::example(name))
        .deadline(BUILDING)
        .finish()?
        .success()
}

fn says(done: &Finished, lines: &[&str]) {
    for line in lines {
        assert!(done.stdout.contains(line), "no {line:?} in:\n{}", done.stdout);
    }
}

#[test]
fn the_rust_example_is_green() -> anyhow::Result<()> {
    let done = run_example("rust")?;
    says(
        &done,
        &[
            "✔ workflow rust  success",
            "a_text_without_words_has_none",
            "case_and_punctuation_do_not_matter",
            "     2 be",
        ],
    );
    Ok(())
}

#[test]
fn the_python_example_is_green_with_a_server_beside_it_and_a_flaky_step() -> anyhow::Result<()> {
    let done = run_example("python")?;
    says(
        &done,
        &[
            "✔ workflow python  success",
            "Container example/languages",
            "test_prices_come_from_the_container_beside_this_one",
            "tests are on node 1 of 2",
            "Try 2 of 3 begins in 1s.",
        ],
    );
    Ok(())
}

#[test]
fn the_node_example_is_green_after_its_packages_were_made_anew() -> anyhow::Result<()> {
    let done = run_example("node")?;
    says(
        &done,
        &[
            "✔ workflow node  success",
            "the server greets by name",
            "Hello, CI!",
        ],
    );
    Ok(())
}

#[test]
fn each_readme_says_how_its_image_is_made() -> anyhow::Result<()> {
    for name in ["rust", "python", "node"] {
        let readme = std::fs::read_to_string(support::example(name).join("README.md"))?;
        let line = format!("airlock image build-base --name {IMAGE} --packages {PACKAGES}");
        assert!(readme.contains(&line), "{name}/README.md does not say: {line}");
        assert!(readme.contains(&format!("airlock run examples/{name}")), "{name}");
    }
    Ok(())
}
