//! Builds the in-job program `airlock-task` as a static binary and leaves it where `src/task_binary.rs` embeds it.
//! It has a target folder of its own, because its flags (`+crt-static`) must not reach anything else.

use std::env;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    if let Err(problem) = build_task().and_then(|()| embed_example()) {
        println!("cargo::error={problem}");
    }
}

fn build_task() -> Result<(), String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest
        .ancestors()
        .nth(2)
        .ok_or("the package stands outside its workspace")?;
    for path in [
        "crates/task",
        "crates/sandbox",
        "crates/domain",
        "Cargo.lock",
        "Cargo.toml",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    let out = PathBuf::from(variable("OUT_DIR")?);
    // <target>/<profile>/build/<package>/out: one task build serves every profile beside it.
    let target = out
        .ancestors()
        .nth(4)
        .map_or_else(|| out.join("task"), |folder| folder.join("task"));
    let mut command = Command::new(variable("CARGO")?);
    command
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--package",
            "airlock-task",
            "--profile",
            "task",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    // What the outer build says about itself must not reach the inner one.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_MAKEFLAGS",
    ] {
        command.env_remove(name);
    }
    let status = command
        .status()
        .map_err(|error| format!("cargo could not be started to build airlock-task: {error}"))?;
    if !status.success() {
        return Err(format!("building airlock-task ended with {status}"));
    }
    let built = target.join(TARGET).join("task/airlock-task");
    let embedded = out.join("airlock-task");
    std::fs::copy(&built, &embedded)
        .map_err(|error| format!("copying {} to {}: {error}", built.display(), embedded.display()))?;
    let program =
        std::fs::read(&embedded).map_err(|error| format!("reading {}: {error}", embedded.display()))?;
    println!("cargo::rustc-env=AIRLOCK_TASK_NAME={:016x}", fnv1a(&program));
    Ok(())
}

/// A name for content, not a proof of it: the content itself is compared before use. Made here, since going through a
/// megabyte takes longer than a sandbox.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Writes the list of the example's files as Rust that `src/demo.rs` includes.
fn embed_example() -> Result<(), String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let example = manifest.join("../../examples/hello");
    let example =
        std::fs::canonicalize(&example).map_err(|error| format!("{}: {error}", example.display()))?;
    println!("cargo::rerun-if-changed={}", example.display());
    let mut files = Vec::new();
    collect(&example, &mut files)?;
    files.sort();
    let mut list = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(&example).map_err(|error| error.to_string())?;
        let (name, file) = (name.display().to_string(), file.display().to_string());
        writeln!(list, "    ({name:?}, include_str!({file:?})),").map_err(|error| error.to_string())?;
    }
    list.push_str("]\n");
    let path = PathBuf::from(variable("OUT_DIR")?).join("hello_files.rs");
    std::fs::write(&path, list).map_err(|error| format!("writing {}: {error}", path.display()))
}

fn collect(folder: &std::path::Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("reading {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(std::fs::canonicalize(&path).map_err(failed)?);
        }
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
