//! The first thing anybody types.

use airlock_testkit::{DataDir, Run, airlock_binary};

#[test]
fn the_binary_knows_its_version() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let done = Run::new(airlock_binary()?)
        .arg("--version")
        .directory(data.path())
        .finish()?
        .success()?;
    assert_eq!(done.stdout, format!("airlock {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(done.stderr, "");
    Ok(())
}

#[test]
fn help_names_the_commands_one_starts_with() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let done = Run::new(airlock_binary()?)
        .arg("--help")
        .directory(data.path())
        .finish()?
        .success()?;
    for command in ["run", "config"] {
        let listed = done
            .stdout
            .lines()
            .any(|line| line.split_whitespace().next() == Some(command));
        assert!(listed, "`{command}` is missing in:\n{}", done.stdout);
    }
    Ok(())
}

#[test]
fn an_unknown_command_is_a_usage_error() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let done = Run::new(airlock_binary()?)
        .arg("launch-rockets")
        .directory(data.path())
        .finish()?
        .failure(2)?;
    assert!(done.stderr.contains("launch-rockets"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
    Ok(())
}
